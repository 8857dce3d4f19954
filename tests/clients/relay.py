"""A bad connection between a shop and the gateway: requests arrive, and some answers are lost on the way back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

_NOT_PASSED_ON = ("connection", "content-length", "date", "server", "transfer-encoding")


class Relay(ThreadingHTTPServer):
    """Passes requests on to `gateway_url`; the answers of the next `losses` POSTs are lost."""

    daemon_threads = False

    def __init__(self, gateway_url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.gateway_url = gateway_url
        self.losses = 0
        self.lost: list[httpx.Response] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Passing(BaseHTTPRequestHandler):
    server: Relay

    def log_message(self, *_: object) -> None:
        pass

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
        answer = httpx.request(
            self.command, self.server.gateway_url + self.path, content=body, headers=headers, timeout=30
        )
        self.close_connection = True
        if self.command == "POST" and self.server.losses:
            self.server.losses -= 1
            self.server.lost.append(answer)
            return
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_DELETE = _pass_on


@contextmanager
def bad_connection(gateway_url: str) -> Iterator[Relay]:
    """Open a relay."""
    with Relay(gateway_url) as relay:
        thread = threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield relay
        finally:
            relay.shutdown()
            thread.join()
