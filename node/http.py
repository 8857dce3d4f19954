"""An HTTP server inside a node's own event loop: binds first, serves until cancelled, installs no signal handlers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import uvicorn
from anyio.abc import TaskStatus

from node.pipes import PipeError

STOP_WITHIN_S = 2.0
_CUT_S = 0.01
_TURNS = 3


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process that runs the house."""
        yield


class HttpServer:
    """Serves one ASGI application on one address.

    Parameters
    ----------
    app
        The application.
    address
        `host:port`; port 0 lets the operating system choose.
    keep_alive_s
        Seconds for which an idle connection is kept.
    stop_within_s
        Seconds that answers under way have once it stops; what goes on longer is cut.
    """

    def __init__(self, app: Any, address: str, *, keep_alive_s: int = 75, stop_within_s: float = STOP_WITHIN_S) -> None:
        self._app = app
        self._address = address
        self._keep_alive_s = keep_alive_s
        self._stop_within_s = stop_within_s
        self._socket: socket.socket | None = None

    @property
    def url(self) -> str:
        """The URL to call; complete once bound."""
        return f"http://{self._address}"

    def bind(self) -> None:
        """Take the port.

        Raises
        ------
        PipeError
            It is in use; one line.
        """
        host, _, port = self._address.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With the protocol named: asyncio sets TCP_NODELAY only then, and without it every answer waits 40 ms.
        taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((host.strip("[]"), int(port)))
        except (OSError, OverflowError) as error:
            taken.close()
            reason = getattr(error, "strerror", None) or str(error)
        else:
            self._socket = taken
            self._address = f"{host}:{taken.getsockname()[1]}"
            return
        raise PipeError(f"http://{self._address}: cannot listen: {reason}")

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; started once connections are accepted."""
        if self._socket is None:
            self.bind()
        assert self._socket is not None
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=self._keep_alive_s,
        )
        config.load()
        server = _Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[self._socket])
        task_status.started()
        try:
            await server.main_loop()
        finally:
            server.should_exit = True
            with anyio.CancelScope(shield=True):
                await _accept_no_more(self._socket)
                with anyio.move_on_after(self._stop_within_s):
                    await server.shutdown(sockets=[self._socket])
                with anyio.move_on_after(self._stop_within_s):
                    await _cut(server)


async def _accept_no_more(listener: socket.socket) -> None:
    """Stop taking connections, and let those that were just taken reach their protocol.

    asyncio takes a connection in one turn of its loop and hands it over in the next; a server that is closed between
    the two drops it without closing it (seen with Python 3.11). uvloop does both in one turn, and has no reader here.
    """
    asyncio.get_running_loop().remove_reader(listener.fileno())
    for _ in range(_TURNS):
        await anyio.lowlevel.checkpoint()


async def _cut(server: uvicorn.Server) -> None:
    """Close what is still open: answers that go on, and connections that came in while the server stopped."""
    state = server.server_state
    while state.connections or state.tasks:
        for task in list(state.tasks):
            task.cancel()
        for connection in list(state.connections):
            connection.transport.abort()
        # A connection is gone, and so is its socket, when the loop has told its protocol so.
        await anyio.sleep(_CUT_S)
