"""Without a champion: what a person has to do next depends on what became of the last version."""

from datetime import UTC, datetime

import pytest

from leeway.domain.records import Release
from leeway.monitor.overview import first_release_text, without_champion

WHEN = datetime(2026, 3, 1, tzinfo=UTC)


def released(version: int, outcome: str) -> Release:
    return Release("pets", version, None, outcome, "accuracy is 76.5%, floor 90.0%", WHEN)


def test_a_workspace_that_released_nothing_hears_all_three_commands() -> None:
    said = first_release_text([])
    assert all(command in said for command in ("`dvc repro`", "`leeway release`", "`leeway promote VERSION`"))


def test_a_refused_version_is_named_with_the_reason_of_the_gate() -> None:
    said = first_release_text([released(1, "left for review"), released(2, "refused")])
    assert said.startswith("version 2 was refused: accuracy is 76.5%, floor 90.0%")
    assert "`dvc repro`" in said


def test_a_version_that_waits_for_approval_needs_one_command_only() -> None:
    said = first_release_text([released(1, "refused"), released(2, "left for review")])
    assert "`leeway promote 2`" in said
    assert "dvc repro" not in said


@pytest.mark.parametrize("outcome", ["refused", "left for review"])
def test_status_says_what_became_of_the_last_version(outcome: str) -> None:
    assert "version 3" in without_champion("pets", [released(3, outcome)])
