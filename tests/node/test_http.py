"""The HTTP server of a node: it leaves nothing open behind it, whatever its clients do."""

from __future__ import annotations

import socket
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from anyio.abc import TaskGroup

from node.http import HttpServer

GET = b"GET / HTTP/1.1\r\nHost: node\r\n\r\n"
PATIENCE_S = 5.0


class Endless:
    """An application whose answer begins and never ends, and which does not listen whether its client is there."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """Answer for ever."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"it goes on", "more_body": True})
        self.begun += 1
        try:
            await anyio.sleep_forever()
        finally:
            self.ended += 1


async def serve(app: Any, tasks: TaskGroup) -> tuple[HttpServer, anyio.CancelScope, anyio.Event]:
    """Start a server of its own in a group; return it, what stops it, and what is set once it has stopped."""
    server, scope, stopped = HttpServer(app, "127.0.0.1:0", stop_within_s=0.2), anyio.CancelScope(), anyio.Event()

    async def run(*, task_status: Any) -> None:
        with scope:
            await server.run(task_status=task_status)
        stopped.set()

    await tasks.start(run)
    return server, scope, stopped


async def connect(server: HttpServer) -> anyio.abc.SocketStream:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    return await anyio.connect_tcp(host, int(port))


class TestStopping:
    """A server that stops closes every connection: in good order if it can, at its deadline in any case."""

    def test_an_answer_without_an_end_is_cut_at_the_deadline(self) -> None:
        async def main() -> None:
            app = Endless()
            async with anyio.create_task_group() as tasks:
                server, scope, stopped = await serve(app, tasks)
                async with await connect(server) as client:
                    await client.send(GET)
                    head = await client.receive()
                    scope.cancel()
                    with anyio.fail_after(PATIENCE_S):
                        await stopped.wait()
                        got = head + await _rest(client)
            assert got.startswith(b"HTTP/1.1 200")
            assert (app.begun, app.ended) == (1, 1)

        anyio.run(main)

    def test_a_connection_that_asks_nothing_is_closed(self) -> None:
        async def main() -> None:
            async with anyio.create_task_group() as tasks:
                server, scope, stopped = await serve(Endless(), tasks)
                async with await connect(server) as client:
                    scope.cancel()
                    with anyio.fail_after(PATIENCE_S):
                        await stopped.wait()
                        assert await _rest(client) == b""

        anyio.run(main)

    @pytest.mark.parametrize("turns", range(4))
    def test_who_comes_just_then_is_not_left_waiting(self, turns: int) -> None:
        async def main() -> None:
            async with anyio.create_task_group() as tasks:
                server, scope, stopped = await serve(Endless(), tasks)
                host, _, port = server.url.removeprefix("http://").rpartition(":")
                clients = [socket.create_connection((host, int(port)), PATIENCE_S) for _ in range(5)]
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
                await stopped.wait()
                for client in clients:
                    with client:
                        assert await anyio.to_thread.run_sync(_ended, client)

        anyio.run(main)


def _ended(client: socket.socket) -> bool:
    """Say whether the other side has closed a connection; False if nothing is heard."""
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


async def _rest(client: anyio.abc.SocketStream) -> bytes:
    """Return what still comes until the other side is gone."""
    got = b""
    try:
        while True:
            got += await client.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return got
