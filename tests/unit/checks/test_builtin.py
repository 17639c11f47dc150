"""The checks: what makes each of them fire, stay quiet or give no verdict."""

import json
from dataclasses import replace

import numpy as np
import pytest
from made_nights import CLASSES, labels, night, reference, window

from leeway.checks.builtin import Accuracy, ClassRecall, PredictionDrift
from leeway.checks.registry import CHECKS, Evidence
from leeway.domain.records import CheckResult, Status
from leeway.errors import ParamsError

REFERENCE_NIGHTS = [window(number) for number in range(7)]


def drift(counts, *, earlier=REFERENCE_NIGHTS, fired=frozenset(), foreign=0, check=None) -> CheckResult:
    evidence = Evidence(window(9, counts, foreign=foreign), reference(), earlier=earlier, fired=fired)
    return (check or PredictionDrift()).run(evidence, None, alpha=0.025, rng=np.random.default_rng(0))


def accuracy(closed=(), previous=None, *, recent=None, alpha=0.025, check=None) -> CheckResult:
    evidence = Evidence(window(9), reference(), closed=closed, recent=closed if recent is None else recent)
    return (check or Accuracy()).run(evidence, previous, alpha=alpha, rng=np.random.default_rng(0))


def test_drift_fires_when_a_fifth_of_the_predictions_moves():
    found = drift((160, 80, 60))
    assert found.status is Status.FIRED
    assert found.effect == pytest.approx(0.2)
    assert found.details["p"] < 0.025 / 365
    assert found.details["shares"]["cat"] == pytest.approx(
        {"reference": 1 / 3, "current": 160 / 300, "test_split": 1 / 3}
    )


def test_drift_stays_quiet_on_an_ordinary_night():
    assert drift((108, 97, 95)).status is Status.QUIET


def test_drift_under_its_tolerance_is_no_news_however_sure():
    large = [window(number, (100_000, 100_000, 100_000)) for number in range(7)]
    found = drift((106_000, 97_000, 97_000), earlier=large)
    assert found.details["p"] < 1e-12
    assert found.status is Status.QUIET
    assert drift((106_000, 97_000, 97_000), earlier=large, check=PredictionDrift(tolerance=0.01)).status is Status.FIRED


def test_drift_has_no_verdict_until_its_reference_is_complete():
    found = drift((160, 80, 60), earlier=REFERENCE_NIGHTS[:3])
    assert found.status is Status.NO_VERDICT
    assert "3 of its 7 nights" in found.reason


def test_nights_that_fired_never_become_the_reference():
    assert drift((160, 80, 60), fired={night(2)}).status is Status.NO_VERDICT


def test_drift_names_predictions_outside_the_class_list():
    found = drift((100, 100, 100), foreign=12)
    assert "12 predictions name a class outside" in found.reason
    assert found.details["foreign"] == 12
    assert found.n == 300


def test_drift_without_a_budget_never_fires():
    evidence = Evidence(window(9, (300, 0, 0)), reference(), earlier=REFERENCE_NIGHTS)
    found = PredictionDrift().run(evidence, None, alpha=0.0, rng=np.random.default_rng(0))
    assert found.status is Status.QUIET


def test_the_floor_follows_the_reference_accuracy_down_to_the_fixed_one():
    assert Accuracy().effective_floor(reference(correct=524, total=540)) == pytest.approx(0.9258, abs=1e-4)
    assert Accuracy().effective_floor(reference(correct=450, total=540)) == 0.90
    assert Accuracy().effective_floor(reference(correct=0, total=0)) == 0.90


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
    assert accuracy(tonight, first, check=raised) == accuracy(tonight, check=raised)
    old = replace(first, state={**first.state, "nights": 365})
    assert accuracy(tonight, old) == accuracy(tonight)


def test_a_guess_that_is_not_a_number_gives_no_verdict_and_keeps_the_evidence():
    first = accuracy([labels(0, wrong=6, right=14)])
    found = accuracy([labels(1, wrong=1, right=19, guess=float("nan"))], first)
    assert found.status is Status.NO_VERDICT
    assert found.state == first.state


def test_class_recall_names_the_weakest_class_and_what_it_cannot_tell():
    recent = [
        labels(0, wrong=6, right=14, truth="cat"),
        labels(1, wrong=0, right=20, truth="dog"),
        labels(2, wrong=0, right=4, truth="ship"),
    ]
    found = ClassRecall().run(
        Evidence(window(9), reference(), recent=recent), None, alpha=0.0, rng=np.random.default_rng(0)
    )
    assert found.status is Status.QUIET
    assert found.reason.startswith("lowest recall: cat 70%")
    assert found.details["per_class"]["ship"]["recall"] is None
    assert found.details["per_class"]["dog"]["precision"]["value"] == pytest.approx(20 / 26)


def test_class_recall_has_no_verdict_below_ten_labels_of_each_class():
    found = ClassRecall().run(
        Evidence(window(9), reference(), recent=[labels(0, wrong=1, right=8)]),
        None,
        alpha=0.0,
        rng=np.random.default_rng(0),
    )
    assert found.status is Status.NO_VERDICT
    assert list(found.details["per_class"]) == list(CLASSES)


def test_labels_outside_the_class_list_are_counted_apart():
    recent = [labels(0, wrong=20, right=0, truth="horse"), labels(1, wrong=0, right=20)]
    found = ClassRecall().run(
        Evidence(window(9), reference(), recent=recent), None, alpha=0.0, rng=np.random.default_rng(0)
    )
    assert found.details["labels_outside_classes"] == 20
    assert "horse" not in found.details["per_class"]


def test_an_unknown_check_is_refused_with_the_known_ones():
    with pytest.raises(ParamsError, match=r"no check is called 'acuracy'; known: .*accuracy"):
        CHECKS.build("acuracy")
