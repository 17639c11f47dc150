"""Power: what a policy will see, how soon, and at what price in labels and false alarms, from simulated years."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from leeway.checks.accuracy import Accuracy
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.drift import PredictionDrift
from leeway.checks.policy import Policy
from leeway.checks.traffic import Traffic
from leeway.simulate.prospects import Gate, Labels, gate_to_come, labels_to_come
from leeway.simulate.scenario import FULL, Delay, Effort, Scenario
from leeway.simulate.shortfalls import Shortfall, find_all
from leeway.simulate.situation import Situation
from leeway.simulate.unseen import unseen

DROPS = (0.02, 0.05, 0.10)
DRIFTS = (0.05, 0.10, 0.20)
CLASS_DROP = 0.30
DRIFT = PredictionDrift.name
ALARMING = (DRIFT, Accuracy.name, ClassAccuracy.name)
OCCASIONS = ("alarm", "alert", "retrain", "stand_down", "no_verdict", "release")


@dataclass(frozen=True, slots=True)
class Loop:
    """Where an alarm of a check leads."""

    check: str
    then: str
    nights: int | None  # from the alarm to its end; None: it has none
    ends_in: str  # a sentence


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about: a model, its traffic, and what holds for it under the policy."""

    model: str
    predictions: int  # a night
    groups: float  # new ones a night
    classes: int
    accuracy: float
    floor: float
    class_floors: tuple[float, float]  # the lowest and the highest
    answered: float  # share of the labels asked for
    watched_only: bool
    assumed: tuple[str, ...]  # what is taken for granted
    drift_reference: int  # nights after which drift is looked at
    drift_unseen: float  # share that a class may gain for ever
    empty_night: float  # predictions under which a night counts as nearly empty
    untold: tuple[str, ...]  # occasions about which nobody is told


@dataclass(frozen=True, slots=True)
class Power:
    """What a policy will see of a model and its traffic."""

    asked: Asked
    labels_per_night: int
    labels_per_month: float
    promised: float  # probability of any false alarm in a year
    quiet_years: int
    years_with_false_alarm: int
    waited: int  # nights that the delays were waited for
    drops: tuple[Delay, ...]
    drops_with_twice_the_labels: tuple[Delay, ...]
    class_drops: tuple[Delay, ...]
    drifts: tuple[Delay, ...]
    labels: Labels
    gate: Gate
    loops: tuple[Loop, ...]
    shortfalls: tuple[Shortfall, ...]


def foresee(
    situation: Situation,
    policy: Policy,
    *,
    effort: Effort = FULL,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> Power:
    """Simulate production like that of the situation under the policy; `steps(effort)` calls of `progress`.

    Guesses are those of a good classifier whose classes are all as frequent, and what it loses it loses in proportion
    to them: confident errors take about twice as long.
    """
    effort = effort.of_many(len(situation.classes))
    world = Scenario(situation, policy, effort, np.random.default_rng(seed), progress)
    wanted, sizes = world.answered_labels, effort.chosen(DROPS)
    quiet = world.quiet(wanted)
    drops, twice = (tuple(world.drop(one, labels=given) for one in sizes) for given in (wanted, 2 * wanted))
    class_drops = (world.class_drop(CLASS_DROP, labels=wanted),) if effort.classes else ()
    drifts = tuple(world.drift(one) for one in effort.chosen(DRIFTS))
    labels, gate = labels_to_come(situation, policy), gate_to_come(situation, policy)
    plain = find_all(situation, policy, labels, gate)
    blind = {one.check for one in plain if one.about == "sees"}
    return Power(
        asked=_asked(world),
        labels_per_night=labels.per_night,
        labels_per_month=labels.per_month,
        promised=policy.false_alarm_probability_per_year,
        quiet_years=effort.quiet_years,
        years_with_false_alarm=quiet,
        waited=effort.longest,
        drops=drops,
        drops_with_twice_the_labels=twice,
        class_drops=class_drops,
        drifts=drifts,
        labels=labels,
        gate=gate,
        loops=tuple(_loop(name, situation, policy, labels, blind=blind) for name in ALARMING),
        shortfalls=(*plain, *unseen(world, [*drops, *class_drops, *drifts], blind=blind)),
    )


def _asked(world: Scenario) -> Asked:
    situation, policy, limits = world.situation, world.policy, world.limits.single.values()
    return Asked(
        model=situation.model,
        predictions=situation.predictions,
        groups=situation.groups,
        classes=len(situation.classes),
        accuracy=situation.accuracy,
        floor=world.floor,
        class_floors=(1 - max(limits), 1 - min(limits)),
        answered=situation.answered,
        watched_only=situation.watched_only,
        assumed=tuple(situation.assumed.values()),
        drift_reference=world.reference_nights,
        drift_unseen=world.hidden_share,
        empty_night=policy.check(Traffic).min_share * situation.predictions,
        untold=tuple(one for one in OCCASIONS if one not in policy.alerts.about),
    )


def steps(effort: Effort) -> int:
    """Return how often `progress` is called."""
    lived = 2 * len(effort.chosen(DROPS)) + effort.classes + len(effort.chosen(DRIFTS))
    return effort.quiet_nights * (effort.quiet_years > 0) + lived * effort.nights


def with_labels(policy: Policy, per_night: int) -> Policy:
    """Return the policy that asks for so many labels a night."""
    return policy.model_copy(update={"labels": policy.labels.model_copy(update={"per_night": per_night})})


def _loop(name: str, situation: Situation, policy: Policy, labels: Labels, *, blind: set[str]) -> Loop:
    then = policy.checks[name].then
    if name in blind:
        return Loop(name, then, None, "it never alarms")
    if then == "alert":
        return Loop(name, then, 0, "people are told, and nothing is asked for")
    if then == "labels" or situation.watched_only:
        return Loop(name, then, labels.burst_nights, "people are told what the labels say")
    if labels.nights_to_retraining is None:
        return Loop(name, then, None, "a retraining that waits for labels for ever")
    harmless = ", or is stood down" if name == DRIFT else ""
    return Loop(name, then, labels.nights_to_retraining, f"a retraining{harmless}")
