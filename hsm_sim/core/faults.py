"""Faults that a tester provokes at the HSM's ports, as data: whose command, which, how often, what happens.

The same seed and the same commands give the same faults: chance here is a counter under SHA-256, never a clock or the
device's entropy. A fault never breaks what the house rests on: an answer that is lost was still made durable first,
and an error is answered instead of the command, which then changes nothing.
"""

from collections import deque
from hashlib import sha256
from typing import Final, Literal, NamedTuple, TypeAlias

from hsm_sim.core.commands.table import COMMANDS
from hsm_sim.core.commands.wire import refusal
from hsm_sim.core.engine import Answer, Engine
from hsm_sim.core.errors import CODES, OK
from iso.errors import LocalProtocolError
from node.core.turn import Turn

Action: TypeAlias = Literal["delay", "error", "parity", "close", "silence"]

FAULTS_MAX: Final = 100
FIRED_KEPT: Final = 1000
PARITY_CODES: Final = ("10", "11")
"""Answers of action "parity": the source key's parity is wrong, the destination key's is."""

_DRAW_BYTES: Final = 8


class HsmFault(NamedTuple):
    """One fault.

    Attributes
    ----------
    action
        "delay": the command is carried out and its answer leaves later. "error": `code` is answered instead of
        carrying the command out. "parity": the same with "10" (or "11"), at commands that name a key only. "silence":
        the command is carried out and nothing is answered. "close": it is carried out, then the connection is closed
        instead of an answer.
    party
        Whose commands; "" for everybody's.
    commands
        Which command codes; empty for all.
    probability
        0 to 1, for each command that the fault is for.
    times
        How often it strikes before it is spent; 0 for ever.
    delay_s, delay_max_s
        Seconds of "delay": fixed, or evenly between the two if the second is the longer.
    code
        str[2], the error of "error", or of "parity" if it is not to be "10".
    seed
        Of its chances and delays.
    """

    action: Action
    party: str = ""
    commands: frozenset[str] = frozenset()
    probability: float = 1.0
    times: int = 0
    delay_s: float = 0.0
    delay_max_s: float = 0.0
    code: str = ""
    seed: str = ""


class Strike(NamedTuple):
    """What befalls one command: a delay, and then an action with its code, or "" if it is answered as ever."""

    delay_s: float
    action: Action | Literal[""] = ""
    code: str = ""


class Fired(NamedTuple):
    """A fault that struck: for the tester, in order."""

    action: Action
    party: str
    command: str


class _Armed:
    """A fault with its own chances, so that faults do not disturb each other's."""

    __slots__ = ("_drawn", "_seed", "fault", "left")

    def __init__(self, fault: HsmFault) -> None:
        self.fault = fault
        self.left = fault.times
        self._seed = f"hsm_sim/fault/v1/{fault.seed}/".encode()
        self._drawn = 0

    def chance(self) -> float:
        """Return the next number in [0, 1)."""
        digest = sha256(self._seed + b"%d" % self._drawn).digest()
        self._drawn += 1
        return int.from_bytes(digest[:_DRAW_BYTES], "big") / float(1 << (8 * _DRAW_BYTES))

    def is_for(self, party: str, command: str, has_key: bool) -> bool:
        """Return whether the fault may strike a command."""
        fault = self.fault
        return (
            (not fault.party or fault.party == party)
            and (not fault.commands or command in fault.commands)
            and (fault.action != "parity" or has_key)
        )

    def happens(self) -> bool:
        """Return whether it strikes this time; certain faults draw nothing."""
        return self.fault.probability >= 1.0 or self.chance() < self.fault.probability

    def delay(self) -> float:
        """Return the seconds of this strike."""
        first, last = self.fault.delay_s, self.fault.delay_max_s
        return first if last <= first else first + (last - first) * self.chance()


class HsmFaults:
    """The faults that are armed at one HSM.

    Attributes
    ----------
    fired
        The latest that struck, oldest first, at most `FIRED_KEPT`.
    """

    __slots__ = ("_armed", "fired")

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self.fired: deque[Fired] = deque(maxlen=FIRED_KEPT)

    @property
    def armed(self) -> bool:
        """Whether any fault may still strike; the hot path asks nothing else."""
        return bool(self._armed)

    def add(self, fault: HsmFault) -> None:
        """Arm a fault.

        Raises
        ------
        LocalProtocolError
            It cannot happen as it is written, or `FAULTS_MAX` are armed.
        """
        problem = _problem(fault)
        if problem:
            raise LocalProtocolError(problem)
        if len(self._armed) >= FAULTS_MAX:
            raise LocalProtocolError(f"at most {FAULTS_MAX} faults can be armed")
        self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def listed(self) -> list[HsmFault]:
        """Return what is armed, each with the times that are left."""
        return [armed.fault._replace(times=armed.left) for armed in self._armed]

    def strike(self, party: str, command: str, has_key: bool) -> Strike | None:
        """Return what befalls a command, counting what struck; None if nothing does.

        Delays add up; of the other faults the first that strikes is it.

        Parameters
        ----------
        party
            Whose port it came on.
        command
            str[2], the command code.
        has_key
            Whether its layout names a key: what "parity" needs.
        """
        delay_s, struck = 0.0, None
        for armed in tuple(self._armed):
            fault = armed.fault
            if (struck is not None and fault.action != "delay") or not armed.is_for(party, command, has_key):
                continue
            if not armed.happens():
                continue
            if fault.action == "delay":
                delay_s += armed.delay()
            else:
                struck = fault
            self._count(armed, party, command)
        if struck is not None:
            return Strike(delay_s, struck.action, _code(struck))
        return Strike(delay_s) if delay_s else None

    def perform(self, engine: Engine, party: str, frame: bytes, now: float, turn: Turn) -> Answer:
        """Answer one command as `Engine.perform` does, unless a fault strikes it. Only known commands are struck.

        Raises
        ------
        RemoteProtocolError
            No command can be read from the frame. Close the connection.
        """
        start = engine.header_length
        row = COMMANDS.get(frame[start : start + 2].decode("latin-1"))
        strike = None if row is None else self.strike(party, row.code, bool(row.keys))
        if row is None or strike is None:
            return engine.perform(party, frame, now, turn)
        if strike.code:
            return Answer(frame[:start] + refusal(row.code, strike.code), strike.delay_s)
        answer = engine.perform(party, frame, now, turn)
        data = b"" if strike.action == "silence" else answer.data
        return Answer(data, answer.delay_s + strike.delay_s, answer.is_dropped or strike.action == "close")

    def _count(self, armed: _Armed, party: str, command: str) -> None:
        self.fired.append(Fired(armed.fault.action, party, command))
        if armed.fault.times:
            armed.left -= 1
            if not armed.left:
                self._armed.remove(armed)


def _code(fault: HsmFault) -> str:
    if fault.action == "parity":
        return fault.code or PARITY_CODES[0]
    return fault.code


def _problem(fault: HsmFault) -> str:
    """Return the rule that a fault breaks, or ""."""
    if not 0 <= fault.probability <= 1:
        return "probability must be 0 to 1"
    if fault.times < 0 or fault.delay_s < 0 or fault.delay_max_s < 0:
        return "times and delays cannot be negative"
    if fault.action == "delay" and not (fault.delay_s or fault.delay_max_s):
        return "a delay needs delay_s"
    if fault.action == "error" and (fault.code not in CODES or fault.code == OK):
        return "an error needs a code of the table of answer codes"
    if fault.action == "parity" and fault.code and fault.code not in PARITY_CODES:
        return f"a parity fault answers {' or '.join(PARITY_CODES)}"
    if fault.action not in ("error", "parity") and fault.code:
        return "only an error and a parity fault have a code"
    return ""
