"""The first plugin of the page on tools: ten lines, taken from the page alone, and it passes the check."""

import ast

import pytest
from doc_blocks import DOCS, blocks_of

from novum.sandbox.select import open_sandbox
from novum.tools.conformance import check_source
from novum.tools.plugins.sources import file_source


def first_plugin():
    return next(b for b in blocks_of(DOCS / "how-to" / "add-a-tool.md") if b.title.startswith("tools/"))


def test_a_plugin_has_ten_lines_beside_its_docstring():
    tree = ast.parse(first_plugin().text)
    (function,) = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    told = function.body[0]
    described = set(range(told.lineno, told.end_lineno + 1))
    lines = enumerate(first_plugin().text.splitlines(), 1)
    assert len([line for number, line in lines if line.strip() and number not in described]) <= 10


@pytest.mark.sandbox
def test_it_passes_the_check(tmp_path):
    path = tmp_path / "settling.py"
    path.write_text(first_plugin().text)
    with open_sandbox("namespace") as sandbox:
        (report,) = check_source(file_source(path), lambda: sandbox)
    assert report.passed, str(report)
