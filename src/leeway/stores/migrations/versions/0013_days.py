"""A partition for each day of the prediction log, on PostgreSQL; and a horizon, up to which a model's log is forgotten.

Each partition holds some of the server's locks until all is done: the newest days get one each, what lies before them
one for all.
"""

from datetime import date, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
NEWEST = 300  # days with a partition of their own
DAY = "CAST(occurred_at AT TIME ZONE 'UTC' AS date)"
INDEXES = {
    "predictions": ("prediction", "predictions_of_night"),
    "given_labels": ("given_label", "given_labels_of_night", "given_labels_alike"),
}
KEYS = f"INSERT INTO prediction_keys (model, id, day) SELECT model, id, {DAY} FROM predictions"
DAYS = f"""
    INSERT INTO log_days (model, version, day, received_at, labelled)
    SELECT model, version, {DAY}, max(received_at), false FROM predictions GROUP BY 1, 2, 3
"""
LABELLED = f"""
    UPDATE log_days SET labelled = true FROM (SELECT DISTINCT model, version, {DAY} AS day FROM given_labels) AS given
    WHERE given.model = log_days.model AND given.version = log_days.version AND given.day = log_days.day
"""


def upgrade() -> None:
    op.add_column("log_heads", sa.Column("horizon", TIME))
    if op.get_context().dialect.name == "sqlite":
        return
    _make_tables()
    for table in INDEXES:
        _partition(table)
    for statement in (KEYS, DAYS, LABELLED):
        op.execute(statement)
    op.create_primary_key("prediction_keys_pkey", "prediction_keys", ["model", "id"])
    _make_indexes()
    op.execute("ANALYZE predictions, given_labels, prediction_keys, log_days")


def _make_tables() -> None:
    op.create_table(
        "prediction_keys",
        sa.Column("model", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
    )
    op.create_table(
        "log_days",
        sa.Column("model", TEXT, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("labelled", sa.Boolean, nullable=False),
    )


def _partition(table: str) -> None:
    """Move all rows into partitions; what numbers them goes with them."""
    numbers = op.get_bind().scalar(sa.text("SELECT pg_get_serial_sequence(:table, 'seq')"), {"table": table})
    for index in INDEXES[table]:
        op.drop_index(index, table)
    op.rename_table(table, f"old_{table}")
    op.execute(f"ALTER INDEX IF EXISTS {table}_pkey RENAME TO old_{table}_pkey")
    op.execute(f"CREATE TABLE {table} (LIKE old_{table} INCLUDING DEFAULTS) PARTITION BY RANGE (occurred_at)")
    if numbers:
        op.execute(f"ALTER SEQUENCE {numbers} OWNED BY {table}.seq")
    query = sa.text(f"SELECT DISTINCT {DAY} AS day FROM old_{table} ORDER BY day DESC LIMIT {NEWEST + 1}")
    days = list(op.get_bind().scalars(query))
    for day in days[:NEWEST]:
        _make_partition(table, f"{day:%Y%m%d}", f"'{day} 00:00+00'", day + timedelta(days=1))
    if len(days) > NEWEST:
        end: date = days[NEWEST - 1]
        _make_partition(table, f"before_{end:%Y%m%d}", "MINVALUE", end)
    op.execute(f"INSERT INTO {table} SELECT * FROM old_{table}")
    op.drop_table(f"old_{table}")


def _make_partition(table: str, name: str, start: str, end: date) -> None:
    bounds = f"FROM ({start}) TO ('{end} 00:00+00')"
    op.execute(f"CREATE TABLE {table}_{name} PARTITION OF {table} FOR VALUES {bounds}")


def _make_indexes() -> None:
    """In each partition; a key of all of them holds what they are told apart by."""
    night = ["model", "version", "occurred_at"]
    op.create_primary_key("predictions_pkey", "predictions", ["seq", "occurred_at"])
    op.create_index("prediction", "predictions", ["model", "id", "occurred_at"], unique=True)
    counted = [*night, "predicted_class", "confidence", "slice", "u"]
    op.create_index("predictions_of_night", "predictions", counted, postgresql_include=["seq"])
    op.create_index("given_label", "given_labels", ["model", "id", "occurred_at"], unique=True)
    given = ["predicted_class", "slice", "label", "draw_probability", "seq"]
    op.create_index("given_labels_of_night", "given_labels", [*night, *given])
    op.create_index(
        "given_labels_alike",
        "given_labels",
        [*night, "group", "predicted_class", "slice", "draw_probability", "seq"],
        postgresql_where=sa.text('"group" IS NOT NULL'),
    )
