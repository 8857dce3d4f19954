"""A gateway's web application over real banks: acquirer, switch, both issuers and the HSM, stepped by hand.

Every message goes as bytes through the real machines in virtual time, so that a test can make thousands of requests,
lose what it likes on the gateway's link, and read every bank's books afterwards. Nothing suspends: one request is over
before the next one begins, unless a test makes another one `meanwhile`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

from sqlalchemy import MetaData

from banks.acquirer.host import build_acquirer
from banks.acquirer.store import METADATA as ACQUIRER
from banks.core.cards import Card
from banks.core.merchants import Directory, Merchant, Terminal
from banks.issuer.books import IssuerRules
from banks.issuer.host import build_issuer
from banks.issuer.seeding import CardSeed, seed
from banks.issuer.store import METADATA as ISSUER
from gateway.api.app import build_app
from gateway.core.terms import Terms
from gateway.handlers import owing
from gateway.handlers.context import Ports, Watch
from gateway.handlers.expiring import expire_due
from hsm_sim.core.indexes import CVK
from iso import Message, dialect
from node.core.conversations import ConversationHost
from node.core.events import Called, Connected, Disconnected, Event, Received
from node.core.link import Arrival, LinkMachine
from node.core.steps import NOT_SENT, UNKNOWN, Silence
from node.core.turn import Turn
from node.journal import MemoryJournal, Rows
from switch.store import METADATA as SWITCH
from tests.sim.house import build_switch
from tests.sim.hsm import SimHsm
from tests.sim.node import SimNode
from tests.sim.world import EPOCH, World
from tests.support import duties
from tests.support.gateway import ACCOUNT, SECRET_KEY, Gateway, all_events, flat, step
from tests.support.oracle import Oracle

CARDS = {
    "issuer-a": {"4242424242424242": 10**9, "4000000000009995": 2_000},
    "issuer-b": {"5555555555554444": 10**9},
}
"""Issuer to card to balance, minor units."""
TRANSIT_S, REDIAL_S = 0.001, 1.0
PATIENCE_S = 60.0
LOST_REQUEST, LOST_ANSWER, NO_LINK, REFUSED = "lost request", "lost answer", "no link", "refused for good"
CURRENCIES = {"usd": "840", "jpy": "392", "kwd": "414"}
"""In which every card has an account: two, no and three decimals."""


class Spoken(NamedTuple):
    """An answer of the web application."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


class _Calendar(World):
    """A world whose business time can be moved without anything happening meanwhile."""

    def __init__(self) -> None:
        super().__init__(seed=1)
        self.offset_s = 0.0

    def at(self) -> datetime:
        """Return business time."""
        return EPOCH + timedelta(seconds=self.now + self.offset_s)

    def wall(self) -> datetime:
        """Return wall time."""
        return EPOCH + timedelta(seconds=self.now)


class _GatewaysEnd(ConversationHost):
    """The gateway's end of its link: asks, and puts the answer into a box."""

    def __init__(self) -> None:
        super().__init__([LinkMachine("acquirer", dialect("pos-bcd87"))])
        self.handler = self._answer

    def restore(self, rows: Rows) -> None:
        """Remember nothing."""

    def begin(self, now: float, turn: Turn) -> None:
        """Begin with nothing."""

    async def ask(self, box: list[Message | Silence], message: Message, timeout_s: float) -> None:
        """Send a request; put what came of it into the box."""
        box.append(await self.desk.request("acquirer", message, timeout_s))

    async def _answer(self, arrival: Arrival) -> Message | None:
        return arrival.message.reply("40")


class _Wires:
    """What the nodes are surrounded by: wires that lose nothing, but for a node that `is_deaf`, and the HSM."""

    def __init__(self, house: SmallHouse) -> None:
        self.house = house
        self.deaf: set[str] = set()

    def send(self, node: SimNode, link: str, connection: int, payload: bytes, key: Hashable | None) -> None:
        """Carry a frame to the other end, a moment later."""
        peer, peer_link = self.house.peers[node.name, link]
        if self.deaf & {peer, node.name}:
            return
        arrived = Received(peer_link, connection, payload, authentic=True)
        self.house.world.after(TRANSIT_S, lambda: self.house.nodes[peer].put(arrived))

    def close(self, node: SimNode, link: str, connection: int) -> None:
        """Hang up at both ends; the line is dialled again once both are heard."""
        for name, end in ((node.name, link), self.house.peers[node.name, link]):
            self.house.nodes[name].put(Disconnected(end, connection))
        self.house.world.after(REDIAL_S, lambda: self.house.dial(node.name, link))

    def ask(self, node: SimNode, port: str, key: Hashable, request: Any, timeout_s: float) -> None:
        """Take a question for the HSM."""
        self.house.hsm.ask(node, key, request, timeout_s)

    def crashed(self, node: SimNode) -> None:
        """Nothing crashes here."""

    def seen(self, node: SimNode, events: list[Event], turn: Turn) -> None:
        """Look at nothing."""


_LINES = (
    (("gateway", "acquirer"), ("acquirer", "gateway")),
    (("acquirer", "network"), ("switch", "acquirer")),
    (("switch", "issuer-a"), ("issuer-a", "network")),
    (("switch", "issuer-b"), ("issuer-b", "network")),
)


class SmallHouse:
    """The house; `fates` says what becomes of the next messages that the gateway sends, the first one first.

    `terms` are those of the gateway alone: the acquirer has its own.
    """

    def __init__(self, terms: Terms | None = None) -> None:
        self.world = _Calendar()
        self.hsm = SimHsm(self.world)
        self.wires = _Wires(self)
        self.peers = {one: other for line in _LINES for one, other in (line, line[::-1])}
        self.fates: list[str] = []
        self.meanwhile: Callable[[], None] | None = None
        """What happens once while the next message is under way."""
        self.sent: list[Message] = []
        self.oracle = Oracle()
        self._connections = 0
        known = Merchant(ACCOUNT.merchant, "Rails Coffee", "5814", "US", "San Francisco")
        shops = Directory([known], [Terminal(ACCOUNT.terminal, ACCOUNT.merchant)])
        spoken = {"issuer-a": "ascii87", "issuer-b": "ebcdic93"}
        builds: dict[str, tuple[Any, Any]] = {
            "gateway": (_GatewaysEnd, MetaData()),
            "acquirer": (lambda: build_acquirer(dialect("pos-bcd87"), dialect("net-bin87"), shops), ACQUIRER),
            "switch": (partial(build_switch, stands_in=False, breaks=False, rewrites=False), SWITCH),
            **{
                name: (partial(build_issuer, dialect(speaks), IssuerRules(name=name)), ISSUER)
                for name, speaks in spoken.items()
            },
        }
        self.nodes = {
            name: SimNode(self.world, name, build, MemoryJournal(metadata), self.wires)
            for name, (build, metadata) in builds.items()
        }
        self._open()
        self.gateway = Gateway()
        self.ports: Ports = self.gateway.ports._replace(
            acquirer=self,
            hsm=self,
            business=self.world.at,
            wall=self.world.wall,
            watch=self._watch,
            terms=terms or Terms(),
        )
        self.app = build_app(self.ports, self.gateway.keys)
        self._seen: set[bytes] = set()

    def _open(self) -> None:
        for node in self.nodes.values():
            node.start()
        for (dials, link), _ in _LINES:
            self.dial(dials, link)
        for name, balances in CARDS.items():
            node = self.nodes[name]
            seeds = [
                CardSeed(pan, Card("", pan[-4:], "", cvc_rule="any", cvk=CVK), balance)
                for pan, balance in balances.items()
            ]
            node.put(Called("seed", partial(seed, node.machine, seeds, [*CURRENCIES.values()])))
        self.world.run(self.world.now + 5.0)

    def dial(self, node: str, link: str) -> None:
        """Connect the two ends of a line, or try again later."""
        ends = next(line for line in _LINES if (node, link) in line)
        if self.wires.deaf & {name for name, _ in ends}:
            self.world.after(REDIAL_S, lambda: self.dial(node, link))
            return
        self._connections += 1
        (dials, mine), (listens, other) = ends
        self.nodes[listens].put(Connected(other, self._connections, dialled=False))
        self.nodes[dials].put(Connected(mine, self._connections, dialled=True))

    # What the gateway works with.

    async def request(self, message: Message, timeout_s: float) -> Message | Silence:
        """Carry a message through the house, unless it has another fate."""
        self.sent.append(message)
        fate = self.fates.pop(0) if self.fates else ""
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        if fate == REFUSED:
            return message.reply("64")
        if fate == NO_LINK:
            return NOT_SENT
        if fate == LOST_REQUEST:
            return UNKNOWN
        box: list[Message | Silence] = []
        node = self.nodes["gateway"]
        node.put(Called(("ask", len(self.sent)), lambda: node.machine.ask(box, message, timeout_s)))
        self._until(box, timeout_s + PATIENCE_S)
        return UNKNOWN if fate == LOST_ANSWER else box[0]

    async def call(self, request: Any, timeout_s: float) -> Any:
        """Ask the gateway's own party of the HSM."""
        self.hsm.hsm.now, self.hsm.hsm.at = self.world.now, self.world.at()
        return self.hsm.hsm.ask("gateway", request)

    def _watch(self, _charge: str) -> Watch:
        return _Worker(self)

    def _until(self, box: list[Any], within_s: float) -> None:
        ends_at = self.world.now + within_s
        while not box and self.world.now < ends_at:
            self.world.run(self.world.now + TRANSIT_S * 20)
        assert box, "a question to the acquirer never ended"

    # What tests do.

    def send(
        self, method: str, path: str, form: Mapping[str, Any] | None = None, *, secret: str = SECRET_KEY, **headers: str
    ) -> Spoken:
        """Send one request to the web application."""
        text = urlencode(flat(form or {}))
        body, query = (b"", text) if method == "GET" else (text.encode(), "")
        told: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def take(message: Any) -> None:
            told.append(message)

        named = {"authorization": f"Bearer {secret}", "host": "gateway", **headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()],
        }
        step(self.app(scope, receive, take))
        status, content = told[0]["status"], b"".join(part["body"] for part in told[1:])
        if content not in self._seen:
            self._seen.add(content)
            self.oracle.see(f"{method} {path}", status, content)
        return Spoken(
            status, json.loads(content), {name.decode(): value.decode() for name, value in told[0]["headers"]}
        )

    def post(self, path: str, form: Mapping[str, Any] | None = None, **headers: str) -> Spoken:
        """Post a form."""
        return self.send("POST", path, form, **headers)

    def get(self, path: str, form: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return an object."""
        answer = self.send("GET", path, form)
        assert answer.status == 200, answer
        return answer.body

    def work(self) -> None:
        """Let the gateway's worker do all that is due now."""
        while step(duties.work_one(self.ports, "worker")) is not None:
            continue

    def settle(self) -> None:
        """Heal everything, and wait until nothing is owed anywhere."""
        self.wires.deaf.clear()
        self.fates.clear()
        for _ in range(60):
            self.work()
            self.world.run(self.world.now + 30.0)
            is_owed = bool(step(duties.owed(self.ports)).open_count)
            if not is_owed and not any(self.nodes[name].machine.saf.entries for name in ("acquirer", "switch")):
                return
        raise AssertionError("something never arrived")

    def pass_days(self, days: int) -> None:
        """Let business days go by, and end the authorisations whose time is up."""
        self.world.offset_s += days * 86_400
        step(expire_due(self.ports))

    def __enter__(self) -> SmallHouse:
        return self

    def __exit__(self, *error: object) -> None:
        """Look back: what the clients were told, and what was written down, has the types of the SDK."""
        if error == (None, None, None):
            self.oracle.see_events(step(all_events(self.ports.store)))
            self.oracle.verdict()

    # What the banks have.

    def held(self, issuer: str) -> dict[str, int]:
        """Return what is held on each of an issuer's accounts that holds anything."""
        ledger = self.nodes[issuer].machine.books.ledger
        assert not any(ledger.totals().values()), "debits are not credits"
        return {name: account.held_minor for name, account in ledger.accounts.items() if account.held_minor}

    def available(self, pan: str, currency: str = "usd") -> int:
        """Return what a card can still pay in a currency."""
        (issuer,) = [name for name, cards in CARDS.items() if pan in cards]
        books = self.nodes[issuer].machine.books
        (card,) = [card for card in books.cards.values() if card.last4 == pan[-4:]]
        found: int = books.ledger.accounts[f"{card.account}/{CURRENCIES[currency]}"].available_minor
        return found

    def refused(self) -> list[str]:
        """Return the messages that the acquirer has refused for good."""
        return [row["send"] for row in step(owing.list_of(self.ports, "refused", 1_000))]

    def send_again(self, send: str) -> None:
        """Let an operator have a message sent again."""
        step(owing.send_again(self.ports, send))

    def cleared(self, kind: str) -> list[int]:
        """Return what the acquirer will present: the amounts of its captures, or of its refunds, in order."""
        rows = self.nodes["acquirer"].journal.rows["clearings"].values()
        return [row[10] for row in rows if row[2] == kind and row[3] == "open"]


class _Worker:
    """Works the duties while a request waits for them, as the worker of a running gateway does."""

    def __init__(self, house: SmallHouse) -> None:
        self._house = house

    async def wait(self, timeout_s: float) -> None:
        """Make one attempt at whatever is due."""
        await duties.work_one(self._house.ports, "worker")

    def close(self) -> None:
        """Let go of nothing."""
