"""Models known from files: answers without confidence, labels given with a probability; counts by bin and slice."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
UNTAKEN = "draw_probability IS NOT NULL AND plan_id IS NULL"


def upgrade() -> None:
    op.drop_index("predictions_of_window", "predictions")
    with op.batch_alter_table("predictions") as predictions:
        for name in ("confidence", "energy", "latency_ms"):
            predictions.alter_column(name, existing_type=sa.Double, nullable=True)
    counted = ["model", "version", "occurred_at", "predicted_class", "confidence", "slice"]
    op.create_index("predictions_of_night", "predictions", counted)
    op.add_column("labels", sa.Column("draw_probability", sa.Double))
    op.add_column("labels", sa.Column("plan_id", TEXT))
    op.create_index(
        "labels_given", "labels", ["plan_id"], sqlite_where=sa.text(UNTAKEN), postgresql_where=sa.text(UNTAKEN)
    )
    _filled("label_plans", parts=(sa.JSON, "{}"), uniform_share=(sa.Double, "0.2"), given=(sa.JSON, "[]"))
    op.add_column("label_plans", sa.Column("applied_by", TEXT))
    op.execute("UPDATE label_plans SET applied_by = '0001' WHERE closed_at IS NOT NULL")  # the checks know them
    _filled("windows", histogram=(sa.JSON, "[]"), without_confidence=(sa.Integer, "0"), slices=(sa.JSON, "{}"))
    _filled("decisions", class_weights=(sa.JSON, "{}"))


def _filled(table: str, **columns: tuple[Any, str]) -> None:
    """Columns that are never empty; rows which are there already get this value."""
    for name, (kind, value) in columns.items():
        op.add_column(table, sa.Column(name, kind, nullable=False, server_default=value))
