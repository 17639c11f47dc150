"""A morning's run that dies between any two statements: the next one ends where the first would have ended."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from leeway.jobs.failures import Failures
from leeway.jobs.nightly import look
from leeway.stores.sql import SqlStore, open_store
from production import VERSION, epoch_of, label_all, live_morning, send

TILTED = (0.7, 0.15, 0.15)


class InterruptedMorning(BaseException):  # no error that a job could keep and go on
    """What a process that dies leaves undone."""


class Dying:
    """A store whose user dies before, or right after, its n-th call."""

    def __init__(self, store: SqlStore, calls: int, *, after: bool) -> None:
        self._store, self._left, self._after = store, calls, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise InterruptedMorning
            answer = method(*arguments, **named)
            if self._left == 0:
                raise InterruptedMorning
            return answer

        return call


def history(store: SqlStore) -> tuple[Any, ...]:
    """Everything that is concluded, asked for and told."""
    return (
        store.windows("colours", 1),
        store.results("colours", 1),
        store.decisions("colours"),
        plans := store.plans("colours", 1),
        [(store.design(plan.id), store.draws(plan.id)) for plan in plans],
        store.pending_alerts(),
    )


def prepared(path: Path) -> SqlStore:
    """Five mornings, with labels and a drift, and the sixth about to begin."""
    store = open_store(f"sqlite:///{path}")
    store.record_model(VERSION)
    for number in range(1, 6):
        send(store, number, mix=TILTED if number == 5 else (1 / 3,) * 3)
        live_morning(store, number)
        label_all(store, number, wrong=8 if number == 5 else 0)
    send(store, 6, mix=TILTED)
    return store


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
def test_a_morning_that_dies_at_any_statement_and_runs_again_ends_the_same(tmp_path: Path, after: bool) -> None:
    whole = prepared(tmp_path / "whole.db")
    live_morning(whole, 6)
    expected = history(whole)
    whole.close()
    died = 0
    prepared(tmp_path / "prepared.db").close()
    while True:
        path = tmp_path / f"{died}.db"
        shutil.copyfile(tmp_path / "prepared.db", path)
        store = open_store(f"sqlite:///{path}")
        try:
            live_morning(Dying(store, died + 1, after=after), 6)
        except InterruptedMorning:
            died += 1
            failures = Failures()
            look(epoch_of(store, 6), failures)
            assert failures.errors == []
            assert history(store) == expected, f"died at call {died}"
            store.close()
            path.unlink()
        else:
            store.close()
            break
    assert died > 20
