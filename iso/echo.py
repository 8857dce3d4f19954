"""What a response repeats from its request: a profile per network, as data.

Which elements identify an exchange is common practice; which others come back is agreed link by link. What is secret,
and DE 48 (it may hold a CVV2 or a cryptogram), never comes back, whatever a profile says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from iso.elements import HIDDEN_ELEMENTS, MAC_ELEMENTS
from iso.errors import ConfigError

__all__ = ["COMMON", "ECHO_PROFILES", "HOUSE", "MINIMAL", "NO_PAN", "EchoProfile"]

_NEVER = HIDDEN_ELEMENTS | {39, 48, *MAC_ELEMENTS}


class EchoProfile:
    """Which elements a response takes from its request if they are there.

    Parameters
    ----------
    name
        What links call it.
    always
        Elements of every response.
    also
        First two digits of the MTI ("04") to more elements.

    Raises
    ------
    ConfigError
        An element that must never be echoed: 39, 48, MACs, and what is secret.

    Examples
    --------
    >>> HOUSE.elements("0430")[-2:], HOUSE.elements("0110")[:3], 2 in NO_PAN.elements("0110")
    ((90, 95), (2, 3, 4), False)
    """

    __slots__ = ("_also", "_always", "name")

    def __init__(
        self, name: str, always: Iterable[int], also: Mapping[str, Iterable[int]] = MappingProxyType({})
    ) -> None:
        self.name = name
        self._always = tuple(sorted(set(always)))
        self._also = {kind: tuple(sorted({*self._always, *more})) for kind, more in also.items()}
        for elements in (self._always, *self._also.values()):
            if forbidden := _NEVER.intersection(elements):
                raise ConfigError(f"echo profile {name}", "elements", sorted(forbidden), "elements that may be echoed")

    def __repr__(self) -> str:
        return f"EchoProfile({self.name!r})"

    def elements(self, mti: str) -> tuple[int, ...]:
        """Give the elements that a response with this MTI echoes, in order."""
        return self._also.get(mti[:2], self._always)


_IDENTITY = (2, 3, 4, 7, 11, 12, 13, 32, 33, 37, 41, 42, 49)
_BY_CLASS: dict[str, tuple[int, ...]] = {"04": (90, 95), "08": (70,), "14": (30, 56), "18": (24,)}

HOUSE = EchoProfile("house", _IDENTITY, _BY_CLASS)
"""What the house's own links echo."""

COMMON = EchoProfile(
    "common", _IDENTITY, _BY_CLASS | {"01": (23, 25), "02": (23, 25), "11": (23,), "12": (23,), "14": (23, 30, 56)}
)
"""The table of public profiles in its stricter reading: card sequence number and POS condition come back too."""

NO_PAN = EchoProfile("no-pan", (element for element in _IDENTITY if element != 2), _BY_CLASS)
"""As the house, without the card number: for legs on which a response need not carry it."""

MINIMAL = EchoProfile("minimal", (7, 11, 12, 32, 37, 41), {"08": (70,), "18": (24,), "04": (90,), "14": (56,)})
"""Only what identifies the exchange."""

ECHO_PROFILES = MappingProxyType({profile.name: profile for profile in (HOUSE, COMMON, NO_PAN, MINIMAL)})
"""Profiles by name."""
