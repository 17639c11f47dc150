"""A fresh store in a file, with the tests' model version recorded."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from leeway.stores.sql import SqlStore, open_store
from production import VERSION


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = open_store(f"sqlite:///{tmp_path / 'leeway.db'}")
    opened.record_model(VERSION)
    yield opened
    opened.close()
