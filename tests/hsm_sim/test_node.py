"""The running node: its ports take any bytes, its answers rest on the disk, its restart forgets nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import anyio
import pytest
from pydantic import ValidationError
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool
from trio.testing import MockClock

from hsm_sim.client import TcpClient
from hsm_sim.config import HsmConfig
from hsm_sim.core.vault import CARDS_TABLE, CardRow
from hsm_sim.requests import CardOpened, Detokenise, MakeCryptogram, StoreCard
from hsm_sim.shelf import JournalShelf
from hsm_sim.store import DATABASE, MASTER, metadata, open_store
from iso.errors import ConfigError
from node.core.turn import Row
from node.journal import MemoryJournal, StoreError
from node.pipes import PipeError, Pipes
from tests.hsm_sim.nodes import config, everything_from, hsm_node, serving, stored_node
from tests.support.hsm import CVC, PAN, first_use, seeded
from tests.support.time import let_pass

ECHO = b"\x00\x0bABCDB20001x"
ECHOED = b"\x00\x09ABCDB300x"


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@pytest.mark.trio
class TestThePort:
    """A party's port answers in order, and closes on what it cannot read; other connections do not notice."""

    async def test_frames_may_come_in_pieces_or_together(self, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async with serving(hsm_node(pipes)):
            async with await pipes.dial("memory://hsm-gateway") as whole:
                await whole.send(ECHO * 3)
                assert await whole.receive() == ECHOED * 3
            async with await pipes.dial("memory://hsm-gateway") as pieces:
                for byte in ECHO:
                    await pieces.send(bytes((byte,)))
                assert await pieces.receive() == ECHOED

    @pytest.mark.parametrize(
        "garbage", [b"\xff\xff\xff", b"\x00\x06ABCD\x00\x00", b"\x00\x01A", b"GET / HTTP/1.1\r\n\r\n"]
    )
    async def test_garbage_closes_its_own_connection_only(self, garbage: bytes, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async with (
            serving(hsm_node(pipes, frame_bytes_max=1024)),
            await pipes.dial("memory://hsm-gateway") as bystander,
            await pipes.dial("memory://hsm-gateway") as culprit,
        ):
            await culprit.send(ECHO + garbage)

            assert await everything_from(culprit) == ECHOED
            await bystander.send(ECHO)
            assert await bystander.receive() == ECHOED

    async def test_a_party_has_a_limited_number_of_connections(self, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async with (
            serving(hsm_node(pipes, connections_max=2)),
            await pipes.dial("memory://hsm-gateway") as first,
            await pipes.dial("memory://hsm-gateway") as second,
            await pipes.dial("memory://hsm-switch") as other_party,
        ):
            for stream in (first, second, other_party):
                await stream.send(ECHO)
                assert await stream.receive() == ECHOED
            async with await pipes.dial("memory://hsm-gateway") as third:
                assert await everything_from(third) == b""

    async def test_a_waiting_cvv2_is_forgotten_on_time_even_if_nothing_happens(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        node = hsm_node(pipes)

        async with serving(node):
            await node.submit("gateway", [b"HEAD" + StoreCard(PAN, "3012", CVC, "m").encode()])
            waiting = node.engine.deadline()
            await let_pass(601)

            assert waiting is not None
            assert node.engine.deadline() is None

    async def test_a_port_in_use_is_one_line(self, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async with serving(hsm_node(pipes)):
            with pytest.raises(PipeError, match="already in use"):
                await hsm_node(pipes).run()


class FullDisk(MemoryJournal):
    """A disk that is full once the keys are written."""

    async def commit(self, stores: dict[str, list[Row]]) -> None:  # type: ignore[override]
        """Keep keys; refuse the rest."""
        if "hsm_keys" not in stores:
            raise StoreError("disk full")
        await super().commit(stores)


@pytest.mark.trio
class TestAFailedCommit:
    """After a commit that failed the node stops: its memory is ahead of its disk."""

    async def test_it_stops_and_nothing_is_answered(self, mock_clock: MockClock) -> None:
        node, answers = hsm_node(Pipes(), FullDisk), list[bytes]()

        async def caller() -> None:
            answers.extend(await node.submit("gateway", [b"HEAD" + StoreCard(PAN, "3012", CVC, "m").encode()]))

        with pytest.RaisesGroup(pytest.RaisesGroup(StoreError)):
            async with anyio.create_task_group() as tasks:
                await tasks.start(node.run)
                tasks.start_soon(caller)

        assert answers == []


class TestRestart:
    """On asyncio, real sockets and a real file: what was answered before a stop is true after it."""

    def test_tokens_references_and_refusals_survive(self, tmp_path: Path) -> None:
        async def first_life() -> tuple[str, Detokenise, CardOpened | None]:
            node = stored_node(tmp_path, "first life")
            async with serving(node), anyio.create_task_group() as tasks:
                gateway, switch = (TcpClient(Pipes(), node.addresses[party]) for party in ("gateway", "switch"))
                await tasks.start(gateway.run)
                await tasks.start(switch.run)
                stored = await gateway.call(StoreCard(PAN, "3012", CVC, "m"), 5)
                assert stored is not None
                made = await gateway.call(MakeCryptogram(stored.token, 4200, "840", "MERCHANT"), 5)
                assert made is not None
                use = first_use(stored.token, made, "reference")
                opened = await switch.call(use, 5)
                tasks.cancel_scope.cancel()
            await node.journal.aclose()
            return stored.token, use, opened

        async def second_life(token: str, use: Detokenise) -> list[CardOpened | None]:
            node = stored_node(tmp_path, "second life")
            async with serving(node), anyio.create_task_group() as tasks:
                switch = TcpClient(Pipes(), node.addresses["switch"])
                await tasks.start(switch.run)
                requests = [Detokenise(token, "reference"), use, use._replace(reference="another")]
                answers = await switch.call_many(requests, 5)
                tasks.cancel_scope.cancel()
            await node.journal.aclose()
            return answers

        token, use, opened = anyio.run(first_life)
        followed = anyio.run(second_life, token, use)

        assert opened == CardOpened("00", PAN, "3012", CVC, audit_id=opened.audit_id)
        assert followed == [opened._replace(cvv2=""), opened._replace(cvv2=""), CardOpened("V2")]
        for file in tmp_path.iterdir():
            content = file.read_bytes()
            assert PAN.encode() not in content
            assert bytes.fromhex(PAN) not in content
            assert b"\x00" + CVC.encode() + b"\x00" not in content


class TestTheStore:
    """The database is what the migrations made, and is of no use without the master secret."""

    def test_the_migrations_make_the_tables_that_the_code_describes(self, tmp_path: Path) -> None:
        journal, _ = open_store(tmp_path, seeded())
        anyio.run(journal.aclose)
        engine = create_engine(f"sqlite:///{tmp_path / DATABASE}", poolclass=NullPool)

        seen = inspect(engine)

        for name, table in metadata.tables.items():
            columns = {column["name"]: (str(column["type"]), column["nullable"]) for column in seen.get_columns(name)}
            assert columns == {column.name: (str(column.type), column.nullable) for column in table.columns}
            assert seen.get_pk_constraint(name)["constrained_columns"] == [key.name for key in table.primary_key]
        assert set(seen.get_table_names()) == {*metadata.tables, "alembic_version"}

    def test_the_database_keeps_a_card_as_it_was_written(self, tmp_path: Path) -> None:
        journal, _ = open_store(tmp_path, seeded())
        card = CardRow("9999000000004242", "m", "3012", "fp_", 1, 1, bytes(range(44)), 1)

        anyio.run(journal.commit, {CARDS_TABLE: [card]})

        assert JournalShelf(journal).card(card.token) == card
        assert CARDS_TABLE not in anyio.run(journal.load)
        anyio.run(journal.aclose)

    def test_the_master_secret_is_written_once_for_its_owner_only(self, tmp_path: Path) -> None:
        journal, first = open_store(tmp_path, seeded("first"))
        anyio.run(journal.aclose)

        journal, second = open_store(tmp_path, seeded("second"))
        anyio.run(journal.aclose)

        assert first == second
        assert (tmp_path / MASTER).stat().st_mode & 0o777 == 0o600

    def test_a_database_without_its_master_secret_is_an_error(self, tmp_path: Path) -> None:
        sqlite3.connect(tmp_path / DATABASE).close()

        with pytest.raises(ConfigError, match=r"hsm\.lmk: file"):
            open_store(tmp_path, seeded())

    @pytest.mark.parametrize("content", ["", "00" * 31, "not hex"])
    def test_a_damaged_master_secret_is_an_error_that_does_not_show_it(self, tmp_path: Path, content: str) -> None:
        (tmp_path / MASTER).write_text(content)
        (tmp_path / MASTER).chmod(0o600)

        with pytest.raises(ConfigError, match="32 bytes in hex") as refused:
            open_store(tmp_path, seeded())

        assert not content or content not in str(refused.value)

    def test_a_master_secret_that_others_can_read_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / MASTER).write_text("00" * 32)
        (tmp_path / MASTER).chmod(0o644)

        with pytest.raises(ConfigError, match="0600"):
            open_store(tmp_path, seeded())

    def test_an_ephemeral_hsm_writes_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

        journal, master = open_store(None, seeded())

        assert isinstance(journal, MemoryJournal)
        assert len(master) == 32
        assert list(tmp_path.iterdir()) == []


class TestSettings:
    """A wrong setting is refused where it stands."""

    @pytest.mark.parametrize(
        "wrong",
        [
            {"parties": []},
            {"parties": [{"name": "a", "role": "issuer"}, {"name": "a", "role": "switch"}]},
            {"parties": [{"name": "vault", "role": "issuer"}]},
            {"parties": [{"name": "a", "role": "merchant"}]},
            {"parties": [{"name": "open", "role": "issuer"}]},
            {"header_length": 0},
            {"header_length": 256},
            {"frame_bytes_max": 65_535},
            {"faults": [{"action": "error", "code": "00"}]},
            {"faults": [{"action": "delay"}]},
            {"faults": [{"action": "parity", "code": "15"}]},
            {"faults": [{"action": "close", "commands": ["toolong"]}]},
            {"unknown": 1},
        ],
    )
    def test_it_is_refused(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            HsmConfig.model_validate({**config().model_dump(), **wrong})
