"""`leeway power` reads the whole policy: every key changes its answer, or stands here with the reason why it cannot."""

import time
from dataclasses import asdict, replace
from datetime import timedelta
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from leeway.checks.drift import PredictionDrift
from leeway.checks.policy import Policy
from leeway.checks.registry import Evidence
from leeway.domain.records import ReferenceCounts, Status, WindowCounts
from leeway.release.rules import FIRST_ATTEMPT, PASSED, non_inferiority
from leeway.simulate.outlook import shortfall_text, three_lines
from leeway.simulate.power import Power, foresee, steps
from leeway.simulate.production import classifier
from leeway.simulate.prospects import gate_to_come
from leeway.simulate.scenario import FULL, QUICK, Effort, Scenario
from leeway.simulate.shortfalls import Shortfall, changed, settings_text, value_of
from leeway.simulate.situation import Situation, made_reference, unknown, with_options
from leeway.simulate.unseen import unseen
from leeway.simulate.years import Night, simulate_years
from leeway.stats.paired import Pairs, mcnemar, pairs_of, power_of_gain
from made_nights import FIRST

TINY = Effort(runs=12, quiet_years=2, quiet_nights=20, longest=30, trials=0)
NEVER_CHANGES = {
    "time_zone": "it says when a night begins, and every night is simulated alike",
    "accuracy.weigh": "every night is taken to have as many predictions as the others",
    "labels.second_opinion": "nobody is taken to give second opinions before somebody has",
    "image_drift.images": "images are not simulated",
    "labels.answer_days": "answers are taken to come by the next morning, as many as came in the past",
    "retention.predictions_days": "what is removed was counted before, and is needed by nothing",
}
OTHER: dict[str, Any] = {
    "false_alarm_probability_per_year": 0.001,
    "traffic.min_share": 0.2,
    "prediction_drift.trigger": "chi_square",
    "prediction_drift.tolerance": 0.15,
    "prediction_drift.tv_floor": 0.3,
    "prediction_drift.reference_nights": 14,
    "prediction_drift.min_predictions": 500,
    "prediction_drift.then": "labels",
    "prediction_drift.budget_share": 0.0,
    "attribution.min_predictions": 1200,
    "accuracy.floor": 0.93,
    "accuracy.allowed_drop": 0.01,
    "accuracy.night_spread": "any",
    "accuracy.then": "alert",
    "accuracy.budget_share": 0.0,
    "class_accuracy.floor": 0.88,
    "class_accuracy.allowed_drop": 0.02,
    "class_accuracy.floors": {"class 0": 0.5},
    "class_accuracy.then": "alert",
    "class_accuracy.budget_share": 0.0,
    "monthly_drop.min_drop": 0.2,
    "labels.per_night": 60,
    "labels.uniform_share": 0.9,
    "labels.lean": 0.0,
    "labels.error_rate": 0.2,
    "labels.burst_on_alarm": 20,
    "labels.burst_nights": 5,
    "retrain.cooldown_days": 30.0,
    "retrain.min_new_labels": 1000,
    "retrain.label_nights": 1,
    "retrain.tolerated_drop": 0.1,
    "promotion.mode": "auto",
    "promotion.margin_points": 4.0,
    "promotion.harm_points": 50.0,
    "promotion.gate_share": 0.3,
    "promotion.gate_per_night": 12,
    "promotion.min_accuracy": 0.95,
    "promotion.min_class_recall": 0.95,
    "alerts.about": ("alarm",),
}
BESIDE = {"prediction_drift.tv_floor": {"prediction_drift.trigger": "chi_square"}}  # without which it does nothing
POLICY = changed(Policy(), {"promotion.gate_share": 0.1})


def shop(**known: Any) -> Situation:
    """100 photos a night of ten classes, 96 % right on 280 test images."""
    reference = made_reference([f"class {k}" for k in range(10)], 0.96, items=280)
    return replace(
        unknown(POLICY), **({"predictions": 300, "groups": 300, "reference": reference, "test": (28,) * 10} | known)
    )


def keys(model: type[BaseModel] = Policy, prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        is_section = isinstance(inner, type) and issubclass(inner, BaseModel)
        found += keys(inner, f"{prefix}{name}.") if is_section else [f"{prefix}{name}"]
    return found


@cache
def usual_answer() -> Power:
    return foresee(shop(), POLICY, effort=TINY)


def test_every_key_of_the_policy_is_listed() -> None:
    assert sorted(OTHER.keys() | NEVER_CHANGES) == sorted(keys())
    assert not OTHER.keys() & NEVER_CHANGES


@pytest.mark.parametrize("key", OTHER)
def test_every_key_changes_the_answer(key: str) -> None:
    before = changed(POLICY, BESIDE.get(key, {}))
    assert value_of(before, key) != OTHER[key]
    usual = foresee(shop(), before, effort=TINY) if key in BESIDE else usual_answer()
    assert foresee(shop(), changed(before, {key: OTHER[key]}), effort=TINY) != usual


def test_a_key_that_changes_nothing_changes_nothing() -> None:
    there = changed(POLICY, {"time_zone": "Asia/Tokyo"})
    assert foresee(shop(), there, effort=TINY) == usual_answer()


def delays(power: Power) -> list[float | None]:
    return [one.median for one in power.drifts]


def test_the_chi_square_trigger_has_delays_of_its_own() -> None:
    """A small move that lasts is nothing to single nights of 300, and something to windows of many."""
    e_detector = foresee(shop(predictions=600), POLICY, effort=TINY)
    chi_square = foresee(
        shop(predictions=600), changed(POLICY, {"prediction_drift.trigger": "chi_square"}), effort=TINY
    )
    assert e_detector.drifts[1].median is not None
    assert e_detector.drifts[1].median > 1
    assert chi_square.drifts[1] != e_detector.drifts[1]


def test_nights_that_are_too_small_for_drift_are_never_seen_to_drift() -> None:
    found = foresee(shop(predictions=90), POLICY, effort=TINY)
    assert delays(found) == [None, None, None]
    [shortfall] = [one for one in found.shortfalls if one.key == "prediction_drift.min_predictions"]
    assert shortfall.about == "sees"
    mended = foresee(shop(predictions=90), changed(POLICY, shortfall.mends), effort=replace(TINY, longest=90))
    assert mended.drifts[2].median is not None


def test_the_simulated_chi_square_trigger_fires_on_the_nights_on_which_the_check_does() -> None:
    policy = changed(POLICY, {"prediction_drift.trigger": "chi_square"})
    seen: list[Night] = []
    simulate_years(
        classifier(predictions=300, accuracy=0.95, classes=4),
        policy,
        years=2,
        nights=22,
        rng=np.random.default_rng(4),
        after=classifier(predictions=300, accuracy=0.95, classes=4, gain=0.13),
        change=10,
        watch=("prediction_drift",),
        observe=lambda _, night: seen.append(night),
    )
    check, alpha = policy.check(PredictionDrift), policy.alpha(policy.check(PredictionDrift))
    fired, expected = [], []
    for year in range(2):
        windows = [_window(number, night.cells[year]) for number, night in enumerate(seen)]
        for number in range(7, len(seen)):
            evidence = Evidence(
                windows[number], _without_cells(), earlier=tuple(windows[:number]), closed=[], recent=[]
            )
            result = check.run(evidence, None, alpha=alpha, rng=np.random.default_rng(number))
            expected.append(result.status is Status.FIRED)
            fired.append(bool(seen[number].log_m["prediction_drift"][year] > 0))
    assert 0 < sum(expected) < len(expected)
    assert sum(one != other for one, other in zip(fired, expected, strict=True)) <= 1  # p within a few % of its limit


def _without_cells() -> ReferenceCounts:
    return ReferenceCounts(tuple("abcd"), (0.5, 0.9), ((20, 20, 60),) * 4, correct=380, total=400)


def _window(number: int, cells: Any) -> WindowCounts:
    counts = tuple(tuple(map(int, row)) for row in cells.reshape(-1, 3))
    return WindowCounts("m", 1, FIRST + timedelta(days=number), tuple("abcd"), counts)


# What the settings can never do, and settings that can


def found_by(power: Power, about: str) -> list[Shortfall]:
    return [one for one in power.shortfalls if one.about == about]


@pytest.mark.parametrize(
    ("settings", "situation", "key"),
    [
        ({"labels.per_night": 0}, {}, "labels.per_night"),
        ({"prediction_drift.budget_share": 0.0}, {}, "prediction_drift.budget_share"),
        ({"accuracy.floor": 0.995}, {}, "accuracy.floor"),
        ({}, {"predictions": 40}, "prediction_drift.min_predictions"),
        ({"class_accuracy.floors": {"nobody": 0.9}}, {}, "class_accuracy.floors"),
        ({"traffic.min_share": 0.0}, {}, "traffic.min_share"),
        ({"monthly_drop.min_drop": 1.0}, {}, "monthly_drop.min_drop"),
        ({"labels.per_night": 0, "labels.burst_on_alarm": 30}, {}, "retrain.min_new_labels"),
        ({}, {"watched_only": True}, "accuracy.then"),
        ({"promotion.gate_share": 0.0}, {}, "promotion.gate_share"),
        ({"promotion.gate_share": 0.01}, {"groups": 60}, "promotion.gate_share"),
        ({"promotion.gate_per_night": 1}, {}, "promotion.gate_per_night"),
        ({}, {}, "promotion.margin_points"),
        ({"promotion.harm_points": 100.0}, {}, "promotion.harm_points"),
        ({"promotion.min_accuracy": 0.99}, {}, "promotion.min_accuracy"),
        ({"alerts.about": ("release",)}, {}, "alerts.about"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_can_never_happen_is_found_and_its_settings_mend_it(
    settings: dict[str, Any], situation: dict[str, Any], key: str
) -> None:
    policy = changed(POLICY, settings)
    [shortfall, *_] = [one for one in foresee(shop(**situation), policy, effort=TINY).shortfalls if one.key == key]
    assert shortfall.mends
    assert shortfall.value == value_of(policy, key)
    mended = foresee(shop(**situation), changed(policy, shortfall.mends), effort=TINY)
    assert not [one for one in mended.shortfalls if one.key == key and one.means == shortfall.means]


def test_a_fall_that_stays_over_the_floor_is_seen_with_the_floor_that_is_proposed() -> None:
    found = foresee(shop(), POLICY, effort=replace(TINY, longest=180, trials=8))
    [shortfall] = [one for one in found.shortfalls if one.means.startswith(found.drops[1].what)]
    assert found.drops[1].median is None
    mended = foresee(shop(), changed(POLICY, shortfall.mends), effort=replace(TINY, longest=180))
    assert mended.drops[1].median is not None


@pytest.mark.parametrize(
    ("settings", "size", "key"),
    [
        ({"accuracy.floor": 0.92}, 0.02, "accuracy.floor"),
        ({"accuracy.floor": 0.5, "accuracy.allowed_drop": 0.1}, 0.02, "accuracy.allowed_drop"),
    ],
)
def test_a_fall_over_the_floor_names_the_key_the_floor_comes_from(
    settings: dict[str, Any], size: float, key: str
) -> None:
    world = Scenario(shop(), changed(POLICY, settings), replace(TINY, trials=0), np.random.default_rng(0), lambda: None)
    fall = world.drop(size, labels=20)
    [shortfall] = unseen(world, [fall], blind=set())
    assert fall.note
    assert (shortfall.key, shortfall.value) == (key, value_of(world.policy, key))


def test_a_class_with_a_floor_of_its_own_names_that_one() -> None:
    policy = changed(POLICY, {"class_accuracy.floors": {"class 0": 0.2}})
    world = Scenario(shop(), policy, replace(TINY, longest=120, trials=4), np.random.default_rng(0), lambda: None)
    [shortfall] = unseen(world, [world.class_drop(0.3, labels=20)], blind=set())
    assert shortfall.key == "class_accuracy.floors"
    assert shortfall.mends["class_accuracy.floors"]["class 0"] > 0.66


@pytest.mark.parametrize("points", [0.02, 0.05])
def test_what_is_not_seen_says_in_one_sentence_what_trials_came_to(points: float) -> None:
    """Either the settings under which one saw it, or that none did with the last ones; nothing else."""
    world = Scenario(shop(), POLICY, replace(TINY, trials=8), np.random.default_rng(0), lambda: None)
    [shortfall] = unseen(world, [replace(world.drop(points, labels=20), median=None)], blind=set())
    text = shortfall_text(shortfall)
    assert text.count(POLICY.checks["accuracy"].name) >= 1
    assert shortfall.trial in text
    assert "would help" not in text
    assert ". " not in text
    if shortfall.mends:
        assert settings_text(shortfall.mends) in shortfall.trial
    else:
        assert "accuracy.floor: " in shortfall.trial


def test_a_trial_that_failed_promises_nothing() -> None:
    """Of a shop with 20 predictions a night all may be labelled, and a fall by 2 points is still too small."""
    world = Scenario(
        shop(predictions=20), POLICY, replace(TINY, longest=20, trials=6), np.random.default_rng(0), lambda: None
    )
    [shortfall] = unseen(world, [world.drop(0.02, labels=20)], blind=set())
    assert not shortfall.mends
    assert "labels.per_night: 40" in shortfall.trial


def test_a_check_that_only_alerts_or_asks_is_not_said_to_retrain() -> None:
    policy = changed(POLICY, {"accuracy.then": "alert", "class_accuracy.then": "labels"})
    ends = {one.check: one.ends_in for one in foresee(shop(), policy, effort=TINY).loops}
    assert "retraining" in ends["prediction_drift"]
    assert "retraining" not in ends["accuracy"] + ends["class_accuracy"]


def test_half_of_the_labels_answered_is_half_of_the_labels() -> None:
    answered = foresee(shop(answered=0.5), POLICY, effort=TINY)
    fewer = foresee(shop(), changed(POLICY, {"labels.per_night": 10}), effort=TINY)
    assert answered.drops == fewer.drops
    assert answered.labels.answered_per_night == fewer.labels.answered_per_night == 10


def test_where_nobody_answers_the_labels_no_setting_helps() -> None:
    found = foresee(shop(answered=0.0), POLICY, effort=TINY)
    shortfalls = [one for one in found_by(found, "sees") if one.key == "labels.per_night"]
    assert {one.check for one in shortfalls} == {"accuracy", "class_accuracy"}
    assert not any(one.mends for one in shortfalls)


# Closed forms


@pytest.mark.parametrize("predictions", [100, 600])
def test_a_class_that_gains_half_of_what_is_said_is_never_seen_and_one_that_gains_twice_as_much_is(
    predictions: int,
) -> None:
    effort = Effort(runs=160, longest=120, trials=0)
    world = Scenario(shop(predictions=predictions), POLICY, effort, np.random.default_rng(3), lambda: None)
    assert world.drift(0.5 * world.hidden_share).seen == 0
    assert world.drift(world.hidden_share).seen < 0.2
    assert world.drift(2.5 * world.hidden_share).seen > 0.5


@pytest.mark.parametrize(("images", "gained", "lost"), [(20, 0.225, 0.075), (60, 0.15, 0.05), (5, 0.6, 0.0)])
def test_the_power_of_a_gain_is_that_of_simulated_samples(images: int, gained: float, lost: float) -> None:
    draws = np.random.default_rng(1).multinomial(images, [gained, lost, 1 - gained - lost], size=4_000)
    shown = np.mean([mcnemar(Pairs(int(b), int(c), images)) < 0.05 for b, c, _ in draws])
    assert power_of_gain(images, gained=gained, lost=lost, alpha=0.05) == pytest.approx(shown, abs=0.03)


def test_grouped_test_images_show_what_as_many_independent_ones_would() -> None:
    """2,000 images, four of which say as much as one, show what 500 do."""
    grouped = gate_to_come(shop(alike=4.0, class_alike=(4.0,) * 10, test=(200,) * 10), POLICY)
    fewer, apart = (gate_to_come(shop(test=(count,) * 10), POLICY) for count in (50, 200))
    assert grouped.effective_images == 500
    shown = [one.margin_shown for one in (grouped, fewer, apart)]
    assert shown[0] == pytest.approx(shown[1], rel=0.01)
    assert shown[0] == pytest.approx(2 * shown[2], rel=0.1)
    assert grouped.equal_models_pass == pytest.approx(fewer.equal_models_pass, abs=0.02)
    losses = [one.class_loss_shown for one in (grouped, fewer, apart)]
    assert losses[0] == pytest.approx(losses[1], abs=0.02)
    assert losses[0] > losses[2]  # type: ignore[operator]
    assert "500" in grouped.images_text
    assert apart.images_text == "2,000 test images"


def test_groups_that_change_as_a_whole_pass_the_margin_as_often_as_is_foreseen() -> None:
    """By the gate's own rule, of equal models whose disagreements come in groups of four."""
    policy, rng = changed(POLICY, {"promotion.margin_points": 1.5}), np.random.default_rng(5)
    foreseen = gate_to_come(shop(alike=4.0, test=(480,) * 10), policy).equal_models_pass
    group, passed = np.repeat(np.arange(1200), 4), 0
    for _ in range(300):
        change = np.repeat(rng.choice([1, -1, 0], size=1200, p=[0.02, 0.02, 0.96]), 4)
        passed += non_inferiority(pairs_of(change, group), FIRST_ATTEMPT, margin=0.015).outcome == PASSED
    assert passed / 300 == pytest.approx(foreseen, abs=0.08)
    assert gate_to_come(shop(test=(480,) * 10), policy).equal_models_pass > foreseen + 0.2


def test_gate_labels_are_those_of_the_groups_that_a_night_has() -> None:
    """Groups under the gate's share are binomial; no more are asked for than wanted."""
    rng = np.random.default_rng(2)
    expected = np.minimum(rng.binomial(60, 0.05, size=20_000), 3).mean()
    policy = changed(POLICY, {"promotion.gate_share": 0.05})
    assert foresee(shop(groups=60), policy, effort=TINY).gate.per_night == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("predictions", [7, 60, 100, 250, 2_000])
def test_a_made_night_has_as_many_predictions_as_it_is_asked_for(predictions: int) -> None:
    night = classifier(predictions=predictions, accuracy=0.9)
    assert int(night.sizes.sum()) == predictions
    assert night.error_rate == pytest.approx(0.1)


# Three lines


def test_the_three_lines_come_at_once_and_agree_with_all_the_years() -> None:
    began = time.process_time()
    quick = foresee(shop(), POLICY, effort=QUICK)
    took = time.process_time() - began
    whole = foresee(shop(), POLICY, effort=replace(FULL, quiet_years=1, quiet_nights=10, trials=0))
    assert took < 4  # seconds of one core; about half of one on a machine that does nothing else
    assert quick.drops[-1].median == pytest.approx(whole.drops[-1].median, rel=0.25, abs=1)
    assert quick.drifts[-1].median == pytest.approx(whole.drifts[-1].median, rel=0.25, abs=1)
    assert (quick.labels, quick.gate, quick.loops) == (whole.labels, whole.gate, whole.loops)
    assert [one for one in quick.shortfalls if one.about != "sees"] == [
        one for one in whole.shortfalls if one.about != "sees"
    ]
    assert three_lines(quick)[2] == three_lines(whole)[2]


def test_a_night_of_fewer_predictions_than_classes_has_its_lines_too() -> None:
    reference = made_reference([f"class {k}" for k in range(997)], 0.93, items=5000)
    foreseen = foresee(shop(reference=reference, test=(), predictions=100, groups=100), POLICY, effort=QUICK)
    assert all(three_lines(foreseen))


def test_the_lines_name_the_key_of_what_is_never_seen() -> None:
    policy = changed(POLICY, {"labels.per_night": 0})
    lines = three_lines(foresee(shop(), policy, effort=QUICK))
    assert "labels.per_night: 20" in lines[1]


def test_progress_is_told_as_often_as_was_said() -> None:
    for settings in ({}, {"labels.per_night": 0}, {"accuracy.floor": 0.995}):
        calls = iter(range(10_000))
        foresee(shop(), changed(POLICY, settings), effort=TINY, progress=partial(next, calls))
        assert next(calls) == steps(TINY)


def test_what_somebody_states_is_no_longer_taken_for_granted() -> None:
    known = with_options(unknown(POLICY), predictions=500, classes=3, accuracy=0.8)
    assert (known.predictions, known.groups, len(known.classes), known.accuracy) == (500, 500, 3, pytest.approx(0.8))
    assert known.assumed.keys() == {"groups", "test", "answers"}
    assert len(known.test) == 3


def test_the_answer_is_plain_data() -> None:
    found = asdict(foresee(shop(), POLICY, effort=TINY))
    assert found["gate"]["gains"][0]["labels"] == 106  # at the level of a first challenger
