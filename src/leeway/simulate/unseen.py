"""Unseen: why a change raises no alarm, and settings that are tried until one sees it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from leeway.checks.accuracy import Accuracy
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.drift import PredictionDrift
from leeway.checks.references import LONG
from leeway.simulate.scenario import Delay, Scenario
from leeway.simulate.shortfalls import Shortfall, changed, value_of

MORE = (1, 2, 4, 8, 16)  # times the labels


def unseen(world: Scenario, delays: Sequence[Delay], *, blind: set[str]) -> list[Shortfall]:
    """Return a shortfall for each change that not even half of the runs saw; none for a check that is `blind`."""
    missed = [one for one in delays if one.median is None and one.check not in blind]
    return [_shortfall(world, one) for one in missed]


def _shortfall(world: Scenario, delay: Delay) -> Shortfall:
    candidates = list(_candidates(world, delay))
    mends = next((one for one in candidates if _sees(world, delay, one)), {}) if world.effort.trials else {}
    key = next(iter(mends or (candidates[0] if candidates else {})), "")
    why = delay.note or f"{delay.seen:.0%} of the runs see it within {world.effort.longest} nights"
    if world.effort.trials and not mends:
        why += "; none of the settings that were tried sees it: it takes more predictions or labels a night"
    value = value_of(world.policy, key) if key else None
    return Shortfall("sees", delay.check, key, value, f"{delay.what}: {why}", mends)


def _sees(world: Scenario, delay: Delay, settings: Mapping[str, Any]) -> bool:
    """Whether the change is seen under these settings, and is still a change there."""
    try:
        policy = changed(world.policy, settings)
    except ValidationError:
        return False
    return world.under(policy).again(delay).median is not None


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
        floors = {"class_accuracy.floor": round((usual + left) / 2, 3)}
    labels = world.policy.labels.wanted(world.situation.predictions)
    for times in MORE:
        more = {} if times == 1 else {"labels.per_night": times * labels}
        if (floors or more) and times * labels <= 2 * world.situation.predictions:
            yield floors | more


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
