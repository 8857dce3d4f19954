"""CVV2s that wait for the first authorisation: in memory only, for ten minutes, handed out once."""

from collections import OrderedDict
from typing import Final

from node.core.deadlines import Deadlines

CVV2_WAITS_S: Final = 600.0


class WaitingCvv2:
    """CVV2 by token. At the limit the one that has waited longest goes: none waiting means not provided.

    Parameters
    ----------
    waiting_max
        How many may wait at once.
    """

    def __init__(self, waiting_max: int) -> None:
        self._max = waiting_max
        self._waiting: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._due: Deadlines[str] = Deadlines()

    def put(self, token: str, cvv2: str, now: float) -> None:
        """Let a CVV2 wait in place of an earlier one of this token."""
        self._waiting.pop(token, None)
        if len(self._waiting) >= self._max:
            self._waiting.popitem(last=False)
        self._waiting[token] = (cvv2, self._due.set(token, CVV2_WAITS_S, now))

    def take(self, token: str) -> str:
        """Hand out what waits for a token and forget it; "" if nothing does."""
        return self._waiting.pop(token, ("", 0.0))[0]

    def expire(self, now: float) -> None:
        """Forget what has waited long enough."""
        for at, token in self._due.pop_expired(now):
            waiting = self._waiting.get(token)
            if waiting is not None and waiting[1] == at:
                del self._waiting[token]

    def deadline(self) -> float | None:
        """Return when `expire` next has work, in monotonic seconds."""
        return self._due.next()

    def __repr__(self) -> str:
        return f"WaitingCvv2({len(self._waiting)})"
