"""One issuer in a process of its own, for benchmarks: `python -m bench.one_issuer JSON`.

Two modes. The first puts cards into a folder and ends: some that can be used, with PIN and CVV2 made by the HSM, and
any number of others, as rows written directly. The second serves from that folder, prints its address and goes on until
SIGTERM; its HSM runs in the same process, or elsewhere over TCP.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from anyio.abc import TaskGroup

from banks.issuer.config import CardSection, IssuerConfig
from banks.issuer.node import IssuerNode, open_journal
from bench.processes import BenchError
from bench.sampler import EVERY_S, Sampler
from emulator.cli.up import run_async
from emulator.topology import read_topology
from emulator.wiring import Place, start_node
from hsm_sim.client import HsmClient, LocalClient
from hsm_sim.core.indexes import CVK, PVK, zpk
from hsm_sim.requests import MakeCvv, MakePinBlock, MakeStoredPvv, RandomPin
from iso.masks import luhn_digit
from node.clock import BusinessClock, system_entropy, wall_clock

NAME = "issuer-a"
USABLE = 1_000
"""Cards that requests come from, however many there are."""
PURSES = "purses.json"
EXPIRY = "3412"
CURRENCY = "840"
_BIN = "9900"
_BALANCE_MINOR = 10**11
_ISO_0 = "01"
_WITHIN_S = 30.0


class Settings(NamedTuple):
    """One issuer.

    Attributes
    ----------
    topology
        File that says where it and the HSM listen.
    folder
        Where databases, keys and `PURSES` are.
    cards
        0: serve. Else: prepare the folder with so many cards, and end.
    has_hsm
        Whether the HSM runs in this process.
    keeps_messages
        Whether every message is kept, masked, in a file.
    samples
        File for the profile, or "" for none.
    """

    topology: str
    folder: str
    cards: int = 0
    has_hsm: bool = True
    keeps_messages: bool = True
    samples: str = ""


class Purse(NamedTuple):
    """What a cardholder has: number, CVV2, and the PIN as the switch's block of it."""

    pan: str
    cvv2: str
    block: str


def read_purses(folder: Path) -> list[Purse]:
    """Return the cards that can be used."""
    return [Purse(*item) for item in json.loads((folder / PURSES).read_text("utf-8"))]


def _node(place: Place, cards: Sequence[CardSection], client: HsmClient) -> IssuerNode:
    config = IssuerConfig(
        name=NAME,
        address=place.addresses[NAME],
        dialect="ascii87",
        bins=("99",),
        currencies=(CURRENCY,),
        hsm_timeout_s=20.0,
        answer_timeout_s=60.0,
    )
    journal = open_journal(place.data_dir / f"{NAME}.db")
    return IssuerNode(config, cards, journal, BusinessClock(), place.pipes, client)


async def _asked(client: HsmClient, requests: Sequence[Any], value: str) -> list[str]:
    answers = await client.call_many(requests, _WITHIN_S)
    if any(answer is None or answer.code != "00" for answer in answers):
        raise BenchError("the HSM refused to make a card")
    return [getattr(answer, value) for answer in answers]


async def _prepare(place: Place, settings: Settings, tasks: TaskGroup) -> None:
    await start_node("hsm", place, tasks)
    assert place.hsm is not None
    client = LocalClient(place.hsm, NAME)
    bodies = [f"{_BIN}{number:011d}" for number in range(1, USABLE + 1)]
    pans = [body + luhn_digit(body) for body in bodies]
    pins = await _asked(client, [RandomPin(pan) for pan in pans], "pin")
    pairs = list(zip(pins, pans, strict=True))
    pvvs = await _asked(client, [MakeStoredPvv(PVK, pin, pan) for pin, pan in pairs], "pvv")
    blocks = await _asked(client, [MakePinBlock(zpk("switch"), pin, _ISO_0, pan) for pin, pan in pairs], "block")
    cvvs = await _asked(client, [MakeCvv(CVK, pan, EXPIRY, "000") for pan in pans], "cvv")
    cards = [
        CardSection(
            pan=pan,
            balance_minor=_BALANCE_MINOR,
            expiry=EXPIRY,
            cvc_rule="check",
            cvc_absent="decline",
            pin_method="pvv",
            pvki="1",
            pin_value=pvv,
        )
        for pan, pvv in zip(pans, pvvs, strict=True)
    ]
    await tasks.start(_node(place, cards, client).run)
    purses = list(zip(pans, cvvs, blocks, strict=True))
    (place.data_dir / PURSES).write_text(json.dumps(purses), "utf-8")
    tasks.cancel_scope.cancel()


def _fill_up(database: Path, count: int) -> None:
    """Add cards that nobody uses, each with an account: rows like the others, under fingerprints that no card has."""
    if count <= 0:
        return
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA synchronous=OFF")
    for table, key, changes in (
        ("cards", "fingerprint", {"fingerprint": "printf('ZZZ%026d', n)", "account": "printf('card/fill/%08d', n)"}),
        ("accounts", "name", {"name": f"printf('card/fill/%08d/{CURRENCY}', n)"}),
    ):
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        values = ", ".join(changes.get(name, f"t.{name}") for name in names)
        template = f"(SELECT * FROM {table} WHERE {key} LIKE ? ORDER BY {key} LIMIT 1)"
        connection.execute(
            f"INSERT INTO {table} WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?) "
            f"SELECT {values} FROM c, {template} t",
            (count, "%" if table == "cards" else "card/%"),
        )
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def _serve(place: Place, settings: Settings, tasks: TaskGroup) -> None:
    if settings.has_hsm:
        await start_node("hsm", place, tasks)
        assert place.hsm is not None
        client: HsmClient = LocalClient(place.hsm, NAME)
    else:
        client = await place.hsm_client(NAME, tasks)
    node = _node(place, (), client)
    if settings.keeps_messages:
        node.runtime.trace.keep_in(place.data_dir / f"{NAME}.messages.db")
    await tasks.start(node.run)
    print(node.address, flush=True)


def main(arguments: Sequence[str]) -> None:
    """Prepare a folder, or serve until SIGTERM and write the profile, if one was asked for."""
    settings = Settings(**json.loads(arguments[0]))
    folder = Path(settings.folder)
    sampler = Sampler()
    if settings.samples:
        signal.signal(signal.SIGPROF, sampler.look)
        signal.signal(signal.SIGUSR1, sampler.clear)
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    async def until_told() -> None:
        place = Place(read_topology(Path(settings.topology)), folder, wall_clock, system_entropy)
        async with anyio.create_task_group() as tasks:
            if settings.cards:
                await _prepare(place, settings, tasks)
                return
            await _serve(place, settings, tasks)
            with anyio.open_signal_receiver(signal.SIGTERM) as signals:
                async for _ in signals:
                    break
            tasks.cancel_scope.cancel()

    run_async(until_told)
    if settings.cards:
        _fill_up(folder / f"{NAME}.db", settings.cards - USABLE)
        print("prepared", flush=True)
    if settings.samples:
        signal.setitimer(signal.ITIMER_PROF, 0)
        sampler.write(Path(settings.samples))


if __name__ == "__main__":
    main(sys.argv[1:])
