"""Fuzzing of framing: whatever a peer sends, in whatever pieces, a decoder gives frames or one declared error.

Seeds are real frames; they are joined, cut and damaged. Bounded: a few hundred streams for each framing in a run.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iso import RemoteProtocolError, framing
from iso.detect import candidates
from iso.dialects import dialect
from iso.framing import FRAMING_NAMES, FrameDecoder

SEEDS = [
    bytes.fromhex(entry["hex"])
    for entry in json.loads((Path(__file__).parents[1] / "corpus" / "iso8583.json").read_text(encoding="utf-8"))
]
NAMES = (*FRAMING_NAMES, "len2-be+stx+etx", "len4-ascii-inclusive+trailer:0D0A", "len2-bcd+after:03")
LIMIT_BYTES = 200
AROUND_MAX_BYTES = 8
"""The widest prefix with what stands around a payload."""

each_framing = pytest.mark.parametrize("name", NAMES)


@st.composite
def streams(draw: st.DrawFn, name: str) -> bytes:
    """Frames of this framing around pieces of real messages, and then damage."""
    way = framing(name)
    piece = st.sampled_from(SEEDS).flatmap(
        lambda seed: st.tuples(st.integers(0, len(seed)), st.integers(0, 220)).map(lambda cut: seed[cut[0] :][: cut[1]])
    )
    pieces = draw(st.lists(st.one_of(piece, st.sampled_from(SEEDS), st.just(b"")), max_size=5))
    if name.startswith("stx"):
        pieces = [one.replace(b"\x03", b"") for one in pieces]
    stream = bytearray(b"".join(map(way.encode, pieces)))
    for _ in range(draw(st.integers(0, 3))):
        if stream:
            at = draw(st.integers(0, len(stream) - 1))
            kind = draw(st.sampled_from(["flip", "drop", "insert"]))
            if kind == "flip":
                stream[at] ^= draw(st.integers(1, 255))
            elif kind == "drop":
                del stream[at : at + draw(st.integers(1, 5))]
            else:
                stream[at:at] = draw(st.binary(max_size=5))
    return bytes(stream)


def run(decoder: FrameDecoder, chunks: list[bytes]) -> list[bytes]:
    """Feed until the end or the error; nothing but the declared error may come out, and nothing much may be held."""
    frames: list[bytes] = []
    for chunk in chunks:
        try:
            frames += decoder.feed(chunk)
        except RemoteProtocolError:
            assert decoder.error is not None
            break
        assert decoder.pending_bytes <= LIMIT_BYTES + AROUND_MAX_BYTES or decoder.error
    return frames


class TestStreams:
    """Any stream gives the same frames and the same fault however it is cut."""

    @each_framing
    @settings(max_examples=150, deadline=None)
    @given(data=st.data())
    def test_of_damaged_frames(self, name: str, data: st.DataObject) -> None:
        stream = data.draw(streams(name))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
        chunks = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]
        whole, pieces = (framing(name).decoder(LIMIT_BYTES) for _ in range(2))

        frames = run(whole, [stream])

        assert run(pieces, chunks) == frames
        assert all(0 < len(frame) <= LIMIT_BYTES for frame in frames)
        assert sum(map(len, frames)) <= len(stream)
        if whole.error is None:
            assert pieces.error is None
            assert pieces.pending_bytes == whole.pending_bytes
        else:
            # A fault may be found one feed later than the frames before it; it is the same fault.
            with pytest.raises(RemoteProtocolError) as caught:
                pieces.feed(b"")
            assert (str(caught.value), caught.value.offset) == (str(whole.error), whole.error.offset)

    @each_framing
    @settings(max_examples=50, deadline=None)
    @given(stream=st.binary(max_size=400))
    def test_of_noise(self, name: str, stream: bytes) -> None:
        decoder = framing(name).decoder(LIMIT_BYTES)

        frames = run(decoder, [stream[at : at + 7] for at in range(0, len(stream), 7)])

        assert all(0 < len(frame) <= LIMIT_BYTES for frame in frames)


class TestDetection:
    """Captured bytes, damaged or not, have candidates and never an exception."""

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_of_damaged_captures(self, data: st.DataObject) -> None:
        capture = data.draw(streams(data.draw(st.sampled_from(["len2-be", "len4-ascii", "visa", "stx-etx"]))))

        found = candidates(capture, [dialect("ascii87"), dialect("pos-bcd87")])

        assert bool(found) == bool(capture)
        assert all(candidate.rule or candidate.fits for candidate in found)
