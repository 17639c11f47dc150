"""The checks: what makes each of them fire, stay quiet or give no verdict."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from leeway.bundle.reference import count_answers
from leeway.checks.accuracy import Accuracy
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.drift import PredictionDrift
from leeway.checks.registry import CHECKS, Checks, Evidence
from leeway.checks.windows import count_window
from leeway.domain.records import Cell, CheckResult, ModelVersion, NightLabels, Status, UnansweredDraw
from leeway.errors import ParamsError
from made_nights import CLASSES, labels, night, reference, window

REFERENCE_NIGHTS = [window(number) for number in range(7)]


QUIET = [window(number, (100 + number % 3, 100, 100 - number % 3)) for number in range(40)]
WITH_A_FILE = replace(reference(total=5400, correct=5240), production=True)


def drift(counts, *, earlier=REFERENCE_NIGHTS, fired=frozenset(), foreign=0, check=None) -> CheckResult:
    evidence = Evidence(window(9, counts, foreign=foreign), reference(), earlier=earlier, fired=fired)
    return (check or PredictionDrift()).run(evidence, None, alpha=0.025, rng=np.random.default_rng(0))


def accuracy(closed=(), previous=None, *, recent=None, alpha=0.025, check=None) -> CheckResult:
    evidence = Evidence(window(9), reference(), closed=closed, recent=closed if recent is None else recent)
    return (check or Accuracy()).run(evidence, previous, alpha=alpha, rng=np.random.default_rng(0))


CHI_SQUARE = PredictionDrift(trigger="chi_square")


def test_drift_fires_when_a_fifth_of_the_predictions_moves():
    found = drift((160, 80, 60), earlier=[*REFERENCE_NIGHTS, window(7, (155, 80, 65)), window(8, (160, 80, 60))])
    assert found.status is Status.FIRED
    assert found.statistic >= found.threshold == 365 / 0.025
    assert found.effect == pytest.approx(0.2)
    assert found.details["shares"]["cat"] == pytest.approx(
        {"reference": 1 / 3, "current": 160 / 300, "model_reference": 1 / 3}
    )


def test_a_single_night_never_fires_by_itself_however_extreme():
    alone = drift((300_000, 0, 0))
    assert alone.status is Status.QUIET
    assert alone.statistic <= 200
    again = drift((300_000, 0, 0), earlier=[*REFERENCE_NIGHTS, window(7, (300_000, 0, 0))])
    assert again.status is Status.FIRED


def test_two_references_watch_once_there_are_nights_for_both():
    """The longer one alone knows nothing yet when its last night is in."""
    first, both = (drift_on(QUIET[at], earlier=QUIET[:at]).details for at in (27, 28))
    ways = ("classes against the first {} nights", "classes and confidence against the first {} nights")
    assert list(first["log_e_values"]) == [way.format(7) for way in ways]
    assert list(both["log_e_values"]) == [way.format(nights) for nights in (7, 28) for way in ways]
    assert both["design_effects"].keys() == both["log_e_values"].keys()
    m = math.exp(drift_on(QUIET[28], earlier=QUIET[:28]).details["log_e_values"][ways[0].format(28)])
    assert m < 1, "one night is held against the longer reference, and is like it"


def test_what_the_longer_reference_has_swallowed_the_first_one_sees():
    nights = [*QUIET[:10], *(window(number, (125, 90, 85)) for number in range(10, 40))]
    found = drift_on(nights[-1], earlier=nights[:-1])
    first, longer = (found.details["log_e_values"][f"classes against the first {nights} nights"] for nights in (7, 28))
    assert longer < 1 < math.log(365 / 0.025) < first
    assert found.status is Status.FIRED
    assert "most of it of classes against the first 7 nights" in found.reason


def test_alarm_nights_stay_out_of_both_references_and_in_what_is_held_against_them():
    wild = {night(number) for number in (2, 20, 21)}
    nights = [window(at, (280, 10, 10)) if one.night in wild else one for at, one in enumerate(QUIET)]
    clean = [one for one in QUIET[:35] if one.night not in wild]
    kept = drift_on(QUIET[35], earlier=clean).details
    found = PredictionDrift().run(
        Evidence(QUIET[35], reference(), earlier=nights[:35], fired=wild),
        None,
        alpha=0.02,
        rng=np.random.default_rng(0),
    )
    assert found.details["shares"] == kept["shares"]
    assert found.details["design_effects"] == kept["design_effects"]
    assert found.details["log_e_values"] != kept["log_e_values"]


def test_nights_that_come_in_groups_count_less():
    """Each image ten times: the same shares say a tenth, and what would be an alarm is none."""
    rng = np.random.default_rng(3)
    nights = [window(at, tuple(10 * rng.multinomial(60, [1 / 3] * 3))) for at in range(7)]
    moved = [window(at, (260, 170, 170)) for at in range(7, 11)]
    grouped = drift_on(moved[-1], earlier=[*nights, *moved[:-1]])
    alone = drift_on(moved[-1], earlier=[*(window(at, (200, 200, 200)) for at in range(7)), *moved[:-1]])
    assert grouped.details["design_effects"]["classes against the first 7 nights"] > 5
    assert grouped.status is Status.QUIET
    assert alone.status is Status.FIRED


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


def test_a_model_with_a_reference_of_production_is_held_against_it_from_its_first_night():
    """As soon as seven nights tell how much nights differ about their own mean; the file cannot."""
    nights = [window(number, (500 + number % 3, 250, 250 - number % 3)) for number in range(8)]

    def held(at: int, *, check: PredictionDrift | None = None) -> CheckResult:
        evidence = Evidence(nights[at], WITH_A_FILE, earlier=nights[:at])
        return (check or PredictionDrift()).run(evidence, None, alpha=0.02, rng=np.random.default_rng(0))

    assert [held(at).status for at in (0, 6)] == [Status.NO_VERDICT] * 2
    assert "6 of the 7 quiet nights" in held(6).reason
    assert held(7).status is Status.FIRED
    assert "the reference file" in held(7).reason
    assert held(0, check=CHI_SQUARE).status is Status.FIRED


def test_the_confidence_is_watched_beside_the_classes():
    def bands(number, low):
        counts = tuple((low, 50 - low, 50) for _ in CLASSES)
        return replace(window(number), counts=counts)

    nights = [bands(number, 10) for number in range(7)]
    found = drift_on(bands(9, 35), earlier=[*nights, bands(7, 35), bands(8, 35)])
    assert found.status is Status.FIRED
    assert found.effect == 0
    e_values = found.details["log_e_values"]
    with_confidence, without = (f"{way} against the first 7 nights" for way in ("classes and confidence", "classes"))
    assert e_values[with_confidence] > 5 > e_values[without]


def test_drift_stays_quiet_on_an_ordinary_night():
    assert drift((108, 97, 95)).status is Status.QUIET


def test_drift_under_its_tolerance_is_no_news_however_sure():
    moved = (103_000, 98_500, 98_500)
    large = [*(window(number, (100_000, 100_000, 100_000)) for number in range(7)), window(7, moved)]
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
    assert found.statistic == pytest.approx(first.statistic), "a bet begins with a night that has labels"


@pytest.mark.parametrize("unanswered", [[], [replace(labels(1, wrong=1, right=0), draws=())]])
def test_nights_of_which_nobody_answers_anything_any_more_are_not_called_quiet(unanswered):
    first, of_classes = accuracy([labels(0, wrong=1, right=19)]), classes([labels(0, wrong=1, right=19)])
    assert (first.status, of_classes.status) == (Status.QUIET, Status.QUIET)
    found = [accuracy([], first, recent=unanswered), classes([], of_classes, recent=unanswered)]
    assert [one.status for one in found] == [Status.NO_VERDICT, Status.NO_VERDICT]
    assert [one.statistic for one in found] == pytest.approx([first.statistic, of_classes.statistic])
    bad = first
    for number in range(8):
        bad = accuracy([labels(number, wrong=6, right=14)], bad)
    assert accuracy([], bad, recent=unanswered).status is Status.FIRED


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
    again, fresh = accuracy(tonight, old), accuracy(tonight)
    assert again.state.pop("spread_sums")[0] == 2, "how much nights differ is not forgotten"
    assert fresh.state.pop("spread_sums")[0] == 1
    assert again == fresh


def test_the_spread_of_nights_is_measured_once_and_kept():
    """Nights of 200 labels that differ by chance: after 28 of them less spread is allowed for, and then for ever."""
    found, spreads = None, []
    for number, wrong in enumerate(np.random.default_rng(1).binomial(200, 0.08, 32).tolist()):
        found = accuracy([labels(number, wrong=wrong, right=200 - wrong)], found)
        spreads.append(found.state.get("night_spread"))
    assert spreads[:27] == [None] * 27
    assert 0 < spreads[27] < 0.03
    assert spreads[28:] == [spreads[27]] * 4
    different = None
    for number in range(7):
        different = accuracy([labels(number, wrong=35 * (number % 2), right=70 - 35 * (number % 2))], different)
    assert different.state["night_spread"] > 0.2


@pytest.mark.parametrize("falls", [2, 5, 11, 20])
def test_a_model_that_breaks_down_while_nights_are_being_measured_does_not_hide_in_their_spread(falls):
    found = None
    for number in range(falls):
        found = accuracy([labels(number, wrong=2 + number % 2, right=68 - number % 2)], found)
    for number in range(falls, falls + 5):
        found = accuracy([labels(number, wrong=35, right=35)], found)
    assert found.status is Status.FIRED


def test_an_alarm_needs_more_than_one_night_however_bad_it_is():
    one = accuracy([labels(0, wrong=5000, right=0)])
    assert one.status is Status.QUIET
    assert one.statistic <= 12


def test_a_stratum_that_people_skip_gives_no_verdict_instead_of_quiet():
    night_labels = labels(0, wrong=1, right=11)
    skipped = tuple(
        UnansweredDraw(replace(night_labels.draws[0].draw, id=f"skipped/{place}"), "cat", f"g{place}")
        for place in range(8)
    )
    found = accuracy([replace(night_labels, unanswered=skipped)])
    assert found.status is Status.NO_VERDICT
    assert "12 of 20 draws of one kind are answered" in found.reason
    assert accuracy([night_labels]).status is Status.QUIET


def test_wrong_labels_are_charged_and_second_opinions_take_most_of_it_off():
    evidence = Evidence(window(9), reference(), closed=[labels(0, wrong=4, right=16)], label_error=0.05)
    seconded = replace(evidence, closed=[replace(labels(0, wrong=4, right=16), seconded=0.9)])
    certain, charged, second = (
        Accuracy().run(one, None, alpha=0.02, rng=np.random.default_rng(0))
        for one in (replace(evidence, label_error=0.0), evidence, seconded)
    )
    assert charged.statistic < second.statistic < certain.statistic
    assert charged.details["charged"] == pytest.approx(0.05)
    assert second.details["charged"] == pytest.approx(0.05 * 0.1 + 0.9 * 0.0025)


def test_a_guess_that_is_not_a_number_gives_no_verdict_and_keeps_the_evidence():
    first = accuracy([labels(0, wrong=6, right=14)])
    found = accuracy([labels(1, wrong=1, right=19, guess=float("nan"))], first)
    assert found.status is Status.NO_VERDICT
    assert found.state == first.state


def classes(closed=(), previous=None, *, recent=None, check=None, tonight=None) -> CheckResult:
    evidence = Evidence(tonight or window(9), reference(), closed=closed, recent=closed if recent is None else recent)
    return (check or ClassAccuracy()).run(evidence, previous, alpha=0.01, rng=np.random.default_rng(0))


def half_of_the_cats_are_called_dogs(number: int) -> NightLabels:
    """A fifth of the night are cats, so that a tenth is answered so; fifty uniform draws."""
    cats, dogs = labels(number, wrong=5, right=5, truth="cat"), labels(number, wrong=0, right=40, truth="dog")
    parts = {"class cat": (30, 0.1, 0.05), "class dog": (270, 0.9, 0.05), "class ship": (0, 0.0, 0.0)}
    return replace(cats, draws=cats.draws + dogs.draws, parts=parts)


def test_class_accuracy_fires_for_one_bad_class_and_names_it():
    result = None
    for number in range(30):
        result = classes([half_of_the_cats_are_called_dogs(number)], result)
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
    version = ModelVersion("m", 1, "b", "d", known)
    usual = [Cell(CLASSES[said], place, None, count) for _, said, place, count in known.cells]
    earlier = [count_window(version, night(number), usual) for number in range(7)]
    found = run("attribution", Evidence(count_window(version, night(7), cells), known, earlier=earlier))
    assert found.details["verdict"] == verdict
    assert (found.status, found.answer) == (Status.QUIET, "shown only")
    first = run("attribution", Evidence(count_window(version, night(0), cells), known))
    assert first.status is Status.NO_VERDICT, "nothing tells yet how much nights differ"
    if not blurred:
        assert found.details["class_mix"]["cat"]["fitted"] == pytest.approx(0.6, abs=0.05)


def test_two_checks_of_one_name_are_refused():
    with pytest.raises(ParamsError, match=r"called 'accuracy', in leeway.checks.accuracy and "):
        CHECKS.add(type("Another", (Accuracy,), {"__module__": __name__}))


def test_a_check_that_leaves_out_what_others_need_to_know_is_refused():
    with pytest.raises(ParamsError, match=r"check Bare \(.*\) lacks class attributes: assumes, order, needs"):
        Checks().add(type("Bare", (), {"name": "bare"}))


def test_an_unknown_check_is_refused_with_the_known_ones():
    with pytest.raises(ParamsError, match=r"no check is called 'acuracy'; known: .*accuracy"):
        CHECKS.build("acuracy")
