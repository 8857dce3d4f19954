"""The one Alembic environment; `node.migrate` points it at a database and a room's versions."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool


def run() -> None:
    """Apply the migrations in one transaction each, or all of them in the transaction of a connection."""
    given = context.config.attributes.get("connection")
    if given is not None:
        context.configure(connection=given)
        with context.begin_transaction():
            context.run_migrations()
        return
    url = context.config.get_main_option("sqlalchemy.url")
    assert url is not None
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


run()
