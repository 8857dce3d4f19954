"""A stream is cut into the same frames however it arrives, and a bad prefix ends it without losing what came before."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from iso import ConfigError, LocalProtocolError, RemoteProtocolError, framing
from iso.framing import FRAMING_NAMES, FrameDecoder

DRESSED = (
    "len2-be+etx",
    "len4-ascii-inclusive+stx+etx",
    "len2-le+trailer:0D0A",
    "len2-bcd+after:03",
    "visa+etx+after:FFFF",
)
MARKED = ("stx-etx", "stx-etx-lrc")
NAMES = (*FRAMING_NAMES, *DRESSED)
each_framing = pytest.mark.parametrize("name", NAMES)
each_with_a_length = pytest.mark.parametrize("name", [name for name in NAMES if name not in MARKED])


def payloads(name: str) -> SearchStrategy[list[bytes]]:
    """What a framing can carry: a frame that ends at an ETX cannot hold one."""
    payload = st.binary(max_size=40)
    return st.lists(payload.map(lambda raw: raw.replace(b"\x03", b"")) if name in MARKED else payload, max_size=6)


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
        wanted = data.draw(payloads(name))
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
        assert str(whole.error) == str(by_byte.error)
        assert getattr(whole.error, "offset", None) == getattr(by_byte.error, "offset", None)
        assert whole.pending_bytes == by_byte.pending_bytes

    @each_framing
    @given(data=st.data())
    def test_whole_is_byte_by_byte_where_one_byte_is_wrong(self, name: str, data: st.DataObject) -> None:
        stream = bytearray(b"".join(map(framing(name).encode, data.draw(payloads(name)))) or b"\x02")
        stream[data.draw(st.integers(0, len(stream) - 1))] ^= data.draw(st.integers(1, 255))
        whole, by_byte = framing(name).decoder(limit_bytes=50), framing(name).decoder(limit_bytes=50)

        frames = fed(whole, [bytes(stream)])

        assert frames == fed(by_byte, [bytes(stream[at : at + 1]) for at in range(len(stream))])
        assert str(whole.error) == str(by_byte.error)
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
            way.decoder(limit_bytes=50).feed(way.encode(b"x" * 51)[:-1])

    @each_with_a_length
    def test_too_much_is_refused_before_any_of_it_arrives(self, name: str) -> None:
        way = framing(name)

        with pytest.raises(RemoteProtocolError):
            way.decoder(limit_bytes=50).feed(way.encode(b"x" * 51)[:4])

    @each_framing
    @given(stream=st.binary(max_size=300), cut=st.integers(1, 40))
    def test_no_stream_makes_it_hold_more_than_one_frame(self, name: str, stream: bytes, cut: int) -> None:
        decoder, chunks = framing(name).decoder(limit_bytes=50), range(0, len(stream), cut)

        for at in chunks:
            if fed(decoder, [stream[at : at + cut]]) == [] and decoder.error:
                break
            assert decoder.pending_bytes <= 50 + 12

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
            ("len2-bcd", b"\xf0\x10"),
            ("len2-be-inclusive", b"\x00\x01"),
            ("len2-be-inclusive", b"\x00\x00"),
            ("len4-hex", b"00g0"),
            ("len4-hex", b"0x10"),
            ("len4-hex", b"+001"),
            ("visa", b"\x00\x10\x00\x01"),
            ("stx-etx", b"\x06"),
            ("len4-be", b"\xff\xff\xff\xff"),
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

    @pytest.mark.parametrize(
        "name", [name for name in NAMES if name not in MARKED and not name.startswith(("len4-be", "len4-le"))]
    )
    def test_what_the_prefix_cannot_say_is_not_written(self, name: str) -> None:
        with pytest.raises(LocalProtocolError):
            framing(name).encode(b"x" * 70_000)

    @pytest.mark.parametrize("name", MARKED)
    def test_a_payload_that_would_end_its_own_frame_is_not_written(self, name: str) -> None:
        with pytest.raises(LocalProtocolError):
            framing(name).encode(b"0800\x03")

    @pytest.mark.parametrize(
        ("name", "stream"),
        [
            ("len2-be+etx", b"\x00\x050800\x04"),
            ("len2-be+stx+etx", b"\x00\x06\x010800\x03"),
            ("len2-be+stx+etx", b"\x00\x01\x02"),
            ("len2-be+after:0D0A", b"\x00\x040800\r\r"),
            ("stx-etx-lrc", b"\x020800\x03\x00"),
        ],
    )
    def test_a_trailer_that_is_not_there_ends_the_stream(self, name: str, stream: bytes) -> None:
        with pytest.raises(RemoteProtocolError):
            framing(name).decoder().feed(stream)

    def test_the_place_of_a_fault_counts_from_the_first_byte_of_the_stream(self) -> None:
        decoder = framing("len4-ascii").decoder()
        decoder.feed(b"00040800")

        with pytest.raises(RemoteProtocolError) as caught:
            decoder.feed(b"0x00")

        assert caught.value.offset == 8

    def test_an_unknown_name_is_refused_in_one_line(self) -> None:
        with pytest.raises(ConfigError, match=r"^framings: name = 'morse': one of .*len2-be"):
            framing("morse")

    @pytest.mark.parametrize(
        "name", ["", "stx-etx+etx", "len2-be+", "len2-be+crc", "len2-be+trailer:", "len2-be+after:0", "visa+after:XY"]
    )
    def test_an_option_that_does_not_exist_is_refused(self, name: str) -> None:
        with pytest.raises(ConfigError):
            framing(name)


class TestBytes:
    """Each framing writes what its name says."""

    @pytest.mark.parametrize(
        ("name", "prefix"),
        [
            ("len2-be", b"\x00\x2e"),
            ("len2-be-inclusive", b"\x00\x30"),
            ("len2-le", b"\x2e\x00"),
            ("len2-le-inclusive", b"\x30\x00"),
            ("len4-be", b"\x00\x00\x00\x2e"),
            ("len4-be-inclusive", b"\x00\x00\x00\x32"),
            ("len4-le", b"\x2e\x00\x00\x00"),
            ("len4-ascii", b"0046"),
            ("len4-ascii-inclusive", b"0050"),
            ("len4-hex", b"002E"),
            ("len2-bcd", b"\x00\x46"),
            ("visa", b"\x00\x2e\x00\x00"),
        ],
    )
    def test_forty_six_bytes(self, name: str, prefix: bytes) -> None:
        assert framing(name).encode(b"x" * 46) == prefix + b"x" * 46

    @pytest.mark.parametrize(
        ("name", "frame"),
        [
            ("len2-be+etx", b"\x00\x050800\x03"),
            ("len2-be-inclusive+stx+etx", b"\x00\x08\x020800\x03"),
            ("len4-ascii+trailer:0D0A", b"00060800\r\n"),
            ("len4-ascii+after:0D0A", b"00040800\r\n"),
            ("stx-etx", b"\x020800\x03"),
            ("stx-etx-lrc", b"\x020800\x03\x0b"),
        ],
    )
    def test_what_stands_around_a_message(self, name: str, frame: bytes) -> None:
        assert framing(name).encode(b"0800") == frame
        assert framing(name).decoder().feed(frame) == [b"0800"]
