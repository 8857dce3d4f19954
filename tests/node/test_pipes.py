"""Pipes: the same stream whatever the address, certificates that are checked both ways, and limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import structlog
from anyio.abc import ByteStream
from trio.testing import MockClock

from iso import ConfigError
from node.pipes import MEMORY_MAX, MemoryNetwork, PipeError, Pipes, closing, end_points, split_url
from node.tls import TlsSettings
from tests.support.certificates import Authority


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def echo(stream: ByteStream) -> None:
    async with closing(stream):
        try:
            while True:
                await stream.send(await stream.receive())
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return


@asynccontextmanager
async def echoing(pipes: Pipes, url: str) -> AsyncIterator[str]:
    """Listen and give back every byte; yield the address."""
    listener = await pipes.listen(url)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo)
        await anyio.wait_all_tasks_blocked()
        yield listener.address
        tasks.cancel_scope.cancel()
    await listener.aclose()


async def exchange(pipes: Pipes, address: str) -> bytes:
    async with closing(await pipes.dial(address)) as stream:
        await stream.send(b"0800")
        return await stream.receive()


class TestAddresses:
    """An address is a scheme and a place; anything else is refused in one line."""

    @pytest.mark.parametrize(
        ("url", "parts"),
        [
            ("tcp://127.0.0.1:8441", ("tcp", "127.0.0.1", 8441)),
            ("tls://[::1]:8441", ("tls", "::1", 8441)),
            ("memory://switch", ("memory", "switch", 0)),
            ("tls+memory://switch", ("tls+memory", "switch", 0)),
        ],
    )
    def test_an_address_is_split(self, url: str, parts: tuple[str, str, int]) -> None:
        assert split_url(url) == parts

    @pytest.mark.parametrize("url", ["udp://127.0.0.1:1", "tcp://127.0.0.1", "memory://", "8441"])
    def test_anything_else_is_refused(self, url: str) -> None:
        with pytest.raises(PipeError, match="expected tcp://"):
            split_url(url)


@pytest.mark.trio
class TestTls:
    """`tls://` is a pipe like any other, to the right peer only; in virtual time."""

    async def test_bytes_go_both_ways(self, authority: Authority, mock_clock: MockClock) -> None:
        pipes = Pipes(authority.settings("switch", server_name="switch"))

        async with echoing(pipes, "tls+memory://switch") as address:
            assert await exchange(pipes, address) == b"0800"

    async def test_both_sides_may_have_to_show_a_certificate(self, authority: Authority, mock_clock: MockClock) -> None:
        memory = MemoryNetwork()
        switch = Pipes(authority.settings("switch", mutual=True), memory)
        bank = Pipes(authority.settings("bank", server_name="switch"), memory)

        async with echoing(switch, "tls+memory://switch") as address:
            assert await exchange(bank, address) == b"0800"

    async def test_a_peer_without_a_certificate_gets_nothing_where_one_is_asked_for(
        self, authority: Authority, mock_clock: MockClock
    ) -> None:
        memory = MemoryNetwork()
        switch = Pipes(authority.settings("switch", mutual=True), memory)
        stranger = Pipes(authority.only_trusting(server_name="switch"), memory)

        with structlog.testing.capture_logs() as logs:
            async with echoing(switch, "tls+memory://switch") as address:
                # With TLS 1.3 the dialling side is through its handshake before it is refused.
                with pytest.raises((PipeError, anyio.EndOfStream, anyio.BrokenResourceError)):
                    await exchange(stranger, address)

        assert [entry["reason"] for entry in logs] == ["peer did not return a certificate"]

    async def test_a_certificate_of_another_authority_is_refused(
        self, authority: Authority, tmp_path: Path, mock_clock: MockClock
    ) -> None:
        memory = MemoryNetwork()
        switch = Pipes(Authority(tmp_path, "somebody-else").settings("switch"), memory)
        bank = Pipes(authority.settings("bank", server_name="switch"), memory)

        with structlog.testing.capture_logs():
            async with echoing(switch, "tls+memory://switch") as address:
                with pytest.raises(
                    PipeError, match="TLS handshake failed: self-signed certificate in certificate chain"
                ):
                    await exchange(bank, address)

    async def test_a_certificate_for_another_host_is_refused(self, authority: Authority, mock_clock: MockClock) -> None:
        memory = MemoryNetwork()
        switch = Pipes(authority.settings("elsewhere"), memory)
        bank = Pipes(authority.only_trusting(server_name="switch"), memory)

        with structlog.testing.capture_logs():
            async with echoing(switch, "tls+memory://switch") as address:
                with pytest.raises(PipeError, match=r"TLS handshake failed: .*switch"):
                    await exchange(bank, address)

    async def test_a_peer_that_says_nothing_is_given_up(self, authority: Authority, mock_clock: MockClock) -> None:
        memory = MemoryNetwork()
        pipes = Pipes(authority.settings("switch"), memory)

        with structlog.testing.capture_logs() as logs:
            async with echoing(pipes, "tls+memory://switch"), closing(memory.connect("switch")) as silent:
                with pytest.raises((anyio.EndOfStream, anyio.ClosedResourceError)):
                    await silent.receive()

        assert [entry["reason"] for entry in logs] == ["no handshake within 5 s"]

    async def test_a_stream_whose_peer_is_gone_can_be_closed(self, authority: Authority, mock_clock: MockClock) -> None:
        memory = MemoryNetwork()
        pipes = Pipes(authority.settings("switch", server_name="switch"), memory)
        listener = await pipes.listen("tls+memory://switch")

        async def vanish(stream: ByteStream) -> None:
            await anyio.aclose_forcefully(stream)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, vanish)
            await anyio.wait_all_tasks_blocked()
            stream = await pipes.dial("tls+memory://switch")
            await anyio.wait_all_tasks_blocked()

            await stream.aclose()

            with pytest.raises((anyio.ClosedResourceError, anyio.BrokenResourceError)):
                await stream.send(b"0800")
            tasks.cancel_scope.cancel()

    async def test_without_settings_there_is_no_tls(self, mock_clock: MockClock) -> None:
        with pytest.raises(PipeError, match="no TLS certificate"):
            await Pipes().listen("tls+memory://switch")

        async with echoing(Pipes(), "memory://switch"):
            pass

    async def test_who_only_dials_needs_no_certificate_but_cannot_listen(
        self, authority: Authority, mock_clock: MockClock
    ) -> None:
        with pytest.raises(PipeError, match="no TLS certificate"):
            await Pipes(authority.only_trusting()).listen("tls+memory://switch")


class TestSettings:
    """A certificate file that cannot be used is a mistake in the settings, said in one line without its content."""

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"certificate.*must be readable"):
            Pipes(TlsSettings(tmp_path / "none.pem", tmp_path / "none.key"))

    def test_a_key_of_another_certificate(self, authority: Authority) -> None:
        one, other = authority.settings("one"), authority.settings("other")

        with pytest.raises(ConfigError, match="must belong to the certificate"):
            Pipes(one._replace(private_key=other.private_key))


class TestOnAsyncio:
    """The same over sockets."""

    def test_mutual_tls_over_tcp(self, authority: Authority) -> None:
        async def scenario() -> tuple[bytes, bool]:
            switch = Pipes(authority.settings("switch", mutual=True))
            bank = Pipes(authority.settings("bank"))
            async with echoing(switch, "tls://127.0.0.1:0") as address:
                assert address.startswith("tls://127.0.0.1:")
                async with closing(await bank.dial(address)) as stream:
                    ends = end_points(stream)
                return await exchange(bank, address), ends is not None and ends[1] == split_url(address)[1:]

        assert anyio.run(scenario) == (b"0800", True)


@pytest.mark.trio
class TestMemory:
    """A pipe in memory behaves as a socket does: it fills, and it gives no more than was asked for."""

    async def test_a_full_pipe_holds_its_writer_back(self, mock_clock: MockClock) -> None:
        memory = MemoryNetwork()
        listener = memory.listen("switch")

        async def keep(stream: ByteStream) -> None:
            async with closing(stream):
                await anyio.sleep_forever()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, keep)
            await anyio.wait_all_tasks_blocked()
            async with closing(memory.connect("switch")) as stream:
                written = 0
                with anyio.move_on_after(1):
                    while True:
                        await stream.send(b"x")
                        written += 1
            tasks.cancel_scope.cancel()

        assert written == MEMORY_MAX

    async def test_a_read_gives_at_most_what_was_asked_for(self, mock_clock: MockClock) -> None:
        pipes = Pipes()

        async with echoing(pipes, "memory://switch") as address, closing(await pipes.dial(address)) as stream:
            await stream.send(b"0800")
            assert [await stream.receive(3), await stream.receive(3)] == [b"080", b"0"]
