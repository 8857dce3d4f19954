"""API keys as rows: made, rolled, revoked. Of a key only a hash is kept; its text is shown once, to whoever made it.

Expiry is wall time: a key is a promise to people, and advancing the business clock must not lock a shop out.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.core.access import KINDS, PUBLISHABLE, RESTRICTED, SECRET, checked_scopes
from gateway.core.books import Books
from gateway.core.cards import carries_card_number
from gateway.core.errors import ApiError, no_such
from gateway.core.identifiers import LENGTH_BYTES, identifier
from gateway.core.records_account import AccountRow, ApiKey

PREFIXES = {SECRET: "sk_test", PUBLISHABLE: "pk_test", RESTRICTED: "rk_test"}
TEXT_BYTES = 32
"""Entropy of a key: one letter or digit per byte."""
KEYS_MAX = 100
"""Keys of one account that are alive at a time."""
OVERLAP_MAX_S = 7 * 86_400
LIFETIME_MAX_S = 10 * 366 * 86_400
NAME_MAX = 100
_MICROSECONDS = 1_000_000


class Wish(NamedTuple):
    """A key that somebody wants: its kind, a name for people, scopes of a restricted one, seconds until it expires."""

    kind: str
    name: str = ""
    scopes: Mapping[str, str] = {}
    expires_in_s: int | None = None

    def checked(self) -> Wish:
        """Return the wish.

        Raises
        ------
        ApiError
            400: it breaks a rule.
        """
        if self.kind not in KINDS:
            raise ApiError(400, f"Invalid kind: must be one of {', '.join(KINDS)}", param="kind")
        if len(self.name) > NAME_MAX:
            raise ApiError(400, f"Invalid name: at most {NAME_MAX} characters.", param="name")
        if carries_card_number(self.name):
            raise ApiError(400, "Invalid name: it has a card number in it.", param="name")
        if self.expires_in_s is not None and not 0 < self.expires_in_s <= LIFETIME_MAX_S:
            raise ApiError(400, f"Invalid expires_in_s: must be from 1 to {LIFETIME_MAX_S}", param="expires_in_s")
        if self.kind == RESTRICTED:
            return self._replace(scopes=checked_scopes(self.scopes))
        if self.scopes:
            raise ApiError(400, "Only a restricted key has scopes.", param="scopes")
        return self


def presented(authorization: str | None) -> str:
    """Return the key that a request's header brings, as a bearer or as the user name of `Basic`; "" without one."""
    scheme, _, credentials = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        # A ValueError, too, is what base64 says of text beyond ASCII, and what the decoding of bytes ends with.
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except ValueError:
        return ""


def key_text(kind: str, entropy: bytes) -> str:
    """Return the text of a new key from `TEXT_BYTES` unpredictable bytes."""
    return identifier(PREFIXES[kind], entropy)


def digest_of(text: str) -> bytes:
    """Return bytes[32], what is kept of a key.

    A plain hash is enough: a key is random and long, so that there is nothing to try out.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def key_id(digest: bytes) -> str:
    """Return the id of the key with this hash. It tells nothing about the key, and finds its row without an index."""
    return identifier("key", hashlib.sha256(b"id of " + digest).digest()[:LENGTH_BYTES])


def hint_of(text: str) -> str:
    """Return enough of a key to recognise it, and not enough to be one."""
    return f"{text[:8]}{'*' * 8}{text[-4:]}" if len(text) > 20 else "*" * len(text)


def row_of(account: str, wish: Wish, text: str, created: int, wall: int) -> ApiKey:
    """Return the row of a new key.

    Parameters
    ----------
    account
        Whose it is.
    wish
        Checked.
    text
        The key itself; it is not in the row.
    created
        Business time, Unix seconds.
    wall
        Unix microseconds of wall time.
    """
    digest = digest_of(text)
    return ApiKey(
        id=key_id(digest),
        account=account,
        created=created,
        kind=wish.kind,
        name=wish.name,
        digest=digest.hex(),
        hint=hint_of(text),
        scopes=json.dumps(dict(wish.scopes), separators=(",", ":")),
        expires_at=None if wish.expires_in_s is None else wall + wish.expires_in_s * _MICROSECONDS,
        revoked_at=None,
        used_at=None,
        rolled_to=None,
    )


def is_live(row: ApiKey, wall: int) -> bool:
    """Whether a key opens anything at `wall` (Unix microseconds)."""
    return row.revoked_at is None and (row.expires_at is None or wall < row.expires_at)


def add(books: Books, row: ApiKey, wall: int) -> None:
    """Put a new key into the books.

    Raises
    ------
    ApiError
        404: there is no such account. 400: it has too many keys.
    """
    if books.get(AccountRow, row.account) is None:
        raise no_such("account", row.account)
    if sum(is_live(other, wall) for other in books.find(ApiKey, {"account": row.account})) >= KEYS_MAX:
        raise ApiError(400, f"An account has at most {KEYS_MAX} API keys.")
    books.add(row)


def of(books: Books, identifier: str) -> ApiKey:
    """Return a key's row; ApiError 404 if there is none."""
    row = books.get(ApiKey, identifier)
    if row is None:
        raise no_such("API key", identifier)
    return row


def rolled(books: Books, identifier: str, text: str, overlap_s: int, created: int, wall: int) -> ApiKey:
    """Replace a key by a new one of the same kind, name and scopes; both work for `overlap_s` seconds.

    Returns
    -------
    ApiKey
        The new row. A shorter life that the old key had already stays as it was; the new key has no end.

    Raises
    ------
    ApiError
        404: no such key. 400: it is dead or has been rolled before, or the overlap is too long.
    """
    if not 0 <= overlap_s <= OVERLAP_MAX_S:
        raise ApiError(400, f"Invalid overlap_s: must be from 0 to {OVERLAP_MAX_S}", param="overlap_s")
    old = of(books, identifier)
    if not is_live(old, wall) or old.rolled_to is not None:
        raise ApiError(400, f"The key {old.hint} has expired, or was rolled or revoked.", param="id")
    row = row_of(old.account, Wish(old.kind, old.name, json.loads(old.scopes)), text, created, wall)
    add(books, row, wall)
    ends = wall + overlap_s * _MICROSECONDS
    ends = ends if old.expires_at is None else min(ends, old.expires_at)
    books.put(old._replace(expires_at=ends, rolled_to=row.id))
    return row


def revoked(books: Books, identifier: str, wall: int) -> ApiKey:
    """End a key at once, for good; one that is revoked stays as it is."""
    row = of(books, identifier)
    if row.revoked_at is None:
        row = row._replace(revoked_at=wall)
        books.put(row)
    return row


def render(row: ApiKey, wall: int) -> dict[str, Any]:
    """Return what may be shown of a key. Instants are Unix seconds, those of a key's life in wall time."""
    status = "active" if is_live(row, wall) else "expired" if row.revoked_at is None else "revoked"
    return {
        "id": row.id,
        "object": "api_key",
        "account": row.account,
        "created": row.created,
        "expires_at": _seconds(row.expires_at),
        "hint": row.hint,
        "kind": row.kind,
        "last_used_at": _seconds(row.used_at),
        "name": row.name,
        "revoked_at": _seconds(row.revoked_at),
        "rolled_to": row.rolled_to,
        "scopes": json.loads(row.scopes),
        "status": status,
    }


def _seconds(micros: int | None) -> int | None:
    return None if micros is None else micros // _MICROSECONDS
