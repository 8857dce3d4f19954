"""What an issuer knows about a request that it has taken: its row, and its working copy in memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

REQUESTS, TOMBSTONES, COUNTERS = "requests", "tombstones", "counters"

DECIDING = "deciding"
"""In memory only: a decision that did not become durable was never taken."""
APPROVED, DECLINED, REVERSED, TAKEN = "approved", "declined", "reversed", "taken"
"""`reversed`: its effect has been taken back as a whole. `taken`: answered, and without an effect of its own."""

HOLD, CHARGE, CREDIT, UNDO = "hold", "charge", "credit", "undo"
"""Effects: money set aside for a payment; money that the payment takes (a completion, a single-message purchase, a
forced post); money that it gives back (a refund); a reversal, which lowers what another message did. "" is none."""

_ADVICES = ("12", "22")


class RequestRow(NamedTuple):
    """One request with the answer it got. Neither PAN nor CVV2 nor cryptogram nor PIN is in it.

    Attributes
    ----------
    key
        Business key, primary key.
    mti
        "" for what came by no message: a presentment.
    own
        Name by DE 32, 11 and 7.
    payment
        Name that all messages of one payment share.
    original
        For an advice and a reversal: the name of the request it is about; else "".
    amount_minor
        What was approved, in the currency of the account; of a request that was not: what it asked for.
    reason
        Name of a `Reason`, or what was done.
    hold
        Identifier of its latest hold, or "".
    effect
        hold, charge, credit, undo or "".
    left_minor
        How much of the amount stands after reversals; for a reversal, how much it lets stand.
    posted_minor
        How much of that has been posted to the account.
    until
        Seconds since 1970 at which its hold ends by itself, 0 = it has none.
    capture
        Of a charge: two digits and F or P, as in DE 48.16.
    arn
        Acquirer reference number of the presentment that posted it, or "".
    merchant_amount
        What the merchant asked for, as "currency/amount", where the account is billed in another currency; else "".
    answer
        What its answer carries beyond the echo, DE 38 and 39, as a JSON object by element; "" for nothing.
    """

    key: str
    sequence: int
    mti: str
    own: str
    payment: str
    original: str
    card: str
    account: str
    amount_minor: int
    currency: str
    state: str
    code: str
    reason: str
    authorisation_code: str
    hold: str
    at: str
    effect: str = ""
    left_minor: int = 0
    posted_minor: int = 0
    until: int = 0
    capture: str = ""
    arn: str = ""
    merchant_amount: str = ""
    answer: str = ""

    @property
    def is_advice(self) -> bool:
        """Whether it told what had been decided elsewhere."""
        return self.mti[1:3] in _ADVICES

    @property
    def is_completion(self) -> bool:
        """Whether it takes its amount from what its payment holds, rather than from the account."""
        return self.effect == CHARGE and not self.original and self.mti[1:3] in ("22", "")

    @property
    def is_final(self) -> bool:
        """Whether nothing of its payment is to be held any longer."""
        return self.capture.endswith("F")


class TombstoneRow(NamedTuple):
    """The name of a request whose reversal or advice came before it: if it ever arrives, it is declined."""

    name: str
    at: str


class CounterRow(NamedTuple):
    """A number that never goes back."""

    name: str
    value: int


class TakenRequest:
    """A request at work, or settled and still remembered."""

    __slots__ = ("key", "pinned", "row", "waiters")

    def __init__(self, row: RequestRow) -> None:
        self.row = row
        self.key = row.key
        """Its business key, which never changes."""
        self.pinned: list[TakenRequest] = []
        """Requests that this one is about, kept in memory until it is settled."""
        self.waiters: list[Hashable] = []
        """Conversations of repeats that wait for this one's decision."""

    @property
    def is_deciding(self) -> bool:
        """Whether its answer is not known yet."""
        return self.row.state == DECIDING

    def names(self) -> Iterable[str]:
        """Return the names by which other messages refer to it, each once."""
        row = self.row
        own, payment, original = row.own, row.payment, row.original
        if payment == own:
            payment = ""
        if original in (own, payment):
            original = ""
        return [name for name in (own, payment, original) if name]


def authorisation_code(number: int) -> str:
    """Return DE 38 for the nth request: six digits that repeat only after a million of them.

    Examples
    --------
    >>> authorisation_code(1), authorisation_code(2)
    ('487420', '874841')
    """
    # Odd and not a multiple of five, so coprime to a million: every value comes once per million.
    return f"{(number * 387_421 + 99_999) % 1_000_000:06d}"
