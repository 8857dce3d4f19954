"""A stream is cut into the same frames however it arrives, and a bad prefix ends it without losing what came before."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import ConfigError, LocalProtocolError, RemoteProtocolError, framing
from iso.framing import FRAMING_NAMES, FrameDecoder

each_framing = pytest.mark.parametrize("name", FRAMING_NAMES)
payloads = st.lists(st.binary(max_size=40), max_size=6)


def fed(decoder: FrameDecoder, chunks: list[bytes]) -> list[bytes]:
    frames: list[bytes] = []
    for chunk in chunks:
        try:
            frames += decoder.feed(chunk)
        except RemoteProtocolError:
            break
    return frames


class TestCutting:
    """Frames do not depend on how the network cut the bytes."""

    @each_framing
    @given(data=st.data())
    def test_any_cuts_give_the_same_frames(self, name: str, data: st.DataObject) -> None:
        wanted = data.draw(payloads)
        stream = b"".join(map(framing(name).encode, wanted))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
        edges = [0, *cuts, len(stream)]
        chunks = [stream[start:end] for start, end in pairwise(edges)]
        decoder = framing(name).decoder()

        frames = fed(decoder, chunks)

        assert frames == [payload for payload in wanted if payload]
        assert decoder.pending_bytes == 0

    @each_framing
    @given(stream=st.binary(max_size=60))
    def test_whole_is_byte_by_byte_for_any_bytes(self, name: str, stream: bytes) -> None:
        whole, by_byte = framing(name).decoder(limit_bytes=20), framing(name).decoder(limit_bytes=20)

        frames = fed(whole, [stream])

        assert frames == fed(by_byte, [stream[at : at + 1] for at in range(len(stream))])
        assert (whole.error is None) == (by_byte.error is None)
        assert whole.pending_bytes == by_byte.pending_bytes

    @each_framing
    def test_an_empty_frame_is_a_keep_alive(self, name: str) -> None:
        way = framing(name)

        frames = way.decoder().feed(way.encode(b"") + way.encode(b"0800") + way.encode(b""))

        assert frames == [b"0800"]

    @each_framing
    def test_an_unfinished_frame_is_held(self, name: str) -> None:
        decoder = framing(name).decoder()

        frames = decoder.feed(framing(name).encode(b"0800")[:-1])

        assert frames == []
        assert decoder.pending_bytes > 0


class TestLimits:
    """A prefix that is illegal or too long ends the stream; the frames before it still count."""

    @each_framing
    def test_the_longest_frame_passes_and_one_byte_more_does_not(self, name: str) -> None:
        way = framing(name)

        assert way.decoder(limit_bytes=50).feed(way.encode(b"x" * 50)) == [b"x" * 50]
        with pytest.raises(RemoteProtocolError):
            way.decoder(limit_bytes=50).feed(way.encode(b"x" * 51)[:4])

    def test_what_came_before_the_fault_is_delivered_first(self) -> None:
        way = framing("len2-be")
        decoder = way.decoder(limit_bytes=50)

        frames = decoder.feed(way.encode(b"0800") + b"\xff\xff")

        assert frames == [b"0800"]
        assert decoder.error is not None
        with pytest.raises(RemoteProtocolError):
            decoder.feed(b"")
        with pytest.raises(RemoteProtocolError):
            decoder.feed(way.encode(b"0800"))

    @pytest.mark.parametrize(
        ("name", "prefix"),
        [
            ("len4-ascii", b"00x0"),
            ("len4-ascii", b" 12 "),
            ("len4-ascii", b"+012"),
            ("len2-bcd", b"\x00\x0a"),
            ("len2-be-inclusive", b"\x00\x01"),
        ],
    )
    def test_an_illegal_prefix_is_refused(self, name: str, prefix: bytes) -> None:
        with pytest.raises(RemoteProtocolError):
            framing(name).decoder().feed(prefix)

    def test_nothing_is_held_after_a_fault(self) -> None:
        decoder = framing("len2-be").decoder(limit_bytes=50)

        with pytest.raises(RemoteProtocolError):
            decoder.feed(b"\xff\xff" + b"x" * 5000)

        assert decoder.pending_bytes == 0

    @each_framing
    def test_what_the_prefix_cannot_say_is_not_written(self, name: str) -> None:
        with pytest.raises(LocalProtocolError):
            framing(name).encode(b"x" * 70_000)

    def test_an_unknown_name_is_refused_in_one_line(self) -> None:
        with pytest.raises(ConfigError, match=r"^framings: name = 'morse': one of .*len2-be"):
            framing("morse")


class TestBytes:
    """Each framing writes what its name says."""

    @pytest.mark.parametrize(
        ("name", "prefix"),
        [
            ("len2-be", b"\x00\x2e"),
            ("len2-be-inclusive", b"\x00\x30"),
            ("len4-ascii", b"0046"),
            ("len2-bcd", b"\x00\x46"),
        ],
    )
    def test_forty_six_bytes(self, name: str, prefix: bytes) -> None:
        assert framing(name).encode(b"x" * 46) == prefix + b"x" * 46
