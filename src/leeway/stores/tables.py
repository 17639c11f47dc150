"""Tables of the store. A change here needs a revision under migrations/versions, and SCHEMA_REVISION moved to it."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Date,
    DateTime,
    Double,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    text,
)
from sqlalchemy.types import TypeDecorator

from leeway.domain.records import Action, DecisionState, Status
from leeway.errors import StoreError

SCHEMA_REVISION = "0002"  # known without importing Alembic, so that opening a current database is quick
UNTAKEN = "draw_probability IS NOT NULL AND plan_id IS NULL"  # labels that measure and that no check has seen
VERSION_TABLE = "leeway_schema"  # a name of our own: MLflow and Prefect keep theirs in `alembic_version`

# Sorted by code point on both databases; PostgreSQL would otherwise sort ids and names by its locale.
TEXT = String().with_variant(String(collation="C"), "postgresql")


def to_json(value: Any) -> str:
    """Raises StoreError for what JSON does not have: NaN, infinity, arrays, other objects."""
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{value!r} cannot be stored as JSON: {error}") from error


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes, kept as UTC and given back aware. A naive one raises StoreError: nobody knows its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Any) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise StoreError(f"time {value.isoformat()} has no time zone; give an aware datetime (UTC)")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Any) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value and value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


def _words(kind: type[StrEnum]) -> Enum:
    """An enumeration as its words, in a text column that may learn new ones without a migration."""
    return Enum(kind, native_enum=False, length=20, values_callable=lambda members: [str(one) for one in members])


def _column(name: str, kind: Any, *more: Any, null: bool = False, key: bool = False) -> Column[Any]:
    """Columns hold a value unless they say otherwise."""
    return Column(name, kind, *more, nullable=null, primary_key=key)


metadata = MetaData()

models = Table(
    "models",
    metadata,
    _column("model", TEXT, key=True),
    _column("version", Integer, key=True),
    _column("bundle_digest", TEXT),
    _column("dataset_digest", TEXT),
    _column("reference", JSON),
    _column("serving_since", UtcDateTime, null=True),
)

predictions = Table(
    "predictions",
    metadata,
    _column("id", TEXT, key=True),
    _column("model", TEXT),
    _column("version", Integer),
    _column("occurred_at", UtcDateTime),
    _column("image", TEXT),
    _column("predicted_class", TEXT),
    _column("confidence", Double, null=True),
    _column("probabilities", JSON),
    _column("energy", Double, null=True),
    _column("latency_ms", Double, null=True),
    _column("group", TEXT),
    _column("slice", TEXT, null=True),
    _column("received_at", UtcDateTime),
    _column("digest", TEXT),  # of the content: decides whether a known id is the same prediction
    # What a night is counted by stands in the index: counting then never looks into the rows.
    Index("predictions_of_night", "model", "version", "occurred_at", "predicted_class", "confidence", "slice"),
)

label_plans = Table(
    "label_plans",
    metadata,
    _column("id", TEXT, key=True),
    _column("model", TEXT),
    _column("version", Integer),
    _column("night", Date),
    _column("made_at", UtcDateTime),
    _column("predictions", Integer),
    _column("mean_guess", Double),
    _column("closed_at", UtcDateTime, null=True),
    _column("stratum_shares", JSON),
    _column("parts", JSON),
    _column("uniform_share", Double),
    _column("given", JSON),
    _column("applied_by", TEXT, null=True),
    Index("label_plans_of_model", "model", "version", "night"),
)

draws = Table(
    "draws",
    metadata,
    _column("id", TEXT, key=True),
    _column("plan_id", TEXT, ForeignKey("label_plans.id")),
    _column("prediction_id", TEXT, ForeignKey("predictions.id")),
    _column("purpose", TEXT),
    _column("stratum", TEXT),
    _column("probability", Double),
    _column("guess", Double),
    _column("position", Integer),  # order within the plan
    Index("draws_of_plan", "plan_id", "position"),
)

labels = Table(
    "labels",
    metadata,
    _column("prediction_id", TEXT, ForeignKey("predictions.id"), key=True),
    _column("labeler", TEXT, key=True),
    _column("label", TEXT),
    _column("labelled_at", UtcDateTime),
    _column("draw_probability", Double, null=True),
    _column("plan_id", TEXT, null=True),  # the plan that took a label given with its draw probability
    Index("labels_given", "plan_id", sqlite_where=text(UNTAKEN), postgresql_where=text(UNTAKEN)),
)

windows = Table(
    "windows",
    metadata,
    _column("model", TEXT, key=True),
    _column("version", Integer, key=True),
    _column("night", Date, key=True),
    _column("classes", JSON),
    _column("counts", JSON),
    _column("foreign", Integer),
    _column("histogram", JSON),
    _column("without_confidence", Integer),
    _column("slices", JSON),
    _column("start", UtcDateTime),
    _column("end", UtcDateTime),
    _column("closed_at", UtcDateTime),
)

decisions = Table(
    "decisions",
    metadata,
    _column("key", TEXT, key=True),
    _column("model", TEXT),
    _column("version", Integer),
    _column("night", Date),
    _column("action", _words(Action)),
    _column("reason", TEXT),
    _column("made_at", UtcDateTime),
    _column("policy_digest", TEXT),
    _column("state", _words(DecisionState)),
    _column("outcome", TEXT),
    _column("claimed_at", UtcDateTime, null=True),
    _column("class_weights", JSON),
    Index("decisions_of_model", "model", "made_at"),
)

check_results = Table(
    "check_results",
    metadata,
    _column("decision_key", TEXT, ForeignKey("decisions.key"), key=True),
    _column("position", Integer, key=True),  # order in which the policy lists its checks
    _column("model", TEXT),
    _column("version", Integer),
    _column("night", Date),
    _column("check", TEXT),
    _column("status", _words(Status)),
    _column("reason", TEXT),
    _column("statistic", Double, null=True),
    _column("threshold", Double, null=True),
    _column("effect", Double, null=True),
    _column("n", Integer),
    _column("details", JSON),
    _column("state", JSON),
    Index("check_results_of_model", "model", "version", "night"),
)

releases = Table(
    "releases",
    metadata,
    _column("id", Integer, key=True),
    _column("model", TEXT),
    _column("version", Integer),
    _column("previous", Integer, null=True),
    _column("outcome", TEXT),
    _column("reason", TEXT),
    _column("at", UtcDateTime),
)

alerts = Table(
    "alerts",
    metadata,
    _column("key", TEXT, key=True),
    _column("title", TEXT),
    _column("body", TEXT),
    _column("made_at", UtcDateTime),
    _column("sent_at", UtcDateTime, null=True),
    _column("error", TEXT),
)
