"""KQ, KW, KU, ZW, ZY: chip cards' cryptograms, the issuer's answers and scripts."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm_sim.core import indexes
from hsm_sim.core.commands.fields import Value
from hsm_sim.core.crypto import emv, scripts, versions
from hsm_sim.core.crypto.ciphers import CardKey, Tdes, pad
from hsm_sim.core.crypto.macs import mac_algorithm_3
from hsm_sim.core.crypto.versions import TERMINAL_TAGS, Version
from hsm_sim.requests import MakeArqc, PersonaliseCard, VerifyArqc
from iso.errors import LocalProtocolError
from iso.subfields import BerTlv, Node
from tests.hsm_sim.commands.opened import TDES_BLOCK, ask, block_key, code_of, variant_key
from tests.support.hsm import PAN, Hsm
from tests.support.vectors import vectors

HSM = Hsm()
IMK = "0123456789ABCDEFFEDCBA9876543210"
MK_AC = variant_key("109", IMK)
CAPTURED = "S00072E0TN00S00012574E37226ADAA76E5B8F2C4F14AD34F1F054EF52CB56BE2F4D03BEA"
TAGS: dict[str, bytes] = {
    "9F02": bytes.fromhex("000000004000"),
    "9F03": bytes(6),
    "9F1A": bytes.fromhex("0124"),
    "95": bytes.fromhex("8000048000"),
    "5F2A": bytes.fromhex("0124"),
    "9A": bytes.fromhex("191105"),
    "9C": b"\x01",
    "9F37": bytes.fromhex("52BF4585"),
    "82": bytes.fromhex("1800"),
    "9F36": bytes.fromhex("001C"),
}
ISSUER_DATA = {
    "visa 10": ("visa", "06010A03A06010"),
    "visa 18": ("visa", "06011203A0B800"),
    "visa 22": ("visa", "06012203A0B800"),
    "mastercard 16": ("mastercard", "0110A000032200000000"),
    "mastercard 17": ("mastercard", "0111A00003220000000000000000000322FF"),
    "mastercard 20": ("mastercard", "0114A000032200000000"),
    "mastercard 21": ("mastercard", "0115A00003220000000000000000000322FF"),
}


class Paid(NamedTuple):
    """A transaction: whose versions, the version, the card's key, its chip data and what the card signed."""

    scheme: str
    version: Version
    card: emv.ChipKey
    tags: dict[str, bytes]
    arqc: bytes


def paid(name: str, pan: str = PAN, psn: str = "01") -> Paid:
    scheme, issuer_data = ISSUER_DATA[name]
    tags = TAGS | {"9F10": bytes.fromhex(issuer_data)}
    named = versions.visa_version if scheme == "visa" else versions.mastercard_version
    version = named(tags["9F10"])
    card = emv.IssuerMasterKey(bytes.fromhex(IMK)).card(emv.card_block(pan, psn, version.card_key))
    return Paid(scheme, version, card, tags, versions.make_cryptogram(version, card, tags))


class TestKnownTransactions:
    """Captured commands and transactions that another implementation checked with an HSM verify."""

    def test_captured_kq(self) -> None:
        (vector,) = vectors("arpc_KQ_scheme0_method1")
        inputs = vector["inputs"]
        signed = bytes.fromhex("00000000000000000000000009780000000000097820121431C2C6A0915800740003A00000")
        card, arqc = bytes.fromhex(inputs["pan_psn_8B"]), bytes.fromhex(inputs["arqc"])
        head = f"{CAPTURED}".encode() + card + bytes.fromhex("7400C2C6A091")
        data, arc = b"%02X" % len(signed) + signed + b";", bytes.fromhex(inputs["arc"])
        arpc = b"KR00" + bytes.fromhex(vector["expected"])

        assert HSM.frame("open", b"KQ00" + head + data + arqc + b"%01") == b"KR00"
        assert HSM.frame("open", b"KQ10" + head + data + arqc + arc + b"%01") == arpc
        assert HSM.frame("open", b"KQ20" + head + arqc + arc + b"%01") == arpc
        assert HSM.frame("open", b"KQ10" + head + data + bytes(8) + arc + b"%01") == b"KR01" + arqc

    def test_captured_kw(self) -> None:
        (vector,) = vectors("arqc_verify_KW_scheme0_emv2000")
        inputs = vector["inputs"]
        signed, arqc = bytes.fromhex(inputs["data"]), bytes.fromhex(vector["expected"])
        head = f"KW00{CAPTURED}".encode() + bytes.fromhex(inputs["iv"]) + bytes.fromhex(inputs["pan_psn_8B"])
        rest = b"1" + bytes.fromhex(inputs["atc"]) + b"%02X" % len(signed) + signed + b";"

        assert HSM.frame("open", head + rest + arqc + b"%01") == b"KX00"
        assert HSM.frame("open", head + rest + bytes(8) + b"%01") == b"KX01" + arqc

    @pytest.mark.parametrize("cvn", ["16", "20", "21"])
    def test_mastercard(self, cvn: str) -> None:
        (vector,), (answer,) = vectors(f"arqc_mastercard_cvn{cvn}"), vectors(f"arpc_mastercard_cvn{cvn}")
        issuer_data = f"00{int(cvn):02X}{vector['inputs']['cvr']}0000{vector['inputs'].get('counters', '')}"

        checked = HSM.ask("open", self.request(vector, "mastercard", issuer_data, answer["inputs"]["arc"]))

        assert (checked.code, checked.arpc.hex().upper()) == ("00", answer["expected"])

    def test_visa(self) -> None:
        (ten,), (later,), (answer,) = (
            vectors("arqc_visa_cvn10"),
            vectors("arqc_visa_cvn22"),
            vectors("arpc_visa_cvn18"),
        )

        old = HSM.ask("open", self.request(ten, "visa", "06010A" + ten["inputs"]["cvr"], "3030"))
        new = HSM.ask("open", self.request(later, "visa", later["inputs"]["9F10"], answer["inputs"]["csu"]))

        assert (old.code, len(old.arpc)) == ("00", 8)
        assert (new.code, new.arpc.hex().upper()) == ("00", answer["expected"])

    def request(self, vector: dict[str, Any], scheme: str, issuer_data: str, response: str) -> VerifyArqc:
        inputs = vector["inputs"]
        return VerifyArqc(
            variant_key("109", inputs["imk_ac"]),
            inputs["pan"],
            inputs["psn"],
            scheme,
            {tag: bytes.fromhex(inputs[tag]) for tag in TERMINAL_TAGS} | {"9F10": bytes.fromhex(issuer_data)},
            bytes.fromhex(vector["expected"]),
            bytes.fromhex(response),
        )


class TestVersions:
    """The issuer's check and answer agree with what the card computes by itself, for every version."""

    @pytest.mark.parametrize("name", sorted(ISSUER_DATA))
    @pytest.mark.parametrize("pan", [PAN, "4242424242424242424"])
    def test_check_and_answer(self, name: str, pan: str) -> None:
        scheme, version, card, tags, arqc = paid(name, pan)
        response = b"00" if version.answer == 1 else bytes(4)
        request = VerifyArqc(MK_AC, pan, "01", scheme, tags, arqc, response)

        checked, wrong = HSM.ask("open", request), HSM.ask("open", request._replace(arqc=bytes(8)))
        silent = HSM.ask("open", request._replace(response=b""))

        assert checked == ("00", versions.make_answer(version, card, tags, arqc, response))
        assert wrong == ("01", b"")
        assert silent == ("00", b"")

    def test_method_2_binds_proprietary_data(self) -> None:
        scheme, version, card, tags, arqc = paid("visa 18")
        request = VerifyArqc(MK_AC, PAN, "01", scheme, tags, arqc, bytes(4), b"own data")

        checked = HSM.ask("open", request)

        assert checked.arpc == versions.make_answer(version, card, tags, arqc, bytes(4), b"own data")

    @pytest.mark.parametrize("tags", [{}, {"9F10": b""}, {"9F10": bytes.fromhex("06010A03A06010")}])
    def test_chip_data_that_no_card_signed_are_not_sent(self, tags: dict[str, bytes]) -> None:
        with pytest.raises(LocalProtocolError):
            VerifyArqc(MK_AC, PAN, "01", "visa", tags, bytes(8)).encode()

    @settings(max_examples=50)
    @given(st.binary(min_size=1, max_size=255), st.binary(min_size=4, max_size=4), st.sampled_from("012"))
    def test_any_data_in_kq(self, data: bytes, un: bytes, scheme: str) -> None:
        block = emv.card_block(PAN, "00")
        card = emv.IssuerMasterKey(bytes.fromhex(IMK)).card(block)
        session = card.session(emv.mastercard_diversifier(b"\0\1", un)) if scheme == "1" else card.whole
        arqc = mac_algorithm_3(session, pad(data, "1"))

        answer = ask(
            HSM, "KQ", mode="0", scheme=scheme, mk_ac=MK_AC, card=block, atc=b"\0\1", un=un, data=data, arqc=arqc
        )

        assert answer == ("00", {})

    @pytest.mark.parametrize("tree", ["0", "1"])
    @pytest.mark.parametrize("scheme", ["0", "1"])
    def test_both_trees_with_both_options(self, tree: str, scheme: str) -> None:
        branch, height = {"0": (2, 16), "1": (4, 8)}[tree]
        pan, vector = "4242424242424242424", bytes(range(16))
        block = emv.card_block(pan, "01", "AB"[int(scheme)])
        card = emv.derive_card_key(Tdes(bytes.fromhex(IMK)), block)
        session = CardKey(emv.tree_session_key(card, b"\x12\x34", branch, height, vector))
        arqc = mac_algorithm_3(session, pad(b"signed", "1"))
        who: dict[str, Value] = {"pan": bytes.fromhex("0" + pan + "01")} if scheme == "1" else {"card": block}

        answer = ask(
            HSM,
            "KW",
            mode="1",
            scheme=scheme,
            mk_ac=MK_AC,
            vector=vector,
            tree=tree,
            atc=b"\x12\x34",
            data=b"signed",
            arqc=arqc,
            arc=b"00",
            **who,
        )

        assert answer.code == "00"
        assert answer.values["cryptogram"] == session.both.encrypt(
            (int.from_bytes(arqc, "big") ^ int.from_bytes(b"00" + bytes(6), "big")).to_bytes(8, "big")
        )


class TestRefusals:
    """Wrong modes, schemes, keys and lengths have their codes, and the right cryptogram stays inside."""

    def kq(self, **more: Value) -> dict[str, Value]:
        common: dict[str, Value] = {
            "mode": "0",
            "scheme": "0",
            "mk_ac": MK_AC,
            "card": bytes(8),
            "atc": bytes(2),
            "un": bytes(4),
            "data": b"signed",
            "arqc": bytes(8),
        }
        return common | more

    @pytest.mark.parametrize(
        ("command", "code"),
        [
            (b"KQ5", "04"),
            (b"KQ03", "05"),
            (b"KW5", "04"),
            (b"KW04", "05"),
            (b"KW00{key}" + bytes(24) + b"2", "52"),
            (b"KQ00{key}" + bytes(14) + b"00;" + bytes(8), "81"),
            (b"KQ00{key}" + bytes(14) + b"05;" + bytes(3), "80"),
            (b"KQ00{key}" + bytes(14) + b"01xx" + bytes(8), "15"),
            (b"KQ00{smi}" + bytes(14) + b"01x;" + bytes(8) + b"%01", "A6"),
            (b"KQ00{zero}" + bytes(14) + b"01x;" + bytes(8), "10"),
            (b"KW42{key}" + bytes(10) + bytes(8) + bytes(4) + b"9" + bytes(9), "15"),
        ],
    )
    def test_a_refusal(self, command: bytes, code: str) -> None:
        keys = {b"{key}": MK_AC, b"{smi}": block_key("E2", IMK), b"{zero}": "U" + "00" * 16}
        for name, key in keys.items():
            command = command.replace(name, key.encode())

        assert code_of(HSM, command) == code

    def test_the_right_cryptogram_comes_out_in_the_authorised_state_only(self) -> None:
        at_home = self.kq(mk_ac=indexes.MK_AC)

        assert ask(HSM, "KQ", "issuer-a", **at_home) == ("01", {})
        assert ask(HSM, "KQ", **self.kq()).values.keys() == {"cryptogram"}

    def test_the_mac_of_discretionary_data(self) -> None:
        master = bytes.fromhex(IMK)
        smi = emv.IssuerMasterKey(master).card(bytes(8))
        session = CardKey(emv.visa_script_key(smi.material, bytes(2)))
        mac = mac_algorithm_3(session, pad(b"discretionary", "2"))[:4]
        arqc = mac_algorithm_3(smi.whole, pad(b"signed", "1"))
        good = self.kq(mode="3", mk_smi=variant_key("209", IMK), arqc=arqc, mac=mac, discretionary=b"discretionary")

        assert ask(HSM, "KQ", **good) == ("00", {})
        assert len(bytes(ask(HSM, "KQ", **good | {"mode": "4", "arc": b"00"}).values["cryptogram"])) == 8  # type: ignore[arg-type]
        assert ask(HSM, "KQ", **good | {"mac": bytes(4)}).code == "06"
        assert ask(HSM, "KQ", **good | {"discretionary": b""}).code == "82"
        assert ask(HSM, "KQ", **good | {"scheme": "1"}).code == "03"


class TestScripts:
    """KU secures what the issuer sends into the card."""

    def test_the_known_mac(self) -> None:
        (script,), (vector,) = vectors("issuer_script_mac_visa_cvn18"), vectors("arqc_visa_cvn22")
        inputs, arqc = script["inputs"], bytes.fromhex(vector["expected"])
        command = bytes.fromhex(inputs["command"]) + bytes.fromhex(inputs["atc"]) + arqc

        answer = ask(
            HSM,
            "KU",
            mode="0",
            scheme="0",
            mk_smi=variant_key("209", inputs["imk_smi"]),
            card=emv.card_block(vector["inputs"]["pan"], vector["inputs"]["psn"], "B"),
            session=bytes(6) + bytes.fromhex(inputs["atc"]),
            data=command,
        )

        assert answer.values["mac"] == bytes.fromhex(script["expected"])

    @pytest.mark.parametrize(("scheme", "form"), [("0", "visa"), ("1", "mastercard"), ("2", "emv")])
    def test_an_enciphered_part_is_put_in_before_the_mac_is_made(self, scheme: str, form: str) -> None:
        session = bytes(6) + b"\x00\x1c"
        card = emv.IssuerMasterKey(bytes.fromhex(IMK)).card(bytes(8))
        visa = CardKey(emv.visa_script_key(card.material, session[-2:]))
        key = visa if scheme == "0" else card.session(session)

        answer = ask(
            HSM,
            "KU",
            mode="1",
            scheme=scheme,
            mk_smi=variant_key("209", IMK),
            mk_smc=variant_key("309", IMK),
            card=bytes(8),
            session=session,
            data=b"headtail",
            offset="0004",
            secret_session=session,
            secret=b"new PIN",
        )

        sealed = bytes(answer.values["sealed"])  # type: ignore[arg-type]
        assert scripts.decipher(key, sealed, form, len(b"new PIN")) == b"new PIN"
        assert answer.values["mac"] == scripts.script_mac(key, b"head" + sealed + b"tail")

    @pytest.mark.parametrize(
        ("changes", "code"), [({"data": b""}, "81"), ({"offset": "0009"}, "15"), ({"secret": b""}, "15")]
    )
    def test_a_refusal(self, changes: dict[str, Value], code: str) -> None:
        values: dict[str, Value] = {
            "mode": "1",
            "scheme": "0",
            "mk_smi": variant_key("209", IMK),
            "mk_smc": variant_key("309", IMK),
            "card": bytes(8),
            "session": bytes(8),
            "data": b"command",
            "offset": "0000",
            "secret_session": bytes(8),
            "secret": b"secret",
        }

        assert ask(HSM, "KU", **values | changes).code == code


class TestTestCards:
    """ZW and ZY play the card: in the authorised state only, and never for the issuer of a house that is not in it."""

    KEYS = (MK_AC, variant_key("209", IMK), variant_key("309", IMK), variant_key("709", IMK))

    @pytest.mark.parametrize("option", ["A", "B"])
    def test_a_cards_keys(self, option: str) -> None:
        pan = "4242424242424242424"
        expected = emv.emv_card_key(Tdes(bytes.fromhex(IMK)), pan, "01", option).hex().upper()

        keys = HSM.ask("open", PersonaliseCard(self.KEYS, pan, "01", option))

        assert keys == ("00", expected, expected, expected, expected)
        assert expected not in repr(keys)

    @pytest.mark.parametrize("name", sorted(ISSUER_DATA))
    def test_a_cryptogram_that_verifies(self, name: str) -> None:
        scheme, _, _, tags, arqc = paid(name)
        chip = BerTlv().build(Node(tag, raw) for tag, raw in tags.items())

        made = HSM.ask("open", MakeArqc(MK_AC, scheme, PAN, "01", chip))

        assert made.cryptogram == arqc.hex().upper()

    @pytest.mark.parametrize("chip", [b"", b"\x9f", bytes.fromhex("9F10070601FF03A06010"), bytes.fromhex("9F10020601")])
    def test_chip_data_that_no_card_signs(self, chip: bytes) -> None:
        assert HSM.ask("open", MakeArqc(MK_AC, "visa", PAN, "01", chip)).code == "15"

    @pytest.mark.parametrize("odd", [{"9F37": bytes(5)}, {"9F36": b"\x01"}])
    def test_chip_data_of_other_lengths_leave_no_trace(self, odd: dict[str, bytes]) -> None:
        scheme, _, _, tags, arqc = paid("mastercard 16")
        good, bad = (BerTlv().build(Node(tag, raw) for tag, raw in (tags | more).items()) for more in ({}, odd))

        refused = HSM.ask("open", MakeArqc(MK_AC, scheme, PAN, "01", bad))

        assert refused.code == "15"
        assert HSM.ask("open", MakeArqc(MK_AC, scheme, PAN, "01", good)).cryptogram == arqc.hex().upper()

    def test_not_outside_the_authorised_state(self) -> None:
        places = (indexes.MK_AC, indexes.MK_SMI, indexes.MK_SMC, indexes.MK_CVC3)

        assert HSM.ask("issuer-a", PersonaliseCard(places, PAN, "01")).code == "17"
        assert HSM.ask("issuer-a", MakeArqc(indexes.MK_AC, "visa", PAN, "01", b"")).code == "17"
        assert HSM.ask("acquirer", MakeArqc(indexes.MK_AC, "visa", PAN, "01", b"")).code == "68"

    def test_a_card_by_a_key_block(self) -> None:
        answer = ask(
            HSM,
            "ZW",
            mk_ac=block_key("E0", IMK),
            mk_smi=block_key("E2", IMK),
            mk_smc=block_key("E1", IMK),
            mk_cvc3=block_key("E6", IMK),
            pan=PAN,
            psn="01",
            option="A",
            lmk=TDES_BLOCK,
        )

        assert answer.code == "00"
