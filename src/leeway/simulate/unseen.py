"""Unseen: why a change raises no alarm, and settings that are tried until one sees it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from leeway.checks.accuracy import Accuracy
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.drift import PredictionDrift
from leeway.checks.references import LONG
from leeway.simulate.scenario import Delay, Scenario
from leeway.simulate.shortfalls import Shortfall, changed, settings_text, value_of

MORE = (1, 2, 4, 8, 16)  # times the labels


def unseen(world: Scenario, delays: Sequence[Delay], *, blind: set[str]) -> list[Shortfall]:
    """Return a shortfall for each change that not even half of the runs saw; none for a check that is `blind`."""
    missed = [one for one in delays if one.median is None and one.check not in blind]
    return [_shortfall(world, one) for one in missed]


def _shortfall(world: Scenario, delay: Delay) -> Shortfall:
    candidates = list(_candidates(world, delay))
    mends, trial = _tried(world, delay, candidates) if world.effort.trials else ({}, "no other setting was tried")
    key = _due_to(world, delay) or next(iter(mends or (candidates[0] if candidates else {})), "")
    why = delay.note or f"is seen in {delay.seen:.0%} of the cases within {world.effort.longest} nights"
    value = value_of(world.policy, key) if key else None
    return Shortfall("sees", delay.check, key, value, f"{delay.what} {why}", mends, trial)


def _due_to(world: Scenario, delay: Delay) -> str:
    """The key of the floor that a change does not fall under; empty where it is no floor that hides it."""
    if not delay.note or delay.check == PredictionDrift.name:
        return ""
    if delay.check == Accuracy.name:
        stated, effective = world.policy.check(Accuracy).floor, world.floor
    elif world.situation.classes[0] in world.policy.check(ClassAccuracy).floors:
        return f"{delay.check}.floors"
    else:
        stated, effective = world.policy.check(ClassAccuracy).floor, 1 - world.limits.single["precision 0"]
    return f"{delay.check}.{'floor' if stated >= effective - 1e-9 else 'allowed_drop'}"


def _tried(world: Scenario, delay: Delay, candidates: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], str]:
    """(settings of the first trial that saw the change, what the trials came to); no settings where none did."""
    for settings in candidates:
        if seen := _seen(world, delay, settings):
            return (
                settings,
                f"a trial with {settings_text(settings)} saw it in about {seen:.0f} night{'s' * (seen > 1)}",
            )
    if not candidates:
        return {}, "no setting was found that could see it"
    return {}, f"no trial of other settings saw it, the last one with {settings_text(candidates[-1])}"


def _seen(world: Scenario, delay: Delay, settings: Mapping[str, Any]) -> float | None:
    """Nights until half of the runs see the change under these settings; None if they do not, or it is none there."""
    try:
        policy = changed(world.policy, settings)
    except ValidationError:
        return None
    return world.under(policy).again(delay).median


def _candidates(world: Scenario, delay: Delay) -> Iterator[dict[str, Any]]:
    """Settings that might see it, the smallest change first."""
    if delay.check == PredictionDrift.name:
        yield from _for_drift(world, delay)
        return
    usual, left = world.situation.accuracy, world.situation.accuracy - delay.size
    floors: dict[str, Any] = {}
    if delay.note and delay.check == Accuracy.name and left > 0:
        floors = {"accuracy.floor": round((usual + left) / 2, 3)}
    elif delay.note and delay.check == ClassAccuracy.name and left > 0:
        floors = _class_floor(world, round((usual + left) / 2, 3))
    labels = world.policy.labels.wanted(world.situation.predictions)
    for times in MORE:
        more = {} if times == 1 else {"labels.per_night": times * labels}
        if (floors or more) and times * labels <= 2 * world.situation.predictions:
            yield floors | more


def _class_floor(world: Scenario, floor: float) -> dict[str, Any]:
    own, name = world.policy.check(ClassAccuracy).floors, world.situation.classes[0]
    return {"class_accuracy.floors": {**own, name: floor}} if name in own else {"class_accuracy.floor": floor}


def _for_drift(world: Scenario, delay: Delay) -> Iterator[dict[str, Any]]:
    check = world.policy.check(PredictionDrift)
    if check.trigger == "chi_square":
        yield {"prediction_drift.trigger": "e_detector"}
        if check.tv_floor > delay.size / 2:
            yield {"prediction_drift.tv_floor": round(delay.size / 2, 4)}
        return
    finer = {"prediction_drift.tolerance": round(delay.size / 10, 4)} if check.tolerance > delay.size / 10 else {}
    short = not world.limits.file and check.reference_nights < LONG
    longer = {"prediction_drift.reference_nights": LONG} if short else {}
    yield from (one for one in (finer, longer, finer | longer) if one)
