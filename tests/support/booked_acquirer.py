"""An acquirer that keeps books, for tests of the gateway: it approves what is sound and remembers what stands."""

from __future__ import annotations

from collections.abc import Callable

from iso import Message
from iso.original import OriginalData
from iso.private import parse_private
from iso.replacement import ReplacementAmounts
from node.core.steps import UNKNOWN, Silence

Named = tuple[str, str]
"""DE 11 and DE 7."""


class Standing:
    """One payment: what each of its authorisations still holds, what was captured and refunded, and if that was all."""

    def __init__(self) -> None:
        self.left: dict[Named, int] = {}
        self.captured = 0
        self.captures = 0
        self.refunded = 0
        self.is_final = False

    @property
    def held(self) -> int:
        """What is held and not captured."""
        return 0 if self.is_final else sum(self.left.values()) - self.captured


class BookedAcquirer:
    """Answers each message once, and its repeats alike. `loses` says of a request whether its answer gets lost."""

    def __init__(self) -> None:
        self.payments: dict[Named, Standing] = {}
        self.roots: dict[Named, Named] = {}
        self.buried: set[Named] = set()
        self.answers: dict[tuple[str, Named], Message] = {}
        self.refused: list[Message] = []
        self.loses: Callable[[Message], bool] = lambda _message: False

    async def request(self, message: Message, timeout_s: float) -> Message | Silence:
        """Take a message, and answer it unless the answer is lost."""
        key = (message.mti[:3], (message.stan, message.transmitted))
        if key not in self.answers:
            code = self._take(message)
            if code not in ("00", "25"):
                self.refused.append(message)
            self.answers[key] = message.reply(code, {37: "607309" + message.stan, 38: "A1B2C3"})
        return UNKNOWN if self.loses(message) else self.answers[key]

    @property
    def held(self) -> int:
        """What is held of all payments."""
        return sum(payment.held for payment in self.payments.values())

    @property
    def captured(self) -> int:
        """What was captured of all payments."""
        return sum(payment.captured for payment in self.payments.values())

    @property
    def refunded(self) -> int:
        """What was refunded of all payments."""
        return sum(payment.refunded for payment in self.payments.values())

    def _take(self, message: Message) -> str:
        own = (message.stan, message.transmitted)
        if 90 not in message:
            if own in self.buried:
                return "91"
            self.payments[own] = Standing()
            self.roots[own] = own
            self.payments[own].left[own] = message.amount_minor
            return "00"
        original = OriginalData.from_de90(message[90])
        named = (original.stan, original.transmitted)
        if message.mti_class == "4":
            return self._void(named, message)
        payment = self.payments[self.roots[named]]
        if message.mti_class == "1":
            if own in self.buried or payment.is_final or not any(payment.left.values()):
                return "91"
            self.roots[own] = self.roots[named]
            payment.left[own] = message.amount_minor
            return "00"
        if message.mti[1:3] == "20":
            if message.amount_minor > payment.captured - payment.refunded:
                return "64"
            payment.refunded += message.amount_minor
            return "00"
        return self._capture(payment, message)

    def _capture(self, payment: Standing, message: Message) -> str:
        tag = parse_private(message[48])["16"]
        if payment.is_final or message.amount_minor > payment.held or int(tag[:2]) != payment.captures + 1:
            return "64"
        payment.captured += message.amount_minor
        payment.captures += 1
        payment.is_final = tag.endswith("F")
        return "00"

    def _void(self, named: Named, message: Message) -> str:
        if named not in self.roots:
            self.buried.add(named)
            return "25"
        payment = self.payments[self.roots[named]]
        remains = ReplacementAmounts.from_de95(message[95]).transaction_minor if 95 in message else 0
        undone = payment.left[named] - min(remains, payment.left[named])
        if sum(payment.left.values()) - undone < payment.captured:
            return "21"
        payment.left[named] -= undone
        return "00"
