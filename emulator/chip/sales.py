"""What a terminal says to its acquirer: one message per deed, in the 1987 form, and how the card gets into it.

Pure: time, chance and the numbers of the till come in as arguments. DE 32, 37, 18, 19 and 43 are the acquirer's to say.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple

from emulator.chip.files import CardFile
from emulator.chip.terminal import Authorisation, PinBlock, pin_elements
from emulator.chip.till import Counts, Sale, Till
from iso import Message
from iso.amounts import CASHBACK, AdditionalAmount, build_amounts
from iso.private import CAPTURE, CVV2, PARTIAL_APPROVAL, build_private, parse_private
from iso.replacement import ReplacementAmounts
from iso.stan import transmission_time

APPROVED: Final = "00"
TIMED_OUT, CANCELLED, CARD_DECLINED = "68", "17", "22"
"""DE 39 of a reversal: why."""
_MERCHANT_WIDTH, _TERMINAL_WIDTH = 15, 8
_PRE_AUTHORISED: Final = "06"
_AT_A_COUNTER: Final = "00"


class Entry(Enum):
    """How the card's data came into the terminal; the value is what the command line calls it."""

    CHIP = "chip"
    CONTACTLESS = "contactless"
    STRIPE = "stripe"
    MANUAL = "manual"

    @property
    def has_chip(self) -> bool:
        """Whether the chip takes part."""
        return self in (Entry.CHIP, Entry.CONTACTLESS)


_MODES: Final = {Entry.CHIP: "05", Entry.CONTACTLESS: "07", Entry.STRIPE: "90", Entry.MANUAL: "01"}
_WITH_PIN_PAD, _WITHOUT = "1", "2"


class Deed(NamedTuple):
    """What kind of message a deed is: MTI, and the first two digits of DE 3."""

    mti: str
    type: str


DEEDS: Final = {
    "purchase": Deed("0200", "00"),
    "cash": Deed("0200", "01"),
    "cashback": Deed("0200", "09"),
    "refund": Deed("0200", "20"),
    "preauth": Deed("0100", "00"),
    "verify": Deed("0100", "00"),
    "balance": Deed("0100", "31"),
    "pin-change": Deed("0100", "92"),
}
"""The deeds for which a card is there."""


class Asked(NamedTuple):
    """What the shop wants.

    Attributes
    ----------
    amount_minor, cashback_minor
        In minor units; the cash is a part of the amount.
    currency
        ISO 4217 numeric.
    at
        Now, aware UTC; `local` is the terminal's own time of day.
    takes_partial
        The terminal can handle an approval of less.
    tags
        More of DE 48: PIN tags, the new PIN block.
    """

    deed: str
    amount_minor: int
    currency: str
    at: datetime
    local: datetime
    cashback_minor: int = 0
    takes_partial: bool = False
    has_pin_pad: bool = True
    tags: dict[str, str] = {}  # noqa: RUF012 - never changed in place


def card_elements(card: CardFile, entry: Entry, asked: Asked, pin: PinBlock | None = None) -> dict[int, str]:
    """Return what a card brings into a message without its chip: number, expiry, stripe, PIN, and how it was read."""
    pad = _WITH_PIN_PAD if asked.has_pin_pad else _WITHOUT
    fields = {2: card.pan, 22: _MODES[entry] + pad, 25: _AT_A_COUNTER}
    elements, tags = pin_elements(pin) if pin is not None else ({}, {})
    if entry is Entry.STRIPE:
        fields[35] = card.track2
    elif entry is Entry.MANUAL:
        fields[14] = card.expiry
        tags = {CVV2: card.cvv2, **tags}
    private = {48: build_private(tags)} if tags else {}
    return {**fields, **elements, **private}


def chip_elements(made: Authorisation, entry: Entry, asked: Asked) -> dict[int, str]:
    """Return what a chip brings into a message."""
    fields = {int(element): value for element, value in made.fields.items()}
    fields[22] = _MODES[entry] + (_WITH_PIN_PAD if asked.has_pin_pad else _WITHOUT)
    # The number is in track 2 and not in the message twice.
    fields[2] = made.fields["35"].partition("=")[0]
    return fields


def request_of(till: Till, asked: Asked, card: dict[int, str], stan: str) -> Message:
    """Return the request of a deed.

    Parameters
    ----------
    card
        Of `card_elements` or `chip_elements`, with the PIN if there is one.
    stan
        Of `Till.numbered`.
    """
    deed = DEEDS[asked.deed]
    fields = {**card, **_heading(till, asked, stan), 3: f"{deed.type}0000", 4: f"{asked.amount_minor:012d}"}
    if asked.deed == "preauth":
        fields[25] = _PRE_AUTHORISED
    if asked.cashback_minor:
        fields[54] = build_amounts([AdditionalAmount("00", CASHBACK, asked.currency, asked.cashback_minor)])
    tags = parse_private(card.get(48, "")) | asked.tags
    if asked.takes_partial:
        tags[PARTIAL_APPROVAL] = "1"
    if tags:
        fields[48] = build_private(dict(sorted(tags.items())))
    return Message(deed.mti, fields)


def refund_of(request: Message, sale: Sale) -> Message:
    """Return a refund that names the payment that it gives back."""
    return request.with_fields({37: sale.rrn or None, 90: sale.named()})


def advice_of(request: Message, code: str = "") -> Message:
    """Return the advice of a sale that the terminal has approved itself.

    Parameters
    ----------
    request
        As it would have been sent; it brings no PIN.
    code
        DE 38: what the shop was told by telephone, or "".
    """
    mti = "0120" if request.mti == "0100" else "0220"
    return request.with_fields({39: APPROVED, 38: code or None}, mti=mti)


def completion_of(till: Till, sale: Sale, asked: Asked, stan: str, *, is_final: bool) -> Message:
    """Return the 0220 that captures an authorisation, or a part of it."""
    fields = {
        **_heading(till, asked, stan),
        3: sale.processing_code,
        4: f"{asked.amount_minor:012d}",
        25: _PRE_AUTHORISED,
        37: sale.rrn,
        39: APPROVED,
        48: build_private({CAPTURE: f"{sale.captures + 1:02d}{'F' if is_final else 'P'}"}),
        90: sale.named(),
    }
    if sale.code:
        fields[38] = sale.code
    return Message("0220", fields)


def reversal_of(till: Till, sale: Sale, asked: Asked, stan: str, why: str, remains_minor: int = 0) -> Message:
    """Return the 0420 that takes a payment back, or what does not remain of it; it needs no card."""
    fields = {
        **_heading(till, asked, stan),
        3: sale.processing_code,
        4: f"{sale.amount_minor:012d}",
        39: why,
        90: sale.named(),
    }
    if sale.rrn:
        fields[37] = sale.rrn
    if sale.code:
        fields[38] = sale.code
    if remains_minor:
        fields[95] = ReplacementAmounts(remains_minor).to_de95()
    return Message("0420", fields)


def totals_of(till: Till, currency: str, asked: Asked, stan: str) -> Message:
    """Return the 0500 that closes the batch in one currency."""
    fields = _heading(till, asked, stan)
    counted = till.counts.get(currency, Counts()).elements()
    return Message("0500", {**fields, 49: currency, 50: currency, 60: f"{till.batch:06d}", **counted})


def sale_of(deed: str, request: Message, answer: Message | None, last4: str) -> Sale:
    """Return what the till remembers of a payment; `answer` None: the terminal approved it, or nobody answered."""
    approved_minor = answer.amount_minor if answer is not None and 4 in answer else request.amount_minor
    return Sale(
        deed,
        request.mti,
        request.stan,
        request.transmitted,
        (answer.rrn if answer is not None else "") or request.rrn,
        answer.authorisation_code if answer is not None else request.authorisation_code,
        approved_minor,
        request.currency,
        last4,
        request.processing_code,
    )


def _heading(till: Till, asked: Asked, stan: str) -> dict[int, str]:
    return {
        7: transmission_time(asked.at),
        11: stan,
        12: f"{asked.local:%H%M%S}",
        13: f"{asked.local:%m%d}",
        41: till.identifier.ljust(_TERMINAL_WIDTH),
        42: till.merchant.ljust(_MERCHANT_WIDTH),
        49: asked.currency,
    }
