"""Columns for the past: which Parquet files and which segments the prediction log is made of, and what was ingested."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "log_parts",
        sa.Column("seq", NUMBER, primary_key=True),
        sa.Column("file", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("version", sa.Integer),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("first_at", TIME),
        sa.Column("last_at", TIME),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("labelled", sa.BigInteger, nullable=False),
        sa.Column("first_given_at", TIME),
        sa.Column("segment", TEXT),
        sqlite_autoincrement=True,
    )
    op.create_index("part_of_log", "log_parts", ["file"], unique=True)
    op.create_index("log_parts_of_model", "log_parts", ["model", "last_at"])
    op.create_table(
        "log_segments",
        sa.Column("file", TEXT, primary_key=True),
        sa.Column("received_day", sa.Date, nullable=False),
    )
    op.create_table(
        "log_sources",
        sa.Column("model", TEXT, primary_key=True),
        sa.Column("digest", TEXT, primary_key=True),
        sa.Column("report", sa.JSON, nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
    )
