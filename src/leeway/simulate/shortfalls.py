"""Shortfalls: what a policy cannot see, start or show with this traffic, by which key, and the settings that can."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from leeway.checks.accuracy import Accuracy
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.drift import PredictionDrift
from leeway.checks.monthly_drop import MonthlyDrop
from leeway.checks.policy import Policy
from leeway.checks.traffic import Traffic
from leeway.domain.text import counted
from leeway.simulate.prospects import Gate, Labels, gate_to_come, labels_for_gain
from leeway.simulate.situation import Situation
from leeway.stats.estimation import wilson_lower

SOON = 60  # nights of gate labels after which a plain gain should be shown
LONG = 28  # nights that a retraining may wait for its labels
FAIR_POWER = 0.5  # of the gate: under it a non-inferiority test can only say `cannot tell`
TOLD = ("alarm", "alert", "retrain", "release")  # occasions that nobody should miss
SHARES, NIGHTLY = (0.1, 0.2, 0.3, 0.5), (3, 5, 10, 20, 40)  # of the gate, that are proposed


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Something that can never happen under these settings, or hardly."""

    about: Literal["sees", "retrains", "releases", "tells"]
    check: str  # whose; "" for what concerns all of them
    key: str  # of the policy; "" where no setting is the reason
    value: Any  # that it has
    means: str  # a sentence
    mends: Mapping[str, Any] = field(default_factory=dict)  # settings under which it can; empty: no setting helps
    trial: str = ""  # what simulated nights under other settings came to; empty: the mends follow by themselves


def changed(policy: Policy, settings: Mapping[str, Any]) -> Policy:
    """Return the policy with these settings, by key such as `labels.per_night`. Raises ValidationError."""
    content = policy.model_dump()
    for key, value in settings.items():
        *sections, last = key.split(".")
        inner = content
        for name in sections:
            inner = inner[name]
        inner[last] = value
    return Policy.model_validate(content)


def value_of(policy: Policy, key: str) -> Any:
    """Return the setting of this key, such as `labels.per_night`."""
    first, *rest = key.split(".")
    value: Any = policy.checks[first] if first in policy.checks else getattr(policy, first)
    for name in rest:
        value = getattr(value, name)
    return value


def settings_text(mends: Mapping[str, Any]) -> str:
    """Return settings as they are written in a policy, such as `labels.per_night: 20`."""
    return ", ".join(f"{key}: {value_text(value)}" for key, value in mends.items())


def value_text(value: Any) -> str:
    """Return a setting's value as it is written in a policy."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {one:g}" for key, one in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def find_all(situation: Situation, policy: Policy, labels: Labels, gate: Gate) -> list[Shortfall]:
    """Return what follows from the settings alone, what nobody would see first."""
    found = [*_blind(situation, policy), *_low_floors(situation, policy), *_untold(policy)]
    blind = {one.check for one in found if one.about == "sees"}
    retraining = [name for name in sorted(policy.alarming) if policy.checks[name].then == "retrain"]
    for name in retraining:
        if name in blind:
            found.append(_never(policy, name, "the check never alarms", {}))
        found += _no_retraining(situation, policy, labels, name)
    return [*found, *([] if situation.watched_only else _no_release(situation, policy, gate))]


def _blind(situation: Situation, policy: Policy) -> Iterator[Shortfall]:
    for kind in (PredictionDrift, Accuracy, ClassAccuracy):
        if not policy.check(kind).budget_share:
            left = 1 - sum(check.budget_share for check in policy.checks.values())
            mends = {f"{kind.name}.budget_share": min(kind().budget_share, round(left, 4))} if left > 1e-3 else {}
            yield _sees(policy, kind.name, "budget_share", "it is shown and never alarms", mends)
    if situation.predictions < policy.check(PredictionDrift).min_predictions:
        fewer = {"prediction_drift.min_predictions": max(int(0.8 * situation.predictions), 1)}
        means = f"no night has so many predictions ({situation.predictions:,} are usual): drift never has a verdict"
        yield _sees(policy, PredictionDrift.name, "min_predictions", means, fewer)
    if len(situation.classes) < 2:
        means = "the model has one class: its share cannot move"
        yield Shortfall("sees", PredictionDrift.name, "", None, means)
    if not policy.labels.wanted(situation.predictions) * situation.answered:
        asked, mends = policy.labels.per_night, {"labels.per_night": 20} if situation.answered else {}
        means = "nobody labels between alarms" if situation.answered else "of the labels asked for none was answered"
        for name in (Accuracy.name, ClassAccuracy.name):
            yield Shortfall("sees", name, "labels.per_night", asked, f"{means}: {name} never has a verdict", mends)
    if not policy.check(Traffic).min_share:
        means = "a night with one prediction left is as good as a full one"
        yield _sees(policy, Traffic.name, "min_share", means, {"traffic.min_share": 0.5})
    if policy.check(MonthlyDrop).min_drop >= situation.accuracy:
        means = f"no drop of {situation.accuracy:.0%} is so large"
        yield _sees(policy, MonthlyDrop.name, "min_drop", means, {"monthly_drop.min_drop": 0.05})


def _low_floors(situation: Situation, policy: Policy) -> Iterator[Shortfall]:
    check, reference = policy.check(Accuracy), situation.reference
    shown = wilson_lower(reference.correct, reference.total)
    reached = {"accuracy.floor": max(math.floor(100 * (shown - check.allowed_drop)) / 100, 0.01)}
    if impossible := check.impossible_floor(reference):
        yield _sees(policy, Accuracy.name, "floor", f"{impossible.partition(';')[0]}: it has no verdict", reached)
    elif situation.accuracy < (floor := check.effective_floor(reference)):
        means = f"the model is {situation.accuracy:.1%} right, under its floor of {floor:.1%}, while nothing is wrong"
        yield _sees(policy, Accuracy.name, "floor", f"{means}: it alarms, and no fall is seen beyond that", reached)
    own = policy.check(ClassAccuracy)
    if foreign := sorted(set(own.floors) - set(situation.classes)):
        kept = {name: floor for name, floor in own.floors.items() if name in situation.classes}
        means = f"{', '.join(foreign)}: no class of the model, so that nothing holds it to this floor"
        yield _sees(policy, ClassAccuracy.name, "floors", means, {"class_accuracy.floors": kept})


def _untold(policy: Policy) -> Iterator[Shortfall]:
    told = policy.alerts.about
    if missing := [one for one in TOLD if one not in told]:
        means = f"nobody is alerted about: {', '.join(missing)}"
        yield Shortfall("tells", "", "alerts.about", told, means, {"alerts.about": (*told, *missing)})


def _no_retraining(situation: Situation, policy: Policy, labels: Labels, check: str) -> Iterator[Shortfall]:
    if situation.watched_only:
        why = "Leeway does not train a model that it only watches, and alerts instead"
        kind: Any = type(policy.checks[check])
        yield _never(policy, check, why, {f"{check}.then": "labels"} if "then" in kind.model_fields else {})
        return
    nights, needed = labels.nights_to_retraining, policy.retrain.min_new_labels
    if nights is None or nights > LONG:
        waits = "for ever" if nights is None else counted(nights, "night")
        means = (
            f"after an alarm there are {labels.training:.0f} labels to train on, {needed} are needed: "
            f"`then: retrain` waits {waits}"
        )
        mends = {"retrain.min_new_labels": int(labels.training)} if labels.training >= 1 else {}
        yield Shortfall("retrains", check, "retrain.min_new_labels", needed, means, mends)


def _no_release(situation: Situation, policy: Policy, gate: Gate) -> Iterator[Shortfall]:
    yield from _too_few_gate_labels(situation, policy, gate)
    settings = policy.promotion
    if gate.test_images and gate.equal_models_pass < FAIR_POWER:
        shown = math.ceil(200 * gate.margin_shown) / 2 if gate.margin_shown else 0.0
        means = (
            f"on {gate.images_text} a model as good as the champion passes this margin with "
            f"{gate.equal_models_pass:.0%}; else the gate says `cannot tell`"
        )
        mends = {"promotion.margin_points": shown} if 0 < shown <= 20 else {}
        yield Shortfall("releases", "", "promotion.margin_points", settings.margin_points, means, mends)
    if gate.test_images and gate.class_loss_shown is None:
        fewest = counted(min(situation.test), "test image")
        means = f"the smallest class has {fewest}: no loss of it could be shown to be harm"
        yield Shortfall(
            "releases", "", "promotion.harm_points", settings.harm_points, means, _harm_mends(situation, policy)
        )
    if gate.first_model_passes is not None and gate.first_model_passes < FAIR_POWER:
        lower = {"promotion.min_accuracy": min(settings.min_accuracy, _well_under(situation.accuracy))}
        lower |= {"promotion.min_class_recall": min(settings.min_class_recall, _well_under(situation.accuracy, 0.15))}
        means = f"a first model that is {situation.accuracy:.0%} right passes with {gate.first_model_passes:.0%}"
        yield Shortfall("releases", "", "promotion.min_accuracy", settings.min_accuracy, means, lower)


def _too_few_gate_labels(situation: Situation, policy: Policy, gate: Gate) -> Iterator[Shortfall]:
    gain = gate.gains[0]
    if _soon(gain.nights):
        return
    settings = policy.promotion
    limited = settings.gate_share * situation.groups < settings.gate_per_night
    key, value = ("gate_share", settings.gate_share) if limited else ("gate_per_night", settings.gate_per_night)
    waits = f"takes {counted(gain.nights, 'night')}" if gain.nights else "is never shown"
    means = (
        f"{gate.per_night:.1f} gate labels a night: a model that raises accuracy from {gain.before:.0%} to "
        f"{gain.after:.0%} needs {labels_for_gain(gain.before, gain.after)} of them, and {waits}"
    )
    yield Shortfall("releases", "", f"promotion.{key}", value, means, _gate_mends(situation, policy))


def _gate_mends(situation: Situation, policy: Policy) -> dict[str, Any]:
    """The smallest share of groups, and number of labels, that show a plain gain soon; empty if none does."""
    for nightly in (one for one in NIGHTLY if one >= policy.promotion.gate_per_night):
        for share in (one for one in SHARES if one >= policy.promotion.gate_share):
            settings = {"promotion.gate_share": share, "promotion.gate_per_night": nightly}
            if _soon(gate_to_come(situation, changed(policy, settings)).gains[0].nights):
                return {key: new for key, new in settings.items() if new != value_of(policy, key)}
    return {}


def _harm_mends(situation: Situation, policy: Policy) -> dict[str, Any]:
    for points in (20.0, 10.0, 5.0):
        settings = {"promotion.harm_points": points}
        if (
            points < policy.promotion.harm_points
            and gate_to_come(situation, changed(policy, settings)).class_loss_shown
        ):
            return settings
    return {}


def _soon(nights: int | None) -> bool:
    return nights is not None and nights <= SOON


def _well_under(accuracy: float, by: float = 0.03) -> float:
    return max(math.floor(100 * (accuracy - by)) / 100, 0.0)


def _sees(policy: Policy, check: str, key: str, means: str, mends: Mapping[str, Any]) -> Shortfall:
    return Shortfall("sees", check, f"{check}.{key}", value_of(policy, f"{check}.{key}"), means, mends)


def _never(policy: Policy, check: str, why: str, mends: Mapping[str, Any]) -> Shortfall:
    key = f"{check}.then"
    return Shortfall("retrains", check, key, value_of(policy, key), f"`then: retrain` is never fulfilled: {why}", mends)
