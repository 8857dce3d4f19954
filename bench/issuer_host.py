"""A minimal issuer for benchmarks: approves whatever it is asked, as cheaply as possible. Prints its port, then serves.

It reads only the first message of a shape (same bitmap, same length) and learns which bytes of it come back; every
other one is cut and joined at the same places. So it takes no share of the figures that it helps to measure.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import cast

import uvloop

from iso import Dialect, decode, dialect, encode
from iso.codec import spans

_PREFIX_BYTES = 2
_HEAD_BYTES = 20
"""MTI and bitmap, in characters."""

Recipe = Callable[[bytes], bytes]


def recipe(frame: bytes, speaks: Dialect) -> Recipe:
    """Return what makes the answer to every request of this request's shape."""
    request = decode(frame, speaks)
    if not request.is_request:
        return lambda _frame: b""
    if request.mti == "0800":
        return lambda frame: encode(decode(frame, speaks).reply("00"), speaks)
    answer = request.reply("00", {38: "A00001"})
    places = {element: slice(start, end) for element, start, end in spans(frame, speaks)}
    sample = encode(answer, speaks)
    pieces: list[bytes | slice] = [sample[:_HEAD_BYTES]]
    for element, start, end in spans(sample, speaks):
        if element > 1:
            pieces.append(places[element] if element not in (38, 39) else sample[start:end])
    return lambda frame: b"".join([frame[piece] if type(piece) is slice else piece for piece in pieces])


class Issuer(asyncio.Protocol):
    """One connection."""

    def __init__(self, speaks: Dialect, recipes: dict[tuple[bytes, int], Recipe]) -> None:
        self._speaks = speaks
        self._recipes = recipes
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; uvloop's do not derive from asyncio's."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every whole frame, in one write."""
        data, at, out = self._buffer + data, 0, []
        while len(data) - at >= _PREFIX_BYTES:
            begin = at + _PREFIX_BYTES
            end = begin + int.from_bytes(data[at:begin], "big")
            if end > len(data):
                break
            answer = self._answer(data[begin:end])
            out += [len(answer).to_bytes(_PREFIX_BYTES, "big"), answer] if answer else []
            at = end
        self._buffer = data[at:]
        self._transport.write(b"".join(out))

    def _answer(self, frame: bytes) -> bytes:
        shape = frame[:_HEAD_BYTES], len(frame)
        made = self._recipes.get(shape)
        if made is None:
            made = self._recipes[shape] = recipe(frame, self._speaks)
        return made(frame)


async def serve(speaks: Dialect) -> None:
    """Listen on a free port until killed."""
    recipes: dict[tuple[bytes, int], Recipe] = {}
    server = await asyncio.get_running_loop().create_server(lambda: Issuer(speaks, recipes), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(dialect(sys.argv[1])))
