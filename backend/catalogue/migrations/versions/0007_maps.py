"""Maps of embeddings."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "map",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("encoder_ids", sa.JSON(), nullable=False),
        sa.Column("dataset_id", sa.String(), sa.ForeignKey("dataset.id"), nullable=False),
        sa.Column("job_id", sa.String(), sa.ForeignKey("job.id"), nullable=True),
        sa.Column("content", sa.String(), nullable=False, unique=True),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
    )
