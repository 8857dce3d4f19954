"""Lists and searches as SQL: every page is found along an index, however many rows there are.

A list goes by the order of insertion, or by time if it is bounded by time; both are columns of an index behind the
account. A search looks at a bounded stretch of an account's rows at a time and says where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    case,
    exists,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
)
from sqlalchemy import tuple_ as pair

from gateway.core.books import SCAN_MAX, Found, R, Span
from gateway.core.search import Column, Condition, Constant, GivenBack, Inside, Meta, Query, Source, Type
from gateway.store_tables import TABLES

_NARROW = frozenset({"charge", "customer", "email", "intent", "method", "source"})
"""Filters that leave few rows of an account: sorting those beats walking along everybody's time."""


def page(connection: Connection, kind: type[R], where: Mapping[str, Any], span: Span) -> list[R]:
    """Return at most `span.limit` rows, newest first; see `Books.page`."""
    table = TABLES[kind]
    statement = _page(connection, table, span, is_narrow=not _NARROW.isdisjoint(where))
    if statement is None:
        return []
    # One question per alternative, each along an index: a page of rare rows must not walk through all the others.
    questions = [statement.where(*_equal(table, one)) for one in _alternatives(where)]
    found = [row for question in questions for row in connection.execute(question)]
    is_timed, columns = _is_timed(span), list(table.columns.keys())
    place = itemgetter(columns.index("created"), 0) if is_timed else itemgetter(0)
    found.sort(key=place, reverse=not span.before)
    rows = [_record(kind, row[1:]) for row in found[: span.limit]]
    return rows[::-1] if span.before else rows


def search(
    connection: Connection, kind: type[R], where: Mapping[str, Any], query: Query, below: int | None, limit: int
) -> Found[R]:
    """Return rows that a query asks for, newest first; see `Books.search`."""
    table = TABLES[kind]
    seq = table.columns["seq"]
    stretch = [*_equal(table, where), *([] if below is None else [seq < below])]
    last = select(seq).where(*stretch).order_by(seq.desc()).limit(1).offset(SCAN_MAX - 1)
    floor = connection.execute(last).scalar()
    verdicts = [_condition(table, condition) for condition in query.conditions]
    statement = select(*table.columns).where(*stretch, or_(*verdicts) if query.is_any else and_(*verdicts))
    if floor is not None:
        statement = statement.where(seq >= floor)
    rows = connection.execute(statement.order_by(seq.desc()).limit(limit)).all()
    stopped = rows[-1][0] if len(rows) == limit else floor
    return Found([(row[0], _record(kind, row[1:])) for row in rows], stopped)


def _page(connection: Connection, table: Table, span: Span, *, is_narrow: bool) -> Select[Any] | None:
    """Return the question for a page, still without its filters; None if its cursor names no row."""
    seq = table.columns["seq"]
    # A sum is in no index: it leaves the planner the filter's one.
    created = table.columns["created"] + literal_column("0") if is_narrow else table.columns["created"]
    order: list[ColumnElement[Any]] = [created, seq] if _is_timed(span) else [seq]
    statement = select(*table.columns).limit(span.limit)
    if span.created_from is not None:
        statement = statement.where(created >= span.created_from)
    if span.created_to is not None:
        statement = statement.where(created <= span.created_to)
    cursor = span.after or span.before
    if cursor is not None:
        place = connection.execute(select(*order).where(table.columns["id"] == cursor)).one_or_none()
        if place is None:
            return None
        here, there = pair(*order), pair(*(literal(value) for value in place))
        statement = statement.where(here < there if span.after else here > there)
    return statement.order_by(*(order if span.before else (column.desc() for column in order)))


def _is_timed(span: Span) -> bool:
    return span.created_from is not None or span.created_to is not None


def _condition(table: Table, condition: Condition) -> ColumnElement[bool]:
    verdict = _verdict(table, condition)
    return not_(verdict) if condition.is_negated else verdict


def _verdict(table: Table, condition: Condition) -> ColumnElement[bool]:
    """Return a condition that is never NULL: a row without the value does not fit, and so it fits the opposite."""
    wanted = condition.value
    if isinstance(condition.source, Meta):
        entry = func.json_each(table.columns["metadata"]).table_valued("key", "value", name="entry")
        has_key = entry.columns["key"] == condition.source.key
        if wanted is None:
            return ~exists(select(1).select_from(entry).where(has_key))
        return exists(select(1).select_from(entry).where(has_key, func.lower(entry.columns["value"]) == wanted))
    value = _value(table, condition.source)
    if wanted is None:
        return value.is_(None)
    if condition.type is Type.STRING or condition.type is Type.TOKEN:
        value = func.lower(value)
    if condition.operator == "~":
        fits: ColumnElement[bool] = func.instr(value, wanted) > 0
    else:
        fits = value.op({":": "="}.get(condition.operator, condition.operator), is_comparison=True)(wanted)
    return and_(value.is_not(None), fits)


def _value(table: Table, source: Source) -> ColumnElement[Any]:
    if isinstance(source, Column):
        return table.columns[source.name]
    if isinstance(source, Inside):
        # The path comes from a table of ours; no caller's text is ever part of it.
        return func.json_extract(table.columns[source.column], "$." + ".".join(source.path))
    if isinstance(source, GivenBack):
        is_whole = table.columns["amount_refunded"] + table.columns["amount_released"] >= table.columns["amount"]
        return case((and_(table.columns["status"] == "succeeded", is_whole), "true"), else_="false")
    assert isinstance(source, Constant)
    return literal(source.value)


def _record(kind: type[R], row: Any) -> R:
    return cast("R", kind._make(row))


def _alternatives(where: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    for name, value in where.items():
        if isinstance(value, tuple):
            return [{**where, name: one} for one in value]
    return [where]


def _equal(table: Table, where: Mapping[str, Any]) -> list[Any]:
    return [table.columns[name] == value for name, value in where.items()]
