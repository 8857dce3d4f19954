"""API keys: who is asking. Only hashes are kept, and they are compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import NamedTuple

from gateway.core.errors import ApiError
from gateway.handlers.context import Account


class Caller(NamedTuple):
    """An authenticated caller. `pepper` keys what is remembered of this caller's parameters; it is not stored."""

    account: Account
    is_public: bool
    pepper: bytes

    def __repr__(self) -> str:
        return f"Caller({self.account.id!r}, is_public={self.is_public})"


class KeyRing:
    """The keys of all merchants.

    Parameters
    ----------
    keys
        (account, secret key, publishable key) per merchant.
    """

    def __init__(self, keys: Iterable[tuple[Account, str, str]]) -> None:
        self._entries: list[tuple[bytes, Account, bool]] = []
        for account, secret, publishable in keys:
            self._entries.append((_hash(secret), account, False))
            self._entries.append((_hash(publishable), account, True))

    def caller(self, authorization: str | None, fallback: str | None = None) -> Caller:
        """Authenticate a request.

        Parameters
        ----------
        authorization
            The header: `Bearer KEY`, or `Basic` with the key as user name.
        fallback
            A key given as the parameter `key`, as browsers send it; publishable keys only.

        Raises
        ------
        ApiError
            401: no key, or not one of ours.
        """
        key = _presented(authorization) or (fallback if (fallback or "").startswith("pk_") else None)
        if not key:
            message = (
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
            )
            raise ApiError(401, message)
        presented, found = _hash(key), None
        for stored, account, is_public in self._entries:
            if hmac.compare_digest(stored, presented):
                found = Caller(account, is_public, key.encode("utf-8", "surrogatepass"))
        if found is None:
            raise ApiError(401, f"Invalid API Key provided: {_shortened(key)}")
        return found


def digest(caller: Caller, method: str, path: str, parameters: str) -> str:
    """Return what identifies a request under its idempotency key.

    It is keyed with the caller's own API key, of which the store holds nothing: parameters hold card numbers, and a
    plain hash of a card number can be tried out.
    """
    return hmac.new(caller.pepper, f"{method} {path}\n{parameters}".encode(), hashlib.sha256).hexdigest()


def _presented(authorization: str | None) -> str | None:
    scheme, _, credentials = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded.partition(":")[0]


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _shortened(key: str) -> str:
    """Return enough of a wrong key to recognise it, and not enough to be one."""
    return f"{key[:8]}{'*' * 8}{key[-4:]}" if len(key) > 20 else "*" * len(key)
