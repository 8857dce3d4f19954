"""A party's own key table: placing, replacing, listing; and dynamic key exchange from end to end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core import indexes
from hsm_sim.core.commands.fields import Value
from hsm_sim.core.commands.table import COMMANDS
from hsm_sim.core.commands.wire import decode_command, encode_command
from hsm_sim.requests import MakeCvv, MakeMac, VerifyCvv, VerifyMac
from hsm_sim.requests.keys import CheckKey, ExportKey, ImportKey, ListKeys, MakeKey, PlaceKey
from iso.errors import RemoteProtocolError
from tests.support.hsm import MASTER, PAN, Hsm

TO_SWITCH, FROM_ACQUIRER = indexes.zmk("switch"), indexes.zmk("acquirer")


class TestPlacing:
    """Free places are in the families 0 to E; a place that is taken wants a key for the same purpose."""

    def test_a_placed_key_works_and_survives_a_restart(self) -> None:
        hsm = Hsm()
        made = hsm.ask("switch", MakeKey("M6", "A3", "C"))

        placed = hsm.ask("switch", PlaceKey("KC01", made.key))
        hsm.restart(MASTER)

        assert placed.kcv == made.kcv == hsm.ask("switch", CheckKey("KC01")).kcv
        mac = hsm.ask("switch", MakeMac("KC01", b"data")).mac
        assert hsm.ask("switch", VerifyMac(made.key, b"data", mac)).code == "00"

    def test_a_key_can_be_replaced_only_when_asked_for(self) -> None:
        hsm = Hsm()
        first, second = (hsm.ask("switch", MakeKey("P0", "T2", "B")) for _ in range(2))
        hsm.ask("switch", PlaceKey("KD00", first.key))

        assert hsm.ask("switch", PlaceKey("KD00", second.key)).code == "21"
        assert hsm.ask("switch", CheckKey("KD00")).kcv == first.kcv
        assert hsm.ask("switch", PlaceKey("KD00", second.key, replace=True)).kcv == second.kcv
        hsm.restart(MASTER)
        assert hsm.ask("switch", CheckKey("KD00")).kcv == second.kcv

    @pytest.mark.parametrize(
        ("usage", "algorithm", "mode", "refusal"),
        [("D0", "T2", "B", "A6"), ("P0", "A3", "B", "A7"), ("P0", "T2", "D", "A8")],
    )
    def test_the_purpose_of_a_place_stays(self, usage: str, algorithm: str, mode: str, refusal: str) -> None:
        hsm = Hsm()
        key = hsm.ask("acquirer", MakeKey(usage, algorithm, mode)).key

        assert hsm.ask("acquirer", PlaceKey(indexes.zpk("switch"), key, replace=True)).code == refusal

    @pytest.mark.parametrize("place", ["KFFF", "KF80", "KXYZ", "0C00", "Kc00"])
    def test_other_places_are_refused(self, place: str) -> None:
        hsm = Hsm()
        key = hsm.ask("switch", MakeKey("P0", "T2", "B")).key

        assert hsm.ask("switch", PlaceKey(place, key)).code == "21"

    def test_keys_of_stored_rows_cannot_be_replaced(self) -> None:
        hsm = Hsm()
        key = hsm.ask("switch", MakeKey("D0", "A3", "B", "N")).key

        assert hsm.ask("switch", PlaceKey(indexes.DATA, key, replace=True)).code == "21"

    def test_only_keys_of_ones_own(self) -> None:
        hsm = Hsm()
        foreign = hsm.ask("acquirer", MakeKey("P0", "T2", "B")).key

        assert hsm.ask("switch", PlaceKey("KC00", foreign)).code == "A4"
        assert hsm.frame("switch", b"ZMKC002" + foreign.encode())[2:4] == b"15"
        assert hsm.frame("open", b"ZMKC000KC01")[2:4] == b"68"


class TestDynamicKeyExchange:
    """A new link key is made, carried, imported and put in its place on both sides."""

    def test_the_link_goes_on_with_the_new_key(self) -> None:
        hsm = Hsm()
        here, there = indexes.zak("switch"), indexes.zak("acquirer")
        before = hsm.ask("acquirer", MakeMac(here, b"message")).mac

        made = hsm.ask("acquirer", MakeKey("M6", "A1", "C", zmk=TO_SWITCH))
        taken = hsm.ask("switch", ImportKey(FROM_ACQUIRER, made.zmk_key))
        assert hsm.ask("acquirer", PlaceKey(here, made.key, replace=True)).kcv == made.kcv
        assert hsm.ask("switch", PlaceKey(there, taken.key, replace=True)).kcv == made.kcv
        hsm.restart(MASTER)

        after = hsm.ask("acquirer", MakeMac(here, b"message")).mac
        assert after != before
        assert hsm.ask("switch", VerifyMac(there, b"message", after)).code == "00"
        assert hsm.ask("switch", VerifyMac(there, b"message", before)).code == "01"


class TestListing:
    """The list names place, header, length, check value and neighbour, and never the key."""

    def test_the_ceremonys_keys_are_listed(self) -> None:
        hsm = Hsm()

        listed = {key.place: key for key in hsm.ask("switch", ListKeys()).keys}

        zmk = listed[FROM_ACQUIRER]
        assert (zmk.usage, zmk.algorithm, zmk.mode, zmk.exportability) == ("K1", "A", "B", "N")
        assert (zmk.length_bytes, zmk.neighbour) == (32, "acquirer")
        assert listed[indexes.DATA].neighbour == ""
        assert {place: key.kcv for place, key in listed.items()} == {
            place: kcv for place, kcv in hsm.engine.check_values()["switch"].items() if place != "LMK"
        }

    def test_it_goes_on_behind_a_place(self) -> None:
        hsm = Hsm()
        everything = hsm.ask("switch", ListKeys()).keys

        assert hsm.ask("switch", ListKeys(everything[3].place)).keys == everything[3:]
        assert hsm.ask("switch", ListKeys("KFFF")).keys == ()
        assert hsm.ask("switch", ListKeys("X000")).code == "21"

    def test_a_line_that_is_no_key_is_the_hsms_fault(self) -> None:
        with pytest.raises(RemoteProtocolError):
            ListKeys().parse(b"ZP000005K000 ")


class TestRoundTrip:
    """What the client writes for the key commands, options included, is what the engine reads."""

    KEYS = st.sampled_from(
        ["K0FF", "U" + "AB" * 16, "T" + "01" * 24, "0" * 16, "X" + "1F" * 16, "S1" + "0096" + "A" * 91]
    )
    ATTRIBUTES = st.fixed_dictionaries(
        {
            "usage": st.sampled_from(["P0", "K1", "51"]),
            "key_mode": st.sampled_from("BEN"),
            "key_version": st.sampled_from(["00", "c1"]),
            "exportability": st.sampled_from("ENS"),
            "optional_blocks": st.sampled_from(["", "00", "01TS06AB", "02TS04KS0AFFFFFF"]),
        }
    )

    @given(
        code=st.sampled_from(["A0", "A6", "A8"]),
        keys=st.tuples(KEYS, KEYS),
        flag=st.sampled_from("01"),
        attributes=st.none() | ATTRIBUTES,
        export=st.none() | st.sampled_from("ENS"),
        version=st.none() | st.sampled_from("ABCDE"),
        lmk=st.sampled_from(["", "00", "07"]),
    )
    def test_any_order_of_options(
        self,
        code: str,
        keys: tuple[str, str],
        flag: str,
        attributes: dict[str, str] | None,
        export: str | None,
        version: str | None,
        lmk: str,
    ) -> None:
        values: dict[str, Value] = {"key_type": "FFF", "zmk": keys[0], "zmk_scheme": "R"}
        values |= {
            "A0": {"mode": "1", "scheme": "S", "zmk_flag": flag},
            "A6": {"zmk_key": keys[1], "scheme": "S", "atalla": ""},
            "A8": {"key": keys[1], "zmk_flag": flag, "atalla": "12"},
        }[code]
        if code == "A6":
            del values["zmk_scheme"]
        values |= attributes or {}
        if code == "A0" and attributes:
            values["algorithm"] = "T2"
        if export and code == "A8":
            values["export"] = export
        if version and code != "A6":
            values["tr31_version"] = version

        command = encode_command(code, {**values, "lmk": lmk} if lmk else values) + b"\x19trailer"

        assert decode_command(COMMANDS[code], command, 2) == (values, lmk or None, b"\x19trailer")


class TestSharingACvk:
    """An issuer that wants its switch to stand in with a look at the CVV2 gives it the key, and no other issuer's."""

    def test_the_switch_verifies_and_cannot_make(self) -> None:
        hsm, card = Hsm(), (PAN, "3012", "000")
        given_out = hsm.ask("issuer-b", ExportKey(indexes.zmk("switch"), indexes.CVK)).zmk_key

        taken = hsm.ask("switch", ImportKey(indexes.zmk("issuer", 1), given_out))
        hsm.ask("switch", PlaceKey("KC10", taken.key))

        cvv = hsm.ask("issuer-b", MakeCvv(indexes.CVK, *card)).cvv
        assert hsm.ask("switch", VerifyCvv("KC10", *card, cvv)).code == "00"
        assert hsm.ask("switch", MakeCvv("KC10", *card)).code == "68"
        assert hsm.ask("switch", ImportKey(indexes.zmk("issuer", 0), given_out)).code == "A4"
