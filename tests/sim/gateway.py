"""A gateway for simulations: it leads payments through their lives, and has a duty for everything that is not known.

Every step is a row before it leaves. What an authorisation is not known to have come to is reversed until that is
acknowledged; captures, refunds and advices are repeated until they are answered. A gateway that is served by other
nodes as they promise never asks for what its own books forbid, unless it is told to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, MetaData, Table, Text

from hsm_sim.requests import CardStored, MakeCryptogram, StoreCard, TokenCryptogram
from iso import Message, dialect
from iso.stan import local_date, local_time, stan, transmission_time
from node.core.conversations import ConversationHost
from node.core.link import Arrival, LinkMachine
from node.core.steps import NOT_SENT
from node.core.turn import Row, Turn
from tests.sim.orders import (
    APPROVED,
    CAPTURE,
    DECLINED,
    INSISTED,
    LOWERING,
    MORE,
    NOT_MADE,
    OPEN,
    PAY,
    REFUND,
    REVERSING,
    SENT,
    TELL,
    UNDOING,
    UNDONE,
    UNKNOWN,
    Order,
    Standing,
    Step,
    standing_of,
)
from tests.sim.shop import EXPIRY, MTI, reversal, step_message, totals_request

METADATA = MetaData()
_NUMBERS = {"identifier", "payment", "amount_minor", "left_minor", "wanted_minor"}
Table(
    "steps",
    METADATA,
    *(
        Column(name, BigInteger if name in _NUMBERS else Text, nullable=False, primary_key=name == "identifier")
        for name in Step._fields
    ),
)
Table("counters", METADATA, Column("name", Text, primary_key=True), Column("value", BigInteger, nullable=False))
Table(
    "closings",
    METADATA,
    Column("stan", Text, primary_key=True),
    *(Column(name, Text, nullable=False) for name in ("terminal", "merchant", "transmitted", "verdict")),
    Column("stated_minor", BigInteger, nullable=False),
    Column("counted_minor", BigInteger, nullable=False),
)

_TAKEN = ("00", "10")
_AGAIN = ("91", "96")


class Closing(NamedTuple):
    """A question for the totals of a terminal's batch; `verdict` is "" until it is answered."""

    stan: str
    terminal: str
    merchant: str
    transmitted: str
    verdict: str
    stated_minor: int
    counted_minor: int


class GatewayHost(ConversationHost):
    """Leads the payments of orders.

    Parameters
    ----------
    patience_s
        How long an answer may take; shorter than the acquirer's own deadline makes reversals in flight.
    pin_blocks
        DE 52 of the orders that have a PIN, by their number.
    """

    def __init__(self, orders: Mapping[int, Order], patience_s: float, pin_blocks: Mapping[int, str]) -> None:
        super().__init__([LinkMachine("acquirer", dialect("pos-bcd87"))])
        self.orders = orders
        self.patience_s = patience_s
        self.pin_blocks = pin_blocks
        self.steps_of: dict[int, dict[int, Step]] = {}
        self.closings: dict[str, Closing] = {}
        self.handler = self._answer
        self._stan = 0
        self._working: set[int | str] = set()

    def restore(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Take the rows of a restart."""
        for row in rows.get("steps", ()):
            step = Step(*row)
            self.steps_of.setdefault(step.payment, {})[step.identifier] = step
        self.closings = {row[0]: Closing(*row) for row in rows.get("closings", ())}
        self._stan = max((row[1] for row in rows.get("counters", ())), default=0)

    def begin(self, now: float, turn: Turn) -> None:
        """Make every authorisation that was out a duty; everything else that was out is one already."""
        for steps in self.steps_of.values():
            for step in list(steps.values()):
                if step.state == SENT and step.kind not in INSISTED:
                    self._store(step._replace(state=UNKNOWN), turn)

    @property
    def duties(self) -> list[int]:
        """Steps that have to go on and are not being worked at."""
        return [
            step.identifier
            for steps in self.steps_of.values()
            for step in steps.values()
            if step.state in OPEN and step.identifier not in self._working
        ]

    @property
    def open_closings(self) -> list[str]:
        """Questions for totals that are not answered and not being asked."""
        return [one.stan for one in self.closings.values() if not one.verdict and one.stan not in self._working]

    @property
    def is_done(self) -> bool:
        """Whether nothing is open."""
        is_led = not any(step.state in OPEN for steps in self.steps_of.values() for step in steps.values())
        return is_led and all(one.verdict for one in self.closings.values())

    def root(self, number: int) -> Step | None:
        """Return the first step of a payment, if it stands."""
        steps = self.steps_of.get(number)
        first = next(iter(steps.values())) if steps else None
        return first if first is not None and first.state == APPROVED else None

    # The life of a payment

    async def pay(self, order: Order) -> None:
        """Begin a payment."""
        desk, token, proof = self.desk, "", ""
        if order.is_token:
            card = await desk.ask("hsm", StoreCard(order.pan, EXPIRY, order.cvc, "acct_1"), 2.0)
            if not isinstance(card, CardStored) or not card.token:
                return
            made = await desk.ask("hsm", MakeCryptogram(card.token, order.amount_minor, "840", order.merchant), 2.0)
            if not isinstance(made, TokenCryptogram) or not made.cryptogram:
                return
            token, proof = card.token, made.cryptogram + made.atc + made.un
        kind = TELL if order.mti[2] == "2" else PAY
        step = self._new(order, kind, order.amount_minor, mti=order.mti, token=token)
        await self._ask(step, step, proof)

    async def add(self, number: int, amount_minor: int) -> None:
        """Ask for more on a payment."""
        root, standing = self._ready(number)
        if root is not None and root.mti == "0100" and not standing.is_final:
            await self._ask(self._new(self.orders[number], MORE, amount_minor, root), root)

    async def capture(self, number: int, share: float, over_minor: int, *, is_final: bool, at: str = "") -> None:
        """Capture a share of what is open, and so much more than that; `at` a terminal, "" for that of the payment."""
        root, standing = self._ready(number)
        if root is None or root.mti[1] == "2":
            return
        if any(step.kind == MORE and step.state == SENT for step in self.steps_of[number].values()):
            # Its acquirer may have approved what is not known here; if that is undone, nothing may rest on it.
            over_minor = 0
        amount_minor = int(standing.open_minor * share) + over_minor
        if amount_minor:
            step = self._new(self.orders[number], CAPTURE, amount_minor, root, capture="F" if is_final else "P")
            await self._ask(_taken_at(step, at), root)

    async def refund(self, number: int, share: float, over_minor: int, at: str = "") -> None:
        """Give back a share of what was captured, and so much more than that."""
        root, standing = self._ready(number)
        left_minor = standing.captured_minor - standing.refunded_minor
        amount_minor = int(left_minor * share) + over_minor
        if root is not None and amount_minor > 0:
            step = self._new(self.orders[number], REFUND, amount_minor, root)
            await self._ask(_taken_at(step, at), root)

    async def take_back(self, number: int, choice: int, share: float) -> None:
        """Reverse one step of a payment, or lower it to a share, where its books allow that and nothing is out."""
        steps = self.steps_of.get(number, {})
        if any(step.state in OPEN for step in steps.values()):
            return
        standing = [step for step in steps.values() if step.state == APPROVED and step.left_minor]
        if not standing:
            return
        step = standing[choice % len(standing)]
        wanted_minor = int(step.left_minor * share)
        sums, less = standing_of(steps.values()), step.left_minor - wanted_minor
        is_rested_on = step.is_charge and sums.captured_minor - less < sums.refunded_minor
        if step.is_authorisation and not step.is_charge:
            is_rested_on = sums.authorised_minor - less < sums.captured_minor
        if not is_rested_on:
            state = LOWERING if wanted_minor else UNDOING
            self._store(step._replace(state=state, wanted_minor=wanted_minor), self.desk.turn)

    async def work(self, identifier: int) -> None:
        """Do what a step needs next, once; it stays a duty until that has been answered."""
        step = next(steps[identifier] for steps in self.steps_of.values() if identifier in steps)
        order, root = self.orders[step.payment], next(iter(self.steps_of[step.payment].values()))
        if step.state == SENT:
            await self._ask(step, root, is_repeat=True)
            return
        self._working.add(identifier)
        message = reversal(order, step, self._next_stan(), self.desk.turn.at)
        answer = await self.desk.request("acquirer", message, self.patience_s)
        self._working.discard(identifier)
        # Of what was approved here the acquirer has to know.
        acknowledged = ("00", "25") if step.state == UNKNOWN else ("00",)
        if isinstance(answer, Message) and answer.response_code in acknowledged:
            left = step.wanted_minor
            step = step._replace(state=APPROVED if left else UNDONE, left_minor=left, wanted_minor=0)
            self._store(step, self.desk.turn)

    # Totals

    async def close_batch(self, terminal: str, merchant: str) -> None:
        """Ask for the totals of a terminal's batch, stating what is known here."""
        at, trace = self.desk.turn.at, self._next_stan()
        stated_minor = self._net_of(terminal) - sum(
            one.counted_minor for one in self.closings.values() if one.terminal == terminal
        )
        closing = Closing(trace, terminal, merchant, transmission_time(at), "", stated_minor, 0)
        self._keep(closing)
        await self.reconcile(trace)

    async def reconcile(self, trace: str) -> None:
        """Ask a question for totals, again if need be."""
        known = self.closings[trace]
        message = totals_request(known.terminal, known.merchant, known.stated_minor, trace, known.transmitted)
        self._working.add(trace)
        answer = await self.desk.request("acquirer", message.as_repeat(), self.patience_s)
        self._working.discard(trace)
        if isinstance(answer, Message) and answer.get(66):
            counted_minor = int(answer[97][1:]) * (-1 if answer[97][0] == "D" else 1)
            self._keep(known._replace(verdict=answer[66], counted_minor=counted_minor))

    def _net_of(self, terminal: str) -> int:
        net_minor = 0
        for steps in self.steps_of.values():
            sums = standing_of(step for step in steps.values() if step.terminal == terminal)
            net_minor += sums.refunded_minor - sums.captured_minor
        return net_minor

    # How

    def _ready(self, number: int) -> tuple[Step | None, Standing]:
        """Return the root of a payment to which something can be added, and how the payment stands."""
        steps = self.steps_of.get(number, {})
        is_held = any(step.state in REVERSING for step in steps.values())
        return None if is_held else self.root(number), standing_of(steps.values(), counts_sent=True)

    def _new(
        self,
        order: Order,
        kind: str,
        amount_minor: int,
        root: Step | None = None,
        *,
        mti: str = "",
        token: str = "",
        capture: str = "",
    ) -> Step:
        at, trace = self.desk.turn.at, self._next_stan()
        return Step(
            identifier=self._stan,
            payment=order.number,
            kind=kind,
            state=SENT,
            amount_minor=amount_minor,
            mti=mti or MTI[kind],
            stan=trace,
            transmitted=transmission_time(at),
            local_time=local_time(at),
            local_date=local_date(at),
            token=root.token if root is not None else token,
            rrn=root.rrn if root is not None else "",
            capture=capture,
            terminal=order.terminal,
        )

    async def _ask(self, step: Step, root: Step, proof: str = "", *, is_repeat: bool = False) -> None:
        order = self.orders[step.payment]
        self._store(step, self.desk.turn)
        self._working.add(step.identifier)
        message = step_message(order, step, root, proof, self.pin_blocks.get(order.number, ""))
        message = message.as_repeat() if is_repeat else message
        answer = await self.desk.request("acquirer", message, self.patience_s)
        self._working.discard(step.identifier)
        self._conclude(step, answer)

    def _conclude(self, step: Step, answer: object) -> None:
        if isinstance(answer, Message):
            code = answer.response_code
            if code in _AGAIN and step.kind in (CAPTURE, TELL):
                return
            is_taken = code in _TAKEN
            left = min(answer.amount_minor or step.amount_minor, step.amount_minor) if is_taken else 0
            rrn = step.rrn or answer.rrn
            step = step._replace(state=APPROVED if is_taken else DECLINED, code=code, rrn=rrn, left_minor=left)
        elif step.kind in INSISTED:
            return
        else:
            step = step._replace(state=NOT_MADE if answer is NOT_SENT else UNKNOWN)
        self._store(step, self.desk.turn)

    def _next_stan(self) -> str:
        self._stan += 1
        self.desk.turn.store("counters", ("stan", self._stan))
        return stan(self._stan)

    def _store(self, step: Step, turn: Turn) -> None:
        self.steps_of.setdefault(step.payment, {})[step.identifier] = step
        turn.store("steps", tuple(step))

    def _keep(self, closing: Closing) -> None:
        self.closings[closing.stan] = closing
        self.desk.turn.store("closings", tuple(closing))

    async def _answer(self, arrival: Arrival) -> Message | None:
        return arrival.message.reply("40")


def _taken_at(step: Step, terminal: str) -> Step:
    """Move a step to a terminal; another one than the payment's knows nothing of it but its RRN."""
    if not terminal:
        return step
    return step._replace(terminal=terminal, names_rrn="1")
