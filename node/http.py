"""An HTTP server inside a node's own event loop: binds first, serves until cancelled, installs no signal handlers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import uvicorn
from anyio.abc import TaskStatus

from node.pipes import PipeError

STOP_WITHIN_S = 2.0


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
    """

    def __init__(self, app: Any, address: str, *, keep_alive_s: int = 75) -> None:
        self._app = app
        self._address = address
        self._keep_alive_s = keep_alive_s
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
            with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_WITHIN_S):
                await server.shutdown(sockets=[self._socket])
