"""The acquirer as a bank, through its control port: the only place where the gateway learns what merchants are owed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import anyio

from gateway.core.bank import Booking, BookingFees, BookingKey, Enrolment, Holding, Verdict
from gateway.emu.house import House
from node.bank_client import BankClient
from node.control_client import ControlError

T = TypeVar("T")

_CONFLICT = 409
_REFUSALS = frozenset({404, 409, 422})
"""The acquirer understood and does not want to; everything else means that it cannot be asked now."""


class ControlledBank:
    """An acquirer's control port; see `gateway.core.bank.Bank`.

    Parameters
    ----------
    house
        How control ports are reached; its own, so that nobody else's calls are waited for.
    node
        Name of the acquirer.
    """

    def __init__(self, house: House, node: str) -> None:
        self._house = house
        self._node = node

    async def enrol(self, enrolment: Enrolment) -> Verdict | None:
        """Take a merchant on, with its terminal; what is there already stays as it is."""
        columns = {"name": enrolment.name, "mcc": enrolment.mcc, "city": enrolment.city, "country": enrolment.country}
        columns["currency"] = enrolment.currency
        made = await self._act(lambda bank: bank.add_merchant(self._node, enrolment.merchant, **columns))
        if made is None or not made.is_done:
            return made
        return await self._act(lambda bank: bank.add_terminal(self._node, enrolment.merchant, enrolment.terminal))

    async def change_merchant(self, merchant: str, changes: Mapping[str, str]) -> Verdict | None:
        """Change columns of a merchant."""
        return await self._act(lambda bank: bank.change_merchant(self._node, merchant, **changes), conflict=False)

    async def holdings(self, merchant: str) -> list[Holding] | None:
        """Return what a merchant is owed, per currency."""
        found = await self._ask(lambda bank: bank.merchant(self._node, merchant))
        if found is None:
            return None
        return [
            Holding(balance["currency"], balance["pending_minor"], balance["available_minor"])
            for balance in found["balances"]
        ]

    async def bookings(self, rrns: Collection[str]) -> list[Booking] | None:
        """Return captures and refunds as they were booked; None if the acquirer told of no payment at all."""
        found: dict[str, list[Booking] | None] = {}

        async def one(rrn: str) -> None:
            told = await self._ask(lambda bank: bank.payment(self._node, rrn))
            found[rrn] = None if told is None else list(_bookings(told))

        async with anyio.create_task_group() as tasks:
            for rrn in rrns:
                tasks.start_soon(one, rrn)
        told = [bookings for bookings in found.values() if bookings is not None]
        return [booking for bookings in told for booking in bookings] if told or not rrns else None

    def close(self) -> None:
        """Close the connections."""
        self._house.close()

    async def _act(self, work: Callable[[BankClient], Any], *, conflict: bool = True) -> Verdict | None:
        """Do something; with `conflict`, what is there already is done."""
        try:
            await self._house.ask(lambda client: work(BankClient(client)))
        except ControlError as error:
            refused = error
        else:
            return Verdict(is_done=True)
        if conflict and refused.status == _CONFLICT:
            return Verdict(is_done=True)
        return Verdict(is_done=False, detail=str(refused)) if refused.status in _REFUSALS else None

    async def _ask(self, work: Callable[[BankClient], T]) -> T | None:
        try:
            return await self._house.ask(lambda client: work(BankClient(client)))
        except ControlError:
            return None


def _bookings(told: Mapping[str, Any]) -> Collection[Booking]:
    """Return the bookings of one payment; a row of clearing has the number of the message that it came with."""
    keys = {
        row["identifier"]: BookingKey(row["terminal"].strip(), row["gateway_stan"], row["gateway_time"])
        for row in told["requests"]
    }
    return [
        Booking(
            keys[row["identifier"]],
            row["arn"],
            row["amount_minor"],
            BookingFees(row["interchange_minor"], row["scheme_minor"], row["acquirer_minor"]),
        )
        for row in told["clearings"]
        if row["identifier"] in keys
    ]
