"""Rows of both stores: records into columns, and back."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Row, Table
from sqlalchemy.sql.elements import KeyedColumnElement

from leeway.domain.answers import Outcome
from leeway.domain.records import (
    Alert,
    CheckResult,
    Decision,
    Delivery,
    Draw,
    Label,
    LabelledDraw,
    LabelPlan,
    ModelVersion,
    PlanDesign,
    Prediction,
    ReferenceCounts,
    Release,
    ServingPeriod,
    Tally,
    UnansweredDraw,
    WindowCounts,
)
from leeway.domain.reopening import Reopening
from leeway.errors import StoreError
from leeway.recordfile import parse_record
from leeway.stores import ledger_tables as tables
from leeway.stores import log_tables

Values = dict[str, Any]
Columns = list[KeyedColumnElement[Any]]
Record = TypeVar("Record")
T = TypeVar("T", str, int)
AT_ONCE = 5_000  # SQLite takes 32,766 variables in one statement


def columns_of(table: Table, record: type) -> Columns:
    """The table's columns that are fields of the record, in the record's order."""
    return [table.c[one.name] for one in fields(record) if one.name in table.c]


def values_of(record: Any) -> Values:
    """Field -> value, one level deep."""
    return {one.name: getattr(record, one.name) for one in fields(record)}


def model_values(version: ModelVersion) -> Values:
    return values_of(version) | {"reference": asdict(version.reference)}


def plan_values(plan: LabelPlan, design: PlanDesign) -> Values:
    values = values_of(plan) | {
        **values_of(design),
        "stratum_shares": dict(design.stratum_shares),
        "answer_rates": dict(design.answer_rates),
        "parts": {name: list(part) for name, part in design.parts.items()},
        "given": [asdict(one) for one in design.given],
    }
    del values["asked"]  # counted when it is asked for
    return values


def window_values(window: WindowCounts, *, start: datetime, end: datetime, closed_at: datetime) -> Values:
    values = values_of(window) | {"start": start, "end": end, "closed_at": closed_at, "slices": dict(window.slices)}
    del values["late"]  # counted whenever it is asked for
    return values


def result_values(result: CheckResult, window: WindowCounts, decision: Decision, position: int) -> Values:
    place = {"model": window.model, "version": window.version, "night": window.night, "position": position}
    values = values_of(result) | {"details": dict(result.details), "state": dict(result.state)}
    return values | place | {"decision_key": decision.key}


def record_from(kind: type[Record], row: Row[Any], columns: Columns, **changed: Any) -> Record:
    """The record in these columns of a row, which may hold others beside them."""
    return kind(**{column.name: getattr(row, column.name) for column in columns} | changed)


def model_from(row: Row[Any]) -> ModelVersion:
    return record_from(ModelVersion, row, MODEL, reference=_parsed(row.reference, ReferenceCounts, MODEL))


def prediction_from(row: Sequence[Any]) -> Prediction:
    """`row` ends with the columns of PREDICTION."""
    values = list(row[-len(PREDICTION) :])
    values[PROBABILITIES] = tuple(values[PROBABILITIES])
    return Prediction(*values)


def decision_values(decision: Decision) -> Values:
    return values_of(decision) | {"class_weights": dict(decision.class_weights)}


def design_from(row: Row[Any]) -> PlanDesign:
    parts = {name: tuple(part) for name, part in row.parts.items()}
    return record_from(PlanDesign, row, DESIGN, parts=parts, given=_parsed(row.given, tuple[Tally, ...], DESIGN))


def labelled_from(row: Row[Any], answered: Outcome) -> LabelledDraw:
    draw, said = record_from(Draw, row, DRAW), (row.predicted_class, answered.label, row.group, row.image, row.slice)
    return LabelledDraw(draw, row.night, *said, seconded=answered.seconded, same_truth=answered.same_truth)


def unanswered_from(row: Row[Any]) -> UnansweredDraw:
    return UnansweredDraw(record_from(Draw, row, DRAW), row.predicted_class, row.group, row.slice)


def window_from(row: Row[Any]) -> WindowCounts:
    return record_from(
        WindowCounts,
        row,
        WINDOW,
        classes=tuple(row.classes),
        counts=_parsed(row.counts, tuple[tuple[int, int, int], ...], WINDOW),
        histogram=tuple(row.histogram),
        repeats=_parsed(row.repeats, tuple[tuple[int, int, int], ...], WINDOW),
    )


def pin_values(prediction: Prediction) -> Values:
    return {name: getattr(prediction, name) for name in PINNED} | {"prediction_id": prediction.id}


def pin_from(row: Row[Any]) -> Prediction:
    """A pinned prediction; neither its probabilities nor its latency are kept."""
    kept = {name: getattr(row, name) for name in PINNED}
    return Prediction(id=row.prediction_id, probabilities=(), latency_ms=None, **kept)


def label_values(label: Label) -> Values:
    return values_of(label) | {"label": label.label or None, "mode": "single"}


def label_from(row: Row[Any]) -> Label:
    return record_from(Label, row, LABEL, label=row.label or "")


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """As many as one query takes, sorted, each once."""
    rest = iter(sorted(set(values)))
    return iter(lambda: list(islice(rest, AT_ONCE)), [])


def _parsed(stored: Any, kind: type[Record], columns: Columns) -> Record:
    """A JSON column of one of these tables as a record."""
    hint = "restore the database from a backup, or update leeway"
    return parse_record(stored, kind, where=f"table {columns[0].table.name}", error=StoreError, hint=hint)


_NOT_PINNED = ("id", "probabilities", "latency_ms")
PINNED = [one.name for one in fields(Prediction) if one.name not in _NOT_PINNED]
ALERT = columns_of(tables.alerts, Alert)
DECISION = columns_of(tables.decisions, Decision)
DELIVERY = columns_of(tables.deliveries, Delivery)
DESIGN = columns_of(tables.label_plans, PlanDesign)
DRAW = columns_of(tables.draws, Draw)
LABEL = columns_of(tables.labels, Label)
MODEL = columns_of(tables.models, ModelVersion)
PREDICTION = columns_of(log_tables.predictions, Prediction)
PERIOD = columns_of(tables.epochs, ServingPeriod)
PROBABILITIES = [one.name for one in PREDICTION].index("probabilities")
RELEASE = columns_of(tables.releases, Release)
REOPENING = columns_of(tables.reopenings, Reopening)
RESULT = columns_of(tables.check_results, CheckResult)
WINDOW = columns_of(tables.windows, WindowCounts)
