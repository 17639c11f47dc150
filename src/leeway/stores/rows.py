"""Rows of the store: records into columns, and back."""

import hashlib
import math
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Row, Table
from sqlalchemy.sql.elements import KeyedColumnElement

from leeway.domain.records import (
    Alert,
    CheckResult,
    Decision,
    Draw,
    Label,
    LabelledDraw,
    LabelPlan,
    ModelVersion,
    PlanDesign,
    Prediction,
    ReferenceCounts,
    Release,
    Tally,
    WindowCounts,
)
from leeway.errors import StoreError
from leeway.recordfile import parse_record
from leeway.stores import tables

Values = dict[str, Any]
Columns = list[KeyedColumnElement[Any]]
Record = TypeVar("Record")
_NOT_CONTENT = ("id", "latency_ms")  # how long it took is not what was said


def columns_of(table: Table, record: type) -> Columns:
    """The table's columns that are fields of the record, in the record's order."""
    return [table.c[one.name] for one in fields(record) if one.name in table.c]


def values_of(record: Any) -> Values:
    """Field -> value, one level deep."""
    return {one.name: getattr(record, one.name) for one in fields(record)}


def model_values(version: ModelVersion) -> Values:
    return values_of(version) | {"reference": asdict(version.reference)}


def prediction_values(prediction: Prediction, received_at: datetime) -> Values:
    values = values_of(prediction)
    if prediction.confidence is not None and math.isnan(prediction.confidence):
        values["confidence"] = None
    return values | {"received_at": received_at, "digest": _digest(values)}


def _digest(values: Values) -> str:
    """sha256 of a prediction's content: every field but its id and its latency."""
    content = {name: value for name, value in values.items() if name not in _NOT_CONTENT}
    content["occurred_at"] = values["occurred_at"].astimezone(UTC).isoformat()
    return hashlib.sha256(tables.to_json(content).encode()).hexdigest()


def plan_values(plan: LabelPlan, design: PlanDesign) -> Values:
    values = values_of(plan) | {
        **values_of(design),
        "stratum_shares": dict(design.stratum_shares),
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


def prediction_from(row: Row[Any]) -> Prediction:
    return record_from(Prediction, row, PREDICTION, probabilities=tuple(row.probabilities))


def decision_values(decision: Decision) -> Values:
    return values_of(decision) | {"class_weights": dict(decision.class_weights)}


def design_from(row: Row[Any]) -> PlanDesign:
    parts = {name: tuple(part) for name, part in row.parts.items()}
    return record_from(PlanDesign, row, DESIGN, parts=parts, given=_parsed(row.given, tuple[Tally, ...], DESIGN))


def labelled_from(row: Row[Any]) -> LabelledDraw:
    draw = record_from(Draw, row, DRAW)
    return LabelledDraw(draw, row.night, row.predicted_class, row.label, row.group, row.image, row.slice)


def window_from(row: Row[Any], present: int | None) -> WindowCounts:
    """`present`: predictions of that night that are there now; those not counted at the closing came late."""
    counted = record_from(
        WindowCounts,
        row,
        WINDOW,
        classes=tuple(row.classes),
        counts=_parsed(row.counts, tuple[tuple[int, int, int], ...], WINDOW),
        histogram=tuple(row.histogram),
    )
    return counted if present is None else replace(counted, late=max(0, present - counted.total - counted.foreign))


def _parsed(stored: Any, kind: type[Record], columns: Columns) -> Record:
    """A JSON column of one of these tables as a record."""
    hint = "restore the database from a backup, or update leeway"
    return parse_record(stored, kind, where=f"table {columns[0].table.name}", error=StoreError, hint=hint)


ALERT = columns_of(tables.alerts, Alert)
DECISION = columns_of(tables.decisions, Decision)
DESIGN = columns_of(tables.label_plans, PlanDesign)
DRAW = columns_of(tables.draws, Draw)
LABEL = columns_of(tables.labels, Label)
MODEL = columns_of(tables.models, ModelVersion)
PREDICTION = columns_of(tables.predictions, Prediction)
RELEASE = columns_of(tables.releases, Release)
RESULT = columns_of(tables.check_results, CheckResult)
WINDOW = columns_of(tables.windows, WindowCounts)
