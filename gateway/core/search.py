"""The search query language: `email:"amy@x.io" metadata["order"]:"7"`, read, checked and, for one row, decided.

A query is up to ten clauses, all of which or any of which must hold. What may be searched is a table from field to
where its value is kept, so that an adapter of the store can turn a query into its own language; `matches` is the rule
that every adapter keeps to. Upper and lower case are the same for A to Z, everywhere but in ids.

Source: the public documentation of Stripe's search (query structure, operators, query fields per resource).
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from gateway.core.errors import ApiError
from gateway.core.records import Charge, Record

CLAUSES_MAX = 10
SUBSTRING_MIN = 3

_QUOTED = r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_CLAUSE = re.compile(
    rf"(?P<negated>-?)(?P<field>[A-Za-z_][A-Za-z0-9_.]*)(?:\[{_QUOTED}\])?\s*"
    rf"(?P<operator>>=|<=|[:~<>])\s*(?:{_QUOTED}|(?P<bare>[A-Za-z0-9_.+-]+))(?=\s|$)",
    re.DOTALL,
)
_CONNECTIVE = re.compile(r"(and|or)(?=\s)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class Type(Enum):
    """How a field compares."""

    NUMBER = "numeric"
    STRING = "string"
    TOKEN = "token"
    ID = "id"


class Column(NamedTuple):
    """A value in a column of its own."""

    name: str


class Inside(NamedTuple):
    """A value within a column of JSON text, by a path of plain names."""

    column: str
    path: tuple[str, ...]


class Meta(NamedTuple):
    """The metadata value under a key."""

    key: str


class GivenBack(NamedTuple):
    """The text true for a charge of which nothing is left for the merchant, else false."""


class Constant(NamedTuple):
    """The same for every row."""

    value: str


Source: TypeAlias = Column | Inside | Meta | GivenBack | Constant


class Field(NamedTuple):
    """One thing that may be searched by."""

    type: Type
    source: Source


class Clause(NamedTuple):
    """One condition, as it was written: `value` None is the word null, `key` that of metadata."""

    field: str
    key: str | None
    operator: str
    value: str | None
    is_negated: bool


class Condition(NamedTuple):
    """One condition on a row. `value` is an int for numbers, lower case for strings and tokens; None: has no value."""

    type: Type
    source: Source
    operator: str
    value: str | int | None
    is_negated: bool


class Query(NamedTuple):
    """All conditions must hold, or with `is_any` one of them."""

    conditions: tuple[Condition, ...]
    is_any: bool


_CARD_DETAILS = {
    f"payment_method_details.card.{name}": Field(kind, Inside("card", (name,)))
    for name, kind in (
        ("brand", Type.TOKEN),
        ("exp_month", Type.NUMBER),
        ("exp_year", Type.NUMBER),
        ("fingerprint", Type.ID),
        ("last4", Type.TOKEN),
    )
}
_POSTAL_CODE = Inside("details", ("billing_details", "address", "postal_code"))

SEARCHABLE: dict[str, dict[str, Field]] = {
    "customers": {
        "created": Field(Type.NUMBER, Column("created")),
        "email": Field(Type.STRING, Column("email")),
        "name": Field(Type.STRING, Inside("details", ("name",))),
        "phone": Field(Type.STRING, Inside("details", ("phone",))),
    },
    "payment_intents": {
        "amount": Field(Type.NUMBER, Column("amount")),
        "created": Field(Type.NUMBER, Column("created")),
        "currency": Field(Type.TOKEN, Column("currency")),
        "customer": Field(Type.ID, Column("customer")),
        "status": Field(Type.TOKEN, Column("status")),
    },
    "charges": {
        "amount": Field(Type.NUMBER, Column("amount")),
        "billing_details.address.postal_code": Field(Type.TOKEN, _POSTAL_CODE),
        "created": Field(Type.NUMBER, Column("created")),
        "currency": Field(Type.TOKEN, Column("currency")),
        "customer": Field(Type.ID, Column("customer")),
        "disputed": Field(Type.TOKEN, Constant("false")),
        "refunded": Field(Type.TOKEN, GivenBack()),
        "status": Field(Type.TOKEN, Column("status")),
        **_CARD_DETAILS,
    },
}
"""Resource, as its address names it, to the fields that it may be searched by. Metadata may be searched in all."""


def parse(text: str) -> tuple[list[Clause], bool]:
    r"""Read a query.

    Parameters
    ----------
    text
        Clauses separated by spaces, AND or OR.

    Returns
    -------
    tuple[list[Clause], bool]
        The clauses, and whether any of them will do.

    Raises
    ------
    ApiError
        400: not a query, more than ten clauses, or AND and OR in one query.

    Examples
    --------
    >>> parse("status:'failed' -metadata['order']:null")[0][1]
    Clause(field='metadata', key='order', operator=':', value=None, is_negated=True)
    """
    clauses: list[Clause] = []
    connectives: set[str] = set()
    at = _skip(text, 0)
    while at < len(text):
        if clauses:
            word = _CONNECTIVE.match(text, at)
            connectives.add(word[1].lower() if word else "and")
            at = _skip(text, word.end()) if word else at
        match = _CLAUSE.match(text, at)
        if match is None:
            raise _unreadable()
        clauses.append(_clause(match))
        if len(clauses) > CLAUSES_MAX:
            raise _refused(f"A search query may have at most {CLAUSES_MAX} clauses.")
        at = _skip(text, match.end())
    if not clauses:
        raise _unreadable()
    if len(connectives) > 1:
        raise _refused("A search query may be combined with AND or with OR, not with both.")
    return clauses, connectives == {"or"}


def read_query(text: str, resource: str) -> Query:
    """Read a query and check it against what a resource may be searched by.

    Parameters
    ----------
    text
        As `parse` takes it.
    resource
        A key of `SEARCHABLE`.

    Raises
    ------
    ApiError
        400, in Stripe's words where they are known.
    """
    clauses, is_any = parse(text)
    return Query(tuple(_condition(clause, resource) for clause in clauses), is_any)


def matches(query: Query, row: Record) -> bool:
    """Whether a row is what a query asks for."""
    verdicts = (
        _holds(condition, value_of(condition.source, row)) != condition.is_negated for condition in query.conditions
    )
    return any(verdicts) if query.is_any else all(verdicts)


def value_of(source: Source, row: Record) -> str | int | None:
    """Return the value that a row has for a field."""
    if isinstance(source, Column):
        value: str | int | None = getattr(row, source.name)
        return value
    if isinstance(source, Constant):
        return source.value
    if isinstance(source, GivenBack):
        assert isinstance(row, Charge)
        is_whole = row.amount_refunded + row.amount_released >= row.amount
        return "true" if row.status == "succeeded" and is_whole else "false"
    column, path = ("metadata", (source.key,)) if isinstance(source, Meta) else source
    found: Any = json.loads(getattr(row, column))
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str | int) else None


def lowered(text: str) -> str:
    """Return text with A to Z in lower case and everything else as it is, as every adapter can do it."""
    return text.translate(_LOWER)


def _holds(condition: Condition, value: str | int | None) -> bool:
    wanted = condition.value
    if wanted is None or value is None:
        return wanted is None and value is None
    if isinstance(wanted, int):
        assert isinstance(value, int)
        return {
            ":": value == wanted,
            ">": value > wanted,
            "<": value < wanted,
            ">=": value >= wanted,
            "<=": value <= wanted,
        }[condition.operator]
    text = str(value) if condition.type is Type.ID else lowered(str(value))
    return wanted in text if condition.operator == "~" else wanted == text


def _clause(match: re.Match[str]) -> Clause:
    key, quoted, bare = match[3], match[5], match["bare"]
    value = None if quoted is None and bare.lower() == "null" else bare if quoted is None else _unquoted(quoted)
    if quoted is None and value is not None and not _is_bare(value):
        raise _unreadable()
    if (match["field"] == "metadata") != (key is not None):
        raise _unreadable()
    return Clause(
        match["field"],
        None if key is None else _unquoted(key),
        match["operator"],
        value,
        bool(match["negated"]),
    )


def _is_bare(value: str) -> bool:
    """Whether a value may stand without quotes: numbers and truth values."""
    return bool(_WHOLE.fullmatch(value)) or value.lower() in ("true", "false")


def _condition(clause: Clause, resource: str) -> Condition:
    field = _field(clause, resource)
    allowed = {Type.NUMBER: (":", ">", "<", ">=", "<="), Type.STRING: (":", "~")}.get(field.type, (":",))
    if clause.operator not in allowed:
        raise _refused(f"Operator `{clause.operator}` is not supported for field `{clause.field}`.")
    value: str | int | None = clause.value
    if value is None:
        if clause.operator != ":":
            raise _refused(f"`null` may only be used with the operator `:`, on field `{clause.field}`.")
    elif field.type is Type.NUMBER:
        if not _WHOLE.fullmatch(str(value)):
            raise _refused(f"Field `{clause.field}` is numeric and needs a whole number.")
        value = int(value)
    elif field.type is not Type.ID:
        value = lowered(str(value))
    if clause.operator == "~" and len(str(value)) < SUBSTRING_MIN:
        raise _refused(f"Substring search needs at least {SUBSTRING_MIN} characters, on field `{clause.field}`.")
    return Condition(field.type, field.source, clause.operator, value, clause.is_negated)


def _field(clause: Clause, resource: str) -> Field:
    if clause.key is not None:
        return Field(Type.TOKEN, Meta(clause.key))
    found = SEARCHABLE[resource].get(clause.field)
    if found is None:
        place = f"http://stripe.com/docs/search#query-fields-for-{resource.replace('_', '-')}"
        raise _refused(
            f"Field `{clause.field}` is an unsupported search field for resource `{resource}`. See {place} for a list "
            "of supported fields."
        )
    return found


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(r"\1", text[1:-1])


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _unreadable() -> ApiError:
    return _refused(
        'We were unable to parse your search query. Try using the format `metadata["key"]:"value"` to query for '
        'metadata or key:"value" to query for other fields.'
    )


def _refused(message: str) -> ApiError:
    return ApiError(400, message, param="query")
