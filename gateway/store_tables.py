"""The tables: each record becomes one by its annotations. The Alembic migrations say the same; a test compares them."""

from __future__ import annotations

from typing import Any, get_type_hints

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text, UniqueConstraint

from gateway.core.books import KEYS
from gateway.core.records import (
    Charge,
    Claim,
    Customer,
    Intent,
    Method,
    Obligation,
    Record,
    SendRecord,
    Terminal,
)
from gateway.core.records_account import AccountRow, ApiKey, Event
from gateway.core.records_money import BalanceTransaction, Refund
from gateway.core.records_setup import SetupAttempt, SetupIntent, Token

METADATA = MetaData()

_NAMES: dict[type[Record], str] = {
    Customer: "customers",
    Method: "payment_methods",
    Intent: "payment_intents",
    Charge: "charges",
    SendRecord: "sends",
    Obligation: "obligations",
    Claim: "claims",
    Terminal: "terminals",
    Event: "events",
    AccountRow: "accounts",
    ApiKey: "api_keys",
    Refund: "refunds",
    BalanceTransaction: "balance_transactions",
    Token: "tokens",
    SetupIntent: "setup_intents",
    SetupAttempt: "setup_attempts",
}


def _table(kind: type[Record], name: str) -> Table:
    """Declare the table of a record: its fields, after a number that keeps the order of insertion."""
    columns = []
    for field, hint in get_type_hints(kind).items():
        is_text = str in (hint, *getattr(hint, "__args__", ()))
        is_nullable = type(None) in getattr(hint, "__args__", ())
        columns.append(Column(field, Text() if is_text else BigInteger(), nullable=is_nullable))
    number = Column("seq", Integer, primary_key=True, autoincrement=True)
    return Table(name, METADATA, number, *columns, UniqueConstraint(*KEYS[kind.__name__], name=f"{name}_key"))


TABLES: dict[Any, Table] = {kind: _table(kind, name) for kind, name in _NAMES.items()}

for _kind, _columns in (
    (Customer, ("account", "seq")),
    (Method, ("account", "seq")),
    (Intent, ("account", "seq")),
    (Charge, ("account", "seq")),
    (Charge, ("intent",)),
    (Charge, ("expires_at",)),
    (SendRecord, ("result",)),
    (SendRecord, ("charge",)),
    (SendRecord, ("intent",)),
    (Obligation, ("state", "due_at")),
    (Obligation, ("charge",)),
    (Claim, ("claimed_at",)),
    (Event, ("account", "seq")),
    (AccountRow, ("account", "seq")),
    (ApiKey, ("account", "seq")),
    (Refund, ("account", "seq")),
    (BalanceTransaction, ("account", "seq")),
    (SetupIntent, ("account", "seq")),
    (SetupAttempt, ("account", "seq")),
):
    _of = TABLES[_kind]
    Index(f"{_of.name}_by_{_columns[0]}", *(_of.columns[name] for name in _columns))

LISTED: dict[Any, tuple[str, ...]] = {
    Customer: ("email", "deleted"),
    Method: ("customer",),
    Intent: ("customer",),
    Charge: ("customer", "intent"),
    Event: (),
    Refund: ("charge", "intent"),
    BalanceTransaction: ("source", "type", "currency"),
    SetupIntent: ("customer", "method"),
    SetupAttempt: ("setup",),
}
"""What lists may be filtered by. Each has an index behind the account, and so has the time: no list walks past rows."""

for _kind, _filters in LISTED.items():
    _of = TABLES[_kind]
    for _name in ("created", *_filters):
        Index(f"{_of.name}_list_{_name}", *(_of.columns[name] for name in ("account", _name, "seq")))

Index("events_by_type", *(TABLES[Event].columns[name] for name in ("account", "type", "seq")))
