"""Accounts: the merchant itself, and those that a platform makes.

The acquirer is asked before anything is written: an account exists here only if its payments can be taken.
"""

from __future__ import annotations

from typing import Any

from gateway.core import accounts, claims
from gateway.core.bank import Verdict
from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.errors import API_ERROR, ApiError, excerpt
from gateway.core.events import emit_update
from gateway.core.identifiers import LENGTH_BYTES
from gateway.core.obligations import micros
from gateway.core.records_account import AccountRow
from gateway.handlers.context import Call, Ports, cause_of_call, early_replay, listed, once, shown


async def create(ports: Ports, call: Call) -> Answer:
    """Make an account of a new merchant; only a platform may."""
    now, created, entropy = micros(ports.wall()), ports.created(), ports.entropy(LENGTH_BYTES)

    def draft(books: Books) -> Answer | AccountRow:
        # Together: once the request has its answer, its key would name another account.
        if answer := claims.replayed(books, call.ticket, now):
            return answer
        platform = _platform(books, call)
        return accounts.drafted(accounts.name_of(books, call.ticket, entropy), platform, call.params, created)

    row = await ports.store.write(draft)
    if isinstance(row, Answer):
        return row
    _check(await ports.bank.enrol(accounts.enrolment(row)))

    def work(books: Books) -> Answer:
        books.add(row)
        return shown(books, call, accounts.render(row))

    return await ports.store.write(once(ports, call, work))


async def retrieve_own(ports: Ports, call: Call) -> Answer:
    """Return the account of the caller."""
    return await ports.store.read(lambda books: shown(books, call, accounts.render(_mine(books, call))))


async def retrieve(ports: Ports, call: Call) -> Answer:
    """Return the caller's account, or one that it has made."""
    return await ports.store.read(
        lambda books: shown(books, call, accounts.render(_managed(books, call, call.identifiers[0])))
    )


async def update(ports: Ports, call: Call) -> Answer:
    """Change what is given, keep the rest; what the acquirer prints on statements is changed there first."""
    if answer := await early_replay(ports, call):
        return answer
    name, cause = call.identifiers[0], cause_of_call(ports, call)
    before = await ports.store.read(lambda books: _managed(books, call, name))
    if changes := accounts.told(before, accounts.changed(before, call.params)):
        _check(await ports.bank.change_merchant(before.merchant, changes))

    def work(books: Books) -> Answer:
        held = _managed(books, call, name)
        row = accounts.changed(held, call.params)
        books.put(row)
        was, now = accounts.render(held), accounts.render(row)
        emit_update(books, cause._replace(account=row.id), "account.updated", was, now)
        return shown(books, call, now)

    return await ports.store.write(once(ports, call, work))


async def list_all(ports: Ports, call: Call) -> Answer:
    """List the accounts that the caller has made."""
    where: dict[str, Any] = {}
    return await ports.store.read(lambda books: listed(books, call, AccountRow, where, accounts.render, "account"))


def _mine(books: Books, call: Call) -> AccountRow:
    row = books.get(AccountRow, call.account.id)
    assert row is not None, "a caller's key belongs to an account"
    return row


def _platform(books: Books, call: Call) -> AccountRow:
    row = _mine(books, call)
    if not row.is_platform:
        raise ApiError(400, "Only a platform can create accounts. This account is not set up as one.")
    return row


def _managed(books: Books, call: Call, identifier: str) -> AccountRow:
    row = books.get(AccountRow, identifier)
    if row is None or call.account.id not in (row.id, row.account):
        message = (
            f"The provided key does not have access to account '{excerpt(identifier)}' (or that account does not "
            "exist). Application access may have been revoked."
        )
        raise ApiError(403, message, code="account_invalid")
    return row


def _check(verdict: Verdict | None) -> None:
    """Refuse what the acquirer does not agree to."""
    if verdict is None:
        message = "The acquirer did not answer. Nothing was changed; please try again."
        raise ApiError(503, message, kind=API_ERROR)
    if not verdict.is_done:
        raise ApiError(400, f"The acquirer refused: {verdict.detail}")
