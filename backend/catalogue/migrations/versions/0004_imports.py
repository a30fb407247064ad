"""A job may have no data set: an import makes one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NEEDED, OPEN = "dataset_id VARCHAR NOT NULL", "dataset_id VARCHAR"


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        op.alter_column("job", "dataset_id", existing_type=sa.String(), nullable=True)
        return
    # SQLite can't take NOT NULL back, and a new table in the place of this one would need foreign keys switched off, which no
    # transaction can. What is left is what its manual describes for changes that leave the rows as they are.
    sql = connection.scalar(sa.text("SELECT sql FROM sqlite_master WHERE name = 'job'"))
    if sql.count(NEEDED) != 1:
        raise RuntimeError(f"the table of jobs is not as this lab made it: {sql}")
    version = connection.scalar(sa.text("PRAGMA schema_version"))
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    connection.execute(
        sa.text("UPDATE sqlite_master SET sql = :sql WHERE name = 'job'"), {"sql": sql.replace(NEEDED, OPEN)}
    )
    connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = OFF"))
