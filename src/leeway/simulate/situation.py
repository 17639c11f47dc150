"""Situation: what is known of a model and of its traffic, and what has to be taken for granted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from leeway.checks.accuracy import Accuracy
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.policy import Policy
from leeway.checks.yardstick import class_truth
from leeway.domain.records import ReferenceCounts

PREDICTIONS, CLASSES, ITEMS = 100, 10, 1_000  # a small shop's nights, and a test split, where nothing is known

OWN_GROUPS = "each prediction is of a group of its own"
NONE_ALIKE = "no two images of the test split are alike, since no dataset here says which are of one group"
ANSWERED = "people answer every label that is asked for"


@dataclass(frozen=True, slots=True)
class Situation:
    """A model, what it answers in a night, and how good it was where the truth is known."""

    model: str
    predictions: int  # in a usual night
    groups: float  # in a night, that no night before had: the gate asks about one image of each
    reference: ReferenceCounts
    test: tuple[int, ...] = ()  # (K,) images of each class in the frozen test split; empty for a model that only runs
    alike: float = 1.0  # test images that say as much as one that is not of a group, where a group changes as a whole
    class_alike: tuple[float, ...] = ()  # (K,) the same of the test images of each class; empty: no two are alike
    answered: float = 1.0  # share of the labels asked for that people give
    watched_only: bool = False  # Leeway neither trains nor releases it
    serves: bool = False  # False: the next release is the first one
    assumed: Mapping[str, str] = field(default_factory=dict)  # what is taken for granted, in words, by what it is about

    @property
    def classes(self) -> tuple[str, ...]:
        return self.reference.classes

    @property
    def accuracy(self) -> float:
        """While nothing is wrong: that of the reference, short of 1."""
        return min(self.reference.accuracy, 0.999)


def made_reference(classes: Sequence[str], accuracy: float, *, items: int, production: bool = False) -> ReferenceCounts:
    """Return the reference of a model that is as often right in each class; `items` in all, at least one a class."""
    size, cells, right = len(classes), [], 0
    for place in range(size):
        count = max(items // size + (place < items % size), 1)
        hits = round(accuracy * (place + 1) * count) - round(accuracy * place * count)
        cells += [(place, place, 0, hits), (place, (place + 1) % size, 0, count - hits)]
        right += hits
    return ReferenceCounts(
        classes=tuple(classes),
        band_edges=(0.5, 0.9),
        counts=tuple((0, 0, said) for said in _answered(cells, size)),
        correct=right,
        total=sum(count for *_, count in cells),
        cells=tuple(cells),
        production=production,
    )


def with_options(
    known: Situation,
    *,
    predictions: int | None = None,
    groups: int | None = None,
    classes: int | None = None,
    accuracy: float | None = None,
) -> Situation:
    """Return the situation with what somebody states instead; groups follow the predictions unless they are stated."""
    reference, test, class_alike = known.reference, known.test, known.class_alike
    names = reference.classes
    if classes is not None and classes != len(names):
        names = tuple(f"class {number}" for number in range(classes))
        test, class_alike = _spread(sum(test), classes) if test else (), (known.alike,) * classes
    if names != reference.classes or accuracy is not None:
        right = known.accuracy if accuracy is None else accuracy
        reference = made_reference(names, right, items=reference.total, production=reference.production)
    nightly = known.predictions if predictions is None else predictions
    stated = {"traffic": predictions, "groups": groups, "classes": classes, "accuracy": accuracy}
    return replace(
        known,
        predictions=nightly,
        groups=float(groups) if groups is not None else known.groups / max(known.predictions, 1) * nightly,
        reference=reference,
        test=test,
        class_alike=class_alike,
        assumed={what: told for what, told in known.assumed.items() if stated.get(what) is None},
    )


def unknown(policy: Policy, *, model: str = "classifier", watched_only: bool = False) -> Situation:
    """Return what is taken for granted of a model and a traffic of which nothing is known yet."""
    check = policy.check(Accuracy)
    names = tuple(f"class {number}" for number in range(CLASSES))
    right = min(check.floor + check.allowed_drop, 0.999)
    return Situation(
        model=model,
        predictions=PREDICTIONS,
        groups=PREDICTIONS,
        reference=made_reference(names, right, items=ITEMS),
        test=() if watched_only else _spread(ITEMS, CLASSES),
        watched_only=watched_only,
        assumed={
            "traffic": f"{PREDICTIONS} predictions a night",
            "groups": OWN_GROUPS,
            "classes": f"{CLASSES} classes",
            "accuracy": f"{right:.0%} right while nothing is wrong",
            "test": f"{ITEMS:,} images whose truth is known to measure that, no two of them alike",
            "answers": ANSWERED,
        },
    )


def class_limits(policy: Policy, reference: ReferenceCounts) -> Mapping[str, float]:
    """Return the error rate that each detector of a class bets against, by `precision 0`, `recall 0`, ..."""
    check = policy.check(ClassAccuracy)
    right, true, said = class_truth(reference)
    found = {}
    for place, name in enumerate(reference.classes):
        for way, among in (("precision", said), ("recall", true)):
            found[f"{way} {place}"] = 1 - check.effective_floor(name, int(right[place]), int(among[place]))
    return found


def _answered(cells: Sequence[tuple[int, int, int, int]], classes: int) -> list[int]:
    return [sum(count for _, said, _, count in cells if said == place) for place in range(classes)]


def _spread(items: int, parts: int) -> tuple[int, ...]:
    return tuple(items // parts + (place < items % parts) for place in range(parts))
