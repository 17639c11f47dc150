"""One look at a model: whatever fails is kept for the end, also where no night is due."""

from dataclasses import replace
from typing import Any

from leeway.errors import StoreError
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import look
from leeway.stores.sql import SqlStore
from production import epoch_of, live_morning, send


class WithoutResults:
    """A store whose database is locked whenever results are asked for."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def results(self, *_: Any, **__: Any) -> Any:
        raise StoreError("the database is locked")


def test_a_store_that_fails_where_no_night_is_due_stops_no_other_model(store: SqlStore) -> None:
    send(store, 1)
    live_morning(store, 1)
    failures, locked = Failures(), WithoutResults(store)
    assert look(replace(epoch_of(store, 1), store=locked), failures) is None
    assert [str(one) for one in failures.errors] == ["the database is locked"]
