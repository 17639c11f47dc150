"""Tables of the prediction log: what models said, and truth that came with it."""

from sqlalchemy import JSON, BigInteger, Date, Double, Index, Integer, Table, text

from leeway.stores.schema import TEXT, UtcDateTime, column, metadata

# Keys of large tables are indexes with a name: a migration makes them when the rows are there. On PostgreSQL the first
# two tables are partitioned by day (`leeway.stores.partitions`): the moment stands in their keys there.

NUMBER = BigInteger().with_variant(Integer(), "sqlite")  # what SQLite's rowid has to be

GROUPED = '"group" IS NOT NULL'  # labels that came with the log, of predictions that share a group

predictions = Table(
    "predictions",
    metadata,
    column("seq", NUMBER, key=True),  # grows with every row; what is committed later has a larger one
    column("model", TEXT),
    column("id", TEXT),
    column("version", Integer),
    column("occurred_at", UtcDateTime),
    column("image", TEXT),
    column("predicted_class", TEXT),
    column("second_class", TEXT, null=True),
    column("confidence", Double, null=True),
    column("probabilities", JSON),
    column("energy", Double, null=True),
    column("latency_ms", Double, null=True),
    column("group", TEXT),
    column("slice", TEXT, null=True),
    column("review", TEXT, null=True),
    column("received_at", UtcDateTime),
    column("u", BigInteger),
    column("h", BigInteger, null=True),  # null in rows of the release before: made when it is needed
    Index("prediction", "model", "id", unique=True),
    # What a night is counted and drawn by stands in the index: neither then looks into the rows.
    Index(
        "predictions_of_night",
        *("model", "version", "occurred_at", "predicted_class", "confidence", "slice", "u"),
        postgresql_include=["seq"],
    ),
    sqlite_autoincrement=True,
)

given_labels = Table(
    "given_labels",
    metadata,
    column("model", TEXT),
    column("id", TEXT),
    column("version", Integer),
    column("occurred_at", UtcDateTime),
    column("predicted_class", TEXT),
    column("slice", TEXT, null=True),
    column("label", TEXT),
    column("draw_probability", Double, null=True),
    column("received_at", UtcDateTime),
    column("seq", BigInteger),  # in the numbering of the predictions
    column("group", TEXT, null=True),  # of the prediction; null where it is of none but its own
    Index("given_label", "model", "id", unique=True),
    Index(
        "given_labels_of_night",
        *("model", "version", "occurred_at", "predicted_class", "slice", "label", "draw_probability", "seq"),
    ),
    # Empty where no label is of a group: it is known at once that none is.
    Index(
        "given_labels_alike",
        *("model", "version", "occurred_at", "group", "predicted_class", "slice", "draw_probability", "seq"),
        sqlite_where=text(GROUPED),
        postgresql_where=text(GROUPED),
    ),
)

log_heads = Table(
    "log_heads",
    metadata,
    column("model", TEXT, key=True),
    column("seq", BigInteger),  # the largest that is committed
    column("given", BigInteger),  # labels that came with the log
    column("horizon", UtcDateTime, null=True),  # up to which its rows were forgotten: older ones are refused
)

log_parts = Table(
    "log_parts",
    metadata,
    column("seq", NUMBER, key=True),  # in the order in which parts were committed: a position
    column("file", TEXT),
    column("kind", TEXT),  # predictions; labels, of predictions that were there before; moves, of their images
    column("model", TEXT),
    column("version", Integer, null=True),  # null where rows of several versions may stand
    column("rows", BigInteger),
    column("bytes", BigInteger),
    column("sha256", TEXT),
    column("first_at", UtcDateTime, null=True),  # when its predictions occurred
    column("last_at", UtcDateTime, null=True),
    column("received_at", UtcDateTime),
    column("labelled", BigInteger),  # rows with a label that came with the log
    column("first_given_at", UtcDateTime, null=True),  # of these the first that has a draw probability
    column("segment", TEXT, null=True),  # which it was rolled from: its rows keep their own numbers
    Index("part_of_log", "file", unique=True),
    Index("log_parts_of_model", "model", "last_at"),
    sqlite_autoincrement=True,
)

log_segments = Table(  # SQLite files that take today's predictions
    "log_segments",
    metadata,
    column("file", TEXT, key=True),
    column("received_day", Date),
)

log_sources = Table(
    "log_sources",
    metadata,
    column("model", TEXT, key=True),
    column("digest", TEXT, key=True),  # of a file's bytes and of how it was read
    column("report", JSON),
    column("recorded_at", UtcDateTime),
)
