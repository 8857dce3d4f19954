"""`expand[]`: put the object where its id stands."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core import render
from gateway.core.books import Books
from gateway.core.errors import ApiError
from gateway.core.records import Charge, Customer, Intent, Method
from gateway.core.render import Shape

DEPTH_MAX = 4

_EMPTY = None
"""An expandable property that this gateway never fills; expanding it is legal and changes nothing."""

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
        "balance_transaction": _EMPTY,
        "failure_balance_transaction": _EMPTY,
        "on_behalf_of": _EMPTY,
        "review": _EMPTY,
        "source_transfer": _EMPTY,
    },
    "payment_method": {"customer": "customer"},
    "customer": {
        "default_source": _EMPTY,
        "test_clock": _EMPTY,
        "invoice_settings.default_payment_method": "payment_method",
    },
}


def check_paths(kind: str, paths: Sequence[str | None], *, is_list: bool) -> None:
    """Refuse what cannot be expanded, before anything is done for the request.

    Parameters
    ----------
    kind
        Stripe's name of the object, or of the objects in the list, that the operation answers.
    paths
        Dotted; those of a list begin with `data`.

    Raises
    ------
    ApiError
        400: a path is too deep or names something that cannot be expanded.
    """
    for path in paths:
        parts = (path or "").split(".")
        if is_list and parts.pop(0) != "data":
            raise _refused(path)
        if len(parts) > DEPTH_MAX:
            raise ApiError(400, f"You cannot expand more than {DEPTH_MAX} levels of a property: {path}", param="expand")
        at: str | None = kind
        while parts and at is not None:
            name, parts = _step(at, parts)
            if name not in EXPANDABLE[at]:
                raise _refused(path)
            at = EXPANDABLE[at][name]


def expand(books: Books, account: str, shape: Shape, paths: Sequence[str | None]) -> Shape:
    """Expand properties of a rendered object, in place; `check_paths` has passed.

    Parameters
    ----------
    books
        Where the objects are.
    account
        Whose they are.
    shape
        An object or a list.
    paths
        Dotted; those of a list begin with `data`.

    Returns
    -------
    Shape
        The same object.
    """
    for path in paths:
        parts = (path or "").split(".")
        is_list = shape.get("object") == "list"
        for item in shape["data"] if is_list else [shape]:
            _expand(books, account, item, parts[1:] if is_list else parts)
    return shape


def load(books: Books, account: str, kind: str, identifier: str) -> Shape | None:
    """Return the rendered object of this id, or None if the account has none."""
    row: Customer | Charge | Intent | Method | None
    if kind == "customer":
        found = row = books.get(Customer, identifier)
        shape = found and render.customer(found)
    elif kind == "charge":
        charge = row = books.get(Charge, identifier)
        shape = charge and render.charge(charge)
    elif kind == "payment_intent":
        intent = row = books.get(Intent, identifier)
        shape = intent and render.payment_intent(intent)
    else:
        method = row = books.get(Method, identifier)
        shape = method and render.payment_method(method)
    return shape if row is not None and row.account == account else None


def _expand(books: Books, account: str, shape: Shape, parts: list[str]) -> None:
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
    if isinstance(value, str) and of_kind is not None:
        value = holder[last] = load(books, account, of_kind, value) or value
    if isinstance(value, dict):
        _expand(books, account, value, rest)


def _step(kind: str, parts: list[str]) -> tuple[str, list[str]]:
    """Return the first property that a path names, which may have a dot in it, and the rest of the path."""
    pair = ".".join(parts[:2])
    return (pair, parts[2:]) if pair in EXPANDABLE[kind] else (parts[0], parts[1:])


def _refused(path: str | None) -> ApiError:
    return ApiError(400, f"This property cannot be expanded ({path}).", param="expand")
