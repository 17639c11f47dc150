"""Groups of labels that came with the log: how alike the labels of a night are, known without a look at each."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
GROUPED = sa.text('"group" IS NOT NULL')
OF_PREDICTIONS = """
    UPDATE given_labels SET "group" = p."group" FROM predictions AS p
    WHERE p.model = given_labels.model AND p.id = given_labels.id AND p."group" <> p.id
"""


def upgrade() -> None:
    op.add_column("given_labels", sa.Column("group", TEXT))
    op.execute(OF_PREDICTIONS)
    op.create_index(
        "given_labels_alike",
        "given_labels",
        ["model", "version", "occurred_at", "group", "predicted_class", "slice", "draw_probability", "seq"],
        sqlite_where=GROUPED,
        postgresql_where=GROUPED,
    )
