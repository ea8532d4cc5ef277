"""The tutorial, and the pages that look at what it made, run from top to bottom."""

import pytest
from doc_blocks import TOGETHER
from page_runner import check_pages


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.sandbox
def test_the_tutorial_works_and_what_follows_it(registry, tmp_path, monkeypatch):
    check_pages(TOGETHER, tmp_path, monkeypatch, registry=registry)
