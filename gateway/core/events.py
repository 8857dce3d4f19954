"""Events: what happened to a merchant's objects, each with the object as it was at that moment.

Whoever changes a row emits its events in the same unit of work, in the order in which the changes happened: there is
no change without its event, and no event for what was undone. An event's id follows from its cause and its content, so
that a unit of work that is run again emits the same events.

Rule for callers: render the object after the change is in its row, and emit before the next change. Order within one
request: the charge before its payment, the refund before its charge; `created` before anything else.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from gateway.core.books import Books
from gateway.core.identifiers import LENGTH_BYTES, identifier
from gateway.core.records_account import Event

API_VERSION = "2026-10-28.endive"
"""The version whose shapes are answered and kept in events, whatever version the client names."""

_ENCODE = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_RESOURCES: dict[str, tuple[str, ...]] = {
    "account": ("updated",),
    "balance": ("available",),
    "charge": ("captured", "expired", "failed", "pending", "refund.updated", "refunded", "succeeded", "updated"),
    "customer": ("created", "deleted", "updated"),
    "payment_intent": (
        "amount_capturable_updated",
        "canceled",
        "created",
        "partially_funded",
        "payment_failed",
        "processing",
        "requires_action",
        "succeeded",
    ),
    "payment_method": ("attached", "detached", "updated"),
    "refund": ("created", "failed", "updated"),
    "setup_intent": ("canceled", "created", "requires_action", "setup_failed", "succeeded"),
}

TYPES = frozenset(f"{resource}.{change}" for resource, changes in _RESOURCES.items() for change in changes)
"""Every type that this gateway may emit; what is not here is a programmer's mistake."""


class Cause(NamedTuple):
    """What the events of one unit of work have in common.

    Attributes
    ----------
    account
        Whose objects change.
    at
        Business time, Unix seconds.
    seed
        Unpredictable bytes, drawn once before the unit of work; the ids are made of them.
    request, key
        Id and idempotency key of the HTTP request; None where a duty or the clock is the cause.
    """

    account: str
    at: int
    seed: bytes
    request: str | None = None
    key: str | None = None


def emit(books: Books, cause: Cause, kind: str, shape: dict[str, Any], previous: dict[str, Any] | None = None) -> None:
    """Add an event.

    Parameters
    ----------
    books
        The transaction of the change itself.
    cause
        Why and when.
    kind
        One of `TYPES`.
    shape
        The object, rendered and not expanded, as it is after the change (`customer.deleted`: as it was before).
    previous
        Of an update: the former values of what changed; see `changes`.
    """
    assert kind in TYPES, kind
    data = _dumps(shape)
    told = None if previous is None else _dumps(previous)
    entropy = hashlib.shake_128(cause.seed + f"{kind}\n{data}\n{told}".encode()).digest(LENGTH_BYTES)
    named = identifier("evt", entropy)
    books.add(Event(named, cause.account, cause.at, kind, data, told, cause.request, cause.key, API_VERSION))


def emit_update(books: Books, cause: Cause, kind: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Add the event of an update, unless nothing changed."""
    previous = changes(before, after)
    if previous:
        emit(books, cause, kind, after, previous)


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return the former values of the attributes that changed.

    Hashes are compared member by member; a member that is new was None before; a list is kept whole.

    Examples
    --------
    >>> changes({"name": "A", "metadata": {"a": "1"}}, {"name": "A", "metadata": {"a": "1", "b": "2"}})
    {'metadata': {'b': None}}
    """
    found: dict[str, Any] = {}
    for name in (*before, *(added for added in after if added not in before)):
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            inner = changes(old, new)
            if inner:
                found[name] = inner
        elif old != new:
            found[name] = old
    return found


def matching(wanted: str) -> tuple[str, ...] | None:
    """Return the event types that a name or a group such as `charge.*` stands for; None for all."""
    if wanted == "*":
        return None
    if "*" not in wanted:
        return (wanted,)
    head, _, tail = wanted.partition("*")
    fits = (kind for kind in TYPES if kind.startswith(head) and kind.endswith(tail) and len(kind) >= len(wanted) - 1)
    return tuple(sorted(fits))


def render(row: Event) -> dict[str, Any]:
    """Return an event as the API shows it. There are no webhooks, so none is pending."""
    data = {"object": json.loads(row.data)}
    if row.previous is not None:
        data["previous_attributes"] = json.loads(row.previous)
    return {
        "id": row.id,
        "object": "event",
        "api_version": row.api_version,
        "created": row.created,
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": row.request, "idempotency_key": row.idempotency_key},
        "type": row.type,
    }


def _dumps(value: object) -> str:
    return _ENCODE(value)
