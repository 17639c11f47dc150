"""The checks: what makes each of them fire, stay quiet or give no verdict."""

import json
from dataclasses import replace

import numpy as np
import pytest

from leeway.bundle.reference import count_answers
from leeway.checks.accuracy import Accuracy
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.drift import PredictionDrift
from leeway.checks.registry import CHECKS, Checks, Evidence
from leeway.checks.windows import count_window
from leeway.domain.records import Cell, CheckResult, ModelVersion, Status
from leeway.errors import ParamsError
from made_nights import CLASSES, labels, night, reference, window

REFERENCE_NIGHTS = [window(number) for number in range(7)]


def drift(counts, *, earlier=REFERENCE_NIGHTS, fired=frozenset(), foreign=0, check=None) -> CheckResult:
    evidence = Evidence(window(9, counts, foreign=foreign), reference(), earlier=earlier, fired=fired)
    return (check or PredictionDrift()).run(evidence, None, alpha=0.025, rng=np.random.default_rng(0))


def accuracy(closed=(), previous=None, *, recent=None, alpha=0.025, check=None) -> CheckResult:
    evidence = Evidence(window(9), reference(), closed=closed, recent=closed if recent is None else recent)
    return (check or Accuracy()).run(evidence, previous, alpha=alpha, rng=np.random.default_rng(0))


CHI_SQUARE = PredictionDrift(trigger="chi_square")


def test_drift_fires_when_a_fifth_of_the_predictions_moves():
    found = drift((160, 80, 60))
    assert found.status is Status.FIRED
    assert found.statistic >= found.threshold == 365 / 0.025
    assert found.effect == pytest.approx(0.2)
    assert found.details["shares"]["cat"] == pytest.approx(
        {"reference": 1 / 3, "current": 160 / 300, "model_reference": 1 / 3}
    )


def test_the_chi_square_trigger_fires_on_one_night():
    found = drift((160, 80, 60), check=CHI_SQUARE)
    assert found.status is Status.FIRED
    assert found.details["p"] < 0.025 / 365


def test_a_small_move_is_seen_when_it_lasts():
    nights = [*REFERENCE_NIGHTS, *(window(number, (130, 85, 85)) for number in range(7, 40))]
    statuses = [
        PredictionDrift()
        .run(Evidence(one, reference(), earlier=nights[:at]), None, alpha=0.02, rng=np.random.default_rng(0))
        .status
        for at, one in enumerate(nights)
        if at >= 7
    ]
    assert statuses[0] is Status.QUIET
    assert statuses[-1] is Status.FIRED


def test_evidence_starts_anew_with_every_year():
    moved = [window(number, (125, 90, 85)) for number in range(330, 365)]
    first_of_next_year = drift_on(window(365, (125, 90, 85)), earlier=[*REFERENCE_NIGHTS, *moved])
    assert first_of_next_year.statistic < 1
    assert drift_on(moved[-1], earlier=[*REFERENCE_NIGHTS, *moved[:-1]]).statistic > 1000 * first_of_next_year.statistic


def drift_on(tonight, *, earlier) -> CheckResult:
    return PredictionDrift().run(
        Evidence(tonight, reference(), earlier=earlier), None, alpha=0.025, rng=np.random.default_rng(0)
    )


def test_a_model_with_a_reference_of_production_needs_no_reference_nights():
    brought = replace(reference(total=5400, correct=5240), production=True)
    tonight = window(0, (500, 250, 250))
    found = PredictionDrift().run(Evidence(tonight, brought), None, alpha=0.02, rng=np.random.default_rng(0))
    assert found.status is Status.FIRED
    assert "the reference file" in found.reason


def test_the_confidence_is_watched_beside_the_classes():
    def bands(number, low):
        counts = tuple((low, 50 - low, 50) for _ in CLASSES)
        return replace(window(number), counts=counts)

    nights = [bands(number, 10) for number in range(7)]
    found = drift_on(bands(9, 35), earlier=[*nights, bands(8, 35)])
    assert found.status is Status.FIRED
    assert found.effect == 0
    assert found.details["log_e_values"]["classes and confidence"] > 5 > found.details["log_e_values"]["classes"]


def test_drift_stays_quiet_on_an_ordinary_night():
    assert drift((108, 97, 95)).status is Status.QUIET


def test_drift_under_its_tolerance_is_no_news_however_sure():
    large = [window(number, (100_000, 100_000, 100_000)) for number in range(7)]
    moved = (103_000, 98_500, 98_500)
    found = drift(moved, earlier=large)
    assert found.details["p"] < 1e-12
    assert found.status is Status.QUIET
    assert drift(moved, earlier=large, check=PredictionDrift(tolerance=0.001)).status is Status.FIRED


def test_drift_has_no_verdict_until_its_reference_is_complete():
    found = drift((160, 80, 60), earlier=REFERENCE_NIGHTS[:3])
    assert found.status is Status.NO_VERDICT
    assert "3 of its 7 nights" in found.reason


def test_nights_that_fired_never_become_the_reference():
    assert drift((160, 80, 60), fired={night(2)}).status is Status.NO_VERDICT


def test_drift_without_a_budget_never_fires():
    evidence = Evidence(window(9, (300, 0, 0)), reference(), earlier=REFERENCE_NIGHTS)
    found = PredictionDrift().run(evidence, None, alpha=0.0, rng=np.random.default_rng(0))
    assert found.status is Status.QUIET


def test_the_floor_follows_the_reference_accuracy_down_to_the_fixed_one():
    assert Accuracy().effective_floor(reference(correct=524, total=540)) == pytest.approx(0.9258, abs=1e-4)
    assert Accuracy().effective_floor(reference(correct=490, total=540)) == 0.90
    assert Accuracy().effective_floor(reference(correct=0, total=0)) == 0.90


def test_a_floor_above_the_reference_accuracy_is_no_promise_but_a_mistake():
    poor = reference(correct=435, total=500)
    evidence = Evidence(window(9), poor, closed=[labels(0, wrong=2, right=18)])
    found = Accuracy(floor=0.92).run(evidence, None, alpha=0.02, rng=np.random.default_rng(0))
    assert found.status is Status.NO_VERDICT
    assert "floor 0.92 would alarm every night: reference accuracy is 0.87 of 500 items" in found.reason


def test_accuracy_has_no_verdict_before_the_first_label():
    found = accuracy()
    assert found.status is Status.NO_VERDICT
    assert found.state == {}


def test_accuracy_fires_after_some_bad_nights_and_says_it_in_numbers():
    result, nights = None, []
    for number in range(8):
        nights.append(labels(number, wrong=6, right=14))
        result = accuracy([nights[-1]], result, recent=nights)
    assert result.status is Status.FIRED
    assert result.statistic >= result.threshold == 365 / 0.025
    assert result.effect == pytest.approx(0.7)
    assert result.reason.startswith("accuracy 70% (")
    assert "from 160 labels over 8 nights, floor 92.6%" in result.reason


def test_accuracy_stays_quiet_while_the_model_is_good():
    result = None
    for number in range(60):
        result = accuracy([labels(number, wrong=number % 2, right=20 - number % 2)], result)
    assert result.status is Status.QUIET


def test_accuracy_carries_its_state_through_json():
    first = accuracy([labels(0, wrong=6, right=14)])
    restored = replace(first, state=json.loads(json.dumps(first.state)))
    later = [labels(1, wrong=6, right=14)]
    assert accuracy(later, restored) == accuracy(later, first)
    assert accuracy(later, first).statistic > accuracy(later).statistic


def test_a_night_without_labels_keeps_the_evidence_and_says_so():
    first = accuracy([labels(0, wrong=6, right=14)])
    found = accuracy([], first, recent=[labels(0, wrong=6, right=14)])
    assert found.status is Status.QUIET
    assert "no new labels tonight" in found.reason
    assert found.statistic == pytest.approx(first.statistic + 1)


def test_two_plans_that_close_together_both_count():
    one, other = labels(0, wrong=6, right=14), labels(1, wrong=2, right=18)
    both = accuracy([one, other])
    assert both.n == 40
    assert both.statistic not in (accuracy([one]).statistic, accuracy([other]).statistic)
    assert both == accuracy([other, one], recent=[one, other])


def test_accuracy_starts_anew_with_another_floor_and_after_a_year():
    tonight = [labels(1, wrong=6, right=14)]
    first = accuracy([labels(0, wrong=6, right=14)])
    raised = Accuracy(floor=0.95)
    found, fresh = accuracy(tonight, first, check=raised), accuracy(tonight, check=raised)
    assert (found.statistic, found.state["log_wealth"]) == (fresh.statistic, fresh.state["log_wealth"])
    told = f"began anew on {night(9)}, when the floor became 95.0%; it was "
    assert told in found.reason
    assert f"(20 labels, e-value {first.statistic:,.3g})" in found.reason
    assert told in accuracy(tonight, found, check=raised).reason, "as long as the evidence goes back to it"
    old = replace(first, state={**first.state, "nights": 365})
    assert accuracy(tonight, old) == accuracy(tonight)


def test_a_guess_that_is_not_a_number_gives_no_verdict_and_keeps_the_evidence():
    first = accuracy([labels(0, wrong=6, right=14)])
    found = accuracy([labels(1, wrong=1, right=19, guess=float("nan"))], first)
    assert found.status is Status.NO_VERDICT
    assert found.state == first.state


def classes(closed=(), previous=None, *, recent=None, check=None, tonight=None) -> CheckResult:
    evidence = Evidence(tonight or window(9), reference(), closed=closed, recent=closed if recent is None else recent)
    return (check or ClassAccuracy()).run(evidence, previous, alpha=0.01, rng=np.random.default_rng(0))


def test_class_accuracy_fires_for_one_bad_class_and_names_it():
    result = None
    for number in range(30):
        tonight = [labels(number, wrong=5, right=5, truth="cat"), labels(number, wrong=0, right=40, truth="dog")]
        result = classes(tonight, result)
    assert result.status is Status.FIRED
    assert result.details["leading"] == "recall cat"
    assert result.details["suspects"]["recall cat"] > 0.4
    assert result.details["per_class"]["cat"]["recall"]["value"] == pytest.approx(0.5)
    assert result.details["per_class"]["ship"]["recall"] is None


def test_class_accuracy_stays_quiet_while_every_class_is_good():
    result = None
    for number in range(60):
        tonight = [labels(number, wrong=number % 2, right=20), labels(number, wrong=0, right=20, truth="dog")]
        result = classes(tonight, result)
    assert result.status is Status.QUIET


def test_class_accuracy_has_no_verdict_before_the_first_label():
    found = classes()
    assert found.status is Status.NO_VERDICT
    assert found.state == {}


def test_class_accuracy_takes_up_a_slice_when_it_first_appears():
    first = classes([labels(0, wrong=1, right=19)])
    night_of_two = labels(1, wrong=5, right=15)
    at_door = tuple(replace(one, slice="door") for one in night_of_two.draws)
    with_slice = replace(night_of_two, draws=at_door, parts={**night_of_two.parts, "slice door": (100, 1 / 3, 0.05)})
    found = classes([with_slice], first)
    assert set(found.state["log_wealth"]) - set(first.state["log_wealth"]) == {"slice door"}
    assert found.details["suspects"]["slice door"] > found.details["suspects"]["recall ship"]


def test_the_slice_that_an_alarm_names_comes_with_its_accuracy():
    bad = labels(1, wrong=10, right=10)
    at_door = tuple(replace(one, slice="door") for one in bad.draws)
    with_slice = replace(bad, draws=at_door, parts={"slice door": (100, 1 / 3, 0.05)})
    found = classes([with_slice])
    assert found.details["per_slice"]["door"]["value"] == pytest.approx(0.5)
    assert found.details["leading"] == "slice door"
    assert "slice door (floor 89%, now 50%" in found.reason or "now 50%" in found.reason


def test_class_accuracy_starts_anew_with_another_floor():
    first = classes([labels(0, wrong=6, right=14)])
    strict, tonight = ClassAccuracy(floors={"cat": 0.9}), [labels(1, wrong=6, right=14)]
    found, fresh = classes(tonight, first, check=strict), classes(tonight, check=strict)
    assert (found.statistic, found.state["log_wealth"]) == (fresh.statistic, fresh.state["log_wealth"])
    told = f"the evidence of 20 labels began anew on {night(9)}, when these floors were changed: "
    assert f"{told}precision cat 90% (was " in found.reason
    assert told in classes(tonight, found, check=strict).reason, "as long as the evidence goes back to it"
    assert "anew" not in fresh.reason


def test_a_floor_that_is_changed_on_a_night_without_labels_is_told_too_and_not_forgotten():
    first, strict = classes([labels(0, wrong=6, right=14)]), ClassAccuracy(floors={"cat": 0.9})
    silent = classes((), first, check=strict)
    assert (silent.status, "began anew" in silent.reason) == (Status.NO_VERDICT, True)
    json.dumps(silent.state, allow_nan=False)
    assert "began anew" in classes([labels(1, wrong=6, right=14)], silent, check=strict).reason
    before, tighter = accuracy([labels(0, wrong=6, right=14)]), Accuracy(floor=0.93, allowed_drop=0.5)
    silent = accuracy((), before, check=tighter)
    assert (silent.status, "began anew" in silent.reason) == (Status.NO_VERDICT, True)
    json.dumps(silent.state, allow_nan=False)
    assert "began anew" in accuracy([labels(1, wrong=6, right=14)], silent, check=tighter).reason


def test_a_floor_that_cannot_be_kept_leaves_the_evidence_where_it_was():
    first = accuracy([labels(0, wrong=6, right=14)])
    impossible = accuracy((), first, check=Accuracy(floor=0.999))
    assert impossible.status is Status.NO_VERDICT
    assert accuracy((), impossible).statistic == accuracy((), first).statistic


def test_drift_says_which_of_its_settings_counts_every_night_anew():
    tonight = Evidence(window(9), reference(), earlier=REFERENCE_NIGHTS)
    first = PredictionDrift().run(tonight, None, alpha=0.02, rng=np.random.default_rng(0))
    wide = PredictionDrift(tolerance=0.03)
    changed = wide.run(tonight, first, alpha=0.02, rng=np.random.default_rng(0))
    assert "counted anew with other settings: tolerance is 0.03, was 0.015" in changed.reason
    assert "anew" not in wide.run(tonight, changed, alpha=0.02, rng=np.random.default_rng(0)).reason


def test_a_class_that_never_reached_the_floor_is_held_to_its_own_reference():
    check = ClassAccuracy()
    assert check.effective_floor("cat", 60, 100) == pytest.approx(0.516 - 0.05, abs=0.01)
    assert check.effective_floor("cat", 480, 500) > 0.85
    assert check.effective_floor("cat", 0, 0) == 0.80
    assert ClassAccuracy(floors={"cat": 0.97}).effective_floor("cat", 60, 100) == 0.97


def test_labels_outside_the_class_list_are_counted_apart():
    recent = [labels(0, wrong=20, right=0, truth="horse"), labels(1, wrong=0, right=20)]
    found = classes(recent)
    assert found.details["labels_outside_classes"] == 20
    assert "horse" not in found.details["per_class"]


def run(name, evidence, previous=None) -> CheckResult:
    return CHECKS.build(name).run(evidence, previous, alpha=0.0, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("tonight", "earlier", "ahead", "told"),
    [
        (window(9, (0, 0, 0)), REFERENCE_NIGHTS, 0, "no prediction came in"),
        (window(9, (40, 40, 40)), REFERENCE_NIGHTS, 0, "120 predictions, under 50% of the usual 300"),
        (window(9, foreign=12), REFERENCE_NIGHTS, 0, "12 predictions name a class outside"),
        (replace(window(9), without_confidence=3), REFERENCE_NIGHTS, 0, "3 predictions have no confidence"),
        (window(9), REFERENCE_NIGHTS, 5, "5 predictions carry a time in the future"),
    ],
    ids=["none", "few", "foreign", "no confidence", "future"],
)
def test_traffic_tells_what_is_wrong_with_the_delivery(tonight, earlier, ahead, told):
    found = run("traffic", Evidence(tonight, reference(), earlier=earlier, ahead=ahead))
    assert found.status is Status.FIRED
    assert told in found.reason


def test_traffic_is_quiet_about_an_ordinary_night_and_about_the_first():
    assert run("traffic", Evidence(window(9), reference(), earlier=REFERENCE_NIGHTS)).status is Status.QUIET
    assert run("traffic", Evidence(window(0, (1, 0, 0)), reference())).status is Status.QUIET


def two_months(*, before: int, after: int, nights: int = 56) -> CheckResult:
    """`before` and `after`: wrong answers of 20 a night in the two months."""
    labelled = [labels(number, wrong=before if number < 28 else after, right=20) for number in range(56)]
    earlier = [window(number) for number in range(nights - 1)]
    return run("monthly_drop", Evidence(window(nights - 1), reference(), earlier=earlier, months=labelled))


def test_a_drop_of_more_than_five_points_in_a_month_is_told():
    found = two_months(before=1, after=5)
    assert found.status is Status.FIRED
    assert found.effect == pytest.approx(1 / 21 - 5 / 25, abs=0.001) or found.effect > 0.1
    assert "a drop of 15" in found.reason


def test_a_month_like_the_last_is_not_told():
    assert two_months(before=2, after=2).status is Status.QUIET


def test_months_are_compared_every_28_nights_only():
    found = two_months(before=1, after=5, nights=57)
    assert found.status is Status.NO_VERDICT
    assert "next in 27 nights" in found.reason


def counted(truth, answers, confidence):
    return count_answers(CLASSES, np.array(answers), truth=np.array(truth), confidence=np.array(confidence))


def test_label_free_estimates_give_the_reference_accuracy_on_the_reference_itself():
    rng = np.random.default_rng(0)
    confidence = rng.beta(8, 1, 3000)
    answers = rng.integers(0, 3, 3000)
    truth = np.where(rng.random(3000) < confidence, answers, (answers + 1) % 3)
    known = counted(truth, answers, confidence)
    version = ModelVersion("m", 1, "b", "d", known)
    bins = np.searchsorted(known.edges, confidence, side="right")
    cells = [Cell("cat", int(place), None, int((bins == place).sum())) for place in range(len(known.guesses))]
    found = run("label_free", Evidence(count_window(version, night(0), cells), known))
    assert found.status is Status.QUIET
    assert found.effect == pytest.approx(known.accuracy, abs=0.003)
    assert found.details["thresholded"] == pytest.approx(known.accuracy, abs=0.003)


@pytest.mark.parametrize(
    ("mix", "blurred", "verdict"),
    [((0.6, 0.2, 0.2), False, "class mix"), ((1 / 3,) * 3, True, "images look different")],
)
def test_attribution_tells_a_changed_class_mix_from_changed_images(mix, blurred, verdict):
    rng = np.random.default_rng(3)

    def answer(truth, unsure):
        right = rng.random(len(truth)) < 0.9
        answers = np.where(right, truth, (truth + 1) % 3)
        return answers, np.where(rng.random(len(truth)) < unsure, 0.5, np.where(right, 0.95, 0.7))

    truth = rng.integers(0, 3, 3000)
    answers, confidence = answer(truth, 0.1)
    known = counted(truth, answers, confidence)
    now = rng.choice(3, size=1500, p=mix)
    said, sure = answer(now, 0.4 if blurred else 0.1)
    bins = np.searchsorted(known.edges, sure, side="right")
    cells = [Cell(CLASSES[a], int(b), None, 1) for a, b in zip(said.tolist(), bins.tolist(), strict=True)]
    found = run("attribution", Evidence(count_window(ModelVersion("m", 1, "b", "d", known), night(0), cells), known))
    assert found.details["verdict"] == verdict
    assert found.status is Status.QUIET
    if not blurred:
        assert found.details["class_mix"]["cat"]["fitted"] == pytest.approx(0.6, abs=0.05)


def test_two_checks_of_one_name_are_refused():
    with pytest.raises(ParamsError, match=r"called 'accuracy', in leeway.checks.accuracy and "):
        CHECKS.add(type("Another", (Accuracy,), {"__module__": __name__}))


def test_a_check_that_leaves_out_what_others_need_to_know_is_refused():
    with pytest.raises(ParamsError, match=r"check Bare \(.*\) lacks class attributes: order, needs_labels, on_page"):
        Checks().add(type("Bare", (), {"name": "bare"}))


def test_an_unknown_check_is_refused_with_the_known_ones():
    with pytest.raises(ParamsError, match=r"no check is called 'acuracy'; known: .*accuracy"):
        CHECKS.build("acuracy")
