"""A card number is hidden in text, in frames and in bytes that nobody understands."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from iso import Message, RemoteProtocolError, decode, dialect, encode
from iso.compiled import SIGHTINGS
from iso.dialects import DIALECT_NAMES
from iso.pan import (
    _overwritten,
    luhn_digit,
    luhn_valid,
    mask_frame,
    mask_message,
    mask_pan,
    mask_text,
    masked_window,
)
from iso.private import CVV2, ECI, TOKEN_CRYPTOGRAM, build_private, parse_private
from tests.support.messages import DIGITS, TEST_PAN, messages, pans

each_dialect = pytest.mark.parametrize("name", DIALECT_NAMES)


def card_message(name: str, **changes: str) -> Message:
    fields = {
        2: TEST_PAN,
        4: "1999".zfill(dialect(name).formats[4].size),
        14: "3112",
        35: f"{TEST_PAN}D31121010000",
        45: f"B{TEST_PAN}^DOE/JANE^3112",
        48: build_private({CVV2: "917", TOKEN_CRYPTOGRAM: "1122334455667788", ECI: "05"}),
        52: "0123456789ABCDEF",
        55: f"5A08{TEST_PAN}",
        62: f"note {TEST_PAN}",
    }
    changed = {int(key.removeprefix("de")): value for key, value in changes.items()}
    return Message(f"{dialect(name).version_digit}100", fields | changed)


class TestLuhn:
    """One digit completes every number, and any single wrong digit is noticed."""

    @given(partial=st.text(DIGITS, max_size=18))
    def test_the_check_digit_completes(self, partial: str) -> None:
        assert luhn_valid(partial + luhn_digit(partial))

    @given(pan=pans(), data=st.data())
    def test_one_wrong_digit_is_noticed(self, pan: str, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(pan) - 1))
        wrong = data.draw(st.sampled_from(DIGITS.replace(pan[at], "")))

        assert not luhn_valid(pan[:at] + wrong + pan[at + 1 :])

    @pytest.mark.parametrize("text", ["", "x", "४२४२", "4242 4242 4242 4242"])
    def test_what_is_no_number_is_not_valid(self, text: str) -> None:
        assert not luhn_valid(text)


class TestText:
    """Free text never shows more of a card number than 6+4."""

    @given(pan=pans(), before=st.text(max_size=20), after=st.text(max_size=20))
    def test_a_number_in_text_is_masked(self, pan: str, before: str, after: str) -> None:
        assume(not before[-1:].isdigit())
        assume(not after[:1].isdigit())

        masked = mask_text(before + pan + after)

        assert pan not in masked
        assert mask_pan(pan) in masked
        assert len(masked) == len(before + pan + after)

    @given(
        pan=pans().filter(lambda pan: len(pan) in (15, 16, 19)),
        before=st.text(DIGITS, max_size=30),
        after=st.text(DIGITS, max_size=30),
    )
    def test_a_number_inside_a_hex_dump_is_masked(self, pan: str, before: str, after: str) -> None:
        assume(len(before + pan + after) > 19)

        assert pan not in mask_text(before + pan + after)

    def test_inside_a_longer_run_first_six_and_last_four_stay(self) -> None:
        assert mask_text("1111" + TEST_PAN + "71") == "1111" + "424242******4242" + "71"

    @pytest.mark.parametrize(
        ("text", "masked"),
        [
            ("4242 4242 4242 4242", "4242 42** **** 4242"),
            ("4242-4242-4242-4242", "4242-42**-****-4242"),
            ("3782 822463 10005", "3782 82**** *0005"),
            ("0004242424242424242", "000424*********4242"),
            ('{"number": "4242424242424242"}', '{"number": "424242******4242"}'),
        ],
    )
    def test_the_ways_people_write_cards(self, text: str, masked: str) -> None:
        assert mask_text(text) == masked

    @pytest.mark.parametrize(
        "text",
        ["000000001999", "000000000018", "2026-11-22 13:11:55", "4242424242424241", "req_12345678", "1122131155", ""],
    )
    def test_other_numbers_stay(self, text: str) -> None:
        assert mask_text(text) == text

    @pytest.mark.parametrize("pan", ["", "1", "1234", "12345", "1234567890"])
    def test_a_number_too_short_to_be_one_shows_at_most_two_digits(self, pan: str) -> None:
        masked = mask_pan(pan)

        assert len(masked) == len(pan)
        assert len(masked.replace("*", "")) <= 2


class TestFrames:
    """What is stored of a message decodes to the same message without its secrets."""

    @each_dialect
    def test_secrets_are_overwritten_in_place(self, name: str) -> None:
        raw = encode(card_message(name), dialect(name))

        masked = mask_frame(raw, dialect(name))
        found = decode(masked, dialect(name))

        assert len(masked) == len(raw)
        assert found.pan == "4242429999994242"
        assert (found[14], set(found[35]), set(found[45]), set(found[52]), set(found[55])) == ("0000", *[{"0"}] * 4)
        assert parse_private(found[48]) == {CVV2: "000", TOKEN_CRYPTOGRAM: "0" * 16, ECI: "05"}
        assert found[62] == "note 424242******4242"
        assert found.amount_minor == 1999

    @each_dialect
    def test_a_foreign_48_is_overwritten_whole(self, name: str) -> None:
        raw = encode(card_message(name, de48="CVV=123"), dialect(name))

        assert decode(mask_frame(raw, dialect(name)), dialect(name))[48] == "0000000"

    @each_dialect
    @given(data=st.data())
    def test_every_message_still_decodes_and_no_number_is_left(self, name: str, data: st.DataObject) -> None:
        pan = data.draw(pans())
        message = data.draw(messages(dialect(name))).with_fields({2: pan})
        raw = encode(message, dialect(name))

        masked = mask_frame(raw, dialect(name))

        found = decode(masked, dialect(name))
        assert set(found.fields) == set(decode(raw, dialect(name)).fields)
        assert found.pan == mask_pan(pan).replace("*", "9")
        assert mask_frame(masked, dialect(name)) == masked

    @each_dialect
    @given(data=st.data())
    def test_the_quick_way_gives_what_the_slow_way_gives(self, name: str, data: st.DataObject) -> None:
        spoken = dialect(name)
        raw = encode(data.draw(messages(spoken)), spoken)
        for _ in range(SIGHTINGS):
            decode(raw, spoken)

        message, masked = mask_message(raw, spoken)

        assert message == decode(raw, spoken)
        assert masked == _overwritten(raw, spoken)

    def test_bytes_that_are_not_secret_stay_as_they_were_written(self) -> None:
        spoken = dialect("ascii87-hex")
        raw = encode(card_message("ascii87-hex", de41="TERM0001", de42="MERCHANT0000001", de43="A" * 40), spoken)
        lower = raw[:4] + raw[4:20].lower() + raw[20:]

        assert mask_frame(lower, spoken)[:20] == lower[:20] != raw[:20]

    def test_what_does_not_decode_is_not_returned(self) -> None:
        with pytest.raises(RemoteProtocolError):
            mask_frame(b"0100" + TEST_PAN.encode(), dialect("ascii87"))


class TestWindows:
    """The bytes around a fault never show nine digits in a row, in any encoding or alignment."""

    @given(
        pan=pans(),
        style=st.sampled_from(["ascii", "cp500", "packed", "shifted"]),
        before=st.binary(max_size=30),
        after=st.binary(max_size=30),
        offset=st.integers(-5, 99),
    )
    def test_a_card_number_never_shows(self, pan: str, style: str, before: bytes, after: bytes, offset: int) -> None:
        digits = {"packed": pan + "F" * (len(pan) % 2), "shifted": "F" + pan + "F" * (1 - len(pan) % 2)}.get(style)
        secret = bytes.fromhex(digits) if digits else pan.encode(style)

        window = masked_window(before + secret + after, offset)

        assert pan not in window
        assert pan[:9] not in window
        assert pan.encode().hex() not in window
        assert pan.encode("cp500").hex().upper()[:18] not in window

    @each_dialect
    def test_of_a_damaged_message(self, name: str) -> None:
        raw = encode(card_message(name), dialect(name)) + b"\x00"

        with pytest.raises(RemoteProtocolError) as caught:
            decode(raw, dialect(name))
        windows = [masked_window(raw, offset) for offset in (*range(len(raw)), caught.value.offset, None)]

        assert not [window for window in windows if any(run.isdigit() and len(run) > 8 for run in window.split())]
        assert not [window for window in windows if "F4F2F4F2F4F2F4F2F4" in window]

    def test_the_edges_say_that_bytes_were_left_out(self) -> None:
        assert masked_window(b"\xaa" * 10, 5, radius_bytes=1) == "@5: ...AAAA..."
        assert masked_window(b"", 3) == "@0: "


class TestPinBlocks:
    """No PIN block is shown, wherever it travels: DE 52, the new PIN of a change, the second half of a long block."""

    @pytest.mark.parametrize("name", ["pos-bcd87", "net-bin87", "ascii87"])
    def test_no_block_survives_masking(self, name: str) -> None:
        blocks = ("0123456789ABCDEF", "1122334455667788", "99AABBCCDDEEFF00")
        private = build_private({"06": "07", "18": blocks[1], "20": blocks[2]})
        spoken = dialect(name)
        message = Message("0100", {2: "4242424242424242", 3: "920000", 11: "000001", 48: private, 52: blocks[0]})

        masked = mask_frame(encode(message, spoken), spoken)

        text = masked.decode("latin-1") + masked.hex().upper() + repr(message)
        assert [block for block in blocks if block in text] == []
