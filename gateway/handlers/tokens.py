"""Tokens: a browser hands a card in with the publishable key, the shop's server takes it up once."""

from __future__ import annotations

from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.records_setup import Token
from gateway.core.render import dumps
from gateway.core.render_setup import token
from gateway.handlers.cards import Vaulted, vault
from gateway.handlers.context import Call, Ports, early_replay, once, owned, shown
from gateway.virtual import virtual_card

_TYPED = ("name", *(f"address_{part}" for part in ("city", "country", "line1", "line2", "state", "zip")))


async def create(ports: Ports, call: Call) -> Answer:
    """Make a token of a typed card; its CVC waits in the HSM."""
    if answer := await early_replay(ports, call):
        return answer
    typed = call.params["card"]
    row = _row(ports, call, await vault(ports, call, typed, "card"), {name: typed.get(name) for name in _TYPED})

    def work(books: Books) -> Answer:
        books.add(row)
        return shown(books, call, token(row))

    return await ports.store.write(once(ports, call, work))


async def retrieve(ports: Ports, call: Call) -> Answer:
    """Return a token; a virtual one (`tok_visa`) becomes a real one first."""
    name = call.identifiers[0]
    card = virtual_card(name, ports.business()) if name.startswith("tok_") else None
    if card is None:
        return await ports.store.read(
            lambda books: shown(books, call, token(owned(books, call, Token, name, what="token")))
        )
    row = _row(ports, call, await vault(ports, call, card, "card"), {})

    def work(books: Books) -> Answer:
        books.add(row)
        return shown(books, call, token(row))

    return await ports.store.write(work)


def _row(ports: Ports, call: Call, vaulted: Vaulted, typed: dict[str, str | None]) -> Token:
    return Token(
        id=ports.identifier("tok"),
        account=call.account.id,
        created=ports.created(),
        card=ports.identifier("card"),
        token=vaulted.token,
        fingerprint=vaulted.fingerprint,
        has_cvc=int(vaulted.has_cvc),
        is_used=0,
        details=dumps({name: text for name, text in typed.items() if text}),
        **vaulted.face._asdict(),
    )
