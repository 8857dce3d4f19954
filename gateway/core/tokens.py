"""Tokens: a card on its way from a browser to the shop's server, good for one use."""

from __future__ import annotations

import json
from typing import Any

from gateway.core.books import Books
from gateway.core.errors import ApiError, no_such
from gateway.core.records_setup import Token

PARAM = "card[token]"


def usable(row: Token | None, identifier: str, account: str) -> Token:
    """Return a token that may be taken up.

    Parameters
    ----------
    row
        What is in the books under `identifier`.
    account
        Of the caller.

    Raises
    ------
    ApiError
        400 `resource_missing`: the account has no such token. 400 `token_already_used`.
    """
    if row is None or row.account != account:
        raise no_such("token", identifier, status=400, param=PARAM)
    if row.is_used:
        message = f"You cannot use a Stripe token more than once: {row.id}."
        raise ApiError(400, message, code="token_already_used", param=PARAM)
    return row


def take_up(books: Books, identifier: str, account: str) -> None:
    """Use a token up, in the unit of work that writes what it is used for; raises as `usable`."""
    row = usable(books.get(Token, identifier), identifier, account)
    books.put(row._replace(is_used=1))


def billing_of(row: Token) -> dict[str, Any]:
    """Return the billing details that were typed with the card; empty if there were none."""
    typed = json.loads(row.details)
    parts = {"line1": "line1", "line2": "line2", "city": "city", "state": "state", "zip": "postal_code"}
    address = {name: typed[f"address_{part}"] for part, name in parts.items() if typed.get(f"address_{part}")}
    if typed.get("address_country"):
        address["country"] = typed["address_country"]
    found: dict[str, Any] = {"address": address} if address else {}
    if typed.get("name"):
        found["name"] = typed["name"]
    return found
