"""What the operations of `/emu/v1` work with, and who may call them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.params import Depends as Dependency
from fastapi.security import HTTPBearer

from gateway.core.listed_cards import ListedCard
from gateway.emu.house import House
from gateway.emu.problems import GuardedRoute, Problem, documented
from gateway.emu.streaming import Watch
from gateway.handlers.context import Ports
from gateway.request_log import RequestLog

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="cardrails /emu/v1"'}
_SCHEME = HTTPBearer(auto_error=False, scheme_name="operator", description="The operator's key, from the ready file.")


class Desk(NamedTuple):
    """Everything outside an operation.

    Attributes
    ----------
    ports
        Of the gateway's own handlers.
    house
        The control ports.
    requests
        The request log.
    watch
        Tells streams that something has crossed.
    cards
        The test cards.
    key_digest
        SHA-256 of the operator's key.
    """

    ports: Ports
    house: House
    requests: RequestLog
    watch: Watch
    cards: tuple[ListedCard, ...]
    key_digest: bytes

    def router(self, tag: str) -> APIRouter:
        """Return a router whose operations are the operator's alone."""
        guards = [Depends(_SCHEME), self._guard()]
        return APIRouter(tags=[tag], dependencies=guards, route_class=GuardedRoute, responses=documented(401))

    def _guard(self) -> Dependency:
        async def operator_only(request: Request) -> None:
            given = hashlib.sha256(_presented(request).encode()).digest()
            if not hmac.compare_digest(given, self.key_digest):
                raise Problem(401, "the operator's key is needed: Authorization: Bearer KEY", _CHALLENGE)

        guard: Dependency = Depends(operator_only)
        return guard


def digest_of(key: str) -> bytes:
    """Return what is remembered of an operator's key."""
    return hashlib.sha256(key.encode()).digest()


def _presented(request: Request) -> str:
    """Return the key of a request: as a bearer, or as the user name that a browser asks for."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
