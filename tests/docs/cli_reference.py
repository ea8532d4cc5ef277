"""The page docs/reference/cli.md, made from the help of every command.

Write it anew with:   python tests/docs/cli_reference.py
"""

import os
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
WIDTH = 80

HEAD = """# Commands

This page is what `novum COMMAND --help` says. Exit codes are on [a page of their own](errors.md).
"""


def cli_reference() -> str:
    """Return the page."""
    os.environ["COLUMNS"] = os.environ["TERMINAL_WIDTH"] = str(WIDTH)
    import typer.main

    from novum.cli.main import root

    sections = [HEAD]
    for path, command, context in _commands(typer.main.get_command(root), "novum", None):
        title = "## `" + path + "`"
        text = "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
        sections.append(f"{title}\n\n```text\n{text}\n```\n")
    return "\n".join(sections)


def _commands(command: Any, path: str, parent: Any) -> list[tuple[str, Any, Any]]:
    context = command.make_context(path.rpartition(" ")[2], [], parent=parent, resilient_parsing=True)
    found = [(path, command, context)]
    for name, child in getattr(command, "commands", {}).items():
        found += _commands(child, f"{path} {name}", context)
    return found


if __name__ == "__main__":
    PAGE.write_text(cli_reference(), encoding="utf-8")
