"""What the parts of the switch share: links, routes, rules, legs, who waits for what, and the few acts they all need.

`machine` sorts events; `requests`, `answers`, `advices` and `undo` decide about them, each with this book in its hand.
A part never keeps a leg for itself: whatever it knows of one is here, so that a restart and the auditor find it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from iso import LocalProtocolError, Message
from node.core.deadlines import Deadlines
from node.core.link import Arrival, InFlightKey, LinkMachine
from node.core.saf import SafMachine
from node.core.turn import Turn
from switch.core.breaker import Breakers
from switch.core.legs import TABLE, Leg, LegBook
from switch.core.numbers import Counter
from switch.core.reversal import Tombstones
from switch.core.routing import RouteTable
from switch.core.rules import SwitchRules
from switch.core.search import Searches
from switch.core.settlement_days import SettlementDays
from switch.core.stand_in import StandIn
from switch.core.totals import STANDING, Totals

INOPERATIVE: Final = "91"
NO_ISSUER: Final = "15"
FORMAT_ERROR: Final = "30"
MALFUNCTION: Final = "96"
NOT_SUPPORTED: Final = "40"
NO_CRYPTOGRAM: Final = "63"
DUPLICATE: Final = "94"
NOT_LOCATED: Final = "25"
TAKEN: Final = "00"
"""DE 39 of the switch's own answers."""


CARD: Final = "card"
PIN: Final = "pin"
NEW_PIN: Final = "new pin"
CVV2: Final = "cvv2"
_QUESTIONS: Final = (CARD, PIN, NEW_PIN, CVV2)


class CardKey(NamedTuple):
    """Question to the HSM about a leg: its card, one of its PINs or its CVV2."""

    leg: str
    what: str = CARD


class Book:
    """The working set of a switch."""

    __slots__ = (
        "breakers",
        "by_card",
        "by_key",
        "days",
        "deadlines",
        "issuers",
        "legs",
        "links",
        "network_ids",
        "opened",
        "pin_places",
        "routes",
        "rules",
        "saf",
        "searches",
        "stand_in",
        "stans",
        "tombstones",
        "totals",
    )

    def __init__(
        self,
        links: Mapping[str, LinkMachine],
        routes: RouteTable,
        rules: SwitchRules,
        saf: SafMachine,
        days: SettlementDays,
        issuers: Iterable[str] | None = None,
    ) -> None:
        self.links = links
        self.routes = routes
        self.issuers = routes.links if issuers is None else frozenset(issuers)
        self.rules = rules
        self.saf = saf
        self.days = days
        self.totals = Totals()
        self.legs = LegBook(rules.ended_max)
        self.tombstones = Tombstones(rules.tombstones_max)
        self.searches = Searches(rules.hsm_timeout_s)
        self.network_ids = Counter("network_transaction_id")
        self.stans = Counter("stan")
        self.stand_in = StandIn(rules.stand_in)
        self.breakers = Breakers(rules.breaker)
        self.deadlines: Deadlines[Leg] = Deadlines()
        self.by_card: dict[CardKey, Leg] = {}
        self.by_key: dict[tuple[str, InFlightKey], Leg] = {}
        self.opened: dict[str, str] = {}
        """Card numbers of SAF entries that this very turn has put there; forgotten at its end."""
        self.pin_places: Callable[[str, bool], tuple[str, ...]] = lambda link, aes: ()
        """Places of the PIN keys that a member may use just now, while its key changes: the one in use comes first."""

    @property
    def counters(self) -> tuple[Counter, ...]:
        """The counters that a restart must not repeat."""
        return (self.network_ids, self.stans, self.stand_in.codes)

    def is_up(self, link: str) -> bool:
        """Whether a link carries traffic."""
        return self.links[link].is_up

    def answer(self, arrival: Arrival, code: str, turn: Turn) -> None:
        """Answer an arrival by itself, with nothing but DE 39."""
        self.links[arrival.link].respond(arrival.message.reply(code), arrival.connection, turn)

    def send(self, leg: Leg, message: Message, now: float, turn: Turn) -> bool:
        """Send a leg's request to its issuer; False if nothing was sent.

        Raises
        ------
        LocalProtocolError
            The issuer's dialect cannot express it. Nothing was sent.
        """
        try:
            leg.key = self.links[leg.issuer].request(message, self.rules.leg_timeout_s, now, turn)
        except LocalProtocolError as error:
            turn.note(leg.issuer, "unencodable", str(error))
            raise
        if leg.key is None:
            return False
        self.by_key[leg.issuer, leg.key] = leg
        return True

    def end(self, leg: Leg, code: str, turn: Turn, extra: dict[int, str] | None = None) -> None:
        """Store the outcome of a leg, answer whoever waits for it, and let go of what only memory may hold."""
        assert leg.request is not None
        leg.code = code
        turn.store(TABLE, leg.row())
        if leg.state in STANDING:
            self.totals.accepted(leg, self.days.counted_on(leg.elements[15], turn))
        answer = leg.request.reply(code, leg.answer if extra is None else extra)
        self.links[leg.acquirer].respond(answer, leg.connection, turn)
        self.release(leg)
        self.legs.close(leg)

    def refuse(self, leg: Leg, code: str, turn: Turn) -> None:
        """Answer an advice that cannot be taken over, and forget it: its repeat is looked at anew."""
        assert leg.request is not None
        self.links[leg.acquirer].respond(leg.request.reply(code), leg.connection, turn)
        self.release(leg)
        self.legs.drop(leg)

    def release(self, leg: Leg) -> None:
        """Expect nothing more for a leg, from its issuer or from the HSM."""
        if leg.key is not None and self.by_key.pop((leg.issuer, leg.key), None) is not None:
            self.links[leg.issuer].forget(leg.key)
        if leg.waits:
            leg.waits = 0
            for what in _QUESTIONS:
                self.by_card.pop(CardKey(leg.names.business, what), None)
