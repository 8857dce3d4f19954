"""Reconciliation: a member says what it counted (0500, 0520), the switch says whether it counted the same.

Only what the message states is compared: an element that is absent says nothing. In balance is DE 39 = 00 and
DE 66 = 1; out of balance is DE 39 = 95, DE 66 = 2 and the switch's own figures. A message that cannot be compared (no
such date, no currency where there are several, no figure at all) is refused with DE 66 = 3. The answer to a copy is the
same answer, whatever has been counted meanwhile; so the answer is stored with the turn that gives it.

On a 1993 link these are 1500 and 1520; DE 66 has no place there and DE 39 says it: 500 or 501.

Source: common practice: shared facts, iso8583 3.14; the meaning of DE 66 rests on practice, DE 39 = 95 on public lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from json import dumps, loads
from typing import Final, NamedTuple

from iso import Message
from node.core.link import Arrival
from node.core.turn import Row, Turn
from switch.core.settlement_days import SettlementDays
from switch.core.totals import CLOSED, ELEMENTS, NET, OPEN, Figures, Key, Totals

TABLE: Final = "reconciliations"
IN_BALANCE, OUT_OF_BALANCE, IN_ERROR = "1", "2", "3"
"""DE 66."""
RECONCILED, NOT_RECONCILED, WRONG_DATE, UNCLEAR = "00", "95", "12", "30"
"""DE 39."""

_NEEDED = (7, 11, 15)
_FUNCTIONS = frozenset("02")


class Reconciliation(NamedTuple):
    """The latest reconciliation of a member, date and currency, with its answer.

    Attributes
    ----------
    function
        str[1], third digit of the MTI: "0" request, "2" advice.
    stan, transmitted
        DE 11 and DE 7 of the message.
    answer
        The elements of the answer beyond the echo; no card is among them.
    differs
        Elements that were not the same.
    at
        Business time, ISO 8601.
    """

    key: Key
    function: str
    stan: str
    transmitted: str
    code: str
    answer: dict[int, str]
    differs: tuple[int, ...]
    at: str

    def row(self, state: str = OPEN) -> Row:
        """Return it in the column order of the `reconciliations` table."""
        key = self.key
        return (
            key.member,
            key.day.isoformat(),
            key.currency,
            state,
            self.function,
            self.stan,
            self.transmitted,
            self.code,
            dumps(self.answer, separators=(",", ":")),
            ",".join(map(str, self.differs)),
            self.at,
        )

    @classmethod
    def from_row(cls, row: Row) -> Reconciliation:
        """Rebuild it from the journal."""
        member, day, currency, _, function, stan, transmitted, code, answer, differs, at = row
        return cls(
            Key(member, date.fromisoformat(day), currency),
            function,
            stan,
            transmitted,
            code,
            {int(element): value for element, value in loads(answer).items()},
            tuple(int(element) for element in differs.split(",") if element),
            at,
        )

    def is_same(self, message: Message) -> bool:
        """Whether a message is a copy of the one that this answers; a repeat may have another DE 7."""
        is_named_so = (message.mti[2], message.stan) == (self.function, self.stan)
        return is_named_so and (message.is_repeat or message.transmitted == self.transmitted)


def is_reconciliation(message: Message) -> bool:
    """Whether a message is a 0500 or 0520, or a repeat of one."""
    return message.mti_class == "5" and message.mti[2] in _FUNCTIONS


def differences(stated: Message, ours: Figures) -> tuple[int, ...]:
    """Return the elements that a message states and that are not the switch's."""
    elements = ours.elements()
    return tuple(
        element
        for element in ELEMENTS
        if element in stated and _number(stated[element], element) != _number(elements[element], element)
    )


def _number(value: str, element: int) -> int:
    return int(value) if element != NET else int(value[1:]) * (-1 if value[0] == "D" else 1)


class Reconciler:
    """Compares members' figures with the totals.

    Parameters
    ----------
    totals
        What the switch has counted.
    days
        Which dates there are.
    """

    def __init__(self, totals: Totals, days: SettlementDays) -> None:
        self.totals = totals
        self.days = days
        self.latest: dict[Key, Reconciliation] = {}

    def restore(self, rows: Iterable[Row]) -> None:
        """Take the open rows of a restart."""
        for row in rows:
            found = Reconciliation.from_row(row)
            self.latest[found.key] = found

    def take(self, arrival: Arrival, turn: Turn) -> Message:
        """Return the answer to a reconciliation."""
        message = arrival.message
        current, day = self.days.current(turn), self.days.day_of(message.get(15) or "")
        code = UNCLEAR
        if message.lacks(_NEEDED) is None and any(element in message for element in ELEMENTS):
            if day is not None and not self.days.oldest <= day <= current:
                code = WRONG_DATE
            elif day is not None:
                currency = self._currency(message, arrival.link, day)
                if currency is not None:
                    return self._compared(message, Key(arrival.link, day, currency), turn)
        turn.note(arrival.link, "refused", f"{message.mti} {message.stan}: {_WHY[code]}")
        return message.reply(code, {**message.only((15, 50)), 66: IN_ERROR})

    def close_before(self, oldest: date, turn: Turn) -> None:
        """Let go of dates that can no longer be reconciled."""
        for key in [key for key in self.latest if key.day < oldest]:
            turn.store(TABLE, self.latest.pop(key).row(CLOSED))

    def _currency(self, message: Message, member: str, day: date) -> str | None:
        """Return what DE 50 says, else DE 49, else the only one there is; None if there are several."""
        stated = message.get(50) or message.get(49)
        if stated is not None:
            return stated
        known = self.totals.currencies(member, day)
        return (known[0] if known else "") if len(known) <= 1 else None

    def _compared(self, message: Message, key: Key, turn: Turn) -> Message:
        found = self.latest.get(key)
        if found is None or not found.is_same(message):
            figures = self.totals.of(key)
            differs = differences(message, figures)
            answer = {15: message[15], **message.only((50,)), 66: OUT_OF_BALANCE if differs else IN_BALANCE}
            if differs:
                answer |= figures.elements()
                told = ", ".join(f"DE {element} {message[element]}, here {answer[element]}" for element in differs)
                turn.note(
                    key.member, "out of balance", f"{message.mti} {message.stan} {key.day} {key.currency}: {told}"
                )
            code = NOT_RECONCILED if differs else RECONCILED
            found = Reconciliation(
                key, message.mti[2], message.stan, message.transmitted, code, answer, differs, turn.at.isoformat()
            )
            self.latest[key] = found
            turn.store(TABLE, found.row())
        return message.reply(found.code, dict(found.answer))


_WHY: Final = {
    WRONG_DATE: "this settlement date is not open for reconciliation",
    UNCLEAR: "DE 7, 11, 15, a figure, or the currency is missing",
}
