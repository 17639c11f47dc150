"""The store on SQLite and PostgreSQL: production facts, each call one transaction."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Executable, Row, Table, func, insert, update
from sqlalchemy.exc import SQLAlchemyError

from leeway.domain.records import (
    Alert,
    Cell,
    CheckResult,
    Decision,
    DecisionState,
    Draw,
    Label,
    LabelledDraw,
    LabelPlan,
    Mark,
    ModelVersion,
    Pick,
    PlanDesign,
    Prediction,
    PredictionColumns,
    Recorded,
    Release,
    Status,
    Tally,
    WindowCounts,
)
from leeway.domain.stores import LATE_NIGHTS
from leeway.errors import StoreError
from leeway.stores import queries, rows, tables, writing
from leeway.stores.bulk import batches, insert_columns
from leeway.stores.database import explain, open_engine

MANY_GIVEN = 50_000  # labels that no plan has taken: from here on the first is sought among the predictions instead


def open_store(url: str, *, lock_timeout_seconds: float = 30.0) -> "SqlStore":
    """The store at `sqlite:///PATH` or `postgresql://...`, made or migrated where needed.

    A lock that another process does not give up within the time-out raises StoreError, here and in every call.
    Raises ParamsError for an address of another kind; StoreError if the database cannot be used.
    """
    return SqlStore(open_engine(url, lock_timeout_seconds=lock_timeout_seconds))


class SqlStore:
    """`leeway.domain.stores.Store` in SQL. May be shared by threads. Raises StoreError, in one line."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def close(self) -> None:
        self._engine.dispose()

    # Models and what they said

    def record_model(self, version: ModelVersion) -> None:
        """Without `serving_since`, a known version keeps its own: registering it again does not end its epoch."""
        with self._transaction(writes=True) as connection:
            writing.record_model(connection, version)

    def model_version(self, model: str, version: int) -> ModelVersion | None:
        found = self._all(queries.model_version(model, version))
        return rows.model_from(found[0]) if found else None

    def record_predictions(self, predictions: Sequence[Prediction], *, received_at: datetime) -> int:
        in_one_order = sorted(predictions, key=lambda prediction: prediction.id)  # two writers never block each other
        values = [rows.prediction_values(prediction, received_at) for prediction in in_one_order]
        with self._transaction(writes=True) as connection:
            new = writing.insert_new(connection, tables.predictions, values)
            if new < len(values):
                writing.refuse_other_content(connection, values)
        return new

    def versions(self, model: str) -> list[ModelVersion]:
        return [rows.model_from(row) for row in self._all(queries.versions_of(model))]

    def record_columns(
        self,
        model: str,
        batches: Iterable[tuple[int, PredictionColumns]],
        *,
        received_at: datetime,
        all_or_nothing: bool = False,
    ) -> Recorded:
        if all_or_nothing:
            with self._transaction(writes=True) as connection:
                return writing.record_all(connection, model, batches, received_at=received_at)
        total = Recorded()
        for version, columns in batches:
            with self._transaction(writes=True) as connection:
                total += insert_columns(connection, model, version, columns, received_at=received_at)
        return total

    def predictions(self, model: str, version: int, start: datetime, end: datetime) -> list[Prediction]:
        return [rows.prediction_from(row) for row in self._all(queries.predictions_of(model, version, start, end))]

    def predictions_by_id(self, ids: Sequence[str]) -> list[Prediction]:
        with self._transaction() as connection:
            found = [row for some in batches(ids) for row in connection.execute(queries.predictions_with(some))]
        return [rows.prediction_from(row) for row in found]

    def first_prediction_at(self, model: str, version: int) -> datetime | None:
        with self._transaction() as connection:
            first: datetime | None = connection.scalar(queries.first_prediction_at(model, version))
        return first

    # Windows and what was concluded from them

    def cells(self, version: ModelVersion, start: datetime, end: datetime) -> list[Cell]:
        edges = version.reference.bin_edges if version.reference.with_confidence else ()
        found = self._all(queries.cells(version.model, version.version, start, end, edges=edges))
        return sorted((Cell(*row) for row in found), key=lambda one: (one.predicted_class, one.slice or "", one.bin))

    def pick(self, version: ModelVersion, start: datetime, end: datetime, picks: Sequence[Pick]) -> list[Prediction]:
        if not picks:
            return []
        edges = version.reference.bin_edges if version.reference.with_confidence else ()
        query = queries.ranked_in_cells(version.model, version.version, start, end, edges=edges, picks=picks)
        return [rows.prediction_from(row) for row in self._all(query)]

    def predictions_at(
        self, model: str, version: int, start: datetime, end: datetime, ranks: Sequence[int]
    ) -> list[Prediction]:
        with self._transaction() as connection:
            found = [
                rows.prediction_from(row)
                for some in batches(ranks)
                for row in connection.execute(queries.ranked(model, version, start, end, ranks=some))
            ]
        return sorted(found, key=lambda one: one.id)

    def number_after(self, model: str, version: int, moment: datetime) -> int:
        with self._transaction() as connection:
            return int(connection.scalar(queries.number_after(model, version, moment)) or 0)

    def record_window(self, window: WindowCounts, *, start: datetime, end: datetime, closed_at: datetime) -> bool:
        values = rows.window_values(window, start=start, end=end, closed_at=closed_at)
        with self._transaction(writes=True) as connection:
            return writing.insert_new(connection, tables.windows, [values]) == 1

    def windows(self, model: str, version: int) -> list[WindowCounts]:
        with self._transaction() as connection:
            found = connection.execute(queries.closed_windows(model, version)).all()
            present = {
                row.night: int(connection.scalar(queries.number_in(model, version, row.start, row.end)) or 0)
                for row in found[-LATE_NIGHTS:]
            }
        return [rows.window_from(row, present.get(row.night)) for row in found]

    def record_night(
        self,
        window: WindowCounts,
        results: Sequence[CheckResult],
        decision: Decision,
        alerts: Sequence[Alert],
        *,
        applied: Sequence[str] = (),
    ) -> bool:
        with self._transaction(writes=True) as connection:
            return writing.record_night(connection, window, results, decision, alerts=alerts, applied=applied)

    def record_decision(self, decision: Decision) -> bool:
        with self._transaction(writes=True) as connection:
            return writing.insert_new(connection, tables.decisions, [rows.decision_values(decision)]) == 1

    def results(
        self, model: str, version: int, *, nights: Sequence[date] | None = None, check: str | None = None
    ) -> list[tuple[date, CheckResult]]:
        found = self._all(queries.results_of(model, version, nights=nights, check=check))
        return [(row.night, rows.record_from(CheckResult, row, rows.RESULT)) for row in found]

    def marks(self, model: str, version: int, *, since: date, only: Status | None = None) -> list[Mark]:
        return [Mark(*row) for row in self._all(queries.marks_of(model, version, since=since, only=only))]

    def decisions(self, model: str) -> list[Decision]:
        return [Decision(*row) for row in self._all(queries.decisions_of(model))]

    def claim_decision(self, key: str, *, now: datetime, lease_hours: float = 24.0) -> bool:
        with self._transaction(writes=True) as connection:
            connection.execute(queries.decisions_of_same_model(key)).all()
            return connection.execute(queries.claim(key, now=now, lease_hours=lease_hours)).rowcount == 1

    def give_up_lapsed(self, model: str, *, now: datetime, lease_hours: float = 24.0) -> list[str]:
        with self._transaction(writes=True) as connection:
            return writing.give_up_lapsed(connection, model, now=now, lease_hours=lease_hours)

    def finish_decision(self, key: str, *, failed: bool, outcome: str) -> None:
        state = DecisionState.FAILED if failed else DecisionState.DONE
        self._change(tables.decisions, tables.decisions.c.key == key, {"state": state, "outcome": outcome}, told=key)

    # Labels

    def record_plan(self, plan: LabelPlan, design: PlanDesign, draws: Sequence[Draw] = ()) -> bool:
        with self._transaction(writes=True) as connection:
            return writing.record_plan(connection, plan, design, draws=draws)

    def plans(self, model: str, version: int) -> list[LabelPlan]:
        return [LabelPlan(*row) for row in self._all(queries.plans_of(model, version))]

    def design(self, plan_id: str) -> PlanDesign:
        [row] = self._all(queries.design_of(plan_id))
        return rows.design_from(row)

    def draws(self, plan_id: str) -> list[Draw]:
        return [rows.record_from(Draw, row, rows.DRAW) for row in self._all(queries.draws_of(plan_id))]

    def groups_drawn(self, model: str, version: int, *, purpose: str) -> set[str]:
        return {row.group for row in self._all(queries.groups_drawn(model, version, purpose=purpose))}

    def first_given(self, model: str, version: int) -> datetime | None:
        with self._transaction() as connection:
            many = connection.scalar(queries.number_untaken(most=MANY_GIVEN)) == MANY_GIVEN
            ask = queries.first_of_many_given if many else queries.first_given
            first: datetime | None = connection.scalar(ask(model, version))
        return first

    def given_tallies(self, model: str, version: int, start: datetime, end: datetime) -> list[Tally]:
        return [Tally(*row) for row in self._all(queries.given_tallies(model, version, start, end))]

    def record_given(self, plan: LabelPlan, design: PlanDesign, *, start: datetime, end: datetime) -> bool:
        with self._transaction(writes=True) as connection:
            new = writing.record_plan(connection, plan, design, draws=())
            connection.execute(queries.take_given(plan.model, plan.version, start, end, plan_id=plan.id))
        return new

    def close_plan(self, plan_id: str, *, closed_at: datetime) -> None:
        closing = {"closed_at": func.coalesce(tables.label_plans.c.closed_at, closed_at)}
        self._change(tables.label_plans, tables.label_plans.c.id == plan_id, closing, told=plan_id)

    def record_labels(self, labels: Sequence[Label]) -> int:
        with self._transaction(writes=True) as connection:
            writing.refuse_unknown(connection, [label.prediction_id for label in labels])
            return writing.insert_new(connection, tables.labels, [rows.values_of(label) for label in labels])

    def label_queue(self, model: str) -> list[tuple[str, Prediction]]:
        queue: dict[str, tuple[str, Prediction]] = {}
        for row in self._all(queries.open_draws(model)):
            queue.setdefault(row.id, (row.plan_id, rows.prediction_from(row)))
        return list(queue.values())

    def labelled_draws(self, plan_id: str) -> list[LabelledDraw]:
        return [rows.labelled_from(row) for row in self._all(queries.answered_draws(plan_id))]

    def labels(self, model: str) -> list[tuple[Label, Prediction]]:
        found = self._all(queries.labels_of(model))
        return [(rows.record_from(Label, row, rows.LABEL), rows.prediction_from(row)) for row in found]

    def numbers_of_labels(self) -> dict[str, int]:
        return dict(map(tuple, self._all(queries.numbers_of_labels())))

    def disagreements(self, model: str) -> int:
        with self._transaction() as connection:
            return int(connection.scalar(queries.disagreements_of(model)) or 0)

    # Releases and alerts

    def record_release(self, release: Release) -> None:
        with self._transaction(writes=True) as connection:
            connection.execute(insert(tables.releases), rows.values_of(release))

    def releases(self, model: str) -> list[Release]:
        return [rows.record_from(Release, row, rows.RELEASE) for row in self._all(queries.releases_of(model))]

    def pending_alerts(self) -> list[Alert]:
        return [rows.record_from(Alert, row, rows.ALERT) for row in self._all(queries.unsent_alerts())]

    def mark_alert(self, key: str, *, sent_at: datetime | None, error: str = "") -> None:
        self._change(tables.alerts, tables.alerts.c.key == key, {"sent_at": sent_at, "error": error}, told=key)

    def queue_alert(self, alert: Alert) -> bool:
        with self._transaction(writes=True) as connection:
            return writing.insert_new(connection, tables.alerts, [rows.values_of(alert)]) == 1

    # How it is asked

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        """Committed at the end, rolled back on any error; the database's own errors come out as ours."""
        try:
            with self._engine.execution_options(writes=writes).begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise explain(error, self._engine.url) from error

    def _all(self, query: Executable) -> Sequence[Row[Any]]:
        with self._transaction() as connection:
            return connection.execute(query).all()

    def _change(self, table: Table, this: ColumnElement[bool], values: dict[str, Any], *, told: str) -> None:
        with self._transaction(writes=True) as connection:
            if not connection.execute(update(table).where(this).values(**values)).rowcount:
                raise StoreError(f"'{told}' is not among the {table.name.replace('_', ' ')} of the store")
