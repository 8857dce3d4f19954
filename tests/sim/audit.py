"""The auditor: looks at every committed turn, and at the end at all books together. It knows promises, not code.

Every order has an amount of its own, so that a hold, an intent, a leg and a payment of one amount are one payment.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from banks.ledger import AccountRow, EntryRow, verify
from iso import decode, dialect
from node.core.events import Event, Received
from node.core.turn import Turn
from tests.sim.gateway import APPROVED, DECLINED, NOT_MADE, REVERSED, SENT, UNKNOWN, VOIDING, Order
from tests.sim.node import SimNode
from tests.support.totals import naive_totals, stored_totals

PAYMENT_STEPS = {
    ("", SENT),
    (SENT, APPROVED),
    (SENT, DECLINED),
    (SENT, NOT_MADE),
    (SENT, UNKNOWN),
    (APPROVED, VOIDING),
    (UNKNOWN, REVERSED),
    (VOIDING, REVERSED),
}
ANSWER_WITHIN_S = {"switch": 10.0, "acquirer": 15.0}
ASKER = {"switch": "acquirer", "acquirer": "gateway"}
SPOKEN = {"switch": "net-bin87", "acquirer": "pos-bcd87"}
SLACK_S = 2.5
"""A search in the journal and the length of a turn; in the acquirer's case also a wait behind a first copy."""
PAID_WITHIN_S = 2.0 + 2.0 + 25.0
SECRET_ELEMENTS = re.compile(r"""05028[0-9A-F]{28}|["']01003\d{3}""")
"""DE 48 with a token cryptogram, or beginning with a CVV2."""


class Auditor:
    """Raises AssertionError at the first broken promise."""

    def __init__(self, orders: Mapping[int, Order]) -> None:
        self.orders = orders
        self._payments: dict[int, str] = {}
        self._legs: dict[str, str] = {}
        self._saf: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
        self._asked: dict[tuple[str, str, str], list[float]] = {}
        self._answered: Counter[tuple[str, str, str]] = Counter()
        self._waiting: dict[str, dict[tuple[str, str, str], tuple[float, int]]] = {name: {} for name in ASKER}
        self._ordered: dict[int, tuple[float, int]] = {}
        self.counts: Counter[str] = Counter()

    def ordered(self, now: float, number: int, life: int) -> None:
        """Take notice of an order."""
        self._ordered[number] = (now, life)
        self.counts["orders"] += 1

    def seen(self, now: float, node: SimNode, events: list[Event], turn: Turn) -> None:
        """Look at a turn that has been committed and not yet released."""
        if node.name == "gateway":
            self._payment_steps(now, node.life, turn)
        elif node.name in ASKER:
            self._answers(now, node.name, events, turn, node.life)
            self._saf_order(node.name, turn)
        if node.name == "switch":
            self._leg_steps(turn)
        if node.name.startswith("issuer"):
            assert not any(node.machine.books.ledger.totals().values()), f"{node.name}: debits are not credits"

    def _payment_steps(self, now: float, life: int, turn: Turn) -> None:
        """A payment only takes the steps that it may, and its shop knows in time how it stands."""
        for row in turn.stored("payments"):
            number, state = row[0], row[1]
            step = (self._payments.get(number, ""), state)
            assert step in PAYMENT_STEPS, f"payment {number} went from {step[0]!r} to {step[1]!r}"
            ordered_at, ordered_in = self._ordered[number]
            if step[0] == SENT and life == ordered_in:
                assert now - ordered_at <= PAID_WITHIN_S + SLACK_S, f"payment {number} took {now - ordered_at:.1f} s"
            self._payments[number] = state

    def _leg_steps(self, turn: Turn) -> None:
        for row in turn.stored("legs"):
            name, state = row[0], row[5]
            before = self._legs.get(name, "")
            assert state != "approved" or before == "forwarded", f"leg {name} became approved from {before!r}"
            if state == "stood in":
                assert before in ("", "forwarded"), f"leg {name} was stood in for when it was {before!r}"
                assert f"0120/{name}" in {row[0] for row in turn.stored("saf")}, f"leg {name}: its issuer is not told"
                self.counts["stood in"] += 1
            self._legs[name] = state

    def _answers(self, now: float, name: str, events: list[Event], turn: Turn, life: int) -> None:
        """Every request has an answer by its deadline, and no more answers than copies of it came."""
        asker, spoken, waiting = ASKER[name], dialect(SPOKEN[name]), self._waiting[name]
        for event in events:
            if isinstance(event, Received) and event.link == asker:
                message = decode(event.frame, spoken)
                if message.mti in ("0100", "0101"):
                    key = (name, message.stan, message.transmitted)
                    self._asked.setdefault(key, []).append(now)
                    if not self._answered[key]:
                        waiting.setdefault(key, (now, life))
        for message in turn.sent(asker):
            if message.mti == "0110":
                self._answer(now, (name, message.stan, message.transmitted))
                self.counts[f"{name} {message.response_code}"] += 1
        lost = {detail[5:11] for link, kind, detail in turn.notes if (link, kind) == (asker, "undeliverable")}
        for key, (asked_at, asked_in) in list(waiting.items()):
            if asked_in != life or key[1] in lost:
                del waiting[key]
            else:
                assert now - asked_at <= ANSWER_WITHIN_S[name] + SLACK_S, f"{name}: {key} has no answer"

    def _answer(self, now: float, key: tuple[str, str, str]) -> None:
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
                self.counts[f"{name} {'advices' if identifier.startswith('0120') else 'reversals'}"] += 1

    def close(self, nodes: Mapping[str, SimNode], hsm: Any) -> None:
        """Look at all books together, after everything has healed and drained."""
        unanswered = {name: waiting for name, waiting in self._waiting.items() if waiting}
        assert not unanswered, f"requests without an answer: {unanswered}"
        states = {row[0]: row[1] for row in nodes["gateway"].journal.rows["payments"].values()}
        self._everything_ended(nodes, states)
        approved = {self.orders[number].amount_minor for number, state in states.items() if state == APPROVED}
        self.counts["approved"] = len(approved)
        self.counts["undone"] = sum(state == REVERSED for state in states.values())
        held = [
            hold.amount_minor
            for name in ("issuer-a", "issuer-b")
            for hold in nodes[name].machine.books.ledger.holds.values()
        ]
        assert sorted(held) == sorted(approved), f"held {sorted(held)}, approved {sorted(approved)}"
        intents = nodes["acquirer"].journal.rows["intents"].values()
        assert {row[7] for row in intents if row[4] == "approved"} == approved, "the acquirer's books differ"
        legs = nodes["switch"].journal.rows["legs"].values()
        passed = {int(json.loads(row[7])["4"]) for row in legs if row[5] in ("approved", "stood in")}
        assert passed == approved, "the switch's books differ"
        journal = nodes["switch"].journal
        assert stored_totals(journal) == naive_totals(journal), "the switch's totals are not what it accepted"
        for name in ("issuer-a", "issuer-b"):
            rows = nodes[name].journal.rows
            entries = [EntryRow(*row) for row in rows["entries"].values()]
            accounts = [AccountRow(*row) for row in rows["accounts"].values()]
            assert verify(entries, accounts) == [], f"{name}: the chain of entries is broken"
        self._nothing_is_written_down([*nodes.values()], hsm)

    def _everything_ended(self, nodes: Mapping[str, SimNode], states: Mapping[int, str]) -> None:
        open_ends = {number: state for number, state in states.items() if state in (SENT, UNKNOWN, VOIDING)}
        assert not open_ends, f"payments without an end: {open_ends}"
        for name in ("acquirer", "switch"):
            waiting = [row[0] for row in nodes[name].journal.rows["saf"].values() if row[5] == "waiting"]
            assert not waiting, f"{name}: never drained: {waiting}"
        legs = [row for row in nodes["switch"].journal.rows["legs"].values() if row[5] in ("forwarded", "withdrawn")]
        intents = [row for row in nodes["acquirer"].journal.rows["intents"].values() if row[4] == "sent"]
        assert not legs, f"legs without an end: {legs}"
        assert not intents, f"intents without an end: {intents}"

    def _nothing_is_written_down(self, nodes: list[SimNode], hsm: Any) -> None:
        secrets = {order.pan for order in self.orders.values()}
        for name, rows in [*((node.name, node.journal.rows) for node in nodes), ("hsm", hsm.journal.rows)]:
            text = repr(rows)
            for secret in secrets:
                assert secret not in text, f"{name}: a card number is in the journal"
            # The HSM's rows are key blocks and sealed cards, in which any digits may come by chance.
            assert name == "hsm" or not SECRET_ELEMENTS.search(text), f"{name}: a CVV2 or a cryptogram is stored"
