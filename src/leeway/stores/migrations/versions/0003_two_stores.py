"""Two stores: a prediction log keyed by (model, id), numbered and drawn by `u`; a ledger that points nowhere into it.

The largest tables are filled before they get their indexes: rows then go to the end of the file, and each index is
sorted once.
"""

import secrets
import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import op

from leeway.domain.identity import permanent_number

revision = "0003"
down_revision = "0002"

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = sa.text("ended_at IS NULL")
BEGAN = ("promoted", "rolled back")  # outcomes of a release with which a version begins to serve
CACHE = "-262144"  # KiB of SQLite's memory while this runs

OLD = ("draws", "labels", "predictions")  # tables that are rebuilt, in an order in which they can be dropped
OLD_INDEXES = {"draws": "draws_of_plan", "labels": "labels_given", "predictions": "predictions_of_night"}
KEPT = """model, id, version, occurred_at, image, predicted_class, confidence, probabilities, energy, latency_ms,
    "group", slice, received_at"""
# In the order of arrival. What SQLite keeps as NULL where a confidence is not a number, PostgreSQL kept as NaN.
SQLITE_PREDICTIONS = f"""
    INSERT INTO predictions (seq, {KEPT}, u)
    SELECT rowid, {KEPT}, permanent_number(id) FROM old_predictions ORDER BY rowid
"""
POSTGRES_PREDICTIONS = f"""
    INSERT INTO predictions (seq, {KEPT}, u)
    SELECT row_number() OVER (ORDER BY received_at, id), {KEPT.replace("confidence", "nullif(confidence, 'NaN')")},
        CAST(CAST('x' || substr(md5(convert_to(:secret || id, 'UTF8')), 1, 15) AS bit(60)) AS bigint)
    FROM old_predictions
"""
# {source}: where a prediction is found by its id, {seq} its number there; {join}: in the order in which they stand.
GIVEN = """
    INSERT INTO given_labels
        (model, id, version, occurred_at, predicted_class, slice, label, draw_probability, received_at, seq)
    SELECT p.model, p.id, p.version, p.occurred_at, p.predicted_class, p.slice, l.label, l.draw_probability,
        l.labelled_at, {seq}
    FROM old_labels AS l {join} {source} AS p ON p.id = l.prediction_id
    WHERE l.labeler = 'file'
"""
HEADS = """
    INSERT INTO log_heads (model, seq, given)
    SELECT heads.model, heads.seq, coalesce(given.number, 0)
    FROM (SELECT model, max(seq) AS seq FROM predictions GROUP BY model) AS heads
    LEFT JOIN (SELECT model, count(*) AS number FROM given_labels GROUP BY model) AS given ON given.model = heads.model
"""
PINS = """
    INSERT INTO pins
        (model, prediction_id, version, occurred_at, image, predicted_class, confidence, energy, "group", slice)
    SELECT p.model, p.id, p.version, p.occurred_at, p.image, p.predicted_class, p.confidence, p.energy, p."group",
        p.slice
    FROM (
        SELECT prediction_id FROM old_draws UNION SELECT prediction_id FROM old_labels WHERE labeler <> 'file'
    ) AS pinned {join} {source} AS p ON p.id = pinned.prediction_id
"""
# A file's label of what was drawn answers the draw, hence stands among those of people too.
LABELS = """
    INSERT INTO labels (model, prediction_id, labeler, label, answer, kind, mode, labelled_at)
    SELECT p.model, l.prediction_id, l.labeler, l.label, 'label',
        CASE WHEN l.prediction_id IN (SELECT prediction_id FROM old_draws) THEN 'drawn' ELSE 'volunteered' END,
        'single', l.labelled_at
    FROM pins AS p {join} old_labels AS l ON l.prediction_id = p.prediction_id
    WHERE l.labeler <> 'file' OR l.prediction_id IN (SELECT prediction_id FROM old_draws)
    ORDER BY l.labelled_at, l.labeler, l.prediction_id
"""
DRAWS = """
    INSERT INTO draws (id, plan_id, model, prediction_id, purpose, stratum, probability, guess, position)
    SELECT d.id, d.plan_id, p.model, d.prediction_id, d.purpose, d.stratum, d.probability, d.guess, d.position
    FROM old_draws AS d {join} {source} AS p ON p.id = d.prediction_id
"""


def upgrade() -> None:
    config = op.get_context().config
    secret = (config.attributes.get("secret") if config else None) or secrets.token_hex(16)
    _make_ledger(secret)
    _make_epochs()
    with op.batch_alter_table("models") as models:
        models.drop_column("serving_since")
    for table in ("label_plans", "windows"):
        op.add_column(table, sa.Column("position", TEXT))
    _set_aside()
    _make_log()
    _make_pins()
    if _is_sqlite():
        _fill_sqlite(secret)
    else:
        _fill_postgres(secret)
    for table in OLD:
        op.drop_table(f"old_{table}")
    _make_indexes()
    op.execute(HEADS)
    if not _is_sqlite():  # the next night is counted before its own process has looked at them
        op.execute("ANALYZE predictions, given_labels")


def _is_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"


def _table(name: str, columns: dict[str, Any], *more: Any, key: str = "", null: str = "", **options: Any) -> None:
    """`key` and `null` list column names, separated by blanks."""
    made = [
        sa.Column(column, kind, primary_key=column in key.split(), nullable=column in null.split())
        for column, kind in columns.items()
    ]
    op.create_table(name, *made, *more, **options)


# The ledger's own


def _make_ledger(secret: str) -> None:
    _table(
        "ledger",
        {"id": TEXT, "secret": TEXT, "made_at": TIME, "reconciled_at": TIME},
        key="id",
        null="reconciled_at",
    )
    trained = sa.text("SELECT count(*) FROM models WHERE bundle_digest NOT LIKE 'watched:%'")
    now = datetime.now(UTC)
    reconciled_at = None if op.get_bind().scalar(trained) else now
    made = {"id": uuid.uuid4().hex, "secret": secret, "made_at": now, "reconciled_at": reconciled_at}
    op.bulk_insert(_named("ledger", id=TEXT, secret=TEXT, made_at=TIME, reconciled_at=TIME), [made])
    _table(
        "night_claims",
        {"model": TEXT, "version": sa.Integer, "night": sa.Date, "holder": TEXT, "until": TIME, "token": sa.Integer},
        key="model version night",
    )


def _named(name: str, **columns: Any) -> Any:
    return sa.table(name, *(sa.column(column, kind) for column, kind in columns.items()))


def _make_epochs() -> None:
    """A model's epoch ends where its next one begins; the last one is open."""
    columns = {"model": TEXT, "version": sa.Integer, "began_at": TIME, "ended_at": TIME, "why": TEXT}
    _table("epochs", {"id": sa.Integer, **columns}, key="id", null="ended_at")
    op.create_index("epoch_that_serves", "epochs", ["model"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN)
    made, next_at = list[dict[str, Any]](), dict[str, datetime]()
    for (model, at, version), why in sorted(_begun().items(), reverse=True):
        ended_at = next_at.get(model)
        made.append({"model": model, "version": version, "began_at": at, "ended_at": ended_at, "why": why})
        next_at[model] = at
    if made:
        op.bulk_insert(_named("epochs", **columns), made[::-1])


def _begun() -> dict[tuple[str, datetime, int], str]:
    """(model, when, version) of each time that a version began to serve -> why."""
    known = _named("models", model=TEXT, version=sa.Integer, bundle_digest=TEXT, serving_since=TIME)
    released = _named("releases", id=sa.Integer, model=TEXT, version=sa.Integer, outcome=TEXT, reason=TEXT, at=TIME)
    connection = op.get_bind()
    trained = connection.execute(sa.select(known).where(~known.c.bundle_digest.startswith("watched:"))).all()
    ours = {(row.model, row.version) for row in trained}
    begun = {
        (row.model, row.serving_since, row.version): "before Leeway kept the reason"
        for row in trained
        if row.serving_since is not None
    }
    releases = connection.execute(sa.select(released).where(released.c.outcome.in_(BEGAN)).order_by(released.c.id))
    return begun | {
        (row.model, row.at, row.version): f"{row.outcome}: {row.reason}"
        for row in releases
        if (row.model, row.version) in ours
    }


# Tables that are rebuilt


def _set_aside() -> None:
    """Rename the old tables, so that the new ones and their indexes can have their names."""
    for table in OLD:
        op.drop_index(OLD_INDEXES[table], table)
        op.rename_table(table, f"old_{table}")
        if not _is_sqlite():
            op.execute(f"ALTER INDEX IF EXISTS {table}_pkey RENAME TO old_{table}_pkey")


def _make_log() -> None:
    said = {"version": sa.Integer, "occurred_at": TIME}
    _table(
        "predictions",
        {
            "seq": NUMBER,
            "model": TEXT,
            "id": TEXT,
            **said,
            "image": TEXT,
            "predicted_class": TEXT,
            "second_class": TEXT,
            "confidence": sa.Double,
            "probabilities": sa.JSON,
            "energy": sa.Double,
            "latency_ms": sa.Double,
            "group": TEXT,
            "slice": TEXT,
            "review": TEXT,
            "received_at": TIME,
            "u": sa.BigInteger,
            "h": sa.BigInteger,
        },
        key="seq",
        null="second_class confidence energy latency_ms slice review h",
        sqlite_autoincrement=True,
    )
    _table(
        "given_labels",
        {
            "model": TEXT,
            "id": TEXT,
            **said,
            "predicted_class": TEXT,
            "slice": TEXT,
            "label": TEXT,
            "draw_probability": sa.Double,
            "received_at": TIME,
            "seq": sa.BigInteger,
        },
        null="slice draw_probability",
    )
    _table("log_heads", {"model": TEXT, "seq": sa.BigInteger, "given": sa.BigInteger}, key="model")


def _make_pins() -> None:
    _table(
        "pins",
        {
            "model": TEXT,
            "prediction_id": TEXT,
            "version": sa.Integer,
            "occurred_at": TIME,
            "image": TEXT,
            "predicted_class": TEXT,
            "second_class": TEXT,
            "confidence": sa.Double,
            "energy": sa.Double,
            "group": TEXT,
            "slice": TEXT,
            "review": TEXT,
        },
        key="model prediction_id",
        null="second_class confidence energy slice review",
    )
    drawn = {"id": TEXT, "plan_id": TEXT, "model": TEXT, "prediction_id": TEXT, "purpose": TEXT, "stratum": TEXT}
    _table(
        "draws",
        {**drawn, "probability": sa.Double, "guess": sa.Double, "position": sa.Integer},
        sa.ForeignKeyConstraint(["plan_id"], ["label_plans.id"]),
        sa.ForeignKeyConstraint(["model", "prediction_id"], ["pins.model", "pins.prediction_id"]),
        key="id",
    )
    words = dict.fromkeys(("model", "prediction_id", "labeler", "label", "answer", "kind", "mode"), TEXT)
    _table("labels", {"id": sa.Integer, **words, "labelled_at": TIME}, key="id", null="label")


def _fill_sqlite(secret: str) -> None:
    connection = op.get_bind()
    driver: Any = connection.connection.driver_connection
    [before] = driver.execute("PRAGMA cache_size").fetchone()
    driver.create_function("permanent_number", 1, partial(permanent_number, secret=secret), deterministic=True)
    driver.execute(f"PRAGMA cache_size = {CACHE}")
    op.execute(SQLITE_PREDICTIONS)
    for statement in (GIVEN, PINS, LABELS, DRAWS):
        op.execute(statement.format(source="old_predictions", seq="p.rowid", join="CROSS JOIN"))
    driver.execute(f"PRAGMA cache_size = {before}")


def _fill_postgres(secret: str) -> None:
    op.get_bind().execute(sa.text(POSTGRES_PREDICTIONS), {"secret": secret})
    op.execute("SELECT setval(pg_get_serial_sequence('predictions', 'seq'), max(seq)) FROM predictions")
    for statement in (GIVEN, PINS, LABELS, DRAWS):
        op.execute(statement.format(source="predictions", seq="p.seq", join="JOIN"))


def _make_indexes() -> None:
    night = ["model", "version", "occurred_at", "predicted_class"]
    op.create_index("prediction", "predictions", ["model", "id"], unique=True)
    counted = [*night, "confidence", "slice", "u"]
    op.create_index("predictions_of_night", "predictions", counted, postgresql_include=["seq"])
    given = [*night, "slice", "label", "draw_probability", "seq"]
    op.create_index("given_label", "given_labels", ["model", "id"], unique=True)
    op.create_index("given_labels_of_night", "given_labels", given)
    op.create_index("draws_of_plan", "draws", ["plan_id", "position"])
    op.create_index("draws_of_prediction", "draws", ["model", "prediction_id"])
    op.create_index("labels_of_prediction", "labels", ["model", "prediction_id"])
