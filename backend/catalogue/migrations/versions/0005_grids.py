"""Grids of transfers; of results a summary, predictions, and what people call them; encoders of checkpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

# SQLite takes a foreign key with a new column, but not afterwards.
WITH_KEYS = (
    "ALTER TABLE job ADD COLUMN grid_id VARCHAR REFERENCES grid (id)",
    "ALTER TABLE encoder ADD COLUMN run_id VARCHAR REFERENCES job (id)",
)
# Of a result what lists tell, and what scores did not have until now.
SUMMARY = ("strategy", "scores", "chance", "chosen", "seconds", "labels_used", "images_seen")
NEW_OF_SCORES = (
    "balanced_accuracy", "macro_f1", "auc", "auc_low", "auc_high", "average_precision", "log_loss", "ece",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "grid",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("submitter", sa.String(), nullable=False),
        sa.Column("dataset_id", sa.String(), nullable=False),
        sa.Column("asked", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("desired", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("idempotency_key"),
    )
    op.create_table(
        "grid_cell",
        sa.Column("grid_id", sa.String(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("cell", sa.String(), nullable=False),
        sa.Column("encoder_id", sa.String(), nullable=False),
        sa.Column("config", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["grid_id"], ["grid.id"]),
        sa.ForeignKeyConstraint(["encoder_id"], ["encoder.id"]),
        sa.PrimaryKeyConstraint("grid_id", "place"),
    )
    op.create_index("grid_cell_by_cell", "grid_cell", ["cell"])
    for statement in WITH_KEYS:
        op.execute(statement)
    op.add_column("job", sa.Column("cell", sa.String(), nullable=True))
    op.add_column("encoder", sa.Column("step", sa.Integer(), nullable=True))
    op.create_index("job_by_cell", "job", ["cell"])
    op.create_index("job_by_turn", "job", ["submitter", "lane", "grid_id", "state", "started_at"])
    op.add_column("result", sa.Column("summary", sa.JSON(none_as_null=True), nullable=False, server_default="{}"))
    op.add_column("result", sa.Column("predictions", sa.String(), nullable=True))
    op.add_column("result", sa.Column("name", sa.String(), nullable=False, server_default=""))
    op.add_column("result", sa.Column("tags", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("result", sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.false()))
    _summarise()


def _summarise() -> None:
    """Until now results were short enough to be listed whole."""
    result = sa.table(
        "result", sa.column("id", sa.String()), sa.column("content", sa.JSON()), sa.column("summary", sa.JSON())
    )
    connection = op.get_bind()
    for result_id, content in connection.execute(sa.select(result.c.id, result.c.content)).all():
        scores = [dict.fromkeys(NEW_OF_SCORES) | score for score in content.get("scores", [])]
        summary = {name: content.get(name) for name in SUMMARY} | {"scores": scores}
        connection.execute(sa.update(result).where(result.c.id == result_id).values(summary=summary))
