"""`expand[]`: put the object where its id stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from gateway.core import render, render_money, render_setup
from gateway.core.books import Books, Span
from gateway.core.errors import ApiError
from gateway.core.records import Charge, Customer, Intent, Method
from gateway.core.records_money import BalanceTransaction, Refund
from gateway.core.records_setup import SetupAttempt, SetupIntent
from gateway.core.render import Shape

DEPTH_MAX = 4

_EMPTY = None
"""An expandable property that this gateway never fills; expanding it is legal and changes nothing."""

SOURCE = "source"
"""What a balance transaction comes of: a charge or a refund, as its id says."""

EXPANDABLE: dict[str, dict[str, str | None]] = {
    "payment_intent": {
        "customer": "customer",
        "latest_charge": "charge",
        "payment_method": "payment_method",
        "application": _EMPTY,
        "on_behalf_of": _EMPTY,
        "review": _EMPTY,
    },
    "charge": {
        "customer": "customer",
        "payment_intent": "payment_intent",
        "application": _EMPTY,
        "application_fee": _EMPTY,
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": _EMPTY,
        "on_behalf_of": _EMPTY,
        "refunds": "refund",
        "review": _EMPTY,
        "source_transfer": _EMPTY,
    },
    "refund": {
        "balance_transaction": "balance_transaction",
        "charge": "charge",
        "customer": "customer",
        "failure_balance_transaction": _EMPTY,
        "payment_intent": "payment_intent",
        "payment_method": "payment_method",
        "source_transfer_reversal": _EMPTY,
        "transfer_reversal": _EMPTY,
    },
    "balance": {},
    "balance_transaction": {"source": SOURCE},
    "account": {},
    "event": {},
    "payment_method": {"customer": "customer"},
    "setup_attempt": {
        "application": _EMPTY,
        "customer": "customer",
        "on_behalf_of": _EMPTY,
        "payment_method": "payment_method",
        "setup_intent": "setup_intent",
    },
    "setup_intent": {
        "application": _EMPTY,
        "customer": "customer",
        "latest_attempt": "setup_attempt",
        "mandate": _EMPTY,
        "on_behalf_of": _EMPTY,
        "payment_method": "payment_method",
        "single_use_mandate": _EMPTY,
    },
    "token": {},
    "customer": {
        "default_source": _EMPTY,
        "test_clock": _EMPTY,
        "invoice_settings.default_payment_method": "payment_method",
    },
}
"""Kind of object to property to the kind of object that the property names. A dot goes into a plain hash."""

EXPANDABLE[SOURCE] = {**EXPANDABLE["charge"], **EXPANDABLE["refund"]}
_SHOWN = {SOURCE: {"charge", "refund"}}
_INNER_LIST, _INNER_MAX = "refunds", 10
"""The property of a charge that is a list, and only there if it is expanded."""

LOADERS: dict[str, tuple[type[Any], Callable[[Any], Shape | None]]] = {
    "balance_transaction": (BalanceTransaction, render_money.balance_transaction),
    "charge": (Charge, render.charge),
    "customer": (Customer, render.customer),
    "payment_intent": (Intent, render.payment_intent),
    "payment_method": (Method, render.payment_method),
    "refund": (Refund, render_money.refund),
    "setup_attempt": (SetupAttempt, render_setup.setup_attempt),
    "setup_intent": (SetupIntent, render_setup.setup_intent),
}
"""Kind of object to its record, and how a row of it is shown; None for a row of which there is nothing to show yet."""

_LISTS = ("list", "search_result")
_MONEY = "balance_transaction"
_Seen: TypeAlias = "dict[tuple[tuple[str, ...], str], Shape | None]"


def check_paths(kind: str, paths: Sequence[str | None], *, is_list: bool) -> set[str]:
    """Refuse what cannot be expanded, before anything is done for the request.

    Parameters
    ----------
    kind
        Stripe's name of the object, or of the objects in the list, that the operation answers.
    paths
        Dotted; those of a list begin with `data`.

    Returns
    -------
    set[str]
        The kinds of object that the answer will show besides its own.

    Raises
    ------
    ApiError
        400: a path is too deep or names something that cannot be expanded.
    """
    shown: set[str] = set()
    for path in paths:
        parts = (path or "").split(".")
        if is_list and parts.pop(0) != "data":
            raise _refused(path, instead=f"data.{path}" if path in EXPANDABLE[kind] else None)
        if len(parts) > DEPTH_MAX:
            raise ApiError(400, f"You cannot expand more than {DEPTH_MAX} levels of a property: {path}", param="expand")
        at: str | None = kind
        while parts and at is not None:
            name, parts = _step(at, parts)
            if name not in EXPANDABLE[at]:
                raise _refused(path)
            if name == _INNER_LIST and parts and parts.pop(0) != "data":
                raise _refused(path)
            at = EXPANDABLE[at][name]
            shown |= _SHOWN.get(at, {at}) if at is not None else set()
    return shown


def expand(
    books: Books, account: str, shape: Shape, paths: Sequence[str | None], unbooked: set[str] | None = None
) -> Shape:
    """Expand properties of a rendered object, in place; `check_paths` has passed.

    Parameters
    ----------
    books
        Where the objects are.
    account
        Whose they are.
    shape
        An object, a list, or what a search found.
    paths
        Dotted; those of a list begin with `data`.
    unbooked
        Is given the ids of balance transactions that could not be shown yet.

    Returns
    -------
    Shape
        The same object.
    """
    is_list = shape.get("object") in _LISTS
    seen: _Seen = {}
    for path in paths:
        parts = (path or "").split(".")
        for item in shape["data"] if is_list else [shape]:
            _expand(_Place(books, account, seen), item, parts[1:] if is_list else parts)
    if unbooked is not None:
        unbooked |= {name for (path, name), found in seen.items() if path[-1] == _MONEY and found is None}
    return shape


def load(books: Books, account: str, kind: str, identifier: str) -> Shape | None:
    """Return the rendered object of this id, or None if the account has none."""
    if kind == SOURCE:
        kind = "refund" if identifier.startswith("re_") else "charge"
    record, shape_of = LOADERS[kind]
    row = books.get(record, identifier)
    return shape_of(row) if row is not None and row.account == account else None


class _Place(NamedTuple):
    """Where an expansion has arrived: what hangs at the same path of many items of a list is loaded once."""

    books: Books
    account: str
    seen: _Seen
    path: tuple[str, ...] = ()


def _expand(place: _Place, shape: Shape, parts: list[str]) -> None:
    kind = shape.get("object", "")
    if not parts or kind not in EXPANDABLE:
        return
    name, rest = _step(kind, parts)
    *above, last = name.split(".")
    holder = shape
    for part in above:
        # A deleted customer is only its id: there is nothing left to expand.
        holder = holder.get(part) or {}
    value, of_kind = holder.get(last), EXPANDABLE[kind].get(name)
    place = place._replace(path=(*place.path, name))
    if isinstance(value, str) and of_kind is not None:
        value = holder[last] = _loaded(place, of_kind, value) or value
    if kind == "charge" and name == _INNER_LIST:
        value = holder.setdefault(last, _refunds(place, shape["id"]))
        for item in value["data"]:
            _expand(place, item, rest[1:])
    elif isinstance(value, dict):
        _expand(place, value, rest)


def _refunds(place: _Place, charge: str) -> Shape:
    found = place.books.page(Refund, {"account": place.account, "charge": charge}, Span(_INNER_MAX + 1))
    shapes = [render_money.refund(row) for row in found[:_INNER_MAX]]
    return render.page(f"/v1/charges/{charge}/refunds", shapes, has_more=len(found) > _INNER_MAX)


def _loaded(place: _Place, kind: str, identifier: str) -> Shape | None:
    key = (place.path, identifier)
    if key not in place.seen:
        place.seen[key] = load(place.books, place.account, kind, identifier)
    return place.seen[key]


def _step(kind: str, parts: list[str]) -> tuple[str, list[str]]:
    """Return the first property that a path names, which may have a dot in it, and the rest of the path."""
    pair = ".".join(parts[:2])
    return (pair, parts[2:]) if pair in EXPANDABLE[kind] else (parts[0], parts[1:])


def _refused(path: str | None, instead: str | None = None) -> ApiError:
    hint = "" if instead is None else f" You may want to try expanding '{instead}' instead."
    return ApiError(400, f"This property cannot be expanded ({path or ''}).{hint}", param="expand")
