"""Compare two models on the same images: who is right where the other is wrong.

>>> pairs = Pairs(gained=16, lost=4, total=300)
>>> f"{pairs.difference:+.1%}, at least {lower_limit(pairs):+.1%}, p {mcnemar(pairs):.4f}"
'+4.0%, at least +1.7%, p 0.0059'
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
FEWEST_GROUPS = 4  # that changed, to see how far the images of a group agree


@dataclass(frozen=True, slots=True)
class Pairs:
    """Images answered by both models. Only the disagreements tell them apart."""

    gained: int  # b: champion wrong, challenger right
    lost: int  # c: champion right, challenger wrong
    total: int  # n
    design_effect: float = 1.0  # images of one group agree: so many count as one in a limit and its power
    net: tuple[int, ...] = ()  # gained - lost of each group that changed; empty: each image is its own group

    @property
    def difference(self) -> float:
        """Accuracy of the challenger minus that of the champion; 0 without images."""
        return (self.gained - self.lost) / self.total if self.total else 0.0

    @property
    def reversed(self) -> "Pairs":
        """The same with the roles of the models exchanged."""
        return Pairs(self.lost, self.gained, self.total, self.design_effect, tuple(-one for one in self.net))


def design_effect(change: NDArray[np.int64], groups: NDArray[np.int64]) -> float:
    """Return by how much the variance of the change exceeds that of independent images: at least 1.

    change (N,): 1 gained, -1 lost, 0 neither; groups (N,). Sum over groups of (sum of the change - size x its mean)^2,
    over the same of single images, times D / (D - 1) for the D groups that changed; where fewer than 4 did, as if the
    images of a group were one, since nothing shows that they are not. Durkalski, Palesch, Lipsitz, Rust (2003),
    Statistics in Medicine 22:2417; Rao and Scott (1992), Biometrics 48:577.
    """
    names, places, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) == len(change):
        return 1.0
    sums, mean = np.bincount(places, weights=change), float(change.mean())
    changed = int((np.bincount(places, weights=np.abs(change)) > 0).sum())
    single = float(((change - mean) ** 2).sum())
    if changed < FEWEST_GROUPS or not single > 0:
        return float((sizes**2).sum()) / len(change)
    return max(float(((sums - sizes * mean) ** 2).sum()) / single * changed / (changed - 1), 1.0)


def pairs_of(change: NDArray[np.int64], groups: NDArray[np.int64] | None) -> Pairs:
    """Return the pairs of images that became right (1), wrong (-1) or neither (0); `groups` None: no two are alike."""
    gained, lost = int((change > 0).sum()), int((change < 0).sum())
    if groups is None:
        return Pairs(gained, lost, len(change))
    return Pairs(gained, lost, len(change), design_effect(change, groups), _net_changes(change, groups))


def _net_changes(change: NDArray[np.int64], groups: NDArray[np.int64]) -> tuple[int, ...]:
    """Return gained - lost of each group with a change; empty where no group has several images."""
    names, places = np.unique(groups, return_inverse=True)
    if len(names) == len(change):
        return ()
    sums = np.bincount(places, weights=change)
    return tuple(int(one) for one in sums[np.bincount(places, weights=np.abs(change)) > 0])


def mcnemar(pairs: Pairs) -> float:
    """Exact one-sided p that the challenger is no better: P(Binomial(b + c, 1/2) >= b). 1 without disagreement.

    Where groups have several images, the sign of each group's net change is exchanged instead of each image's: exact if
    a group of any size is as likely to gain as to lose so much, whatever its images share. Fisher's randomization test
    over independent units; robust to unequal variances: Hemerik, Goeman, Finos (2020), JRSS B 82:841.
    """
    if pairs.net:
        return _sign_flips(pairs.net)
    from scipy.stats import binom  # loads slowly: a command that computes nothing needs none of it

    return float(binom.sf(pairs.gained - 1, pairs.gained + pairs.lost, 0.5))


def _sign_flips(net: tuple[int, ...]) -> float:
    """Return P(sum of +-|net| >= sum of net), each sign as likely as the other; exact, by convolution."""
    chances = np.ones(1)  # of what the groups that gain sum up to
    for size in sorted(abs(one) for one in net if one):
        chances = (np.pad(chances, (0, size)) + np.pad(chances, (size, 0))) / 2
    return min(float(chances[sum(one for one in net if one > 0) :].sum()), 1.0)


def score_statistic(pairs: Pairs, difference: float) -> float:
    """Tango's score statistic for a true `difference` in (-1, 1): about standard normal. Needs images.

    (b - c - n d) / sqrt(n (2 q + d (1 - d))), q the most likely loss rate given d: the root of
    2n q^2 - (b + c - (2n - b + c) d) q - c d (1 - d). Tango (1998), Statistics in Medicine 17:891.
    """
    b, c, n = (count / pairs.design_effect for count in (pairs.gained, pairs.lost, pairs.total))
    d = difference
    linear = (2 * n - b + c) * d - b - c
    loss = (math.sqrt(max(linear**2 + 8 * n * c * d * (1 - d), 0.0)) - linear) / (4 * n)
    variance = n * (2 * loss + d * (1 - d))
    excess = b - c - n * d
    if not variance > 0:
        return math.copysign(math.inf, excess) if excess else 0.0
    return excess / math.sqrt(variance)


def lower_limit(pairs: Pairs, *, level: float = LEVEL) -> float:
    """One-sided lower limit of challenger minus champion accuracy; -1 without images.

    Inverts the score statistic; with no disagreement in n images it is -z^2 / (n + z^2), not 0.
    """
    if not pairs.total or pairs.difference <= -1:
        return -1.0
    from scipy.optimize import brentq  # loads slowly: a command that computes nothing needs none of it
    from scipy.special import ndtri

    z, edge = float(ndtri(level)), 1e-12
    top = min(pairs.difference, 1 - edge)
    return float(brentq(lambda d: score_statistic(pairs, d) - z, -1 + edge, top))


def power_of_non_inferiority(pairs: Pairs, *, margin: float, level: float = LEVEL) -> float:
    """Chance that equal models with this many disagreements pass a non-inferiority test with this margin.

    Phi(margin sqrt(n / d) - z), d = (b + c + 1/2) / (n + 1): 80 % takes n of about 6.2 d / margin^2. 0 where even
    images without any disagreement would not pass.
    """
    if lower_limit(Pairs(0, 0, pairs.total, pairs.design_effect), level=level) <= -margin:
        return 0.0
    disagreement = (pairs.gained + pairs.lost + 0.5) / (pairs.total + 1)
    from scipy.special import ndtr, ndtri  # loads slowly: a command that computes nothing needs none of it

    return float(ndtr(margin * math.sqrt(pairs.total / disagreement / pairs.design_effect) - ndtri(level)))


@dataclass(frozen=True, slots=True)
class Loss:
    """What a class loses by the change, as a share of its images."""

    value: float
    lower: float  # one-sided, at the level that Holm's procedure holds it against
    harmed: bool


def class_losses(classes: list[Pairs], *, limit: float, level: float = LEVEL) -> list[Loss]:
    """Which classes demonstrably lose more than `limit` (a share); one Loss for each class, in order.

    The lower limit of champion minus challenger accuracy must exceed `limit`, at a level corrected for the number of
    classes with images: Holm (1979). A class without images has lost nothing that could be shown.
    """
    losses = [one.reversed for one in classes]
    seen = [index for index, one in enumerate(losses) if one.total]
    order = sorted(seen, key=lambda index: -score_statistic(losses[index], limit))
    found = [Loss(0.0, -1.0, harmed=False)] * len(losses)
    rejecting = True
    for rank, index in enumerate(order):
        lower = lower_limit(losses[index], level=1 - (1 - level) / (len(order) - rank))
        rejecting = rejecting and lower > limit
        found[index] = Loss(losses[index].difference, lower, harmed=rejecting)
    return found


def power_of_gain(images: int, *, gained: float, lost: float, alpha: float) -> float:
    """Chance that exact one-sided McNemar gives p < alpha on so many images; `gained`, `lost`: shares b/n, c/n.

    The sum over all numbers of disagreements, binomial with b/n + c/n, of the chance that enough of them are gains.
    """
    from scipy.stats import binom  # loads slowly: a command that computes nothing needs none of it

    disagreements = np.arange(images + 1)
    enough = binom.isf(alpha, disagreements, 0.5) + 1  # P(X >= enough) <= alpha
    least = enough + (binom.sf(enough - 1, disagreements, 0.5) >= alpha)
    shown = binom.sf(least - 1, disagreements, gained / (gained + lost))
    return float(binom.pmf(disagreements, images, gained + lost) @ shown)
