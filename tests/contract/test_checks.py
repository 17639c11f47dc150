"""What every check must do, whoever wrote it: tested before its author writes a test."""

import json
import math
from dataclasses import asdict, replace
from datetime import date, timedelta

import numpy as np
import pytest

from leeway.bundle.reference import count_answers
from leeway.checks.policy import Policy
from leeway.checks.registry import CHECKS, Evidence, details_of, meaning_of
from leeway.checks.windows import count_window
from leeway.domain.image_night import ImageNight, MovedImage, ReferenceBet
from leeway.domain.records import (
    Cell,
    CheckResult,
    Draw,
    LabelledDraw,
    ModelVersion,
    NightLabels,
    ReferenceCounts,
    Status,
    WindowCounts,
)

FIRST = date(2025, 3, 1)
CLASSES = ("cat", "dog", "owl", "ship")
ORDER = [2, 0, 3, 1]
every_check = pytest.mark.parametrize("name", CHECKS.names())


def window(number: int, counts=(90, 110, 50, 50), classes=CLASSES, foreign=0) -> WindowCounts:
    triples = tuple((count // 2, count - count // 2, 0) for count in counts)
    return WindowCounts("m", 1, FIRST + timedelta(days=number), tuple(classes), triples, foreign)


def labels(number: int, *, guess: float = 0.1, predictions: int = 300) -> NightLabels:
    """40 draws over all classes; every fifth answer is wrong."""
    draws = []
    for i in range(40):
        truth = CLASSES[i % 4]
        said = CLASSES[(i + 1) % 4] if i % 5 == 0 else truth
        draw = Draw(f"{number}-{i}", f"plan-{number}", "m", f"p{i}", "measure", str(i % 3), (1 + i % 3) / 600, guess)
        draws.append(LabelledDraw(draw, FIRST + timedelta(days=number), said, truth, f"g{i}", f"i{i}"))
    shares = {"0": 0.5, "1": 0.3, "2": 0.2}
    return NightLabels(FIRST + timedelta(days=number), predictions, guess, tuple(draws), shares)


def evidence(tonight: WindowCounts, *, nights=(), classes=CLASSES) -> Evidence:
    counts = tuple((18, 18, 0) for _ in classes)
    earlier = [
        window(number, [dict(zip(CLASSES, (90, 110, 50, 50), strict=True)).get(name, 0) for name in classes], classes)
        for number in range(8)
    ]
    reference = ReferenceCounts(tuple(classes), (0.5, 0.9), counts, 140, 144)
    return Evidence(tonight, reference, earlier=earlier, closed=nights, recent=nights)


def two_months() -> Evidence:
    """Enough for a verdict of every check."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 2000)
    confidence = rng.beta(30, 1, 2000)
    said = np.where(rng.random(2000) < confidence, truth, (truth + 1) % 4)
    reference = count_answers(CLASSES, said, truth=truth, confidence=confidence)
    version = ModelVersion("m", 1, "bundle", "dataset", reference)
    cells = [Cell(CLASSES[said], place, f"camera-{said}", count) for _, said, place, count in reference.cells]
    nights = [count_window(version, FIRST + timedelta(days=number), cells) for number in range(56)]
    plans = [labels(number) for number in range(56)]
    bet = ReferenceBet("2025-03-01", "2025-03-14", (0.1, 0.1, 0.1, 0.1), 0.02)
    images = ImageNight("", 300, nights=14, bets={"14": bet}, moved=(MovedImage("p1", 2.5),))
    seen = {"closed": plans[-1:], "recent": plans[-7:], "months": plans, "images": images}
    return Evidence(nights[-1], reference, earlier=nights[:-1], **seen)


def run(name: str, given: Evidence, previous: CheckResult | None = None, alpha: float = 0.02) -> CheckResult:
    return Policy().checks[name].run(given, previous, alpha=alpha, rng=np.random.default_rng(7))


@every_check
def test_is_never_quiet_about_an_empty_window(name):
    """No verdict, or, from the check of the delivery, a finding."""
    result = run(name, evidence(window(9, (0, 0, 0, 0))))
    assert result.status is (Status.FIRED if name == "traffic" else Status.NO_VERDICT)
    assert result.reason


@every_check
def test_bears_its_own_name_and_a_sentence_with_numbers(name):
    result = run(name, evidence(window(9), nights=[labels(8)]))
    assert result.check == name
    assert any(letter.isdigit() for letter in result.reason)
    assert "nan" not in result.reason


@every_check
def test_does_not_care_in_which_order_classes_are_listed(name):
    straight = run(name, evidence(window(9, (150, 60, 40, 50)), nights=[labels(8)]))
    classes = [CLASSES[i] for i in ORDER]
    shuffled = run(
        name, evidence(window(9, [(150, 60, 40, 50)[i] for i in ORDER], classes), nights=[labels(8)], classes=classes)
    )
    assert (shuffled.status, shuffled.reason, shuffled.n) == (straight.status, straight.reason, straight.n)
    assert shuffled.statistic == pytest.approx(straight.statistic)


@every_check
@pytest.mark.parametrize("counts", [(0, 110, 90, 100), (300, 0, 0, 0)], ids=["one class gone", "one class only"])
def test_copes_with_a_class_seen_in_one_window_only(name, counts):
    assert run(name, evidence(window(9, counts), nights=[labels(8)])).status in Status


@every_check
@pytest.mark.parametrize("classes", [(), ("cat",)], ids=["no class", "one class"])
def test_copes_with_a_model_of_hardly_any_class(name, classes):
    found = run(name, evidence(window(9, [300][: len(classes)], classes), classes=classes))
    assert found.status is Status.NO_VERDICT or name == "traffic"


@every_check
def test_the_same_inputs_give_the_same_result(name):
    given = evidence(window(9, (150, 60, 40, 50)), nights=[labels(8)])
    assert run(name, given) == run(name, given)


@every_check
def test_the_order_of_labels_does_not_matter(name):
    plan = labels(8)
    turned = replace(plan, draws=plan.draws[::-1])
    straight, reverse = run(name, evidence(window(9), nights=[plan])), run(name, evidence(window(9), nights=[turned]))
    assert (reverse.status, reverse.reason) == (straight.status, straight.reason)


@every_check
@pytest.mark.parametrize(
    "nights",
    [[labels(8, guess=math.nan)], [labels(8, predictions=0)], [labels(7), labels(8, guess=math.inf)]],
    ids=["guess is NaN", "empty window labelled", "guess is infinite"],
)
def test_never_fires_on_labels_that_cannot_be_used(name, nights):
    assert run(name, evidence(window(9), nights=nights)).status is not Status.FIRED


@every_check
def test_its_result_goes_through_json_and_back_without_a_change(name):
    first = run(name, evidence(window(9), nights=[labels(8)]))
    stored = replace(
        first,
        details=json.loads(json.dumps(first.details, allow_nan=False)),
        state=json.loads(json.dumps(first.state, allow_nan=False)),
    )
    later = evidence(window(10), nights=[labels(9)])
    assert run(name, later, stored) == run(name, later, first)


@every_check
def test_its_details_are_read_back_as_its_own_type_whatever_a_newer_version_adds(name):
    result = run(name, two_months())
    assert result.status is not Status.NO_VERDICT
    stored = json.loads(json.dumps(result.details, allow_nan=False))
    details = details_of(replace(result, details=stored | {"of a newer version": 1}), CHECKS.kind(name).details)
    assert json.loads(json.dumps(asdict(details))) == stored


@every_check
@pytest.mark.parametrize("details", [{}, {"of another version": 1}, {"shares": "many", "p": "small", "slices": 3}])
def test_details_that_are_not_there_or_cannot_be_read_break_nothing(name, details):
    kind = CHECKS.kind(name).details
    read = details_of(CheckResult(name, Status.QUIET, "", details=details), kind)
    assert read is None or read == kind()
    assert details_of(None, kind) is None


@every_check
def test_what_its_result_means_is_said_in_numbers_without_a_statistic(name):
    result = run(name, two_months())
    stored = replace(result, details=json.loads(json.dumps(result.details, allow_nan=False)))
    meaning = meaning_of(CHECKS.build(name), stored)
    assert any(letter.isdigit() for letter in meaning)
    assert not any(word in meaning for word in ("e-value", "threshold", "nan"))


@every_check
@pytest.mark.parametrize("details", [{}, {"of another version": 1}, {"shares": "many", "leading": "recall owl"}])
def test_what_a_result_without_readable_details_means_is_its_reason(name, details):
    result = CheckResult(name, Status.FIRED, "7 of 8 are odd", details=details)
    assert "7 of 8 are odd" in meaning_of(CHECKS.build(name), result)


@every_check
def test_never_fires_without_a_budget(name):
    assert run(name, evidence(window(9, (300, 0, 0, 0)), nights=[labels(8)] * 20), alpha=0.0).status is not Status.FIRED
