"""What other tools get wrong about elements and bitmaps, and that this one does not."""

from __future__ import annotations

import json
from pathlib import Path

import iso8583
import pytest

from iso import Message, RemoteProtocolError, decode, dialect, encode
from iso.dialect_file import dialect_from_toml
from iso.remarks import decode_with_remarks

CORPUS = {
    entry["id"]: entry
    for entry in json.loads((Path(__file__).parents[1] / "corpus" / "iso8583.json").read_text(encoding="utf-8"))
}
TEXT = dialect("ascii87")


class TestMoovSpec87Ascii:
    """Its bitmap is always 16 bytes with bit 1 clear, so that a conforming peer reads the second half as elements."""

    def test_elements_above_64_set_bit_1(self) -> None:
        raw = encode(Message("0800", {11: "000001", 70: "301"}), TEXT)

        assert raw[4:36] == b"80200000000000000400000000000000"

    def test_without_them_the_bitmap_is_8_bytes(self) -> None:
        raw = encode(Message("0800", {11: "000001"}), TEXT)

        assert raw[4:20] == b"0020000000000000"
        assert raw[20:] == b"000001"

    def test_its_messages_are_read_where_a_dialect_is_lenient(self) -> None:
        data = bytes.fromhex(CORPUS["V15"]["hex"])

        assert decode(data, TEXT.relaxed())[11] == "123456"


class TestPyiso8583:
    """It takes letters for digits, changes the document it is given, and carries the message in its errors."""

    def test_letters_in_a_number_are_refused(self) -> None:
        raw = encode(Message("0100", {3: "000000"}), TEXT)[:-6] + b"ABCDEF"

        assert iso8583.decode(raw, TEXT.to_pyiso8583())[0]["3"] == "ABCDEF"
        with pytest.raises(RemoteProtocolError):
            decode(raw, TEXT)

    def test_writing_changes_nothing(self) -> None:
        message = Message("0100", {70: "301", 3: "000000"})
        before = dict(message.fields)

        for _ in range(4):
            encode(message, TEXT)

        assert dict(message.fields) == before

    def test_an_error_carries_no_content(self) -> None:
        raw = encode(Message("0100", {2: "4242424242424242", 3: "000000"}), TEXT)[:-1]

        with pytest.raises(RemoteProtocolError) as caught:
            decode(raw, TEXT)

        assert "4242" not in repr(vars(caught.value)) + str(caught.value)
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)


class TestPythonCodecs:
    """There is no cp1047 in Python: caret and brackets come out wrong with the nearest one."""

    def test_brackets_in_a_name(self) -> None:
        raw = encode(Message("0100", {48: "[a]^"}), dialect("ebcdic87"))

        assert raw.endswith(bytes.fromhex("AD81BD5F"))
        assert decode(raw, dialect("ebcdic87"))[48] == "[a]^"

    def test_the_other_characters_that_two_pages_disagree_about(self) -> None:
        assert "\u00ac\u00a8\u00dd".encode("cp1047") == bytes.fromhex("B0BBBA")

    def test_new_line_and_line_feed_stay_two_characters(self) -> None:
        assert "\u0085\n".encode("cp1047") == bytes.fromhex("1525")
        assert bytes.fromhex("1525").decode("cp1047") == "\u0085\n"


class TestIso8583sim:
    """It calls DE 3 = 30 a balance inquiry and 31 a mini-statement."""

    def test_31_is_the_balance_inquiry(self) -> None:
        assert [(TEXT.meaning(3, f"{code}0000") or "").split(";")[0] for code in ("30", "31", "38")] == [
            "available funds inquiry",
            "balance inquiry",
            "mini-statement",
        ]


class TestTshark:
    """It reads DE 53 as eight digits, and calls an empty variable element malformed."""

    def test_security_control_has_sixteen_digits(self) -> None:
        raw = encode(Message("0100", {53: "9701" + "0" * 12, 54: ""}), TEXT)

        assert decode(raw, TEXT).fields == {53: "9701" + "0" * 12, 54: ""}

    def test_an_empty_element_is_read_and_flagged(self) -> None:
        spoken = dialect_from_toml('name = "v25"\nbase = "ascii87-hex"\n[elements]\n52 = "ans16"\n55 = "ans...255"')

        message, remarks = decode_with_remarks(bytes.fromhex(CORPUS["V25"]["hex"]), spoken)

        assert message[90].startswith("0200")
        assert [(remark.element, remark.code) for remark in remarks] == [(32, "empty")]
