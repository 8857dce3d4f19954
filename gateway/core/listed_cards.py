"""The test cards as `/emu/v1` lists them: the numbers are masked, and what each card does is its issuer's word."""

from __future__ import annotations

from typing import NamedTuple


class ListedCard(NamedTuple):
    """A test card that an issuer has put into circulation.

    Attributes
    ----------
    number
        Masked, 6+4.
    expiry
        `MM/YY` that is accepted.
    cvc
        "any", or "checked" where the issuer compares it.
    about
        What the issuer does with it.
    names
        Payment methods that stand for it on `/v1`, such as `pm_card_visa`.
    """

    number: str
    expiry: str
    cvc: str
    issuer: str
    about: str
    names: tuple[str, ...] = ()
