"""Who answers a host command: an HSM over TCP, a port of a running house, or an engine in this process.

Without a running house the public test LMKs answer: the same engine, the same commands, nothing secret.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any, Protocol, TypeVar

import anyio

from emulator.house import DEFAULT_DATA_DIR, read_ready
from hsm_sim.core.slots import OPEN_PARTY
from hsm_sim.offline import OfflineHsm, open_hsm
from hsm_sim.ports import FRAMED_MAX, FRAMING, framed
from hsm_sim.requests import Request
from iso import CardrailsError, ConfigError, RemoteProtocolError, framing
from node.clock import Entropy, system_entropy, wall_clock
from node.pipes import RECEIVE_MAX_BYTES, Pipes, closing

T = TypeVar("T")

DEFAULT_TIMEOUT_S = 5.0
DEFAULT_HEADER_LENGTH = 4
_ALONE = DEFAULT_DATA_DIR / "ready-hsm.json"
_FILLER = b"0"


class NoAnswerError(CardrailsError):
    """The HSM closed the connection or did not answer in time."""


class Host(Protocol):
    """What commands are sent to."""

    @property
    def label(self) -> str:
        """Who answers, for people."""

    def exchange(self, command: bytes) -> bytes:
        """Send one command without header; return the answer without header."""


class EngineHost:
    """An engine in this process.

    Parameters
    ----------
    hsm
        The engine.
    party
        As whom to speak.
    label
        Who answers, for people.
    """

    def __init__(self, hsm: OfflineHsm, party: str, label: str) -> None:
        self._hsm = hsm
        self._party = party
        self.label = label

    def exchange(self, command: bytes) -> bytes:
        """Carry out one command; see `Host.exchange`."""
        return self._hsm.exchange(self._party, command)


class TcpHost:
    """An HSM behind a host port: a connection for each command.

    Parameters
    ----------
    address
        A pipe URL.
    label
        Who answers, for people.
    header_length
        Characters that the HSM echoes before each command.
    timeout_s
        For the connection, and for the answer.
    """

    def __init__(self, address: str, label: str, header_length: int, timeout_s: float) -> None:
        self.label = label
        self._address = address
        self._header = _FILLER * header_length
        self._timeout_s = timeout_s

    def exchange(self, command: bytes) -> bytes:
        """Send one command and wait for its answer; see `Host.exchange`.

        Raises
        ------
        NoAnswerError
            It did not come.
        PipeError
            Nobody listens there.
        LocalProtocolError
            The command is longer than its two length bytes can say.
        """
        frame = self._header + command
        answer = anyio.run(self._talk, framed(frame))
        if answer is None:
            raise NoAnswerError(f"{self.label}: no answer within {self._timeout_s:g} s, or the connection was closed")
        if answer[: len(self._header)] != self._header:
            raise NoAnswerError(f"{self.label}: it echoed another header; does it have --header {len(self._header)}?")
        return answer[len(self._header) :]

    async def _talk(self, frame: bytes) -> bytes | None:
        stream = await Pipes().dial(self._address, self._timeout_s)
        decoder = framing(FRAMING).decoder(limit_bytes=FRAMED_MAX)
        async with closing(stream):
            with anyio.move_on_after(self._timeout_s):
                try:
                    await stream.send(frame)
                    while True:
                        frames = decoder.feed(await stream.receive(RECEIVE_MAX_BYTES))
                        if frames:
                            return frames[0]
                except (anyio.EndOfStream, anyio.BrokenResourceError, RemoteProtocolError):
                    return None
        return None


def ask(host: Host, request: Request[T]) -> T:
    """Send one typed request; see `hsm_sim.requests`."""
    return request.parse(host.exchange(request.encode()))


def in_process(at: datetime | None = None, entropy: Entropy = system_entropy) -> EngineHost:
    """Return an engine of our own under the public test LMKs."""
    label = "an engine in this process under the public test LMKs"
    return EngineHost(open_hsm(at or wall_clock(), entropy), OPEN_PARTY, label)


def add_host(parser: argparse.ArgumentParser) -> None:
    """Declare who answers."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--party",
        metavar="NAME",
        help="ask as this party of a running house, at its host port; `open`: the port under the test LMKs",
    )
    where.add_argument("--address", metavar="URL", help="any HSM: tcp://HOST:PORT")
    parser.add_argument(
        "--ready-file", type=Path, metavar="FILE", help="of a running house (default: .cardrails/ready.json)"
    )
    parser.add_argument(
        "--header",
        type=_header_length,
        default=DEFAULT_HEADER_LENGTH,
        metavar="N",
        help="characters that the HSM echoes before a command, 1 to 255 (default: 4)",
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=DEFAULT_TIMEOUT_S, metavar="S", help="for an answer (default: 5 s)"
    )


def chosen_host(arguments: argparse.Namespace) -> Host:
    """Return who was asked for; without a word, the open port of a running house, else an engine of our own.

    Raises
    ------
    ConfigError
        The party is unknown, or no house runs here.
    """
    if arguments.address is not None:
        return TcpHost(arguments.address, arguments.address, arguments.header, arguments.timeout)
    ready = running_house(arguments.ready_file)
    hsm = ready["nodes"].get("hsm", {}) if ready is not None else {}
    if arguments.party is None:
        if "open" not in hsm:
            return in_process()
        return _port("open", hsm["open"], arguments)
    places: dict[str, Any] = dict(hsm.get("parties", {}))
    if "open" in hsm:
        places["open"] = hsm["open"]
    if arguments.party not in places:
        rule = f"one of {', '.join(places)}" if places else "a house must be running here: `cardrails up`"
        raise ConfigError("command line", "--party", arguments.party, rule)
    return _port(arguments.party, places[arguments.party], arguments)


def running_house(ready_file: Path | None) -> dict[str, Any] | None:
    """Return the ready information of a house, or of an HSM that runs alone; None if none runs here."""
    ready = read_ready(ready_file)
    return read_ready(_ALONE) if ready is None and _ALONE.exists() else ready


def _port(name: str, place: dict[str, Any], arguments: argparse.Namespace) -> TcpHost:
    address = f"tcp://{place['host']}:{place['port']}"
    return TcpHost(address, f"the house's HSM, port {name} ({address})", arguments.header, arguments.timeout)


def _header_length(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 255:
        return int(text)
    raise argparse.ArgumentTypeError("a number from 1 to 255")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if isfinite(seconds) and seconds > 0:
        return seconds
    raise argparse.ArgumentTypeError("a number of seconds above 0")
