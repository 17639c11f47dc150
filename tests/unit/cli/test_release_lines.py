"""What a release says to a person: what to do next, or that nothing was changed."""

from datetime import UTC, datetime

from leeway.cli.releases import what_is_next
from leeway.domain.records import Release


def said(outcome: str, *, previous: int | None = None) -> str:
    return "\n".join(what_is_next(Release("pets", 2, previous, outcome, "so", datetime(2026, 3, 1, tzinfo=UTC))))


def test_a_first_version_that_is_refused_names_the_keys_it_was_held_to() -> None:
    assert "promotion.min_accuracy" in said("refused")
    assert "promotion.min_class_recall" in said("refused")
    assert "dvc repro" in said("refused")


def test_a_later_version_that_is_refused_was_held_to_the_champion() -> None:
    assert "the champion" in said("refused", previous=1)
    assert "min_accuracy" not in said("refused", previous=1)


def test_the_champion_released_again_is_said_to_be_that() -> None:
    assert "version 2 is the champion already" in said("is the champion already")


def test_a_version_that_waits_is_approved_with_one_command() -> None:
    assert "`leeway promote 2`" in said("left for review")
