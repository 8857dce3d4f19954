"""The compiled functions: the same as the slow path, only faster, and never more than a peer may cost us."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso8583 import specs

from iso import Dialect, LocalProtocolError, Message, RemoteProtocolError, decode, dialect, encode
from iso.codec import _DECLINED
from iso.compile_read import compile_reader
from iso.compile_write import compile_writer
from iso.compiled import FREE, KEPT, PRICE, Shelf
from iso.dialect_file import dialect_from_toml
from iso.dialects import DIALECT_NAMES
from iso.generic import decode as decode_slowly
from iso.generic import encode as encode_slowly
from tests.support.messages import authorisation_request, messages, values


def nibbles_spec() -> dict[str, Any]:
    spec: dict[str, Any] = copy.deepcopy(specs.default)
    spec["2"] |= {"data_enc": "b", "len_enc": "bcd", "len_count": "nibbles", "len_type": 1, "right_pad": "F"}
    spec["43"] |= {"data_enc": "cp500"}
    spec["55"] |= {"len_enc": "b", "len_type": 2, "max_len": 20000}
    return spec


ODD = """
name = "odd"
base = "pos-bcd87"
pad = "right"
pad_digit = "F"
header = "fixed"
header_bytes = 3
[elements]
2 = { rule = "n..19", pad = "left", pad_digit = "F" }
22 = { rule = "n3", pad = "right", pad_digit = "0" }
37 = { rule = "an12", text = "cp037" }
48 = { rule = "ans...900", text = "cp1047", lengths = "text" }
52 = { rule = "b8", binary = "hex" }
60 = { rule = "b...500", lengths = "text" }
61 = { rule = "b...20000", lengths = "b" }
62 = { rule = "ans...12000", lengths = "b" }
63 = { rule = "a..30", lengths = "b1" }
102 = "an9"
103 = { rule = "x+n7", numeric = "text" }
"""
DIALECTS: dict[str, Dialect] = {name: dialect(name) for name in DIALECT_NAMES}
DIALECTS["foreign"] = Dialect.from_pyiso8583(specs.default, name="foreign")
DIALECTS["nibbles"] = Dialect.from_pyiso8583(nibbles_spec(), name="nibbles")
DIALECTS["odd"] = dialect_from_toml(ODD)
each_dialect = pytest.mark.parametrize("name", DIALECTS)


def outcome(function: Any, *arguments: Any) -> object:
    try:
        found = function(*arguments)
    except (RemoteProtocolError, LocalProtocolError) as error:
        return str(error), error.element, error.offset
    return (found, found.header) if isinstance(found, Message) else found


def quick(function: Any, *arguments: Any) -> object:
    """What a compiled function says; None where it leaves the decision to the slow path."""
    try:
        found = function(*arguments)
    except _DECLINED:
        return None
    return (found, found.header) if isinstance(found, Message) else found


def bitmap_bytes(raw: bytes, spoken: Dialect) -> int:
    double = 2 if spoken.bitmap_encoding != "b" else 1
    first = raw[spoken.bitmap_at : spoken.bitmap_at + 8 * double]
    packed = first if double == 1 else bytes.fromhex(first.decode(spoken.bitmap_encoding))
    return double * (16 if packed[0] & 0x80 else 8)


def damaged(draw: st.DrawFn, data: bytes, keep: int) -> bytes:
    """Wrong behind the bitmap, so that the same function is asked: changed, cut or lengthened."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(0, 2))):
        if len(changed) > keep:
            changed[draw(st.integers(keep, len(changed) - 1))] = draw(st.integers(0, 255))
    cut = draw(st.integers(min(keep, len(changed)), len(changed)))
    return draw(st.sampled_from([bytes(changed), bytes(changed[:cut]), bytes(changed) + b"0"]))


class TestReading:
    """A compiled reader accepts what the slow path accepts and gives the same message."""

    @each_dialect
    @given(data=st.data())
    def test_it_reads_every_legal_message_as_the_slow_path_does(self, name: str, data: st.DataObject) -> None:
        spoken = DIALECTS[name]
        raw = encode_slowly(data.draw(messages(spoken)), spoken)
        message = decode_slowly(raw, spoken)
        read = compile_reader(spoken, tuple(message.fields), bitmap_bytes(raw, spoken))

        assert read is not None
        assert quick(read, raw) == (message, message.header)

    @each_dialect
    @given(data=st.data())
    def test_what_it_accepts_of_damaged_messages_the_slow_path_accepts(self, name: str, data: st.DataObject) -> None:
        spoken = DIALECTS[name]
        raw = encode_slowly(data.draw(messages(spoken)), spoken)
        width = bitmap_bytes(raw, spoken)
        read = compile_reader(spoken, tuple(decode_slowly(raw, spoken).fields), width)
        wrong = damaged(data.draw, raw, spoken.bitmap_at + width)

        found = quick(read, wrong)

        assert found is None or found == outcome(decode_slowly, wrong, spoken)

    @each_dialect
    @given(data=st.data())
    def test_the_codec_and_the_slow_path_say_the_same(self, name: str, data: st.DataObject) -> None:
        spoken = DIALECTS[name]
        raw = encode_slowly(data.draw(messages(spoken, most=3)), spoken)
        for _ in range(3):
            decode(raw, spoken)
        wrong = damaged(data.draw, raw, 0)

        assert outcome(decode, wrong, spoken) == outcome(decode_slowly, wrong, spoken)

    @pytest.mark.parametrize("name", ["ascii87", "ebcdic87", "pos-bcd87"])
    def test_every_single_wrong_byte_is_judged_alike(self, name: str) -> None:
        spoken = dialect(name)
        raw = encode(authorisation_request(de38="A 1234", de54="0002840C000000001999"), spoken)
        for _ in range(3):
            decode(raw, spoken)

        for at in range(len(raw)):
            for byte in (0x00, 0x2F, 0x3A, 0x7F, 0xB2, 0xE9, 0xFF):
                wrong = raw[:at] + bytes((byte,)) + raw[at + 1 :]
                assert outcome(decode, wrong, spoken) == outcome(decode_slowly, wrong, spoken)


class TestWriting:
    """A compiled writer writes what the slow path writes, and refuses nothing that it would write."""

    @each_dialect
    @given(data=st.data())
    def test_it_writes_every_legal_message_as_the_slow_path_does(self, name: str, data: st.DataObject) -> None:
        spoken = DIALECTS[name]
        message = data.draw(messages(spoken))
        order = data.draw(st.permutations(list(message.fields)))
        message = Message(message.mti, {element: message[element] for element in order}, message.header)
        write = compile_writer(spoken, tuple(order))

        assert write is not None
        values = [message[element] for element in order]
        assert quick(write, message.mti, values, message.header) == encode_slowly(message, spoken)

    @each_dialect
    @given(data=st.data())
    def test_what_it_writes_of_wrong_values_the_slow_path_writes(self, name: str, data: st.DataObject) -> None:
        spoken = DIALECTS[name]
        message = data.draw(messages(spoken, most=4))
        elements = list(message.fields)
        if elements:
            odd = st.one_of(st.text(max_size=30), *(values(spoken.formats[element]) for element in elements))
            message = message.with_fields({data.draw(st.sampled_from(elements)): data.draw(odd)})
        write = compile_writer(spoken, tuple(message.fields))

        found = quick(write, message.mti, list(message.fields.values()), message.header)

        assert found is None or found == outcome(encode_slowly, message, spoken)


class TestWhenItCompiles:
    """A key is compiled at its third sighting; what strangers can make us compile is bounded."""

    def test_at_the_third_sighting(self) -> None:
        spoken = dialect("ascii87").relaxed()
        raw = encode(authorisation_request(), spoken)

        seen = []
        for _ in range(3):
            decode(raw, spoken)
            seen.append(len(spoken.codec.readers.functions))

        assert seen == [0, 0, 1]

    def test_a_refused_message_is_no_sighting(self) -> None:
        spoken = dialect("ascii87").relaxed()
        raw = encode(authorisation_request(), spoken)

        for _ in range(9):
            with pytest.raises(RemoteProtocolError):
                decode(raw + b"0", spoken)

        assert not spoken.codec.readers.functions

    def test_one_bitmap_has_one_function_however_its_case_is_mixed(self) -> None:
        spoken = dialect("ascii87").relaxed()
        raw = encode(Message("0100", {3: "000000", 5: "0" * 12, 7: "0" * 10, 11: "000001"}), spoken)
        assert raw[4:20] == b"2A20000000000000"

        for bitmap in (b"2A20000000000000", b"2a20000000000000"):
            for _ in range(4):
                assert decode(raw[:4] + bitmap + raw[20:], spoken)[11] == "000001"

        assert len(spoken.codec.readers.functions) == 2

    def test_beyond_the_free_ones_each_is_paid_for_by_slow_readings(self) -> None:
        shelf, made = Shelf(), []

        for key in range(3 * FREE):
            for _ in range(3):
                shelf.learn(key, lambda: made.append(1) or str)

        sightings = 3 * 3 * FREE
        assert FREE <= len(made) <= FREE + sightings // PRICE

    def test_a_bounded_number_is_kept(self) -> None:
        shelf = Shelf()

        for key in range(KEPT + 20):
            for _ in range(PRICE):
                shelf.learn(key, lambda: str)

        assert len(shelf.functions) == KEPT
        assert 0 not in shelf.functions

    def test_nothing_of_a_message_is_in_the_source(self) -> None:
        spoken = dialect("ascii87")
        codes = [compile_reader(spoken, (2, 48), 16), compile_writer(spoken, (2, 48))]

        for function in codes:
            assert function is not None
            assert not any(isinstance(value, str) and len(value) > 60 for value in function.__code__.co_consts)
