"""What we know: versioned items with their evidence, and a search over them."""

from novum.knowledge_base.base import Hit, How, KnowledgeBase, Stats
from novum.knowledge_base.embedders import Embedder, open_embedder

__all__ = ["Embedder", "Hit", "How", "KnowledgeBase", "Stats", "open_embedder"]
