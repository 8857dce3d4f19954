"""Batches: what a terminal has been paid since it last asked for totals, as the acquirer counted it.

Only money counts: captures, refunds, and their reversals in counters of their own; an authorisation that holds funds
moves none. Debits and credits are the cardholder's. The reversal of a debit gives back, so it is a credit reversal.

Source: common practice: shared facts, iso8583 3.14 and 3.17.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

from iso import Message

BATCHES = "batches"
OPEN, CLOSED = "open", "closed"
IN_BALANCE, OUT_OF_BALANCE, IN_ERROR = "1", "2", "3"
"""DE 66."""
NET = 97

CREDIT, CREDIT_REVERSAL, DEBIT, DEBIT_REVERSAL = "credits", "credit_reversals", "debits", "debit_reversals"
_NUMBERS = MappingProxyType({74: CREDIT, 75: CREDIT_REVERSAL, 76: DEBIT, 77: DEBIT_REVERSAL})
_AMOUNTS = MappingProxyType({86: CREDIT, 87: CREDIT_REVERSAL, 88: DEBIT, 89: DEBIT_REVERSAL})
ELEMENTS = (*_NUMBERS, *_AMOUNTS, NET)
"""Elements that are compared."""


class BatchRow(NamedTuple):
    """One batch of a terminal in one currency.

    Attributes
    ----------
    number
        From 1 on.
    label
        What the terminal called it when it closed it (DE 60); "".
    closing
        DE 11 and 7 of the message that closed it, and third digit of its MTI; "" while it is open.
    verdict
        DE 66 of the answer to that; "" while it is open.
    """

    terminal: str
    currency: str
    number: int
    state: str
    credits: int
    credits_minor: int
    credit_reversals: int
    credit_reversals_minor: int
    debits: int
    debits_minor: int
    debit_reversals: int
    debit_reversals_minor: int
    opened_at: str
    closed_at: str
    label: str
    closing: str
    verdict: str

    def counted(self, counter: str, amount_minor: int) -> BatchRow:
        """Return the batch with one more in a counter."""
        return self._replace(
            **{
                counter: getattr(self, counter) + 1,
                f"{counter}_minor": getattr(self, f"{counter}_minor") + amount_minor,
            }
        )

    @property
    def net_minor(self) -> int:
        """What DE 97 says, signed: positive is in favour of the cardholders."""
        return self.credits_minor + self.credit_reversals_minor - self.debits_minor - self.debit_reversals_minor

    def elements(self) -> dict[int, str]:
        """Return DE 74 to 77, 86 to 89 and 97."""
        numbers = {element: f"{getattr(self, name):010d}" for element, name in _NUMBERS.items()}
        amounts = {element: f"{getattr(self, name + '_minor'):016d}" for element, name in _AMOUNTS.items()}
        return {**numbers, **amounts, NET: f"{'D' if self.net_minor < 0 else 'C'}{abs(self.net_minor):016d}"}


def new_batch(terminal: str, currency: str, number: int, at: str) -> BatchRow:
    """Return an open batch in which nothing has been counted."""
    return BatchRow(terminal, currency, number, OPEN, 0, 0, 0, 0, 0, 0, 0, 0, at, "", "", "", "")


def closing_of(message: Message) -> str:
    """Return what makes two requests for totals the same: a copy has the same STAN and DE 7, or says that it is one.

    Examples
    --------
    >>> closing_of(Message("0501", {7: "0314092653", 11: "000017"}))
    '0/000017/0314092653'
    """
    return f"{message.mti[2]}/{message.stan}/{message.transmitted}"


def verdict_on(batch: BatchRow, stated: Message) -> str:
    """Return DE 66 for what a terminal says about a batch; what it does not state is not compared."""
    ours = batch.elements()
    named = [element for element in ELEMENTS if element in stated]
    if not named:
        return IN_ERROR
    is_same = all(_number(stated[element], element) == _number(ours[element], element) for element in named)
    return IN_BALANCE if is_same else OUT_OF_BALANCE


def _number(value: str, element: int) -> int:
    return int(value) if element != NET else int(value[1:]) * (-1 if value[0] == "D" else 1)
