"""What the tests of the documentation share."""

import pytest

from novum.tools.registry import Registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    """Return the real tools."""
    return Registry.load()
