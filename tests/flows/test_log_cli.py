"""The prediction log's files, as people see them: the monitor rolls days over, and a lost file is named."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from prediction_logs import answers, reference, write_log

Leeway = Callable[..., tuple[int, str, str]]
MORNING = ("monitor", "--model", "pets", "--as-of", "2026-03-11T02:00:00")


@pytest.fixture
def pets(leeway: Leeway, tmp_path: Path) -> Path:
    """Ten nights of `pets`, received on a day that is over."""
    reference(tmp_path / "reference.csv")
    assert leeway(tmp_path, "watch", "init", "pets", "--reference", "reference.csv", "--floor", "0.85")[0] == 0
    write_log(tmp_path / "log.csv", answers(300, nights=10))
    assert leeway(tmp_path, "ingest", "log.csv", "--model", "pets")[0] == 0
    with closing(sqlite3.connect(tmp_path / ".leeway" / "leeway.db", isolation_level=None)) as connection:
        connection.execute("UPDATE log_segments SET received_day = '2026-03-10'")
    return tmp_path


def files(folder: Path, kind: str) -> list[Path]:
    return sorted((folder / ".leeway" / "leeway-log" / kind).iterdir())


def test_the_monitor_rolls_over_what_was_received_on_a_day_that_is_over(
    leeway: Leeway, pets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "leeway.nightly")
    assert len(files(pets, "live")) == 1
    code, out, error = leeway(pets, *MORNING)
    assert (code, len(files(pets, "live")), len(files(pets, "parts"))) == (0, 0, 1), error
    assert "3,000 rows of the prediction log rolled over" in caplog.text
    assert "night of 2026-03-10" in out
    caplog.clear()
    assert leeway(pets, *MORNING)[0] == 0
    assert "rolled over" not in caplog.text


def test_a_part_that_is_lost_is_named_by_the_night_and_by_log_check(leeway: Leeway, pets: Path) -> None:
    assert leeway(pets, *MORNING)[0] == 0
    [part] = files(pets, "parts")
    assert leeway(pets, "log", "check")[0] == 0
    content = part.read_bytes()
    for damage in (None, content[:-1]):
        part.unlink()
        if damage is not None:
            part.write_bytes(damage)
        code, out, error = leeway(pets, "log", "check")
        assert code == 1
        assert str(part) in out
        assert "it holds 3,000 rows of pets, 2026-03-01 to 2026-03-10" in out
        code, _, error = leeway(pets, "monitor", "--model", "pets", "--as-of", "2026-03-12T02:00:00")
        assert code == 2
        assert part.name in error
        part.write_bytes(content)
    assert leeway(pets, "log", "check", "--quick")[0] == 0
