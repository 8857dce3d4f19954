"""The simulated house: the six nodes, the orders of its shops, the faults of its seed, and one run from end to end."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any

from banks.acquirer.books import AcquirerRules
from banks.acquirer.host import build_acquirer
from banks.acquirer.store import METADATA as ACQUIRER
from banks.core.cards import Card
from banks.core.merchants import TPK, Directory, Merchant, Terminal
from banks.issuer.books import DUAL, SINGLE, IssuerRules
from banks.issuer.host import build_issuer
from banks.issuer.seeding import CardSeed, seed
from banks.issuer.store import METADATA as ISSUER
from hsm_sim.core.crypto.ciphers import Tdes
from hsm_sim.core.crypto.translation import encipher_pin
from hsm_sim.core.indexes import CVK, PVK, zpk
from hsm_sim.core.indexes import TPK as TERMINAL_KEY
from hsm_sim.requests import MakeCvv, MakePvv
from iso import dialect
from node.core.events import Event
from node.core.link import LinkMachine
from node.core.saf import SafMachine, SafRules
from node.core.turn import Turn
from node.journal import MemoryJournal
from switch.core.breaker import BreakerRules
from switch.core.machine import SwitchMachine
from switch.core.routing import RouteTable
from switch.core.rules import PinZone, SwitchRules
from switch.core.stand_in import StandInRule
from switch.store import METADATA as SWITCH
from tests.hsm_sim.commands.pins import injected
from tests.sim import gateway
from tests.sim.audit import Auditor
from tests.sim.faults import plan_faults
from tests.sim.gateway import GatewayHost
from tests.sim.hsm import SimHsm
from tests.sim.network import End, Line, Network
from tests.sim.node import SimNode
from tests.sim.orders import Order
from tests.sim.presenting import Presenter
from tests.sim.world import World
from tests.support.hsm import Hsm, seeded

SAF = SafRules(backoff_max_s=15.0)
STORM_BEGINS, STORM_ENDS, PATIENCE_ENDS = 5.0, 130.0, 1_500.0
PIN_CARD = "9900010000000019"
PIN, WRONG_PIN = "4711", "1234"
CARDS = {
    "issuer-a": (
        ("4242424242424242", "any", 10**9),
        ("9900010000000001", "check", 10**9),
        (PIN_CARD, "check", 10**9),
        ("4000000000009995", "any", 1_500),
    ),
    "issuer-b": (("5555555555554444", "any", 10**9), ("9900020000000000", "check", 3_500)),
}
SHOP = Merchant("MERCHANT0000001", "The Shop", "5999", "US", "Springfield", reserve_bp=500)
CAFE = Merchant("MERCHANT0000002", "The Cafe", "5812", "US", "Springfield", fee_plan="none", over_capture_percent=20)
TERMINALS = {"TERM0001": SHOP, "TERM0002": CAFE, "TERM0003": SHOP}
DIRECTORY = Directory([SHOP, CAFE], [Terminal(name, merchant.identifier, TPK) for name, merchant in TERMINALS.items()])
FEW, MANY = 3, 50_000
"""Settled requests that a bank remembers: with few it has to find what came before in its journal."""

STAND_IN = StandInRule(("4", "5", "99"), floors={"840": 3_000}, count_max=4, amounts_max={"840": 4_000})
BREAKER = BreakerRules(timeouts=3, window_s=40.0, probe_s=15.0)


ROLES = {"acquirer": "acquirer", "issuer-a": "issuer", "issuer-b": "issuer"}


def build_switch(*, stands_in: bool, breaks: bool, rewrites: bool) -> SwitchMachine:
    """Return the switch of the house."""
    speaks = {"acquirer": "net-bin87", "issuer-a": "ascii87", "issuer-b": "ebcdic93"}
    routes = RouteTable({"4": "issuer-a", "990001": "issuer-a", "5": "issuer-b", "990002": "issuer-b"})
    # Few ended legs stay in memory, so that copies and reversals have to find them in the journal.
    rules = SwitchRules(
        ended_max=4,
        pins={name: PinZone(zpk(role), "01") for name, role in ROLES.items()},
        stand_in=(STAND_IN,) if stands_in else (),
        breaker=BREAKER if breaks else BreakerRules(),
        rewrites_stan=frozenset({"issuer-a"} if rewrites else ()),
    )
    links = [LinkMachine(name, dialect(spoken)) for name, spoken in speaks.items()]
    return SwitchMachine(links, routes, rules, SafMachine(SAF))


Deed = Callable[[GatewayHost], Coroutine[Any, Any, None]]
"""What a shop does about a payment."""


class House:
    """One simulation."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        world = self.world = World(seed)
        random = world.random
        self.hsm = SimHsm(world)
        self.orders: dict[int, Order] = {}
        self.pin_blocks: dict[int, str] = {}
        self.auditor = Auditor(self.orders)
        patience_s = random.choice([25.0, 25.0, 3.0])
        switch = partial(
            build_switch,
            stands_in=random.random() < 0.6,
            breaks=random.random() < 0.5,
            rewrites=random.random() < 0.3,
        )
        taking = AcquirerRules(settled_max=random.choice([FEW, MANY]))
        issuing = IssuerRules(
            name="issuer",
            settled_max=random.choice([FEW, MANY]),
            messages=random.choice([DUAL, DUAL, DUAL, SINGLE]),
        )
        self.nodes = {
            "gateway": self._node(
                "gateway", lambda: GatewayHost(self.orders, patience_s, self.pin_blocks), gateway.METADATA
            ),
            "acquirer": self._node(
                "acquirer",
                lambda: build_acquirer(dialect("pos-bcd87"), dialect("net-bin87"), DIRECTORY, taking, saf_rules=SAF),
                ACQUIRER,
            ),
            "switch": self._node("switch", switch, SWITCH),
            "issuer-a": self._node("issuer-a", lambda: build_issuer(dialect("ascii87"), issuing), ISSUER),
            "issuer-b": self._node("issuer-b", lambda: build_issuer(dialect("ebcdic93"), issuing), ISSUER),
        }
        self.presenter = Presenter(world, self.nodes)
        self.presents_all = random.random() < 0.7
        self.network = Network(
            [
                self._line(("gateway", "acquirer"), ("acquirer", "gateway")),
                self._line(("acquirer", "network"), ("switch", "acquirer")),
                self._line(("switch", "issuer-a"), ("issuer-a", "network")),
                self._line(("switch", "issuer-b"), ("issuer-b", "network")),
            ]
        )

    def run(self) -> None:
        """Start, issue cards, let shops pay through a storm, heal, drain, close the batches, and audit."""
        for node in self.nodes.values():
            node.start()
        for line in self.network.lines:
            line.dial()
        self._issue_cards()
        self.world.run(STORM_BEGINS)
        self.world.is_calm = False
        self._plan_orders()
        plan_faults(self.world, self.network.lines, list(self.nodes.values()), self.hsm)
        self._plan_time()
        self._work_duties()
        self._present()
        self.world.run(STORM_ENDS)
        self._heal()
        self._rest()
        for terminal in TERMINALS:
            self._close_batch(terminal)
        self._rest()
        self.auditor.counts += self.presenter.counts
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
            seeds = [CardSeed(pan, self._card(pan, rule), balance_minor) for pan, rule, balance_minor in cards]
            node.call(partial(seed, node.machine, seeds, ["840"]))

    def _card(self, pan: str, rule: str) -> Card:
        card = Card("", pan[-4:], "", cvc_rule=rule, cvk=CVK)
        if pan != PIN_CARD:
            return card
        return card._replace(pin_method="pvv", pvki="1", pin_value=pvv_of(self.hsm.hsm, pan, PIN))

    def _plan_orders(self) -> None:
        random = self.world.random
        cards = [(issuer, pan, rule) for issuer, known in CARDS.items() for pan, rule, _ in known]
        for number in range(1, random.randint(4, 13) + 1):
            issuer, pan, rule = random.choice(cards)
            printed = self.hsm.hsm.ask(issuer, MakeCvv(CVK, pan, "3012", "000")).cvv
            cvc = printed if rule == "check" and random.random() < 0.8 else "123"
            order = self._order(Order(number, pan, cvc, random.choice([1_000, 1_000, 1_800]) + number))
            self.orders[number] = order
            if order.pin:
                self.pin_blocks[number] = block_of(self.hsm.hsm, pan, order.pin)
            paid_at = self.world.now + self.world.between(0.0, 60.0)
            self.world.plan(paid_at, partial(self._lead, _paying(order)))
            self._plan_life(number, paid_at)

    def _order(self, order: Order) -> Order:
        """Choose how the card comes to the shop, and what the shop asks for."""
        random = self.world.random
        terminal = random.choice(list(TERMINALS))
        order = order._replace(
            terminal=terminal,
            merchant=TERMINALS[terminal].identifier,
            mti=random.choice(["0100", "0100", "0100", "0100", "0100", "0100", "0200", "0120", "0220"]),
            takes_part=random.random() < 0.5,
        )
        is_token = order.mti[2] == "0" and order.pan != PIN_CARD and random.random() < 0.7
        if is_token or order.pan != PIN_CARD or order.mti[2] == "2":
            return order._replace(is_token=is_token)
        return order._replace(is_token=False, pin=PIN if random.random() < 0.8 else WRONG_PIN)

    def _plan_life(self, number: int, paid_at: float) -> None:
        """Plan what the shop does about a payment; the gateway leaves out what its books do not allow then."""
        random, at = self.world.random, paid_at
        for _ in range(random.choice([0, 2, 4, 6, 8])):
            at += random.choice([0.0, self.world.between(0.0, 3.0), self.world.between(3.0, 25.0)])
            self.world.plan(at, partial(self._lead, self._deed(number)))

    def _deed(self, number: int) -> Deed:
        random = self.world.random
        share, over = random.choice([0.3, 0.5, 1.0, 1.0]), random.choice([0, 0, 0, 0, 0, 0, 150, 900])
        kind = random.choice(["add", "capture", "capture", "capture", "refund", "refund", "take back", "take back"])
        at = random.choice([name for name, shop in TERMINALS.items() if shop is self._shop(number)])
        at = at if random.random() < 0.3 else ""
        if kind == "add":
            return lambda host: host.add(number, 300 + number)
        if kind == "capture":
            is_final = random.random() < 0.5
            return lambda host: host.capture(number, share, over, is_final=is_final, at=at)
        if kind == "refund":
            return lambda host: host.refund(number, share, over, at)
        choice, left = random.randrange(8), random.choice([0.0, 0.0, 0.4, 0.7])
        return lambda host: host.take_back(number, choice, left)

    def _shop(self, number: int) -> Merchant:
        return TERMINALS[self.orders[number].terminal]

    def _lead(self, deed: Deed) -> None:
        node = self.nodes["gateway"]
        node.call(lambda: deed(node.machine))

    def _close_batch(self, terminal: str) -> None:
        self._lead(lambda host: host.close_batch(terminal, TERMINALS[terminal].identifier))

    def _work_duties(self) -> None:
        node = self.nodes["gateway"]
        if node.is_up:
            for identifier in node.machine.duties:
                node.call(partial(node.machine.work, identifier))
            for trace in node.machine.open_closings:
                node.call(partial(node.machine.reconcile, trace))
        self.world.after(self.world.between(1.0, 6.0), self._work_duties)

    def _present(self) -> None:
        if self.presents_all or self.world.now < STORM_ENDS:
            self.presenter.round()
        self.world.after(self.world.between(2.0, 20.0), self._present)

    def _plan_time(self) -> None:
        """Let days pass in some runs: holds run out, and what follows finds them gone."""
        random = self.world.random
        for _ in range(random.choice([0, 0, 0, 1, 2])):
            at = self.world.between(STORM_BEGINS, STORM_ENDS)
            self.world.plan(at, partial(self.world.advance, random.choice([1, 8, 31])))
        if random.random() < 0.3:
            self.world.plan(self.world.between(30.0, STORM_ENDS), partial(self._close_batch, "TERM0001"))

    def _heal(self) -> None:
        self.world.is_calm = True
        self.hsm.is_silent = False
        for line in self.network.lines:
            line.is_blocked = line.is_slow = False

    def _rest(self) -> None:
        """Wait until nothing is open, and a minute more for what is still on its way."""
        begun = self.world.now
        while self.world.now < PATIENCE_ENDS and not (self._is_quiet() and self.world.now >= begun + 60.0):
            self.world.run(self.world.now + 10.0)

    def _is_quiet(self) -> bool:
        nodes = self.nodes
        if not all(node.is_up for node in nodes.values()) or not nodes["gateway"].machine.is_done:
            return False
        are_presented = not (self.presents_all and nodes["acquirer"].machine.books.clearings)
        return are_presented and not nodes["acquirer"].machine.saf.entries and not nodes["switch"].machine.saf.entries


def _paying(order: Order) -> Deed:
    return lambda host: host.pay(order)


def pvv_of(hsm: Hsm, pan: str, pin: str) -> str:
    """Return what an issuer keeps of a PIN."""
    block = _enciphered(hsm, "issuer-a", zpk("switch"), pan, pin)
    return hsm.ask("issuer-a", MakePvv(zpk("switch"), PVK, block, "01", pan)).pvv


def block_of(hsm: Hsm, pan: str, pin: str) -> str:
    """Return DE 52 of a terminal of the acquirer."""
    return _enciphered(hsm, "acquirer", TERMINAL_KEY, pan, pin)


def _enciphered(hsm: Hsm, party: str, place: str, pan: str, pin: str) -> str:
    return encipher_pin(Tdes(injected(hsm, party, place)), "01", pin, pan[:-1][-12:], seeded()).hex().upper()
