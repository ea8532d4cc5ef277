"""Knowledge out of one knowledge base and into another, in a form that strangers can read and verify."""

from novum.knowledge_base.exchange.export import Exported, export_crate
from novum.knowledge_base.exchange.merge import Imported, Origin, find_origins, import_crate
from novum.knowledge_base.exchange.reading import CrateError
from novum.knowledge_base.exchange.verify import Verified, verify_crate

__all__ = [
    "CrateError",
    "Exported",
    "Imported",
    "Origin",
    "Verified",
    "export_crate",
    "find_origins",
    "import_crate",
    "verify_crate",
]
