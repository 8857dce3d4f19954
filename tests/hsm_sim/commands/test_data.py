"""M0, M2, M4, GM: data encrypted, decrypted, translated, hashed."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm_sim.core import indexes
from hsm_sim.core.commands.fields import Value
from hsm_sim.core.crypto.ciphers import Tdes
from tests.hsm_sim.commands.opened import AES_BLOCK, TDES_BLOCK, ask, block_key, code_of, variant_key
from tests.support.hsm import Hsm
from tests.support.vectors import vectors

HSM = Hsm()
KEY = "0123456789ABCDEFFEDCBA9876543210"
OTHER = "FEDCBA98765432100123456789ABCDEF"
AES_KEY = "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4"
ONE = "S00072D0TN00E0001BD79343066F46B9C1279E2DE4382E56E6DD5BDCE0F850C7E444799D9"
TWO = "S00072D0TN00E00010EA718005998326E187E742CF400E5698F5E55E2A0A25A5FD9C5EDDE"

KEYS: dict[str, dict[str, Value]] = {
    "ZEK": {"key_type": "00A", "key": variant_key("00A", KEY), "lmk": "00"},
    "DEK": {"key_type": "00B", "key": variant_key("00B", KEY), "lmk": "00"},
    "TEK": {"key_type": "30B", "key": variant_key("30B", KEY), "lmk": "00"},
    "TDES block": {"key_type": "FFF", "key": block_key("D0", KEY, mode="B"), "lmk": TDES_BLOCK},
    "AES block": {"key_type": "FFF", "key": block_key("D0", AES_KEY, "A", "B", AES_BLOCK), "lmk": AES_BLOCK},
    "BDK": {
        "key_type": "009",
        "key": variant_key("009", KEY),
        "ksn_descriptor": "A05",
        "ksn": "FFFF9876543210E00003",
        "lmk": "00",
    },
    "AES BDK": {
        "key_type": "FFF",
        "key": block_key("B0", AES_KEY, "A", "X", AES_BLOCK),
        "ksn_descriptor": "A09",
        "ksn": "123456789012345600000003",
        "lmk": AES_BLOCK,
    },
}


def vector_of(name: str) -> str:
    return "5A" * (16 if name.startswith("AES") else 8)


class TestKnownData:
    """What a device encrypted comes out the same; counts of hex data are in characters."""

    def test_captured_commands(self) -> None:
        assert HSM.frame("open", f"M00011FFF{ONE}0010ABCDEF1234567890%01".encode()) == b"M10000106DD932DE48520285"
        assert HSM.frame("open", f"M20011FFF{ONE}00106DD932DE48520285%01".encode()) == b"M3000010ABCDEF1234567890"
        assert (
            HSM.frame("open", f"M4000011FFF{ONE}FFF{TWO}00106DD932DE48520285%01".encode())
            == b"M50000101D8F38CC40C6F20D"
        )

    def test_a_count_of_bytes_is_taken_where_only_that_fits(self) -> None:
        assert HSM.frame("open", f"M00011FFF{ONE}0008ABCDEF1234567890%01".encode()) == b"M10000106DD932DE48520285"

    def test_a_dukpt_data_key(self) -> None:
        (vector, _) = vectors("dukpt_tdes_data_key")
        inputs = vector["inputs"]
        values: dict[str, Value] = {
            "key_type": "FFF",
            "key": block_key("B0", inputs["bdk"]),
            "ksn_descriptor": "A05",
            "ksn": inputs["ksn"],
            "lmk": TDES_BLOCK,
        }

        made = ask(HSM, "M0", mode="00", input="0", output="0", data=bytes(8), **values).values["data"]

        assert made == Tdes(bytes.fromhex(vector["expected"])).encrypt(bytes(8))

    def test_an_aes_dukpt_data_key(self) -> None:
        (vector, _) = vectors("dukpt_aes_data_enc_key")
        inputs = vector["inputs"]
        values: dict[str, Value] = {
            "key_type": "FFF",
            "key": block_key("B0", inputs["bdk"], "A", lmk=AES_BLOCK),
            "ksn_descriptor": "A05",
            "ksn": f"{inputs['ikid']}{inputs['counter']:08X}",
            "lmk": AES_BLOCK,
        }

        made = ask(HSM, "M0", mode="00", input="0", output="0", data=bytes(16), **values).values["data"]
        plain = block_key("D0", vector["expected"], "A", lmk=AES_BLOCK)

        assert ask(
            HSM, "M2", mode="00", input="0", output="0", data=made, key_type="FFF", key=plain, lmk=AES_BLOCK
        ).values["data"] == bytes(16)


class TestRoundTrips:
    """What was encrypted is decrypted by the same key, whatever the format and the mode."""

    @settings(max_examples=80)
    @given(
        st.sampled_from(sorted(KEYS)),
        st.sampled_from(["00", "01"]),
        st.sampled_from("01"),
        st.sampled_from("01"),
        st.integers(1, 3).flatmap(lambda blocks: st.binary(min_size=16 * blocks, max_size=16 * blocks)),
    )
    def test_back_and_forth(self, name: str, mode: str, before: str, between: str, data: bytes) -> None:
        vector: dict[str, Value] = {"vector": vector_of(name)} if mode == "01" else {}
        common = KEYS[name] | vector | {"mode": mode}

        sealed = ask(HSM, "M0", **common | {"input": before, "output": between, "data": data}).values["data"]
        opened = ask(HSM, "M2", **common | {"input": between, "output": before, "data": sealed}).values["data"]

        assert opened == data
        assert sealed != data

    @pytest.mark.parametrize("name", sorted(KEYS))
    def test_a_chain_goes_on_where_it_stopped(self, name: str) -> None:
        common = KEYS[name] | {"mode": "01", "input": "0", "output": "0", "vector": vector_of(name)}

        whole = ask(HSM, "M0", **common | {"data": bytes(64)}).values
        first = ask(HSM, "M0", **common | {"data": bytes(32)}).values
        second = ask(HSM, "M0", **common | {"data": bytes(32), "vector": first["vector"]}).values

        assert bytes(first["data"]) + bytes(second["data"]) == whole["data"]  # type: ignore[arg-type]
        assert second["vector"] == whole["vector"]

    def test_text(self) -> None:
        common = KEYS["DEK"] | {"mode": "00"}

        sealed = ask(HSM, "M0", **common | {"input": "2", "output": "1", "data": b"sixteen letters!"}).values["data"]
        opened = ask(HSM, "M2", **common | {"input": "1", "output": "2", "data": sealed}).values["data"]

        assert opened == b"sixteen letters!"
        assert ask(HSM, "M2", **common | {"input": "0", "output": "2", "data": bytes(8)}).code == "35"

    def test_translation(self) -> None:
        one, two = KEYS["ZEK"], {"key_type": "00B", "key": variant_key("00B", OTHER)}
        sealed = ask(HSM, "M0", **one | {"mode": "00", "input": "0", "output": "0", "data": bytes(16)}).values["data"]

        answer = ask(
            HSM,
            "M4",
            in_mode="00",
            out_mode="01",
            input="0",
            output="0",
            in_key_type=one["key_type"],
            in_key=one["key"],
            out_key_type=two["key_type"],
            out_key=two["key"],
            out_vector="00" * 8,
            data=sealed,
        )

        assert answer.values["data"] == Tdes(bytes.fromhex(OTHER)).encrypt_cbc(bytes(16), bytes(8))

    def test_what_goes_to_a_type_2_terminal_has_its_own_key(self) -> None:
        common = KEYS["BDK"] | {"key_type": "609", "key": variant_key("609", KEY), "mode": "00"}

        sealed = ask(HSM, "M0", **common | {"input": "0", "output": "0", "data": bytes(8)}).values["data"]

        assert ask(HSM, "M2", **common | {"input": "0", "output": "0", "data": sealed}).values["data"] != bytes(8)


class TestRefusals:
    """Every field has an error code of its own."""

    @pytest.mark.parametrize(
        ("command", "code"),
        [
            ("M00211{key}0010ABCDEF1234567890", "02"),
            ("M00031{key}0010ABCDEF1234567890", "03"),
            ("M00014{key}0010ABCDEF1234567890", "04"),
            ("M00012{key}0010ABCDEF1234567890", "04"),
            ("M2002100B0010ABCDEF1234567890", "03"),
            ("M0001100C0010ABCDEF1234567890", "05"),
            ("M00011{key}000EABCDEF12345678", "06"),
            ("M00011{key}0000", "06"),
            ("M00011{key}0010ABCDEF12345678", "80"),
            ("M00011{key}0010ABCDEF123456789x", "15"),
            ("M00111{key}5A5A5A5A5A5A5A5Z0010ABCDEF1234567890", "15"),
            ("M00011FFF{decrypts}0010ABCDEF1234567890%01", "A8"),
            ("M00011FFF{mac}0010ABCDEF1234567890%01", "A6"),
            ("M4020011{key}{key}0010ABCDEF1234567890", "02"),
            ("M4000211{key}{key}0010ABCDEF1234567890", "07"),
            ("M4000011{key}FFG0010ABCDEF1234567890", "08"),
            ("M4000011{key}00BU" + "00" * 16 + "0010ABCDEF1234567890", "11"),
            ("M400001100BU" + "00" * 16 + "{key}0010ABCDEF1234567890", "10"),
            ("GM0300003abc", "05"),
            ("GM0100004abc", "80"),
            ("GM0100002abc", "15"),
        ],
    )
    def test_a_refusal(self, command: str, code: str) -> None:
        keys = {
            "key": "00B" + variant_key("00B", KEY),
            "decrypts": block_key("D0", KEY, mode="D"),
            "mac": block_key("M3", KEY),
        }

        assert code_of(HSM, command.format(**keys).encode()) == code

    def test_a_vector_of_another_cipher(self) -> None:
        aes_by_place = KEYS["DEK"] | {"mode": "01", "vector": "00" * 8, "input": "0", "output": "0", "data": bytes(16)}

        assert ask(HSM, "M0", **aes_by_place).code == "00"
        assert code_of(HSM, f"M00100FFF{KEYS['AES block']['key']}{'0' * 16}0000%02".encode()) == "80"


class TestHashes:
    """GM hashes binary data by the numbers of the algorithms."""

    def test_the_known_hash(self) -> None:
        (vector,) = vectors("hash_GM")
        data = vector["inputs"]["data_ascii"].encode()

        made = HSM.frame("switch", b"GM%s%05d" % (vector["inputs"]["hash_id"].encode(), len(data)) + data)

        assert made == b"GN00" + bytes.fromhex(vector["expected"])

    @pytest.mark.parametrize(
        ("number", "name"),
        [("01", "sha1"), ("02", "md5"), ("05", "sha224"), ("06", "sha256"), ("07", "sha384"), ("08", "sha512")],
    )
    def test_each_algorithm(self, number: str, name: str) -> None:
        assert ask(HSM, "GM", hash_id=number, data=b";%\x19").values["hash"] == hashlib.new(name, b";%\x19").digest()


class TestTheSwitch:
    """Whoever seals PANs under a data key may not encrypt plain blocks under it."""

    @pytest.mark.parametrize("command", [b"M0", b"M2", b"M4"])
    def test_it_encrypts_no_data(self, command: bytes) -> None:
        assert code_of(HSM, command + b"0000FFF" + indexes.DATA.encode(), "switch") == "68"
