"""`cardrails hsm` and `cardrails keys`: host commands for people, with and without a house."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.cli import main
from emulator.hsm.hosts import in_process
from emulator.hsm.keyring import TEST_KEYS, check_value, key_field, listing
from emulator.hsm.wording import list_lines, read_answer, read_command
from hsm_sim.core.commands.table import COMMANDS
from node.control_access import SECRET_FILE
from tests.support.house import HouseHandle, running_house

CVV_FIELDS = ("key=@cvk", "pan=4000000000000002", "expiry=3012", "service_code=201")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    return dict(json.loads(out))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class TestSend:
    """A command goes out as it was written down, and its answer is read by the table."""

    def test_a_command_as_it_stands_on_the_wire(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = run(capsys, "hsm", "send", "NC")

        assert code == 0
        assert "7B44AC1DDEE2A94B" in out
        assert "answered by an engine in this process under the public test LMKs" in out

    def test_a_command_by_the_names_of_its_fields(self, capsys: pytest.CaptureFixture[str]) -> None:
        by_names = answer(capsys, "hsm", "send", "CW", *CVV_FIELDS)
        as_bytes = answer(capsys, "hsm", "send", f"CW{key_field('cvk', '00')}4000000000000002;3012201")

        assert by_names["fields"] == as_bytes["fields"]
        assert len(by_names["fields"]["cvv"]) == 3

    @pytest.mark.parametrize("written", ["B20003a;\\x19", "hex:4232303030336163", "B20003\\x61\\x3B\\\\"])
    def test_bytes_are_escaped_or_hexadecimal(self, written: str, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = run(capsys, "hsm", "send", written, "--json")

        said = json.loads(out)
        assert (code, said["error"]) in ((0, "00"), (1, "80"))
        assert said["command"] == "B2"

    @pytest.mark.parametrize(("data", "echoed"), [("data=text:hello", "68656C6C6F"), ("data=00FF19", "00FF19")])
    def test_fields_that_are_bytes(self, data: str, echoed: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert answer(capsys, "hsm", "send", "B2", data)["fields"] == {"data": echoed}

    def test_a_trailer_is_echoed_and_is_no_field(self, capsys: pytest.CaptureFixture[str]) -> None:
        said = answer(capsys, "hsm", "send", "B20003abc\\x19tail")

        assert said["fields"] == {"data": "616263"}
        assert bytes.fromhex(said["raw"]).endswith(b"\x19tail")

    def test_another_lmk(self, capsys: pytest.CaptureFixture[str]) -> None:
        under = {
            lmk: answer(capsys, "hsm", "send", "CW", *CVV_FIELDS, "--lmk", lmk)["fields"] for lmk in ("00", "01", "02")
        }

        assert under["00"] == under["01"] == under["02"]

    @pytest.mark.parametrize(
        ("words", "error"), [(["QQ"], "67"), (["CWU"], "80"), (["NO", "mode=77"], "15"), (["NC", "--lmk", "77"], "13")]
    )
    def test_a_refusal_exits_1_and_says_why(
        self, words: list[str], error: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, out, _ = run(capsys, "hsm", "send", *words, "--json")

        said = json.loads(out)
        assert code == 1
        assert said["error"] == error
        assert said["meaning"] not in ("", "not in the table of codes")

    @pytest.mark.parametrize(
        ("words", "code", "parts"),
        [
            (["CW", "pan=1"], 1, ["needs a value for key"]),
            (["CW", "key=@cvk", "pan=1"], 1, ["field pan takes 12 to 19 digits"]),
            (["CW", "kex=1"], 2, ["CW field", "kex", "must be one of key, pan, expiry, service_code"]),
            (["CW", "pan=1", "pan=2"], 2, ["must be given once"]),
            (["CW", "pan"], 2, ["NAME=VALUE"]),
            (["QQ", "pan=1"], 2, ["must be one of"]),
            (["CW", *CVV_FIELDS, "--lmk", "77"], 2, ["--lmk", "77"]),
            (["G0", "source=@bdk-aes"], 2, ["bdk-aes", "AES"]),
            (["CW", "key=@cvkk"], 2, ["cvkk", "must be one of zmk"]),
            (["B2", "data=xyz"], 1, ["hexadecimal"]),
            (["hex:xyz"], 1, ["hexadecimal"]),
            (["NCé"], 1, []),
            (["N"], 1, ["no host command"]),
            (["NC", "--party", "issuer-a"], 2, ["--party", "a house must be running"]),
            (["NC", "--address", "tcp://127.0.0.1:1"], 1, ["127.0.0.1:1"]),
            (["NC", "--address", "udp://x"], 1, ["udp://x"]),
            (["NC", "--ready-file", "none.json"], 2, ["none.json"]),
        ],
    )
    def test_a_mistake_is_one_line(
        self, words: list[str], code: int, parts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        got, _, err = run(capsys, "hsm", "send", *words)

        assert got == code
        assert err.count("\n") <= 1
        assert [part for part in parts if part not in err] == []

    @given(st.text(st.characters(min_codepoint=32, max_codepoint=255), min_size=1, max_size=60))
    def test_any_word_is_a_command_or_one_error(self, word: str) -> None:
        from iso import CardrailsError

        host = in_process()
        try:
            asked = read_command([word])
            said = read_answer(asked, host.exchange(asked.data))
        except CardrailsError:
            return
        assert len(said.error) == 2


class TestCommands:
    """The layouts come from the table, all of them."""

    def test_every_command_is_listed(self) -> None:
        lines = list_lines()

        assert [code for code in COMMANDS if not any(line.startswith(f"  {code} ") for line in lines)] == []

    def test_every_layout_is_shown(self, capsys: pytest.CaptureFixture[str]) -> None:
        rows = answer(capsys, "hsm", "commands")["commands"]

        assert [row["code"] for row in rows] == list(COMMANDS)

    def test_a_layout_names_fields_keys_and_roles(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = run(capsys, "hsm", "commands", "cw")

        assert code == 0
        assert [part for part in ("service_code", "3N", "402", "issuer, open") if part not in out] == []

    def test_an_unknown_one_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = run(capsys, "hsm", "commands", "QQ")

        assert code == 2
        assert err.count("\n") == 1


class TestPublishedKeys:
    """The published keys are the same for everybody, and open under both LMKs."""

    def test_they_follow_their_rule(self) -> None:
        import hashlib

        from hsm_sim.core.crypto.checks import tdes_check_value
        from hsm_sim.core.crypto.ciphers import odd_parity

        material = odd_parity(hashlib.sha256(b"cardrails test key cvk").digest()[:16])

        assert check_value("cvk") == tdes_check_value(material)

    @pytest.mark.parametrize("name", TEST_KEYS)
    def test_the_hsm_opens_each_under_each_lmk(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        known = TEST_KEYS[name]

        kcvs = {answer(capsys, "keys", "kcv", "--type", known.header.usage, "--key", f"@{name}")["kcv"]}
        if known.key_type:
            kcvs.add(answer(capsys, "keys", "kcv", "--type", known.key_type, "--key", f"@{name}")["kcv"])

        assert kcvs == {check_value(name)}

    def test_each_has_a_value_of_its_own_and_is_listed(self, capsys: pytest.CaptureFixture[str]) -> None:
        _, out, _ = run(capsys, "keys", "list")

        assert len({row["kcv"] for row in listing()}) == len(TEST_KEYS)
        assert [row["kcv"] for row in listing() if row["kcv"] not in out] == []


class TestKeys:
    """Keys are made, given out and taken in by host commands."""

    @pytest.mark.parametrize("kind", ["402", "001", "009", "109", "C0", "P0", "B0", "E0", "V2", "M3", "D0"])
    def test_a_key_is_made_and_has_the_check_value_that_was_shown(
        self, kind: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        made = answer(capsys, "keys", "generate", "--type", kind)

        assert answer(capsys, "keys", "kcv", "--type", kind, "--key", made["key"])["kcv"] == made["kcv"]
        assert made["key"][0] == ("U" if len(kind) == 3 else "S")

    @pytest.mark.parametrize(
        ("kind", "zmk", "scheme"),
        [("001", "@zmk", "U"), ("001", "@zmk", "X"), ("P0", "@tmk", "R"), ("P0", "@tmk", "S")],
    )
    def test_a_key_crosses_under_a_master_key(
        self, kind: str, zmk: str, scheme: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        made = answer(capsys, "keys", "generate", "--type", kind, "--zmk", zmk, "--zmk-scheme", scheme)
        given = answer(capsys, "keys", "export", "--type", kind, "--zmk", zmk, "--key", made["key"], "--scheme", scheme)

        taken = answer(capsys, "keys", "import", "--type", kind, "--zmk", zmk, "--key", given["zmk_key"])

        assert made["zmk_key"][0] == given["zmk_key"][0] == scheme
        assert taken["kcv"] == made["kcv"]

    @pytest.mark.parametrize("kind", ["402", "D0"])
    def test_components_make_the_key(self, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
        from hsm_sim.core.crypto.checks import tdes_check_value
        from hsm_sim.core.crypto.ciphers import odd_parity, xor

        made = answer(capsys, "keys", "generate", "--type", kind, "--components", "3")

        total = bytes(16)
        for part in made["components"]:
            assert tdes_check_value(bytes.fromhex(part["clear"])) == part["kcv"]
            total = xor(total, bytes.fromhex(part["clear"]))
        assert made["kcv"] == tdes_check_value(odd_parity(total))

    def test_a_key_without_odd_parity_is_put_right_and_the_tool_says_so(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        taken = answer(capsys, "keys", "import", "--type", "001", "--zmk", "@zmk", "--key", "U" + "2A" * 16)

        assert "parity" in taken["warning"]

    @pytest.mark.parametrize(
        ("arguments", "code", "parts"),
        [
            (["generate", "--type", "C0", "--mode", "Z"], 1, ["A8"]),
            (["generate", "--type", "4x2"], 2, ["--type", "4x2", "402"]),
            (["generate", "--type", "402", "--scheme", "Q"], 1, ["26"]),
            (["generate", "--type", "402", "--components", "1"], 2, ["--components", "2 to 9"]),
            (["generate", "--type", "402", "--components", "2", "--zmk", "@zmk"], 2, ["--zmk"]),
            (["generate", "--type", "402", "--components", "2", "--lmk", "77"], 2, ["--lmk"]),
            (["generate", "--type", "402", "--components", "2", "--scheme", "S"], 2, ["--scheme"]),
            (["export", "--type", "402", "--zmk", "@cvk", "--key", "@cvk"], 1, ["10"]),
            (["kcv", "--type", "402", "--key", "U00"], 1, ["takes a key"]),
            (["list", "--party", "issuer-a"], 2, ["--party"]),
            (["list", "--party", "issuer-z", "--data-dir", "."], 2, ["issuer-z"]),
            (["list", "--party", "issuer-a", "--data-dir", "."], 2, ["--data-dir"]),
        ],
    )
    def test_a_mistake_is_one_line(
        self, arguments: list[str], code: int, parts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        got, out, err = run(capsys, "keys", *arguments)

        assert got == code, out
        assert err.count("\n") == 1
        assert [part for part in parts if part not in err] == []


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseHandle]:
    folder = tmp_path_factory.mktemp("house")
    with running_house(folder) as running:
        running.house.write_ready(folder / "ready.json")
        yield running


@pytest.mark.house
class TestWithAHouse:
    """A running house answers at its ports; the open one is asked unless a party is named."""

    def ready(self, house: HouseHandle) -> tuple[str, str]:
        return "--ready-file", str(house.house.data_dir / "ready.json")

    def test_the_open_port_is_the_default(self, house: HouseHandle, capsys: pytest.CaptureFixture[str]) -> None:
        said = answer(capsys, "hsm", "send", "NC", *self.ready(house))

        assert "port open" in said["answered_by"]
        assert said["fields"]["lmk_check"] == "7B44AC1DDEE2A94B"

    def test_a_party_has_an_lmk_of_its_own(self, house: HouseHandle, capsys: pytest.CaptureFixture[str]) -> None:
        checks = [
            answer(capsys, "hsm", "send", "NC", "--party", party, *self.ready(house))["fields"]["lmk_check"]
            for party in ("gateway", "issuer-a", "issuer-b", "open")
        ]

        assert len(set(checks)) == 4

    def test_an_unknown_party_is_one_line(self, house: HouseHandle, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = run(capsys, "hsm", "send", "NC", "--party", "issuer-z", *self.ready(house))

        assert code == 2
        assert "must be one of" in err or "one of gateway" in err

    def test_any_address(self, house: HouseHandle, capsys: pytest.CaptureFixture[str]) -> None:
        place = house.ready["nodes"]["hsm"]["parties"]["issuer-a"]

        said = answer(
            capsys, "hsm", "send", "CW", "key=KF00", *CVV_FIELDS[1:], "--address", f"tcp://127.0.0.1:{place['port']}"
        )

        assert len(said["fields"]["cvv"]) == 3

    def test_a_party_makes_keys_under_its_own_lmk(self, house: HouseHandle, capsys: pytest.CaptureFixture[str]) -> None:
        more = ("--party", "issuer-a", *self.ready(house))
        made = answer(capsys, "keys", "generate", "--type", "C0", "--scheme", "R", *more)

        assert answer(capsys, "keys", "kcv", "--type", "C0", "--key", made["key"], *more)["kcv"] == made["kcv"]
        code, _, err = run(
            capsys, "keys", "kcv", "--type", "C0", "--key", made["key"], "--party", "issuer-b", *self.ready(house)
        )
        assert code == 1
        assert "A4" in err

    def test_a_table_shows_places_and_check_values_and_no_key(
        self, house: HouseHandle, capsys: pytest.CaptureFixture[str]
    ) -> None:
        live = answer(capsys, "keys", "list", "--party", "issuer-a", *self.ready(house))
        read = answer(capsys, "keys", "list", "--party", "issuer-a", "--data-dir", str(house.house.data_dir))

        assert live["keys"] == read["keys"]
        assert {"KF00", "KF05", "KF07"} <= {key["place"] for key in live["keys"]}
        blocks = sqlite3.connect(house.house.data_dir / "hsm.db")
        stored = [block for (block,) in blocks.execute("SELECT block FROM hsm_keys WHERE party = 'issuer-a'")]
        blocks.close()
        assert [block for block in stored if block in str(live)] == []

    def test_faults_are_armed_listed_and_cleared(self, house: HouseHandle, capsys: pytest.CaptureFixture[str]) -> None:
        ready, hsm = self.ready(house), ("hsm", "send", "NC", "--party", "issuer-a")
        armed = answer(
            capsys, "hsm", "faults", "add", "error", "--code", "15", "--command", "NC", "--party", "issuer-a", *ready
        )

        code, out, _ = run(capsys, *hsm, *ready)
        struck = answer(capsys, "hsm", "faults", "list", *ready)["fired"]
        cleared = answer(capsys, "hsm", "faults", "clear", *ready)

        assert armed["commands"] == ["NC"]
        assert code == 1
        assert "15" in out
        assert len(struck) >= 1
        assert cleared == {"faults": []}
        assert run(capsys, *hsm, *ready)[0] == 0

    def test_a_ready_file_elsewhere_says_where_the_house_is(
        self, house: HouseHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        elsewhere = tmp_path / "elsewhere.json"
        house.house.write_ready(elsewhere)

        assert answer(capsys, "hsm", "faults", "clear", "--ready-file", str(elsewhere)) == {"faults": []}

    def test_a_house_without_an_hsm_is_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        ready = {"nodes": {"switch": {}}, "control_url": "http://127.0.0.1:1", "data_dir": str(tmp_path)}
        (tmp_path / "ready.json").write_text(json.dumps(ready))
        (tmp_path / SECRET_FILE).write_text("secret")

        code, _, err = run(capsys, "hsm", "faults", "list", "--ready-file", str(tmp_path / "ready.json"))

        assert (code, err.count("\n")) == (1, 1)
        assert "no HSM is running" in err

    @pytest.mark.parametrize("more", [["error"], ["delay", "--probability", "7"], ["silence", "--code", "15"]])
    def test_a_fault_that_cannot_happen_is_one_line(
        self, more: list[str], house: HouseHandle, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, _, err = run(capsys, "hsm", "faults", "add", *more, *self.ready(house))

        assert code == 1
        assert err.count("\n") == 1

    def test_the_audit_log_is_whole_and_says_who_did_what(
        self, house: HouseHandle, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(capsys, "keys", "generate", "--type", "C0", "--party", "issuer-b", "--scheme", "R", *self.ready(house))
        folder = ("--data-dir", str(house.house.data_dir))

        said = answer(capsys, "hsm", "audit", "--verify", *folder)

        assert said["whole"]
        assert [record for record in said["records"] if (record["party"], record["command"]) == ("issuer-b", "A0")]
        assert answer(capsys, "hsm", "audit", "--verify", "--since", said["checkpoint"], *folder)["whole"]

    def test_a_changed_log_exits_1_and_names_the_record(
        self, house: HouseHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("hsm.db", "hsm.db-wal", "hsm.lmk"):
            source = house.house.data_dir / name
            if source.exists():
                (tmp_path / name).write_bytes(source.read_bytes())
        (tmp_path / "hsm.lmk").chmod(0o600)
        database = sqlite3.connect(tmp_path / "hsm.db")
        database.execute("UPDATE hsm_audit SET party = 'nobody' WHERE sequence = 1")
        database.commit()
        database.close()

        code, out, _ = run(capsys, "hsm", "audit", "--verify", "--data-dir", str(tmp_path))
        unread, _, _ = run(capsys, "hsm", "audit", "--data-dir", str(tmp_path))

        assert code == 1
        assert "record 1: changed" in out
        assert unread == 0

    @pytest.mark.parametrize("since", ["x", "1", "1:zz"])
    def test_a_checkpoint_that_is_none_is_one_line(
        self, since: str, house: HouseHandle, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, out, err = run(
            capsys, "hsm", "audit", "--verify", "--since", since, "--data-dir", str(house.house.data_dir)
        )

        assert code in (1, 2)
        assert err.count("\n") + out.count("broken") == 1


class TestWithoutAHouse:
    """What needs a house says so in one line."""

    @pytest.mark.parametrize(
        "arguments", [["audit", "--verify"], ["faults", "list"], ["faults", "clear"], ["faults", "add", "close"]]
    )
    def test_it_is_one_line(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = run(capsys, "hsm", *arguments)

        assert code in (1, 2)
        assert err.count("\n") == 1

    def test_a_file_that_is_no_database_is_named(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "hsm.db").write_text("x" * 4096)
        (tmp_path / "hsm.lmk").touch(mode=0o600)
        (tmp_path / "hsm.lmk").write_text("00" * 32)

        code, _, err = run(capsys, "hsm", "audit", "--data-dir", str(tmp_path))

        assert code == 1
        assert "hsm.db" in err
        assert err.count("\n") == 1
