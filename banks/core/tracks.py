"""What a card's stripe says (DE 35): number, expiry, service code, and the CVV where this house's issuers put it."""

from __future__ import annotations

import re
from typing import NamedTuple

_TRACK_2 = re.compile(r"(\d{12,19})[=D](\d{4})(\d{3})(\d*)F?", re.ASCII)
_CVV = slice(5, 8)
"""In the discretionary data, behind PVKI (1) and PVV (4)."""


class Track(NamedTuple):
    """Track 2. `cvv` is "" where the discretionary data are too short for one."""

    pan: str
    expiry: str
    service_code: str
    cvv: str

    def __repr__(self) -> str:
        return "Track()"


def read_track(text: str) -> Track | None:
    """Read DE 35.

    Parameters
    ----------
    text
        PAN, `=` or `D`, expiry YYMM, service code, PVKI (1), PVV (4), CVV (3), anything.

    Returns
    -------
    Track | None
        None if it cannot be read.

    Source
    ------
    ISO/IEC 7813 as commonly described; what stands behind the service code is each issuer's own affair, here as
    `emulator.chip.issuing` writes it.

    Examples
    --------
    >>> read_track("990001000000000=30122011123456700").service_code
    '201'
    """
    found = _TRACK_2.fullmatch(text)
    if found is None:
        return None
    pan, expiry, service_code, behind = found.groups()
    cvv = behind[_CVV]
    return Track(pan, expiry, service_code, cvv if len(cvv) == 3 else "")
