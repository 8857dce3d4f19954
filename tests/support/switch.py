"""A switch on the bench: the real machine and a memory journal, driven turn by turn without a loop."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from typing import Any

from hsm_sim.requests import (
    CardOpened,
    CvvChecked,
    Detokenise,
    OpenPan,
    PanOpened,
    PanSealed,
    PinTranslated,
    SealPan,
    TranslatePin,
    VerifyCvv,
)
from iso import Message, decode, dialect, encode
from iso.original import OriginalData
from iso.private import build_private
from iso.translate import to_1987, to_1993
from node.core.events import Answered, Connected, Disconnected, Event, NotWritten, Received
from node.core.link import LinkMachine, LinkProfile
from node.core.saf import SafMachine, SafRules
from node.core.turn import Turn
from node.journal import MemoryJournal
from switch.core.machine import SwitchMachine
from switch.core.routing import RouteTable
from switch.core.rules import SwitchRules
from switch.store import METADATA

EPOCH = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
TOKEN_A = "9999123412344242"
TOKEN_B = "9999123412340002"
PANS = {TOKEN_A: "4242424242424242", TOKEN_B: "9900020000000002"}
CVV2 = "737"
PROOF = "0123456789ABCDEF" + "0001" + "CAFEBABE"
DIALECTS = {"acquirer": "net-bin87", "member-2": "ascii87", "issuer-a": "ascii87", "issuer-b": "ebcdic93"}
UNREADABLE = "XXGARBAGE"
"""DE 48 that is not in the house's layout."""
PIN_BLOCK = "0123456789ABCDEF"
TRANSLATED_BLOCK = "FEDCBA9876543210"


def request(stan: str = "000001", **changes: str | None) -> Message:
    """Return a 0100 as an acquirer sends it; `de4="000000000500"` changes an element, None drops it."""
    fields: dict[int, str | None] = {
        2: TOKEN_A,
        3: "000000",
        4: "000000004200",
        7: "0314092653",
        11: stan,
        12: "092653",
        13: "0314",
        14: "3012",
        18: "5999",
        19: "840",
        22: "810",
        25: "59",
        32: "123456",
        37: f"607309{stan}",
        41: "TERM0001",
        42: "MERCHANT0000001",
        43: "The Shop, Springfield".ljust(40),
        48: build_private({"05": PROOF, "06": "07", "13": "trace-1"}),
        49: "840",
    }
    fields.update({int(name.removeprefix("de")): value for name, value in changes.items()})
    return Message("0100", {element: value for element, value in fields.items() if value is not None})


def reversal(original: Message, stan: str = "000900", mti: str = "0420", **changes: str | None) -> Message:
    """Return the acquirer's reversal of one of its requests."""
    kept = {element: original[element] for element in (2, 3, 4, 12, 13, 18, 19, 32, 37, 41, 42, 43, 49)}
    message = Message(mti, kept | {7: "0314092710", 11: stan, 90: OriginalData.of(original).to_de90()})
    return message.with_fields({int(name.removeprefix("de")): value for name, value in changes.items()})


def bare_reversal(original: Message, stan: str = "000900", **changes: str | None) -> Message:
    """Return a reversal that says no more than it must."""
    whole = reversal(original, stan, **changes)
    return Message(whole.mti, whole.only((7, 11, 32, 90, 95)))


def advice(mti: str = "0220", stan: str = "000050", **changes: str | None) -> Message:
    """Return an acquirer's advice: nothing that may not be stored is in it."""
    tags = {"de48": build_private({"06": "07"}), "de38": "A00001", "de39": "00", **changes}
    return Message(mti, request(stan, **tags).fields)


class Bench:
    """A switch with its links up, signed on by profile.

    Parameters
    ----------
    journal
        What an earlier bench has committed: the switch starts again from it.
    up
        The links that carry traffic from the start.
    now, at
        What its two clocks say: the loop's in seconds, and business time.
    """

    def __init__(
        self,
        rules: SwitchRules | None = None,
        saf: SafRules | None = None,
        journal: MemoryJournal | None = None,
        up: tuple[str, ...] = ("acquirer", "issuer-a", "issuer-b"),
        now: float = 0.0,
        at: datetime = EPOCH,
    ) -> None:
        profile = LinkProfile(sign_on=False)
        links = [LinkMachine(name, dialect(speaks), profile) for name, speaks in DIALECTS.items()]
        routes = RouteTable({"4": "issuer-a", "5": "issuer-a", "990002": "issuer-b"})
        self.machine = SwitchMachine(links, routes, rules, SafMachine(saf))
        self.journal = journal or MemoryJournal(METADATA)
        self.now = now
        self.at = at
        self.turns: list[Turn] = []
        self.waiting: dict[Hashable, Any] = {}
        self.machine.restore(self.journal.read())
        first = self._turn()
        self.machine.begin(self.now, first)
        self._commit(first)
        for link in up:
            self.connect(link)

    def do(self, *events: Event) -> Turn:
        """Drive one turn: handle, expire, commit; questions to the journal are answered in a turn of their own."""
        turn = self._turn()
        for event in events:
            self.machine.handle(event, self.now, turn)
        self.machine.expire(self.now, turn)
        return self._commit(turn)

    def connect(self, link: str) -> Turn:
        """Let a link carry traffic."""
        return self.do(Connected(link, 1, dialled=link.startswith("issuer")))

    def cut(self, link: str) -> Turn:
        """Lose a link's connection."""
        return self.do(Disconnected(link, 1))

    def receive(self, link: str, message: Message) -> Turn:
        """Let a message arrive in the link's own dialect."""
        return self.do(self.arrival(link, message))

    def arrival(self, link: str, message: Message) -> Received:
        """Return the event of a message's arrival."""
        speaks = dialect(DIALECTS[link])
        wire = to_1993(message, year=self.at.year) if speaks.version == "1993" else message
        return Received(link, 1, encode(wire, speaks), authentic=True)

    def open_card(self, code: str = "00", cvv2: str = CVV2, pin: str = "00", checked: str = "00") -> Turn:
        """Let the HSM answer every question that is out: `pin` and `checked` are its codes for a PIN and a CVV2."""
        waiting, self.waiting = self.waiting, {}
        answers = {TranslatePin: PinTranslated(pin, 4, TRANSLATED_BLOCK, "01"), VerifyCvv: CvvChecked(checked)}
        return self.do(
            *(Answered(key, answers.get(type(asked)) or _hsm(asked, code, cvv2)) for key, asked in waiting.items())
        )

    def hsm_is_silent(self) -> Turn:
        """Let the HSM answer nothing that is out."""
        waiting, self.waiting = self.waiting, {}
        return self.do(*(Answered(key, None) for key in waiting))

    def forward(self, message: Message) -> Turn:
        """Let a request arrive and its card be opened; return the turn that forwards it."""
        self.receive("acquirer", message)
        return self.open_card()

    def issuer_answers(self, code: str, issuer: str = "issuer-a", **changes: str) -> Turn:
        """Let an issuer answer the last message that it got."""
        return self.receive(issuer, self.issuer_answer(code, issuer, **changes))

    def issuer_answer(self, code: str, issuer: str = "issuer-a", **changes: str) -> Message:
        """Return an issuer's answer to the last message that it got."""
        elements: dict[int, str] = {38: "A00001"} if code == "00" else {}
        elements |= {int(name.removeprefix("de")): value for name, value in changes.items()}
        return self.sent(issuer)[-1].reply(code, elements)

    def not_written(self, link: str) -> Turn:
        """Report that the last request for a link never reached its connection."""
        key = [send.key for turn in self.turns for send in turn.sends if send.link == link][-1]
        return self.do(NotWritten(link, key))

    def pass_time(self, seconds: float) -> Turn:
        """Let both clocks go on and fire what is due."""
        self.now += seconds
        self.at += timedelta(seconds=seconds)
        return self.do()

    def restart(self, up: tuple[str, ...] = ("acquirer", "issuer-a", "issuer-b")) -> Bench:
        """Return a new switch that starts from what this one has committed."""
        return Bench(self.machine.book.rules, self.machine.saf.rules, self.journal, up, self.now, self.at)

    def sent(self, link: str) -> list[Message]:
        """Return everything that has left on a link, in order, read back from the wire."""
        speaks = dialect(DIALECTS[link])
        frames = [send.payload for turn in self.turns for send in turn.sends if send.link == link]
        messages = [decode(frame, speaks) for frame in frames]
        return [to_1987(message) for message in messages] if speaks.version == "1993" else messages

    def legs(self) -> list[str]:
        """Return the states of all legs in the journal."""
        return [row[5] for row in self.journal.rows["legs"].values()]

    def saf(self) -> list[Message]:
        """Return the waiting SAF messages, oldest first."""
        return [entry.message for entry in self.machine.saf.entries.values()]

    def _turn(self) -> Turn:
        return Turn(self.at)

    def _commit(self, turn: Turn) -> Turn:
        self.journal.write(turn.stores)
        self.turns.append(turn)
        found = []
        for ask in turn.asks:
            if ask.port == "journal":
                found.append(Answered(ask.key, self.journal.look_up(ask.request)))
            else:
                self.waiting[ask.key] = ask.request
        return self.do(*found) if found else turn


def _hsm(asked: Any, code: str, cvv2: str) -> Any:
    if isinstance(asked, Detokenise):
        opens = CardOpened(code, PANS[asked.token], "3012", cvv2 if asked.cryptogram else "")
        return opens if code == "00" else CardOpened(code)
    if isinstance(asked, SealPan):
        return PanSealed(code, f"sealed-{asked.pan[-4:]}" if code == "00" else "")
    assert isinstance(asked, OpenPan)
    return PanOpened(code, next(pan for pan in PANS.values() if asked.sealed == f"sealed-{pan[-4:]}"))
