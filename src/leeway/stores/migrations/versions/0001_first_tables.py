"""The first tables: models, predictions, labels, windows, results, decisions, releases, alerts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
WORD = sa.String(20)


def upgrade() -> None:
    _what_models_said()
    _what_people_said()
    _what_was_concluded()
    _what_was_done()


def _table(name: str, columns: dict[str, Any], *more: Any, key: str, null: str = "") -> None:
    """`key` and `null` list column names, separated by blanks."""
    made = [sa.Column(column, kind, nullable=column in null.split()) for column, kind in columns.items()]
    op.create_table(name, *made, sa.PrimaryKeyConstraint(*key.split()), *more)


def _what_models_said() -> None:
    _table(
        "models",
        {
            "model": TEXT,
            "version": sa.Integer,
            "bundle_digest": TEXT,
            "dataset_digest": TEXT,
            "reference": sa.JSON,
            "serving_since": TIME,
        },
        key="model version",
        null="serving_since",
    )
    _table(
        "predictions",
        {
            "id": TEXT,
            "model": TEXT,
            "version": sa.Integer,
            "occurred_at": TIME,
            "image": TEXT,
            "predicted_class": TEXT,
            "confidence": sa.Double,
            "probabilities": sa.JSON,
            "energy": sa.Double,
            "latency_ms": sa.Double,
            "group": TEXT,
            "slice": TEXT,
            "received_at": TIME,
            "digest": TEXT,
        },
        key="id",
        null="slice",
    )
    op.create_index("predictions_of_window", "predictions", ["model", "version", "occurred_at"])


def _what_people_said() -> None:
    _table(
        "label_plans",
        {
            "id": TEXT,
            "model": TEXT,
            "version": sa.Integer,
            "night": sa.Date,
            "made_at": TIME,
            "predictions": sa.Integer,
            "mean_guess": sa.Double,
            "closed_at": TIME,
            "stratum_shares": sa.JSON,
        },
        key="id",
        null="closed_at",
    )
    op.create_index("label_plans_of_model", "label_plans", ["model", "version", "night"])
    _table(
        "draws",
        {
            "id": TEXT,
            "plan_id": TEXT,
            "prediction_id": TEXT,
            "purpose": TEXT,
            "stratum": TEXT,
            "probability": sa.Double,
            "guess": sa.Double,
            "position": sa.Integer,
        },
        sa.ForeignKeyConstraint(["plan_id"], ["label_plans.id"]),
        sa.ForeignKeyConstraint(["prediction_id"], ["predictions.id"]),
        key="id",
    )
    op.create_index("draws_of_plan", "draws", ["plan_id", "position"])
    _table(
        "labels",
        {"prediction_id": TEXT, "labeler": TEXT, "label": TEXT, "labelled_at": TIME},
        sa.ForeignKeyConstraint(["prediction_id"], ["predictions.id"]),
        key="prediction_id labeler",
    )


def _what_was_concluded() -> None:
    _table(
        "windows",
        {
            "model": TEXT,
            "version": sa.Integer,
            "night": sa.Date,
            "classes": sa.JSON,
            "counts": sa.JSON,
            "foreign": sa.Integer,
            "start": TIME,
            "end": TIME,
            "closed_at": TIME,
        },
        key="model version night",
    )
    _table(
        "decisions",
        {
            "key": TEXT,
            "model": TEXT,
            "version": sa.Integer,
            "night": sa.Date,
            "action": WORD,
            "reason": TEXT,
            "made_at": TIME,
            "policy_digest": TEXT,
            "state": WORD,
            "outcome": TEXT,
            "claimed_at": TIME,
        },
        key="key",
        null="claimed_at",
    )
    op.create_index("decisions_of_model", "decisions", ["model", "made_at"])
    _table(
        "check_results",
        {
            "decision_key": TEXT,
            "position": sa.Integer,
            "model": TEXT,
            "version": sa.Integer,
            "night": sa.Date,
            "check": TEXT,
            "status": WORD,
            "reason": TEXT,
            "statistic": sa.Double,
            "threshold": sa.Double,
            "effect": sa.Double,
            "n": sa.Integer,
            "details": sa.JSON,
            "state": sa.JSON,
        },
        sa.ForeignKeyConstraint(["decision_key"], ["decisions.key"]),
        key="decision_key position",
        null="statistic threshold effect",
    )
    op.create_index("check_results_of_model", "check_results", ["model", "version", "night"])


def _what_was_done() -> None:
    op.create_table(
        "releases",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("previous", sa.Integer),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
    _table(
        "alerts",
        {"key": TEXT, "title": TEXT, "body": TEXT, "made_at": TIME, "sent_at": TIME, "error": TEXT},
        key="key",
        null="sent_at",
    )
