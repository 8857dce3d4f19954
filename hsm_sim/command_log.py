"""Which commands the HSM carried out lately: when, for whom, which, and what became of it. Never a value of any.

It is for whoever looks at what a payment did; the audit log is the record. It lives in memory and forgets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

KEPT = 20_000
LIMIT_MAX = 1_000
_CODE_LENGTH = 2


class CommandRow(NamedTuple):
    """One command.

    Attributes
    ----------
    at
        Business time at which its turn began.
    took_us
        Microseconds until what it rests on was durable; commands of one turn share them.
    command, code
        Two characters each: the command, and the code of its answer; "" where it was not answered.
    """

    at: datetime
    took_us: int
    party: str
    command: str
    code: str


class CommandLog:
    """The latest commands of an HSM.

    Parameters
    ----------
    header_length
        Bytes before the command in every frame.
    """

    def __init__(self, header_length: int) -> None:
        self._header = header_length
        self._rows: deque[CommandRow] = deque(maxlen=KEPT)

    def note(self, at: datetime, took_us: int, party: str, frames: Sequence[bytes], answers: Iterable[bytes]) -> None:
        """Keep the codes of some frames and of their answers, in order; nothing else of them."""
        begin, end = self._header, self._header + _CODE_LENGTH
        append = self._rows.append
        for frame, answer in zip(frames, answers, strict=False):
            command, code = frame[begin:end], answer[end : end + _CODE_LENGTH]
            append(CommandRow(at, took_us, party, command.decode("latin-1"), code.decode("latin-1")))

    def find(self, party: str, since: datetime, until: datetime, limit: int) -> list[dict[str, Any]]:
        """Return the commands of a party between two instants of business time, both inclusive, oldest first."""
        found = (row for row in self._rows if row.party == party and since <= row.at <= until)
        return [_view(row) for row in islice(found, min(limit, LIMIT_MAX))]


def _view(row: CommandRow) -> dict[str, Any]:
    return {
        "at": row.at.isoformat(timespec="microseconds"),
        "party": row.party,
        "command": row.command,
        "code": row.code or None,
        "latency_ms": row.took_us / 1000,
    }
