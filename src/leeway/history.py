"""History: what is stored of one epoch, read once, and kept current by what is recorded through it."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cached_property

from leeway.checks.windows import count_window
from leeway.data.classes import ClassParams
from leeway.domain.counting import draw_of
from leeway.domain.records import (
    MEASURE,
    Alert,
    Cell,
    CheckResult,
    Claim,
    Decision,
    Draw,
    LabelledDraw,
    LabelPlan,
    Mark,
    ModelVersion,
    NightLabels,
    PlanDesign,
    Prediction,
    Status,
    WindowCounts,
)
from leeway.domain.stores import LATE_NIGHTS, Ledger, PredictionLog
from leeway.errors import HeldError, StoreError


class History:
    """What is stored of one epoch, each kind read once and only when asked for; what is recorded here is kept current.

    A plain class: Prefect walks through dataclasses that its tasks are given, which takes seconds for a year of nights.
    """

    def __init__(
        self,
        version: ModelVersion,
        log: PredictionLog,
        ledger: Ledger,
        *,
        first: date,
        local: Callable[[date], tuple[datetime, datetime]],
        class_rule: ClassParams,
    ) -> None:
        self._log, self._ledger, self._version = log, ledger, version
        self._this, self._first, self._local = (version.model, version.version), first, local
        self._class_rule = class_rule
        self._results: dict[date, list[CheckResult]] = {}  # full results, by night, of those nights that were asked for
        self._labels: dict[str, NightLabels] = {}  # of closed plans, by plan id
        self._cells: tuple[date, str | None, list[Cell]] | None = None  # of the night that was counted last
        self._claim: Claim | None = None
        self.sampled: dict[tuple[date, str | None], list[Prediction]] = {}  # of the night looked at last

    @cached_property
    def decisions(self) -> list[Decision]:
        """Decisions about all versions of the model in order; about this one, those of its epoch."""
        model, number = self._this
        return [one for one in self._ledger.decisions(model) if one.version != number or self._own(one.night)]

    @cached_property
    def versions(self) -> list[ModelVersion]:
        """Every recorded version of the model, in order."""
        return self._ledger.versions(self._this[0])

    @cached_property
    def cut(self) -> dict[date, tuple[datetime, datetime]]:
        """Start and end of each closed night of this version, of earlier epochs too."""
        return self._ledger.window_bounds(*self._this)

    def bounds(self, night: date) -> tuple[datetime, datetime]:
        """Return start and end of a night: as it was closed; of a later one the local day.

        Where the time zone was changed, the next night begins where the last one ended: no hour counts twice, or never.
        """
        if night in self.cut:
            return self.cut[night]
        start, end = self._local(night)
        last = max(self.cut, default=None)
        if last is None or night < last:
            return start, end
        ended = max(stop for _, stop in self.cut.values())
        start = ended if night == last + timedelta(days=1) else max(start, ended)
        return start, max(start, end)

    @cached_property
    def fired(self) -> list[Mark]:
        """What fired, in order of night."""
        return self.marks(only=Status.FIRED)

    def marks(self, *, only: Status | None = None) -> list[Mark]:
        """Return every night's results in short, in order: what charts show. Read anew."""
        return self._ledger.marks(*self._this, since=self._first, only=only)

    @cached_property
    def windows(self) -> list[WindowCounts]:
        """Closed windows in order of night; of the last 7 with the number of rows that came after the closing."""
        windows = [one for one in self._ledger.windows(*self._this) if self._own(one.night)]
        return [*windows[:-LATE_NIGHTS], *(replace(one, late=self._late(one)) for one in windows[-LATE_NIGHTS:])]

    @cached_property
    def plans(self) -> list[LabelPlan]:
        """Label plans in order of night."""
        return [one for one in self._ledger.plans(*self._this) if self._own(one.night)]

    @property
    def decided(self) -> list[date]:
        """Nights that are decided, in order."""
        _, number = self._this
        return sorted({one.night for one in self.decisions if one.nightly and one.version == number})

    def results(self, nights: Collection[date]) -> list[tuple[date, CheckResult]]:
        """Return the full results of these nights, in order of night and within a night in the policy's."""
        unread = sorted({night for night in nights if self._own(night)} - self._results.keys())
        if unread:
            self._results |= {night: [] for night in unread}
            for night, result in self._ledger.results(*self._this, nights=unread):
                self._results[night].append(result)
        return [(night, result) for night in sorted(set(nights)) for result in self._results.get(night, [])]

    def last_results(self, checks: Iterable[str], *, before: date) -> dict[str, CheckResult]:
        """Return the last result of each of these checks on a night before this one, by name."""
        nights = [night for night in self.decided if night < before][-1:]
        found = {result.check: result for _, result in self.results(nights)}
        if set(checks) - found.keys() and nights:  # one that did not run that night, since the policy has changed
            last = {mark.check: mark.night for mark in self.marks() if mark.night < before}
            found |= {
                result.check: result
                for night, result in self.results({last[name] for name in set(checks) & last.keys() - found.keys()})
                if last[result.check] == night and result.check not in found
            }
        return found

    def results_of(self, check: str) -> list[tuple[date, CheckResult]]:
        """Return every night's result of one check, read anew."""
        return [pair for pair in self._ledger.results(*self._this, check=check) if self._own(pair[0])]

    def closed_plans(self) -> list[LabelPlan]:
        return [one for one in self.plans if one.closed_at is not None]

    def open_plans(self) -> list[LabelPlan]:
        """Return the plans that people may still answer, and whose answers will measure."""
        return [one for one in self.plans if one.closed_at is None and not self._is_replaced(one)]

    def labels(self, plans: Iterable[LabelPlan]) -> list[NightLabels]:
        """Return the answered draws of each plan that measure; read once for a plan that is closed.

        What was answered, and what people had said, when it closed: later answers are a late plan's
        (`labels.late.take_late_answers`), later corrections change nothing that was measured.
        """
        return [self._labels_of(plan) for plan in plans]

    def cells(self, night: date, *, upto: str | None) -> list[Cell]:
        """Return the night as the database counts it, as the log was at this position; counted once."""
        if self._cells is None or self._cells[:2] != (night, upto):
            start, end = self.bounds(night)
            self._cells = night, upto, self._log.cells(self._version, start, end, upto=upto)
        return self._cells[2]

    # Recording: of the night that was claimed

    def hold(self, claim: Claim | None) -> None:
        """Write under this claim from now on; None: nothing may be written any more."""
        self._claim = claim

    @property
    def _held(self) -> Claim:
        if self._claim is None:
            raise StoreError(f"{self._this[0]} version {self._this[1]}: a night is written by whoever claimed it")
        return self._claim

    def close_window(self, night: date, *, closed_at: datetime, complete: Callable[..., WindowCounts]) -> WindowCounts:
        """Count the night as it is now, complete it and close it; return the window as it was first closed."""
        for known in self.windows:
            if known.night == night:
                return known
        position, (start, end) = self._log.position(self._version.model), self.bounds(night)
        window = count_window(self._version, night, self.cells(night, upto=position))
        window, windows = complete(replace(window, position=position)), self.windows
        if not self._ledger.record_window(window, start=start, end=end, closed_at=closed_at, claim=self._held):
            del self.windows, self.cut  # another process closed it
            return next(one for one in self.windows if one.night == night)
        self.cut[night] = (start, end)
        windows.append(window)
        windows.sort(key=lambda one: one.night)
        if len(windows) > LATE_NIGHTS:  # whose late rows are no longer counted
            windows[-LATE_NIGHTS - 1] = replace(windows[-LATE_NIGHTS - 1], late=0)
        return window

    def record_night(
        self, window: WindowCounts, results: Sequence[CheckResult], decision: Decision, alerts: Sequence[Alert]
    ) -> None:
        """Store results, decision, alerts, and that they took into account all labels that are news, at once."""
        known = self.decisions, self.fired, self.plans
        applied = {plan.id for plan in news_of(self.closed_plans())}
        night = (window, results, decision, alerts)
        if not self._ledger.record_night(*night, claim=self._held, applied=sorted(applied)):
            del self.decisions, self.fired, self.plans  # another process decided it
            self._results.pop(window.night, None)
            return
        decisions, fired, plans = known
        decisions.append(decision)
        marks = [Mark(window.night, one.check, one.status, one.statistic, one.threshold) for one in results]
        fired += [mark for mark in marks if mark.status is Status.FIRED]
        self._results[window.night] = list(results)
        self.plans = [replace(one, applied_by=decision.key) if one.id in applied else one for one in plans]

    def forget_decisions(self) -> None:
        """Read the decisions anew when next asked for: others request, claim and finish retrainings meanwhile."""
        self.__dict__.pop("decisions", None)

    def see_others(self) -> None:
        """Read the decisions anew, and if another monitor has decided a night, all that it may have written too.

        Raises HeldError if decisions are gone: somebody has reopened nights, and this run began before that.
        """
        before = self.decided
        self.forget_decisions()
        if not set(before) <= set(self.decided):
            name = f"{self._this[0]} version {self._this[1]}"
            raise HeldError(f"{name}: nights were reopened meanwhile; run the monitor again", holder="leeway reopen")
        for name in ("fired", "plans", "windows", "cut") if self.decided != before else ():
            self.__dict__.pop(name, None)

    def record_plan(
        self, plan: LabelPlan, design: PlanDesign, draws: Sequence[Draw] = (), pins: Sequence[Prediction] = ()
    ) -> bool:
        """Store a plan and pin what it drew; False if it was there."""
        new = self._ledger.record_plan(plan, design, draws, pins, claim=self._held)
        self.__dict__.pop("plans", None)
        return new

    def close_plan(self, plan: LabelPlan, *, closed_at: datetime) -> None:
        self._ledger.close_plan(plan.id, closed_at=closed_at)
        self.plans = [replace(one, closed_at=closed_at) if one.id == plan.id else one for one in self.plans]

    def _late(self, window: WindowCounts) -> int:
        """Count the rows that came after the closing; before positions were kept, those that were not counted then."""
        start, end = self.bounds(window.night)
        if window.position is not None:
            return self._log.count(self._version, start, end, after=window.position)
        return max(0, self._log.count(self._version, start, end) - window.total - window.foreign)

    def _own(self, night: date) -> bool:
        return night >= self._first

    def _is_replaced(self, plan: LabelPlan) -> bool:
        """Whether labels that came with the log measure its night: they were there before the plan was closed."""
        given = (one for one in self.plans if one.given and one.night == plan.night)
        return any(plan.closed_at is None or one.made_at <= plan.closed_at for one in given)

    def _labels_of(self, plan: LabelPlan) -> NightLabels:
        if plan.id in self._labels:
            return self._labels[plan.id]
        design = self._ledger.design(plan.id)
        measures = plan.asked and not self._is_replaced(plan)
        labelled = self._ledger.labelled_draws(plan.id, as_closed=True) if measures else []
        answered = tuple(one for one in labelled if one.draw.purpose == MEASURE)
        unanswered = self._ledger.unanswered_draws(plan.id) if measures and len(labelled) < plan.asked else []
        given = tuple(draw_of(plan, tally, index) for index, tally in enumerate(design.given))
        found = NightLabels(
            *(plan.night, design.predictions, design.mean_guess),
            tuple(self._as_model_says(one) for one in answered + given),
            *(design.stratum_shares, design.parts, design.uniform_share),
            unanswered=tuple(one for one in unanswered if one.draw.purpose == MEASURE),
            answer_rates=design.answer_rates,
            seconded=design.seconded,
            given=bool(given),
            counted_before=self._counted_before(plan),
            late=plan.late_of is not None,
        )
        if plan.closed_at is not None:
            self._labels[plan.id] = found
        return found

    def _counted_before(self, plan: LabelPlan) -> int:
        """Count the labels that the plan of a late plan's night, and its late plans before this one, have brought."""
        if plan.late_of is None:
            return 0
        before = [one for one in self.plans if plan.late_of in (one.id, one.late_of) and one.made_at < plan.made_at]
        return sum(one.labels for one in self.labels(before))

    def _as_model_says(self, one: LabelledDraw) -> LabelledDraw:
        """With the name that the model has for the label, if `data.classes` renames either."""
        label = self._class_rule.label_of_model(one.label, one.predicted_class, self._version.reference.classes)
        return one if label == one.label else replace(one, label=label)


def news_of(closed: Iterable[LabelPlan]) -> list[LabelPlan]:
    """Return the closed plans that no decided night has applied: the others are in the checks' state already."""
    return [one for one in closed if one.applied_by is None]


def last_nights(closed: Collection[LabelPlan], nights: int) -> list[LabelPlan]:
    """Return the plans of the last nights for which any label was asked or given."""
    kept = sorted({one.night for one in closed if one.asks})[-nights:]
    return [one for one in closed if one.night in kept]
