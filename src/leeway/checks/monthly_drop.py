"""Check of the accuracy of served predictions: down from last month?"""

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar

from numpy.random import Generator

from leeway.checks.accuracy import LOOKS_PER_YEAR, MONTH
from leeway.checks.estimates import accuracy_estimate
from leeway.checks.registry import CHECKS, Evidence, Place, Then, no_verdict
from leeway.domain.records import CheckResult, NightLabels, Status
from leeway.domain.text import counted
from leeway.paramsfile import ParamsModel, Share, setting
from leeway.stats.estimation import FEWEST, Estimate, drop_lower_limit


@dataclass(frozen=True, slots=True)
class MonthlyDropDetails:
    """Accuracy of the two months."""

    before: Estimate
    after: Estimate


@CHECKS.add
class MonthlyDrop(ParamsModel):
    """Has accuracy dropped from one month to the next? Alerts, never retrains (STATISTICS.md, check 5).

    It looks every 28 nights, 13 times a year, at two disjoint windows of 28 nights: its false alerts have a budget of
    their own, 5 % a year.
    """

    name: ClassVar[str] = "monthly_drop"
    assumes: ClassVar[str] = (
        "the draws of each 28 nights are answered in each stratum whatever they show, and correctly; each look may "
        "err with probability .05/13"
    )
    order: ClassVar[int] = 60
    needs_labels: ClassVar[bool] = True
    on_page: ClassVar[Place] = Place.ROW
    details: ClassVar[type[Any]] = MonthlyDropDetails

    min_drop: Annotated[Share, setting("drop from one month to the next that is reported, 0 to 1")] = 0.05
    budget_share: ClassVar[float] = 0.0
    then: ClassVar[Then] = "alert"

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Statistic: one-sided lower limit of the drop; effect: the drop; n: labels of both months."""
        tonight, nights = evidence.window.night, len(evidence.earlier) + 1
        if not compares_months(nights):
            due = max(-(-(nights + 1) // MONTH), 2) * MONTH - nights
            return no_verdict(self.name, f"compares two months next in {counted(due, 'night')}", n=0)
        middle = tonight - timedelta(days=MONTH)
        level = 1 - 2 * 0.05 / LOOKS_PER_YEAR
        try:
            before, after = (accuracy_estimate(one, level=level) for one in _split(evidence.months, middle))
        except ValueError as unusable:
            return no_verdict(self.name, f"labels cannot be used: {unusable}", n=0)
        labels = sum(one.labels for one in evidence.months)
        if before is None or after is None:
            return no_verdict(
                self.name, f"{counted(labels, 'label')} in two months; {FEWEST} in each are needed", n=labels
            )
        drop, shown = before.value - after.value, drop_lower_limit(before, after)
        return CheckResult(
            self.name,
            Status.FIRED if drop >= self.min_drop and shown > 0 else Status.QUIET,
            f"accuracy {before.value:.1%} in the month before, {after.value:.1%} in this one: a drop of "
            f"{100 * drop:.1f} points, of which {100 * max(shown, 0):.1f} are shown ({self.min_drop:.0%} is news)",
            statistic=shown,
            effect=drop,
            n=labels,
            details=asdict(MonthlyDropDetails(before, after)),
        )


def compares_months(nights: int) -> bool:
    """Whether two months are compared on this night of the epoch, counted from 1."""
    return nights % MONTH == 0 and nights >= 2 * MONTH


def _split(nights: Any, middle: date) -> tuple[list[NightLabels], list[NightLabels]]:
    """Nights of the month up to `middle`, and of the month after it."""
    first = middle - timedelta(days=MONTH)
    return [one for one in nights if first < one.night <= middle], [one for one in nights if one.night > middle]
