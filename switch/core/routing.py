"""Routing: which issuer's link a card number belongs to, by its longest known prefix.

Routes are data. They apply to card numbers, never to network tokens, which all share one reserved prefix and are routed
after they have been opened.
"""

from __future__ import annotations

from collections.abc import Mapping

from iso.errors import CardrailsError

PREFIX_MAX = 11
"""Longest prefix that a route may have: as many digits as a BIN file of the networks distinguishes."""

TOKEN_PREFIX = "9999"
"""Reserved prefix of the network tokens."""


class RouteTable:
    """Prefixes of card numbers with the link that each leads to.

    Parameters
    ----------
    routes
        Prefix of 1 to 11 digits to link name.

    Raises
    ------
    CardrailsError
        A prefix is not 1 to 11 digits, or lies inside the reserved range of the tokens. Fix the topology.

    Examples
    --------
    >>> table = RouteTable({"4": "issuer-a", "990001": "issuer-a", "99": "issuer-b"})
    >>> table.link_of("9900010000000000"), table.link_of("9900020000000000"), table.link_of("5100")
    ('issuer-a', 'issuer-b', None)
    """

    __slots__ = ("_lengths", "_links", "links")

    def __init__(self, routes: Mapping[str, str]) -> None:
        for prefix in routes:
            if not (prefix.isascii() and prefix.isdigit() and len(prefix) <= PREFIX_MAX):
                raise CardrailsError(f"a route's prefix has 1 to {PREFIX_MAX} digits")
            if prefix.startswith(TOKEN_PREFIX):
                raise CardrailsError(f"prefix {TOKEN_PREFIX} is reserved for network tokens")
        self._links = dict(routes)
        self.links = frozenset(routes.values())
        self._lengths = sorted({len(prefix) for prefix in routes}, reverse=True)

    def link_of(self, pan: str) -> str | None:
        """Return the link of the longest prefix that fits, or None."""
        for length in self._lengths:
            link = self._links.get(pan[:length])
            if link is not None:
                return link
        return None


def is_token(number: str) -> bool:
    """Whether DE 2 holds a network token and not a card number."""
    return number.startswith(TOKEN_PREFIX)
