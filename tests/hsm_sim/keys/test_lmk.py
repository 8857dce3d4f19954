"""LMKs read and write keys as published test data has them, and refuse what is not theirs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.errors import HsmError
from hsm_sim.core.keys import schemes
from hsm_sim.core.keys.header import Header
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.lmk import AesBlockLmk, Lmk, VariantLmk, house_lmk
from hsm_sim.core.keys.public import PUBLIC, TEST_PAIRS, public_lmks
from hsm_sim.core.keys.types import PAIR_OF_CODE, TYPES, pair_of
from tests.hsm_sim.keys.builders import carried, des_keys, material_of, typed
from tests.support.hsm import MASTER, seeded, vectors

BLOCK_LMKS = st.sampled_from([("01", "S"), ("02", "S"), ("02", "R")])
KEY_TYPES = st.builds("{}{}".format, st.integers(0, 9), st.sampled_from(sorted(PAIR_OF_CODE)))
SCHEMES = {"U": 16, "X": 16, "T": 24, "Y": 24, "Z": 8}


def refusal(lmk: Lmk, field: str, usages: tuple[str, ...] = ("001",)) -> str:
    with pytest.raises(HsmError) as refused:
        lmk.read(field, usages)
    return refused.value.code


class TestVariant:
    """The key type selects pair and variant; the scheme letter selects length and variants of the parts."""

    @pytest.mark.parametrize("vector", vectors("lmk_variant_unwrap_kcv"))
    def test_published_cryptograms_open(self, vector: dict[str, Any]) -> None:
        inputs, expected = vector["inputs"], vector["expected"]

        key = PUBLIC["00"].read(inputs["cryptogram"], (inputs["key_type"],))

        assert material_of(key).hex().upper() == expected["key"]
        assert key.check_value(len(expected["kcv"])) == expected["kcv"]

    @pytest.mark.parametrize("vector", [v for v in vectors("lmk_variant_wrap") if "key_type" in v["inputs"]])
    def test_published_cryptograms_are_made(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        key = typed(inputs["key_type"], bytes.fromhex(inputs["key"]))

        assert PUBLIC["00"].write(key, inputs["scheme"], seeded()) == vector["expected"]

    @pytest.mark.parametrize("vector", [v for v in vectors("lmk_variant_wrap") if "variant" in v["inputs"]])
    def test_a_published_cryptogram_under_a_pair_without_a_key_type_is_made(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        pair = schemes.with_variant(bytes.fromhex(inputs["lmk"]), inputs["variant"])

        assert schemes.wrap(pair, bytes.fromhex(inputs["key"]), inputs["scheme"]) == vector["expected"]

    @given(KEY_TYPES, st.sampled_from(sorted(SCHEMES)), st.data())
    def test_every_type_and_scheme_goes_round(self, key_type: str, scheme: str, data: st.DataObject) -> None:
        key = typed(key_type, data.draw(des_keys(SCHEMES[scheme])))

        field = PUBLIC["00"].write(key, scheme, seeded())
        again = PUBLIC["00"].read(field, ("C0", key_type, "001"))

        assert len(field) == schemes.key_field_length(field, 0)
        assert material_of(again) == material_of(key)
        assert again.header == key.header

    @given(des_keys(8, 16, 24), KEY_TYPES)
    def test_bare_cryptograms_go_round(self, material: bytes, key_type: str) -> None:
        field = PUBLIC["00"].write(typed(key_type, material), schemes.BARE, seeded())

        assert len(field) == 2 * len(material)
        assert material_of(PUBLIC["00"].read(field, (key_type,))) == material

    def test_a_cryptogram_under_another_type_does_not_have_parity(self) -> None:
        field = PUBLIC["00"].write(typed("001", bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")), "U", seeded())

        assert refusal(PUBLIC["00"], field, ("002",)) == "10"

    @pytest.mark.parametrize(
        ("scheme", "length", "code"),
        [("U", 24, "27"), ("T", 16, "27"), ("Z", 16, "27"), ("S", 16, "26"), ("R", 16, "26"), ("Q", 16, "26")],
    )
    def test_a_scheme_that_does_not_fit_is_refused(self, scheme: str, length: int, code: str) -> None:
        key = Key(Header("001", "T", "N"), bytes(range(length)))

        with pytest.raises(HsmError) as refused:
            PUBLIC["00"].write(key, scheme, seeded())

        assert refused.value.code == code

    @pytest.mark.parametrize(
        ("field", "code"),
        [
            ("", "26"),
            ("S10096B0TN00E0002", "26"),
            ("R", "26"),
            ("K001", "26"),
            ("Q" + "0" * 32, "26"),
            ("U" + "0" * 31, "15"),
            ("U" + "0" * 48, "15"),
            ("U" + "g" * 32, "15"),
            ("0" * 40, "15"),
        ],
    )
    def test_a_field_that_is_no_cryptogram_is_refused(self, field: str, code: str) -> None:
        assert refusal(PUBLIC["00"], field) == code

    def test_a_command_that_takes_blocks_only_is_refused(self) -> None:
        assert refusal(PUBLIC["00"], "0" * 16, ("P0",)) == "A6"

    @pytest.mark.parametrize("key_type", ["00F", "A01", "0ff", "xyz"])
    def test_an_unknown_type_is_refused(self, key_type: str) -> None:
        assert refusal(PUBLIC["00"], "0" * 16, (key_type,)) == "28"

    def test_an_aes_key_has_no_place_under_it(self) -> None:
        with pytest.raises(HsmError) as refused:
            PUBLIC["00"].write(Key(Header("001", "A", "B"), bytes(16)), "U", seeded())

        assert refused.value.code == "A7"

    def test_single_length_keys_need_permission(self) -> None:
        field = PUBLIC["00"].write(typed("001", bytes.fromhex("0123456789ABCDEF")), "Z", seeded())

        assert PUBLIC["00"].read(field, ("001",)).header.algorithm == "D"
        assert refusal(VariantLmk(TEST_PAIRS), field) == "27"

    def test_every_known_type_has_a_pair(self) -> None:
        assert all(pair_of(key_type)[0] < len(TEST_PAIRS) for key_type in TYPES)

    def test_its_check_value_is_that_of_the_open_simulators(self) -> None:
        (vector,) = vectors("lmk_checksum_nc")

        assert PUBLIC["00"].check == vector["expected"]


class TestKeyBlock:
    """A key block LMK reads what a block says of itself, and writes blocks only."""

    @pytest.mark.parametrize(("version", "identifier"), [("0", "01"), ("1", "02")])
    def test_published_blocks_open(self, version: str, identifier: str) -> None:
        for vector in vectors(f"thales_keyblock_unwrap_v{version}"):
            expected = vector["expected"]

            key = PUBLIC[identifier].read(vector["inputs"]["block"], ())

            if isinstance(expected, dict):
                assert (material_of(key).hex().upper(), key.kcv) == (expected["key"], expected["kcv"])
            else:
                assert material_of(key).hex().upper() == expected

    @given(BLOCK_LMKS, carried(longest=40))
    def test_every_key_goes_round(self, under: tuple[str, str], what: Any) -> None:
        identifier, scheme = under
        header = what.header._replace(usage="D0")
        key = Key(header, what.material, what.blocks, single_length=True)

        again = PUBLIC[identifier].read(PUBLIC[identifier].write(key, scheme, seeded()), ())

        assert (again.header, material_of(again), again.blocks) == (header, what.material, what.blocks)

    def test_a_thales_block_names_its_lmk(self) -> None:
        key = Key(Header("P0", "T", "B"), bytes(range(16)))

        assert PUBLIC["02"].write(key, "S", seeded())[15:17] == "02"
        assert house_lmk(MASTER, "switch", "07").write(key, "S", seeded())[15:17] == "07"

    @pytest.mark.parametrize(("identifier", "scheme"), [("01", "U"), ("01", "R"), ("02", "Z"), ("02", "")])
    def test_other_schemes_are_refused(self, identifier: str, scheme: str) -> None:
        with pytest.raises(HsmError) as refused:
            PUBLIC[identifier].write(Key(Header("P0", "T", "B"), bytes(range(16))), scheme, seeded())

        assert refused.value.code == "26"
        assert refusal(PUBLIC[identifier], scheme + "0" * 32) == "26"

    def test_a_key_with_a_key_type_has_no_place_under_it(self) -> None:
        with pytest.raises(HsmError) as refused:
            PUBLIC["02"].write(typed("001", bytes(range(16))), "S", seeded())

        assert refused.value.code == "83"

    def test_single_length_keys_need_permission(self) -> None:
        field = PUBLIC["02"].write(Key(Header("P0", "D", "B"), bytes(8), single_length=True), "S", seeded())

        assert PUBLIC["02"].read(field, ()).length == 8
        assert refusal(public_lmks(single_length=False)["02"], field) == "27"

    def test_the_check_value_of_the_aes_test_lmk_is_that_of_a_device(self) -> None:
        (vector,) = vectors("kcv_thales_aes_keyblock_lmk")

        assert PUBLIC["02"].check == vector["expected"].ljust(16, "0")


class TestTables:
    """Decimalisation tables travel encrypted under the LMK, and only tables come out again."""

    def test_the_published_table(self) -> None:
        (vector,) = vectors("thales_encrypted_decimalisation_table")

        assert PUBLIC["01"].encrypt_table(vector["inputs"]["clear"]) == vector["expected"]
        assert PUBLIC["01"].decrypt_table(vector["expected"]) == vector["inputs"]["clear"]

    @given(st.sampled_from(sorted(PUBLIC)), st.text("0123456789", min_size=16, max_size=16))
    def test_every_table_goes_round(self, identifier: str, digits: str) -> None:
        field = PUBLIC[identifier].encrypt_table(digits)

        assert len(field) == (32 if identifier == "02" else 16)
        assert PUBLIC[identifier].decrypt_table(field) == digits

    @pytest.mark.parametrize("identifier", sorted(PUBLIC))
    def test_what_is_no_table_is_refused(self, identifier: str) -> None:
        length = 32 if identifier == "02" else 16
        for field, code in (("0" * length, "25"), ("0" * (length - 1), "15"), ("g" * length, "15")):
            with pytest.raises(HsmError) as refused:
                PUBLIC[identifier].decrypt_table(field)
            assert refused.value.code == code
        with pytest.raises(HsmError) as no_table:
            PUBLIC[identifier].encrypt_table("012345678901234A")
        assert no_table.value.code == "25"


class TestSecrecy:
    """An LMK never shows itself, and each has a PIN key of its own that is not the LMK."""

    def test_its_text_shows_the_check_value_only(self) -> None:
        shown = " ".join(map(repr, PUBLIC.values())).upper()

        assert "9B71333A" not in shown
        assert "0123456789ABCDEF" not in shown
        assert all(lmk.check in shown for lmk in PUBLIC.values())

    def test_pin_keys_differ(self) -> None:
        ciphers = {lmk.pin_cipher() for lmk in (*PUBLIC.values(), house_lmk(MASTER, "a"), house_lmk(MASTER, "b"))}

        assert len(ciphers) == 5
        assert {len(cipher) for cipher in ciphers} == {32}

    def test_the_same_master_secret_gives_the_same_lmk(self) -> None:
        field = house_lmk(MASTER, "switch").write(Key(Header("P0", "T", "B"), bytes(range(16))), "R", seeded())

        assert house_lmk(MASTER, "switch").read(field, ()).header.usage == "P0"

    def test_a_master_secret_of_another_length_is_refused(self) -> None:
        with pytest.raises(HsmError) as refused:
            house_lmk(MASTER[:16], "switch")

        assert refused.value.code == "27"

    def test_another_lmk_of_the_same_kind_opens_nothing(self) -> None:
        field = PUBLIC["02"].write(Key(Header("P0", "T", "B"), bytes(range(16))), "S", seeded())

        assert refusal(AesBlockLmk(bytes(32)), field) == "A4"
