"""A message that has just been read or written is masked like one that nobody has read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import Message, RemoteProtocolError, decode, dialect, encode
from iso.dialects import DIALECT_NAMES
from iso.known import KEPT, mask_known
from iso.pan import mask_frame
from tests.support.messages import TEST_PAN, authorisation_request, messages

each_dialect = pytest.mark.parametrize("name", DIALECT_NAMES)


class TestSame:
    """What is known of a message saves the reading of it, and changes nothing about the mask."""

    @each_dialect
    @given(data=st.data())
    def test_any_message_is_masked_as_by_reading_it(self, name: str, data: st.DataObject) -> None:
        spoken = dialect(name)
        frame = encode(data.draw(messages(spoken)), spoken)
        message = decode(frame, spoken)

        assert mask_known(message, frame, spoken) == mask_frame(frame, spoken)

    @each_dialect
    @given(data=st.data())
    def test_the_order_in_which_a_message_was_built_does_not_matter(self, name: str, data: st.DataObject) -> None:
        spoken = dialect(name)
        built = data.draw(messages(spoken))
        frame = encode(built, spoken)
        shuffled = Message(built.mti, dict(data.draw(st.permutations(list(built.fields.items())))), built.header)

        assert mask_known(shuffled, frame, spoken) == mask_frame(frame, spoken)

    @pytest.mark.parametrize("pan", [TEST_PAN, "378282246310005", "36227206271667", "6205500000000000004"])
    @each_dialect
    def test_a_card_number_of_any_length_keeps_six_and_four(self, name: str, pan: str) -> None:
        spoken = dialect(name)
        message = Message(f"{spoken.version_digit}100", {2: pan})
        frame = encode(message, spoken)

        masked = decode(mask_known(message, frame, spoken), spoken)[2]

        assert masked == pan[:6] + "9" * (len(pan) - 10) + pan[-4:]


class TestMac:
    """A link puts the MAC into bytes whose message was written without one."""

    def test_the_mac_stays_and_everything_secret_goes(self) -> None:
        spoken = dialect("net-bin87")
        message = authorisation_request(de35=f"{TEST_PAN}D31121010000")
        frame = encode(message, spoken)[:-8] + b"\x01\x02\x03\x04\x05\x06\x07\x08"

        masked = mask_known(message, frame, spoken)

        assert masked == mask_frame(frame, spoken)
        assert masked[-8:] == frame[-8:]
        assert TEST_PAN.encode() not in masked


class TestDoubt:
    """Where message and bytes do not belong together, only the bytes count."""

    def test_the_bytes_are_masked_by_reading_them(self) -> None:
        spoken = dialect("ascii87")
        frame = encode(authorisation_request(), spoken)
        other = authorisation_request().with_fields({2: None, 32: "1"})

        assert mask_known(other, frame, spoken) == mask_frame(frame, spoken)

    @given(junk=st.binary(max_size=40))
    def test_bytes_that_say_nothing_are_refused_as_by_reading_them(self, junk: bytes) -> None:
        message = authorisation_request()

        with pytest.raises(RemoteProtocolError):
            mask_known(message, junk, dialect("ascii87"))

    def test_an_element_that_does_not_tell_its_length_leaves_it_to_reading(self) -> None:
        known = dialect("ascii87")
        counted = replace(
            known, name="counted", formats={**known.formats, 62: known.formats[62]._replace(nibbles=True)}
        )
        message = Message("0100", {2: TEST_PAN, 62: "note"})
        frame = encode(message, counted)

        assert mask_known(message, frame, counted) == mask_frame(frame, counted)


class TestBound:
    """A peer that sends ever other bitmaps does not make us remember them all."""

    def test_what_is_learnt_of_a_dialect_is_bounded(self) -> None:
        spoken = replace(dialect("ascii87"), name="bounded")
        for number in range(KEPT + 10):
            elements = [3 + bit for bit in range(11) if number >> bit & 1]
            message = Message("0100", {e: "0" * spoken.formats[e].size for e in elements} | {11: "000001"})
            mask_known(message, encode(message, spoken), spoken)

        assert 0 < len(spoken.codec.walks) <= KEPT
