"""Fresh stores in memory, with the tests' model version recorded and serving."""

import pytest

from memory_stores import MemoryStores
from production import begun


@pytest.fixture
def stores() -> MemoryStores:
    return begun(MemoryStores())
