"""The limit on wrong PINs: after too many within a window an account is answered "39" without a look at the PIN.

Somebody who may verify PINs could otherwise try all ten thousand. Only time forgives, no PIN that was right: whoever
guesses could compare one that he knows in between. Accounts are known here only by a keyed hash under a key that lives
as long as the process: this table cannot say which accounts it counts. It is bounded: when it is full, the account
whose last failure lies furthest back is forgotten. Flooding the table with failures at other accounts therefore buys
new tries, one flood for each: the audit log records every one of them.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

TAG_LENGTH: Final = 16
KEY_LENGTH: Final = 32


class PinFails:
    """Failed PIN verifications by slot and account.

    Parameters
    ----------
    key
        bytes[32], random, of this process only.
    fails_max
        Failures within the window after which an account is blocked; 0 switches the limit off.
    window_s
        Seconds. An account is blocked until the earliest of its last `fails_max` failures is as old as this.
    accounts_max
        How many accounts are remembered.
    """

    __slots__ = ("_accounts_max", "_fails", "_fails_max", "_key", "_window_s")

    def __init__(self, key: bytes, fails_max: int = 10, window_s: float = 3600.0, accounts_max: int = 10_000) -> None:
        self._key = key
        self._fails_max = fails_max
        self._window_s = window_s
        self._accounts_max = accounts_max
        # Ordered by the last failure, earliest first: expiry and eviction both take from the front.
        self._fails: OrderedDict[bytes, list[float]] = OrderedDict()

    def blocked(self, slot: str, account: str, now: float) -> bool:
        """Return whether the account's PIN must not be looked at.

        Parameters
        ----------
        slot
            Name of the party that asks: parties do not block each other's accounts.
        account
            The command's account field as it came.
        now
            Monotonic seconds.
        """
        if not self._fails:
            return False
        fails = self._fails.get(self._tag(slot, account))
        return fails is not None and len(fails) >= self._fails_max and now - fails[0] < self._window_s

    def failed(self, slot: str, account: str, now: float) -> None:
        """Count a wrong PIN."""
        if not self._fails_max:
            return
        tag = self._tag(slot, account)
        fails = self._fails.pop(tag, [])
        if not fails and len(self._fails) >= self._accounts_max:
            self._fails.popitem(last=False)
        fails.append(now)
        self._fails[tag] = fails[-self._fails_max :]

    def expire(self, now: float) -> None:
        """Forget every account whose last failure is as old as the window."""
        while self._fails:
            tag, fails = next(iter(self._fails.items()))
            if fails[-1] + self._window_s > now:
                return
            del self._fails[tag]

    def deadline(self) -> float | None:
        """Return when `expire` next has work, in monotonic seconds."""
        for fails in self._fails.values():
            return fails[-1] + self._window_s
        return None

    def __len__(self) -> int:
        return len(self._fails)

    def __repr__(self) -> str:
        return f"PinFails(accounts={len(self._fails)})"

    def _tag(self, slot: str, account: str) -> bytes:
        text = f"{len(slot)}:{slot}{account}".encode()
        return blake2b(text, key=self._key, digest_size=TAG_LENGTH).digest()
