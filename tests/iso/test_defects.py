"""Defects that other tools have, each with a test that shows ours does not: one class per tool.

Sources are the public code and issue threads of each. Defects of codec and bitmaps are here where an encoder or decoder
shows them; those of a link are shown on the link.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iso import Message, RemoteProtocolError, decode, dialect, encode, framing
from iso.dialect_file import dialect_from_toml
from iso.echo import NO_PAN, EchoProfile
from iso.lifecycle import reversal_of
from iso.mti import is_answered_by, response_mti
from iso.original import OriginalData
from iso.semantics import check
from node.core.events import Connected, Received
from node.core.link import Arrival, ArrivalKind, LinkMachine, LinkProfile
from node.core.saf import SafEntry, SafMachine, SafRules
from node.core.turn import Turn
from tests.support.messages import authorisation_request

CORPUS = {
    entry["id"]: entry
    for entry in json.loads((Path(__file__).parents[1] / "corpus" / "iso8583.json").read_text(encoding="utf-8"))
}
ASCII = dialect("ascii87")
AT = datetime(2026, 11, 22, 13, 12, 20, tzinfo=UTC)


class TestMoov:
    """Spec87ASCII hides its second bitmap; moov-connection loses a caller when a STAN repeats."""

    def test_a_second_bitmap_is_announced_by_the_first_bit_and_written_only_then(self) -> None:
        short = encode(Message("0800", {11: "000007"}), ASCII)
        long = encode(Message("0800", {11: "000007", 70: "301"}), ASCII)

        assert (len(short), short[4:5] in b"01234567") == (4 + 16 + 6, True)
        assert (len(long), long[4:5] in b"89ABCDEF") == (4 + 32 + 9, True)

    def test_the_hidden_second_bitmap_is_not_taken_for_data(self) -> None:
        with pytest.raises(RemoteProtocolError):
            decode(bytes.fromhex(CORPUS["V15"]["hex"]), ASCII)

    def test_a_lenient_switch_reads_it_and_it_is_never_written(self) -> None:
        message = decode(bytes.fromhex(CORPUS["V15"]["hex"]), ASCII.relaxed())

        assert {str(element) for element in message.fields} == {
            element for element in CORPUS["V15"]["expected_fields"] if element != "0" and "." not in element
        } | {"55"}
        assert encode(message, ASCII.relaxed()) == encode(message, ASCII)
        assert decode(encode(message, ASCII.relaxed()), ASCII) == message

    def test_the_conforming_form_of_the_same_message_is_read(self) -> None:
        expected = CORPUS["V61"]["expected_fields"]

        message = decode(bytes.fromhex(CORPUS["V61"]["hex"]), ASCII)

        assert (message.mti, message[90]) == (expected["0"], expected["90"])

    def test_a_key_that_is_in_flight_is_refused_and_the_first_caller_keeps_its_answer(self) -> None:
        link, turn = open_link(), Turn(AT)
        request = authorisation_request()

        first = link.request(request, 10.0, 0.0, turn)
        second = link.request(request, 10.0, 0.0, turn)

        assert (first is not None, second) == (True, None)
        arrival = received(link, request.reply("00"))
        assert (arrival.kind, arrival.key) == (ArrivalKind.RESPONSE, first)


class TestJposSaf:
    """An advice that nobody answers is counted and marked as a repeat; one dead destination stops no other."""

    def test_every_send_after_the_first_is_a_repeat_answered_or_not(self) -> None:
        saf, turn = SafMachine(), Turn(AT)
        reversal = reversal_of(authorisation_request(), stan="000900", at=AT)
        entry = SafEntry("1", "issuer", "card", reversal, "2026-11-22")
        saf.put(entry, turn)
        saf.link_up("issuer")

        [due] = saf.due(0.0)
        first = saf.sending(due, turn)
        saf.unanswered("1", 1.0, turn)
        [again] = saf.due(1000.0)
        second = saf.sending(again, turn)

        assert (first.mti, second.mti, entry.attempts) == ("0420", "0421", 2)
        assert first.fields == second.fields

    def test_it_is_not_sent_once_more_than_allowed(self) -> None:
        saf, turn, sends = SafMachine(SafRules(attempts_max=2)), Turn(AT), 0
        saf.put(SafEntry("1", "issuer", "card", reversal_of(authorisation_request(), stan="000900", at=AT), ""), turn)
        saf.link_up("issuer")

        for step in range(5):
            for entry in saf.due(step * 1000.0):
                saf.sending(entry, turn)
                sends += 1
                saf.unanswered("1", step * 1000.0, turn)

        assert sends == 2

    def test_a_response_code_is_a_member_of_a_list_and_not_a_part_of_a_text(self) -> None:
        assert "0" not in SafRules().final_codes
        assert "02" not in SafRules().final_codes

    def test_a_dead_destination_stops_no_other(self) -> None:
        saf, turn = SafMachine(), Turn(AT)
        for number, link in (("1", "dead"), ("2", "alive")):
            reversal = reversal_of(authorisation_request(), stan="000900", at=AT)
            saf.put(SafEntry(number, link, f"card {number}", reversal, ""), turn)
        saf.link_up("alive")

        assert [entry.link for entry in saf.due(0.0)] == ["alive"]

    def test_one_destination_gets_several_at_once(self) -> None:
        saf, turn = SafMachine(), Turn(AT)
        for number in range(3):
            reversal = reversal_of(authorisation_request(), stan=f"00090{number}", at=AT)
            saf.put(SafEntry(str(number), "issuer", f"card {number}", reversal, ""), turn)
        saf.link_up("issuer")

        assert [entry.identifier for entry in saf.due(0.0)] == ["0", "1", "2"]


class TestIso8583sim:
    """Repeats are answered by x110 and x130; a late 0110 is not handed to the caller of a 0400; DE 90 is echoed."""

    @pytest.mark.parametrize(
        ("mti", "wrong", "right"),
        [
            ("0121", "0131", "0130"),
            ("0421", "0431", "0430"),
            ("0101", "0111", "0110"),
            ("0401", "0411", "0410"),
            ("1221", "1231", "1230"),
        ],
    )
    def test_a_repeat_is_answered_like_its_first_copy(self, mti: str, wrong: str, right: str) -> None:
        assert response_mti(mti) == right
        assert not is_answered_by(mti, wrong)

    def test_a_late_authorisation_is_not_the_answer_to_a_reversal_with_the_same_stan(self) -> None:
        link, turn = open_link(), Turn(AT)
        request = authorisation_request(de11="000124")
        link.request(request, 10.0, 0.0, turn)
        link.expire(11.0, turn)
        reversal = reversal_of(request, stan="000124", at=AT).with_fields({7: request[7]}, mti="0400")
        waiting = link.request(reversal, 10.0, 12.0, turn)

        late = received(link, request.reply("00", {38: "123456"}))
        answer = received(link, reversal.reply("00"))

        assert late.kind is ArrivalKind.LATE
        assert (answer.kind, answer.key) == (ArrivalKind.RESPONSE, waiting)

    def test_a_reversal_with_the_stan_of_its_original_can_be_sent_while_that_is_in_flight(self) -> None:
        link, turn = open_link(), Turn(AT)
        request = authorisation_request()
        link.request(request, 10.0, 0.0, turn)

        assert link.request(reversal_of(request, stan=request.stan, at=AT), 10.0, 0.0, turn) is not None

    def test_a_reversal_response_echoes_its_original_elements(self) -> None:
        reversal = reversal_of(authorisation_request(), stan="000900", at=AT)

        assert reversal.reply("00")[90] == reversal[90]

    @pytest.mark.parametrize(
        ("code", "meaning"), [("30", "available funds"), ("31", "balance"), ("38", "mini-statement")]
    )
    def test_transaction_types_are_a_table_of_the_dialect(self, code: str, meaning: str) -> None:
        assert (ASCII.meaning(3, f"{code}0000") or "").startswith(meaning)

    def test_what_a_response_echoes_is_a_profile_and_the_card_number_need_not_come_back(self) -> None:
        assert 2 not in authorisation_request().reply("00", echo=NO_PAN)

    def test_a_profile_may_echo_the_authorisation_code_of_a_reversal(self) -> None:
        reversal = reversal_of(authorisation_request(), stan="000900", at=AT).with_fields({38: "A1B2C3"})
        talkative = EchoProfile("talkative", (7, 11), {"04": (38, 90)})

        assert (reversal.reply("00", echo=talkative)[38], 38 in reversal.reply("00")) == ("A1B2C3", False)

    def test_a_dialect_may_call_a_transaction_type_otherwise_and_no_other_dialect_hears_of_it(self) -> None:
        spoken = dialect_from_toml(
            'name = "other"\nbase = "ascii87"\n[meanings.3]\n30 = "balance inquiry"\n31 = "mini-statement"'
        )

        assert (spoken.meaning(3, "310000") or "").startswith("mini-statement")
        assert (ASCII.meaning(3, "310000") or "").startswith("balance inquiry")


class TestQmux:
    """A response without DE 41 is still matched, and originators 6 to 8 are no MTIs."""

    def test_a_response_without_the_terminal_is_matched(self) -> None:
        link = open_link()
        request = authorisation_request()
        key = link.request(request, 10.0, 0.0, Turn(AT))

        arrival = received(link, request.reply("00", {41: None}))

        assert (arrival.kind, arrival.key) == (ArrivalKind.RESPONSE, key)

    @pytest.mark.parametrize("mti", ["0106", "0107", "0108"])
    def test_an_originator_that_does_not_exist_is_not_mapped_to_one_that_does(self, mti: str) -> None:
        with pytest.raises(RemoteProtocolError):
            decode(mti.encode() + b"0020000000000000" + b"000001", ASCII)


class TestJposDocument:
    """The length 0046 of 46 bytes is packed decimal, not network byte order."""

    def test_forty_six_bytes_have_two_different_prefixes(self) -> None:
        assert framing("len2-bcd").encode(b"x" * 46)[:2] == b"\x00\x46"
        assert framing("len2-be").encode(b"x" * 46)[:2] == b"\x00\x2e"

    def test_the_packed_form_is_read_back_as_46_bytes(self) -> None:
        assert framing("len2-bcd").decoder().feed(b"\x00\x46" + b"x" * 46) == [b"x" * 46]
        assert framing("len2-be").decoder().feed(b"\x00\x46" + b"x" * 46) == []

    def test_the_packed_one_is_read_as_46_and_not_as_70(self) -> None:
        assert framing("len2-bcd").decoder().feed(b"\x00\x46" + b"x" * 46) == [b"x" * 46]
        assert framing("len2-be").decoder().feed(b"\x00\x46" + b"x" * 46) == []


class TestLeonardowsrAdelbsAndBpc8583:
    """A read is not a message: responses are put together from pieces and taken apart where they arrive together."""

    def test_two_responses_in_one_read(self) -> None:
        way = framing("len2-be")

        assert way.decoder().feed(way.encode(b"first") + way.encode(b"second")) == [b"first", b"second"]

    def test_one_response_in_many_reads(self) -> None:
        way = framing("len2-be")
        decoder, frame = way.decoder(), way.encode(b"x" * 5000)

        pieces = [decoder.feed(frame[at : at + 7]) for at in range(0, len(frame), 7)]

        assert [piece for piece in pieces if piece] == [[b"x" * 5000]]

    def test_a_message_longer_than_a_read_buffer(self) -> None:
        way = framing("len2-be")
        decoder = way.decoder()

        assert decoder.feed(way.encode(b"x" * 6000)[:4096]) == []
        assert decoder.feed(way.encode(b"x" * 6000)[4096:]) == [b"x" * 6000]


class TestPython:
    """There is no code page 1047 in Python, and 037 is not it: brackets and the circumflex differ."""

    def test_brackets_are_written_as_mainframes_read_them(self) -> None:
        spoken = dialect("ebcdic87")
        request = authorisation_request(de62="[x]^")

        data = encode(request, spoken)

        assert b"\xad\xa7\xbd\x5f" in data
        assert decode(data, spoken) == request

    def test_a_message_of_another_implementation_is_read(self) -> None:
        message = decode(bytes.fromhex(CORPUS["V29"]["hex"]), dialect("ebcdic93"))

        assert message[39] == CORPUS["V29"]["expected_fields"]["39"]


class TestEmptyFields:
    """A variable field of length zero occurs in the wild: it is read, written back, and remarked upon."""

    def test_an_empty_acquirer_is_read_and_flagged(self) -> None:
        message = decode(encode(authorisation_request(de32=""), ASCII), ASCII)

        assert message[32] == ""
        assert [finding.rule for finding in check(message) if finding.element == 32] == ["present but empty"]


class TestOriginalData:
    """DE 90 names the original by the original's own DE 7, not by that of the reversal that carries it."""

    def test_the_time_is_the_originals(self) -> None:
        request = authorisation_request()

        reversal = reversal_of(request, stan="000900", at=AT)

        assert OriginalData.from_de90(reversal[90]).transmitted == request[7] != reversal[7]


def open_link() -> LinkMachine:
    """A link without network management, with one connection."""
    link = LinkMachine("network", ASCII, LinkProfile(sign_on=False))
    link.connected(Connected("network", 1, dialled=True), 0.0, Turn(AT))
    return link


def received(link: LinkMachine, message: Message) -> Arrival:
    """What the link makes of a message from its peer."""
    arrival = link.received(Received("network", 1, encode(message, ASCII), True), 1.0, Turn(AT))
    assert arrival is not None
    return arrival
