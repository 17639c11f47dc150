"""Reads of the test split: every look is counted, by bundle, whatever happens to the ledger."""

import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leeway.evaluation.reads import EVALUATE, GATE, readers_of, record_read, told_reads

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_each_bundle_has_its_own_count(tmp_path: Path) -> None:
    ledger = tmp_path / ".leeway" / "test_reads.jsonl"
    assert readers_of(ledger, "b1") == ()
    assert record_read(ledger, "b1", by=EVALUATE, at=NOW) == ("evaluate",)
    assert record_read(ledger, "b2", by=EVALUATE, at=NOW) == ("evaluate",)
    assert record_read(ledger, "b1", by=GATE, at=NOW) == ("evaluate", "gate")
    assert readers_of(ledger, "b1") == ("evaluate", "gate")


def test_only_a_second_evaluation_of_one_bundle_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = tmp_path / "reads.jsonl"
    with caplog.at_level(logging.WARNING, logger="leeway"):
        for by in (EVALUATE, GATE, GATE):
            record_read(ledger, "b1", by=by, at=NOW)
        assert caplog.messages == []
        record_read(ledger, "b1", by=EVALUATE, at=NOW)
    assert "read 4 times (evaluate 2, gate 2)" in caplog.messages[0]


def test_the_count_is_told_in_words() -> None:
    assert told_reads(()) == "never read"
    assert told_reads(("evaluate",)) == "read once (evaluate)"
    assert told_reads(("evaluate", "gate", "evaluate")) == "read 3 times (evaluate 2, gate)"


def test_a_line_cut_off_by_a_full_disk_costs_only_itself(tmp_path: Path) -> None:
    ledger = tmp_path / "reads.jsonl"
    record_read(ledger, "b1", by=EVALUATE, at=NOW)
    ledger.write_text(ledger.read_text() + '{"bundle": "b1", "b\n')
    assert record_read(ledger, "b1", by=GATE, at=NOW) == ("evaluate", "gate")


def test_processes_that_read_at_once_are_all_counted(tmp_path: Path) -> None:
    ledger = tmp_path / "reads.jsonl"
    code = f"""
from datetime import UTC, datetime
from pathlib import Path
from leeway.evaluation.reads import record_read
for _ in range(50):
    record_read(Path({str(ledger)!r}), "b1", by="gate", at=datetime.now(UTC))
"""
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [one.wait() for one in both] == [0, 0]
    assert len(readers_of(ledger, "b1")) == 100
