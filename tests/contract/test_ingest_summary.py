"""What `leeway ingest` says at its end: all rows by night and version, what came too late, what was refused and why."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from leeway.checks.policy import Policy
from leeway.domain.records import Action, Decision
from leeway.monitor.enrol import enrol, read_reference
from leeway.predictions.ingest import ingest
from leeway.predictions.summary import ArrivedNight, Summary, sum_up, summary_lines
from leeway.stores.opening import Stores
from prediction_logs import COLUMNS, START, Row, answers, reference, write_log

NOW = START + timedelta(days=400)
BERLIN = ZoneInfo("Europe/Berlin")
WITH_VERSION = (*COLUMNS, "model_version")


@pytest.fixture
def pets(stores: Stores, tmp_path: Path) -> Stores:
    enrol(stores.ledger, "pets", read_reference(reference(tmp_path / "reference.csv"), columns={}), Policy())
    return stores


def take(stores: Stores, folder: Path, *files: list[Row], zone: ZoneInfo = BERLIN) -> Summary:
    before, taken = stores.log.position("pets"), []
    for number, rows in enumerate(files):
        path = write_log(folder / f"{number}.csv", rows, columns=WITH_VERSION)
        taken.append(ingest(stores.log, stores.ledger, "pets", path, columns={}, now=NOW, zone=zone))
    return sum_up(stores.log, stores.ledger, "pets", taken, before=before, zone=zone)


def counted(summary: Summary) -> dict[tuple[int, str], tuple[int, int]]:
    """(new, rows) by version and night."""
    return {(one.version, f"{one.night:%m-%d}"): (one.new, one.rows) for one in summary.nights}


def decide(stores: Stores, night: date, *, version: int = 1, at: datetime) -> None:
    key = f"pets/{version}/{night}"
    stores.ledger.record_decision(Decision(key, "pets", version, night, Action.NOTHING, "quiet", at, ""))


def at(rows: list[Row], moment: str) -> list[Row]:
    return [{**row, "occurred_at": moment} for row in rows]


def test_rows_are_counted_by_the_night_of_the_models_time_zone_and_by_version(pets: Stores, tmp_path: Path) -> None:
    rows = answers(6)
    early, late = at(rows[:2], "2026-03-01T22:59:59Z"), at(rows[2:5], "2026-03-01T23:00:00Z")
    other = [{**row, "model_version": "b"} for row in at(rows[5:], "2026-03-01T23:00:00Z")]
    found = take(pets, tmp_path, [*early, *late, *other])
    assert counted(found) == {(1, "03-01"): (2, 2), (1, "03-02"): (3, 3), (2, "03-02"): (1, 1)}
    assert found.begun == (("b", 2),)
    assert take(pets, tmp_path, other).begun == ()


def test_new_and_known_rows_are_told_apart_over_several_files(pets: Stores, tmp_path: Path) -> None:
    rows = answers(40, nights=3)
    take(pets, tmp_path, rows[:50], zone=ZoneInfo("UTC"))
    found = take(pets, tmp_path, rows[:60], rows[60:], rows[:30], zone=ZoneInfo("UTC"))
    assert counted(found) == {(1, "03-01"): (0, 70), (1, "03-02"): (30, 40), (1, "03-03"): (40, 40)}
    assert (found.recorded.new, found.recorded.known) == (70, 80)
    assert counted(take(pets, tmp_path, rows[:5])) == {(1, "03-01"): (0, 5)}


def test_rows_of_a_night_that_is_decided_are_told_as_late(pets: Stores, tmp_path: Path) -> None:
    """Case 17: what becomes of them, in one line."""
    rows = answers(20, nights=2)
    take(pets, tmp_path, rows[:10])
    decide(pets, date(2026, 3, 1), at=datetime(2026, 3, 3, 0, 30, tzinfo=UTC))
    found = take(pets, tmp_path, rows)
    assert found.late == [ArrivedNight(1, date(2026, 3, 1), 20, 10, date(2026, 3, 3))]
    [line] = [one for one in summary_lines(found) if one.startswith("late: ")]
    assert line.startswith("late: 10 rows belong to the night of 2026-03-01, which was decided on 2026-03-03: ")
    assert take(pets, tmp_path, rows).late == []


def test_late_rows_of_many_nights_are_one_line(pets: Stores, tmp_path: Path) -> None:
    for number in range(20):
        decide(pets, date(2026, 3, 1) + timedelta(days=number), at=START + timedelta(days=number + 1, hours=2))
    lines = summary_lines(take(pets, tmp_path, answers(3, nights=20)))
    [line] = [one for one in lines if one.startswith("late: ")]
    assert "60 rows belong to 20 nights that were decided from 2026-03-02 to 2026-03-21" in line


def test_another_versions_decided_night_makes_no_row_late(pets: Stores, tmp_path: Path) -> None:
    decide(pets, date(2026, 3, 1), at=START + timedelta(days=1, hours=2))
    assert take(pets, tmp_path, [{**row, "model_version": "b"} for row in answers(5)]).late == []


def test_refused_rows_are_grouped_by_reason(pets: Stores, tmp_path: Path) -> None:
    rows = answers(12)
    take(pets, tmp_path, rows[:2])
    rows[0] = {**rows[0], "slice": "elsewhere"}
    for place in (3, 4, 5):
        rows[place] = {**rows[place], "occurred_at": f"197{place}-01-01T00:00:00Z"}
    for place in (6, 7):
        rows[place] = {**rows[place], "confidence": f"{place}.5"}
    found = take(pets, tmp_path, rows)
    assert sorted(found.refused.values()) == [1, 2, 3]
    [line] = [one for one in summary_lines(found) if one.startswith("refused: ")]
    assert line.startswith("refused: 6 rows (3: time … is implausible")
    assert "1: the id is recorded with other content" in line


def test_a_year_of_nights_is_summed_up_in_ten_lines(pets: Stores, tmp_path: Path) -> None:
    lines = summary_lines(take(pets, tmp_path, answers(2, nights=365), zone=ZoneInfo("UTC")))
    assert len(lines) == 10
    assert [line.split()[0] for line in lines[1:5]] == [f"2026-03-0{day}" for day in range(1, 5)]
    assert "357 more in between, with 714 new" in lines[5]
    assert lines[-1].split() == ["2027-02-28", "1", "2", "0"]


def test_a_file_that_brings_nothing_new_needs_no_table(pets: Stores, tmp_path: Path) -> None:
    take(pets, tmp_path, answers(5))
    assert summary_lines(take(pets, tmp_path, answers(5))) == []
