"""Legs: what the switch remembers of each request, how a reversal or a copy finds it, and for how long.

A leg has two names. Its *original* name is what DE 90 of a reversal says of it: class, STAN, DE 7 and DE 32. Its
*business* name leaves DE 7 out and adds what stays the same in a repeat. Both are stored, so that a leg that memory has
let go of can still be found in the journal.

No field of a leg that is stored, and no `repr`, holds a card number, a CVV2 or a cryptogram.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from iso import Message
from iso.original import OriginalData
from node.core.link import InFlightKey
from node.core.turn import Row
from switch.core.routing import is_token
from switch.core.states import IN_FLIGHT, Cause, State, advance

TABLE = "legs"

_SAME = (3, 4, 49)

HALF_A_YEAR = timedelta(days=183)


class Names(NamedTuple):
    """What a leg is called.

    Attributes
    ----------
    original
        "class/STAN/DE 7/DE 32", DE 32 without the zeros in front.
    business
        "class/STAN/DE 13 and 12/DE 32/DE 37/DE 41": unique for the years that an RRN takes to come round.
    """

    original: str
    business: str


def names_of_request(message: Message) -> Names:
    """Name the leg that a request makes or repeats."""
    return _names(message, message.mti_class, message.stan, message.transmitted)


def names_of_original(reversal: Message) -> Names:
    """Name the leg that a reversal is about.

    Raises
    ------
    RemoteProtocolError
        DE 90 is absent or not 42 digits.
    """
    original = OriginalData.from_de90(reversal.get(90) or "")
    return _names(reversal, original.mti[1], original.stan, original.transmitted)


def _names(message: Message, mti_class: str, stan: str, transmitted: str) -> Names:
    acquirer = message.acquirer_id.lstrip("0")
    local = f"{message.get(13, '')}{message.get(12, '')}"
    return Names(
        f"{mti_class}/{stan}/{transmitted}/{acquirer}",
        f"{mti_class}/{stan}/{local}/{acquirer}/{message.rrn}/{message.terminal}",
    )


class Leg:
    """One request of an acquirer and what became of it.

    Attributes
    ----------
    card
        The network token, or the sealed card number: what names the card in every row and SAF entry.
    elements
        The elements of the issuer's request that a reversal needs, safe to store; DE 7 is the issuer leg's.
    answer
        The elements that the answer to the acquirer had beyond the echo, safe to store.
    received_at
        Business time at which the request came.
    request
        The acquirer's request, or its latest copy, while somebody waits for the answer. Memory only.
    pan
        The card number while the issuer is asked, so that it can be kept out of the answer; else "". Memory only.
    """

    __slots__ = (
        "acquirer",
        "answer",
        "card",
        "code",
        "connection",
        "elements",
        "issuer",
        "key",
        "mti",
        "names",
        "pan",
        "received_at",
        "request",
        "state",
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
        self.code = ""
        self.answer: dict[int, str] = {}
        self.request: Message | None = None
        self.pan = ""
        self.connection = 0
        self.key: InFlightKey | None = None

    def __repr__(self) -> str:
        return f"Leg({self.names.business!r}, {self.state.value!r})"

    @property
    def is_in_flight(self) -> bool:
        """Whether somebody still waits for its answer."""
        return self.state in IN_FLIGHT

    def is_same(self, names: Names, message: Message) -> bool:
        """Whether a request of the same name is a copy of this one, and not another that reused its numbers."""
        is_same_card = self.card in ("", message.pan) or not is_token(self.card)
        is_same_deal = all(self.elements.get(element) == message.get(element) for element in _SAME)
        return is_same_card and is_same_deal and names.business == self.names.business

    def see(self, cause: Cause) -> None:
        """Advance by the table of transitions."""
        self.state = advance(self.state, cause)

    def row(self) -> Row:
        """Return the leg in the column order of the `legs` table."""
        return (
            self.names.business,
            self.names.original,
            self.acquirer,
            self.issuer,
            self.card,
            self.state.value,
            self.mti,
            _to_json(self.elements),
            self.code,
            _to_json(self.answer),
            self.received_at.isoformat(),
        )

    @classmethod
    def from_row(cls, row: Row) -> Leg:
        """Rebuild a leg from the journal."""
        business, original, acquirer, issuer, card, state, mti, elements, code, answer, received_at = row
        leg = cls(Names(original, business), acquirer, mti, datetime.fromisoformat(received_at))
        leg.issuer, leg.card, leg.state, leg.code = issuer, card, State(state), code
        leg.elements, leg.answer = _from_json(elements), _from_json(answer)
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

    def recall(self, leg: Leg) -> None:
        """Remember an ended leg that came from the journal."""
        self._enter(leg)
        self._end(leg)

    def may_have_forgotten(self, request: Message) -> bool:
        """Whether a request could be a copy of a leg that only the journal still holds.

        A first copy carries the time of its own sending, so one sent after the horizon is new. A repeat may carry
        any time.
        """
        if self.horizon is None:
            return False
        return request.is_repeat or sent_at(request.transmitted, self.horizon) <= self.horizon

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
        leg.request = leg.key = None
        leg.pan = ""
        self._ended.append(leg)
        while len(self._ended) > self.ended_max:
            oldest = self._ended.popleft()
            del self._by_business[oldest.names.business]
            del self._by_original[oldest.names.original]
            self.horizon = max(self.horizon or oldest.received_at, oldest.received_at)


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
    for year in (near.year, near.year - 1, near.year + 1):
        try:
            instant = datetime.strptime(f"{year}{transmitted}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            continue
        if abs(instant - near) <= HALF_A_YEAR:
            return instant
    return near


def _to_json(elements: dict[int, str]) -> str:
    return json.dumps({str(element): value for element, value in elements.items()}, separators=(",", ":"))


def _from_json(text: str) -> dict[int, str]:
    return {int(element): value for element, value in json.loads(text).items()}
