"""Keys cross under master keys as published test data has them, and only as far as they may."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.crypto.ciphers import odd_parity
from hsm_sim.core.errors import HsmError
from hsm_sim.core.keys import schemes
from hsm_sim.core.keys.exchange import combine, export, import_key
from hsm_sim.core.keys.header import Header
from hsm_sim.core.keys.key import Key, generate
from hsm_sim.core.keys.public import PUBLIC
from tests.hsm_sim.keys.builders import carried, des_keys, material_of, typed
from tests.support.hsm import seeded, vectors

LMK = PUBLIC["00"]
CRYPTOGRAM = {"U": 16, "X": 16, "T": 24, "Y": 24, "Z": 8}
BLOCK_FORMS = [("T", "S", ""), ("T", "R", "A"), ("T", "R", "B"), ("T", "R", "C"), ("T", "R", "")]
BLOCK_FORMS += [("A", "S", ""), ("A", "R", "D"), ("A", "R", "E"), ("A", "R", "")]


def master_key(algorithm: str = "T", mode: str = "B", usage: str = "K0", length: int = 16) -> Key:
    return generate(Header(usage, algorithm, mode), length, seeded("master"))


def exportable(usage: str = "P0", algorithm: str = "T", exportability: str = "S", length: int = 16) -> Key:
    return generate(Header(usage, algorithm, "B", exportability=exportability), length, seeded("key"))


def refusal(*arguments: Any, **named: Any) -> str:
    function, *rest = arguments
    with pytest.raises(HsmError) as refused:
        function(*rest, **named)
    return refused.value.code


class TestPublishedExchanges:
    """Keys of the public test LMK cross to and from a master key as an open simulator's tests have it."""

    def test_a_single_length_key_comes_in(self) -> None:
        vector = next(v for v in vectors("import_key_A6") if v["inputs"].get("scheme") == "Z")
        inputs = vector["inputs"]
        zmk = LMK.read(inputs["zmk"], ("000",))

        key, odd_parity = import_key(
            inputs["key_under_zmk"], zmk, Header(inputs["key_type"], "T", "N"), single_length=True
        )

        assert LMK.write(key, "Z", seeded()) + key.kcv == vector["expected"]
        assert odd_parity

    def test_a_double_length_key_comes_in(self) -> None:
        vector = next(v for v in vectors("import_key_A6") if "zmk" not in v["inputs"])
        host_data = vector["inputs"]["host_data"]
        zmk = LMK.read(host_data[3:36], ("000",))

        key, _ = import_key(host_data[36:69], zmk, Header(host_data[:3], "T", "N"))

        assert LMK.write(key, host_data[69], seeded()) + key.kcv == vector["expected"]

    @pytest.mark.parametrize(
        ("zmk", "key", "scheme", "expected"),
        [
            ("4ED06495741C280C", "0406FBB23A5214DF", "Z", "35ED0C0EA7F7D0FA0035BB"),
            ("U1457FF6ADF6250C66C368416B4C9D383", "7BB126F2BE631486", "Z", "16224FDAA779AFB31FFD3C"),
            (
                "U1457FF6ADF6250C66C368416B4C9D383",
                "U8463435FC4B4DAA0C49025272C29B12C",
                "U",
                "U2C62A23D001B97412950CD8BE66C7639070753",
            ),
        ],
    )
    def test_keys_go_out(self, zmk: str, key: str, scheme: str, expected: str) -> None:
        """Known answers of the open simulator nickntg/thalessimulatorlibrary (TestExportKey)."""
        leaving = LMK.read(key, ("002",))

        field = export(leaving, LMK.read(zmk, ("000",)), scheme, seeded())

        assert field + leaving.kcv == expected

    @pytest.mark.parametrize(
        ("key_type", "parts", "scheme", "expected"),
        [
            ("002", ["3B723AF4CF00A7A6", "954111D254A90D17", "EAAF49979FA95742"], "Z", "FE018240022A76DCA192FE"),
            (
                "000",
                [
                    "X2EC8A0412B5D0E86E3C1E5ABFA19B3F5",
                    "XFF43378ED5D85B1BC465BF000335FBF1",
                    "XA235EDF4C58A2CB0C84641D07319CF21",
                ],
                "X",
                "XC0BC1DFFC449A402DAB71250CA5869CC8CE396",
            ),
        ],
    )
    def test_components_form_a_key(self, key_type: str, parts: list[str], scheme: str, expected: str) -> None:
        """Known answers of the same simulator (TestFormKeyFromEncryptedComponents)."""
        key = combine([LMK.read(part, (key_type,)) for part in parts], single_length=True)

        assert LMK.write(key, scheme, seeded()) + key.kcv == expected

    @pytest.mark.parametrize(
        ("clear", "encrypted", "kcv"),
        [
            ("43455E25297CD946", "42D51505B7CFC461", "428C48"),
            ("834CDF1052761FBA", "9FB1185F9741502A", "D6FCF1"),
            ("5DD51A9BE957F71A", "619E36FE513CEA21", "EEC66C"),
        ],
    )
    def test_components_stand_under_the_lmk_as_keys_do(self, clear: str, encrypted: str, kcv: str) -> None:
        """A console session under the test LMK that was quoted on a public forum."""
        component = typed("000", bytes.fromhex(clear))

        assert (LMK.write(component, "Z", seeded()), component.kcv) == (encrypted, kcv)


class TestCryptograms:
    """A cryptogram brings the key over and nothing else; what it is for is the receiver's word."""

    @given(st.sampled_from(sorted(CRYPTOGRAM)), st.integers(0, 31), st.data())
    def test_every_scheme_goes_round(self, scheme: str, atalla: int, data: st.DataObject) -> None:
        zmk = typed("000", data.draw(des_keys(16, 24)))
        key = typed("001", data.draw(des_keys(CRYPTOGRAM[scheme])))

        field = export(key, zmk, scheme, seeded(), atalla=atalla)
        received, odd = import_key(field, zmk, Header("001", "T", "N"), atalla=atalla, single_length=True)

        assert (material_of(received), odd) == (material_of(key), True)

    def test_a_key_without_parity_comes_in_corrected_and_says_so(self) -> None:
        zmk = master_key()
        field = schemes.wrap(material_of(zmk), bytes(range(16)), "U")

        key, odd = import_key(field, zmk, Header("001", "T", "N"))

        assert not odd
        assert material_of(key) == odd_parity(bytes(range(16)))

    def test_an_atalla_variant_is_another_key(self) -> None:
        zmk, key = master_key(), exportable()

        received, _ = import_key(export(key, zmk, "U", seeded(), atalla=1), zmk, Header("P0", "T", "B"))

        assert material_of(received) != material_of(key)

    def test_a_cryptogram_without_a_purpose_is_refused(self) -> None:
        zmk = master_key()

        assert refusal(import_key, export(exportable(), zmk, "U", seeded()), zmk, None) == "26"

    def test_an_aes_key_does_not_cross_as_a_cryptogram(self) -> None:
        assert refusal(export, exportable(algorithm="A"), master_key(), "U", seeded()) == "A7"
        assert refusal(export, exportable(), master_key("A"), "U", seeded()) == "A7"


class TestBlocks:
    """A key block brings its purpose with it, and the receiver cannot take it for another."""

    @given(st.sampled_from(BLOCK_FORMS), carried("TH", longest=40))
    def test_every_form_goes_round(self, form: tuple[str, str, str], what: Any) -> None:
        algorithm, scheme, version = form
        header = what.header._replace(usage="D0", exportability="S")
        key = Key(header, what.material, what.blocks, single_length=True)
        zmk = master_key(algorithm)

        field = export(key, zmk, scheme, seeded(), version=version)
        received, odd = import_key(field, zmk, None, single_length=True)

        assert field[0] == scheme
        assert version in ("", field[1])
        assert odd
        assert (received.header, material_of(received), received.blocks) == (header, what.material, what.blocks)

    def test_a_thales_block_under_a_master_key_names_no_lmk(self) -> None:
        assert export(exportable(), master_key(), "S", seeded())[15:17] == "FF"

    def test_a_key_with_a_key_type_leaves_with_its_meaning(self) -> None:
        zmk = typed("000", bytes(range(16)))

        field = export(typed("402", bytes(range(16, 32))), zmk, "R", seeded())
        given_attributes = export(
            typed("002", bytes(range(16, 32))), zmk, "R", seeded(), attributes=Header("V2", "T", "V", "07", "N")
        )

        assert import_key(field, zmk, None).key.header == Header("C0", "T", "C", "00", "S")
        assert import_key(given_attributes, zmk, None).key.header == Header("V2", "T", "V", "07", "N")

    def test_attributes_of_another_purpose_are_refused(self) -> None:
        zmk, wrong = typed("000", bytes(range(16))), Header("P0", "T", "B")

        assert refusal(export, typed("402", bytes(range(16, 32))), zmk, "R", seeded(), attributes=wrong) == "A6"

    def test_a_block_becomes_a_key_type_of_its_meaning_only(self) -> None:
        zmk = master_key()
        field = export(exportable("P0"), zmk, "R", seeded())

        assert import_key(field, zmk, Header("001", "T", "N")).key.header.usage == "001"
        assert refusal(import_key, field, zmk, Header("402", "T", "N")) == "A6"
        assert refusal(import_key, field, zmk, Header("D0", "T", "B")) == "A6"

    def test_an_aes_key_does_not_travel_under_a_weaker_algorithm(self) -> None:
        assert refusal(export, exportable(algorithm="A"), master_key("T"), "R", seeded()) == "A7"

    @pytest.mark.parametrize(
        ("algorithm", "scheme", "version"), [("T", "R", "D"), ("A", "R", "B"), ("T", "Q", ""), ("T", "", "")]
    )
    def test_a_form_that_the_master_key_cannot_make_is_refused(self, algorithm: str, scheme: str, version: str) -> None:
        assert refusal(export, exportable(), master_key(algorithm), scheme, seeded(), version=version) == "26"

    @given(st.sampled_from(BLOCK_FORMS), st.integers(1, 300), st.sampled_from("0123456789ABCDEFSRG"))
    def test_no_character_can_be_changed(self, form: tuple[str, str, str], at: int, by: str) -> None:
        algorithm, scheme, version = form
        zmk = master_key(algorithm)
        field = export(exportable(), zmk, scheme, seeded(), version=version)
        at = 1 + at % (len(field) - 1)
        changed = field[:at] + by + field[at + 1 :]

        if changed != field:
            assert refusal(import_key, changed, zmk, None) in ("83", "A4")


class TestExportability:
    """N never leaves, E leaves as a block only, S in any form; nobody becomes freer on the way."""

    @pytest.mark.parametrize(
        ("exportability", "scheme", "code"), [("N", "U", "29"), ("N", "R", "29"), ("N", "S", "29"), ("E", "U", "29")]
    )
    def test_a_key_that_may_not_leave_does_not(self, exportability: str, scheme: str, code: str) -> None:
        assert refusal(export, exportable(exportability=exportability), master_key(), scheme, seeded()) == code

    @pytest.mark.parametrize(("exportability", "scheme"), [("E", "R"), ("E", "S"), ("S", "R"), ("S", "X")])
    def test_a_key_that_may_leave_does(self, exportability: str, scheme: str) -> None:
        assert export(exportable(exportability=exportability), master_key(), scheme, seeded())

    def test_the_sender_may_forbid_more_but_not_allow_more(self) -> None:
        key, zmk = exportable(exportability="E"), master_key()

        field = export(key, zmk, "R", seeded(), exportability="N")

        assert import_key(field, zmk, None).key.header.exportability == "N"
        assert refusal(export, key, zmk, "R", seeded(), exportability="S") == "AA"

    def test_the_receiver_may_forbid_more_but_not_allow_more(self) -> None:
        key, zmk = exportable(exportability="E"), master_key()
        field = export(key, zmk, "R", seeded())

        strict = import_key(field, zmk, Header("P0", "T", "B", exportability="N"))

        assert strict.key.header.exportability == "N"
        assert refusal(import_key, field, zmk, Header("P0", "T", "B", exportability="S")) == "AA"
        assert import_key(field, zmk, Header("001", "T", "N", exportability="S")).key.header.exportability == "E"

    @pytest.mark.parametrize(("mode", "usage", "code"), [("D", "K0", "A8"), ("G", "K0", "A8"), ("B", "P0", "A6")])
    def test_only_a_master_key_that_may_encrypt_wraps(self, mode: str, usage: str, code: str) -> None:
        assert refusal(export, exportable(), master_key("T", mode, usage), "R", seeded()) == code

    @pytest.mark.parametrize(("mode", "usage", "code"), [("E", "K0", "A8"), ("X", "K1", "A8"), ("B", "D0", "A6")])
    def test_only_a_master_key_that_may_decrypt_unwraps(self, mode: str, usage: str, code: str) -> None:
        field = export(exportable(), master_key(), "R", seeded())

        assert refusal(import_key, field, master_key("T", mode, usage), None) == code


class TestComponents:
    """A key is the exclusive or of its components, which must be of one kind."""

    @given(st.lists(des_keys(16), min_size=2, max_size=9))
    def test_the_order_does_not_matter(self, parts: list[bytes]) -> None:
        keys = [typed("000", part) for part in parts]

        assert material_of(combine(keys, single_length=True)) == material_of(combine(keys[::-1], single_length=True))

    def test_aes_components_keep_every_bit(self) -> None:
        header = Header("K0", "A", "B", "c1")
        parts = [Key(header, bytes(range(32))), Key(header, bytes(range(32, 64)))]

        key = combine(parts, Header("K0", "A", "B"))

        assert material_of(key) == bytes(left ^ right for left, right in zip(range(32), range(32, 64), strict=True))
        assert key.header.version == "00"

    def test_others_are_refused(self) -> None:
        one = typed("000", bytes(range(16)))

        assert refusal(combine, []) == "27"
        assert refusal(combine, [one]) == "27"
        assert refusal(combine, [one] * 10) == "27"
        assert refusal(combine, [one, typed("000", bytes(range(24)))]) == "27"
        assert refusal(combine, [one, typed("001", bytes(range(16)))]) == "A6"
        assert refusal(combine, [one, Key(Header("000", "A", "B"), bytes(16))]) == "A7"
