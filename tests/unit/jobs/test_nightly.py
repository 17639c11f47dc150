"""One look at a model: whatever fails is kept for the end, also where no night is due."""

from dataclasses import replace
from typing import Any

from leeway.domain.stores import Ledger
from leeway.errors import StoreError
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import look
from leeway.stores.opening import Stores
from production import epoch_of, live_morning, send


class WithoutResults:
    """A ledger whose database is locked whenever results are asked for."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def results(self, *_: Any, **__: Any) -> Any:
        raise StoreError("the database is locked")


def test_a_store_that_fails_where_no_night_is_due_stops_no_other_model(stores: Stores) -> None:
    send(stores, 1)
    live_morning(stores, 1)
    failures, locked = Failures(), WithoutResults(stores.ledger)
    assert look(replace(epoch_of(stores, 1), ledger=locked), failures) is None
    assert [str(one) for one in failures.errors] == ["the database is locked"]
