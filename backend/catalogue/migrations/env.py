"""Alembic's entry: runs the steps on the connection that ``backend.catalogue.upgrade`` hands over."""

from alembic import context

from backend.catalogue.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
