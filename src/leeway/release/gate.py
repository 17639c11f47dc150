"""Judge: may this model serve? The gate before a release, with every number it rests on."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeway.checks.policy import Promotion
from leeway.domain.records import Cause, Verdict
from leeway.domain.text import counted
from leeway.evaluation.checklist import Checklist
from leeway.release.guard import Recall, needs_person, not_guarded, recall_guard
from leeway.release.rules import (
    CANNOT_TELL,
    FAILED,
    FIRST_ATTEMPT,
    PASSED,
    WHY_NOT,
    Attempt,
    GatePart,
    gain,
    keeps_the_original,
    no_gain_asked,
)
from leeway.stats.estimation import wilson_interval
from leeway.stats.paired import Pairs, class_losses, design_effect, lower_limit, mcnemar, pairs_of
from leeway.stats.paired import power_of_non_inferiority as power_of

LONGEST_REASON = 300  # characters of a checklist's sentence, so that a tag of the version can hold them all
NEW_CLASSES = "the list of classes was changed, and that is what is new"

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Paired:
    """The same images answered by both models: (N,) class indices each; an answer of -1 or NaN is wrong."""

    truth: Indices
    champion: Indices
    challenger: Indices
    group: Indices | None = None  # images of one group are alike; None: no two are


def judge_challenger(
    *,
    recent: Paired | None,
    original: Paired,
    classes: Sequence[str],
    settings: Promotion,
    shared: Collection[str] | None = None,
    classes_changed: bool = False,
    cause: str = Cause.ACCURACY,
    attempt: Attempt = FIRST_ATTEMPT,
) -> Verdict:
    """Whether the challenger may replace the champion (STATISTICS.md, check 9).

    Null: the challenger is no better (where a gain is asked for) or worse by the margin, and pairs of different groups
    are independent; then at most 5 % of a champion's challengers together pass, since attempts are counted.

    Passes only if all its parts do. `gain`: a uniform sample of served images never trained on shows one (`recent`);
    where the cause is not that accuracy fell it need not, and only a loss that it shows counts. `keeps_the_original`:
    the frozen test split (`original`) excludes a loss beyond the margin, or the gain outweighs it by the margin (net
    benefit). `class_harm`: no class demonstrably loses more than `harm_points` over both samples, Holm corrected.
    `recall`: no class that the champion recognises is shown to be under the floor of a first model. Pairs are taken to
    be independent between groups, not inside them: images of one group count as few as they agree.
    A part that is missing or too small to tell never passes; `wanted` says with how many recent labels it could. The
    numbers say by which rule a verdict passed, and which `attempt` it was, which sets the level of the tests.

    `shared`: the classes (K,) that both models know; None: all. The models are compared on images of these only; the
    challenger's recall of each other class has to reach the floor of a first model on the original images.
    `classes_changed`: somebody changed the class list, also by a new name; then no gain is asked for, since the new
    list is what the release is for, and not being worse on the rest is enough.
    Raises ValueError if a sample's arrays differ in length.
    """
    both = [k for k, name in enumerate(classes) if shared is None or name in shared]
    compared = _only(original, both)
    samples, limit = [compared] if recent is None else [_only(recent, both), compared], settings.harm_points / 100
    old, new, margin = _pairs(compared), None if recent is None else _pairs(samples[0]), settings.margin_points / 100
    why = NEW_CLASSES if classes_changed else WHY_NOT.get(cause)  # None: accuracy fell
    kept, rule = keeps_the_original(old, new, attempt, margin=margin, fell=why is None)
    recalls = _recalls_of_both(compared, classes, both)
    guard, unguarded = recall_guard(recalls, floor=settings.min_class_recall)
    parts = {
        "gain": gain(new, attempt) if why is None else no_gain_asked(new, attempt, why=why),
        "keeps_the_original": kept,
        "class_harm": _class_harm(samples, classes, limit=limit),
        "recall": guard,
    }
    numbers = _measured(new, old, attempt, margin=margin) | {
        "per_class": _class_numbers(samples, classes, limit=limit, places=both),
        "rule": {"gain": "asked for" if why is None else "not asked for", "original": rule, "cause": str(cause)},
    }
    findings = list(parts.values())
    if others := sorted({*range(len(classes))} - {*both}):
        hits = _hits(original.truth, original.challenger, classes, others)
        floors = _recalls(hits, floor=settings.min_class_recall)
        numbers["new_classes"] = {name: _share_numbers(*counts) for name, counts in hits.items()}
        parts["new_classes"] = GatePart(_worst([one.outcome for one in floors]), "")
        findings += floors
    verdict = _verdict(findings, numbers | {"parts": {name: part.outcome for name, part in parts.items()}})
    return replace(verdict, unguarded={name: not_guarded(name, recalls[name].images) for name in unguarded})


def judge_first(*, truth: Indices, predicted: Indices, classes: Sequence[str], settings: Promotion) -> Verdict:
    """Whether a first model may serve: its accuracy and each class's recall on the test split reach absolute floors.

    truth, predicted: (N,) class indices; a prediction of -1 or NaN is wrong. A class without a test image: cannot tell.
    Raises ValueError if the arrays differ in length.
    """
    right, hits = _right(truth, predicted), _hits(truth, predicted, classes, range(len(classes)))
    accuracy = _floor("accuracy", int(right.sum()), len(right), floor=settings.min_accuracy)
    numbers = {
        "accuracy": _share_numbers(int(right.sum()), len(right)),
        "recall": {name: _share_numbers(*counts) for name, counts in hits.items()},
        "floors": {"accuracy": settings.min_accuracy, "class_recall": settings.min_class_recall},
    }
    return _verdict([accuracy, *_recalls(hits, floor=settings.min_class_recall)], numbers)


def with_checklist(verdict: Verdict, checklist: Checklist | None) -> Verdict:
    """The verdict once the bundle's own checklist is heard: a failed item fails it, and without a list nothing passes.

    The list is kept among the numbers, so that the version can be judged by it again.
    """
    part = _heard(checklist)
    outcome = _worst([verdict.outcome, part.outcome])
    first = part.outcome == outcome != verdict.outcome
    reasons = [part.reason, *verdict.reasons] if first else [*verdict.reasons, part.reason]
    numbers = {**verdict.numbers, "parts": {**verdict.numbers.get("parts", {}), "checklist": part.outcome}}
    if checklist is not None:
        numbers["checklist"] = checklist.to_json(longest=LONGEST_REASON)
    wanted = verdict.wanted if outcome == CANNOT_TELL and part.outcome == PASSED else 0
    guarded = checklist.guarded if checklist is not None else ()
    unguarded = {name: why for name, why in verdict.unguarded.items() if name not in guarded}
    if unguarded:
        reasons.append(needs_person(unguarded))
    made = Verdict(passed=outcome == PASSED, outcome=outcome, reasons=tuple(reasons), numbers=numbers, wanted=wanted)
    return replace(made, unguarded=unguarded)


def _verdict(parts: Sequence[GatePart], numbers: dict[str, Any]) -> Verdict:
    outcome = _worst([part.outcome for part in parts])
    told = [part.reason for part in parts if part.outcome == outcome or outcome == PASSED]
    told += [part.reason for part in parts if part.reason not in told]
    open_parts = [part.wanted for part in parts if part.outcome == CANNOT_TELL]
    wanted = max(open_parts) if outcome == CANNOT_TELL and all(open_parts) else 0
    return Verdict(passed=outcome == PASSED, outcome=outcome, reasons=tuple(told), numbers=numbers, wanted=wanted)


def _worst(outcomes: Sequence[str]) -> str:
    return next((one for one in (FAILED, CANNOT_TELL) if one in outcomes), PASSED)


def _heard(checklist: Checklist | None) -> GatePart:
    if checklist is None or not checklist.items:
        return GatePart(CANNOT_TELL, "cannot tell: no checklist of this bundle; run `dvc repro`, then release it")
    if failed := checklist.failed:
        return GatePart(FAILED, "the checklist: " + "; ".join(f"{item.name}: {item.reason}" for item in failed))
    unknown = [item.name for item in checklist.items if item.outcome == "unknown"]
    told = f"the checklist passes in {len(checklist.items) - len(unknown)} of {counted(len(checklist.items), 'item')}"
    return GatePart(PASSED, f"{told}, and cannot tell of: {', '.join(unknown)}" if unknown else told)


def _class_harm(samples: Sequence[Paired], classes: Sequence[str], *, limit: float) -> GatePart:
    losses = class_losses(_per_class(samples, len(classes)), limit=limit)
    harmed = [
        f"{name} loses {loss.value:.1%} (at least {loss.lower:.1%})"
        for name, loss in zip(classes, losses, strict=True)
        if loss.harmed
    ]
    if harmed:
        return GatePart(FAILED, f"classes that lose more than {limit:.1%}: {', '.join(harmed)}")
    return GatePart(PASSED, f"no class demonstrably loses more than {limit:.1%}")


def _recalls_of_both(sample: Paired, classes: Sequence[str], places: Iterable[int]) -> dict[str, Recall]:
    """The recall of each class in these places, by both models."""
    found = {}
    for k in places:
        own = _only(sample, [k])
        old, new = _right(own.truth, own.champion), _right(own.truth, own.challenger)
        alike = 1.0 if own.group is None else design_effect(new.astype(np.int64), np.asarray(own.group))
        found[classes[k]] = Recall(int(old.sum()), int(new.sum()), len(new), alike)
    return found


def _hits(
    truth: Indices, predicted: Indices, classes: Sequence[str], places: Iterable[int]
) -> dict[str, tuple[int, int]]:
    """Right answers and images of each class in these places."""
    right = _right(truth, predicted)
    return {classes[k]: (int(right[truth == k].sum()), int((truth == k).sum())) for k in places}


def _recalls(hits: Mapping[str, tuple[int, int]], *, floor: float) -> list[GatePart]:
    """What does not pass, the lowest first; of recalls that all pass, the lowest says enough."""
    lowest_first = sorted(hits.items(), key=lambda pair: pair[1][0] / max(pair[1][1], 1))
    found = [_floor(f"recall of {name}", *counts, floor=floor) for name, counts in lowest_first]
    return [one for one in found if one.outcome != PASSED] or found[:1]


def _floor(what: str, hits: int, total: int, *, floor: float) -> GatePart:
    if not total:
        return GatePart(CANNOT_TELL, f"cannot tell: no test image for {what}")
    seen = f"{what} is {hits / total:.1%} ({hits} of {counted(total, 'test image')}), floor {floor:.1%}"
    return GatePart(PASSED if hits / total >= floor else FAILED, seen)


def _right(truth: Indices, answers: Indices) -> NDArray[np.bool_]:
    """(N,) whether each answer is right; compared as they come, so that NaN never is."""
    if len(truth) != len(answers):
        raise ValueError(f"{len(answers)} answers for {len(truth)} images")
    right: NDArray[np.bool_] = (np.asarray(truth) == np.asarray(answers)) & (np.asarray(truth) >= 0)
    return right


def _pairs(sample: Paired) -> Pairs:
    champion, challenger = _right(sample.truth, sample.champion), _right(sample.truth, sample.challenger)
    change = challenger.astype(np.int64) - champion
    return pairs_of(change, None if sample.group is None else np.asarray(sample.group))


def _per_class(samples: Sequence[Paired], classes: int) -> list[Pairs]:
    """(K,) pairs of each true class, over all samples."""
    columns = zip(*((one.truth, one.champion, one.challenger, _groups(one)) for one in samples), strict=True)
    together = Paired(*map(np.concatenate, columns))
    together = replace(
        together, group=np.unique(np.asarray(together.group), axis=0, return_inverse=True)[1].reshape(-1)
    )
    return [_pairs(_only(together, [k])) for k in range(classes)]


def _groups(sample: Paired) -> Indices:
    """(N, 2) the group of each image, as no other sample names one."""
    known = sample.group is not None
    number = np.asarray(sample.group) if known else np.arange(len(sample.truth))
    return np.stack([number, np.full(len(number), id(sample) if not known else 0)], axis=1)


def _only(sample: Paired, places: Sequence[int]) -> Paired:
    """The images of these classes."""
    _right(sample.truth, sample.champion)  # refuses arrays of unequal length
    _right(sample.truth, sample.challenger)
    kept = np.isin(np.asarray(sample.truth), places)
    truth, old, new = (np.asarray(one)[kept] for one in (sample.truth, sample.champion, sample.challenger))
    return Paired(truth, old, new, None if sample.group is None else np.asarray(sample.group)[kept])


def _numbers(pairs: Pairs) -> dict[str, Any]:
    return {
        "images": pairs.total,
        "gained": pairs.gained,
        "lost": pairs.lost,
        "difference": pairs.difference,
        "design_effect": pairs.design_effect,
        "mcnemar_p": mcnemar(pairs),
    }


def _measured(recent: Pairs | None, original: Pairs, attempt: Attempt, *, margin: float) -> dict[str, Any]:
    return {
        "recent": None if recent is None else _numbers(recent) | _lower(recent, alpha=attempt.recent),
        "original": _numbers(original) | _limits(original, margin=margin, alpha=attempt.original),
        "attempt": {"number": attempt.number, "look": attempt.look},
    }


def _lower(pairs: Pairs, *, alpha: float) -> dict[str, float]:
    return {"lower_limit": lower_limit(pairs, level=1 - alpha), "alpha": alpha}


def _limits(pairs: Pairs, *, margin: float, alpha: float) -> dict[str, float]:
    power = power_of(pairs, margin=margin, level=1 - alpha)
    return _lower(pairs, alpha=alpha) | {"margin": margin, "power": power}


def _class_numbers(
    samples: Sequence[Paired], classes: Sequence[str], *, limit: float, places: Collection[int]
) -> dict[str, dict[str, Any]]:
    pairs = _per_class(samples, len(classes))
    return {
        name: {
            "images": one.total,
            "gained": one.gained,
            "lost": one.lost,
            "loss": loss.value,
            "loss_lower_limit": loss.lower,
            "harmed": loss.harmed,
        }
        for k, (name, one, loss) in enumerate(zip(classes, pairs, class_losses(pairs, limit=limit), strict=True))
        if k in places
    }


def _share_numbers(hits: int, total: int) -> dict[str, Any]:
    low, high = wilson_interval(hits, total)
    return {"value": hits / total if total else None, "low": low, "high": high, "images": total}
