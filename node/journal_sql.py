"""Statements of a journal, compiled once from the tables of a room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnClause, Dialect, Table, bindparam, column, select

ROW_NUMBER = "rowid"
"""The column that keeps the order of first writing: SQLite has it by itself, other databases get it added."""


def select_sql(table: Table, where: Mapping[str, Sequence[Any]], dialect: Dialect, limit: str | None = None) -> str:
    """Compile a query; its parameters are the values of `where`, in order.

    Parameters
    ----------
    where
        Column to the values it may have.
    limit
        The placeholder of a further parameter, the number of rows: the newest come, newest first. None: all rows, in
        the order in which they were first written.
    """
    query = select(*table.columns)
    for name, values in where.items():
        query = query.where(table.columns[name].in_(list(values)))
    order: ColumnClause[int] = column(ROW_NUMBER)
    query = query.order_by(order if limit is None else order.desc())
    sql = str(query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True}))
    return sql if limit is None else f"{sql} LIMIT {limit}"


def look_up_sql(table: Table, where: Mapping[str, Any], order: str, dialect: Dialect) -> str:
    """Compile a look-up; its parameters are the values of `where`, in order, then the limit."""
    query = select(*table.columns).where(*[table.columns[name] == bindparam(None) for name in where])
    if order:
        query = query.order_by(table.columns[order])
    return f"{query.compile(dialect=dialect)} LIMIT ?"
