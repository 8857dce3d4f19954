"""The one Alembic environment; `node.migrate` points it at a database and a room's versions."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool


def run() -> None:
    """Apply all migrations in one transaction: a process that dies on the way leaves the database as it was."""
    given = context.config.attributes.get("connection")
    if given is not None:
        migrate(given)
        return
    url = context.config.get_main_option("sqlalchemy.url")
    assert url is not None
    with transactional(create_engine(url, poolclass=NullPool)).begin() as connection:
        migrate(connection)


def migrate(connection: Connection) -> None:
    """Apply what is missing, within the transaction of a connection."""
    context.configure(connection=connection, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


def transactional(engine: Engine) -> Engine:
    """Return an engine for SQLite whose transactions hold changes of tables, too; the driver would begin none."""

    @event.listens_for(engine, "connect")
    def own_transactions(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


run()
