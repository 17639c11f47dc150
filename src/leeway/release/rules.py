"""Rules: what each part of the gate says of paired answers and, where it cannot tell, with how many more it could."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from leeway.domain.records import Cause
from leeway.stats.estimation import normal_quantile
from leeway.stats.paired import Pairs, lower_limit, mcnemar, power_of_non_inferiority

PASSED, FAILED, CANNOT_TELL = "passed", "failed", "cannot tell"
NOT_WORSE, NET_BENEFIT = "not worse", "net benefit"  # what a loss on the original images is held against
TOO_FEW = "cannot tell: too few paired examples"
ALPHA = 0.05
FAIR_POWER = 0.5  # a non-inferiority test that equal models mostly fail says nothing about this one
POWER = 0.8  # that the numbers which are asked for give
FIRST_LOOK = 20  # recent labels under which the size of a gain is anyone's guess
MOST_WANTED = 300  # recent labels: a gain that takes more to show is not waited for
WHY_NOT: Mapping[str, str] = {  # not every cause asks for a gain
    Cause.DRIFT: "it was trained because answers had moved, not because accuracy fell",
    Cause.CALENDAR: "the calendar asked for it",
    Cause.HAND: "a person asked for it",
}


@dataclass(frozen=True, slots=True)
class GatePart:
    """One part of the gate."""

    outcome: str
    reason: str
    wanted: int = 0  # recent labels with which it could tell; 0: labels do not help


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which challenger of the champion's epoch is looked at, and how often: by that its tests are held.

    Challenger j may err with alpha_j = .05 x 6 / (pi^2 j^2), which sums to .05 over all there will ever be. Its look l,
    with more recent labels than the one before, has alpha_j x 6 / (pi^2 l^2). The original images are the same at each
    look, so that a second one says nothing new and costs nothing: they are held to alpha_j.
    """

    number: int = 1
    look: int = 1

    @property
    def original(self) -> float:
        """Error that a test on the original images may make."""
        return ALPHA * _share(self.number)

    @property
    def recent(self) -> float:
        """Error that a test on the recent images may make."""
        return self.original * _share(self.look)

    def next(self, images: int) -> "Attempt":
        """The look after one at so many recent images: the same, if so few could have shown nothing."""
        return self if images < fewest_disagreements(self.recent) else Attempt(self.number, self.look + 1)


FIRST_ATTEMPT = Attempt()


def fewest_disagreements(alpha: float) -> int:
    """Return with how many disagreements McNemar's p can be under alpha, if all of them are gains: 2^-k < alpha."""
    return math.floor(-math.log2(alpha)) + 1


def gain(recent: Pairs | None, attempt: Attempt) -> GatePart:
    """Whether more recent images became right than wrong: exact one-sided McNemar p under the attempt's alpha."""
    if recent is None or not recent.total:
        return GatePart(CANNOT_TELL, f"{TOO_FEW}: no recent labels that were never trained on", FIRST_LOOK)
    alpha, seen = attempt.recent, _seen(recent)
    if mcnemar(recent) < alpha:
        return GatePart(PASSED, f"{seen}, under {alpha:.2g})")
    if (loss := _shown_loss(recent, attempt)) is not None:
        return loss
    wanted = _labels_for_gain(recent, attempt.next(recent.total).recent)
    few = recent.gained + recent.lost < fewest_disagreements(alpha)
    if wanted <= MOST_WANTED:
        why = f"; {fewest_disagreements(alpha)} disagreements are the least that can show a gain" if few else ""
        return GatePart(CANNOT_TELL, f"{TOO_FEW}: {seen}, {alpha:.2g} needed){why}", math.ceil(wanted))
    told = f"; it would take about {wanted:,.0f} recent labels" if math.isfinite(wanted) else ""
    if few:
        return GatePart(CANNOT_TELL, f"{TOO_FEW}: {seen}, {alpha:.2g} needed){told}, more than is asked for")
    return GatePart(FAILED, f"no gain shown: {seen}, {alpha:.2g} needed){told}")


def no_gain_asked(recent: Pairs | None, attempt: Attempt, *, why: str) -> GatePart:
    """Not worse is enough where accuracy is not why it was trained; a loss that recent images show stays one."""
    if recent is None or not recent.total:
        return GatePart(PASSED, f"no gain is asked for, not worse is enough: {why}")
    shown = _shown_loss(recent, attempt)
    return shown or GatePart(PASSED, f"no gain is asked for, not worse is enough: {why}; {_seen(recent)})")


def keeps_the_original(
    original: Pairs, recent: Pairs | None, attempt: Attempt, *, margin: float, fell: bool
) -> tuple[GatePart, str]:
    """Whether the original images exclude a loss beyond the margin (a share) or, else, recent gains outweigh it by it.

    Returns the part and the rule that passed it, "" where none did. `fell`: accuracy fell; only then more recent
    labels are waited for where there are none and the original images show a loss.
    """
    part = non_inferiority(original, attempt, margin=margin)
    if part.outcome == PASSED:
        return part, NOT_WORSE
    benefit = net_benefit(original, recent, attempt, margin=margin)
    if benefit.outcome == PASSED:
        return GatePart(PASSED, f"{benefit.reason}; {part.reason.removeprefix(f'{TOO_FEW}: ')}"), NET_BENEFIT
    known = recent is not None and recent.total > 0
    if benefit.outcome == CANNOT_TELL and (fell or known or part.outcome == CANNOT_TELL):
        return GatePart(CANNOT_TELL, f"{benefit.reason}; {part.reason}", benefit.wanted), ""
    return (GatePart(part.outcome, f"{part.reason}; {benefit.reason}") if known else part), ""


def non_inferiority(original: Pairs, attempt: Attempt, *, margin: float) -> GatePart:
    """Whether the one-sided lower limit of the change on the original images (Tango) is above minus the margin."""
    if not original.total:
        return GatePart(CANNOT_TELL, f"{TOO_FEW}: no original test image of a class both know")
    level = 1 - attempt.original
    limit, power = lower_limit(original, level=level), power_of_non_inferiority(original, margin=margin, level=level)
    seen = (
        f"on {original.total} original test images the change is {original.difference:+.1%}, at worst {limit:+.1%} "
        f"(margin {margin:.1%}; equal models pass with {power:.0%})"
    )
    if limit > -margin:
        return GatePart(PASSED, f"not worse beyond the margin: {seen}")
    if original.difference > -margin and power < FAIR_POWER:
        return GatePart(CANNOT_TELL, f"{TOO_FEW}: {seen}; {_could_show(original, level=level, margin=margin)}")
    return GatePart(FAILED, f"a loss beyond the margin is not excluded: {seen}")


def net_benefit(original: Pairs, recent: Pairs | None, attempt: Attempt, *, margin: float) -> GatePart:
    """Whether the least gain on recent images exceeds the largest loss on the original ones by at least the margin.

    One-sided limits, each at its test's alpha. The gain has to be shown by the exact test, too: Tango's limit is an
    approximation, and a single image that became right would do.
    """
    loss = -lower_limit(original, level=1 - attempt.original)
    needed = loss + margin
    outweighed = f"the loss on the original images ({loss:.1%} at most) by {margin:.1%}"
    if recent is None or not recent.total:
        return GatePart(CANNOT_TELL, f"{TOO_FEW}: no recent labels could show a gain over {outweighed}", FIRST_LOOK)
    least = lower_limit(recent, level=1 - attempt.recent)
    seen = f"the gain on {recent.total} recent images ({recent.difference:+.1%}, at least {least:+.1%})"
    if mcnemar(recent) < attempt.recent and least >= needed:
        return GatePart(PASSED, f"{NET_BENEFIT}: {seen} exceeds {outweighed}")
    wanted = _labels_for_excess(recent, attempt.next(recent.total).recent, needed=needed)
    if wanted <= MOST_WANTED:
        return GatePart(CANNOT_TELL, f"{TOO_FEW}: {seen} is not shown to exceed {outweighed}", math.ceil(wanted))
    return GatePart(FAILED, f"no net benefit: {seen} does not exceed {outweighed}")


def _share(number: int) -> float:
    """Sums to 1 over 1, 2, 3, ...."""
    return 6 / (math.pi * number) ** 2


def _seen(recent: Pairs) -> str:
    return (
        f"on {recent.total} recent images {recent.gained} became right and {recent.lost} became wrong "
        f"({recent.difference:+.1%}, McNemar p {mcnemar(recent):.2g}"
    )


def _shown_loss(recent: Pairs, attempt: Attempt) -> GatePart | None:
    p = mcnemar(recent.reversed)
    if p >= attempt.recent:
        return None
    seen = f"on {recent.total} recent images {recent.gained} became right and {recent.lost} became wrong"
    return GatePart(FAILED, f"recent images show a loss: {seen} ({recent.difference:+.1%}, McNemar p {p:.2g})")


def _z(alpha: float) -> float:
    """Standard deviations that a difference must be away to be shown at this alpha in `POWER` of all cases."""
    return normal_quantile(1 - alpha) + normal_quantile(POWER)


def _labels_for_gain(recent: Pairs, alpha: float) -> float:
    """Return how many recent images would show this gain; infinite where none is seen."""
    apart, needed = recent.gained + recent.lost, fewest_disagreements(alpha)
    if apart < needed:
        return max(FIRST_LOOK, recent.total * needed / max(apart, 1))
    if recent.gained <= recent.lost:
        return math.inf
    return max(FIRST_LOOK, recent.total * apart * (_z(alpha) / (recent.gained - recent.lost)) ** 2)


def _labels_for_excess(recent: Pairs, alpha: float, *, needed: float) -> float:
    """Return how many recent images would show that the gain is over `needed`; infinite where it is seen not to be."""
    excess = recent.difference - needed
    if excess <= 0:
        return FIRST_LOOK if recent.total < FIRST_LOOK else math.inf
    variance = (recent.gained + recent.lost) / recent.total - recent.difference**2
    return max(FIRST_LOOK, recent.total + 1, variance * (_z(alpha) / excess) ** 2)


def _could_show(original: Pairs, *, level: float, margin: float) -> str:
    """Say how many original images, or what margin, equal models would pass with in `POWER` of all cases."""
    apart, z = (original.gained + original.lost + 0.5) / (original.total + 1), normal_quantile(level)
    images = max(apart * (_z(1 - level) / margin) ** 2, z**2 / margin)
    alike = -lower_limit(Pairs(0, 0, original.total), level=level)  # what is left where no answer differs
    points = math.ceil(1000 * max(_z(1 - level) * math.sqrt(apart / original.total), alike)) / 10
    return (
        f"about {images:,.0f} test images (data.split) could, or a margin of {points:.1f} points "
        "(promotion.margin_points)"
    )
