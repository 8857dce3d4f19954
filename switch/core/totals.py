"""Totals: what each member's accepted messages come to, per settlement date and currency.

A leg counts for two members, its acquirer's link and its issuer's, once it has been approved: by the issuer, by
stand-in, or as an advice that was taken over. A reversal of such a leg counts in counters of its own, on the date on
which it was taken. What was declined, withdrawn in flight or Unknown counts nowhere, and neither does its reversal.
Debits and credits are the cardholder's, for both members, so that all acquirers together are all issuers together.

An authorisation moves no money: it is counted, and its amount is kept beside the elements. A member that settles in a
currency of its own is counted in that currency, by the rate of the leg.

Counters change in memory with the turn that decides, and each that changed is one row of that turn.

Source: common practice: shared facts, iso8583 3.14 and 3.17.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Final, NamedTuple

from iso.rates import ConversionRate
from node.core.turn import Row, Turn
from switch.core.legs import Leg
from switch.core.states import State

TABLE: Final = "totals"
OPEN, CLOSED = "open", "closed"

STANDING: Final = frozenset({State.APPROVED, State.STOOD_IN, State.ADVISED})
"""Legs that count when they end so, and of which something can be reversed."""

NUMBERS: Final[Mapping[int, str]] = MappingProxyType(
    {
        74: "credits",
        75: "credit_reversals",
        76: "debits",
        77: "debit_reversals",
        78: "transfers",
        79: "transfer_reversals",
        80: "inquiries",
        81: "authorisations",
    }
)
"""Elements that say how many (n10). A credit reversal gives back what was debited, so it is the reversal of a debit."""

FEES: Final[Mapping[int, str]] = MappingProxyType(
    {
        82: "credit_processing_fees_minor",
        83: "credit_fees_minor",
        84: "debit_processing_fees_minor",
        85: "debit_fees_minor",
    }
)
"""Elements that say how much in fees (n12); 1993 has other things there."""

AMOUNTS: Final[Mapping[int, str]] = MappingProxyType(
    {86: "credits_minor", 87: "credit_reversals_minor", 88: "debits_minor", 89: "debit_reversals_minor"}
)
"""Elements that say how much (n16)."""

NET: Final = 97
"""86 + 87 - 88 - 89, with C for what is not negative (x+n16)."""

BESIDE: Final = (
    "authorisations_minor",
    "authorisation_reversals",
    "authorisation_reversals_minor",
)
"""Counters without an element in 1987."""

COUNTERS: Final = (*NUMBERS.values(), *FEES.values(), *AMOUNTS.values(), *BESIDE)
_WIDTHS: Final = {**dict.fromkeys(NUMBERS, 10), **dict.fromkeys(FEES, 12), **dict.fromkeys(AMOUNTS, 16)}
_BY_ELEMENT: Final = {**NUMBERS, **FEES, **AMOUNTS}
ELEMENTS: Final = (*_BY_ELEMENT, NET)
"""Elements of a reconciliation, in order."""

_REVERSED: Final = {
    "debits": "credit_reversals",
    "credits": "debit_reversals",
    "transfers": "transfer_reversals",
    "authorisations": "authorisation_reversals",
}
"""Where the reversal of what was counted goes; an inquiry has nothing to reverse."""
_WITH_AMOUNT: Final = frozenset({"debits", "credits", "authorisations"})
_FEE_SOURCES: Final = {28: ("credit_fees_minor", "debit_fees_minor")} | {
    30: ("credit_processing_fees_minor", "debit_processing_fees_minor")
}
"""Element of a message to where its fee goes, as C or as D."""
_FEE_LENGTH = 9
_PECULIAR: Final = frozenset({9, *_FEE_SOURCES})
"""Elements of a leg that make its amounts more than DE 4."""


class Key(NamedTuple):
    """What a row of totals is about: a member's link, a settlement date, an ISO 4217 currency (numeric)."""

    member: str
    day: date
    currency: str


class Figures:
    """The counters of one member, date and currency; amounts in minor units. Changed ones are yet to be stored."""

    __slots__ = ("counts", "is_changed")

    def __init__(self, counts: Iterable[int] = ()) -> None:
        self.is_changed = False
        self.counts = dict.fromkeys(COUNTERS, 0) | dict(zip(COUNTERS, counts, strict=False))

    @property
    def net_minor(self) -> int:
        """What DE 97 says, signed."""
        counts = self.counts
        credited = counts["credits_minor"] + counts["credit_reversals_minor"]
        return credited - counts["debits_minor"] - counts["debit_reversals_minor"]

    def elements(self) -> dict[int, str]:
        """Return DE 74 to 89 and 97."""
        found = {element: f"{self.counts[name]:0{_WIDTHS[element]}d}" for element, name in _BY_ELEMENT.items()}
        return found | {NET: f"{'D' if self.net_minor < 0 else 'C'}{abs(self.net_minor):016d}"}


def counter_of(mti_class: str, processing_code: str) -> str:
    """Return the counter of a request or advice.

    Parameters
    ----------
    mti_class
        str[1]: "1" or "2".
    processing_code
        DE 3; its first digit says what is done with the account.

    Examples
    --------
    >>> counter_of("1", "000000"), counter_of("2", "000000"), counter_of("2", "200000"), counter_of("1", "310000")
    ('authorisations', 'debits', 'credits', 'inquiries')
    """
    if processing_code[:1] == "3":
        return "inquiries"
    if mti_class == "1":
        return "authorisations"
    return {"2": "credits", "4": "transfers"}.get(processing_code[:1], "debits")


class _Plain(NamedTuple):
    """What legs of the same members, date, currency and kind share: which counters go up, and whose.

    Attributes
    ----------
    amounts
        The counter of amounts; "" if the kind has none.
    """

    counter: str
    amounts: str
    acquirer: tuple[Key, Figures]
    issuer: tuple[Key, Figures]


class Totals:
    """The totals of all members for the dates that can still be reconciled."""

    def __init__(self) -> None:
        self.figures: dict[Key, Figures] = {}
        self._changed: list[Key] = []
        self._plain: dict[tuple[str, str, date, str, str, str], _Plain] = {}

    def restore(self, rows: Iterable[Row]) -> None:
        """Take the open rows of a restart."""
        for member, day, currency, _, *counts in rows:
            self.figures[Key(member, date.fromisoformat(day), currency)] = Figures(counts)

    def of(self, key: Key) -> Figures:
        """Return the figures of a member, date and currency; all zero if nothing was counted."""
        return self.figures.get(key) or Figures()

    def currencies(self, member: str, day: date) -> list[str]:
        """Return the currencies in which a member has totals of a date."""
        return sorted(key.currency for key in self.figures if key.member == member and key.day == day)

    def accepted(self, leg: Leg, day: date) -> None:
        """Count a leg that has ended in one of the STANDING states, on its own settlement date."""
        elements = leg.elements
        if not leg.parts and _PECULIAR.isdisjoint(elements) and 9 not in leg.answer:
            self._accepted_plainly(leg, day)
            return
        counter = counter_of(leg.mti[1], leg.elements.get(3, ""))
        for member, terms in _sides(leg):
            counts = self._counts(Key(member, day, terms.currency))
            counts[counter] += 1
            if counter in _WITH_AMOUNT:
                counts[f"{counter}_minor"] += terms.settled(leg.left_minor)
            for place, fee_minor in _fees(leg, terms):
                counts[place] += fee_minor

    def _accepted_plainly(self, leg: Leg, day: date) -> None:
        """Count a leg without fees or conversion: nearly all of them, so what they share is looked up once."""
        elements, told = leg.elements, leg.answer
        shared = leg.acquirer, leg.issuer, day, elements.get(49, ""), leg.mti[1], elements.get(3, "")[:1]
        plain = self._plain.get(shared)
        if plain is None:
            counter = counter_of(shared[4], shared[5])
            keys = Key(leg.acquirer, day, shared[3]), Key(leg.issuer, day, shared[3])
            amounts = f"{counter}_minor" if counter in _WITH_AMOUNT else ""
            plain = self._plain[shared] = _Plain(counter, amounts, *((key, self._figures(key)) for key in keys))
        for key, figures in (plain.acquirer, plain.issuer):
            counts = figures.counts
            counts[plain.counter] += 1
            if plain.amounts:
                counts[plain.amounts] += int(told.get(4) or elements.get(4) or 0)
            if not figures.is_changed:
                figures.is_changed = True
                self._changed.append(key)

    def reversed(self, leg: Leg, before_minor: int, left_minor: int, day: date) -> None:
        """Count a reversal of a leg that was counted.

        Parameters
        ----------
        before_minor, left_minor
            What there was of its amount, and what is left now; 0 = it was reversed as a whole, with its fees.
        day
            Settlement date of the reversal.
        """
        counted = counter_of(leg.mti[1], leg.elements.get(3, ""))
        counter = _REVERSED.get(counted)
        if counter is None:
            return
        for member, terms in _sides(leg):
            counts = self._counts(Key(member, day, terms.currency))
            counts[counter] += 1
            if counted in _WITH_AMOUNT:
                counts[f"{counter}_minor"] += terms.settled(before_minor) - terms.settled(left_minor)
            for place, fee_minor in _fees(leg, terms) if not left_minor else ():
                counts[_OTHER_SIDE[place]] += fee_minor

    def flush(self, turn: Turn) -> None:
        """Store what has changed since the last turn, a row each; called once, at the end of a turn."""
        if not self._changed:
            return
        for key in self._changed:
            figures = self.figures[key]
            figures.is_changed = False
            turn.store(TABLE, row(key, figures))
        self._changed.clear()

    def close_before(self, oldest: date, turn: Turn) -> None:
        """Let go of dates that can no longer be reconciled; the journal keeps them."""
        self._plain.clear()
        for key in [key for key in self.figures if key.day < oldest]:
            turn.store(TABLE, row(key, self.figures.pop(key), CLOSED))
        self._changed = [key for key in self._changed if key in self.figures]

    def _figures(self, key: Key) -> Figures:
        figures = self.figures.get(key)
        if figures is None:
            figures = self.figures[key] = Figures()
        return figures

    def _counts(self, key: Key) -> dict[str, int]:
        figures = self._figures(key)
        if not figures.is_changed:
            figures.is_changed = True
            self._changed.append(key)
        return figures.counts


def row(key: Key, figures: Figures, state: str = OPEN) -> Row:
    """Return figures in the column order of the `totals` table."""
    return (key.member, key.day.isoformat(), key.currency, state, *figures.counts.values())


class _Terms(NamedTuple):
    """In which currency a member settles a leg, and by which rate it comes to that."""

    source: str
    currency: str
    rate: ConversionRate | None

    def settled(self, amount_minor: int) -> int:
        return amount_minor if self.rate is None else self.rate.convert(amount_minor, self.source, self.currency)


def _sides(leg: Leg) -> Iterator[tuple[str, _Terms]]:
    """Yield the members of a leg; what the acquirer settles is in its answer, what the issuer does in its request."""
    source = leg.elements.get(49, "")
    for member, told in ((leg.acquirer, leg.answer), (leg.issuer, leg.elements)):
        if 9 in told and 50 in told:
            yield member, _Terms(source, told[50], ConversionRate.from_element(told[9], 9))
        else:
            yield member, _Terms(source, source, None)


def _fees(leg: Leg, terms: _Terms) -> Iterator[tuple[str, int]]:
    """Yield where each fee of a leg goes, and how much it is."""
    for element, (credit, debit) in _FEE_SOURCES.items():
        fee = leg.elements.get(element, "")
        if leg.mti[1] == "2" and len(fee) == _FEE_LENGTH and fee[0] in "CD" and fee[1:].isdigit():
            yield (credit if fee[0] == "C" else debit), terms.settled(int(fee[1:]))


_OTHER_SIDE: Final = {place: other for pair in _FEE_SOURCES.values() for place, other in (pair, pair[::-1])}
