"""A gateway for simulations: pays, keeps a duty for every Unknown, and works its duties until they are acknowledged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, MetaData, Table, Text

from hsm_sim.requests import CardStored, MakeCryptogram, StoreCard, TokenCryptogram
from iso import Message, dialect
from iso.original import OriginalData
from iso.private import ECI, TOKEN_CRYPTOGRAM, TRACE_ID, build_private
from iso.stan import local_date, local_time, stan, transmission_time
from node.core.conversations import ConversationHost
from node.core.link import Arrival, LinkMachine
from node.core.steps import NOT_SENT
from node.core.turn import Row, Turn

METADATA = MetaData()
Table(
    "payments",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("stan", Text, nullable=False),
    Column("transmitted", Text, nullable=False),
    Column("local_time", Text, nullable=False),
    Column("local_date", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("rrn", Text, nullable=False),
)
Table("counters", METADATA, Column("name", Text, primary_key=True), Column("value", BigInteger, nullable=False))

TERMINAL, MERCHANT = "TERM0001", "MERCHANT0000001"
SENT, APPROVED, DECLINED, NOT_MADE = "sent", "approved", "declined", "not made"
UNKNOWN, VOIDING, REVERSED = "unknown", "voiding", "reversed"


class Order(NamedTuple):
    """What a shop wants. Every order of a simulation has an amount of its own, by which the audit knows it again."""

    number: int
    pan: str
    cvc: str
    amount_minor: int


class Payment(NamedTuple):
    """One payment as it is stored."""

    number: int
    state: str
    code: str = ""
    stan: str = ""
    transmitted: str = ""
    local_time: str = ""
    local_date: str = ""
    token: str = ""
    rrn: str = ""


class GatewayHost(ConversationHost):
    """Pays orders.

    Parameters
    ----------
    patience_s
        How long an answer may take; shorter than the acquirer's own deadline makes reversals in flight.
    """

    def __init__(self, orders: Mapping[int, Order], patience_s: float) -> None:
        super().__init__([LinkMachine("acquirer", dialect("pos-bcd87"))])
        self.orders = orders
        self.patience_s = patience_s
        self.payments: dict[int, Payment] = {}
        self.handler = self._answer
        self._stan = 0
        self._working: set[int] = set()

    def restore(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Take the rows of a restart."""
        self.payments = {row[0]: Payment(*row) for row in rows.get("payments", ())}
        self._stan = max((row[1] for row in rows.get("counters", ())), default=0)

    def begin(self, now: float, turn: Turn) -> None:
        """Make every payment that was out a duty."""
        for payment in self.payments.values():
            if payment.state == SENT:
                self._store(payment._replace(state=UNKNOWN), turn)

    @property
    def duties(self) -> list[int]:
        """What still has to be undone and is not being worked at."""
        return [
            payment.number
            for payment in self.payments.values()
            if payment.state in (UNKNOWN, VOIDING) and payment.number not in self._working
        ]

    async def pay(self, order: Order) -> str:
        """Make one payment; return its state."""
        desk = self.desk
        card = await desk.ask("hsm", StoreCard(order.pan, "3012", order.cvc, "acct_1"), 2.0)
        if not isinstance(card, CardStored) or not card.token:
            return NOT_MADE
        made = await desk.ask("hsm", MakeCryptogram(card.token, order.amount_minor, "840", MERCHANT), 2.0)
        if not isinstance(made, TokenCryptogram) or not made.cryptogram:
            return NOT_MADE
        at = desk.turn.at
        payment = Payment(
            order.number,
            SENT,
            stan=self._next_stan(),
            transmitted=transmission_time(at),
            local_time=local_time(at),
            local_date=local_date(at),
            token=card.token,
        )
        self._store(payment, desk.turn)
        proof = made.cryptogram + made.atc + made.un
        answer = await desk.request("acquirer", self._request(payment, proof), self.patience_s)
        return self._conclude(payment, answer)

    def _conclude(self, payment: Payment, answer: object) -> str:
        if answer is NOT_SENT:
            payment = payment._replace(state=NOT_MADE)
        elif isinstance(answer, Message):
            code = answer.response_code
            payment = payment._replace(state=APPROVED if code == "00" else DECLINED, code=code, rrn=answer.rrn)
        else:
            payment = payment._replace(state=UNKNOWN)
        self._store(payment, self.desk.turn)
        return payment.state

    async def void(self, number: int) -> None:
        """Decide to undo an approved payment."""
        payment = self.payments[number]
        if payment.state == APPROVED:
            self._store(payment._replace(state=VOIDING), self.desk.turn)

    async def undo(self, number: int) -> None:
        """Send one 0420 for a duty; it stays a duty until it is acknowledged."""
        payment = self.payments[number]
        self._working.add(number)
        answer = await self.desk.request("acquirer", self._reversal(payment), self.patience_s)
        self._working.discard(number)
        if isinstance(answer, Message) and answer.response_code in ("00", "25"):
            self._store(self.payments[number]._replace(state=REVERSED), self.desk.turn)

    def _request(self, payment: Payment, proof: str) -> Message:
        private = build_private({TOKEN_CRYPTOGRAM: proof, ECI: "07", TRACE_ID: f"trace-{payment.number}"})
        return Message("0100", {**self._elements(payment), 14: "3012", 22: "810", 25: "59", 48: private})

    def _reversal(self, payment: Payment) -> Message:
        original = OriginalData("0100", payment.stan, payment.transmitted)
        changes = {7: transmission_time(self.desk.turn.at), 11: self._next_stan(), 90: original.to_de90()}
        return Message("0420", {**self._elements(payment), **changes})

    def _elements(self, payment: Payment) -> dict[int, str]:
        elements = {
            2: payment.token,
            3: "000000",
            4: f"{self.orders[payment.number].amount_minor:012d}",
            7: payment.transmitted,
            11: payment.stan,
            12: payment.local_time,
            13: payment.local_date,
            37: payment.rrn,
            41: TERMINAL,
            42: MERCHANT,
            49: "840",
        }
        return {element: value for element, value in elements.items() if value}

    def _next_stan(self) -> str:
        self._stan += 1
        self.desk.turn.store("counters", ("stan", self._stan))
        return stan(self._stan)

    def _store(self, payment: Payment, turn: Turn) -> None:
        self.payments[payment.number] = payment
        turn.store("payments", tuple(payment))

    async def _answer(self, arrival: Arrival) -> Message | None:
        return arrival.message.reply("40")
