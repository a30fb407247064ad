"""Banks may hold projections beside the features."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("bank", sa.Column("projection_dim", sa.Integer(), nullable=True))
