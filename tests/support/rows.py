"""Rows of the gateway's tables, with everything that a test is not about filled in, and a database in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_type_hints

from sqlalchemy import create_engine

from gateway.core.records import Charge, Customer, Intent
from gateway.store_books import SqlBooks
from gateway.store_tables import METADATA


def customer(number: int, account: str = "acct_1", **more: Any) -> Customer:
    details = {name: more.pop(name, None) for name in ("name", "phone")}
    metadata = json.dumps(more.pop("metadata", {}))
    blank = Customer(f"cus_{number}", account, number, None, json.dumps(details), metadata, 0)
    return blank._replace(**more)


def intent(number: int, account: str = "acct_1", **more: Any) -> Intent:
    row = _blank(Intent, id=f"pi_{number}", account=account, created=number, amount=2000, currency="usd")
    return row._replace(status="succeeded", **_texts(more))


def charge(number: int, account: str = "acct_1", **more: Any) -> Charge:
    row = _blank(Charge, id=f"ch_{number}", account=account, created=number, amount=2000, currency="usd", card="{}")
    return row._replace(**_texts(more))


def _texts(more: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value) if isinstance(value, dict) else value for name, value in more.items()}


def _blank(kind: Any, **more: Any) -> Any:
    """Return a row whose other columns are None, zero, empty, or an empty object, as their types want."""
    blanks: dict[Any, Any] = {int: 0, str: ""}
    given = {"details": "{}", "metadata": "{}", **more}
    return kind(**{name: given.get(name, blanks.get(hint)) for name, hint in get_type_hints(kind).items()})


@contextmanager
def sql_books() -> Iterator[SqlBooks]:
    """Open the rows of an empty database in memory."""
    engine = create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.connect() as connection:
        yield SqlBooks(connection)
    engine.dispose()
