"""The limit for REST: an empty FastAPI POST, served as the gateway is served. Prints its URL, then serves for ever."""

from __future__ import annotations

import anyio
from fastapi import FastAPI, Response

from emulator.cli.up import run_async
from node.http import HttpServer

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


@app.post("/v1/payment_intents")
async def empty() -> Response:
    """Do nothing; a `Response` costs half of what a returned dict costs."""
    return Response()


async def serve() -> None:
    """Serve on a free port until killed."""
    server = HttpServer(app, "127.0.0.1:0")
    server.bind()
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        print(server.url, flush=True)


if __name__ == "__main__":
    run_async(serve)
