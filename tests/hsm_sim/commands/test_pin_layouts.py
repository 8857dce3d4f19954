"""The layouts of the PIN commands: what is written is read back, also where a length is told by what follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.commands import pin_lmk, pin_offsets, pin_translation, pin_verification
from hsm_sim.core.commands.fields import Value
from hsm_sim.core.commands.row import Command
from hsm_sim.core.commands.wire import decode_answer, decode_command, encode_answer, encode_command
from hsm_sim.core.crypto.pinblocks import account_field
from hsm_sim.core.errors import CODES, HsmError
from iso.errors import LocalProtocolError
from tests.hsm_sim.commands.pins import AES_BDK, AES_ZPK, BDK, BLOCK_BDK, PVK, TDES_ZPK, VISA_PVK, ZPK

ROWS = {
    row.code: row
    for rows in (pin_translation.ROWS, pin_verification.ROWS, pin_offsets.ROWS, pin_lmk.ROWS)
    for row in rows
}
FORMATS = ("01", "02", "03", "05", "34", "47", "48")
KEYS = st.sampled_from((ZPK, TDES_ZPK, AES_ZPK, PVK, VISA_PVK, "KA00", "0123456789ABCDEF"))
PVKS = st.sampled_from((PVK, VISA_PVK, "KF05"))
BASE_KEYS = st.sampled_from((BDK, BLOCK_BDK, AES_BDK, "KF0E"))


def _hex(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789ABCDEF", min_size=length, max_size=length)


def _digits(shortest: int, longest: int | None = None) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=shortest, max_size=longest or shortest)


def _pins(draw: st.DrawFn, is_aes: bool) -> str:
    return "J" + draw(_hex(32)) if is_aes else draw(_digits(5, 13))


def _serial(draw: st.DrawFn, key: str) -> tuple[str, str]:
    if key == AES_BDK:
        return draw(st.sampled_from(("A05", "A09"))), draw(_hex(24))
    return draw(st.sampled_from((("A09", draw(_hex(24))), ("A05", draw(_hex(20))), ("605", "0" + draw(_hex(15))))))


@st.composite
def _values(draw: st.DrawFn, row: Command) -> dict[str, Value]:
    """Draw values for a command; formats, accounts and blocks fit each other as in any command of a client."""
    code, destination = draw(st.sampled_from(FORMATS)), draw(st.sampled_from(FORMATS))
    if row.code == "CI":
        code = "01"
    source, pan = draw(BASE_KEYS), draw(_digits(12, 19))
    is_zone = row.code in ("CA", "G0") and draw(st.booleans())
    target = draw(st.sampled_from((ZPK, TDES_ZPK, AES_ZPK, "KA00"))) if is_zone else draw(BASE_KEYS)
    marks = {} if is_zone else {"destination_flag": draw(st.sampled_from("*~"))}
    serial, other = _serial(draw, source), _serial(draw, target)
    is_aes = draw(st.booleans())
    values: dict[str, Value] = {
        "key_type": "001",
        "key": draw(KEYS),
        "pvk": draw(PVKS),
        "source": source if row.code in ("G0", "CI") else draw(KEYS),
        "destination": draw(KEYS) if row.code in ("CC", "CI") else target,
        "maximum": draw(_digits(2)),
        "block": draw(_hex(32 if code == "48" else 16)),
        "new_block": draw(_hex(32 if code == "48" else 16)),
        "format": code,
        "source_format": code,
        "destination_format": destination,
        "pan": pan,
        "account": account_field(pan),
        "check": draw(_digits(2)),
        "table": draw(_hex(32)) if is_aes else draw(_hex(16)),
        "validation": draw(_hex(11)) + "N",
        "offset": draw(_digits(4, 12)).ljust(12, "F"),
        "pvki": draw(_digits(1)),
        "pvv": draw(_digits(4)),
        "pin": _pins(draw, is_aes),
        "clear": draw(_digits(4, 12)) + "F",
        "length": draw(_digits(2)),
        "descriptor": serial[0],
        "ksn": "0" * 20 if row.code == "CI" else serial[1],
        "destination_descriptor": other[0],
        "destination_ksn": other[1],
        **marks,
    }
    if row.code == "JA" and draw(st.booleans()):
        values |= {"excluded_count": "02", "excluded_length": "05", "excluded": draw(_digits(10))}
    return values


def _refusal(row: Command, written: bytes) -> str:
    """Return the code with which a command is refused, or "00"."""
    try:
        decode_command(row, written, 2)
    except HsmError as refused:
        return refused.code
    return "00"


class TestLayouts:
    """A command reads back as what was written, with and without what may follow it."""

    @pytest.mark.parametrize("code", sorted(ROWS))
    @given(data=st.data(), tail=st.sampled_from(("", "%00", "%01\x19trailer 48;", "\x190000000000;")))
    def test_what_is_written_is_read_back(self, code: str, data: st.DataObject, tail: str) -> None:
        row = ROWS[code]
        values = data.draw(_values(row))
        written = encode_command(code, values) + tail.encode()

        read, lmk, trailer = decode_command(row, written, 2)

        assert {name: values[name] for name in read} == read
        assert (lmk or "") == tail[1:3] if tail.startswith("%") else lmk is None
        assert trailer == tail[tail.find("\x19") :].encode() if "\x19" in tail else trailer == b""

    @pytest.mark.parametrize(
        ("code", "answers"),
        [
            ("CC", {"length": "04", "block": "0" * 32, "format": "48"}),
            ("CC", {"length": "04", "block": "0" * 16, "format": "01"}),
            ("JG", {"block": "0" * 32}),
            ("JE", {"pin": "J" + "0" * 32}),
            ("JA", {"pin": "01234"}),
            ("NG", {"clear": "1234F"}),
            ("BK", {"offset": "1234FFFFFFFF"}),
            ("CU", {"pvv": "1234"}),
        ],
    )
    def test_answers_read_back(self, code: str, answers: dict[str, Value]) -> None:
        assert decode_answer(code, encode_answer(ROWS[code], answers), {}) == ("00", answers)

    @pytest.mark.parametrize("code", sorted(ROWS))
    @given(data=st.data())
    def test_any_end_and_any_byte_is_read_or_refused_with_a_known_code(self, code: str, data: st.DataObject) -> None:
        written = bytearray(encode_command(code, data.draw(_values(ROWS[code]))))
        at = data.draw(st.integers(2, len(written) - 1))
        written[at] = data.draw(st.integers(0, 255))
        spoilt = bytes(written[: data.draw(st.integers(2, len(written)))])

        assert _refusal(ROWS[code], spoilt) in CODES

    @pytest.mark.parametrize(
        ("code", "values"),
        [
            ("JA", {"account": "123"}),
            ("JA", {"account": "1" * 12, "length": "4"}),
            ("NG", {"account": "1" * 12, "pin": "J123"}),
            ("BA", {"account": "1" * 12, "clear": "1234567890123F"}),
            ("CA", {"source": ZPK, "destination": ZPK, "destination_flag": "!"}),
            ("JG", {"key": ZPK, "format": "48", "pan": "1", "pin": "01234"}),
        ],
    )
    def test_values_that_do_not_fit_are_the_client_s_mistake(self, code: str, values: dict[str, Value]) -> None:
        with pytest.raises(LocalProtocolError):
            encode_command(code, values)
