"""The HSM without its node: it answers as the real one, keeps nothing, and reads a house without touching it."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import pytest

from hsm_sim.core import indexes
from hsm_sim.core.engine import KEYS_TABLE, build_engine
from hsm_sim.core.keys.header import Header
from hsm_sim.core.slots import OPEN_PARTY, Party
from hsm_sim.offline import OfflineHsm, custodian_hsm, open_hsm
from hsm_sim.requests import Diagnostics, MakeCvv
from hsm_sim.requests.keys import CheckKey
from hsm_sim.shelf import JournalShelf
from hsm_sim.store import open_store
from iso import ConfigError
from node.core.turn import Turn
from tests.support.hsm import EPOCH, PARTIES, seeded

PAN = "4242424242424242"


def founded(folder: Path, parties: tuple[Party, ...] = PARTIES) -> Path:
    """Make a house's HSM: key ceremony, two commands, an audit log."""
    journal, master = open_store(folder, seeded())

    async def found() -> None:
        engine, rows = build_engine(
            parties, master, seeded(), await journal.load(), JournalShelf(journal), audit_level="all"
        )
        turn = Turn(EPOCH)
        turn.stores[KEYS_TABLE] = list(rows)
        for _ in range(2):
            engine.handle("issuer-a", b"HEADNC", 0.0, turn)
        await journal.commit(turn.stores)
        await journal.aclose()

    anyio.run(found)
    return folder


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return founded(tmp_path_factory.mktemp("house"))


class TestOpen:
    """The open slot under the public test LMKs, with nothing behind it."""

    def test_it_answers_as_the_open_port_does(self) -> None:
        answer = open_hsm(EPOCH, seeded()).ask(OPEN_PARTY, Diagnostics())

        assert answer.lmk_check == "7B44AC1DDEE2A94B"

    def test_a_key_that_is_entered_works_under_the_aes_lmk(self) -> None:
        hsm = open_hsm(EPOCH, seeded())

        field = hsm.enter(OPEN_PARTY, Header("K0", "A", "B"), bytes(range(16)), "S")

        assert hsm.exchange(OPEN_PARTY, CheckKey(field).encode() + b"%02")[:4] == b"BV00"


class TestCustodian:
    """Whoever holds the officers' secret opens the key tables, authorised, and changes nothing."""

    def test_its_keys_are_those_of_the_house(self, house: Path) -> None:
        one, two = (custodian_hsm(house, PARTIES, EPOCH, seeded(seed)) for seed in ("one", "two"))
        request = MakeCvv(indexes.CVK, PAN, "3012", "201")

        assert one.ask("issuer-a", request) == two.ask("issuer-a", request)
        assert one.ask("issuer-a", request) != one.ask("issuer-b", request)

    def test_it_is_in_the_authorised_state(self, house: Path) -> None:
        hsm = custodian_hsm(house, PARTIES, EPOCH, seeded())

        assert hsm.exchange("issuer-a", b"BA1234F424242424242")[:4] == b"BB00"

    def test_roles_hold_all_the_same(self, house: Path) -> None:
        hsm = custodian_hsm(house, PARTIES, EPOCH, seeded())

        assert hsm.exchange("gateway", b"BA1234F424242424242") == b"BB68"

    def test_an_entered_key_belongs_to_its_party(self, house: Path) -> None:
        hsm = custodian_hsm(house, PARTIES, EPOCH, seeded())

        field = hsm.enter("issuer-a", Header("C0", "T", "C"), bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))

        assert hsm.ask("issuer-a", CheckKey(field)).kcv == "08D7B4"
        assert hsm.ask("issuer-b", CheckKey(field)).code == "A4"

    def test_nothing_is_written(self, house: Path) -> None:
        before = {file.name: file.read_bytes() for file in house.iterdir()}

        custodian_hsm(house, PARTIES, EPOCH, seeded()).ask("issuer-a", Diagnostics())

        after = {file.name: file.read_bytes() for file in house.iterdir() if not file.name.endswith(("-shm", "-wal"))}
        assert after == {name: data for name, data in before.items() if name in after}

    def test_a_missing_key_is_not_made_up(self, house: Path) -> None:
        with pytest.raises(ConfigError, match="start the house once"):
            custodian_hsm(house, (*PARTIES, Party("issuer-c", "issuer")), EPOCH, seeded())

    def test_another_master_secret_does_not_open_it(self, house: Path) -> None:
        hsm_keys: list[tuple[str, ...]] = []
        with pytest.raises(ConfigError, match="missing"):
            OfflineHsm(PARTIES, bytes(32), hsm_keys, EPOCH, seeded())

    @pytest.mark.parametrize("missing", ["hsm.db", "hsm.lmk"])
    def test_a_missing_file_is_named(self, missing: str, house: Path, tmp_path: Path) -> None:
        shutil.copytree(house, tmp_path / "copy")
        (tmp_path / "copy" / missing).unlink()

        with pytest.raises(ConfigError, match=missing):
            custodian_hsm(tmp_path / "copy", PARTIES, EPOCH, seeded())

    def test_a_wrong_secret_names_its_file(self, house: Path, tmp_path: Path) -> None:
        shutil.copytree(house, tmp_path / "copy")
        (tmp_path / "copy" / "hsm.lmk").write_text("00" * 32)

        with pytest.raises(ConfigError, match="master secret"):
            custodian_hsm(tmp_path / "copy", PARTIES, EPOCH, seeded())

    def test_a_file_that_is_no_database_is_named(self, house: Path, tmp_path: Path) -> None:
        shutil.copytree(house, tmp_path / "copy")
        (tmp_path / "copy" / "hsm.db").write_bytes(b"x" * 4096)

        with pytest.raises(ConfigError, match=r"hsm\.db"):
            custodian_hsm(tmp_path / "copy", PARTIES, EPOCH, seeded())
