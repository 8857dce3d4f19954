"""Rows about merchants themselves: who they are, the keys they call with, and what has happened to them."""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """Something that happened, with the object as it was then.

    `data` and `previous` are JSON: the rendered object, and of an update what its changed attributes were before.
    `request` and `idempotency_key` name the HTTP request that caused it; both None if none did.
    """

    id: str
    account: str
    created: int
    type: str
    data: str
    previous: str | None
    request: str | None
    idempotency_key: str | None
    api_version: str


class AccountRow(NamedTuple):
    """A merchant: `merchant` is DE 42, `terminal` DE 41 and its own.

    `account` is the platform that made it, None if the topology did; `is_platform` 1 if it may make others.
    `name` and `mcc` are those that the acquirer has; `currency` alphabetic, lower case.
    """

    id: str
    account: str | None
    created: int
    merchant: str
    terminal: str
    name: str
    mcc: str | None
    country: str
    currency: str
    email: str | None
    is_platform: int
    details: str
    metadata: str


class ApiKey(NamedTuple):
    """An API key, of which only a hash is kept.

    Attributes
    ----------
    id
        Follows from `digest`, so that a key that is presented is found by its row's key.
    kind
        "secret", "publishable" or "restricted".
    digest
        str[64], hexadecimal SHA-256 of the key.
    hint
        What may be shown of it: its prefix and its last four characters.
    scopes
        JSON of a restricted key: resource to "read" or "write".
    expires_at, revoked_at, used_at
        Unix microseconds of wall time, or None.
    rolled_to
        Id of the key that replaces it.
    """

    id: str
    account: str
    created: int
    kind: str
    name: str
    digest: str
    hint: str
    scopes: str
    expires_at: int | None
    revoked_at: int | None
    used_at: int | None
    rolled_to: str | None
