"""What the operations of `/emu/v1` work with, and who may call them."""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from fastapi import APIRouter, Depends
from fastapi.security import HTTPBearer

from gateway.core.api_keys import presented
from gateway.core.listed_cards import ListedCard
from gateway.emu.house import House
from gateway.emu.problems import GuardedRoute, documented
from gateway.emu.streaming import Watch
from gateway.handlers.context import Ports
from gateway.request_log import RequestLog

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
        """Return a router whose operations are said to be the operator's alone; who is, `admits` has decided before."""
        scheme = [Depends(_SCHEME)]
        return APIRouter(tags=[tag], dependencies=scheme, route_class=GuardedRoute, responses=documented(401))

    def admits(self, authorization: str | None) -> bool:
        """Whether a request with this header comes from the operator."""
        return hmac.compare_digest(digest_of(presented(authorization)), self.key_digest)


def digest_of(key: str) -> bytes:
    """Return what is remembered of an operator's key."""
    return hashlib.sha256(key.encode()).digest()
