"""Banks on the bench: the real hosts and the real HSM engine over memory journals, turn by turn without a loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import MetaData

from banks.acquirer.books import AcquirerRules
from banks.acquirer.host import AcquirerHost, build_acquirer
from banks.acquirer.store import METADATA as ACQUIRER_METADATA
from banks.core.cards import Card, account_name
from banks.core.merchants import Directory, Merchant, Terminal
from banks.core.scripts import ANY_REQUEST, ScriptRow
from banks.issuer.books import IssuerRules
from banks.issuer.host import IssuerHost, build_issuer
from banks.issuer.seeding import CardSeed, change_card, cvv2_of, seed
from banks.issuer.store import METADATA as ISSUER_METADATA
from banks.ledger import AccountRow, EntryRow, verify
from iso import Dialect, Message, decode, dialect, encode
from iso.original import OriginalData
from iso.private import build_private
from iso.translate import to_1987, to_1993
from node.core.conversations import ConversationHost
from node.core.events import Answered, Called, Connected, Disconnected, Event, NotWritten, Received
from node.core.link import LinkProfile
from node.core.turn import Ask, Turn
from node.journal import MemoryJournal
from tests.support.hsm import Hsm

EPOCH = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
PLAIN = LinkProfile(sign_on=False)

PAN = "9900017391586415"
OTHER_PAN = "9900017391586423"
TOKEN = "9999123412344242"
CVC = "737"


class Bench:
    """Drives one host: commits each turn before it looks at what was sent, and answers its ports.

    `hsm_answers` and `journal_answers` can be switched off: questions then pile up in `open_asks`.
    """

    def __init__(self, build: Callable[[], ConversationHost], metadata: MetaData, party: str) -> None:
        self._build = build
        self.journal = MemoryJournal(metadata)
        self.hsm = Hsm()
        self.party = party
        self.now = 0.0
        self.at = EPOCH
        self.hsm_answers = True
        self.journal_answers = True
        self.open_asks: list[Ask] = []
        self.sent: dict[str, list[Message]] = {}
        self.results: list[Any] = []
        self.turns: list[Turn] = []
        self._connection = 0
        self._calls = 0
        self.start()

    # Life and death

    def start(self) -> None:
        """Build the host from what is in the journal."""
        self.host = self._build()
        self.host.restore(self.journal.read())  # type: ignore[attr-defined]
        self.open_asks = []
        turn = Turn(self.at)
        self.host.begin(self.now, turn)  # type: ignore[attr-defined]
        self._finish(turn)

    def connect(self, *links: str) -> None:
        """Bring links up."""
        for link in links:
            self._connection += 1
            self.do(Connected(link, self._connection, dialled=False))

    def cut(self, link: str) -> None:
        """Lose every connection of a link."""
        for number in list(self.host.links[link].connections):
            self.do(Disconnected(link, number))

    # Time

    def pass_time(self, seconds: float) -> None:
        """Let protocol and business time go on, and fire what is due."""
        self.now += seconds
        self.at += timedelta(seconds=seconds)
        turn = Turn(self.at)
        self.host.expire(self.now, turn)
        self._finish(turn)

    def advance(self, days: float) -> None:
        """Move business time alone, and let the node have a turn."""
        self.at += timedelta(days=days)
        turn = Turn(self.at)
        self.host.expire(self.now, turn)
        self._finish(turn)

    # Traffic

    def hear(self, link: str, *messages: Message) -> list[Message]:
        """Let messages arrive in one turn; return what has left on that link until the node is quiet again."""
        before = len(self.sent.get(link, []))
        connection = min(self.host.links[link].connections)
        speaks = self.host.links[link].dialect
        self.do(*(Received(link, connection, to_wire(message, speaks), True) for message in messages))
        return self.sent.get(link, [])[before:]

    def never_written(self, link: str) -> None:
        """Report the latest request on a link as not written."""
        key = next(send.key for turn in reversed(self.turns) for send in turn.sends if send.link == link)
        self.do(NotWritten(link, key))

    def call(self, start: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a conversation inside the node and return its result."""
        self._calls += 1
        self.do(Called(self._calls, start))
        return self.results[-1]

    def do(self, *events: Event) -> Turn:
        """Take events as one turn, then answer what it asked."""
        turn = Turn(self.at)
        for event in events:
            self.host.handle(event, self.now, turn)
        self.host.expire(self.now, turn)
        self._finish(turn)
        return turn

    def answer_asks(self) -> None:
        """Answer every open question of a port that is not switched off."""
        while answerable := [ask for ask in self.open_asks if self._answers(ask.port)]:
            self.open_asks = [ask for ask in self.open_asks if ask not in answerable]
            self.do(*(Answered(ask.key, self._answer(ask)) for ask in answerable))

    # What is on disk

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return a table's committed rows by column name."""
        names = (
            ISSUER_METADATA.tables.get(table) if self.party.startswith("issuer") else ACQUIRER_METADATA.tables[table]
        )
        assert names is not None
        return [dict(zip(names.columns.keys(), row, strict=True)) for row in self.journal.rows[table].values()]

    def _answers(self, port: str) -> bool:
        return self.hsm_answers if port == "hsm" else self.journal_answers

    def _answer(self, ask: Ask) -> Any:
        return self.hsm.ask(self.party, ask.request) if ask.port == "hsm" else self.journal.look_up(ask.request)

    def _finish(self, turn: Turn) -> None:
        self.turns.append(turn)
        self.journal.write(turn.stores)
        for send in turn.sends:
            # What leaves is what the wire carries: through the dialect and back.
            self.sent.setdefault(send.link, []).append(from_wire(send.payload, self.host.links[send.link].dialect))
        self.results += [value for _, value in turn.outs]
        self.open_asks += turn.asks
        self.answer_asks()


def to_wire(message: Message, speaks: Dialect) -> bytes:
    """Encode as a peer would."""
    return encode(to_1993(message, year=2026) if speaks.version == "1993" else message, speaks)


def from_wire(payload: bytes, speaks: Dialect) -> Message:
    """Decode as a peer would."""
    message = decode(payload, speaks)
    return (to_1987(message) if speaks.version == "1993" else message).without_mac()


class IssuerBench(Bench):
    """An issuer with its link up and, unless told otherwise, one card on `PAN` with 1,000.00 USD."""

    host: IssuerHost

    def __init__(self, *seeds: CardSeed, speaks: str = "ascii87", rules: IssuerRules | None = None) -> None:
        super().__init__(lambda: build_issuer(dialect(speaks), rules, PLAIN), ISSUER_METADATA, "issuer-a")
        self.connect("network")
        self.seed(*(seeds or (a_card(),)))

    def seed(self, *seeds: CardSeed, currencies: tuple[str, ...] = ("840",)) -> Any:
        """Issue cards."""
        return self.call(lambda: seed(self.host, seeds, currencies))

    def begin_seeding(self, *seeds: CardSeed) -> None:
        """Begin to issue cards; the result comes when the HSM has answered or stayed silent."""
        self._calls += 1
        self.do(Called(self._calls, lambda: seed(self.host, seeds, ("840",))))

    def change(self, pan: str = PAN, **changes: str | int) -> None:
        """Change columns of a card's row."""
        self.call(lambda: change_card(self.host, pan, **changes))

    def cvv2(self, pan: str = PAN, expiry: str = "3012") -> str:
        """Return what is printed on the card."""
        return str(self.call(lambda: cvv2_of(self.host, pan, expiry)))

    def ask(self, message: Message) -> Message:
        """Send one request; return its one answer."""
        (answer,) = self.hear("network", message)
        return answer

    def restart(self) -> None:
        """Kill the node and start it from its journal."""
        self.start()
        self.connect("network")

    def account(self, last4: str = PAN[-4:], currency: str = "840") -> Any:
        """Return the ledger account behind a card."""
        card = next(card for card in self.host.books.cards.values() if card.last4 == last4)
        return self.host.books.ledger.accounts[account_name(card.account, currency)]

    def held_of(self, pan: str) -> int:
        """What is held on a card."""
        return int(self.account(pan[-4:]).held_minor)

    @property
    def held_minor(self) -> int:
        """What is held on the card `PAN`."""
        return int(self.account().held_minor)

    def audit(self) -> list[str]:
        """Audit the ledger as it is on disk."""
        rows = self.journal.rows
        problems = verify(
            [EntryRow(*row) for row in rows["entries"].values()],
            [AccountRow(*row) for row in rows["accounts"].values()],
        )
        in_memory = {account.row() for account in self.host.books.ledger.accounts.values()}
        return problems + ([] if in_memory == set(rows["accounts"].values()) else ["memory is not what is on disk"])


def a_card(pan: str = PAN, balance_minor: int = 100_000, **columns: Any) -> CardSeed:
    """Return a seed; `columns` are those of `Card`, and `script` one or more. Unless told otherwise any CVC will do."""
    scripts = columns.pop("script", ())
    card = Card("", pan[-4:], columns.pop("account", ""), **{"expiry": "3012", "cvc_rule": "any", **columns})
    return CardSeed(pan, card, balance_minor, (scripts,) if isinstance(scripts, ScriptRow) else tuple(scripts))


def a_script(code: str = "", when: str = ANY_REQUEST, **more: Any) -> ScriptRow:
    """Return a script for a seed, or with `card="fp_..."` for an order."""
    return ScriptRow(0, more.pop("card", ""), when, code, **more)


def at_issuer(stan: str = "000001", cvv2: str = "", **changes: str | None) -> Message:
    """Return a 0100 as the switch sends it to an issuer; `de4="..."` changes an element, None drops it."""
    fields: dict[int, str | None] = {
        2: PAN,
        3: "000000",
        4: "000000004200",
        7: "0314092653",
        11: stan,
        12: "092653",
        13: "0314",
        14: "3012",
        15: "0314",
        18: "5999",
        19: "840",
        22: "810",
        25: "59",
        32: "400001",
        37: f"607309{stan}",
        41: "TERM0001",
        42: "MERCHANT0000001",
        43: "The Shop".ljust(40),
        48: build_private({"01": cvv2} if cvv2 else {"06": "07"}),
        49: "840",
    }
    return Message("0100", changed(fields, changes))


def changed(fields: Mapping[int, str | None], changes: Mapping[str, str | None]) -> dict[int, str]:
    """Apply `de4="..."` to elements and drop those that are None."""
    merged = {**fields, **{int(name.removeprefix("de")): value for name, value in changes.items()}}
    return {element: value for element, value in merged.items() if value is not None}


def reversal_at_issuer(original: Message, stan: str = "000900", mti: str = "0420", **changes: str | None) -> Message:
    """Return the 0420 that a switch sends for an original."""
    kept = (2, 3, 4, 12, 13, 18, 19, 32, 37, 41, 42, 49)
    fields: dict[int, str | None] = {element: original.get(element) for element in kept}
    fields.update({7: "0314092710", 11: stan, 90: OriginalData.of(original.with_fields({}, mti="0100")).to_de90()})
    return Message(mti, changed(fields, changes))


def advice_at_issuer(original: Message, code: str = "00", stan: str = "000800", **changes: str | None) -> Message:
    """Return the 0120 that tells an issuer what stand-in decided."""
    kept = (2, 3, 4, 12, 13, 18, 19, 22, 25, 32, 37, 41, 42, 49)
    fields: dict[int, str | None] = {element: original.get(element) for element in kept}
    fields.update({7: "0314092715", 11: stan, 39: code, 90: OriginalData.of(original).to_de90()})
    return Message("0120", changed(fields, changes))


SHOP = Merchant("MERCHANT0000001", "The Shop", "5999", "US", "Springfield")
CLOSED_SHOP = Merchant("MERCHANT0000002", "The Closed Shop", "5999", "US", "Springfield", status="closed")
DIRECTORY = Directory(
    [SHOP, CLOSED_SHOP], [Terminal("TERM0001", SHOP.identifier), Terminal("TERM0002", CLOSED_SHOP.identifier)]
)


class AcquirerBench(Bench):
    """An acquirer with both links up. What it sends to the network waits for `network_says`."""

    host: AcquirerHost
    directory = DIRECTORY

    def __init__(self, rules: AcquirerRules | None = None) -> None:
        super().__init__(
            lambda: build_acquirer(dialect("pos-bcd87"), dialect("net-bin87"), self.directory, rules, profile=PLAIN),
            ACQUIRER_METADATA,
            "acquirer",
        )
        self.connect("gateway", "network")

    def restart(self, *links: str) -> None:
        """Kill the node, start it from its journal, and bring links up (both by default)."""
        self.start()
        self.connect(*(links or ("gateway", "network")))

    def gateway_says(self, *messages: Message) -> list[Message]:
        """Let messages come from the gateway; return what goes back to it."""
        return self.hear("gateway", *messages)

    @property
    def asked(self) -> Message:
        """The latest message to the network."""
        return self.sent["network"][-1]

    def network_answers(self, code: str = "00", to: Message | None = None, **extra: str) -> list[Message]:
        """Answer a request of this acquirer (the latest by default); return what goes to the gateway."""
        before = len(self.sent.get("gateway", []))
        elements: dict[int, str | None] = {38: "A1B2C3"} if code == "00" else {}
        elements.update({int(name.removeprefix("de")): value for name, value in extra.items()})
        self.hear("network", (to or self.asked).reply(code, elements))
        return self.sent.get("gateway", [])[before:]

    @property
    def reversals(self) -> list[Message]:
        """Every 0420 and 0421 sent to the network."""
        return [message for message in self.sent.get("network", []) if message.mti in ("0420", "0421")]

    def states(self) -> list[str]:
        """The state of each intent on disk."""
        return [row["state"] for row in self.rows("intents")]


def at_acquirer(stan: str = "000001", **changes: str | None) -> Message:
    """Return a 0100 as the gateway sends it."""
    fields: dict[int, str | None] = {
        2: TOKEN,
        3: "000000",
        4: "000000004200",
        7: "0314092653",
        11: stan,
        12: "092653",
        13: "0314",
        14: "3012",
        22: "810",
        25: "59",
        41: "TERM0001",
        42: "MERCHANT0000001",
        48: build_private({"05": "0123456789ABCDEF0001CAFEBABE", "06": "07", "13": "trace-1"}),
        49: "840",
    }
    return Message("0100", changed(fields, changes))


def reversal_at_acquirer(original: Message, stan: str = "000900", mti: str = "0420", **changes: str | None) -> Message:
    """Return the 0420 with which a gateway undoes its 0100."""
    kept = (2, 3, 4, 12, 13, 41, 42, 49)
    fields: dict[int, str | None] = {element: original.get(element) for element in kept}
    fields.update({7: "0314092720", 11: stan, 90: OriginalData("0100", original.stan, original.transmitted).to_de90()})
    return Message(mti, changed(fields, changes))
