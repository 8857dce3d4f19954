"""M6, M8, MY, GW: message authentication, whole, in parts, and under terminal keys."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm_sim.core import indexes
from hsm_sim.core.commands.fields import Value
from hsm_sim.core.crypto.ciphers import AES_BLOCK as AES_BYTES
from hsm_sim.core.crypto.ciphers import BLOCK
from hsm_sim.requests import MakeMac, VerifyMac
from hsm_sim.requests.generic import HostAnswer
from tests.hsm_sim.commands.opened import AES_BLOCK, TDES_BLOCK, ask, block_key, code_of, variant_key
from tests.hsm_sim.oracles import cbc_mac, retail_mac
from tests.support.hsm import Hsm
from tests.support.vectors import vectors

HSM = Hsm()
KEY = "0123456789ABCDEFFEDCBA9876543210"
AES_KEY = "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4"
CAPTURED = "S00072M1TN00E0001FFE01E95CF21BDD0D74B6BEB70E3D90842C137DCA39C1B162C6238D5"
BDK = "S00072B0TN00E0001566678078B5337915F4860C92F3FF2D6A6B11E8786F22DC8032EB758"

METHODS = {
    "alg 1, variant key": ("1", "008", variant_key("008", KEY), "00", BLOCK),
    "alg 3, variant key": ("3", "003", variant_key("003", KEY), "00", BLOCK),
    "alg 3, key block": ("3", "FFF", block_key("M3", KEY), TDES_BLOCK, BLOCK),
    "CMAC, variant key": ("6", "008", variant_key("008", KEY), "00", BLOCK),
    "CMAC, AES key block": ("6", "FFF", block_key("M6", AES_KEY, "A", lmk=AES_BLOCK), AES_BLOCK, AES_BYTES),
}


def method(name: str, **more: Value) -> dict[str, Value]:
    algorithm, key_type, key, lmk, _ = METHODS[name]
    values: dict[str, Value] = {
        "mode": "0",
        "input": "0",
        "size": "1",
        "algorithm": algorithm,
        "padding": "0" if algorithm == "6" else "2",
        "key_type": key_type,
        "key": key,
        "lmk": lmk,
    }
    return values | more


def mac_of(answer: HostAnswer) -> str:
    assert answer.code == "00"
    return str(answer.values["mac"])


class TestKnownMacs:
    """Published and captured MACs come out of M6 and pass M8."""

    @pytest.mark.parametrize(
        ("operation", "algorithm", "padding"),
        [
            ("mac_iso9797_alg1_tdes_pad2", "1", "2"),
            ("mac_iso9797_alg3_pad1", "3", "1"),
            ("mac_iso9797_alg3_pad2", "3", "2"),
            ("mac_x919_retail", "3", "1"),
            ("cmac_tdes", "6", "0"),
        ],
    )
    def test_tdes(self, operation: str, algorithm: str, padding: str) -> None:
        for vector in vectors(operation):
            inputs = vector["inputs"]
            data = inputs["data_ascii"].encode() if "data_ascii" in inputs else bytes.fromhex(inputs["data"])
            key = block_key({"1": "M1", "3": "M3", "6": "M6"}[algorithm], inputs["key"])
            values = method("alg 3, key block", algorithm=algorithm, padding=padding, key=key, data=data)

            mac = mac_of(ask(HSM, "M6", **values))

            assert mac.startswith(vector["expected"])
            assert ask(HSM, "M8", **values, mac=mac).code == "00"

    def test_aes_cmac(self) -> None:
        (vector,) = vectors("cmac_aes")
        values = method("CMAC, AES key block", data=b"")

        assert mac_of(ask(HSM, "M6", **values)) == vector["expected"][:16]

    def test_a_captured_command_counts_the_characters_of_hex_data(self) -> None:
        assert HSM.frame("open", f"M801011FFF{CAPTURED}0008ABCDEF12F9369211%01".encode()) == b"M900"
        assert HSM.frame("open", f"M601011FFF{CAPTURED}0008ABCDEF12%01".encode()) == b"M700F9369211"

    def test_a_count_of_bytes_is_taken_where_only_that_fits(self) -> None:
        assert HSM.frame("open", f"M801011FFF{CAPTURED}0004ABCDEF12F9369211%01".encode()) == b"M900"
        assert HSM.frame("open", f"M601011FFF{CAPTURED}0004ABCDEF12%01\x19end".encode()) == b"M700F9369211\x19end"

    @settings(max_examples=50)
    @given(st.binary(min_size=1, max_size=60), st.sampled_from(["1", "2"]))
    def test_as_psec(self, data: bytes, padding: str) -> None:
        key = bytes.fromhex(KEY)

        made = [
            mac_of(ask(HSM, "M6", **method(name, padding=padding, data=data)))
            for name in ("alg 1, variant key", "alg 3, variant key")
        ]

        assert made == [
            cbc_mac(key, data, int(padding)).hex().upper(),
            retail_mac(key, data, int(padding)).hex().upper(),
        ]


class TestMacsInParts:
    """First, middle and last part make the MAC that the whole message has."""

    @settings(max_examples=60)
    @given(
        st.sampled_from(sorted(METHODS)),
        st.lists(st.integers(1, 4), max_size=4),
        st.binary(min_size=1, max_size=40),
        st.data(),
    )
    def test_parts_and_whole_agree(self, name: str, parts: list[int], last: bytes, data: st.DataObject) -> None:
        block = METHODS[name][-1]
        blocks = [data.draw(st.binary(min_size=block * n, max_size=block * n)) for n in parts]
        whole = method(name, data=b"".join(blocks) + last)
        vector: dict[str, Value] = {}

        for number, part in enumerate(blocks):
            mode = "2" if number else "1"
            answer = ask(HSM, "M6", **method(name, data=part, mode=mode), **vector)
            vector = {"vector": answer.values["vector"]}
        final = method(name, data=last, mode="3" if vector else "0") | vector
        made = mac_of(ask(HSM, "M6", **final))

        assert made == mac_of(ask(HSM, "M6", **whole))
        assert ask(HSM, "M8", **final, mac=made).code == "00"

    @pytest.mark.parametrize("name", sorted(METHODS))
    def test_a_verifier_chains_like_a_maker(self, name: str) -> None:
        first = method(name, data=bytes(METHODS[name][-1]), mode="1")

        assert ask(HSM, "M8", **first) == ask(HSM, "M6", **first)

    @pytest.mark.parametrize("name", sorted(METHODS))
    @pytest.mark.parametrize("data", [b"", b"seven b"])
    def test_parts_before_the_last_are_whole_blocks(self, name: str, data: bytes) -> None:
        assert ask(HSM, "M6", **method(name, data=data, mode="1")).code == "06"

    def test_the_houses_own_link_key_by_its_place(self) -> None:
        common: dict[str, Value] = method("CMAC, AES key block", key=indexes.zak("switch"))
        del common["lmk"]

        first = ask(HSM, "M6", "acquirer", **common | {"mode": "1", "data": bytes(16)})
        last = ask(HSM, "M6", "acquirer", **common | {"mode": "3", "data": b"end", "vector": first.values["vector"]})

        assert last == ask(HSM, "M6", "acquirer", **common, data=bytes(16) + b"end")


class TestRefusals:
    """Every field of a MAC command has an error code of its own."""

    @pytest.mark.parametrize(
        ("command", "code"),
        [
            ("M640131008{key}0004data", "02"),
            ("M603131008{key}0004data", "03"),
            ("M600431008{key}0004data", "15"),
            ("M600151008{key}0004data", "04"),
            ("M600135008{key}0004data", "09"),
            ("M600132009{key}0004data", "05"),
            ("M600130008{key}0004data", "06"),
            ("M600131008{key}0004dat", "80"),
            ("M600131008{key}0004data5", "15"),
            ("M610161008{key}0004data", "06"),
            ("M600161008{key}0004data", "09"),
            ("M601131008{key}0003ABC", "15"),
            ("M601131008{key}0004ABXX", "15"),
            ("M600131008{single}0004data", "27"),
            ("M600131FFF{m1}0004data%01", "A6"),
            ("M600111FFF{aes}0004data%02", "A7"),
            ("M600131FFF{verifies}0004data%01", "A8"),
            ("M600131008Q{key}0004data", "26"),
            ("M800131008{key}0004data0000", "80"),
        ],
    )
    def test_a_refusal(self, command: str, code: str) -> None:
        keys = {
            "key": variant_key("008", KEY),
            "single": variant_key("008", KEY[:16]),
            "m1": block_key("M1", KEY),
            "aes": block_key("M1", AES_KEY, "A", lmk=AES_BLOCK),
            "verifies": block_key("M3", KEY, mode="V"),
        }

        assert code_of(HSM, command.format(**keys).encode()) == code

    def test_a_wrong_mac_is_01(self) -> None:
        assert ask(HSM, "M8", **method("alg 3, variant key", data=b"x", mac="0" * 16)).code == "01"

    def test_a_chaining_value_of_another_cipher(self) -> None:
        command = f"M620160FFF{indexes.zak('switch')}{'0' * 16}0000".encode()

        assert code_of(HSM, command, "acquirer") == "80"


class TestTranslation:
    """MY verifies under one key and makes under another."""

    def values(self, mode: str, **more: Value) -> dict[str, Value]:
        common: dict[str, Value] = {
            "mode": mode,
            "input": "0",
            "in_size": "0",
            "in_algorithm": "3",
            "in_padding": "1",
            "in_key_type": "003",
            "in_key": variant_key("003", KEY),
            "out_size": "1",
            "out_algorithm": "1",
            "out_padding": "2",
            "out_key_type": "008",
            "out_key": variant_key("008", KEY[::-1]),
        }
        return common | more

    def halves(self, data: bytes) -> tuple[str, str]:
        mine, theirs = (
            method("alg 3, variant key", size="0", padding="1", data=data),
            method("alg 1, variant key", key=variant_key("008", KEY[::-1]), data=data),
        )
        return mac_of(ask(HSM, "M6", **mine)), mac_of(ask(HSM, "M6", **theirs))

    def test_a_whole_message(self) -> None:
        before, after = self.halves(b"message")

        assert mac_of(ask(HSM, "MY", **self.values("0", data=b"message", mac=before))) == after
        assert ask(HSM, "MY", **self.values("0", data=b"message", mac="0" * 8)).code == "01"

    def test_a_message_in_parts(self) -> None:
        before, after = self.halves(bytes(8) + b"end")

        first = ask(HSM, "MY", **self.values("1", data=bytes(8))).values
        vectors_ = {name: first[name] for name in ("in_vector", "out_vector")}
        last = ask(HSM, "MY", **self.values("3", data=b"end", mac=before), **vectors_)

        assert mac_of(last) == after


class TestTerminalMacs:
    """GW makes and verifies MACs under the key of one transaction of one terminal."""

    def values(self, mode: str, **more: Value) -> dict[str, Value]:
        common: dict[str, Value] = {
            "mode": mode,
            "method": "1",
            "bdk": BDK,
            "ksn_descriptor": "A05",
            "ksn": "FFFF0000000000000000",
            "data": bytes.fromhex("ABCDEF1234"),
            "lmk": TDES_BLOCK,
        }
        return common | more

    def test_the_captured_mac(self) -> None:
        (vector,) = vectors("dukpt_tdes_mac_GW")
        inputs = vector["inputs"]
        data = bytes.fromhex(inputs["data"])
        head = f"GW41{BDK}{inputs['ksn_descriptor']}{inputs['ksn']}0005".encode()

        assert HSM.frame("open", head + data + b"%01") == f"GX00{vector['expected']}".encode()

    @pytest.mark.parametrize("key", ["TDES", "AES"])
    @pytest.mark.parametrize(("make", "verify"), [("4", "1"), ("5", "2"), ("6", "3")])
    def test_what_it_makes_it_verifies(self, key: str, make: str, verify: str) -> None:
        aes: dict[str, Value] = {
            "bdk": block_key("B0", "FEDCBA9876543210F1F1F1F1F1F1F1F1", "A", "X", AES_BLOCK),
            "ksn": "123456789012345600000001",
            "lmk": AES_BLOCK,
        }
        more = aes if key == "AES" else {}

        whole = mac_of(ask(HSM, "GW", **self.values("4", **more)))
        mac = mac_of(ask(HSM, "GW", **self.values(make, **more)))
        checked = ask(HSM, "GW", **self.values(verify, mac=mac, **more))
        wrong = ask(HSM, "GW", **self.values(verify, mac=mac, **more) | {"data": b"other"})

        assert mac == {"4": whole, "5": whole[:8], "6": whole[8:]}[make]
        assert (checked.code, wrong.code) == ("00", "01")

    def test_a_type_2_key_answers_the_terminal_under_another_key(self) -> None:
        type_2 = {"bdk": variant_key("609", KEY), "lmk": "00"}

        answered = mac_of(ask(HSM, "GW", **self.values("D", **type_2)))

        assert ask(HSM, "GW", **self.values("A", mac=answered, **type_2)).code == "01"

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"data": b""}, "81"),
            ({"ksn": "FFFF00000000000FFFFF"}, "15"),
            ({"bdk": block_key("D0", KEY)}, "A6"),
        ],
    )
    def test_a_refusal(self, changes: dict[str, Value], code: str) -> None:
        assert ask(HSM, "GW", **self.values("4", **changes)).code == code

    def test_a_short_serial_number_by_its_descriptor(self) -> None:
        short = self.values("4", ksn_descriptor="605", ksn="0000000000000001")
        long = self.values("4", ksn_descriptor="605", ksn="FFFF0000000000000001")

        assert ask(HSM, "GW", **short) == ask(HSM, "GW", **long)


class TestRequests:
    """The house's own requests are the same commands."""

    def test_make_and_verify(self) -> None:
        key = indexes.zak("switch")

        made = HSM.ask("acquirer", MakeMac(key, b"message"))
        long, short, wrong = (
            HSM.ask("switch", VerifyMac(indexes.zak("acquirer"), b"message", mac))
            for mac in (made.mac, made.mac[:8], "0" * 16)
        )

        assert (long.code, short.code, wrong.code) == ("00", "00", "01")
