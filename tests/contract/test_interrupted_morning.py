"""A morning's run that dies between any two statements: the next one ends where the first would have ended."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leeway.domain.records import Label
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import look
from leeway.stores.opening import Stores, open_stores
from production import POLICY, begun, draws_of, epoch_of, label_all, live_morning, morning, send

TILTED = (0.7, 0.15, 0.15)
A_DAY = POLICY.model_copy(update={"labels": POLICY.labels.model_copy(update={"answer_days": 1})})


class InterruptedMorning(BaseException):  # no error that a job could keep and go on
    """What a process that dies leaves undone."""


class Dying:
    """Both stores, whose user dies before, or right after, the n-th call of either; the dead call nothing more."""

    def __init__(self, stores: Stores, calls: int, *, after: bool) -> None:
        self._left, self._after = calls, after
        self.log, self.ledger = (Watched(one, self._count) for one in (stores.log, stores.ledger))

    def _count(self, call: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left < 0 or (self._left == 0 and not self._after):
            raise InterruptedMorning
        answer = call()
        if self._left == 0:
            raise InterruptedMorning
        return answer


class Watched:
    """One of the stores, each call of which is counted."""

    def __init__(self, store: Any, count: Callable[[Callable[[], Any]], Any]) -> None:
        self._store, self._count = store, count

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        return lambda *arguments, **named: self._count(lambda: method(*arguments, **named))


def history(stores: Stores) -> tuple[Any, ...]:
    """Everything that is concluded, asked for and told."""
    return (
        stores.ledger.windows("colours", 1),
        stores.ledger.results("colours", 1),
        stores.ledger.decisions("colours"),
        plans := stores.ledger.plans("colours", 1),
        [(stores.ledger.design(plan.id), draws_of(stores, plan.id)) for plan in plans],
        stores.ledger.pending_alerts(),
    )


def prepared(path: Path) -> Stores:
    """Five mornings, with labels, of which one night's come late, and a drift; and the sixth about to begin."""
    stores = begun(open_stores(f"sqlite:///{path}", secret="of the tests"))
    for number in range(1, 6):
        send(stores, number, mix=TILTED if number == 5 else (1 / 3,) * 3)
        live_morning(stores, number, policy=A_DAY)
        if number != 2:
            label_all(stores, number, wrong=8 if number == 5 else 0)
    late = stores.ledger.missed("colours")
    stores.ledger.record_labels([Label("colours", one, "red", "tester", morning(5)) for one in late])
    send(stores, 6, mix=TILTED)
    return stores


def copied(folder: Path, name: str) -> Path:
    """Copy what was prepared, with the log's files; return where the database lies."""
    shutil.copytree(folder / "prepared-log", folder / f"{name}-log")
    return Path(shutil.copyfile(folder / "prepared.db", folder / f"{name}.db"))


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
def test_a_morning_that_dies_at_any_statement_and_runs_again_ends_the_same(tmp_path: Path, after: bool) -> None:
    prepared(tmp_path / "prepared.db").close()
    whole = open_stores(f"sqlite:///{copied(tmp_path, 'whole')}")
    live_morning(whole, 6, policy=A_DAY)
    expected = history(whole)
    assert len([one for one in whole.ledger.plans("colours", 1) if one.late_of]) == 1
    whole.close()
    died = 0
    while True:
        path = copied(tmp_path, str(died))
        stores = open_stores(f"sqlite:///{path}")
        try:
            live_morning(Dying(stores, died + 1, after=after), 6, policy=A_DAY)
        except InterruptedMorning:
            died += 1
            failures = Failures()
            look(epoch_of(stores, 6, policy=A_DAY), failures)
            assert failures.errors == []
            assert history(stores) == expected, f"died at call {died}"
            stores.close()
            path.unlink()
        else:
            stores.close()
            break
    assert died > 20
