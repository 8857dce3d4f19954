"""Dissectors: what tshark reads with the generated script is what the codec reads, in every dialect and framing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iso import ConfigError, Dialect, Message, decode, dialect, encode
from iso.dialects import DIALECT_NAMES
from iso.formats import FieldFormat
from iso.framing import FRAMING_NAMES
from iso.mti import VERSION_DIGITS
from node.capture import Capture
from node.dissector import lua_dissector, protocol_name
from tests.support import tshark

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
PORT = 8_441
_SAMPLES = {
    "n": "1234567890",
    "a": "ABCDE",
    "an": "A1B2",
    "ans": "Rail 5, c/o A",
    "z": "123=456",
    "text": "Rails",
    "hex": "0A",
}


def sample(what: FieldFormat) -> str:
    """Return a legal value of an element, of odd length where lengths may vary."""
    if what.kind == "x+n":
        return "D" + "12345678"[: what.size - 1].rjust(what.size - 1, "0")
    size = what.size if not what.prefix_bytes else min(what.size, 13)
    if what.kind == "b":
        return ("0123456789ABCDEF" * what.size)[: 2 * size]
    if what.kind == "hex":
        size -= size % 2
    if what.nibbles and what.encoding != "b":
        size -= size % 2
        size //= 2
    return (_SAMPLES[what.kind] * size)[:size]


def messages_of(speaks: Dialect) -> list[Message]:
    """Return messages that together hold every element, one of them with nothing but what it must."""
    mti = VERSION_DIGITS[speaks.version] + "100"
    elements = [number for number in speaks.formats if not (speaks.mac and number in (64, 128))]
    slices = [elements[start::3] for start in range(3)]
    return [Message(mti, {number: sample(speaks.formats[number]) for number in some}) for some in [*slices, [11]]]


def dissected(tmp_path: Path, speaks: Dialect, frames: list[bytes]) -> list[list[str]]:
    """Capture frames unmasked; return MTI, malformed, then every element, as tshark reads them."""
    file = tmp_path / "switch.pcapng"
    capture = Capture(file, "switch", [("issuer", speaks)], reveal_test_pan=True)
    capture.opened(AT, "issuer", 1, True, (("127.0.0.1", 50_001), ("127.0.0.1", PORT)))
    for frame in frames:
        capture.frame(AT, "issuer", 1, "out", frame)
    capture.close()
    name = protocol_name(speaks)
    fields = [f"{name}.mti", f"{name}.malformed", *(f"{name}.de{number}" for number in speaks.formats)]
    return tshark.read(file, PORT, name, fields, lua=tmp_path / f"{speaks.name}.lua")


def expected(speaks: Dialect, frames: list[bytes]) -> list[list[str]]:
    rows = []
    for frame in frames:
        message = decode(frame, speaks)
        rows.append([message.mti, "", *(message.get(number) or "" for number in speaks.formats)])
    return rows


class TestDialects:
    """Every element of every dialect has the same value in tshark as in the codec."""

    @pytest.mark.parametrize("name", DIALECT_NAMES)
    def test_tshark_reads_what_the_codec_reads(self, tmp_path: Path, name: str) -> None:
        speaks = dialect(name)
        frames = [encode(message, speaks) for message in messages_of(speaks)]

        assert dissected(tmp_path, speaks, frames) == expected(speaks, frames)

    @pytest.mark.parametrize("where", ["after-second", "element-65"])
    def test_a_third_bitmap(self, tmp_path: Path, where: str) -> None:
        plain = dialect("ascii87")
        formats = {number: what for number, what in plain.formats.items() if number != 65}
        formats |= {130: FieldFormat("n", 6), 192: FieldFormat("ans", 20, 2)}
        speaks = replace(plain, name=f"third-{where}", formats=formats, third_bitmap=where)
        frames = [encode(Message("0100", {11: "000001", 66: "1", 130: "123456", 192: "last"}), speaks)]

        assert dissected(tmp_path, speaks, frames) == expected(speaks, frames)


class TestFramings:
    """A frame is found in the stream whatever stands around it."""

    @pytest.mark.parametrize("name", [*FRAMING_NAMES, "len2-be+stx+etx", "len4-ascii+trailer:0D0A", "len2-be+after:0D"])
    def test_frames_are_cut_as_by_the_decoder(self, tmp_path: Path, name: str) -> None:
        speaks = replace(dialect("ascii87"), name="framed", framing=name)
        frames = [encode(Message("0800", {7: "0314092653", 11: f"00000{n}", 70: "301"}), speaks) for n in range(5)]

        assert dissected(tmp_path, speaks, frames) == expected(speaks, frames)


class TestWhatDoesNotDecode:
    """A message is shown as far as it goes, and where it stops is said."""

    def test_a_cut_message_shows_its_first_elements(self, tmp_path: Path) -> None:
        speaks = dialect("ascii87")
        frame = encode(Message("0100", {3: "000000", 4: "000000004200", 11: "000001"}), speaks)

        ((mti, malformed, *values),) = dissected(tmp_path, speaks, [frame[:-3]])

        found = dict(zip(speaks.formats, values, strict=True))
        assert (mti, malformed) == ("0100", "DE 11: 6 bytes expected, 3 left")
        assert (found[3], found[4], found[11]) == ("000000", "000000004200", "")

    def test_the_next_message_is_read_all_the_same(self, tmp_path: Path) -> None:
        speaks = dialect("pos-bcd87")
        good = encode(Message("0800", {7: "0314092653", 11: "000001", 70: "301"}), speaks)

        rows = dissected(tmp_path, speaks, [good[:6], good])

        assert [row[0] for row in rows] == ["", "0800"]


class TestTheScript:
    """The script is text made of a dialect's tables; it holds nothing that could be taken for code."""

    def test_names_cannot_break_out_of_their_quotes(self) -> None:
        speaks = replace(dialect("ascii87"), names={2: 'x", os.execute("reboot"), "\n'})

        script = lua_dissector(speaks)

        assert 'os.execute("' not in script
        assert '"x\\034, os.execute(\\034reboot\\034), \\034\\010"' in script

    def test_it_claims_the_ports_that_it_is_given(self) -> None:
        assert '["ports"] = {8441, 8442}' in lua_dissector(dialect("ascii87"), [8441, 8442])

    def test_a_framing_that_is_none_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="framing"):
            lua_dissector(replace(dialect("ascii87"), framing="none"))
