"""The history of the tables, run in-process by ``backend.catalogue.upgrade``; no alembic.ini is needed."""

HEAD = "0009"
