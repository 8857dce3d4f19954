"""The codec under bytes that nobody meant to send, seeded with what other systems wrote.

Hypothesis is the fuzzer: it needs no compiler and shrinks what it finds. It mutates the corpus, splices its messages,
and plays with lengths and bitmaps. The law: a message or RemoteProtocolError, the same from the fast and the slow
path, and never more memory than a small multiple of the input.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iso import Dialect, Message, RemoteProtocolError, decode, dialect, encode
from iso.codec import decode_with_spans
from iso.dialects import DIALECT_NAMES
from iso.generic import decode as decode_slowly
from iso.pan import mask_frame
from iso.remarks import decode_with_remarks
from iso.salvage import salvage
from tests.support.messages import authorisation_request, reversal_of

CORPUS = json.loads((Path(__file__).parents[1] / "corpus" / "iso8583.json").read_text(encoding="utf-8"))
REQUEST = authorisation_request(de55="9F360200A1" * 20, de54="0002840C000000001999")
SEEDS = [bytes.fromhex(entry["hex"]) for entry in CORPUS] + [
    encode(message, dialect(name))
    for name in DIALECT_NAMES
    if dialect(name).version == "1987"
    for message in (REQUEST, reversal_of(REQUEST))
]
SPOKEN: tuple[Dialect, ...] = tuple(dialect(name) for name in DIALECT_NAMES)
RELAXED = tuple(spoken.relaxed() for spoken in SPOKEN)
LONGEST = 8192


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """A seed that was changed, cut, spliced with another, stretched, or given another bitmap."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        how = draw(st.sampled_from(["set", "digits", "cut", "insert", "splice", "stretch"]))
        if how == "set":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=8))
        elif how == "digits":
            data[at : at + 3] = draw(st.sampled_from([b"999", b"000", b"\xf9\xf9\xf9", b"\xff\xff", b"\x99\x99"]))
        elif how == "cut":
            del data[at:]
        elif how == "insert":
            data[at:at] = draw(st.binary(max_size=16))
        elif how == "splice":
            other = draw(st.sampled_from(SEEDS))
            data[at:] = other[draw(st.integers(0, len(other))) :]
        else:
            data += bytes((draw(st.integers(0, 255)),)) * draw(st.integers(0, 2000))
    return bytes(data[:LONGEST])


def outcome(
    read: Callable[[bytes, Dialect], Message], data: bytes, spoken: Dialect
) -> Message | tuple[str, int | None, int | None, str | None, BaseException | None]:
    try:
        return read(data, spoken)
    except RemoteProtocolError as error:
        return str(error), error.element, error.offset, error.mti, error.__context__


def judge(data: bytes, spoken: Dialect) -> None:
    """Put one input through everything that reads frames."""
    expected, found = outcome(decode_slowly, data, spoken), outcome(decode, data, spoken)
    assert found == expected
    rest = salvage(data, spoken)
    assert rest is None or isinstance(found, Message) or found[3] == rest.mti
    if isinstance(found, Message):
        assert decode_with_spans(data, spoken)[0] == found
        assert decode_with_remarks(data, spoken)[0] == found
        assert decode(encode(found, spoken), spoken) == found
        assert len(mask_frame(data, spoken)) == len(data)


class TestCodec:
    """No input makes the codec do anything but read or refuse."""

    @settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
    @given(data=hostile(), spoken=st.sampled_from(SPOKEN + RELAXED))
    def test_whatever_arrives(self, data: bytes, spoken: Dialect) -> None:
        judge(data, spoken)

    @pytest.mark.long
    @settings(max_examples=20_000, suppress_health_check=[HealthCheck.too_slow])
    @given(data=hostile(), spoken=st.sampled_from(SPOKEN + RELAXED))
    def test_whatever_arrives_for_minutes(self, data: bytes, spoken: Dialect) -> None:
        judge(data, spoken)

    @pytest.mark.parametrize("name", DIALECT_NAMES)
    def test_memory_stays_in_proportion(self, name: str) -> None:
        spoken = dialect(name)
        attacks = [bytes((byte,)) * LONGEST for byte in (0x00, 0x30, 0x39, 0x99, 0xF9, 0xFF)]
        attacks += [seed[:30] + seed[30:] * 100 for seed in SEEDS[:6]]
        for attack in attacks:
            judge(attack[:LONGEST], spoken)

        tracemalloc.start()
        for attack in attacks:
            judge(attack[:LONGEST], spoken)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert peak < 64 * LONGEST
