"""Who is asking: API keys are looked up by their hash, compared in constant time, and remembered for a moment.

A key's row is read at its first use and again whenever `fresh_s` seconds have passed, so that what another gateway of
the same store revokes dies here, too; what this process changes counts at once (`KeyRing.forget`). Expiry needs no
reading: it is checked at every use.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from gateway.core.access import PUBLISHABLE
from gateway.core.api_keys import digest_of, hint_of, is_live, key_id, presented
from gateway.core.books import Books, Store
from gateway.core.errors import ApiError, excerpt
from gateway.core.obligations import micros
from gateway.core.records_account import AccountRow, ApiKey
from gateway.handlers.context import Account
from node.clock import Entropy

FRESH_S = 5.0
_PLACE_BYTES = 32
_MICROSECONDS = 1_000_000


class Caller(NamedTuple):
    """An authenticated caller.

    `kind`, `scopes` and `hint` are those of its key; `account` is whom it acts for. `pepper` keys what is remembered of
    the account's parameters; the store does not hold it.
    """

    account: Account
    kind: str
    scopes: Mapping[str, str]
    hint: str
    pepper: bytes

    @property
    def is_public(self) -> bool:
        """Whether everybody may know the key."""
        return self.kind == PUBLISHABLE

    def __repr__(self) -> str:
        return f"Caller({self.account.id!r}, {self.kind})"


class _Held(NamedTuple):
    """A key as it was when it was read, `read_at` Unix microseconds of wall time."""

    row: ApiKey
    caller: Caller
    read_at: int


class KeyRing:
    """The keys of all merchants.

    Parameters
    ----------
    store
        Where their rows are.
    wall
        Wall time, aware UTC.
    entropy
        For a secret of this process, under which keys are remembered: what a caller sends decides nothing about where
        it is looked for, so that the time of a look-up tells nothing about the keys that exist.
    pepper
        bytes[32], the same at every start; see `gateway.pepper`.
    fresh_s
        For how long a row that was read is believed.
    """

    def __init__(
        self,
        store: Store,
        wall: Callable[[], datetime],
        entropy: Entropy,
        pepper: bytes,
        fresh_s: float = FRESH_S,
    ) -> None:
        self._store = store
        self._wall = wall
        self._secret = entropy(_PLACE_BYTES)
        self._pepper = pepper
        self._fresh = round(fresh_s * _MICROSECONDS)
        self._held: dict[bytes, _Held] = {}
        self._served: dict[tuple[str, str], AccountRow] = {}
        self._generation = 0
        self._used: dict[str, int] = {}

    async def caller(
        self, authorization: str | None, fallback: str | None = None, on_behalf_of: str | None = None
    ) -> Caller:
        """Authenticate a request.

        Parameters
        ----------
        authorization
            The header: `Bearer KEY`, or `Basic` with the key as user name.
        fallback
            A key given as the parameter `key`, as browsers send it; publishable keys only.
        on_behalf_of
            The header `Stripe-Account`: an account that the caller's own account has made.

        Raises
        ------
        ApiError
            401: no key, not one of ours, or one that has ended. 403: no access to the account that is named.
        """
        key = presented(authorization) or (fallback if (fallback or "").startswith("pk_") else None)
        if not key:
            message = (
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
            )
            raise ApiError(401, message)
        now, digest = micros(self._wall()), digest_of(key)
        held = await self._find(digest, now)
        if held is None or not hmac.compare_digest(held.row.digest, digest.hex()):
            raise ApiError(401, f"Invalid API Key provided: {hint_of(key)}")
        if not is_live(held.row, now):
            raise ApiError(401, f"Expired API Key provided: {hint_of(key)}", code="api_key_expired")
        self._used[held.row.id] = now
        if on_behalf_of is None or on_behalf_of == held.row.account:
            return held.caller
        return self._caller(held.row, await self._serve(held.row, on_behalf_of))

    def forget(self) -> None:
        """Read every key again at its next use: rows have changed."""
        self._generation += 1
        self._held.clear()
        self._served.clear()

    async def note_uses(self) -> None:
        """Write down when each key was last used, for those that have been since the last time."""
        used, self._used = self._used, {}
        if not used:
            return

        def work(books: Books) -> None:
            for identifier, at in used.items():
                row = books.get(ApiKey, identifier)
                if row is not None:
                    books.put(row._replace(used_at=max(at, row.used_at or 0)))

        await self._store.write(work)

    async def _find(self, digest: bytes, now: int) -> _Held | None:
        place = hmac.digest(self._secret, digest, "sha256")
        held = self._held.get(place)
        if held is not None and now - held.read_at < self._fresh:
            return held
        generation = self._generation

        def work(books: Books) -> tuple[ApiKey, AccountRow] | None:
            row = books.get(ApiKey, key_id(digest))
            account = None if row is None else books.get(AccountRow, row.account)
            return None if row is None or account is None else (row, account)

        found = await self._store.read(work)
        if found is None:
            self._held.pop(place, None)
            return None
        held = _Held(found[0], self._caller(*found), now)
        if generation == self._generation:
            self._held[place] = held
        return held

    def _caller(self, key: ApiKey, row: AccountRow) -> Caller:
        account = Account(row.id, row.merchant, row.terminal)
        pepper = hmac.digest(self._pepper, row.id.encode(), "sha256")
        return Caller(account, key.kind, json.loads(key.scopes), key.hint, pepper)

    async def _serve(self, key: ApiKey, identifier: str) -> AccountRow:
        """Return the row of an account that the key's own account has made."""
        row = self._served.get((key.account, identifier))
        if row is not None:
            return row
        row = await self._store.read(lambda books: books.get(AccountRow, identifier))
        if row is None or row.account != key.account:
            message = (
                f"The provided key '{key.hint}' does not have access to account '{excerpt(identifier)}' (or that "
                "account does not exist). Application access may have been revoked."
            )
            raise ApiError(403, message, code="account_invalid")
        self._served[key.account, identifier] = row
        return row


def digest(caller: Caller, method: str, path: str, parameters: str) -> str:
    """Return what identifies a request under its idempotency key.

    It is keyed with the account's pepper, of which the store holds nothing: parameters hold card numbers, and a plain
    hash of a card number can be tried out. It does not depend on the caller's key, so that a request can be repeated
    after the key was rolled; but what a secret key was answered is not for a publishable one.
    """
    side = "public" if caller.is_public else "secret"
    return hmac.new(caller.pepper, f"{side} {method} {path}\n{parameters}".encode(), hashlib.sha256).hexdigest()
