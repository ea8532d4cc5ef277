"""Every block of a page is run, loaded or parsed."""

import pytest
from doc_blocks import BLOCK_PAGES, LANGUAGES, ROOT, TOGETHER, blocks_of
from page_runner import check_pages

NAMES = [str(p.relative_to(ROOT)) for p in BLOCK_PAGES]


def is_slow(page):
    """Say whether a page runs commands, which may run campaigns."""
    runs = any(b.language == "console" and b.directive != "not run" for b in blocks_of(page))
    return runs or ".run(" in page.read_text(encoding="utf-8")


PARAMETERS = [
    pytest.param(page, id=name, marks=[pytest.mark.slow, pytest.mark.sandbox] if is_slow(page) else [])
    for page, name in zip(BLOCK_PAGES, NAMES, strict=True)
    if page not in TOGETHER
]


@pytest.mark.parametrize("page", BLOCK_PAGES, ids=NAMES)
def test_every_block_says_what_it_is(page):
    for block in blocks_of(page):
        assert block.language in LANGUAGES, f"{block.place}: say what the block is, not {block.language!r}"
        if block.directive in ("not run", "must be refused"):
            assert block.reason, f"{block.place}: say why it is not run"


@pytest.mark.parametrize("page", PARAMETERS)
def test_the_blocks_of_a_page_work(page, registry, tmp_path, monkeypatch):
    check_pages([page], tmp_path, monkeypatch, registry=registry)
