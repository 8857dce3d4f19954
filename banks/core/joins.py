"""Repeats that come while their first copy is still being decided wait for its answer, and get the same one."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from node.core.conversations import ConversationHost
from node.core.steps import UNKNOWN, Reply


class Joinable(Protocol):
    """A record that others may wait for."""

    waiters: list[Hashable]


class Joins:
    """Lets conversations of one host wait for each other.

    A repeat must not be refused while the first copy is at work: the refusal would travel under the same trace numbers
    and be taken for the answer, while the first copy goes on to hold the funds.
    """

    def __init__(self, host: ConversationHost) -> None:
        self._host = host
        self._joined = 0

    async def wait(self, record: Joinable, timeout_s: float) -> bool:
        """Wait until a record is settled; False if that did not happen within `timeout_s` seconds."""
        self._joined += 1
        key = ("joined", self._joined)
        record.waiters.append(key)
        return await Reply(key, timeout_s) is not UNKNOWN

    def release(self, record: Joinable) -> None:
        """Resume everybody who waits for a record. What they are to see has been recorded already."""
        waiters, record.waiters = record.waiters, []
        for key in waiters:
            self._host.steps.resume(key, True, self._host.desk.now)
