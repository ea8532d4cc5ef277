"""Which packages a plugin's own code imports, read from its source inside the sandbox."""

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

from novum.tools.plugins import inside

ALWAYS_THERE: Final = frozenset({"novum", "pydantic", "annotated-types", "typing-extensions"})
"""What every tool is written with."""


def used_packages(module: str) -> list[str]:
    """Return the distributions that the code of a plugin imports, its own left out, sorted.

    Args:
        module: the plugin's module, which is unpacked and imported for that.
    """
    loaded = inside.load(module)
    top = module.partition(".")[0]
    unpacked = Path("plugin").absolute()
    root = Path(str(sys.modules[top].__file__ or loaded.__file__))
    files = unpacked.rglob("*.py") if unpacked.is_dir() else _files(root)
    names = {name for file in files for name in _imported(file)} - {top} - sys.stdlib_module_names
    owners = packages_distributions()
    found = {normalised(owner) for name in names for owner in owners.get(name, ())}
    return sorted(found - ALWAYS_THERE)


def normalised(distribution: str) -> str:
    """Return a distribution's name as others may write it, compared equal.

    Example:
        >>> normalised("Scikit_Learn")
        'scikit-learn'
    """
    return distribution.lower().replace("_", "-").replace(".", "-")


def _files(root: Path) -> Iterator[Path]:
    return root.parent.rglob("*.py") if root.name == "__init__.py" else iter([root])


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
