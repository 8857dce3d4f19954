"""`identify`: unknown bytes and captures are read in the way in which they were written."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.capture_reader import is_capture, tcp_streams
from emulator.cli import main
from iso import CardrailsError, Message, dialect, encode, framing
from node.capture import Capture
from tests.iso.test_vectors import CORPUS

ECHO = Message("0800", {7: "1125161336", 11: "000255", 70: "301"})
ANSWER = Message("0810", {7: "1125161336", 11: "000255", 39: "00", 70: "301"})
CLIENT, SERVER = ("10.0.0.1", 40_000), ("10.0.0.2", 8_583)


def frame(message: Message, name: str = "ascii87") -> bytes:
    spoken = dialect(name)
    return framing(spoken.framing).encode(encode(message, spoken))


def tcp(source: tuple[str, int], destination: tuple[str, int], sequence: int, data: bytes, flags: int = 0x18) -> bytes:
    segment = struct.pack(">HHIIBBHHH", source[1], destination[1], sequence, 0, 5 << 4, flags, 65535, 0, 0) + data
    hosts = b"".join(bytes(map(int, host.split("."))) for host, _ in (source, destination))
    packet = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0x4000, 64, 6, 0) + hosts + segment
    return b"\x02" * 12 + b"\x08\x00" + packet


def pcap(packets: Sequence[bytes], order: str = "<") -> bytes:
    head = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack(order + "IIII", 0, 0, len(data), len(data)) + data for data in packets)


def pcapng(packets: Sequence[bytes]) -> bytes:
    blocks = [(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), (1, struct.pack("<HHI", 1, 0, 0))]
    blocks += [
        (6, struct.pack("<IIIII", 0, 0, 0, len(data), len(data)) + data + b"\0" * (-len(data) % 4)) for data in packets
    ]
    return b"".join(
        struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12) for kind, body in blocks
    )


def conversation() -> list[bytes]:
    request, answer = frame(ECHO), frame(ANSWER)
    return [
        tcp(CLIENT, SERVER, 999, b"", flags=0x02),
        tcp(SERVER, CLIENT, 4999, b"", flags=0x12),
        tcp(CLIENT, SERVER, 1000, request[:10]),
        tcp(CLIENT, SERVER, 1010, request[10:]),
        tcp(SERVER, CLIENT, 5000, answer),
    ]


class TestBytes:
    """A reading that explains every byte comes first, and the command that shows it works."""

    @pytest.mark.parametrize("name", ["pos-bcd87", "net-bin87", "ascii87", "ebcdic93", "ebcdic87", "bcd93"])
    @pytest.mark.parametrize("around", ["len2-be", "len4-ascii", "len2-be-inclusive"])
    def test_the_command_that_it_names_reads_them(
        self, name: str, around: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        message = ECHO if dialect(name).version == "1987" else Message("1804", {11: "000255", 24: "831"})
        data = framing(around).encode(encode(message, dialect(name)))

        code = main(["identify", "--json", data.hex()])
        best = json.loads(capsys.readouterr().out)["sources"][0]["candidates"][0]

        assert (code, best["fits"], best["messages"][0]["mti"]) == (0, True, message.mti)
        assert main([*best["command"].split()[1:], data.hex()]) == 0

    def test_where_the_others_fail_is_said(self, capsys: pytest.CaptureFixture[str]) -> None:
        code = main(["identify", frame(ECHO, "ascii87").hex()])

        lines = capsys.readouterr().out.splitlines()
        assert code == 0
        assert lines[1].split()[:4] == ["fits", "ascii87", "framing", "len2-be"]
        assert any("net-bin87" in line and ": DE " in line and " byte " in line for line in lines)

    def test_the_fixed_bitmap_of_a_public_specification_is_found_leniently(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code = main(["identify", CORPUS["V15"]["hex"]])

        assert code == 0
        assert "read it with: cardrails explain --dialect ascii87 --lenient" in capsys.readouterr().out

    def test_a_dialect_of_ones_own_is_tried_too(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        own = tmp_path / "own.toml"
        own.write_text('name = "own"\nbase = "ascii87"\n[elements]\n41 = "ans4"\n')
        main(["encode", "--dialect-file", str(own), "--mti", "0800", "--field", "11=1", "--field", "41=ABCD"])

        code = main(["identify", "--dialect-file", str(own), capsys.readouterr().out.strip()])

        assert code == 0
        assert f"--dialect-file {own}" in capsys.readouterr().out

    def test_nothing_fits_nonsense(self, capsys: pytest.CaptureFixture[str]) -> None:
        code = main(["identify", "48 54 54 50 2F 31 2E 31"])

        assert code == 1
        assert "no dialect and framing explain every byte" in capsys.readouterr().out

    def test_no_bytes_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["identify", ""]) == 1
        assert capsys.readouterr().err.count("\n") == 1


class TestAuto:
    """`--dialect auto` reads what exactly one message is, and says how."""

    def test_it_finds_dialect_framing_and_header(self, capsys: pytest.CaptureFixture[str]) -> None:
        bare = encode(ECHO, dialect("pos-bcd87"))[5:]

        code = main(["decode", "--dialect", "auto", "--json", framing("len2-bcd").encode(bare).hex()])

        shown = capsys.readouterr()
        assert (code, json.loads(shown.out)["mti"]) == (0, "0800")
        assert shown.err == "note: read as pos-bcd87 in a len2-bcd frame, header: none\n"

    @pytest.mark.parametrize("data", [b"HTTP/1.1 200", frame(ECHO) + frame(ANSWER)])
    def test_anything_else_is_one_line(self, data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["explain", "--dialect", "auto", data.hex()]) == 1
        assert capsys.readouterr().err.count("\n") == 1


class TestCaptures:
    """Each direction of each conversation of a capture is identified by itself."""

    @pytest.mark.parametrize("write", [pcap, pcapng, lambda packets: pcap(packets, ">")])
    def test_both_directions_are_read(self, write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
        file = tmp_path / "capture"
        file.write_bytes(write(conversation()))

        code = main(["identify", "--file", str(file), "--json"])

        sources = json.loads(capsys.readouterr().out)["sources"]
        assert code == 0
        assert [(source["source"], source["candidates"][0]["messages"][0]["mti"]) for source in sources] == [
            ("10.0.0.1:40000 -> 10.0.0.2:8583", "0800"),
            ("10.0.0.2:8583 -> 10.0.0.1:40000", "0810"),
        ]

    def test_what_a_node_captured_is_read(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file, at = tmp_path / "switch.pcapng", datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
        capture = Capture(file, "switch", [("issuer-b", dialect("ebcdic93"))])
        capture.opened(at, "issuer-b", 1, True, (CLIENT, SERVER))
        for _ in range(2):
            capture.frame(at, "issuer-b", 1, "out", encode(Message("1804", {11: "000255"}), dialect("ebcdic93")))
        capture.close()

        code = main(["identify", "--file", str(file)])

        lines = capsys.readouterr().out.splitlines()
        assert code == 0
        assert lines[0].startswith("10.0.0.1:40000 -> 10.0.0.2:8583: ")
        assert lines[1].split()[:4] == ["fits", "ebcdic93", "framing", "len2-be"]
        assert "1804 1804" in lines[1]

    def test_order_and_copies_do_not_matter(self) -> None:
        packets = conversation()

        shuffled = tcp_streams(pcap([*packets[:2], packets[3], packets[2], packets[3], packets[4]]))

        assert [stream.data for stream in shuffled] == [frame(ECHO), frame(ANSWER)]

    def test_a_stream_ends_at_the_first_byte_that_is_missing(self) -> None:
        packets = conversation()

        streams = tcp_streams(pcap([packets[0], packets[2], tcp(CLIENT, SERVER, 2000, b"later")]))

        assert [stream.data for stream in streams] == [frame(ECHO)[:10]]

    def test_a_capture_without_tcp_is_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "empty.pcap"
        file.write_bytes(pcap([]))

        assert main(["identify", "--file", str(file)]) == 1
        assert capsys.readouterr().err == "cardrails identify: no TCP payload in the capture\n"

    @given(st.binary(max_size=200), st.integers(0, 400), st.sampled_from([pcap, pcapng]))
    def test_any_bytes_are_read_or_refused(self, noise: bytes, at: int, write) -> None:  # type: ignore[no-untyped-def]
        whole = write(conversation())
        data = whole[:at] + noise + whole[at + len(noise) :]

        try:
            streams = tcp_streams(data)
        except CardrailsError:
            assert not is_capture(data)
        else:
            assert all(stream.data for stream in streams)
