"""Captured bytes are recognised: framing, header and dialect; and what does not fit is told with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import Message, dialect, encode, framing
from iso.detect import Candidate, candidates
from iso.dialects import DIALECT_NAMES
from iso.framing import FRAMING_NAMES
from tests.support.messages import TEST_PAN, authorisation_request, network_message

CORPUS = {
    entry["id"]: entry
    for entry in json.loads((Path(__file__).parents[1] / "corpus" / "iso8583.json").read_text(encoding="utf-8"))
}
HOUSE = [dialect(name) for name in ("pos-bcd87", "net-bin87", "ascii87", "ebcdic93")]


def capture(name: str) -> bytes:
    return bytes.fromhex(CORPUS[name]["hex"])


def wire(way: str, spoken: str, *messages: Message) -> bytes:
    return b"".join(framing(way).encode(encode(message, dialect(spoken))) for message in messages)


def native(spoken: str) -> Message:
    request = network_message()
    if dialect(spoken).version == "1993":
        return Message("1804", {7: request[7], 11: request[11], 12: "261122131155", 24: "831"})
    return request


class TestHouse:
    """Whatever the house writes is recognised first."""

    @pytest.mark.parametrize("way", [name for name in FRAMING_NAMES if not name.startswith("stx")])
    @pytest.mark.parametrize("spoken", ["pos-bcd87", "net-bin87", "ascii87", "ebcdic93"])
    def test_each_framing_with_each_dialect(self, way: str, spoken: str) -> None:
        data = wire(way, spoken, native(spoken), native(spoken))

        best = candidates(data, HOUSE)[0]

        assert (best.framing, best.dialect, best.fits, len(best.messages)) == (way, spoken, True, 2)
        assert best.messages[0][11] == "000007"

    @pytest.mark.parametrize("way", ["stx-etx", "stx-etx-lrc", "len2-be+etx", "len4-ascii+etx"])
    def test_trailers(self, way: str) -> None:
        best = candidates(wire(way, "ascii87", network_message()), HOUSE)[0]

        assert (best.framing, best.dialect, best.fits) == (way, "ascii87", True)

    def test_one_message_without_a_length(self) -> None:
        best = candidates(encode(authorisation_request(), dialect("ascii87")), HOUSE)[0]

        assert (best.framing, best.dialect, best.fits) == ("none", "ascii87", True)

    def test_a_keep_alive_before_a_frame(self) -> None:
        first, second = network_message(), native("ascii87")
        data = framing("len2-be").encode(b"") + wire("len2-be", "ascii87", first, second)

        best = candidates(data, HOUSE)[0]

        assert (best.framing, best.fits, len(best.messages)) == ("len2-be", True, 2)


class TestCaptures:
    """What other people's systems sent is recognised too."""

    @pytest.mark.parametrize(
        ("name", "way", "header"),
        [
            ("V41", "len2-be+etx", "none"),
            ("V42", "len2-bcd", "tpdu"),
            ("V54", "len2-le", "none"),
            ("V60", "visa", "base1"),
        ],
    )
    def test_packed_captures(self, name: str, way: str, header: str) -> None:
        best = next(found for found in candidates(capture(name), HOUSE) if found.dialect == "pos-bcd87")

        assert (best.framing, best.header, best.fits) == (way, header, True)
        assert dict(best.messages[0].fields) == {
            int(element): value for element, value in CORPUS[name]["expected_fields"].items() if element != "0"
        }

    def test_they_are_first_among_all_dialects(self) -> None:
        assert {candidates(capture(name))[0].framing for name in ("V41", "V42", "V54", "V60")} == {
            "len2-be+etx",
            "len2-bcd",
            "len2-le",
            "visa",
        }


class TestFaults:
    """What does not fit says how far it got, and why it stopped."""

    def test_a_broken_element_is_named_with_its_place_in_the_capture(self) -> None:
        data = bytearray(wire("len2-be", "ascii87", authorisation_request()))
        data[data.index(b"000000001999")] = ord("x")

        best = candidates(bytes(data), HOUSE)[0]

        assert (best.framing, best.dialect, best.fits, best.element) == ("len2-be", "ascii87", False, 4)
        assert best.offset == data.index(b"x00000001999")
        assert TEST_PAN not in best.rule

    def test_a_capture_that_ends_in_a_message_is_still_recognised(self) -> None:
        data = wire("len2-be", "ascii87", network_message(), authorisation_request())[:-5]

        best = candidates(data, HOUSE)[0]

        assert (best.framing, best.dialect, best.fits, len(best.messages)) == ("len2-be", "ascii87", False, 1)
        assert best.rule == "the last frame is not whole"

    def test_every_dialect_has_an_answer(self) -> None:
        found = candidates(b"GET / HTTP/1.1\r\n\r\n")

        assert {candidate.dialect for candidate in found} == set(DIALECT_NAMES)
        assert not any(candidate.fits for candidate in found)

    def test_nothing_is_nothing(self) -> None:
        assert candidates(b"") == []

    @given(data=st.binary(min_size=1, max_size=80))
    def test_any_bytes_have_candidates_with_places(self, data: bytes) -> None:
        found: list[Candidate] = candidates(data, HOUSE)

        assert len(found) >= len(HOUSE)
        for candidate in found:
            assert candidate.fits == (not candidate.rule)
            assert 0 <= candidate.reached <= len(data) + 16
