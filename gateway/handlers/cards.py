"""Payment methods: a card goes to the HSM once, and the gateway keeps what stands for it.

The card number and the CVC live in the request that brought them, on the way to the HSM, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.core import render, tokens
from gateway.core.books import Books
from gateway.core.cards import CardFace, card_of, checked_expiry
from gateway.core.claims import Answer
from gateway.core.errors import CARD_ERROR, ApiError, missing_parameter, unavailable
from gateway.core.events import emit_update
from gateway.core.metadata import metadata_after
from gateway.core.records import Method
from gateway.core.records_setup import Token
from gateway.core.render import dumps
from gateway.handlers.context import (
    Call,
    Ports,
    cause_of_call,
    customer_of,
    early_replay,
    listed,
    method_of,
    once,
    shown,
)
from gateway.virtual import is_virtual_name, virtual_card
from hsm_sim.requests import StoreCard

ACCEPTED = "00"


class Vaulted(NamedTuple):
    """What is kept of a card that the HSM has taken: the network token that stands for it, and what may be shown."""

    token: str
    fingerprint: str
    face: CardFace
    has_cvc: bool


class Brought(NamedTuple):
    """A payment method that a request brings, not in the books yet; `token` is the single-use token that it takes."""

    method: Method
    token: str | None = None


async def create(ports: Ports, call: Call) -> Answer:
    """Make a payment method of a card, or of a token that stands for one."""
    if answer := await early_replay(ports, call):
        return answer
    bringing = await store_card(ports, call, call.params)

    def work(books: Books) -> Answer:
        return shown(books, call, render.payment_method(_written(books, bringing)))

    return await ports.store.write(once(ports, call, work))


async def retrieve(ports: Ports, call: Call) -> Answer:
    """Return a payment method; a virtual one becomes a real one first."""
    name = call.identifiers[0]
    if bringing := await store_virtual(ports, call, name):
        return await ports.store.write(
            lambda books: shown(books, call, render.payment_method(_written(books, bringing)))
        )
    return await ports.store.read(
        lambda books: shown(books, call, render.payment_method(method_of(books, call, name, param=None)))
    )


async def update(ports: Ports, call: Call) -> Answer:
    """Change what is known of a customer's card: its address, its new expiry, what the shop notes about it."""
    now, cause = ports.business(), cause_of_call(ports, call)

    def work(books: Books) -> Answer:
        method, params = method_of(books, call, call.identifiers[0], param=None), call.params
        if method.customer is None:
            raise ApiError(400, "You must save this PaymentMethod to a customer before you can update it.")
        before = render.payment_method(method)
        if card := params.get("card"):
            month, year = card.get("exp_month", method.exp_month), card.get("exp_year", method.exp_year)
            month, year = checked_expiry(month, year, now)
            method = method._replace(exp_month=month, exp_year=year)
        details = dumps(_changed(json.loads(method.details), params))
        method = method._replace(details=details, metadata=metadata_after(method.metadata, params))
        books.put(method)
        emit_update(books, cause, "payment_method.updated", before, render.payment_method(method))
        return shown(books, call, render.payment_method(method))

    return await ports.store.write(once(ports, call, work))


async def list_all(ports: Ports, call: Call) -> Answer:
    """List payment methods, of one customer or of all."""

    def work(books: Books) -> Answer:
        where = {}
        if "customer" in call.params:
            where["customer"] = customer_of(books, call, call.params["customer"]).id
        return listed(books, call, Method, where, render.payment_method, "PaymentMethod")

    return await ports.store.read(work)


async def store_card(ports: Ports, call: Call, params: Mapping[str, Any], prefix: str = "") -> Brought:
    """Make a payment method of a card that is typed, or of a token; it is not in the books yet.

    Parameters
    ----------
    params
        By the specification of a payment method: `card`, `billing_details`, ...
    prefix
        Name of the hash that holds them, for errors.

    Raises
    ------
    ApiError
        402 for what cannot be a card, 400 for missing parts or a token that cannot be used, 503 if the HSM does not
        answer.
    """
    typed, named, billing = params["card"], None, params.get("billing_details") or {}
    name = typed.get("token") or ""
    if "token" in typed and len(typed) > 1:
        message = "You may only specify one of these parameters: card[number], card[token]."
        raise ApiError(400, message, param=tokens.PARAM)
    if "token" in typed and not is_virtual_name(name):
        row = tokens.usable(await ports.store.read(lambda books: books.get(Token, name)), name, call.account.id)
        face = CardFace(*(getattr(row, field) for field in CardFace._fields))
        vaulted, named = Vaulted(row.token, row.fingerprint, face, bool(row.has_cvc)), row.id
        billing = {**tokens.billing_of(row), **billing}
    else:
        typed = virtual_card(name, ports.business()) if "token" in typed else typed
        assert typed is not None, "a virtual name stands for a card"
        vaulted = await vault(ports, call, typed, f"{prefix}[card]" if prefix else "card")
    details = {"billing_details": billing, "allow_redisplay": params.get("allow_redisplay")}
    method = Method(
        id=ports.identifier("pm"),
        account=call.account.id,
        created=ports.created(),
        customer=None,
        token=vaulted.token,
        fingerprint=vaulted.fingerprint,
        cvc_check="unchecked" if vaulted.has_cvc else None,
        is_spent=0,
        details=dumps({part: value for part, value in details.items() if value}),
        metadata=metadata_after("{}", params),
        **vaulted.face._asdict(),
    )
    return Brought(method, named)


async def vault(ports: Ports, call: Call, typed: Mapping[str, Any], path: str) -> Vaulted:
    """Give a typed card to the HSM; what comes back is all that is kept of it.

    Parameters
    ----------
    typed
        `number`, `exp_month`, `exp_year` and perhaps `cvc`.
    path
        Name of the hash that holds them, for errors.

    Raises
    ------
    ApiError
        As `store_card`.
    """
    for part in ("number", "exp_month", "exp_year"):
        if typed.get(part) is None:
            raise missing_parameter(f"{path}[{part}]")
    data, face = card_of(typed, ports.business())
    stored = await ports.hsm.call(StoreCard(data.pan, data.expiry, data.cvc, call.account.id), ports.timeouts.hsm_s)
    if stored is None:
        raise unavailable()
    if stored.code != ACCEPTED:
        message = "Your card number is incorrect."
        raise ApiError(402, message, kind=CARD_ERROR, code="incorrect_number", param="number")
    return Vaulted(stored.token, stored.fingerprint, face, bool(data.cvc))


async def store_virtual(ports: Ports, call: Call, name: str | None) -> Brought | None:
    """Return a payment method made of a virtual card (`pm_card_visa`); None if the name is not one."""
    if name is None or (card := virtual_card(name, ports.business())) is None:
        return None
    return await store_card(ports, call, {"card": card})


def is_virtual(name: str | None) -> bool:
    """Whether a payment method's name stands for a virtual card, which has to be made first."""
    return name is not None and is_virtual_name(name)


def bring(books: Books, bringing: Brought | None) -> Method | None:
    """Put a payment method that was just made into the books; its token is used up.

    Raises
    ------
    ApiError
        400: somebody else has used the token.
    """
    return None if bringing is None else _written(books, bringing)


def _written(books: Books, bringing: Brought) -> Method:
    if bringing.token is not None:
        tokens.take_up(books, bringing.token, bringing.method.account)
    books.add(bringing.method)
    return bringing.method


def _changed(details: dict[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    if "allow_redisplay" in params:
        details["allow_redisplay"] = params["allow_redisplay"]
    if "billing_details" not in params:
        return details
    held, given = details.get("billing_details") or {}, params["billing_details"] or {}
    merged = {**held, **given}
    if given.get("address"):
        merged["address"] = {**(held.get("address") or {}), **given["address"]}
    if merged.get("address") != held.get("address"):
        # What the network said of the old address says nothing about the new one.
        details.pop("avs", None)
    return {**details, "billing_details": merged}
