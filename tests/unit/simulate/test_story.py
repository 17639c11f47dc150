"""The story's numbers, and that a broken loop is told from one that works."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from PIL import Image

from leeway.domain.records import Action, CheckResult, Decision, Status, Verdict
from leeway.simulate.story import LivedNight, Story
from leeway.simulate.timeline import draw_timeline

REFUSED, PASSED = Verdict(False, "failed", (), {}), Verdict(True, "passed", (), {})


def decision(action: Action) -> Decision:
    return Decision("m/1/x", "m", 1, date(2026, 1, 1), action, "", datetime(2026, 1, 1, tzinfo=UTC), "p")


def night(number: int, *, right: int, version: int = 1) -> LivedNight:
    """Ten images; the last two are of a group that was trained on."""
    return LivedNight(number, version, (True,) * right + (False,) * (10 - right), ("new",) * 8 + ("seen",) * 2)


@pytest.fixture
def story() -> Story:
    """Drift in night 4, alarm the same night, promoted for night 7, lived to night 10."""
    found = Story(seed=1, nights=10, first_night=date(2026, 1, 1), drift_night=4)
    found.lived = [night(n, right=10 if n < 4 else 6 if n < 7 else 10, version=1 if n < 7 else 2) for n in range(1, 11)]
    found.decisions = {n: decision(Action.MORE_LABELS if n == 4 else Action.NOTHING) for n in range(1, 11)}
    accuracy = CheckResult("accuracy", Status.QUIET, "", details={"floor": 0.9, "accuracy": None})
    drift = CheckResult("prediction_drift", Status.FIRED, "", effect=0.2)
    found.results = {n: [accuracy, *([drift] if n == 4 else [])] for n in range(1, 11)}
    found.promotions = [(2, 7)]
    found.test_accuracy_v1, found.original_test_change_points = 0.98, 0.5
    found.trained_groups = frozenset({"seen"})
    found.way_back = REFUSED
    return found


def test_tells_the_numbers_of_before_during_and_after(story: Story) -> None:
    told = story.summary()
    assert (told["accuracy_before"], told["accuracy_drifted"], told["accuracy_recovered"]) == (1.0, 0.6, 1.0)
    assert (told["alarm_night"], told["alarms_before_drift"], told["promoted_version"]) == (4, 0, 2)
    assert story.broken_promises() == []


def test_unseen_leaves_out_what_was_trained_on(story: Story) -> None:
    story.lived[-1] = night(10, right=8, version=2)  # only the two images of the group that was trained on are wrong
    told = story.summary()
    assert told["accuracy_recovered"] < told["accuracy_recovered_unseen"] == 1.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"test_accuracy_v1": 0.95}, "test split"),
        ({"way_back": PASSED}, "gate"),
        ({"way_back": None}, "gate"),
        ({"promotions": []}, "promoted"),
        ({"promotions": [(2, 2)]}, "accuracy_recovered is unknown"),
        ({"original_test_change_points": -2.5}, "-2.5 points"),
        ({"decisions": {}}, "no alarm within"),
        ({"lived": [night(n, right=8 if n < 4 else 10) for n in range(1, 11)]}, "right before anything had changed"),
        ({"decisions": {2: decision(Action.MORE_LABELS), 4: decision(Action.MORE_LABELS)}}, "before anything"),
        ({"lived": [night(n, right=9 if n >= 7 else 10) for n in range(1, 11)]}, "accuracy_recovered"),
    ],
)
def test_what_is_broken_is_named(story: Story, changes: dict[str, object], said: str) -> None:
    assert any(said in sentence for sentence in replace(story, **changes).broken_promises())  # type: ignore[arg-type]


def test_without_drift_only_alarms_and_the_gate_count(story: Story) -> None:
    lived = [night(number, right=10) for number in range(1, 11)]
    quiet = replace(story, drift_night=None, promotions=[], decisions={}, lived=lived)
    assert quiet.broken_promises() == []
    assert replace(quiet, decisions={9: decision(Action.MORE_LABELS)}).broken_promises() != []


def test_draws_a_picture_with_and_without_a_drift(story: Story, tmp_path: Path) -> None:
    for name, drawn in (("drift", story), ("quiet", replace(story, drift_night=None, promotions=[], decisions={}))):
        draw_timeline(drawn, tmp_path / f"{name}.png")
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.size == (1800, 1012)
