"""What shops want, and what they know of it: orders, the steps of their lives, and how a payment stands.

A step is one message of a payment that may move money, with what stands of it as far as its gateway knows. Sums over
the steps of a payment are the naive model of the audit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

PAY, MORE, CAPTURE, REFUND, TELL = "pay", "more", "capture", "refund", "tell"
"""Authorise or sell; add to an authorisation; capture; give back; tell of a sale that the terminal has approved."""
KINDS = (PAY, MORE, CAPTURE, REFUND, TELL)
INSISTED = frozenset({CAPTURE, REFUND, TELL})
"""Kinds whose silence is answered by a repeat; the silence of any other makes a reversal."""

SENT, APPROVED, DECLINED, NOT_MADE = "sent", "approved", "declined", "not made"
UNKNOWN, UNDOING, LOWERING, UNDONE = "unknown", "undoing", "lowering", "undone"
REVERSING = frozenset({UNKNOWN, UNDOING, LOWERING})
OPEN = REVERSING | {SENT}
STANDS = frozenset({APPROVED, UNDOING, LOWERING})


class Order(NamedTuple):
    """What a shop wants at first. `amount_minor` is its own, so that people know it again in a failure.

    Attributes
    ----------
    mti
        0100, 0200; 0120 or 0220 for what the terminal approves itself.
    is_token
        Whether the card travels as a token; else as its number.
    takes_part
        Whether less than the amount may be approved.
    pin
        "" for none.
    """

    number: int
    pan: str
    cvc: str
    amount_minor: int
    mti: str = "0100"
    terminal: str = ""
    merchant: str = ""
    is_token: bool = True
    takes_part: bool = False
    pin: str = ""


class Step(NamedTuple):
    """One step as it is stored.

    Attributes
    ----------
    left_minor
        What stands of it, as far as is known here.
    wanted_minor
        What is to be left of it, while that is being lowered.
    capture
        Whether it is the last capture ("F") or not ("P"); "" for what is none.
    terminal
        Where it is taken: not always where the payment was begun.
    names_rrn
        "1": it names its payment by DE 37 alone.
    """

    identifier: int
    payment: int
    kind: str
    state: str
    amount_minor: int
    mti: str
    stan: str
    transmitted: str
    local_time: str
    local_date: str
    token: str
    rrn: str = ""
    code: str = ""
    left_minor: int = 0
    wanted_minor: int = 0
    capture: str = ""
    terminal: str = ""
    names_rrn: str = ""

    @property
    def is_authorisation(self) -> bool:
        """Whether it lets something be captured."""
        return self.kind in (PAY, MORE, TELL)

    @property
    def is_charge(self) -> bool:
        """Whether it takes money."""
        return self.kind == CAPTURE or (self.kind in (PAY, TELL) and self.mti[1] == "2")

    @property
    def is_last(self) -> bool:
        """Whether nothing of its payment may be captured afterwards."""
        return self.is_charge and self.capture != "P"


class Standing(NamedTuple):
    """Sums over the steps of one payment in minor units."""

    authorised_minor: int
    captured_minor: int
    refunded_minor: int
    is_final: bool

    @property
    def open_minor(self) -> int:
        """What may still be captured."""
        return 0 if self.is_final else max(self.authorised_minor - self.captured_minor, 0)


def standing_of(steps: Iterable[Step], *, counts_sent: bool = False) -> Standing:
    """Add up what stands; `counts_sent`: as if the captures and refunds that are out had been taken."""
    authorised = captured = refunded = 0
    is_final = False
    for step in steps:
        left = step.left_minor if step.state in STANDS else 0
        is_out = counts_sent and step.state == SENT and step.kind in (CAPTURE, REFUND)
        if is_out:
            left = step.amount_minor
        if step.is_authorisation:
            authorised += left
        if step.is_charge:
            captured += left
            is_final = is_final or (step.is_last and (is_out or step.state in STANDS))
        if step.kind == REFUND:
            refunded += left
    return Standing(authorised, captured, refunded, is_final)
