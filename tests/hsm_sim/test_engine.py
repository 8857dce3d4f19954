"""The command engine: roles, layouts, error codes, key tables, and any bytes at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hsm_sim.core import indexes
from hsm_sim.core.commands.row import answer_code
from hsm_sim.core.commands.table import COMMANDS, FAMILIES
from hsm_sim.core.errors import CODES, HsmError
from hsm_sim.core.roles import OPEN, ROLES
from hsm_sim.requests import (
    Detokenise,
    Diagnostics,
    Echo,
    Fingerprint,
    MakeCryptogram,
    MakeCvv,
    MakeMac,
    MakeMacs,
    OpenPan,
    Request,
    SealPan,
    StoreCard,
    VerifyCvv,
    VerifyMac,
    VerifyMacs,
)
from iso.errors import ConfigError, RemoteProtocolError
from node.core.turn import Turn
from tests.support.hsm import EPOCH, OF_ROLE, OTHER_PAN, PAN, PARTIES, Hsm

CVV_FIELDS = (PAN, "3012", "000")
REQUESTS: dict[str, Request[object]] = {
    "NC": Diagnostics(),
    "B2": Echo(b"hello"),
    "CW": MakeCvv(indexes.CVK, *CVV_FIELDS),
    "CY": VerifyCvv(indexes.CVK, *CVV_FIELDS, "000"),
    "M6": MakeMac(indexes.zak("switch"), b"data"),
    "M8": VerifyMac(indexes.zak("switch"), b"data", "0" * 16),
    "ZQ": MakeMacs(indexes.zak("switch"), [b"data", b"more data"]),
    "ZS": VerifyMacs(indexes.zak("switch"), [b"data" + bytes(8), b"more data" + bytes(8)]),
    "ZA": StoreCard(PAN, "3012", "737", "acct_1"),
    "ZC": MakeCryptogram("9999000000004242", 1, "840", "M"),
    "ZE": Detokenise("9999000000004242", "reference"),
    "ZG": Fingerprint(PAN),
    "ZI": SealPan(PAN),
    "ZK": OpenPan("00"),
}
COMMAND_BYTES = {code: request.encode() for code, request in REQUESTS.items()} | {"N0": b"N0016"}
DEVICE = {"NC", "NO", "B2", "N0", "LG"}
KEYS = {"A0", "A4", "A6", "A8", "BU", "KA", "BW", "HC", "IA", "FA", "GC", "ZM", "ZO"}
MACS = {"M6", "M8", "MY"}
LINKS = {"ZQ", "ZS"}
PINS_ON = {"CC"}
PINS_OF_TERMINALS = {"CA", "G0", "CI"}
DATA = {"M0", "M2", "M4", "GM"}
ISSUING = {
    *{"AS", "CW", "CY", "RY", "PM"},
    *{"DA", "EA", "DC", "EC", "DE", "BK", "DG", "FW", "EE", "CU", "DU"},
    *{"BA", "NG", "JA", "JC", "JE", "JG", "BC", "BE"},
    *{"KQ", "KW", "KU", "ZW", "ZY"},
}
STANDARD = DEVICE | KEYS | MACS | PINS_ON | PINS_OF_TERMINALS | DATA | ISSUING | {"GW"}
ALLOWED = {
    "gateway": DEVICE | {"ZA", "ZC", "Z0", "Z2", "Z4", "Z6", "Z8"},
    "acquirer": DEVICE | KEYS | MACS | LINKS | PINS_ON | PINS_OF_TERMINALS | DATA | {"GW"},
    "switch": DEVICE | KEYS | MACS | LINKS | PINS_ON | {"CY", "GM", "ZE", "ZI", "ZK"},
    "issuer": DEVICE | KEYS | MACS | LINKS | PINS_ON | DATA | ISSUING | {"ZG"},
    OPEN: STANDARD - {"ZM", "ZO"},
}
"""Written by hand, so that a row that grants too much is found: default deny."""

OF_EVERY_ROLE = {**OF_ROLE, OPEN: OPEN}


class TestRoles:
    """A role does what its row of the table says, and everything else is refused."""

    @pytest.mark.parametrize("role", [*ROLES, OPEN])
    @pytest.mark.parametrize("code", sorted(COMMANDS))
    def test_every_command_as_every_role(self, role: str, code: str) -> None:
        answer = Hsm().frame(OF_EVERY_ROLE[role], COMMAND_BYTES.get(code, code.encode()))

        assert answer[:2].decode() == answer_code(code)
        assert (answer[2:4] == b"68") == (code not in ALLOWED[role])

    def test_a_code_is_in_one_family_only(self) -> None:
        assert sum(len(rows) for rows in FAMILIES.values()) == len(COMMANDS)
        assert set(COMMANDS) == set().union(*ALLOWED.values())

    def test_a_denied_command_is_not_even_parsed(self) -> None:
        assert Hsm().frame("gateway", b"ZEgarbage") == b"ZF68"


class TestAnyBytes:
    """Whatever arrives is answered with a documented code or ends the connection; it never changes a row in part."""

    @settings(max_examples=300)
    @given(st.sampled_from(PARTIES), st.binary(max_size=80))
    def test_garbage(self, party: tuple[str, str], frame: bytes) -> None:
        _answered_or_closed(Hsm(), party[0], frame)

    @settings(max_examples=500)
    @given(st.sampled_from(sorted(COMMAND_BYTES)), st.data())
    @example("M6", None)
    def test_damaged_commands(self, code: str, data: st.DataObject | None) -> None:
        command = bytearray(COMMAND_BYTES[code])
        if data is not None:
            for _ in range(data.draw(st.integers(1, 3))):
                at = data.draw(st.integers(2, max(2, len(command) - 1)))
                command[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        hsm = Hsm()

        for party in PARTIES:
            _answered_or_closed(hsm, party.name, b"HEAD" + bytes(command))

    @given(st.sampled_from(sorted(COMMAND_BYTES)), st.data())
    def test_cut_commands_are_refused(self, code: str, data: st.DataObject) -> None:
        command = COMMAND_BYTES[code]
        if len(command) == 2:
            return
        hsm, length = Hsm(), data.draw(st.integers(2, len(command) - 1))

        for party in PARTIES:
            answer = hsm.frame(party.name, command[:length])
            assert answer[2:4] != b"00"

    @pytest.mark.parametrize("frame", [b"", b"HEAD", b"HEADN", b"HEADn0", b"HEAD\x00\x01", b"HEAD N0"])
    def test_a_frame_without_a_command_closes_the_connection(self, frame: bytes) -> None:
        with pytest.raises(RemoteProtocolError):
            Hsm().engine.handle("gateway", frame, 0.0, Turn(EPOCH))


class TestLayouts:
    """The documented layouts and codes, byte for byte."""

    @pytest.mark.parametrize(
        ("party", "command", "answer"),
        [
            ("gateway", b"B20005hello", b"B300hello"),
            ("gateway", b"B20006hello", b"B380"),
            ("gateway", b"B20004hello", b"B315"),
            ("gateway", b"B2000Ghello", b"B315"),
            ("gateway", b"QQ", b"QR67"),
            ("gateway", b"N0000", b"N180"),
            ("gateway", b"N0257", b"N180"),
            ("gateway", b"N0x16", b"N115"),
            ("issuer-a", b"CWU0123456789ABCDEF0123456789ABCDEF4242424242424242;3012000", b"CX26"),
            ("issuer-a", b"CWKFFF4242424242424242;3012000", b"CX12"),
            ("issuer-a", b"CWKxyz4242424242424242;3012000", b"CX21"),
            ("issuer-a", b"CWKF0042424242424242424242424242;3012000", b"CX22"),
            ("issuer-a", b"CWKF01" + b"4242424242424242;3012000", b"CXA6"),
            ("acquirer", b"M600160FFFK6000005data", b"M780"),
            ("acquirer", b"M600160009K6000004data", b"M705"),
            ("acquirer", b"M610160FFFK6000004data", b"M706"),
            ("acquirer", b"M600960FFFK6000004data", b"M715"),
            ("acquirer", b"M600161FFFK6000004data", b"M709"),
            ("acquirer", b"M600160FFFK2000004data", b"M7A6"),
            ("acquirer", b"M600132FFFK6000004data", b"M7A6"),
        ],
    )
    def test_an_answer(self, party: str, command: bytes, answer: bytes) -> None:
        got = Hsm().frame(party, command)

        assert got == answer

    def test_the_trailer_is_echoed_and_the_own_lmk_may_be_named(self) -> None:
        hsm = Hsm()

        assert hsm.frame("acquirer", b"B20001x%01\x19TRAILER") == b"B300x\x19TRAILER"
        assert hsm.frame("acquirer", b"B20002\x19%") == b"B300\x19%"

    @pytest.mark.parametrize("tail", [b"%00", b"%02", b"%05"])
    def test_another_partys_lmk_is_refused(self, tail: bytes) -> None:
        assert Hsm().frame("acquirer", b"B20001x" + tail) == b"B313"

    @pytest.mark.parametrize("tail", [b"%1", b"%xx", b"junk", b"\x19" + b"t" * 33])
    def test_anything_else_behind_the_fields_is_refused(self, tail: bytes) -> None:
        assert Hsm().frame("acquirer", b"B20001x" + tail)[:4] == b"B315"

    def test_a_hex_message_has_the_mac_of_its_bytes(self) -> None:
        hsm = Hsm()

        binary = hsm.frame("acquirer", b"M6001" + b"60FFFK6000004\x00\xff%;")
        in_hex = hsm.frame("acquirer", b"M6011" + b"60FFFK600000400FF253B")
        short = hsm.frame("acquirer", b"M6010" + b"60FFFK600000400FF253B")

        assert binary == in_hex
        assert len(binary) == 20
        assert short == binary[:12]

    def test_random_bytes_are_as_many_as_asked_for(self) -> None:
        assert len(Hsm().frame("switch", b"N0256")) == 4 + 256


class TestParties:
    """Each party has its own LMK and keys; what is shared crossed as a key block."""

    def test_diagnostics_show_a_different_lmk_for_each_party(self) -> None:
        hsm = Hsm()

        answers = [hsm.ask(party.name, Diagnostics()) for party in PARTIES]

        assert len({answer.lmk_check for answer in answers}) == len(PARTIES)
        assert {answer.firmware for answer in answers} == {"0007-E000"}

    def test_acquirer_and_switch_make_the_same_link_mac(self) -> None:
        hsm = Hsm()

        made = hsm.ask("acquirer", MakeMac(indexes.zak("switch"), b"a message"))

        assert hsm.ask("switch", VerifyMac(indexes.zak("acquirer"), b"a message", made.mac)).code == "00"
        assert hsm.ask("switch", VerifyMac(indexes.zak("acquirer"), b"a massage", made.mac)).code == "01"
        assert hsm.ask("switch", VerifyMac(indexes.zak("acquirer"), b"a message", made.mac[:8])).code == "00"

    def test_the_cvvs_of_two_issuers_differ_and_verify_at_home(self) -> None:
        hsm = Hsm()

        made = {
            party: hsm.ask(party, MakeCvv(indexes.CVK, PAN, expiry, "000")).cvv
            for party in ("issuer-a", "issuer-b")
            for expiry in ("3012",)
        }

        for party, cvv in made.items():
            assert hsm.ask(party, VerifyCvv(indexes.CVK, *CVV_FIELDS, cvv)).code == "00"
            wrong = str((int(cvv) + 1) % 1000).zfill(3)
            assert hsm.ask(party, VerifyCvv(indexes.CVK, *CVV_FIELDS, wrong)).code == "01"
        assert hsm.engine.check_values()["issuer-a"][indexes.CVK] != hsm.engine.check_values()["issuer-b"][indexes.CVK]

    def test_a_key_block_works_for_its_party_and_for_no_other(self) -> None:
        hsm = Hsm()
        block = _block(hsm, "issuer-a", indexes.CVK)

        by_index = hsm.ask("issuer-a", MakeCvv(indexes.CVK, *CVV_FIELDS))

        assert hsm.ask("issuer-a", MakeCvv(block, *CVV_FIELDS)) == by_index
        assert hsm.ask("issuer-a", MakeCvv(block, *CVV_FIELDS)) == by_index
        assert hsm.ask("issuer-b", MakeCvv(block, *CVV_FIELDS)).code == "A4"

    def test_the_fingerprints_of_two_issuers_cannot_be_joined(self) -> None:
        hsm = Hsm()

        one, two = (hsm.ask(party, Fingerprint(PAN)).fingerprint for party in ("issuer-a", "issuer-b"))

        assert one != two
        assert hsm.ask("issuer-a", Fingerprint(PAN)).fingerprint == one
        assert hsm.ask("issuer-a", Fingerprint(OTHER_PAN)).fingerprint != one


class TestSealedPans:
    """The switch stores a PAN only sealed, and opens it in the same context."""

    def test_it_opens_after_a_restart_in_its_context_only(self) -> None:
        hsm = Hsm()
        sealed = hsm.ask("switch", SealPan(PAN, "saf/1")).sealed

        hsm.restart()

        assert hsm.ask("switch", OpenPan(sealed, "saf/1")).pan == PAN
        assert hsm.ask("switch", OpenPan(sealed, "saf/2")).code == "V7"
        assert hsm.ask("switch", OpenPan(sealed[:-2] + "00", "saf/1")).code == "V7"
        assert hsm.ask("switch", OpenPan("no seal", "saf/1")).code == "15"

    @pytest.mark.parametrize("length", range(12, 20))
    def test_it_fits_for_every_length_of_pan(self, length: int) -> None:
        hsm, pan = Hsm(), "4" * length

        sealed = hsm.ask("switch", SealPan(pan, "c")).sealed

        assert pan not in sealed
        assert hsm.ask("switch", OpenPan(sealed, "c")).pan == pan


class TestRestart:
    """The same master secret opens the same keys; another one, or another order of the parties, is an error."""

    def test_keys_stay_the_same(self) -> None:
        hsm = Hsm()
        before = hsm.engine.check_values()

        hsm.restart()

        assert hsm.engine.check_values() == before

    def test_another_master_secret_opens_nothing(self) -> None:
        with pytest.raises(ConfigError, match="must be the master secret of this key table"):
            Hsm().restart(master=bytes(32))

    def test_a_party_can_be_added_at_the_end(self) -> None:
        hsm = Hsm()
        before = hsm.engine.check_values()

        hsm.parties = (*PARTIES, PARTIES[1]._replace(name="acquirer-2"))
        hsm.restart()

        after = hsm.engine.check_values()
        assert all(after[party][place] == kcv for party, keys in before.items() for place, kcv in keys.items())
        mac = hsm.ask("acquirer-2", MakeMac(indexes.zak("switch"), b"data")).mac
        assert hsm.ask("switch", VerifyMac(indexes.zak("acquirer", 1), b"data", mac)).code == "00"

    def test_issuers_cannot_change_places(self) -> None:
        hsm = Hsm()
        hsm.parties = (*PARTIES[:3], PARTIES[4], PARTIES[3])

        with pytest.raises(ConfigError, match="do not reorder"):
            hsm.restart()

    def test_no_key_of_the_vault_can_be_named(self) -> None:
        hsm = Hsm()
        names = {place for place in hsm.engine.check_values()["vault"] if place != "LMK"}

        assert names == {indexes.VAULT, indexes.FINGERPRINT, indexes.TOKEN_IMK, indexes.AUDIT, indexes.PAR}
        for party in PARTIES:
            kcvs = set(hsm.engine.check_values()[party.name].values())
            assert kcvs.isdisjoint(hsm.engine.check_values()["vault"].values())


class TestErrors:
    """Every code is documented and an error's text tells the rule only."""

    def test_the_text_names_the_code(self) -> None:
        assert all(code in str(HsmError(code)) and meaning for code, meaning in CODES.items())


def _block(hsm: Hsm, party: str, place: str) -> str:
    return str(hsm.journal.rows["hsm_keys"][party, place][3])


def _answered_or_closed(hsm: Hsm, party: str, frame: bytes) -> None:
    handle: Callable[[str, bytes, float, Turn], bytes] = hsm.engine.handle
    try:
        answer = handle(party, frame, 0.0, Turn(EPOCH))
    except RemoteProtocolError:
        assert not frame[4:6].isalnum() or frame[4:6] != frame[4:6].upper() or len(frame) < 6
    else:
        assert answer[:4] == frame[:4]
        assert answer[6:8].decode() in CODES
