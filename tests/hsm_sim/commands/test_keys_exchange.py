"""Keys cross between parties: only under a key that they share, and only if they may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core import indexes
from hsm_sim.core.crypto.ciphers import odd_parity
from hsm_sim.core.keys import schemes
from hsm_sim.core.keys.header import Header
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.tr31 import Protection
from hsm_sim.core.policy import Policy
from hsm_sim.requests.keys import CheckKey, ExportKey, ImportKey, MakeKey
from tests.hsm_sim.commands.opened import block_key, code_of, variant_key
from tests.support.hsm import Hsm, seeded

ZMK_KEY = "89E88CF7931444F334BD7547FC3F380C"
BDK = "0123456789ABCDEFFEDCBA9876543210"
TO_SWITCH, FROM_ACQUIRER, FROM_SWITCH = indexes.zmk("switch"), indexes.zmk("acquirer"), indexes.zmk("switch")


def answer(command: str) -> str:
    """Send a command to the open port; return the answer behind its code."""
    return Hsm().frame("open", command.encode())[2:].decode("ascii")


def code(command: str) -> str:
    """Return the error code of a command at the open port."""
    return code_of(Hsm(), command.encode())


class TestBetweenParties:
    """The acquirer makes a key under the zone master key, the switch takes it in, nobody else can."""

    @pytest.mark.parametrize("scheme", ["R", "S"])
    @pytest.mark.parametrize("algorithm", ["T2", "A3"])
    def test_a_new_zpk_crosses(self, scheme: str, algorithm: str) -> None:
        hsm = Hsm()

        made = hsm.ask("acquirer", MakeKey("P0", algorithm, "B", zmk=TO_SWITCH, zmk_scheme=scheme))
        taken = hsm.ask("switch", ImportKey(FROM_ACQUIRER, made.zmk_key, scheme="S"))

        assert made.code == taken.code == "00"
        assert made.zmk_key[:2] == {"R": "RD", "S": "S1"}[scheme]
        assert made.kcv == taken.kcv == hsm.ask("switch", CheckKey(taken.key)).kcv
        assert hsm.ask("acquirer", CheckKey(taken.key)).code == "A4"
        assert hsm.ask("issuer-a", ImportKey(FROM_SWITCH, made.zmk_key)).code == "A4"

    def test_the_receiver_may_not_give_it_on_unless_the_sender_said_so(self) -> None:
        hsm = Hsm()
        key = hsm.ask("acquirer", MakeKey("P0", "A3", "B")).key

        for exportability, expected in (("N", "29"), ("E", "00")):
            sent = hsm.ask("acquirer", ExportKey(TO_SWITCH, key, exportability=exportability)).zmk_key
            taken = hsm.ask("switch", ImportKey(FROM_ACQUIRER, sent)).key
            assert hsm.ask("switch", ExportKey(indexes.zmk("issuer"), taken)).code == expected

    @pytest.mark.parametrize("place", [indexes.DATA, FROM_ACQUIRER])
    def test_a_key_that_may_not_leave_stays(self, place: str) -> None:
        assert Hsm().ask("switch", ExportKey(indexes.zmk("issuer"), place)).code == "29"

    def test_a_key_may_not_leave_with_more_freedom_than_it_has(self) -> None:
        assert Hsm().ask("acquirer", ExportKey(TO_SWITCH, indexes.zpk("switch"), exportability="S")).code == "AA"

    @pytest.mark.parametrize(("version", "expected"), [("D", "RD"), ("E", "RE"), ("", "RD")])
    def test_the_version_of_the_block_may_be_chosen(self, version: str, expected: str) -> None:
        hsm = Hsm()

        sent = hsm.ask("acquirer", ExportKey(TO_SWITCH, indexes.zpk("switch"), version=version))

        assert sent.zmk_key[:2] == expected
        assert hsm.ask("switch", ImportKey(FROM_ACQUIRER, sent.zmk_key)).kcv == sent.kcv

    def test_a_tdes_version_is_refused_under_an_aes_key(self) -> None:
        assert Hsm().ask("acquirer", ExportKey(TO_SWITCH, indexes.zpk("switch"), version="B")).code == "26"

    def test_a_cryptogram_would_lose_the_header(self) -> None:
        assert Hsm().ask("acquirer", ExportKey(TO_SWITCH, indexes.zpk("switch"), zmk_scheme="U")).code == "29"

    @given(st.data())
    def test_a_changed_block_is_refused(self, data: st.DataObject) -> None:
        hsm = Hsm()
        block = hsm.ask("acquirer", MakeKey("P0", "A3", "B", zmk=TO_SWITCH)).zmk_key
        at = data.draw(st.integers(17, len(block) - 1))
        other = data.draw(st.sampled_from([c for c in "0123456789ABCDEF" if c != block[at]]))

        changed = block[:at] + other + block[at + 1 :]

        assert hsm.ask("switch", ImportKey(FROM_ACQUIRER, changed)).code == "A4"

    def test_what_is_made_shows_no_key(self) -> None:
        hsm = Hsm()
        made = hsm.ask("acquirer", MakeKey("P0", "A3", "B", zmk=TO_SWITCH))

        for shown in (made, ImportKey(TO_SWITCH, made.zmk_key), ExportKey(TO_SWITCH, made.key), CheckKey(made.key)):
            assert made.key[16:] not in repr(shown)
            assert made.zmk_key[16:] not in repr(shown)


class TestCryptograms:
    """Under a variant LMK a key is a cryptogram on both sides."""

    @given(
        st.sampled_from(["001", "002", "402", "009", "109", "00A", "008"]),
        st.sampled_from([("U", 16), ("X", 16), ("T", 24), ("Y", 24), ("Z", 8)]),
        st.binary(min_size=24, max_size=24),
        st.integers(0, 31),
    )
    def test_what_is_exported_comes_back(
        self, key_type: str, scheme: tuple[str, int], material: bytes, atalla: int
    ) -> None:
        letter, length = scheme
        zmk, key = variant_key("000", ZMK_KEY), variant_key(key_type, material[:length], letter)

        sent = answer(f"A8{key_type}{zmk}{key}{letter}{atalla}")

        assert sent[:2] == "00"
        assert answer(f"A6{key_type}{zmk}{sent[2:-6]}{letter}{atalla}") == f"00{key}{sent[-6:]}"

    def test_an_atalla_variant_changes_the_cryptogram(self) -> None:
        zmk, key = variant_key("000", ZMK_KEY), variant_key("001", BDK)

        assert len({answer(f"A8001{zmk}{key}X{atalla}") for atalla in ("", "1", "2", "03")}) == 4
        assert answer(f"A8001{zmk}{key}X0") == answer(f"A8001{zmk}{key}X")
        assert code(f"A8001{zmk}{key}X32") == "15"

    def test_a_key_without_odd_parity_comes_in_with_a_warning(self) -> None:
        zmk_key = odd_parity(bytes.fromhex(ZMK_KEY))
        even = bytes(byte ^ 1 for byte in odd_parity(bytes.fromhex(BDK)))
        field = schemes.wrap(zmk_key, even, "X")

        for command in (f"A6001{variant_key('000', ZMK_KEY)}{field}U", f"FA{variant_key('000', ZMK_KEY)}{field};0U1"):
            taken = answer(command)
            assert taken[:2] == "01"
            assert taken[2:35] == variant_key("001", BDK)

    def test_parity_of_the_keys_under_the_lmk(self) -> None:
        zmk, damaged = variant_key("000", ZMK_KEY), "U" + "0" * 32

        assert code(f"A8001{damaged}{variant_key('001', BDK)}U") == "10"
        assert code(f"A8001{zmk}{damaged}U") == "11"
        assert code(f"GC{zmk}{damaged}") == "11"
        assert code(f"A6001{damaged}{variant_key('001', BDK)}U") == "10"

    def test_a_block_under_the_zmk_becomes_a_cryptogram_of_the_same_purpose(self) -> None:
        zmk = variant_key("000", ZMK_KEY)
        protection = Protection(odd_parity(bytes.fromhex(ZMK_KEY)), "T")
        block = "R" + protection.wrap(bytes.fromhex(BDK), Header("P0", "T", "B", "00", "E"), seeded())

        assert answer(f"A6001{zmk}{block}U")[2:35] == variant_key("001", BDK)
        assert code(f"A6402{zmk}{block}U") == "A6"

    @pytest.mark.parametrize("version", "ABC")
    def test_a_cryptogram_becomes_a_block_of_the_same_purpose(self, version: str) -> None:
        zmk, key = variant_key("000", ZMK_KEY), variant_key("001", BDK)

        plain = answer(f"A8001{zmk}{key}R!{version}")
        chosen = answer(f"A8001{zmk}{key}R&E!{version}#P0D05E00")

        assert plain[2:4] == f"R{version}"
        assert plain[8:15] == "P0TB00N"
        assert chosen[8:15] == "P0TD05E"
        assert code(f"A8001{zmk}{key}R#C0G00N00") == "A6"

    @pytest.mark.parametrize(
        ("key_type", "scheme", "refusal"),
        [("001", "S", "26"), ("001", "T", "27"), ("0ZZ", "U", "15"), ("FFF", "U", "28"), ("00F", "U", "28")],
    )
    def test_what_is_refused(self, key_type: str, scheme: str, refusal: str) -> None:
        zmk, field = variant_key("000", ZMK_KEY), schemes.wrap(bytes.fromhex(ZMK_KEY), bytes.fromhex(BDK), "X")

        assert code(f"A6{key_type}{zmk}{field}{scheme}") == refusal

    def test_a_terminal_master_key_is_named_by_the_flag(self) -> None:
        tmk, key = variant_key("002", ZMK_KEY), variant_key("001", BDK)

        assert answer(f"A8001;1{tmk}{key}X")[2:] == answer(f"A8001{variant_key('000', ZMK_KEY)}{key}X")[2:]
        assert code(f"A8001;2{tmk}{key}X") == "15"

    @pytest.mark.parametrize(("scheme", "refusal"), [("Z", "27"), ("X", "75")])
    def test_weak_keys_are_the_policys_business(self, scheme: str, refusal: str) -> None:
        zmk, half = variant_key("000", ZMK_KEY), odd_parity(bytes.fromhex(BDK[:16]))
        field = schemes.wrap(odd_parity(bytes.fromhex(ZMK_KEY)), half if scheme == "Z" else half * 2, scheme)
        command = f"A6001{zmk}{field}{scheme}"

        assert answer(command)[:2] == "00"
        assert code_of(Hsm(policies={"open": Policy()}), command.encode()) == refusal

    def test_an_lmk_that_is_not_there(self) -> None:
        assert code(f"A8001{variant_key('000', ZMK_KEY)}{variant_key('001', BDK)}U%09") == "13"


class TestKeyBlocksAndCryptograms:
    """Under a key block LMK a cryptogram from a peer needs attributes; a block has its own."""

    ZMK = block_key("K0", ZMK_KEY, mode="B")
    FIELD = schemes.wrap(bytes.fromhex(ZMK_KEY), odd_parity(bytes.fromhex(BDK)), "X")

    def test_a_cryptogram_gets_the_attributes(self) -> None:
        taken = answer(f"A6FFF{self.ZMK}{self.FIELD}S%01#P0B03E00")

        assert taken[2:17] == "S00072P0TB03E00"
        assert code(f"A6FFF{self.ZMK}{self.FIELD}S%01") == "15"

    def test_attributes_may_only_take_freedom_away_from_a_block(self) -> None:
        block = answer(f"A8FFF{self.ZMK}{block_key('P0', BDK, mode='B')}S%01")
        assert block[:2] == "29"

        free = Key(Header("P0", "T", "B", "00", "E"), bytes.fromhex(BDK))
        protection = Protection(bytes.fromhex(ZMK_KEY), "T")
        sent = "R" + free.derive(lambda material: protection.wrap(material, free.header, seeded()))
        assert answer(f"A6FFF{self.ZMK}{sent}S%01#P0B00N00")[14] == "N"
        assert code(f"A6FFF{self.ZMK}{sent}S%01#P0B00S00") == "AA"
        assert code(f"A6FFF{self.ZMK}{sent}S%01#C0C00E00") == "A6"

    def test_only_fff_names_a_key_block(self) -> None:
        assert code(f"A8001{self.ZMK}{block_key('P0', BDK)}S%01") == "28"
        assert code(f"A6001{self.ZMK}{self.FIELD}S%01#P0B00E00") == "28"

    def test_fa_takes_pin_keys_only(self) -> None:
        protection = Protection(bytes.fromhex(ZMK_KEY), "T")
        block = "R" + protection.wrap(bytes.fromhex(BDK), Header("D0", "T", "B", "00", "E"), seeded())

        assert code(f"FA{self.ZMK}{block}%01") == "A6"
        assert answer(f"FA{self.ZMK}{self.FIELD}%01")[2:17] == "S00072P0TB00E00"

    def test_an_aes_key_is_not_put_under_a_tdes_key(self) -> None:
        zmk = block_key("K1", "11" * 32, "A", "B", "02")
        key = block_key("P0", "22" * 32, "A", "B", "02")

        assert code(f"BWFFF{key};FFF%01") == "A7"
        assert answer(f"BUFFF{zmk};FFF%02")[:2] == "00"
