"""The faults that are armed at one node, and which message each strikes.

The same faults and the same messages give the same strikes: nothing here looks at a clock or at the system's
entropy. A fault draws only for messages that it matches, and faults do not disturb each other's draws.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from math import exp
from types import MappingProxyType
from typing import NamedTuple

from iso import Dialect, IsoError, LocalProtocolError, Message, RemoteProtocolError, decode
from iso.match import MatchError, Predicate, predicate
from iso.translate import to_1987
from node.core.faults.chance import Chance
from node.core.faults.fault import LATE_MARGIN_S, Direction, Fault, problem_of

FAULTS_MAX = 100
FIRED_KEPT = 1_000

AwaitedUntil = Callable[[Message], float | None]


class Fired(NamedTuple):
    """A fault that struck, and what it struck: link, direction, MTI in the 1987 form, DE 11."""

    link: str
    direction: Direction
    mti: str
    action: str
    stan: str = ""


class Strike(NamedTuple):
    """What befalls one message.

    Attributes
    ----------
    remark
        For the trace: which faults, and which message.
    delay_s
        It waits so long; then follows the rest.
    in_order
        What is behind it on its connection waits too.
    fault
        The fault other than a delay, if one struck.
    chance
        For that fault's noise.
    """

    remark: str
    delay_s: float = 0.0
    in_order: bool = False
    fault: Fault | None = None
    chance: Chance | None = None

    @property
    def action(self) -> str:
        """What happens beside the delay; "" if nothing."""
        return self.fault.action if self.fault is not None else ""


class _Seen(NamedTuple):
    """One message where a fault may strike: as it is on the wire's side, and in the 1987 form if it can be read."""

    link: str
    direction: Direction
    dialect: Dialect
    message: Message | None
    mti: str


class _Armed:
    """A fault with its own chances and counts."""

    __slots__ = ("_chances", "_holds", "_seen", "fault", "left", "shapes")

    def __init__(self, fault: Fault, holds: Predicate | None) -> None:
        self.fault = fault
        self.left = fault.times
        self.shapes = Chance(fault.seed, "shape")
        self._holds = holds
        self._chances = Chance(fault.seed, "chance")
        self._seen = 0

    def matches(self, seen: _Seen) -> bool:
        """Return whether the fault is about a message, and can be done to it."""
        fault = self.fault
        if (fault.link and fault.link != seen.link) or fault.direction != seen.direction:
            return False
        if fault.mti and fault.mti != seen.mti:
            return False
        message = seen.message
        if message is None:
            return not fault.match and fault.action not in _READABLE
        if self._holds is not None and not self._holds(message):
            return False
        if fault.action == "wrong-mac":
            return seen.dialect.mac
        if fault.action == "late":
            return message.is_response
        return fault.action != "wrong-stan" or 11 in message

    def happens(self) -> bool:
        """Count a matching message; return whether it is struck. Certain faults draw nothing."""
        self._seen += 1
        probability = self.fault.probability
        return self._seen >= self.fault.nth and (probability >= 1.0 or self._chances.next() < probability)

    def delay(self) -> float:
        """Return the seconds of this strike."""
        first, last, sigma = self.fault.delay_s, self.fault.delay_max_s, self.fault.sigma
        if sigma:
            drawn = first * exp(sigma * self.shapes.normal())
            return min(drawn, last) if last else drawn
        return first if last <= first else first + (last - first) * self.shapes.next()


_READABLE = frozenset({"late", "wrong-stan", "wrong-mti", "wrong-bitmap", "wrong-mac"})
"""What can be done only to a message that can be read."""


class Faults:
    """The faults of one node that are not spent yet.

    Parameters
    ----------
    dialects
        The node's links; a fault on another link is refused. None: any name is taken.

    Attributes
    ----------
    armed
        Whether any fault may still strike, or something is still held back; the hot path asks nothing else.
    fired
        The latest that struck, oldest first, at most `FIRED_KEPT`.
    counts
        How often faults struck, by link and action.
    asker_waits_s
        How long whoever asks this node waits for its answer; 0 if nobody said.
    """

    def __init__(self, dialects: Mapping[str, Dialect] | None = None) -> None:
        self.armed = False
        self.fired: deque[Fired] = deque(maxlen=FIRED_KEPT)
        self.counts: dict[tuple[str, str], int] = {}
        self.asker_waits_s = 0.0
        self._dialects = dialects
        self._armed: list[_Armed] = []
        self._held = 0

    def add(self, fault: Fault) -> None:
        """Arm a fault.

        Raises
        ------
        LocalProtocolError
            It cannot happen as it is written, or `FAULTS_MAX` are armed; nothing was armed.
        """
        problem = problem_of(fault) or self._problem_here(fault)
        if problem:
            raise LocalProtocolError(problem)
        if len(self._armed) >= FAULTS_MAX:
            raise LocalProtocolError(f"at most {FAULTS_MAX} faults can be armed")
        self._armed.append(_Armed(fault, self._compiled(fault)))
        self.armed = True

    def clear(self) -> None:
        """Disarm all; what is held back still comes."""
        self._armed.clear()
        self._look()

    def listed(self) -> list[Fault]:
        """Return what is armed, each with the times that are left."""
        return [armed.fault._replace(times=armed.left) for armed in self._armed]

    def hold(self) -> None:
        """Take notice that something of a connection is held back: what follows on it must be looked at."""
        self._held += 1
        self.armed = True

    def release(self) -> None:
        """Take notice that it no longer is."""
        self._held -= 1
        self._look()

    def strike(
        self,
        link: str,
        direction: Direction,
        frame: bytes,
        dialect: Dialect,
        now: float = 0.0,
        awaited_until: AwaitedUntil | None = None,
    ) -> Strike | None:
        """Return what befalls a message, counting what struck; None if nothing does.

        Delays add up; of the other faults the first that strikes is it, and those after it do not see the message.

        Parameters
        ----------
        link, direction
            Where the message is.
        frame
            The message without its length prefix.
        dialect
            How it is written.
        now
            Monotonic seconds.
        awaited_until
            Says until when this node awaits a response in its 1987 form; None if it does not.
        """
        if not self._armed:
            return None
        message = _house_form(frame, dialect)
        seen = _Seen(link, direction, dialect, message, "0" + message.mti[1:] if message is not None else "")
        delay_s, in_order, struck, names = 0.0, False, None, list[str]()
        for armed in tuple(self._armed):
            fault = armed.fault
            waits = fault.action in ("delay", "late")
            if (struck is not None and not waits) or not armed.matches(seen):
                continue
            late_s = self._late_s(fault, message, now, awaited_until) if fault.action == "late" else 0.0
            if late_s is None or not armed.happens():
                continue
            if waits:
                seconds = late_s or armed.delay()
                delay_s += seconds
                in_order = in_order or fault.in_order
                names.append(f"{fault.action} {seconds:.3f} s")
            else:
                struck = armed
                names.append(fault.action)
            self._count(armed, seen)
        if not names:
            return None
        what = f"{seen.mti} {message.get(11, '')}".rstrip() if message is not None else "what cannot be read"
        remark = f"{', '.join(names)} {direction}: {what}"
        if struck is None:
            return Strike(remark, delay_s, in_order)
        return Strike(remark, delay_s, in_order, struck.fault, struck.shapes)

    def _late_s(
        self, fault: Fault, message: Message | None, now: float, awaited_until: AwaitedUntil | None
    ) -> float | None:
        """Return how long a response must wait to be late; None if nobody waits for it."""
        margin_s = fault.delay_s or LATE_MARGIN_S
        if fault.direction == "out":
            # Nobody's request is younger than its response: from here the asker waits no longer than it does at all.
            return self.asker_waits_s + margin_s
        until = awaited_until(message) if awaited_until is not None and message is not None else None
        return None if until is None else max(0.0, until - now) + margin_s

    def _count(self, armed: _Armed, seen: _Seen) -> None:
        action, message = armed.fault.action, seen.message
        stan = message.get(11, "") if message is not None else ""
        self.fired.append(Fired(seen.link, seen.direction, seen.mti, action, stan or ""))
        self.counts[seen.link, action] = self.counts.get((seen.link, action), 0) + 1
        if armed.fault.times:
            armed.left -= 1
            if not armed.left:
                self._armed.remove(armed)
                self._look()

    def _look(self) -> None:
        self.armed = bool(self._armed) or self._held > 0

    def _problem_here(self, fault: Fault) -> str:
        dialects = self._dialects
        if dialects is not None and fault.link:
            if fault.link not in dialects:
                return f"there is no link {fault.link[:40]!r}; there are {', '.join(dialects) or 'none'}"
            if fault.action == "wrong-mac" and not dialects[fault.link].mac:
                return f"messages on {fault.link} have no MAC"
        if fault.action == "late" and fault.direction == "out" and not (self.asker_waits_s or fault.delay_s):
            return "late: nobody said how long the asker waits; give delay_s"
        return ""

    def _compiled(self, fault: Fault) -> Predicate | None:
        if not fault.match:
            return None
        spoken = (self._dialects or {}).get(fault.link)
        try:
            return predicate(fault.match, layouts=spoken.layouts if spoken is not None else MappingProxyType({}))
        except MatchError as error:
            problem = f"match: {error}"
        raise LocalProtocolError(problem)


def _house_form(frame: bytes, dialect: Dialect) -> Message | None:
    """Read a message in its 1987 form, as it is if it cannot be translated; None if it cannot be read."""
    try:
        message = decode(frame, dialect)
    except RemoteProtocolError:
        return None
    if dialect.version != "1993":
        return message
    try:
        return to_1987(message)
    except IsoError:
        return message
