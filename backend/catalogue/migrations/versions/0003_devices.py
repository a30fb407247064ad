"""Jobs pinned to a device, who ran them, which lanes a worker serves; dry runs, and what they foretold."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("job", sa.Column("pinned_to", sa.String(), nullable=True))
    op.add_column("job", sa.Column("device", sa.String(), nullable=True))
    op.add_column("job", sa.Column("predicted_peak_bytes", sa.BigInteger(), nullable=True))
    op.add_column("job", sa.Column("dry_run_s", sa.Double(), nullable=True))
    op.add_column("worker", sa.Column("device_name", sa.String(), nullable=True))
    op.add_column("worker", sa.Column("lanes", sa.String(), nullable=False, server_default="long,short"))
    op.create_table(
        "dry_run",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("config", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("dataset_id", sa.String(), nullable=False),
        sa.Column("pinned_to", sa.String(), nullable=True),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("taken_at", sa.Double(), nullable=True),
        sa.Column("found", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"]),
        sa.PrimaryKeyConstraint("key"),
    )
