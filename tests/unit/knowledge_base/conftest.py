from collections.abc import Callable

import pytest
from knowledge_items import make_item

from novum.core.knowledge import KnowledgeItem


@pytest.fixture
def item() -> Callable[..., KnowledgeItem]:
    return make_item
