"""Predictions that are older than they are kept: what `leeway prune` removes, keeps, and leaves as it was."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leeway.jobs.claims import this_process
from leeway.stores.opening import Stores, open_stores
from prediction_logs import answers, reference, write_log
from processes import BIN, environment

Leeway = Callable[..., tuple[int, str, str]]
NIGHTS, ROWS = 30, 60  # from 2026-03-01 on
MONITOR = "monitor --as-of 2026-03-31T02:00:00"


def told(leeway: Leeway, folder: Path, line: str, code: int = 0) -> str:
    ended, out, error = leeway(folder, *line.split())
    assert ended == code, error
    return out if code == 0 else error


@contextmanager
def stores(folder: Path) -> Iterator[Stores]:
    with closing(open_stores(f"sqlite:///{folder / '.leeway' / 'leeway.db'}")) as opened:
        yield opened


def rows(folder: Path) -> int:
    with stores(folder) as opened:
        [version] = opened.ledger.versions("pets")
        return opened.log.count(version, datetime(2026, 1, 1, tzinfo=UTC), None)


def facts(leeway: Leeway, folder: Path, line: str) -> dict[str, Any]:
    [found] = json.loads(told(leeway, folder, f"{line} --json"))["models"]
    return dict(found)


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that watches a model from its logs, of which 30 nights are decided."""
    folder = tmp_path_factory.mktemp("decided")
    reference(folder / "reference.csv")
    write_log(folder / "log.csv", answers(ROWS, nights=NIGHTS))
    for line in ("watch init pets --reference reference.csv --floor 0.5", "ingest log.csv --model pets", MONITOR):
        subprocess.run([BIN / "leeway", *line.split()], cwd=folder, env=environment(folder), check=True, timeout=300)
    return folder


@pytest.fixture
def pets(decided: Path, tmp_path: Path) -> Path:
    return shutil.copytree(decided, tmp_path / "pets")


def test_nothing_is_removed_unasked(leeway: Leeway, pets: Path) -> None:
    assert "retention.predictions_days" in told(leeway, pets, "prune", code=2)
    assert "--yes" in told(leeway, pets, "prune --before 2026-03-11", code=1)
    shown = facts(leeway, pets, "prune --before 2026-03-11 --dry-run --yes")
    assert (shown["pruned"], shown["predictions"], shown["nights"]) == (False, 10 * ROWS, 10)
    assert rows(pets) == NIGHTS * ROWS


def test_older_predictions_go_and_the_nights_stay_decided_as_they_were(leeway: Leeway, pets: Path) -> None:
    before = json.loads(told(leeway, pets, "status --json"))
    removed = facts(leeway, pets, "prune --before 2026-03-11 --yes")
    assert (removed["pruned"], removed["predictions"], removed["first_kept"]) == (True, 10 * ROWS, "2026-03-11")
    assert rows(pets) == 20 * ROWS
    assert json.loads(told(leeway, pets, "status --json")) == before
    again = facts(leeway, pets, "prune --before 2026-03-11 --yes")
    assert (again["pruned"], again["predictions"]) == (False, 0)


def test_the_next_night_is_decided_from_the_history_of_those_that_are_gone(leeway: Leeway, pets: Path) -> None:
    told(leeway, pets, "prune --before 2026-03-11 --yes")
    write_log(pets / "more.csv", answers(ROWS, first=NIGHTS))
    told(leeway, pets, "ingest more.csv --model pets")
    told(leeway, pets, "monitor --as-of 2026-04-01T02:00:00")
    with stores(pets) as opened:
        decided = [one.night for one in opened.ledger.decisions("pets") if one.nightly]
    assert sorted(decided) == [date(2026, 3, 1) + timedelta(days=number) for number in range(NIGHTS + 1)]
    drift = next(one for one in night_checks(leeway, pets) if one["check"] == "prediction_drift")
    assert "reference" not in drift["reason"], "it has the windows of the first nights"


def night_checks(leeway: Leeway, folder: Path) -> list[dict[str, Any]]:
    with stores(folder) as opened:
        found = opened.ledger.results("pets", 1, nights=[date(2026, 3, 31)])
    return [{"check": one.check, "reason": one.reason} for _, one in found]


def test_a_removed_file_that_comes_again_is_refused(leeway: Leeway, pets: Path) -> None:
    told(leeway, pets, "prune --before 2026-03-11 --yes")
    write_log(pets / "again.csv", answers(ROWS, nights=NIGHTS)[: 11 * ROWS])
    leeway(pets, "ingest", "again.csv", "--model", "pets")
    assert rows(pets) == 20 * ROWS


def test_what_a_late_row_or_answer_still_counts_for_is_kept_and_said(leeway: Leeway, pets: Path) -> None:
    told(leeway, pets, "monitor --as-of 2026-03-31T03:00:00")
    with stores(pets) as opened:
        [version] = opened.ledger.versions("pets")
        still_open = [one.night for one in opened.ledger.plans("pets", version.version) if one.closed_at is None]
    removed = facts(leeway, pets, "prune --before 2026-06-01 --yes")
    first_kept = min([*still_open, date(2026, 3, 24)])  # or the last 7 nights
    assert removed["first_kept"] == str(first_kept)
    assert any("late rows of the last 7 closed nights" in one for one in removed["kept"])
    assert rows(pets) == (date(2026, 3, 31) - first_kept).days * ROWS


def test_nights_that_are_not_closed_yet_are_kept(leeway: Leeway, tmp_path: Path) -> None:
    reference(tmp_path / "reference.csv")
    told(leeway, tmp_path, "watch init pets --reference reference.csv --floor 0.5")
    write_log(tmp_path / "log.csv", answers(ROWS, nights=3))
    told(leeway, tmp_path, "ingest log.csv --model pets")
    found = facts(leeway, tmp_path, "prune --before 2026-03-03 --yes")
    assert (found["first_kept"], found["predictions"], found["pruned"]) == ("2026-03-01", 0, False)
    assert any("not closed yet" in one for one in found["kept"])


def test_the_policy_says_how_long_predictions_are_kept(leeway: Leeway, pets: Path) -> None:
    path = pets / "monitoring" / "watched" / "pets.yaml"
    days = (datetime.now(UTC).date() - date(2026, 3, 6)).days
    text = path.read_text().replace("predictions_days: null", f"predictions_days: {days}")
    path.write_text(text if "predictions_days" in text else f"{text}retention: {{predictions_days: {days}}}\n")
    assert facts(leeway, pets, "prune --yes")["first_kept"] == "2026-03-06"
    assert rows(pets) == 25 * ROWS


def test_it_waits_for_a_monitor_that_is_at_work(leeway: Leeway, pets: Path) -> None:
    with stores(pets) as opened:
        [version] = opened.ledger.versions("pets")
        now = datetime.now(UTC)
        claim = opened.ledger.claim_night(
            version, date(2026, 3, 31), holder=this_process(), now=now, until=now + timedelta(minutes=5)
        )
        assert "wait for its end" in told(leeway, pets, "prune --before 2026-03-11 --yes", code=2)
        opened.ledger.give_back(claim)
    told(leeway, pets, "prune --before 2026-03-11 --yes")
    assert rows(pets) == 20 * ROWS
