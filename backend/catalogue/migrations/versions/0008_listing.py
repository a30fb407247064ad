"""The long part of a result behind the short ones: SQLite reads through all of a row that stands before what it is asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

SHORT = (
    "id", "job_id", "encoder_id", "dataset_id", "strategy", "created_at", "summary", "predictions", "name", "tags", "pinned",
)  # fmt: skip


def upgrade() -> None:
    # PostgreSQL keeps what is long beside the row.
    if op.get_bind().dialect.name == "sqlite":
        _move_content()


def _move_content() -> None:
    """SQLite moves no column: a new table takes the place of the old one. No other names it."""
    op.create_table(
        "result_new",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("encoder_id", sa.String(), nullable=False),
        sa.Column("dataset_id", sa.String(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("summary", sa.JSON(none_as_null=True), nullable=False, server_default="{}"),
        sa.Column("predictions", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False, server_default=""),
        sa.Column("tags", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("content", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"]),
        sa.ForeignKeyConstraint(["encoder_id"], ["encoder.id"]),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job_id"),
    )
    columns = ", ".join((*SHORT, "content"))
    op.execute(f"INSERT INTO result_new ({columns}) SELECT {columns} FROM result")  # noqa: S608  (both are ours)
    op.drop_table("result")
    op.rename_table("result_new", "result")
