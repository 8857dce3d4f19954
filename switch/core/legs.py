"""Legs: what the switch remembers of each request, how a reversal or a copy finds it, and for how long.

A leg has two names. Its *original* name is what DE 90 of a reversal says of it: class, STAN, DE 7 and DE 32. Its
*business* name leaves DE 7 out and adds what stays the same in a repeat. Both are stored, so that a leg that memory has
let go of can still be found in the journal. A STAN comes round every few days: where what tells two days apart is
missing there is no such name, and the other one stands in its place.

No field of a leg that is stored, and no `repr`, holds a card number, a CVV2 or a cryptogram.
"""

from __future__ import annotations

from collections import Counter, deque
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json import dumps, loads
from json.encoder import encode_basestring_ascii as quoted
from typing import NamedTuple

from iso import Message, RemoteProtocolError
from iso.masks import mask_pan
from iso.original import OriginalData
from node.core.link import InFlightKey
from node.core.turn import Row
from switch.core.routing import is_token
from switch.core.states import IN_FLIGHT, Cause, State, advance

TABLE = "legs"

_SAME = (3, 4, 49)
_IN_BUSINESS_NAMES = (12, 13, 37, 41)

HALF_A_YEAR = timedelta(days=183)
_DE7_LENGTH = 10


class Names(NamedTuple):
    """What a leg is called.

    Attributes
    ----------
    original
        "class/STAN/DE 7/DE 32", DE 32 without the zeros in front. An advice, which may have the numbers of its
        request, has "12" or "22" for its class. The business name, where DE 90 does not know DE 7.
    business
        "class/STAN/DE 13 and 12/DE 32/DE 37/DE 41": unique for the years that an RRN takes to come round. The original
        name, where one of DE 12, 13, 37 and 41 is missing: without them it would be the same on other days.
    """

    original: str
    business: str


def names_of_request(message: Message) -> Names:
    """Name the leg that a request or an advice makes or repeats."""
    return _names(message, _class_of(message.mti), message.stan, message.transmitted)


def names_of_original(message: Message) -> Names:
    """Name the leg that a reversal or an advice is about.

    Raises
    ------
    RemoteProtocolError
        DE 90 is absent or not 42 digits, or what the message says could be any day's.
    """
    original = OriginalData.from_de90(message.get(90) or "")
    names = _names(message, _class_of(original.mti), original.stan, original.transmitted)
    if original.transmitted.strip("0"):
        return names
    if names.business == names.original:
        raise RemoteProtocolError("DE 90: DE 7 expected where DE 12, 13, 37 or 41 is missing", element=90)
    return Names(names.business, names.business)


def _class_of(mti: str) -> str:
    return mti[1:3] if mti[2] in "23" else mti[1]


def _names(message: Message, mti_class: str, stan: str, transmitted: str) -> Names:
    acquirer = message.acquirer_id.lstrip("0")
    original = f"{mti_class}/{stan}/{transmitted}/{acquirer}"
    if message.lacks(_IN_BUSINESS_NAMES) is not None:
        return Names(original, original)
    local = f"{message[13]}{message[12]}"
    return Names(original, f"{mti_class}/{stan}/{local}/{acquirer}/{message.rrn}/{message.terminal}")


class Leg:
    """One request of an acquirer and what became of it.

    Attributes
    ----------
    card
        The network token, or the sealed card number: what names the card in every row and SAF entry.
    elements
        The elements of the issuer's request that a reversal needs, safe to store; DE 7 is the issuer leg's. Replaced
        as a whole, never changed in place: a row that has been written before is not written out anew.
    answer
        The elements that the answer to the acquirer had beyond the echo, safe to store.
    received_at
        Business time at which the request came.
    request
        The acquirer's request, with DE 7 of its latest copy, while somebody waits for the answer. Memory only.
    parts
        STAN of each partial reversal that was taken, with the amount in minor units that it left; safe to store.
    pan
        The card number while the issuer is asked, so that it can be kept out of the answer; else "". Memory only.
    cvv2, pin, new_pin
        What goes to the issuer with the request: CVV2, DE 52 and DE 48.18 under the issuer's key (the latter under the
        acquirer's, until the HSM has translated it). Memory only, while opening.
    proof
        DE 48.17, what became of a token's cryptogram; "" for a card number.
    pin_tries
        Which of the PIN blocks was tried with an older key, once for each key.
    cvv2_result
        What the HSM said of the CVV2, if a rule of stand-in asks: "M", "N", "U", or "P" if nothing was asked.
    original
        DE 90 as the issuer's leg saw the original, of an advice or a request that names one; "" if it names none.
    waits
        How many questions to the HSM are out.
    """

    __slots__ = (
        "_written",
        "acquirer",
        "answer",
        "card",
        "code",
        "connection",
        "cvv2",
        "cvv2_result",
        "elements",
        "issuer",
        "key",
        "mti",
        "names",
        "new_pin",
        "original",
        "pan",
        "parts",
        "pin",
        "pin_tries",
        "proof",
        "received_at",
        "request",
        "state",
        "waits",
    )

    def __init__(self, names: Names, acquirer: str, mti: str, received_at: datetime) -> None:
        self.names = names
        self.acquirer = acquirer
        self.mti = mti
        self.received_at = received_at
        self.state = State.NEW
        self.issuer = ""
        self.card = ""
        self.elements: dict[int, str] = {}
        self._written: tuple[dict[int, str], str, str] | None = None
        self.code = ""
        self.answer: dict[int, str] = {}
        self.parts: dict[str, int] = {}
        self.request: Message | None = None
        self.pan = self.cvv2 = self.pin = self.new_pin = self.proof = self.original = ""
        self.cvv2_result = "P"
        self.waits = 0
        self.pin_tries: tuple[str, ...] = ()
        self.connection = 0
        self.key: InFlightKey | None = None

    def __repr__(self) -> str:
        return f"Leg({self.names.business!r}, {self.state.value!r})"

    @property
    def is_in_flight(self) -> bool:
        """Whether somebody still waits for its answer."""
        return self.state in IN_FLIGHT

    @property
    def is_advice(self) -> bool:
        """Whether it is an acquirer's advice, and no request."""
        return self.mti[2] == "2"

    @property
    def left_minor(self) -> int:
        """What partial reversals have left of its amount, in minor units."""
        approved = self.answer.get(4) or self.elements.get(4) or "0"
        return min([int(approved), *self.parts.values()])

    @property
    def queue(self) -> str:
        """In which order of store-and-forward it goes: that of its token, or else of its payment (DE 32 and 37).

        A card number is sealed anew for each message; its seals cannot be told to be of one card.
        """
        if is_token(self.card):
            return self.card
        return f"{self.elements.get(32, '')}/{self.elements.get(37, '')}"

    def is_same(self, names: Names, message: Message) -> bool:
        """Whether a request of the same name is a copy of this one, and not another that reused its numbers."""
        is_same_deal = all(self.elements.get(element) == message.get(element) for element in _SAME)
        return is_same_deal and names.business == self.names.business and self.is_of_card(message)

    def is_of_card(self, message: Message) -> bool:
        """Whether a message is about the card of this leg, as far as is known: of a number only its ends are kept."""
        if 2 not in message:
            return True
        if is_token(self.card):
            return self.card == message.pan
        return self.elements.get(2) in (None, mask_pan(message.pan))

    def see(self, cause: Cause) -> None:
        """Advance by the table of transitions."""
        self.state = advance(self.state, cause)

    def row(self) -> Row:
        """Return the leg in the column order of the `legs` table."""
        elements = self.elements
        written = self._written
        if written is None or written[0] is not elements:
            written = self._written = elements, _to_json(elements), self.received_at.isoformat()
        original, business = self.names
        return (
            business,
            original,
            self.acquirer,
            self.issuer,
            self.card,
            self.state.value,
            self.mti,
            written[1],
            self.code,
            _to_json(self.answer),
            written[2],
            dumps(self.parts) if self.parts else "{}",
        )

    @classmethod
    def from_row(cls, row: Row) -> Leg:
        """Rebuild a leg from the journal."""
        business, original, acquirer, issuer, card, state, mti, elements, code, answer, received_at, parts = row
        leg = cls(Names(original, business), acquirer, mti, datetime.fromisoformat(received_at))
        leg.issuer, leg.card, leg.state, leg.code = issuer, card, State(state), code
        leg.elements, leg.answer, leg.parts = _from_json(elements), _from_json(answer), loads(parts)
        return leg


class LegBook:
    """The legs in memory: all that are in flight, and the latest that have ended.

    Parameters
    ----------
    ended_max
        How many ended legs stay; older ones are found through the journal.
    """

    def __init__(self, ended_max: int) -> None:
        self.ended_max = ended_max
        self.in_flight = 0
        self.horizon: datetime | None = None
        """Requests sent (DE 7) up to this instant may be copies of legs that memory has let go of."""
        self._by_business: dict[str, Leg] = {}
        self._by_original: dict[str, Leg] = {}
        self._ended: deque[Leg] = deque()

    def find(self, names: Names) -> Leg | None:
        """Return the leg in memory that has one of the two names; the original's name weighs more."""
        return self._by_original.get(names.original) or self._by_business.get(names.business)

    def open(self, leg: Leg) -> None:
        """Remember a leg that is in flight."""
        self._enter(leg)
        self.in_flight += 1

    def close(self, leg: Leg) -> None:
        """Take notice that a leg in flight has ended."""
        self.in_flight -= 1
        self._end(leg)

    def drop(self, leg: Leg) -> None:
        """Forget a leg in flight as if it had never come: its repeat is new."""
        self.in_flight -= 1
        del self._by_business[leg.names.business]
        del self._by_original[leg.names.original]

    def recall(self, leg: Leg) -> None:
        """Remember an ended leg that came from the journal."""
        self._enter(leg)
        self._end(leg)

    def may_have_forgotten(self, request: Message, at: datetime) -> bool:
        """Whether a request that comes at `at` could be a copy of a leg that only the journal still holds.

        A first copy carries the time of its own sending, so one sent after the horizon is new, unless its acquirer's
        clock is ahead of ours: then nothing follows from it. A repeat may carry any time.
        """
        if self.horizon is None:
            return False
        if request.is_repeat:
            return True
        return not self.horizon < sent_at(request.transmitted, self.horizon) <= at

    def counts(self) -> dict[str, int]:
        """Return how many legs in memory are in each state."""
        counts = Counter(leg.state.value for leg in self._by_business.values())
        return {state.value: counts[state.value] for state in State if state is not State.NEW}

    def __len__(self) -> int:
        return len(self._by_business)

    def _enter(self, leg: Leg) -> None:
        self._by_business[leg.names.business] = leg
        self._by_original[leg.names.original] = leg

    def _end(self, leg: Leg) -> None:
        leg.request = leg.key = leg._written = None
        leg.pan = leg.cvv2 = leg.pin = leg.new_pin = ""
        self._ended.append(leg)
        while len(self._ended) > self.ended_max:
            oldest = self._ended.popleft()
            del self._by_business[oldest.names.business]
            del self._by_original[oldest.names.original]
            self.horizon = max(self.horizon or oldest.received_at, oldest.received_at)


@lru_cache(maxsize=8)
def sent_at(transmitted: str, near: datetime) -> datetime:
    """Return the instant that DE 7 means, in the year that brings it nearest to `near`.

    Parameters
    ----------
    transmitted
        str[10] MMDDhhmmss, UTC. What is not a time counts as `near`: nothing follows from it.

    Examples
    --------
    >>> sent_at("1231235959", datetime(2027, 1, 1, tzinfo=UTC)).isoformat()
    '2026-12-31T23:59:59+00:00'
    """
    # Requests of one second come together, and ask the same.
    if len(transmitted) != _DE7_LENGTH or not (transmitted.isascii() and transmitted.isdigit()):
        return near
    month, day, hour, minute, second = (int(transmitted[at : at + 2]) for at in range(0, _DE7_LENGTH, 2))
    for year in (near.year, near.year - 1, near.year + 1):
        try:
            instant = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            continue
        if abs(instant - near) <= HALF_A_YEAR:
            return instant
    return near


_NAMES = {element: f'"{element}":' for element in range(1, 129)}


def _to_json(elements: dict[int, str]) -> str:
    # Twice as fast as the library's encoder, which is made anew for each value.
    return "{" + ",".join([_NAMES[element] + quoted(value) for element, value in elements.items()]) + "}"


def _from_json(text: str) -> dict[int, str]:
    return {int(element): value for element, value in loads(text).items()}
