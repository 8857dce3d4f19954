"""An engine in this process whose keys the peers have too: what `bench.hsm_operations` measures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from bench.processes import BenchError
from hsm_sim.core import ceremony, indexes
from hsm_sim.core.crypto.ciphers import odd_parity
from hsm_sim.core.engine import build_engine
from hsm_sim.core.keys.header import Header
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.lmk import house_lmk
from hsm_sim.core.roles import ACQUIRER, GATEWAY, ISSUER, SWITCH
from hsm_sim.core.slots import KEYS_TABLE, KeyRow, Party
from hsm_sim.requests import Request
from hsm_sim.shelf import JournalShelf
from hsm_sim.store import metadata
from node.clock import system_entropy
from node.core.turn import Turn
from node.journal import MemoryJournal

HEADERS: Final = {
    "cvk": Header("C0", "T", "C"),
    "pvk": Header("V2", "T", "C"),
    "mk_ac": Header("E0", "T", "X"),
    "zmk": ceremony.ZMK,
    "zpk": ceremony.ZPK,
    "other_zpk": ceremony.ZPK,
    "zpk_aes": ceremony.ZPK_AES,
    "other_zpk_aes": ceremony.ZPK_AES,
}
TURN: Final = 64
"""Commands of one turn."""

_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_HEADER: Final = b"0000"
_PARTIES: Final = (Party("gateway", GATEWAY), Party("acquirer", ACQUIRER), Party("switch", SWITCH), Party("a", ISSUER))
_ROLE_OF: Final = {party.name: party.role for party in _PARTIES}


class Keys(NamedTuple):
    """Random test keys, clear: 16 bytes each, 32 for the zone master key."""

    cvk: bytes
    pvk: bytes
    mk_ac: bytes
    zmk: bytes
    zpk: bytes
    other_zpk: bytes
    zpk_aes: bytes
    other_zpk_aes: bytes


def random_keys() -> Keys:
    """Draw the keys."""
    drawn = {name: system_entropy(32 if name == "zmk" else 16) for name in Keys._fields}
    return Keys(**{name: odd_parity(key) if HEADERS[name].algorithm == "T" else key for name, key in drawn.items()})


class Bank:
    """The engine, with a memory journal under it.

    Parameters
    ----------
    keys
        What lies in its key tables, beside what the key ceremony adds.
    """

    def __init__(self, keys: Keys) -> None:
        master = system_entropy(32)
        rows = []
        for party, place, neighbour, name in _tables():
            key = Key(HEADERS[name], getattr(keys, name))
            rows.append(KeyRow(party, place, neighbour, house_lmk(master, party).write(key, "R", system_entropy)))
        self._journal = MemoryJournal(metadata)
        shelf = JournalShelf(self._journal)
        self._engine, made = build_engine(_PARTIES, master, system_entropy, {KEYS_TABLE: rows}, shelf)
        self._journal.write({KEYS_TABLE: [*rows, *made]})

    def ask(self, party: str, *requests: Request[Any]) -> list[Any]:
        """Carry requests out as one turn, whose rows are then committed; return their answers."""
        turn, handle = Turn(_AT), self._engine.handle
        answers = [handle(party, _HEADER + request.encode(), 0.0, turn) for request in requests]
        self._journal.write(turn.stores)
        parsed = [request.parse(answer[len(_HEADER) :]) for request, answer in zip(requests, answers, strict=True)]
        for request, answer in zip(requests, parsed, strict=True):
            if answer.code != "00":
                raise BenchError(f"{request!r} was answered {answer.code}")
        return parsed

    def answer(self, party: str, frame: bytes) -> bytes:
        """Return the answer to one frame, without its header; what it records is never committed."""
        return self._engine.handle(party, frame, 0.0, Turn(_AT))[len(_HEADER) :]

    def sender(self, party: str, *commands: bytes) -> Callable[[], object]:
        """Return a function that sends the next of some commands, over and over, in turns that are never committed.

        Raises
        ------
        BenchError
            The first one is not carried out.
        """
        frames = [_HEADER + command for command in commands]
        handle, turn, at, last, sent = self._engine.handle, Turn(_AT), 0, len(frames) - 1, 0
        answer = handle(party, frames[0], 0.0, turn)
        if answer[6:8] != b"00":
            raise BenchError(f"{commands[0][:2].decode()} was answered {answer[6:8].decode()}")

        def send() -> None:
            nonlocal at, turn, sent
            handle(party, frames[at], 0.0, turn)
            at = at + 1 if at < last else 0
            sent += 1
            if sent % TURN == 0:
                turn = Turn(_AT)

        return send


def _tables() -> list[tuple[str, str, str, str]]:
    """Return party, place, neighbour and name of each key."""
    rows = [("a", indexes.CVK, "", "cvk"), ("a", indexes.PVK, "", "pvk"), ("a", indexes.MK_AC, "", "mk_ac")]
    for left, right, place, name in (
        ("acquirer", "switch", indexes.zmk, "zmk"),
        ("acquirer", "switch", indexes.zpk, "zpk"),
        ("switch", "a", indexes.zpk, "other_zpk"),
    ):
        rows += [(left, place(_ROLE_OF[right]), right, name), (right, place(_ROLE_OF[left]), left, name)]
    for left, right, name in (("acquirer", "switch", "zpk_aes"), ("switch", "a", "other_zpk_aes")):
        rows.append((left, indexes.zpk(_ROLE_OF[right], aes=True), right, name))
        rows.append((right, indexes.zpk(_ROLE_OF[left], aes=True), left, name))
    return rows
