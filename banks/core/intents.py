"""What an acquirer knows about an authorisation that it has passed on: its row, and its working copy in memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from iso import Message
from iso.original import OriginalData

INTENTS, TOMBSTONES, COUNTERS = "intents", "tombstones", "counters"

NEW = "new"
"""In memory only: nothing has been sent for it yet."""
SENT = "sent"
"""Committed before the request left; after a restart its outcome is Unknown."""
APPROVED, DECLINED, UNKNOWN, REVERSED = "approved", "declined", "unknown", "reversed"

TERMINAL_LENGTH, MERCHANT_LENGTH = 8, 15
"""DE 41 and 42 are of fixed length, filled with spaces."""

STANS, INTENTS_MADE = "stans", "intents"
"""Counters: trace numbers handed out, intents made."""


class IntentRow(NamedTuple):
    """One authorisation between the gateway's link and the network's.

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


class IntentTombstoneRow(NamedTuple):
    """The key of a gateway's request whose reversal came before it."""

    key: str
    at: str


class Intent:
    """An authorisation at work, or settled and still remembered."""

    __slots__ = ("row", "waiters")

    def __init__(self, row: IntentRow) -> None:
        self.row = row
        self.waiters: list[Hashable] = []
        """Conversations of repeats that wait for this one's outcome."""

    @property
    def key(self) -> str:
        """The gateway's key."""
        return gateway_key(self.row.terminal, self.row.gateway_stan, self.row.gateway_time)

    @property
    def is_open(self) -> bool:
        """Whether its outcome is not known yet."""
        return self.row.state in (NEW, SENT)

    def names(self) -> Iterable[str]:
        """Return nothing: a gateway refers to a request by its key alone."""
        return ()


def gateway_key(terminal: str, stan: str, transmitted: str) -> str:
    """Return the key of a gateway's request: DE 41, 11 and 7."""
    return f"{terminal.rstrip(' ')}/{stan}/{transmitted}"


def new_intent(request: Message, identifier: int, at: str) -> Intent:
    """Return the intent of a gateway's request, with nothing sent yet."""
    get = request.get
    return Intent(
        IntentRow(
            identifier=identifier,
            terminal=request.terminal,
            gateway_stan=request.stan,
            gateway_time=request.transmitted,
            state=NEW,
            token="",
            processing_code=request.processing_code,
            amount_minor=request.amount_minor,
            currency=request.currency,
            local_time=get(12) or "",
            local_date=get(13) or "",
            merchant=request.merchant,
            mcc="",
            country="",
            name_location="",
            stan="",
            network_time="",
            rrn="",
            code="",
            authorisation_code="",
            private="",
            settlement_date="",
            wants_reversal=0,
            at=at,
        )
    )


def reversal_of(row: IntentRow, acquirer_id: str, stan: str, transmitted: str) -> Message:
    """Build the 0420 that undoes an intent at the switch.

    Parameters
    ----------
    row
        The intent as it was sent.
    acquirer_id
        DE 32.
    stan, transmitted
        New DE 11 and 7; the original's are in DE 90.

    Returns
    -------
    Message
        DE 2 only if it is a token; DE 38 only if an approval was seen.
    """
    fields = {
        2: row.token,
        3: row.processing_code,
        4: f"{row.amount_minor:012d}",
        7: transmitted,
        11: stan,
        12: row.local_time,
        13: row.local_date,
        18: row.mcc,
        19: row.country,
        32: acquirer_id,
        37: row.rrn,
        38: row.authorisation_code,
        41: row.terminal.ljust(TERMINAL_LENGTH),
        42: row.merchant.ljust(MERCHANT_LENGTH),
        43: row.name_location,
        49: row.currency,
        90: OriginalData("0100", row.stan, row.network_time, acquirer_id.lstrip("0")).to_de90(),
    }
    return Message("0420", {element: value for element, value in fields.items() if value})
