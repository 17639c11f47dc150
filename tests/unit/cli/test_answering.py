"""What a command answers: text for people, or one JSON object, whatever happens meanwhile."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from leeway.cli.answering import answering, plain
from leeway.errors import DataError, RefusedError


@dataclass(frozen=True, slots=True)
class Night:
    night: date
    counts: Mapping[str, int]


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (math.nan, None),
        (-math.inf, None),
        (0.25, 0.25),
        (True, True),
        (datetime(2026, 3, 1, 8, tzinfo=UTC), "2026-03-01T08:00:00+00:00"),
        (Path("reports") / "page.html", "reports/page.html"),
        (Decimal("1.50"), "1.50"),
        (b"\x00\xff", "00ff"),
        ({date(2026, 3, 1): (1, None)}, {"2026-03-01": [1, None]}),
        (Night(date(2026, 3, 1), {"cat": 3}), {"night": "2026-03-01", "counts": {"cat": 3}}),
    ],
)
def test_facts_become_what_json_knows(value: Any, known: Any) -> None:
    assert plain(value) == known
    assert type(plain(value)) is type(known)


def test_people_read_lines_and_programs_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        with answering(as_json=as_json) as answer:
            answer.say("one night", "is closed")
            answer.give({"night": date(2026, 3, 1)})
    said = capsys.readouterr()
    assert said.out == 'one night\nis closed\n{\n "night": "2026-03-01"\n}\n'
    assert said.err == ""


def test_what_else_is_printed_goes_to_stderr_where_programs_read(capsys: pytest.CaptureFixture[str]) -> None:
    with answering(as_json=True) as answer:
        print("an alert")
        answer.give({"nights": 1})
    said = capsys.readouterr()
    assert (json.loads(said.out), said.err) == ({"nights": 1}, "an alert\n")


@pytest.mark.parametrize(
    ("error", "keys"),
    [
        (DataError("no label"), {"error": "no label", "exit_code": 2}),
        (RefusedError("the gate"), {"error": "the gate", "exit_code": 1}),
        (ZeroDivisionError("by zero"), {"error": "ZeroDivisionError: by zero", "exit_code": 70}),
        (KeyboardInterrupt(), {"error": "interrupted", "exit_code": 130}),
    ],
)
def test_a_failure_stands_beside_what_was_learned_before_it(
    error: BaseException, keys: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)), answering(as_json=True) as answer:  # noqa: PT012
        answer.give({"nights": 3})
        raise error
    assert json.loads(capsys.readouterr().out) == {"nights": 3, **keys}
