"""How people had answered before, by which the draws of a plan are weighed."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("label_plans", sa.Column("answer_rates", sa.JSON, nullable=False, server_default="{}"))
    op.add_column("label_plans", sa.Column("seconded", sa.Double, nullable=False, server_default="0"))
