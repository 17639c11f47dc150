"""Which answers of a label plan go to a second person; of plans made before, whoever labelled first counts as ever."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("label_plans", sa.Column("second_opinion", TEXT, nullable=False, server_default=""))
