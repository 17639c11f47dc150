"""Check 4 in simulated years: the engine is the check, and its plan leans as the label plan does."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from leeway.checks.class_accuracy import ClassAccuracyDetails
from leeway.checks.policy import Policy
from leeway.checks.registry import Evidence, details_of
from leeway.domain.records import (
    Cell,
    CheckResult,
    Draw,
    LabelledDraw,
    NightLabels,
    ReferenceCounts,
    UnansweredDraw,
    WindowCounts,
)
from leeway.labels.leaning import Suspicion
from leeway.labels.plan import design_of, limits_of, parts_of
from leeway.simulate.production import LEVELS, Production, classifier, with_second_answers, with_weak_recall
from leeway.simulate.traffic import AlikeImages, People, RealTraffic, differing
from leeway.simulate.years import Limits, Night, simulate_years
from made_nights import FIRST

CHECK = "class_accuracy"
CLASSES = tuple(f"class {k}" for k in range(4))
REFERENCE = ReferenceCounts(
    CLASSES,
    (0.5, 0.9),
    ((20, 20, 60),) * 4,
    correct=900,
    total=1000,
    edges=tuple(np.linspace(0.1, 0.9, len(LEVELS) - 1).tolist()),
    guesses=LEVELS,
)
POLICY = Policy.model_validate({"class_accuracy": {"allowed_drop": 0.5}, "labels": {"per_night": 40}})
USUAL = with_second_answers(classifier(predictions=400, accuracy=0.92, classes=4, slices=2), share=0.7)
FALLEN = with_weak_recall(USUAL, to=0.4, share=0.7)
SKIPPING = RealTraffic(groups=AlikeImages(4), people=People(answer=np.array([0.8]), error=0.02))


@pytest.mark.parametrize("traffic", [RealTraffic(), SKIPPING], ids=["plain", "groups, skipped draws and wrong labels"])
def test_the_engine_is_the_check_and_its_plan_night_by_night(traffic: RealTraffic) -> None:
    """Two years at once give what the check, its suspicion and the label plan give for one."""
    seen: list[Night] = []
    simulate_years(
        *(USUAL, POLICY),
        years=2,
        nights=24,
        rng=np.random.default_rng(6),
        after=FALLEN,
        change=6,
        labels=40,
        watch=(CHECK,),
        traffic=traffic,
        observe=lambda _, night: seen.append(night),
    )
    for year in range(2):
        result, split = None, 0
        for number, night in enumerate(seen):
            suspicion = suspicion_of(result)
            cells = cells_of(night.production, suspicion.second_classes)
            rates = rates_of(night, year)
            design = design_of(cells, REFERENCE, POLICY, suspicion, rates)
            drawn_with = np.broadcast_to(night.design.probability, (2, len(cells)))[year]
            assert design.probability == pytest.approx(drawn_with), number
            split += bool(suspicion.second_classes)
            labels = labels_of(night, year, FIRST + timedelta(days=number))
            parts = parts_of(cells, design, limits_of(POLICY, REFERENCE))
            result = run(replace(labels, parts=parts, mean_guess=float(design.mean_control)), result)
            assert np.log(result.statistic) == pytest.approx(float(night.log_m[CHECK][year]), abs=1e-6), number
        assert split > 3, "a missed class was looked for among second answers"


CERTAIN = Policy.model_validate({"labels": {"error_rate": 0.0}})
GOOD = classifier(predictions=2000, accuracy=0.92)
HALF = with_second_answers(GOOD, share=0.5)


@pytest.mark.parametrize(
    ("before", "after", "labels", "target"),
    [
        (GOOD, classifier(predictions=2000, accuracy=0.92, weak_class=0.6), 20, 34),
        (GOOD, with_weak_recall(GOOD, to=0.6), 20, 50),
        (HALF, with_weak_recall(HALF, to=0.6, share=0.5), 20, 38),
        (
            classifier(predictions=2000, accuracy=0.92, slices=12),
            classifier(predictions=2000, accuracy=0.92, slices=12, weak_slice=0.6),
            24,
            34,
        ),
    ],
    ids=["precision", "recall", "recall with second answers", "camera"],
)
def test_a_fall_from_92_to_60_percent_is_seen_in_time(
    before: Production, after: Production, labels: int, target: int
) -> None:
    lived = simulate_years(
        *(before, CERTAIN),
        years=40,
        nights=130,
        rng=np.random.default_rng(8),
        after=after,
        change=10,
        labels=labels,
        limits=Limits(precision=0.92),
        watch=(CHECK,),
        stop_when_all_fired=True,
    )
    delays = lived.delays(CHECK, change=10)
    assert len(delays) == 40
    assert np.median(delays) <= 1.1 * target  # of 40 years


@pytest.mark.parametrize("labels", [20, 70])
def test_classes_at_their_floors_on_nights_that_differ_stay_within_the_budget(labels: int) -> None:
    """Every precision and recall at its floor, nights of sd 3; the full size is in benchmarks/nulls_classes.py."""
    world = with_second_answers(classifier(predictions=2000, accuracy=0.80, classes=4), share=0.7)
    errors = world.sizes * world.error_rates
    single = {f"recall {k}": world.missed(k) for k in range(4)}
    single |= {
        f"precision {k}": float(errors[world.predicted == k].sum() / world.sizes[world.predicted == k].sum())
        for k in range(4)
    }
    lived = simulate_years(
        *(world, CERTAIN),
        years=60,
        rng=np.random.default_rng(3),
        labels=labels,
        limits=Limits(single=single, precision=0.8),
        watch=(CHECK,),
        traffic=RealTraffic(deviation=differing(0.03)),
    )
    assert (lived.first_alarm[CHECK] >= 0).sum() <= 3


def test_a_world_says_which_share_of_a_class_is_missed() -> None:
    """By the labels that it gives, too."""
    world = with_weak_recall(HALF, to=0.6, which=3, share=0.5)
    assert (HALF.missed(3), world.missed(3), world.missed(4)) == pytest.approx((0.08, 0.4, 0.08), abs=0.01)
    rng = np.random.default_rng(1)
    drawn = rng.choice(len(world.sizes), size=200_000, p=world.sizes / world.sizes.sum())
    wrong = rng.random(len(drawn)) < world.error_rates[drawn]
    truth = np.where(wrong, world.truth_of(drawn, wrong, rng), world.predicted[drawn])
    missed = (truth == 3) & (world.predicted[drawn] != 3)
    assert missed.sum() / (truth == 3).sum() == pytest.approx(0.4, abs=0.02)
    assert (world.second[drawn][missed] == 3).mean() == pytest.approx(0.5, abs=0.03)


def rates_of(night: Night, year: int) -> dict[str, float]:
    answered = np.broadcast_to(night.design.answered, (2, len(night.design.sizes)))[year]
    return {str(stratum): float(rate) for stratum, rate in zip(night.design.stratum, answered, strict=True)}


def run(labels: NightLabels, previous: CheckResult | None) -> CheckResult:
    window = WindowCounts("m", 1, labels.night, CLASSES, ((10, 10, 80),) * 4)
    evidence = Evidence(window, REFERENCE, closed=[labels], recent=[labels], label_error=POLICY.labels.error_rate)
    check = POLICY.checks[CHECK]
    return check.run(evidence, previous, alpha=POLICY.alpha(check), rng=np.random.default_rng(0))


def suspicion_of(result: CheckResult | None) -> Suspicion:
    details = details_of(result, ClassAccuracyDetails)
    return Suspicion(details.suspects, details.strength or 0.0) if details else Suspicion()


def cells_of(production: Production, second: Sequence[str]) -> list[Cell]:
    names = [f"class {k}" if f"class {k}" in second else None for k in range(production.classes)]
    return [
        Cell(
            f"class {production.predicted[kind]}",
            LEVELS.index(production.guesses[kind]),
            str(production.slice[kind]),
            int(production.sizes[kind]),
            names[production.second[kind]],
        )
        for kind in range(len(production.sizes))
    ]


def labels_of(night: Night, year: int, date: date) -> NightLabels:
    """The draws of one year, answered or not, without what the plan's design says of its parts."""
    answered, unanswered, shape = [], [], (2, len(night.design.sizes))
    probability, control = (
        np.broadcast_to(one, shape)[year] for one in (night.design.probability, night.design.control)
    )
    for place, kind in enumerate(night.drawn[year].tolist()):
        stratum = str(night.design.stratum[kind])
        draw = Draw(str(place), "", "", str(place), "measure", stratum, float(probability[kind]), float(control[kind]))
        said, where = f"class {night.production.predicted[kind]}", str(night.production.slice[kind])
        group = "" if night.labelled.group is None else f"g{night.labelled.group[year, place]}"
        if night.labelled.answered[year, place]:
            answered.append(LabelledDraw(draw, date, said, f"class {night.truth[year, place]}", group, "", where))
        else:
            unanswered.append(UnansweredDraw(draw, said, group, where))
    predictions = int(night.design.sizes.sum())
    return NightLabels(
        *(date, predictions, 0.0, tuple(answered)), unanswered=tuple(unanswered), answer_rates=rates_of(night, year)
    )
