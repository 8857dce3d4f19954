"""Captures: an independent reader finds a valid TCP conversation with our messages in it, and no card number."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
import structlog
from trio.testing import MockClock

from iso import Dialect, Message, decode, dialect, encode, framing
from node.capture import MEMORY_PORT, Capture
from node.pipes import Pipes
from tests.support import tshark
from tests.support.nodes import answerer, asker, authorisation
from tests.support.time import let_pass

AT = datetime(2026, 3, 14, 9, 26, 53, 589_793, tzinfo=UTC)
PAN = "4242424242424242"


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


def captured(file: Path, frames: list[bytes], speaks: Dialect, at: datetime = AT, **options: int | bool) -> Capture:
    """Write one conversation in which every frame goes out, and close the capture."""
    capture = Capture(file, "switch", [("issuer", speaks)], **options)  # type: ignore[arg-type]
    capture.opened(at, "issuer", 1, True, (("127.0.0.1", 50_001), ("127.0.0.1", 8_441)))
    for frame in frames:
        capture.frame(at, "issuer", 1, "out", frame)
    capture.closed(at, "issuer", 1)
    capture.close()
    return capture


@pytest.mark.trio
class TestWhatTsharkReads:
    """tshark's own ISO 8583 dissector reads what crossed a link in the profile that it knows."""

    async def test_a_request_and_its_answer(self, tmp_path: Path, mock_clock: MockClock) -> None:
        pipes, file = Pipes(), tmp_path / "asker.pcapng"
        (there, _), (here, host) = answerer(pipes), asker(pipes)
        here.capture_to(Capture(file, "asker", [("answerer", dialect("ascii87"))]))

        async with anyio.create_task_group() as tasks:
            await tasks.start(there.run)
            await tasks.start(here.run)
            await let_pass(1)
            await here.call(lambda: host.desk.request("answerer", authorisation(de2=PAN), 10.0))
            tasks.cancel_scope.cancel()

        fields = [f"iso8583.{name}" for name in ("mti", "bit2", "bit4", "bit11", "bit39")]
        assert tshark.read(file, MEMORY_PORT, "iso8583", fields) == [
            ["0800", "", "", "000001", ""],
            ["0810", "", "", "000001", "00"],
            ["0100", "4242429999994242", "000000004200", "000001", ""],
            ["0110", "4242429999994242", "000000004200", "000001", "00"],
        ]

    async def test_the_file_grows_while_the_node_runs(self, tmp_path: Path, mock_clock: MockClock) -> None:
        pipes, file = Pipes(), tmp_path / "asker.pcapng"
        (there, _), (here, _) = answerer(pipes), asker(pipes)
        here.capture_to(Capture(file, "asker", [("answerer", dialect("ascii87"))]))

        async with anyio.create_task_group() as tasks:
            await tasks.start(there.run)
            await tasks.start(here.run)
            await let_pass(1)
            rows = tshark.read(file, MEMORY_PORT, "iso8583", ["iso8583.mti"])
            tasks.cancel_scope.cancel()

        assert rows == [["0800"], ["0810"]]


class TestTheConversation:
    """Handshake, sequence numbers, acknowledgements, checksums and close are those of a real connection."""

    def test_tshark_finds_nothing_wrong(self, tmp_path: Path) -> None:
        file = tmp_path / "switch.pcapng"
        captured(file, [encode(authorisation(f"{n:06}"), dialect("ascii87")) for n in range(1, 50)], dialect("ascii87"))

        wrong = "tcp.analysis.flags or ip.checksum.status == 0 or tcp.checksum.status == 0 or _ws.malformed"
        flags = tshark.read(file, 8441, "iso8583", ["tcp.flags.str"], only="tcp")

        assert tshark.read(file, 8441, "iso8583", ["frame.number"], only=wrong) == []
        assert [row[0].replace("·", "") for row in flags[:3]] == ["S", "AS", "A"]
        assert [row[0].replace("·", "") for row in flags[-3:]] == ["AF", "AF", "A"]
        assert len(tshark.read(file, 8441, "iso8583", ["iso8583.mti"])) == 49

    def test_over_ip_version_6_too(self, tmp_path: Path) -> None:
        file = tmp_path / "switch.pcapng"
        capture = Capture(file, "switch", [("issuer", dialect("ascii87"))])
        capture.opened(AT, "issuer", 1, False, (("::1", 8_441), ("::1", 50_001)))
        capture.frame(AT, "issuer", 1, "in", encode(authorisation(), dialect("ascii87")))
        capture.close()

        assert tshark.read(file, 8441, "iso8583", ["ipv6.src", "iso8583.mti"]) == [["::1", "0100"]]
        assert tshark.read(file, 8441, "iso8583", ["frame.number"], only="tcp.checksum.status == 0") == []

    def test_a_frame_longer_than_a_segment_is_put_together_again(self, tmp_path: Path) -> None:
        file, speaks = tmp_path / "switch.pcapng", dialect("ascii87")
        long = bytes(40_000)

        captured(file, [long, encode(authorisation(), speaks)], speaks)

        assert ["0100"] in tshark.read(file, 8441, "iso8583", ["iso8583.mti"], only="iso8583.mti == 0100")

    def test_links_times_and_direction_are_named(self, tmp_path: Path) -> None:
        file = tmp_path / "switch.pcapng"
        captured(file, [encode(authorisation(), dialect("ascii87"))], dialect("ascii87"))

        fields = [
            "frame.interface_name",
            "frame.interface_description",
            "frame.time_epoch",
            "frame.packet_flags_direction",
        ]
        (row,) = tshark.read(file, 8441, "iso8583", fields)

        assert row[:2] == ["switch/issuer", "link issuer of switch"]
        assert float(row[2]) == pytest.approx(AT.timestamp(), abs=1e-6)
        assert int(row[3], 16) == 2

    def test_a_second_life_is_a_second_section_of_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / "switch.pcapng"

        for stan, at in (("000001", AT), ("000002", AT + timedelta(hours=1))):
            captured(file, [encode(authorisation(stan), dialect("ascii87"))], dialect("ascii87"), at)

        assert tshark.read(file, 8441, "iso8583", ["iso8583.bit11"]) == [["000001"], ["000002"]]
        assert file.stat().st_mode & 0o077 == 0


class TestMasking:
    """No card number and no secret reaches the file, unless the test cards are to be seen."""

    SECRET = authorisation(de2=PAN, de35=f"{PAN}=30121010000012345678", de48="0516" + "A" * 16, de52="0123456789ABCDEF")

    @pytest.mark.parametrize("name", ["ascii87", "pos-bcd87", "net-bin87"])
    def test_no_card_number_is_in_the_file(self, tmp_path: Path, name: str) -> None:
        speaks, file = dialect(name), tmp_path / "switch.pcapng"
        frame = encode(self.SECRET, speaks)

        captured(file, [frame], speaks)

        secrets = [PAN.encode(), bytes.fromhex(PAN), bytes.fromhex("0123456789ABCDEF"), b"A" * 16]
        assert sum(secret in frame for secret in secrets) >= 3
        assert not any(secret in file.read_bytes() for secret in secrets)

    def test_what_does_not_decode_is_zeros(self, tmp_path: Path) -> None:
        file, speaks = tmp_path / "switch.pcapng", dialect("ascii87")
        broken = encode(authorisation(de2=PAN), speaks).replace(b"000000004200", b"00000000x200")

        captured(file, [broken], speaks)

        rows = tshark.read(file, 8441, "iso8583", ["frame.comment", "tcp.payload"], only="tcp.len > 0")
        prefixed = framing(speaks.framing).encode(bytes(len(broken)))
        assert rows == [["does not decode: zeros in its place", prefixed.hex()]]

    def test_the_test_cards_may_be_shown(self, tmp_path: Path) -> None:
        file, speaks = tmp_path / "switch.pcapng", dialect("ascii87")

        captured(file, [encode(authorisation(de2=PAN), speaks)], speaks, reveal_test_pan=True)

        assert tshark.read(file, 8441, "iso8583", ["iso8583.bit2"]) == [[PAN]]


class TestLimits:
    """A capture never grows without end and never stops its node; it says what it lost."""

    FRAME = encode(authorisation(), dialect("ascii87"))

    def test_a_full_queue_drops_and_counts(self, tmp_path: Path) -> None:
        file = tmp_path / "switch.pcapng"

        capture = captured(file, [self.FRAME] * 10, dialect("ascii87"), queue_max=5)

        assert capture.dropped == 6
        assert len(tshark.read(file, 8441, "iso8583", ["iso8583.mti"])) == 4

    def test_a_full_file_ends_the_capture(self, tmp_path: Path) -> None:
        file = tmp_path / "switch.pcapng"

        with structlog.testing.capture_logs() as logs:
            captured(file, [self.FRAME] * 1_000, dialect("ascii87"), file_max_bytes=20_000)

        assert 20_000 <= file.stat().st_size < 60_000
        assert [entry["event"] for entry in logs] == ["capture ended"]

    def test_a_disk_that_fails_ends_the_capture_and_nothing_else(self, tmp_path: Path) -> None:
        with structlog.testing.capture_logs() as logs:
            capture = captured(tmp_path / "missing" / "switch.pcapng", [self.FRAME], dialect("ascii87"))
            capture.frame(AT, "issuer", 1, "out", self.FRAME)

        assert [entry["reason"] for entry in logs] == [os.strerror(errno.ENOENT)]


def test_masked_frames_still_decode(tmp_path: Path) -> None:
    file, speaks = tmp_path / "switch.pcapng", dialect("ascii87")
    captured(file, [encode(authorisation(de2=PAN), speaks)], speaks)

    ((payload,),) = tshark.read(file, 8441, "iso8583", ["tcp.payload"])

    message: Message = decode(bytes.fromhex(payload)[2:], speaks)
    assert message.get(2) == "4242429999994242"
