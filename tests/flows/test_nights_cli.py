"""Nights as people meet them: a version that comes back, a row of 1970, a clock that was wrong, and its mending."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leeway.stores.opening import open_stores
from prediction_logs import COLUMNS, answers, reference, write_log

Leeway = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pets(leeway: Leeway, tmp_path: Path) -> Path:
    """A folder that only watches, with a model `pets`, called v1."""
    reference(tmp_path / "reference.csv")
    line = "watch init pets --reference reference.csv --floor 0.5 --version v1"
    code, _, error = leeway(tmp_path, *line.split())
    assert code == 0, error
    return tmp_path


def told(leeway: Leeway, folder: Path, line: str, code: int = 0) -> str:
    ended, out, error = leeway(folder, *line.split())
    assert ended == code, error
    return out if code == 0 else error


def ingested(leeway: Leeway, folder: Path, rows: list[dict[str, str]]) -> None:
    write_log(folder / "night.csv", rows, columns=(*COLUMNS, "model_version"))
    told(leeway, folder, "ingest night.csv --model pets")


def decided(folder: Path) -> dict[int, list[str]]:
    """Version -> the nights that are decided."""
    with closing(open_stores(f"sqlite:///{folder / '.leeway' / 'leeway.db'}", reading=True)) as stores:
        found: dict[int, list[str]] = {}
        for one in sorted(stores.ledger.decisions("pets"), key=lambda one: one.night):
            found.setdefault(one.version, []).append(str(one.night))
        return found


def march(first: int, last: int) -> list[str]:
    return [f"2026-03-{day:02}" for day in range(first, last + 1)]


def test_the_nights_that_a_version_serves_again_are_decided_for_it(leeway: Leeway, pets: Path) -> None:
    for night in range(9):
        rows = answers(150, first=night)
        ingested(leeway, pets, [{**one, "model_version": "v2" if 3 <= night < 6 else "v1"} for one in rows])
    models = json.loads(told(leeway, pets, "monitor --as-of 2026-03-10T01:00:00 --json"))["models"]
    assert decided(pets) == {1: [*march(1, 3), *march(7, 9)], 2: march(4, 6)}
    reasons = [check["reason"] for one in models for night in one["nights"] for check in night["checks"]]
    assert not [one for one in reasons if "no prediction came in" in one]
    assert [one["version"] for one in models] == [2, 1], "last the one in use"
    assert "pets version 1:" in told(leeway, pets, "status")


def test_a_name_that_was_never_seen_is_a_version_of_its_own_and_told(leeway: Leeway, pets: Path) -> None:
    ingested(leeway, pets, [{**one, "model_version": "v1"} for one in answers(150)])
    told(leeway, pets, "monitor --as-of 2026-03-02T01:00:00")
    ingested(leeway, pets, [{**one, "model_version": "exp b"} for one in answers(150, first=1)])
    screen = told(leeway, pets, "monitor --as-of 2026-03-03T01:00:00")
    assert decided(pets) == {1: march(1, 1), 2: march(2, 2)}
    assert "'exp b'" in screen


def test_a_name_of_a_version_is_printed_short_and_without_what_a_terminal_obeys(leeway: Leeway, pets: Path) -> None:
    write_log(
        pets / "night.csv",
        [{**one, "model_version": f"\x1b[31m{'x' * 300}"} for one in answers(150)],
        columns=(*COLUMNS, "model_version"),
    )
    said = told(leeway, pets, "ingest night.csv --model pets")
    screen = told(leeway, pets, "monitor --as-of 2026-03-02T01:00:00")
    for text in (said, screen):
        assert "\\x1b[31mxxx" in text
        assert ("\x1b" in text, "x" * 100 in text) == (False, False)


def test_one_row_of_1970_makes_no_night_of_the_years_between(leeway: Leeway, pets: Path) -> None:
    rows: list[dict[str, str]] = [{**one, "model_version": "v1"} for one in answers(100)]
    old = {**rows[0], "prediction_id": "z", "occurred_at": "1970-01-01T00:00:00Z"}
    ingested(leeway, pets, [*rows, old])
    told(leeway, pets, "monitor --as-of 2026-03-03T01:00:00")
    assert decided(pets) == {1: march(1, 2)}


def test_a_time_ahead_of_the_clock_is_refused_and_closes_nothing_by_itself_in_a_simulation(
    leeway: Leeway, pets: Path
) -> None:
    ingested(leeway, pets, [{**one, "model_version": "v1"} for one in answers(100)])
    ahead = f"monitor --as-of {datetime.now(UTC) + timedelta(days=365):%Y-%m-%d}"
    refused = told(leeway, pets, ahead, code=2)
    assert "--simulate" in refused
    assert decided(pets) == {}
    assert "are over and not decided" in told(leeway, pets, f"{ahead} --simulate")
    assert decided(pets) == {1: march(1, 1)}


def test_nights_after_a_silent_log_wait_for_a_person_and_what_was_closed_wrongly_is_taken_back(
    leeway: Leeway, pets: Path
) -> None:
    ingested(leeway, pets, [{**one, "model_version": "v1"} for one in answers(100, nights=3)])
    screen = told(leeway, pets, "monitor")  # the clock is months ahead of the log
    assert decided(pets) == {1: march(1, 3)}
    assert "over and not decided" in screen
    assert f"leeway monitor --model pets --as-of {now_in(screen)}" in screen  # the alert, where no channel is set
    found: dict[str, Any] = json.loads(told(leeway, pets, "monitor --model pets --json"))
    assert found["doubtful"][0] == "2026-03-04"
    told(leeway, pets, "monitor --as-of 2026-03-12T02:00:00")  # on purpose
    assert decided(pets) == {1: march(1, 11)}
    ingested(leeway, pets, [{**one, "model_version": "v1"} for one in answers(100, nights=2, first=3)])
    assert "--yes" in told(leeway, pets, "reopen --from 2026-03-04", code=1)
    assert decided(pets) == {1: march(1, 11)}
    pages = pets / "reports" / "nights"
    drawn = {one.name for one in pages.iterdir()}
    assert "2026-03-04" in told(leeway, pets, "reopen --from 2026-03-04 --yes")
    assert decided(pets) == {1: march(1, 3)}
    gone = drawn - {one.name for one in pages.iterdir()}
    assert gone == {one for one in drawn if one.removesuffix(".html")[-10:] >= "2026-03-04"}
    again = told(leeway, pets, "monitor --as-of 2026-03-06T02:00:00")
    assert decided(pets) == {1: march(1, 5)}
    assert "100 predictions" in again
    assert "nothing to reopen" in told(leeway, pets, "reopen --from 2026-03-06 --yes")


def now_in(screen: str) -> str:
    return screen.partition("--model pets --as-of ")[2].partition("`")[0]
