"""A working tool to start from, written to disk."""

import keyword
import re
import sys
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path
from string import Template

from novum.core.errors import UsageError
from novum.tools.described import LONGEST_NAME
from novum.tools.plugins.sources import FOLDER


def write_package(name: str, folder: Path) -> list[Path]:
    """Write a package with one tool, its tests and its entry point into ``folder/NAME``.

    Args:
        name: of the tool, as ``my_tool`` or ``lab.my_tool``; its last part names the module.
        folder: where the package's folder is made.

    Returns:
        The files that were written.

    Raises:
        UsageError: the name cannot be a tool's, or the folder exists.
    """
    words = _words(name)
    root = folder / name
    if root.exists():
        raise UsageError(f"{str(root)!r} exists already; choose another name, or --into another folder")
    module = words["module"]
    return _write(
        {
            root / "pyproject.toml": "pyproject.toml",
            root / "README.md": "README.md",
            root / ".gitignore": "gitignore",
            root / "src" / module / "__init__.py": "init.py",
            root / "src" / module / "tool.py": "tool.py",
            root / "tests" / f"test_{module}.py": "test_tool.py",
        },
        words,
    )


def write_file(name: str, folder: Path) -> list[Path]:
    """Write a single file with one tool into ``folder/tools``, where novum finds it without packaging.

    Returns:
        The file that was written.

    Raises:
        UsageError: the name cannot be a tool's, or the file exists.
    """
    words = _words(name)
    path = folder / FOLDER / f"{words['module']}.py"
    if path.exists():
        raise UsageError(f"{str(path)!r} exists already; choose another name")
    return _write({path: "tool.py"}, words)


def _words(name: str) -> dict[str, str]:
    if not re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*", name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"{name!r} cannot be a tool's name: expected lower-case letters, digits and underscores, as "
            f"my_tool or lab.my_tool, at most {LONGEST_NAME} characters"
        )
    module = name.rpartition(".")[2]
    if module in sys.stdlib_module_names or module == __name__.partition(".")[0]:
        raise UsageError(f"{module!r} is already a module of Python or novum itself; choose another name")
    if keyword.iskeyword(module):
        raise UsageError(f"{module!r} is a word of Python itself; choose another name")
    if module in packages_distributions():
        raise UsageError(f"{module!r} is already an installed package; choose another name")
    return {
        "name": name,
        "module": module,
        "function": module,
        "distribution": name.replace("_", "-").replace(".", "-"),
        "answer": "".join(part.capitalize() for part in module.split("_")) + "Properties",
    }


def _write(wanted: dict[Path, str], words: dict[str, str]) -> list[Path]:
    templates = files(f"{__package__}.templates")
    try:
        for path, template in wanted.items():
            text = Template(templates.joinpath(f"{template}.in").read_text(encoding="utf-8"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.substitute(words), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{error.filename!r} cannot be written: {error.strerror}") from error
    return list(wanted)
