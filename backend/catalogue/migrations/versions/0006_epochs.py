"""Encoders of single epochs of a pretraining."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("encoder", sa.Column("epoch", sa.Integer(), nullable=True))
    op.add_column("encoder", sa.Column("listed", sa.Boolean(), nullable=False, server_default=sa.true()))
    _date_finished()


def _date_finished() -> None:
    """Until now only those of checkpoints said after how much training."""
    encoder = sa.table("encoder", *(sa.column(name) for name in ("id", "job_id", "step", "epoch")))
    job = sa.table("job", sa.column("id"), sa.column("result", sa.JSON()))
    connection = op.get_bind()
    ends = sa.select(encoder.c.id, job.c.result).where(encoder.c.job_id == job.c.id, job.c.result.is_not(None))
    for encoder_id, result in connection.execute(ends).all():
        said = {"step": result.get("steps"), "epoch": result.get("epochs")}
        connection.execute(sa.update(encoder).where(encoder.c.id == encoder_id).values(said))
