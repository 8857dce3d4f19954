"""Small nodes for tests of the chassis: an asker and an answerer joined by one link."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import MetaData

from iso import Dialect, Message, dialect
from node.clock import BusinessClock
from node.core.conversations import ConversationHost
from node.core.link import Arrival, LinkMachine, LinkProfile
from node.core.saf import SafMachine, SafRules
from node.core.turn import Turn
from node.journal import Journal, MemoryJournal, Rows, saf_table
from node.link import LinkConfig, Protector
from node.pipes import Pipes
from node.runtime import Runtime

EPOCH = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
METADATA = MetaData()
saf_table(METADATA)


def fixed_clock() -> BusinessClock:
    """Return a business clock that only moves when it is advanced."""
    return BusinessClock(wall=lambda: EPOCH)


def authorisation(stan: str = "000001", **changes: str) -> Message:
    """Return a small 0100; `changes` such as `de4="000000001000"` replace elements."""
    fields = {
        2: "9999000000004242",
        3: "000000",
        4: "000000004200",
        7: "0314092653",
        11: stan,
        12: "092653",
        13: "0314",
        32: "000001",
        37: f"607309{stan}",
        41: "TERM0001",
        42: "MERCHANT0000001",
        49: "840",
    }
    fields.update({int(name.removeprefix("de")): value for name, value in changes.items()})
    return Message("0100", fields)


class PlainHost(ConversationHost):
    """A host that restores its SAF and nothing else."""

    def restore(self, rows: Rows) -> None:
        """Take the SAF back."""
        self.saf.restore(rows.get("saf", []))

    def begin(self, now: float, turn: Turn) -> None:
        """Owe nothing."""


class Answerer(PlainHost):
    """Approves everything on its link "asker" and remembers what it saw."""

    def __init__(self, speaks: Dialect, profile: LinkProfile | None = None) -> None:
        super().__init__([LinkMachine("asker", speaks, profile)])
        self.seen: list[Message] = []
        self.handler = self.answer

    async def answer(self, arrival: Arrival) -> Message | None:
        """Approve."""
        self.seen.append(arrival.message)
        return arrival.message.reply("00")


def answerer(
    pipes: Pipes,
    address: str = "memory://answerer",
    speaks: str = "ascii87",
    profile: LinkProfile | None = None,
    protector: Protector | None = None,
    journal: Journal | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Runtime, Answerer]:
    """Build a listening node that approves; `options` are those of its `LinkConfig`."""
    host = Answerer(dialect(speaks), profile)
    link = LinkConfig("asker", "listen", address, dialect(speaks), **options)
    protectors = {"asker": protector} if protector else {}
    runtime = Runtime(
        "answerer", host, journal or MemoryJournal(METADATA), fixed_clock(), pipes, [link], protectors=protectors
    )
    return runtime, host


def asker(
    pipes: Pipes,
    address: str = "memory://answerer",
    speaks: str = "ascii87",
    profile: LinkProfile | None = None,
    protector: Protector | None = None,
    rules: SafRules | None = None,
    journal: Journal | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Runtime, PlainHost]:
    """Build a dialling node; ask through `runtime.call(lambda: host.desk.request("answerer", ...))`."""
    host = PlainHost([LinkMachine("answerer", dialect(speaks), profile)], SafMachine(rules))
    link = LinkConfig("answerer", "dial", address, dialect(speaks), **options)
    protectors = {"answerer": protector} if protector else {}
    runtime = Runtime(
        "asker", host, journal or MemoryJournal(METADATA), fixed_clock(), pipes, [link], protectors=protectors
    )
    return runtime, host
