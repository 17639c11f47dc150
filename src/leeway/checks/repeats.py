"""Repeats: images that come often in one night, which counts of drift take once.

A retry loop, a stuck camera or a load test sends one image hundreds of times: no news about shares. Who they are is
seen in a uniform sample of the night, so that no night is gone through by image; the database then counts only those.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leeway.checks.windows import MIDDLE
from leeway.checks.yardstick import bands_of_bins
from leeway.domain.identity import DIGEST
from leeway.domain.records import Copies, ModelVersion, Prediction

SAMPLE = 2000  # predictions of a night that are looked at one by one
OFTEN = 5  # of the sample: of a large night a quarter of a percent, under which no share moves by as much as is allowed
BY_CHANCE = 1e-3  # chance of as many same answers of a group whose images have nothing else in common

Triples = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Suspects:
    """Images and groups that come often in a sample."""

    images: frozenset[str] = frozenset()
    groups: frozenset[tuple[str, str]] = frozenset()  # with the class that they are answered as


def suspects(sample: Sequence[Prediction]) -> Suspects:
    """Return what comes at least five times: the same bytes, or a group that is answered alike beyond chance.

    A group may also be a camera whose images differ: those are no copies, and how alike they are is what the design
    effect of the reference nights measures. So is what images without a hash share: a name may be used again.
    """
    images = frozenset(name for name, count in Counter(_digests(sample)).items() if count >= OFTEN)
    others = [one for one in sample if one.image not in images]
    classes = Counter(one.predicted_class for one in others)
    answers: defaultdict[str, list[str]] = defaultdict(list)
    for one in others:
        answers[one.group].append(one.predicted_class)
    often = ((name, said) for name, said in answers.items() if len(said) >= OFTEN and len(set(said)) == 1)
    return Suspects(images, frozenset((name, said[0]) for name, said in often if _is_unlikely(said, classes)))


def surplus(version: ModelVersion, found: Suspects, counted: Iterable[Copies]) -> Triples:
    """Return (K, 3) copies beyond the first, by class and confidence band; () where there are none.

    An image counts once, a group once, in each band that its answers lie in.
    """
    reference = version.reference
    bands, places = bands_of_bins(reference), {name: place for place, name in enumerate(reference.classes)}
    copies: Counter[tuple[str, str, int]] = Counter()
    for one in counted:
        is_meant = one.name in found.images or (one.name, one.predicted_class) in found.groups
        if is_meant and one.predicted_class in places:
            copies[one.name, one.predicted_class, MIDDLE if one.bin < 0 else bands[one.bin]] += one.count
    more = [[0, 0, 0] for _ in places]
    for (_, answer, band), count in copies.items():
        more[places[answer]][band] += count - 1
    return tuple((low, middle, high) for low, middle, high in more) if any(map(sum, more)) else ()


def _digests(sample: Iterable[Prediction]) -> Iterable[str]:
    return (one.image for one in sample if DIGEST.fullmatch(one.image))


def _is_unlikely(said: Sequence[str], classes: Counter[str]) -> bool:
    """Whether a group of this size is so seldom of one class, as often as the others of the sample are of it."""
    own, rest = len(said), classes.total() - len(said)
    share = (classes[said[0]] - own + 1) / (rest + 1)
    return bool(share**own < BY_CHANCE)
