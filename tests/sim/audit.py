"""The auditor: looks at every committed turn, and at the end at all books together. It knows promises, not code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from iso import decode, dialect
from node.core.events import Event, Received
from node.core.turn import Turn
from tests.sim.books import Books
from tests.sim.node import SimNode
from tests.sim.orders import (
    APPROVED,
    DECLINED,
    INSISTED,
    LOWERING,
    NOT_MADE,
    SENT,
    UNDOING,
    UNDONE,
    UNKNOWN,
    Order,
    Step,
)

STEPS = {
    ("", SENT),
    (SENT, SENT),
    (SENT, APPROVED),
    (SENT, DECLINED),
    (SENT, NOT_MADE),
    (SENT, UNKNOWN),
    (APPROVED, UNDOING),
    (APPROVED, LOWERING),
    (LOWERING, APPROVED),
    (UNKNOWN, UNDONE),
    (UNDOING, UNDONE),
}
ANSWER_WITHIN_S = {"switch": 10.0, "acquirer": 15.0}
ASKER = {"switch": "acquirer", "acquirer": "gateway"}
SPOKEN = {"switch": "net-bin87", "acquirer": "pos-bcd87"}
BANKS = ("acquirer", "issuer-a", "issuer-b")
SLACK_S = 2.5
"""A search in the journal and the length of a turn; in the acquirer's case also a wait behind a first copy."""
PAID_WITHIN_S = 25.0
SECRET_ELEMENTS = re.compile(r"""05028[0-9A-F]{28}|["']01003\d{3}""")
"""DE 48 with a token cryptogram, or beginning with a CVV2."""
SEALED = re.compile("sealed:[0-9A-F]+")
MISFITS = frozenset({"12", "94"})
"""DE 39 of an issuer to what should have fitted its books."""


Key = tuple[str, str, str, str]
"""A request at a node: the node, the class of the message, DE 11 and DE 7."""


class Auditor:
    """Raises AssertionError at the first broken promise."""

    def __init__(self, orders: Mapping[int, Order]) -> None:
        self.orders = orders
        self._steps: dict[int, str] = {}
        self._begun: dict[int, tuple[float, int]] = {}
        self._legs: dict[str, str] = {}
        self._saf: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
        self._asked: dict[Key, list[float]] = {}
        self._answered: Counter[Key] = Counter()
        self._waiting: dict[str, dict[Key, tuple[float, int]]] = {name: {} for name in ASKER}
        self.counts: Counter[str] = Counter()

    def seen(self, now: float, node: SimNode, events: list[Event], turn: Turn) -> None:
        """Look at a turn that has been committed and not yet released."""
        if node.name == "gateway":
            self._gateway_steps(now, node.life, turn)
        elif node.name in ASKER:
            self._answers(now, node.name, events, turn, node.life)
            self._saf_order(node.name, turn)
        if node.name == "switch":
            self._leg_steps(turn)
        if node.name in BANKS:
            ledger = node.machine.books.ledger
            assert not any(ledger.totals().values()), f"{node.name}: debits are not credits"
            if "holds" in turn.stores:
                held = sum(account.held_minor for account in ledger.accounts.values())
                assert held == sum(hold.amount_minor for hold in ledger.holds.values()), f"{node.name}: holds differ"

    def _gateway_steps(self, now: float, life: int, turn: Turn) -> None:
        """A step only becomes what it may, and its shop knows in time how it stands."""
        for row in turn.stored("steps"):
            step = Step(*row)
            before, state = self._steps.get(step.identifier, ""), step.state
            assert (before, state) in STEPS, f"step {step.identifier} went from {before!r} to {state!r}"
            begun_at, begun_in = self._begun.setdefault(step.identifier, (now, life))
            if before == SENT and life == begun_in and step.kind not in INSISTED:
                assert now - begun_at <= PAID_WITHIN_S + SLACK_S, f"step {step} took {now - begun_at:.1f} s"
            if before != state:
                self.counts[f"{step.kind} {state}"] += 1
            self._steps[step.identifier] = state

    def _leg_steps(self, turn: Turn) -> None:
        for row in turn.stored("legs"):
            name, state = row[0], row[5]
            before = self._legs.get(name, "")
            is_new = state != before
            assert state != "approved" or not is_new or before == "forwarded", (
                f"leg {name} became approved from {before!r}"
            )
            if state == "stood in" and is_new:
                assert before in ("", "forwarded"), f"leg {name} was stood in for when it was {before!r}"
                told = f"0{row[6][1]}20/{name}"
                assert told in {row[0] for row in turn.stored("saf")}, f"leg {name}: its issuer is not told"
                self.counts["stood in"] += 1
            self._legs[name] = state

    def _answers(self, now: float, name: str, events: list[Event], turn: Turn, life: int) -> None:
        """Every request has an answer by its deadline, and no more answers than copies of it came."""
        asker, spoken, waiting = ASKER[name], dialect(SPOKEN[name]), self._waiting[name]
        for event in events:
            if isinstance(event, Received) and event.link == asker:
                message = decode(event.frame, spoken)
                if message.mti_class in "1245" and message.is_request:
                    key = (name, message.mti_class, message.stan, message.transmitted)
                    self._asked.setdefault(key, []).append(now)
                    if not self._answered[key]:
                        waiting.setdefault(key, (now, life))
        for message in turn.sent(asker):
            if message.mti_class in "1245" and message.is_response:
                self._answer(now, (name, message.mti_class, message.stan, message.transmitted))
                self.counts[f"{name} {message.mti} {message.response_code}"] += 1
        lost = {detail[5:11] for link, kind, detail in turn.notes if (link, kind) == (asker, "undeliverable")}
        for key, (asked_at, asked_in) in list(waiting.items()):
            if asked_in != life or key[2] in lost:
                del waiting[key]
            else:
                assert now - asked_at <= ANSWER_WITHIN_S[name] + SLACK_S, f"{name}: {key} has no answer"

    def _answer(self, now: float, key: Key) -> None:
        name = key[0]
        asked = self._asked.get(key, [])
        self._answered[key] += 1
        assert self._answered[key] <= len(asked), f"{name}: more answers than requests for {key}"
        waited_s = now - asked[-1]
        assert waited_s <= ANSWER_WITHIN_S[name] + SLACK_S, f"{name}: {key} waited {waited_s:.1f} s"
        self._waiting[name].pop(key, None)

    def _saf_order(self, name: str, turn: Turn) -> None:
        """Entries of one card and destination end in the order in which they were stored."""
        for identifier, link, card, _, _, state, attempts, _ in turn.stored("saf"):
            entries = self._saf.setdefault((name, f"{link}/{card}"), {})
            entries[identifier] = (state, str(attempts))
            assert state != "dead", f"{name}: {identifier} is dead"
            if state == "done":
                older = list(entries)[: list(entries).index(identifier)]
                early = [other for other in older if entries[other][0] != "done"]
                assert not early, f"{name}: {identifier} ended before {early}"
                self.counts[f"{name} saf {identifier.partition('/')[0]}"] += 1

    def close(self, nodes: Mapping[str, SimNode], hsm: Any) -> None:
        """Look at all books together, after everything has healed and drained."""
        unanswered = {name: waiting for name, waiting in self._waiting.items() if waiting}
        assert not unanswered, f"requests without an answer: {unanswered}"
        open_ends = {
            number: state for number, state in self._steps.items() if state in (SENT, UNKNOWN, UNDOING, LOWERING)
        }
        assert not open_ends, f"steps without an end: {open_ends}"
        for name in ("acquirer", "switch"):
            waiting = [row[0] for row in nodes[name].journal.rows["saf"].values() if row[5] == "waiting"]
            assert not waiting, f"{name}: never drained: {waiting}"
        for name in ("issuer-a", "issuer-b"):
            misfits = [row for row in nodes[name].journal.rows["requests"].values() if row[11] in MISFITS]
            assert not misfits, f"{name}: refused for good: {misfits}"
            self.counts.update(f"issuer {row[12].lower()}" for row in nodes[name].journal.rows["requests"].values())
            self.counts["expired"] += sum(row[3] == "expired" for row in nodes[name].journal.rows["holds"].values())
        Books(nodes, self.orders).check()
        self._nothing_is_written_down([*nodes.values()], hsm)

    def _nothing_is_written_down(self, nodes: list[SimNode], hsm: Any) -> None:
        secrets = {order.pan for order in self.orders.values()}
        for name, rows in [*((node.name, node.journal.rows) for node in nodes), ("hsm", hsm.journal.rows)]:
            text = repr(rows)
            for secret in secrets:
                assert secret not in text, f"{name}: a card number is in the journal"
            # In key blocks and sealed cards any digits may come by chance.
            text = "" if name == "hsm" else SEALED.sub("", text)
            assert not SECRET_ELEMENTS.search(text), f"{name}: a CVV2 or a cryptogram is stored"
