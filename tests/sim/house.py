"""The simulated house: the six nodes, the orders of its shops, the faults of its seed, and one run from end to end."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from banks.acquirer.host import build_acquirer
from banks.acquirer.store import METADATA as ACQUIRER
from banks.core.cards import Card
from banks.core.merchants import Directory, Merchant, Terminal
from banks.issuer.books import IssuerRules
from banks.issuer.host import build_issuer
from banks.issuer.seeding import CardSeed, seed
from banks.issuer.store import METADATA as ISSUER
from hsm_sim.core.indexes import CVK
from hsm_sim.requests import MakeCvv
from iso import dialect
from node.core.events import Called, Event
from node.core.link import LinkMachine
from node.core.saf import SafMachine, SafRules
from node.core.turn import Turn
from node.journal import MemoryJournal
from switch.core.breaker import BreakerRules
from switch.core.machine import SwitchMachine
from switch.core.routing import RouteTable
from switch.core.rules import SwitchRules
from switch.core.stand_in import StandInRule
from switch.store import METADATA as SWITCH
from tests.sim import gateway
from tests.sim.audit import Auditor
from tests.sim.gateway import MERCHANT, TERMINAL, GatewayHost, Order
from tests.sim.hsm import SimHsm
from tests.sim.network import End, Line, Network
from tests.sim.node import SimNode
from tests.sim.world import World

SAF = SafRules(backoff_max_s=15.0)
STORM_BEGINS, STORM_ENDS, PATIENCE_ENDS = 5.0, 130.0, 1_500.0
CARDS = {
    "issuer-a": (
        ("4242424242424242", "any", 10**9),
        ("9900010000000001", "check", 10**9),
        ("4000000000009995", "any", 2_500),
    ),
    "issuer-b": (("5555555555554444", "any", 10**9), ("9900020000000000", "check", 3_500)),
}
DIRECTORY = Directory([Merchant(MERCHANT, "The Shop", "5999", "US", "Springfield")], [Terminal(TERMINAL, MERCHANT)])
CHECKED = IssuerRules(name="issuer")


STAND_IN = StandInRule(("4", "5", "99"), floors={"840": 3_000}, count_max=4, amounts_max={"840": 4_000})
BREAKER = BreakerRules(timeouts=3, window_s=40.0, probe_s=15.0)


def build_switch(*, stands_in: bool, breaks: bool) -> SwitchMachine:
    """Return the switch of the house."""
    speaks = {"acquirer": "net-bin87", "issuer-a": "ascii87", "issuer-b": "ebcdic93"}
    routes = RouteTable({"4": "issuer-a", "990001": "issuer-a", "5": "issuer-b", "990002": "issuer-b"})
    # Few ended legs stay in memory, so that copies and reversals have to find them in the journal.
    rules = SwitchRules(
        ended_max=4,
        stand_in=(STAND_IN,) if stands_in else (),
        breaker=BREAKER if breaks else BreakerRules(),
    )
    links = [LinkMachine(name, dialect(spoken)) for name, spoken in speaks.items()]
    return SwitchMachine(links, routes, rules, SafMachine(SAF))


class House:
    """One simulation."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        world = self.world = World(seed)
        self.hsm = SimHsm(world)
        self.orders: dict[int, Order] = {}
        self.auditor = Auditor(self.orders)
        patience_s = world.random.choice([25.0, 25.0, 3.0])
        switch = partial(build_switch, stands_in=world.random.random() < 0.6, breaks=world.random.random() < 0.5)
        self.nodes = {
            "gateway": self._node("gateway", lambda: GatewayHost(self.orders, patience_s), gateway.METADATA),
            "acquirer": self._node(
                "acquirer",
                lambda: build_acquirer(dialect("pos-bcd87"), dialect("net-bin87"), DIRECTORY, saf_rules=SAF),
                ACQUIRER,
            ),
            "switch": self._node("switch", switch, SWITCH),
            "issuer-a": self._node("issuer-a", lambda: build_issuer(dialect("ascii87"), CHECKED), ISSUER),
            "issuer-b": self._node("issuer-b", lambda: build_issuer(dialect("ebcdic93"), CHECKED), ISSUER),
        }
        self.network = Network(
            [
                self._line(("gateway", "acquirer"), ("acquirer", "gateway")),
                self._line(("acquirer", "network"), ("switch", "acquirer")),
                self._line(("switch", "issuer-a"), ("issuer-a", "network")),
                self._line(("switch", "issuer-b"), ("issuer-b", "network")),
            ]
        )

    def run(self) -> None:
        """Start, issue cards, let shops pay through a storm, heal, drain, and audit."""
        for node in self.nodes.values():
            node.start()
        for line in self.network.lines:
            line.dial()
        self._issue_cards()
        self.world.run(STORM_BEGINS)
        self.world.is_calm = False
        self._plan_orders()
        self._plan_faults()
        self._work_duties()
        self.world.run(STORM_ENDS)
        self._heal()
        while self.world.now < PATIENCE_ENDS and not self._is_quiet():
            self.world.run(self.world.now + 10.0)
        self.auditor.close(self.nodes, self.hsm.hsm)

    # What nodes are surrounded by.

    def send(self, node: SimNode, link: str, connection: int, payload: bytes, key: Hashable | None) -> None:
        """Take a frame for a wire."""
        self.network.send(node, link, connection, payload, key)

    def close(self, node: SimNode, link: str, connection: int) -> None:
        """Close a wire."""
        self.network.close(node, link, connection)

    def ask(self, node: SimNode, port: str, key: Hashable, request: Any, timeout_s: float) -> None:
        """Take a question for the HSM."""
        assert port == "hsm"
        self.hsm.ask(node, key, request, timeout_s)

    def crashed(self, node: SimNode) -> None:
        """Let a node's wires break."""
        self.network.crashed(node)

    def seen(self, node: SimNode, events: list[Event], turn: Turn) -> None:
        """Let the auditor look."""
        self.auditor.seen(self.world.now, node, events, turn)

    # How.

    def _node(self, name: str, build: Callable[[], Any], metadata: Any) -> SimNode:
        return SimNode(self.world, name, build, MemoryJournal(metadata), self)

    def _line(self, dials: tuple[str, str], listens: tuple[str, str]) -> Line:
        ends = [End(self.nodes[node], link) for node, link in (dials, listens)]
        return Line(self.world, ends[0], ends[1], self.world.random.choice([1, 2]))

    def _issue_cards(self) -> None:
        for name, cards in CARDS.items():
            node = self.nodes[name]
            seeds = [
                CardSeed(pan, Card("", pan[-4:], "", cvc_rule=rule, cvk=CVK), balance_minor)
                for pan, rule, balance_minor in cards
            ]
            node.put(Called(f"seed {name}", partial(seed, node.machine, seeds, ["840"])))

    def _plan_orders(self) -> None:
        random = self.world.random
        cards = [(issuer, pan, rule) for issuer, known in CARDS.items() for pan, rule, _ in known]
        for number in range(1, random.randint(8, 24) + 1):
            issuer, pan, rule = random.choice(cards)
            printed = self.hsm.hsm.ask(issuer, MakeCvv(CVK, pan, "3012", "000")).cvv
            cvc = printed if rule == "check" and random.random() < 0.8 else "123"
            self.orders[number] = Order(number, pan, cvc, 1_000 + number)
            paid_at = self.world.now + self.world.between(0.0, 100.0)
            self.world.plan(paid_at, partial(self._pay, number))
            if random.random() < 0.25:
                self.world.plan(paid_at + self.world.between(0.1, 40.0), partial(self._void, number))

    def _pay(self, number: int) -> None:
        node = self.nodes["gateway"]
        if node.is_up:
            self.auditor.ordered(self.world.now, number, node.life)
            node.put(Called(("pay", number), lambda: node.machine.pay(self.orders[number])))

    def _void(self, number: int) -> None:
        node = self.nodes["gateway"]
        if node.is_up and number in node.machine.payments:
            node.put(Called(("void", number), lambda: node.machine.void(number)))

    def _work_duties(self) -> None:
        node = self.nodes["gateway"]
        if node.is_up:
            for number in node.machine.duties:
                node.put(Called(("undo", number), partial(node.machine.undo, number)))
        self.world.after(self.world.between(1.0, 6.0), self._work_duties)

    def _plan_faults(self) -> None:
        random, world = self.world.random, self.world
        for _ in range(random.randint(1, 14)):
            at = world.between(STORM_BEGINS, STORM_ENDS - 5.0)
            lasts_s = random.choice([0.5, 5.0, 15.0, 40.0])
            line = random.choice(self.network.lines)
            node = random.choice(list(self.nodes.values()))
            fault = random.choice(["cut", "hang up", "hang up", "block", "slow", "slow", "crash", "silence"])
            if fault == "cut":
                world.plan(at, line.cut)
            elif fault == "hang up":
                for _ in range(4):
                    world.plan(at + world.between(0.0, 10.0), line.hang_up)
            elif fault == "block":
                world.plan(at, partial(self._block, line))
                world.plan(at + lasts_s, partial(setattr, line, "is_blocked", False))
            elif fault == "slow":
                world.plan(at, partial(setattr, line, "is_slow", True))
                world.plan(at + lasts_s, partial(setattr, line, "is_slow", False))
            elif fault == "crash":
                world.plan(at, node.crash)
            else:
                world.plan(at, partial(setattr, self.hsm, "is_silent", True))
                world.plan(at + min(lasts_s, 15.0), partial(setattr, self.hsm, "is_silent", False))

    def _block(self, line: Line) -> None:
        line.is_blocked = True
        line.cut()

    def _heal(self) -> None:
        self.world.is_calm = True
        self.hsm.is_silent = False
        for line in self.network.lines:
            line.is_blocked = line.is_slow = False

    def _is_quiet(self) -> bool:
        nodes = self.nodes
        if not all(node.is_up for node in nodes.values()):
            return False
        is_paid = not any(
            payment.state in (gateway.SENT, gateway.UNKNOWN, gateway.VOIDING)
            for payment in nodes["gateway"].machine.payments.values()
        )
        are_drained = not nodes["acquirer"].machine.saf.entries and not nodes["switch"].machine.saf.entries
        return is_paid and are_drained and self.world.now > STORM_ENDS + 60.0
