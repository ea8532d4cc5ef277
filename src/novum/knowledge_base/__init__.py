"""What we know: versioned items with their evidence, and a search over them."""

from novum.knowledge_base.base import KnowledgeBase, Stats
from novum.knowledge_base.embedders import Embedder, open_embedder
from novum.knowledge_base.search import Hit, How

__all__ = ["Embedder", "Hit", "How", "KnowledgeBase", "Stats", "open_embedder"]
