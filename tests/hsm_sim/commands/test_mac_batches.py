"""ZQ and ZS: the MACs of a link's frames in one command are those that M6 makes and M8 accepts, one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core import indexes
from hsm_sim.core.audit import AUDIT_TABLE
from hsm_sim.core.commands.mac_batches import MACS_BYTES_MAX, packed
from hsm_sim.core.commands.wire import encode_command
from hsm_sim.requests import MacsChecked, MacsMade, MakeMac, MakeMacs, VerifyMac, VerifyMacs
from hsm_sim.requests.mac_batches import BATCH_BYTES_MAX, MAC_LENGTH, batches
from iso.errors import LocalProtocolError, RemoteProtocolError
from tests.support.hsm import Hsm

ZAK = indexes.zak("switch")
PEERS_ZAK = indexes.zak("acquirer")
MESSAGES = st.lists(st.binary(min_size=1, max_size=40), max_size=8)
METHOD = {"size": "1", "algorithm": "6", "padding": "0", "key_type": "FFF", "key": ZAK}


class TestMakingAndVerifying:
    """A batch says of each message what its own command would say."""

    @given(MESSAGES)
    def test_the_macs_are_those_of_m6(self, messages: list[bytes]) -> None:
        hsm = Hsm()

        made = hsm.ask("acquirer", MakeMacs(ZAK, messages))

        alone = [hsm.ask("acquirer", MakeMac(ZAK, message)) for message in messages]
        assert made == MacsMade("00", [bytes.fromhex(one.mac) for one in alone])

    @given(MESSAGES, st.sets(st.integers(0, 7)))
    def test_the_verdicts_are_those_of_m8(self, messages: list[bytes], damaged: set[int]) -> None:
        hsm = Hsm()
        macs = hsm.ask("acquirer", MakeMacs(ZAK, messages)).macs
        frames = [
            bytes([message[0] ^ (at in damaged)]) + message[1:] + mac
            for at, (message, mac) in enumerate(zip(messages, macs, strict=True))
        ]

        checked = hsm.ask("switch", VerifyMacs(PEERS_ZAK, frames))

        alone = [
            hsm.ask("switch", VerifyMac(PEERS_ZAK, frame[:-MAC_LENGTH], frame[-MAC_LENGTH:].hex().upper())).code
            for frame in frames
        ]
        assert checked == MacsChecked(max(["00", *alone]), [code == "00" for code in alone])

    def test_a_message_without_room_for_a_mac_is_refused(self) -> None:
        assert Hsm().ask("switch", VerifyMacs(PEERS_ZAK, [b"message" + bytes(8), b"short"])) == MacsChecked("06", [])

    @pytest.mark.parametrize("messages", [b"\x00", b"\x00\x05four", b"\x00\x01a\x00"])
    def test_a_message_that_is_cut_off_is_refused(self, messages: bytes) -> None:
        command = encode_command("ZQ", {**METHOD, "messages": messages})

        assert Hsm().frame("acquirer", command) == b"ZR80"

    @pytest.mark.parametrize(("size", "length"), [("0", 4), ("1", 8)])
    def test_as_many_macs_are_made_as_fit_an_answer(self, size: str, length: int) -> None:
        count = MACS_BYTES_MAX // length

        def asked(messages: int) -> bytes:
            command = {**METHOD, "size": size, "messages": packed([b""] * messages)}
            return Hsm().frame("acquirer", encode_command("ZQ", command))

        assert len(asked(count)) == len(b"ZR00") + count * length
        assert asked(count + 1) == b"ZR80"

    def test_what_does_not_fit_is_in_the_audit_log(self) -> None:
        hsm = Hsm()
        frames = [b"a" + bytes(8), b"b" + bytes(8)]

        hsm.ask("switch", VerifyMacs(PEERS_ZAK, frames))

        (record,) = [row for row in hsm.journal.rows[AUDIT_TABLE].values() if row[3] == "ZS"]
        assert (record[2], record[4], record[5]) == ("switch", "01", "2 of 2")


class TestBatches:
    """Frames are cut into commands that the HSM takes, and none is lost or changes its place."""

    @given(st.lists(st.integers(0, BATCH_BYTES_MAX + 10).map(bytes), max_size=12))
    def test_each_fits_and_together_they_are_all(self, messages: list[bytes]) -> None:
        cut = batches(messages)

        assert [message for batch in cut for message in batch] == messages
        assert all(batch for batch in cut)
        assert all(len(batch) == 1 or sum(len(one) + 2 for one in batch) <= BATCH_BYTES_MAX for batch in cut)

    def test_a_message_too_long_for_its_length_is_our_fault(self) -> None:
        with pytest.raises(LocalProtocolError):
            MakeMacs(ZAK, [bytes(0x10000)]).encode()

    def test_an_answer_about_fewer_messages_is_the_peers_fault(self) -> None:
        with pytest.raises(RemoteProtocolError):
            MakeMacs(ZAK, [b"a", b"b"]).parse(b"ZR00" + bytes(8))
        with pytest.raises(RemoteProtocolError):
            VerifyMacs(ZAK, [b"a", b"b"]).parse(b"ZT01" + b"0")

    def test_repr_shows_no_message(self) -> None:
        assert "secret" not in repr(MakeMacs(ZAK, [b"secret"])) + repr(VerifyMacs(ZAK, [b"secret"]))
