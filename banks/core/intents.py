"""What an acquirer knows about a request of the gateway: its row, and its working copy in memory.

Every 0100, 0120, 0200 and 0220 is an intent. The first of a payment carries the payment's running amounts; what adds
to it (increments, completions, refunds) names it as its root and shares its RRN.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from iso import Message
from iso.mti import first_mti
from iso.original import OriginalData
from iso.private import CAPTURE, build_private
from iso.replacement import ReplacementAmounts
from node.core.turn import changed

INTENTS, TOMBSTONES, COUNTERS = "intents", "tombstones", "counters"

NEW = "new"
"""In memory only: nothing has been sent for it yet."""
SENT = "sent"
"""Committed before the request left; after a restart its outcome is Unknown."""
WAITING = "waiting"
"""An advice that was passed on and not confirmed yet: whoever sent it repeats it, and then it is passed on again."""
APPROVED, DECLINED, UNKNOWN, REVERSED = "approved", "declined", "unknown", "reversed"

COMPLETION, CONFIRMATION, FORCED_HOLD, FORCED_SALE = "COMPLETION", "CONFIRMATION", "FORCED_HOLD", "FORCED_SALE"
"""Kinds of advices, beside the names of `banks.core.kinds.Kind`: the capture of a payment; a 0120 about what has been
approved anyway; a payment that a terminal has approved itself, to be captured (0120) or captured already (0220)."""

TERMINAL_LENGTH, MERCHANT_LENGTH = 8, 15
"""DE 41 and 42 are of fixed length, filled with spaces."""

STANS, INTENTS_MADE = "stans", "intents"
"""Counters: trace numbers handed out, intents made."""


class IntentRow(NamedTuple):
    """One request between the gateway's link and the network's.

    Attributes
    ----------
    identifier
        Primary key, counted up.
    terminal, gateway_stan, gateway_time
        DE 41, 11 and 7 of the gateway's request: its key.
    token
        DE 2 if it is a network token; "" if it was a card number, which is kept nowhere.
    stan, network_time
        DE 11 and 7 of the network's leg; "" if nothing was sent.
    wants_reversal
        1 if the gateway has reversed it: an approval that comes now is undone and never passed on.
    private
        DE 48 of the answer, without secrets.
    amount_minor
        DE 4: what was asked for, and once it is approved what was approved.
    mti
        Of the request, as it would be without a repeat digit.
    kind
        Name of a `Kind`, or one of the kinds of advices.
    root
        Identifier of the payment's first intent; 0 = this is the first.
    entry
        DE 22, 23 and 25 with slashes between them.
    extra
        DE 44 and 54 of the answer, as JSON; "" without them.
    remains_minor
        What is left of an approved amount after reversals.
    authorised_minor, captured_minor, refunded_minor
        Of the whole payment, on its first intent: what was approved and stands, and what of it became money.
    completions
        How many captures there have been, on the first intent.
    is_final
        1 on the first intent once no further capture may come.
    refunds
        How many refunds there have been, on the first intent.
    paid_at
        DE 41 of the payment's first intent, where this one came from another terminal; "".
    """

    identifier: int
    terminal: str
    gateway_stan: str
    gateway_time: str
    state: str
    token: str
    processing_code: str
    amount_minor: int
    currency: str
    local_time: str
    local_date: str
    merchant: str
    mcc: str
    country: str
    name_location: str
    stan: str
    network_time: str
    rrn: str
    code: str
    authorisation_code: str
    private: str
    settlement_date: str
    wants_reversal: int
    at: str
    mti: str = "0100"
    kind: str = "PURCHASE"
    root: int = 0
    entry: str = ""
    extra: str = ""
    remains_minor: int = 0
    authorised_minor: int = 0
    captured_minor: int = 0
    refunded_minor: int = 0
    completions: int = 0
    is_final: int = 0
    refunds: int = 0
    paid_at: str = ""


_NOTHING_YET = IntentRow._make((0, "", "", "", NEW, "", "", 0, *[""] * 14, 0, "", *IntentRow._field_defaults.values()))
"""What all intents have in common that are new."""


class IntentTombstoneRow(NamedTuple):
    """The key of a gateway's request whose reversal came before it."""

    key: str
    at: str


class Intent:
    """A request at work, or settled and still remembered."""

    __slots__ = ("chip", "is_open", "key", "refunding_minor", "row", "waiters")

    def __init__(self, row: IntentRow, *, is_open: bool = False) -> None:
        self.row = row
        self.key = gateway_key(row.mti, row.terminal, row.gateway_stan, row.gateway_time)
        """The gateway's key, which never changes."""
        self.is_open = is_open
        """Whether a conversation is at work on it, or was when the node went down."""
        self.waiters: list[Hashable] = []
        """Conversations of repeats that wait for this one's outcome."""
        self.refunding_minor = 0
        """On a payment's first intent: refunds that have been sent and not been answered."""
        self.chip = ""
        """DE 55 of the answer, which lives until it has been passed on and is never stored."""

    @property
    def payment(self) -> int:
        """Identifier of its payment's first intent."""
        return self.row.root or self.row.identifier

    def names(self) -> Iterable[str]:
        """Return the name by which a payment is found: its RRN, once it has one, on its first intent."""
        return (self.row.rrn,) if self.row.rrn and not self.row.root else ()


def gateway_key(mti: str, terminal: str, stan: str, transmitted: str) -> str:
    """Return the key of a gateway's request: DE 41, 11 and 7, and what kind of message it is.

    Examples
    --------
    >>> gateway_key("0100", "TERM0001", "000001", "0314092653")
    'TERM0001/000001/0314092653'
    >>> gateway_key("0221", "TERM0001", "000001", "0314092653")
    'TERM0001/000001/0314092653/22'
    """
    function = mti[1:3]
    key = f"{terminal.rstrip(' ')}/{stan}/{transmitted}"
    # Tombstones of earlier versions are all of 0100s, and have nothing behind DE 7.
    return key if function == "10" else f"{key}/{function}"


def new_intent(request: Message, kind: str, identifier: int, at: str) -> Intent:
    """Return the intent of a gateway's request, with nothing sent yet."""
    get = request.get
    row = changed(
        _NOTHING_YET,
        identifier=identifier,
        terminal=request.terminal,
        gateway_stan=request.stan,
        gateway_time=request.transmitted,
        processing_code=request.processing_code,
        amount_minor=request.amount_minor,
        currency=request.currency,
        local_time=get(12) or "",
        local_date=get(13) or "",
        merchant=request.merchant,
        at=at,
        mti=first_mti(request.mti),
        kind=kind,
        entry=f"{get(22) or ''}/{get(23) or ''}/{get(25) or ''}",
    )
    return Intent(row, is_open=True)


def kept_elements(row: IntentRow, acquirer_id: str) -> dict[int, str]:
    """Return the elements that stay the same through the life of a payment; DE 2 only if it is a token."""
    fields = {
        2: row.token,
        3: row.processing_code,
        4: f"{row.amount_minor:012d}",
        12: row.local_time,
        13: row.local_date,
        18: row.mcc,
        19: row.country,
        32: acquirer_id,
        37: row.rrn,
        38: row.authorisation_code,
        41: (row.paid_at or row.terminal).ljust(TERMINAL_LENGTH),
        42: row.merchant.ljust(MERCHANT_LENGTH),
        43: row.name_location,
        49: row.currency,
    }
    return {element: value for element, value in fields.items() if value}


def named_by_the_network(row: IntentRow, acquirer_id: str) -> str:
    """Return DE 90 that names an intent as the network saw it."""
    return OriginalData(row.mti, row.stan, row.network_time, acquirer_id.lstrip("0")).to_de90()


def reversal_of(
    row: IntentRow, acquirer_id: str, stan: str, transmitted: str, remains_minor: int | None = None
) -> Message:
    """Build the 0420 that undoes an intent at the switch.

    Parameters
    ----------
    row
        The intent as it was sent.
    acquirer_id
        DE 32.
    stan, transmitted
        New DE 11 and 7; the original's are in DE 90.
    remains_minor
        For a partial reversal: what remains of the amount (DE 95).

    Returns
    -------
    Message
        DE 2 only if it is a token; DE 38 only if an approval was seen.
    """
    fields = kept_elements(row, acquirer_id)
    fields |= {7: transmitted, 11: stan, 90: named_by_the_network(row, acquirer_id)}
    if remains_minor is not None:
        fields[95] = ReplacementAmounts(remains_minor).to_de95()
    return Message("0420", fields)


def completion_of(row: IntentRow, root: IntentRow, acquirer_id: str, *, number: int, is_final: bool) -> Message:
    """Build the 0220 that tells the network of a capture.

    Parameters
    ----------
    row
        The capture: its amount, and its DE 11 and 7 on the network's link.
    root
        The payment's first intent, which DE 90 names.
    number
        Which capture of its payment this is, 1 to 99.
    """
    fields = kept_elements(row, acquirer_id)
    fields |= {
        7: row.network_time,
        11: row.stan,
        39: "00",
        48: build_private({CAPTURE: f"{number:02d}{'F' if is_final else 'P'}"}),
        90: named_by_the_network(root, acquirer_id),
    }
    fields |= {element: value for element, value in zip((22, 23, 25), row.entry.split("/"), strict=False) if value}
    return Message("0220", fields)
