"""Late labels: up to which label a closed plan counts, and which plan holds what was answered after another closed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("label_plans", sa.Column("labels_upto", sa.Integer))  # null in plans that are closed: as before
    op.add_column("label_plans", sa.Column("late_of", TEXT))
