"""The ledger on SQLite and PostgreSQL."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert, select, update

from leeway.domain.answers import Outcome, may_second, outcome, people
from leeway.domain.counting import conflicting, counting_labels
from leeway.domain.queue import in_queue_order
from leeway.domain.records import (
    Alert,
    CheckResult,
    Claim,
    Decision,
    DecisionState,
    Draw,
    Label,
    LabelledDraw,
    LabelPlan,
    Mark,
    ModelVersion,
    PlanDesign,
    Prediction,
    RecordedLabels,
    Release,
    ServingPeriod,
    Status,
    UnansweredDraw,
    WindowCounts,
)
from leeway.domain.reopening import Reopening
from leeway.errors import StoreError
from leeway.stores import ledger_queries as queries
from leeway.stores import ledger_tables as tables
from leeway.stores import ledger_writes as writes
from leeway.stores import missing_labels, reopening, rows
from leeway.stores.database import Database
from leeway.stores.outbox import SqlOutbox
from leeway.stores.rows import batches
from leeway.stores.second_opinions import contradicted


class SqlLedger(SqlOutbox):
    """`leeway.domain.stores.Ledger` in SQL. May be shared by threads. Raises StoreError, in one line."""

    def __init__(self, database: Database) -> None:
        self.database = database
        [found] = database.all(select(tables.ledger.c.id, tables.ledger.c.secret))
        self.id, self.secret = str(found.id), str(found.secret)

    # Models, and which of them serves

    def record_model(self, version: ModelVersion) -> None:
        with self.database.transaction(writes=True) as connection:
            writes.record_model(connection, version)

    def versions(self, model: str) -> list[ModelVersion]:
        return [rows.model_from(row) for row in self.database.all(queries.versions_of(model))]

    def begin_epoch(self, period: ServingPeriod) -> None:
        with self.database.transaction(writes=True) as connection:
            writes.lock_table(connection, "epochs")
            connection.execute(queries.end_of_open_period(period.model, period.began_at))
            connection.execute(insert(tables.epochs), rows.values_of(period))

    def serving_periods(self, model: str) -> list[ServingPeriod]:
        found = self.database.all(queries.periods_of(model))
        return [rows.record_from(ServingPeriod, row, rows.PERIOD) for row in found]

    def is_reconciled(self) -> bool:
        return self.database.scalar(select(tables.ledger.c.reconciled_at)) is not None

    def mark_reconciled(self, at: datetime) -> None:
        with self.database.transaction(writes=True) as connection:
            connection.execute(update(tables.ledger).values(reconciled_at=at))

    # Nights

    def claim_night(
        self, version: ModelVersion, night: date, *, holder: str, now: datetime, until: datetime, instead_of: str = ""
    ) -> Claim:
        wanted = Claim(version.model, version.version, night, holder, until, token=0)
        with self.database.transaction(writes=True) as connection:
            return writes.claim_night(connection, wanted, now=now, instead_of=instead_of)

    def give_back(self, claim: Claim) -> None:
        kept = tables.night_claims
        this = (kept.c.model == claim.model, kept.c.version == claim.version, kept.c.night == claim.night)
        with self.database.transaction(writes=True) as connection:
            connection.execute(update(kept).where(*this, kept.c.token == claim.token).values(holder=""))

    def held_nights(self, model: str, *, now: datetime) -> list[Claim]:
        return [Claim(*row) for row in self.database.all(queries.held_nights(model, now))]

    def record_window(
        self, window: WindowCounts, *, start: datetime, end: datetime, closed_at: datetime, claim: Claim
    ) -> bool:
        values = rows.window_values(window, start=start, end=end, closed_at=closed_at)
        with self.database.transaction(writes=True) as connection:
            writes.refuse_stale(connection, claim)
            return writes.insert_new(connection, tables.windows, [values]) == 1

    def windows(self, model: str, version: int) -> list[WindowCounts]:
        return [rows.window_from(row) for row in self.database.all(queries.closed_windows(model, version))]

    def window_bounds(self, model: str, version: int) -> dict[date, tuple[datetime, datetime]]:
        found = self.database.all(queries.bounds_of_windows(model, version))
        return {row.night: (row.start, row.end) for row in found}

    def record_night(
        self,
        window: WindowCounts,
        results: Sequence[CheckResult],
        decision: Decision,
        alerts: Sequence[Alert],
        *,
        claim: Claim,
        applied: Sequence[str] = (),
    ) -> bool:
        with self.database.transaction(writes=True) as connection:
            writes.refuse_stale(connection, claim)
            return writes.record_night(connection, window, results, decision, alerts=alerts, applied=applied)

    def results(
        self, model: str, version: int, *, nights: Sequence[date] | None = None, check: str | None = None
    ) -> list[tuple[date, CheckResult]]:
        found = self.database.all(queries.results_of(model, version, nights=nights, check=check))
        return [(row.night, rows.record_from(CheckResult, row, rows.RESULT)) for row in found]

    def marks(self, model: str, version: int, *, since: date, only: Status | None = None) -> list[Mark]:
        return [Mark(*row) for row in self.database.all(queries.marks_of(model, version, since=since, only=only))]

    # Decisions

    def record_decision(self, decision: Decision) -> bool:
        with self.database.transaction(writes=True) as connection:
            return writes.insert_new(connection, tables.decisions, [rows.decision_values(decision)]) == 1

    def decisions(self, model: str) -> list[Decision]:
        return [Decision(*row) for row in self.database.all(queries.decisions_of(model))]

    def claim_decision(self, key: str, *, now: datetime, lease_hours: float = 24.0) -> bool:
        with self.database.transaction(writes=True) as connection:
            connection.execute(queries.decisions_of_same_model(key)).all()
            return connection.execute(queries.claim(key, now=now, lease_hours=lease_hours)).rowcount == 1

    def give_up_lapsed(self, model: str, *, now: datetime, lease_hours: float = 24.0) -> list[str]:
        with self.database.transaction(writes=True) as connection:
            return writes.give_up_lapsed(connection, model, now=now, lease_hours=lease_hours)

    def finish_decision(self, key: str, *, failed: bool, outcome: str) -> None:
        state = DecisionState.FAILED if failed else DecisionState.DONE
        values, this = {"state": state, "outcome": outcome}, tables.decisions.c.key == key
        self.database.change(tables.decisions, this, values, named=key)

    def withdraw_requests(self, model: str, *, besides: int, outcome: str) -> list[str]:
        with self.database.transaction(writes=True) as connection:
            return writes.withdraw_requests(connection, model, besides=besides, outcome=outcome)

    # Reopening

    def removable(self, model: str, night: date) -> Mapping[str, Sequence[Any]]:
        with self.database.transaction() as connection:
            return reopening.removable(connection, model, night)

    def reopen(self, model: str, night: date, *, at: datetime, instead_of: Collection[str] = ()) -> Reopening:
        with self.database.transaction(writes=True) as connection:
            return reopening.reopen(connection, model, night, at=at, instead_of=instead_of)

    def reopenings(self, model: str) -> list[Reopening]:
        found = self.database.all(queries.reopenings_of(model))
        return [rows.record_from(Reopening, row, rows.REOPENING) for row in found]

    # Label plans and labels

    def record_plan(
        self, plan: LabelPlan, design: PlanDesign, draws: Sequence[Draw], pins: Sequence[Prediction], *, claim: Claim
    ) -> bool:
        with self.database.transaction(writes=True) as connection:
            writes.refuse_stale(connection, claim)
            return writes.record_plan(connection, plan, design, draws=draws, pins=pins)

    def plans(self, model: str, version: int) -> list[LabelPlan]:
        return [LabelPlan(*row) for row in self.database.all(queries.plans_of(model, version))]

    def design(self, plan_id: str) -> PlanDesign:
        [row] = self.database.all(queries.design_of(plan_id))
        return rows.design_from(row)

    def close_plan(self, plan_id: str, *, closed_at: datetime) -> None:
        with self.database.transaction(writes=True) as connection:
            if not writes.close_plan(connection, plan_id, closed_at=closed_at):
                raise StoreError(f"'{plan_id}' is not among the label plans of the ledger")

    def groups_drawn(self, model: str, version: int, *, purpose: str) -> set[str]:
        return {row.group for row in self.database.all(queries.groups_drawn(model, version, purpose=purpose))}

    def label_queue(self, model: str, *, labeler: str = "") -> list[tuple[str, Prediction]]:
        found = self.database.all(missing_labels.open_draws(model))
        waiting = [(row.night, row.plan_id, rows.pin_from(row)) for row in found]
        if labeler:
            with self.database.transaction() as connection:
                second = contradicted(connection, model)
            waiting += [draw for draw, first in second if may_second(first, labeler)]
        return in_queue_order(waiting)

    def second_opinions(self, model: str) -> list[tuple[str, Prediction, Label]]:
        with self.database.transaction() as connection:
            second = contradicted(connection, model)
        firsts = {one.id: first for (_, _, one), first in second}
        return [(plan_id, one, firsts[one.id]) for plan_id, one in in_queue_order(draw for draw, _ in second)]

    def unanswered(self, model: str, *, since: datetime) -> list[tuple[LabelPlan, int]]:
        found = self.database.all(missing_labels.plans_unanswered(model, since=since))
        return [(LabelPlan(*row[:-1]), row[-1]) for row in found]

    def missed(self, model: str) -> set[str]:
        return {row.prediction_id for row in self.database.all(missing_labels.missed_draws(model))}

    def late_draws(self, model: str, version: int, *, since: date) -> list[Draw]:
        found = self.database.all(queries.late_draws(model, version, since=since))
        return [rows.record_from(Draw, row, rows.DRAW) for row in found]

    def plans_with(self, model: str, ids: Iterable[str]) -> list[LabelPlan]:
        with self.database.transaction() as connection:
            found = {tuple(row) for some in batches(ids) for row in connection.execute(queries.plans_with(model, some))}
        versions = sorted({version for version, _ in found})
        return [one for version in versions for one in self.plans(model, version) if (version, one.id) in found]

    def queues(self, ids: Iterable[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        with self.database.transaction() as connection:
            for some in batches(ids):
                for one, model in connection.execute(queries.models_that_pin(some)):
                    found.setdefault(one, []).append(model)
        return found

    def pin(self, predictions: Sequence[Prediction]) -> None:
        with self.database.transaction(writes=True) as connection:
            writes.pin(connection, predictions)

    def pinned(self, model: str, ids: Iterable[str]) -> list[Prediction]:
        with self.database.transaction() as connection:
            found = [row for some in batches(ids) for row in connection.execute(queries.pins_of(model, some))]
        return [rows.pin_from(row) for row in found]

    def drawn(self, model: str, ids: Iterable[str]) -> set[str]:
        with self.database.transaction() as connection:
            return {one for some in batches(ids) for one in connection.scalars(queries.drawn_among(model, some))}

    def record_labels(self, labels: Sequence[Label]) -> RecordedLabels:
        with self.database.transaction(writes=True) as connection:
            return writes.record_labels(connection, labels)

    def labelled_draws(self, plan_id: str, *, as_closed: bool = False) -> list[LabelledDraw]:
        return [rows.labelled_from(row, _outcome(said, row)) for row, said in self._drawn(plan_id, as_closed) if said]

    def unanswered_draws(self, plan_id: str) -> list[UnansweredDraw]:
        return [rows.unanswered_from(row) for row, said in self._drawn(plan_id, as_closed=True) if not said]

    def _drawn(self, plan_id: str, as_closed: bool) -> list[tuple[Any, list[Label]]]:
        """The draws of a plan in their order, each with what people said of it."""
        with self.database.transaction() as connection:
            found = connection.execute(queries.labels_of_plan(plan_id, as_closed=as_closed))
            said, drawn = people(map(rows.label_from, found)), connection.execute(queries.drawn_of(plan_id)).all()
        return [(row, said.get((row.model, row.prediction_id), [])) for row in drawn]

    def labels(self, model: str) -> list[tuple[Label, Prediction]]:
        with self.database.transaction() as connection:
            labels = counting_labels(map(rows.label_from, connection.execute(queries.labels_of(model))))
            pins = map(rows.pin_from, connection.execute(queries.labelled_pins(model)))
            pairs = [(labels[model, one.id], one) for one in pins if (model, one.id) in labels]
        return sorted(pairs, key=lambda pair: (pair[0].labelled_at, pair[1].id))

    def label_counts(self) -> dict[str, int]:
        return dict(map(tuple, self.database.all(queries.label_counts())))

    def conflicts(self, model: str) -> list[tuple[Label, ...]]:
        found = self.database.all(queries.labels_of_several(model))
        return conflicting(map(rows.label_from, found))

    # Releases

    def record_release(self, release: Release) -> None:
        with self.database.transaction(writes=True) as connection:
            connection.execute(insert(tables.releases), rows.values_of(release))

    def releases(self, model: str) -> list[Release]:
        found = self.database.all(queries.releases_of(model))
        return [rows.record_from(Release, row, rows.RELEASE) for row in found]


def _outcome(said: Sequence[Label], row: Any) -> Outcome:
    return outcome(said, row.predicted_class, purpose=row.purpose, second_opinion=row.second_opinion)
