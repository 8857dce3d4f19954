"""What a terminal remembers from one payment to the next: numbers, its batch, its payments, and what it still owes.

Pure, as the card and the device are: a till that has seen something is a new value. What it owes (a reversal of what
was never answered, a sale that it approved itself) is in it before anything leaves, so that a terminal that loses its
power settles it at its next start.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from iso import Message
from iso.mti import repeat_mti
from iso.original import OriginalData
from iso.replacement import ReplacementAmounts

SALES_MAX: Final = 200
"""Payments that it remembers; older ones can no longer be captured, refunded or reversed by their RRN here."""
NUMBERS: Final = {74: "credits", 75: "credit_reversals", 76: "debits", 77: "debit_reversals"}
AMOUNTS: Final = {element + 12: f"{name}_minor" for element, name in NUMBERS.items()}
ACCEPTED: Final = "00"
_STAN_MAX: Final = 999_999


class Counts(NamedTuple):
    """What a batch comes to in one currency, as cardholders see it: a credit reversal gives a debit back."""

    credits: int = 0
    credits_minor: int = 0
    credit_reversals: int = 0
    credit_reversals_minor: int = 0
    debits: int = 0
    debits_minor: int = 0
    debit_reversals: int = 0
    debit_reversals_minor: int = 0

    def with_one(self, counter: str, amount_minor: int) -> Counts:
        """Return the counts with one more of a kind."""
        now = self._asdict()
        return Counts(**{**now, counter: now[counter] + 1, f"{counter}_minor": now[f"{counter}_minor"] + amount_minor})

    def elements(self) -> dict[int, str]:
        """Return DE 74 to 77, 86 to 89 and 97."""
        counted = self._asdict()
        found = {element: f"{counted[name]:010d}" for element, name in NUMBERS.items()}
        found |= {element: f"{counted[name]:016d}" for element, name in AMOUNTS.items()}
        net = self.credits_minor + self.credit_reversals_minor - self.debits_minor - self.debit_reversals_minor
        return found | {97: f"{'D' if net < 0 else 'C'}{abs(net):016d}"}


class Sale(NamedTuple):
    """One payment that was approved, as later messages name it.

    Attributes
    ----------
    deed
        What the terminal was told to do: "purchase", "preauth", ...
    mti, stan, transmitted
        DE 90 names it by these.
    rrn, code
        DE 37 and 38 of the answer; "" for a sale that the terminal approved itself.
    last4
        Of the card.
    captures, captured_minor
        Of a pre-authorisation.
    is_reversed
        Whether it was taken back.
    """

    deed: str
    mti: str
    stan: str
    transmitted: str
    rrn: str
    code: str
    amount_minor: int
    currency: str
    last4: str
    processing_code: str = "000000"
    captures: int = 0
    captured_minor: int = 0
    is_reversed: bool = False

    @property
    def counter(self) -> str:
        """Which counter of the batch it is in; "" if no money has moved."""
        if self.deed == "refund":
            return "credits"
        return "debits" if self.mti in ("0200", "0220") else ""

    def named(self) -> str:
        """Return DE 90."""
        return OriginalData(self.mti, self.stan, self.transmitted).to_de90()


class Duty(NamedTuple):
    """A message that must be answered.

    Attributes
    ----------
    message
        Without a card number.
    card
        File of the card whose number goes in at each send; "" if none is needed.
    attempts
        How often it was sent.
    last4
        Of the card.
    """

    message: Message
    card: str = ""
    attempts: int = 0
    last4: str = ""

    def next_message(self) -> Message:
        """Return what to send now: the message, or its repeat."""
        return self.message if not self.attempts else self.message.with_fields({}, mti=repeat_mti(self.message.mti))


class Till(NamedTuple):
    """A terminal's memory.

    Attributes
    ----------
    identifier, merchant
        DE 41 and 42.
    stan
        The last DE 11.
    batch
        Number of the open batch (DE 60).
    counts
        By ISO 4217 numeric code.
    sales, duties
        Oldest first.
    """

    identifier: str
    merchant: str
    stan: int = 0
    batch: int = 1
    counts: dict[str, Counts] = {}  # noqa: RUF012 - never changed in place: a till is a value
    sales: tuple[Sale, ...] = ()
    duties: tuple[Duty, ...] = ()

    def numbered(self) -> tuple[str, Till]:
        """Return the next STAN, and the till afterwards."""
        number = self.stan % _STAN_MAX + 1
        return f"{number:06d}", self._replace(stan=number)

    def owing(self, *duties: Duty) -> Till:
        """Return the till with more to settle."""
        return self._replace(duties=(*self.duties, *duties))

    def tried(self, duty: Duty) -> Till:
        """Return the till after one more send of a duty."""
        place = self.duties.index(duty)
        after = duty._replace(attempts=duty.attempts + 1)
        return self._replace(duties=(*self.duties[:place], after, *self.duties[place + 1 :]))

    def settled(self, message: Message) -> Till:
        """Return the till without a duty that was answered, or never was one."""
        return self._replace(duties=tuple(duty for duty in self.duties if duty.message != message))

    def sold(self, sale: Sale) -> Till:
        """Return the till with one more payment, counted if money has moved."""
        counted = self._counted(sale.currency, sale.counter, sale.amount_minor)
        return counted._replace(sales=(*self.sales, sale)[-SALES_MAX:])

    def captured(self, sale: Sale, completion: Sale) -> Till:
        """Return the till with a capture of an earlier payment."""
        grown = sale._replace(captures=sale.captures + 1, captured_minor=sale.captured_minor + completion.amount_minor)
        return self._with(sale, grown).sold(completion)

    def reversed(self, sale: Sale, remains_minor: int = 0) -> Till:
        """Return the till with a payment taken back, or as much of it as does not remain."""
        after = sale._replace(amount_minor=remains_minor) if remains_minor else sale._replace(is_reversed=True)
        back = {"debits": "credit_reversals", "credits": "debit_reversals"}.get(sale.counter, "")
        return self._with(sale, after)._counted(sale.currency, back, sale.amount_minor - remains_minor)

    def find(self, rrn: str, deeds: tuple[str, ...] = ()) -> Sale | None:
        """Return the latest payment that stands: that of an RRN or STAN, or else one of some deeds."""
        for sale in reversed(self.sales):
            if not sale.is_reversed and (rrn in (sale.rrn, sale.stan) if rrn else sale.deed in deeds):
                return sale
        return None

    def next_batch(self) -> Till:
        """Return the till with a new batch in which nothing is counted."""
        return self._replace(batch=self.batch + 1, counts={})

    def _with(self, before: Sale, after: Sale) -> Till:
        return self._replace(sales=tuple(after if sale is before else sale for sale in self.sales))

    def _counted(self, currency: str, counter: str, amount_minor: int) -> Till:
        if not counter:
            return self
        counts = self.counts.get(currency, Counts()).with_one(counter, amount_minor)
        return self._replace(counts={**self.counts, currency: counts})

    def __repr__(self) -> str:
        return f"Till({self.identifier!r}, batch={self.batch}, duties={len(self.duties)})"


def concluded(till: Till, duty: Duty, answer: Message) -> Till:
    """Return the till after the final answer to what it owed: a sale or a capture is one, what was reversed is none."""
    message, till = duty.message, till.settled(duty.message)
    named = message.get(90) or ""
    original = next((sale for sale in reversed(till.sales) if sale.named() == named), None)
    if message.mti_class == "4":
        remains_minor = ReplacementAmounts.from_de95(message[95]).transaction_minor if 95 in message else 0
        is_undone = original is not None and answer.response_code == ACCEPTED and not original.is_reversed
        return till.reversed(original, remains_minor) if is_undone and original is not None else till
    if answer.response_code != ACCEPTED:
        return till
    sale = Sale(
        "complete" if original is not None else "offline",
        message.mti,
        message.stan,
        message.transmitted,
        answer.rrn or message.rrn,
        answer.authorisation_code or message.authorisation_code,
        message.amount_minor,
        message.currency,
        original.last4 if original is not None else duty.last4,
        message.processing_code,
    )
    return till.captured(original, sale) if original is not None else till.sold(sale)


def message_json(message: Message) -> dict[str, Any]:
    """Return a message as it is kept in a file."""
    return {"mti": message.mti, "fields": {str(element): value for element, value in message.fields.items()}}
