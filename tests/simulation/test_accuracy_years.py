"""Check 3 in simulated years: the engine is the check, night by night, whatever traffic is like."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from leeway.checks.bets import CHANCES, answered_shares
from leeway.checks.policy import Policy
from leeway.checks.registry import Evidence
from leeway.domain.records import (
    CheckResult,
    Draw,
    LabelledDraw,
    NightLabels,
    ReferenceCounts,
    UnansweredDraw,
    WindowCounts,
)
from leeway.labels.answering import LOWEST
from leeway.simulate.given import Given, census, given_years
from leeway.simulate.production import Production, classifier
from leeway.simulate.traffic import AlikeImages, People, RealTraffic, differing
from leeway.simulate.years import Limits, Night, simulate_years
from leeway.stats.allocation import allocate, guesses_at
from made_nights import FIRST

CHECK, LIMIT, YEARS, NIGHTS, MONTH = "accuracy", 0.10, 2, 36, 28
CLASSES = ("class 0", "class 1")
REFERENCE = ReferenceCounts(CLASSES, (0.5, 0.9), ((20, 20, 60),) * 2, correct=900, total=1000)  # floor .90
USUAL, FALLEN, SMALL = (
    classifier(predictions=items, accuracy=right, classes=2) for items, right in ((400, 0.93), (400, 0.8), (60, 0.93))
)
SKIPPED = np.array([0.5, 0.5, 0.6, 0.8, 0.9, 0.95])


@dataclass(frozen=True)
class World:
    """RealTraffic, and what the policy says about it."""

    told: str
    traffic: RealTraffic = field(default_factory=RealTraffic)
    policy: Mapping[str, Any] = field(default_factory=dict)
    on_night: Callable[[int], Production | None] = lambda number: FALLEN if number >= 24 else USUAL


def small_weekends(number: int) -> Production | None:
    return {5: SMALL, 6: None}.get(number % 7, USUAL)


WORLDS = (
    World("plain"),
    World("nights that differ", RealTraffic(deviation=differing(0.08))),
    World("a stated spread", policy={"accuracy": {"night_spread": 0.05}}),
    World("any spread", policy={"accuracy": {"night_spread": "any"}}),
    World("known groups", RealTraffic(groups=AlikeImages(10))),
    World("unknown groups", RealTraffic(groups=AlikeImages(10, known=False))),
    World("skipped draws", RealTraffic(people=People(SKIPPED, skip_wrong=0.2))),
    World(
        "wrong labels, second opinions",
        RealTraffic(people=People(SKIPPED, error=0.05, seconds=0.5)),
        {"labels": {"second_opinion": "errors", "error_rate": 0.05}},
    ),
    World("small weekends", policy={"accuracy": {"weigh": "predictions"}}, on_night=small_weekends),
)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.told)
def test_the_engine_is_the_check_night_by_night(world: World) -> None:
    """Two years at once are what the check says of one, with answer rates and second opinions as the product counts."""
    policy = Policy.model_validate(world.policy)
    seen: list[tuple[int, Night]] = []
    simulate_years(
        *(USUAL, policy),
        years=YEARS,
        nights=NIGHTS,
        rng=np.random.default_rng(6),
        limits=Limits(accuracy=LIMIT),
        labels=30,
        watch=(CHECK,),
        traffic=world.traffic,
        on_night=world.on_night,
        observe=lambda number, night: seen.append((number, night)),
    )
    assert len({float(night.log_m[CHECK][0]) for _, night in seen}) == len(seen)
    for year in range(YEARS):
        labels: list[NightLabels] = []
        windows: list[WindowCounts] = []
        result: CheckResult | None = None
        for number, night in seen:
            labels.append(_labels(night, year, number, earlier=labels, policy=policy))
            window = _window(number, labels[-1].predictions)
            evidence = Evidence(
                *(window, REFERENCE),
                earlier=tuple(windows),
                closed=[labels[-1]],
                recent=labels[-MONTH:],
                label_error=policy.labels.error_rate,
            )
            result = _run(policy, evidence, result)
            assert result.statistic is not None, result.reason
            windows.append(window)
            assert np.log(result.statistic) == pytest.approx(float(night.log_m[CHECK][year]), abs=1e-6), number


UNEQUAL = Given(np.array([30, 12, 8]), np.array([0.04, 0.10, 0.34]), np.array([0.05, 0.2, 0.8]), answered=0.6)


ALIKE = Given(np.array([30, 12, 8]), np.array([0.04, 0.10, 0.34]), np.array([0.5, 0.2, 0.8]), alike=np.array([5, 1, 4]))
GIVEN = {
    "census": census(1_000, 0.1),
    "unequal chances": UNEQUAL,
    "census in groups": census(1_000, 0.1, alike=50),
    "unequal chances and groups": ALIKE,
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_the_engine_of_given_labels_is_the_check_night_by_night(given: Given) -> None:
    seen: list[tuple[Any, Any, Any, Any]] = []
    given_years(
        *(given,),
        limit=LIMIT,
        alpha=0.02,
        years=YEARS,
        nights=NIGHTS,
        rng=np.random.default_rng(5),
        deviation=differing(0.06),
        observe=lambda *night: seen.append(night),
    )
    policy = Policy.model_validate({"labels": {"error_rate": 0.0}})
    for year in range(YEARS):
        result: CheckResult | None = None
        least = 1.0  # nights on which no row of the rarest chance comes are frequent among nights of 50 rows
        for number, (labelled, wrong, log_m, clustering) in enumerate(seen):
            least = min([least, *given.chance[labelled[year] > 0].tolist()])
            rows = zip(labelled[year].tolist(), wrong[year].tolist(), given.chance.tolist(), strict=True)
            draws = tuple(
                LabelledDraw(
                    *(Draw("", "", "", "", "measure", "0", chance, 0.0), _day(number), CLASSES[0], label, "", ""),
                    count=count,
                )
                for total, errors, chance in rows
                for label, count in ((CLASSES[0], total - errors), (CLASSES[1], errors))
                if count
            )
            all_labels = (int(given.rows.sum()), 1.0, 0.0, 1.0, float(clustering[year]), 0.0, 1.0)
            parts = {CHANCES: (1, least, 0.0, 1.0), "all": all_labels}  # the draws have their chances here
            night = NightLabels(_day(number), int(given.rows.sum()), 0.0, draws, parts=parts, given=True)
            evidence = Evidence(_window(number, night.predictions), REFERENCE, closed=[night], recent=[])
            result = _run(policy, evidence, result)
            assert result.statistic is not None, result.reason
            assert np.log(result.statistic) == pytest.approx(float(log_m[year]), abs=1e-6), number


def _run(policy: Policy, evidence: Evidence, previous: CheckResult | None) -> CheckResult:
    return policy.checks[CHECK].run(evidence, previous, alpha=0.02, rng=np.random.default_rng(0))


def _day(number: int) -> Any:
    return FIRST + timedelta(days=number)


def _window(number: int, items: int) -> WindowCounts:
    return WindowCounts("m", 1, _day(number), CLASSES, ((0, 0, items), (0, 0, 0)))


def _labels(night: Night, year: int, number: int, *, earlier: Sequence[NightLabels], policy: Policy) -> NightLabels:
    """The plan as the product would make it after the `earlier` nights of this year, and what people made of it."""
    production, lately = night.production, [one for one in earlier if one.night >= _day(number - MONTH)]
    shares = (
        answered_shares(lately) if policy.labels.second_opinion == "errors" or night.design.answered.ndim > 1 else {}
    )
    rates = {name: max((answered + 2) / (drawn + 2), LOWEST) for name, (answered, drawn) in shares.items()}
    design = allocate(
        production.guesses,
        uniform_share=policy.labels.uniform_share,
        sizes=production.sizes,
        answer_rates=np.array([rates.get(str(stratum), 1.0) for stratum in range(6)]),
    )
    likely = guesses_at(design.guesses, design.sizes, limit=LIMIT)
    part = design.part(np.ones(len(design.sizes), dtype=bool), likely=likely)
    answered, unanswered = [], []
    for place, kind in enumerate(night.drawn[year].tolist()):
        stratum, said = str(design.stratum[kind]), CLASSES[production.predicted[kind]]
        draw = Draw(str(place), "", "", str(place), "measure", stratum, design.probability[kind], design.control[kind])
        group = "" if night.labelled.group is None else f"g{night.labelled.group[year, place]}"
        if night.labelled.answered[year, place]:
            label = CLASSES[night.truth[year, place]]
            seconded = bool(night.labelled.seconded[year, place])
            answered.append(LabelledDraw(draw, _day(number), said, label, group, "", seconded=seconded))
        else:
            unanswered.append(UnansweredDraw(draw, said, group))
    contradictions = sum(one.wrong or one.seconded for before in lately for one in before.draws)
    seconded_before = sum(one.seconded for before in lately for one in before.draws)
    return NightLabels(
        *(_day(number), int(design.sizes.sum()), float(part.mean_control), tuple(answered)),
        parts={"all": (part.items, float(part.drawn), float(part.mean_control), float(part.variance))},
        unanswered=tuple(unanswered),
        answer_rates=rates,
        seconded=seconded_before / (contradictions + 2),
    )
