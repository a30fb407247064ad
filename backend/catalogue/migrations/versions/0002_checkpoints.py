"""Checkpoints to go on from; who submitted a job, how urgent it is, what it goes on from, what it was thought to take."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

SHORT = "UPDATE job SET lane = 'short' WHERE kind = 'embed'"


def upgrade() -> None:
    op.create_table(
        "checkpoint",
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("passes", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("knn_accuracy", sa.Double(), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"]),
        sa.PrimaryKeyConstraint("job_id", "step"),
    )
    op.add_column("job", sa.Column("lane", sa.String(), nullable=False, server_default="long"))
    op.add_column("job", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("job", sa.Column("submitter", sa.String(), nullable=False, server_default=""))
    op.add_column("job", sa.Column("predicted_s", sa.Double(), nullable=True))
    op.add_column("job", sa.Column("spent_s", sa.Double(), nullable=False, server_default="0"))
    op.add_column("job", sa.Column("peak_bytes", sa.BigInteger(), nullable=True))
    # SQLite takes a foreign key with a new column, but not afterwards.
    op.execute("ALTER TABLE job ADD COLUMN continues VARCHAR REFERENCES job (id)")
    op.execute(SHORT)
