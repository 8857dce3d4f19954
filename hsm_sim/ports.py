"""Host ports: who may listen where, who a connection is, and how its frames become answers.

A connection reads what is there, hands all its frames in as one piece of work, and writes all their answers at once;
then it reads on. So answers keep their order, a peer that does not read holds up nobody but itself, and nothing grows.

A plain port belongs to whoever reaches it, so it listens on loopback only. With mutual TLS the certificate says who
the peer is: a name of it (common name or DNS name) must be the party whose port this is. The other nodes of the HSM's
own process show its own certificate, which is enough on a party's port.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

import anyio
import structlog
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute

from hsm_sim.config import SHARED, HsmConfig
from hsm_sim.core.slots import OPEN_PARTY
from iso import RemoteProtocolError, framing
from iso.errors import ConfigError, LocalProtocolError
from node.pipes import RECEIVE_MAX_BYTES, Pipes, closing, split_url

FRAMING: Final = "len2-be"
FRAMED_MAX: Final = 0xFFFF
"""Longest payload that two length bytes can announce."""

Write: TypeAlias = Callable[[list[bytes]], Awaitable[None]]
Serve: TypeAlias = Callable[[str, Sequence[bytes], Write], Awaitable[bool]]
"""`(party, frames, write) -> whether to go on`; answers are written in order, an empty one stands for silence."""

log = structlog.get_logger(__name__)


class HostPort:
    """One listening port.

    Parameters
    ----------
    name
        A party, `OPEN_PARTY`, or `SHARED`.
    address
        The pipe to listen on.
    config
        The node's settings.
    pipes
        What it runs over; whether peers that dial with TLS must have a certificate is its setting.
    serve
        What carries frames out.

    Raises
    ------
    ConfigError
        A port that does not know its peers would listen on more than loopback.
    """

    def __init__(self, name: str, address: str, config: HsmConfig, pipes: Pipes, serve: Serve) -> None:
        scheme, host, _ = split_url(address)
        is_named = pipes.is_mutual and scheme.startswith("tls") and name != OPEN_PARTY
        if name == SHARED and not is_named:
            raise ConfigError("topology", "nodes.hsm.shared", address, "must be a tls:// address with mutual TLS")
        if not is_named and not scheme.endswith("memory") and not _is_loopback(host):
            rule = "must be a loopback address" + ("" if name == OPEN_PARTY else ", or a tls:// one with mutual TLS")
            raise ConfigError("topology", f"nodes.hsm.{name}", address, rule)
        self.name = name
        self.address = address
        self._parties = frozenset(party.name for party in config.parties) if name == SHARED else frozenset((name,))
        self._is_named = is_named
        self._pipes = pipes
        self._serve = serve
        self._connections: dict[str, int] = {}
        self._connections_max = config.connections_max
        self._frame_bytes_max = config.frame_bytes_max
        self._frame_timeout_s = config.frame_timeout_s
        self._write_timeout_s = config.write_timeout_s
        self._idle_timeout_s = config.open_idle_timeout_s if name == OPEN_PARTY else config.idle_timeout_s
        self._framing = framing(FRAMING)

    async def handle(self, stream: ByteStream) -> None:
        """Serve one connection until it ends or breaks a rule."""
        async with closing(stream):
            party = self._party_of(stream)
            if party is None:
                log.warning("a peer was refused: its certificate does not name the party", port=self.name)
                return
            count = self._connections.get(party, 0)
            if count >= self._connections_max:
                return
            self._connections[party] = count + 1
            try:
                await self._talk(party, stream)
            except (
                anyio.EndOfStream,
                anyio.BrokenResourceError,
                anyio.ClosedResourceError,
                TimeoutError,
                RemoteProtocolError,
            ):
                pass
            except LocalProtocolError as error:
                log.warning("a connection was closed", port=self.name, reason=str(error))
            finally:
                self._connections[party] -= 1

    async def _talk(self, party: str, stream: ByteStream) -> None:
        decoder = self._framing.decoder(limit_bytes=self._frame_bytes_max)
        timeout_s = self._write_timeout_s

        async def write(answers: list[bytes]) -> None:
            data = b"".join([framed(answer) for answer in answers if answer])
            if data:
                with anyio.fail_after(timeout_s):
                    await stream.send(data)

        begun_at: float | None = None
        while decoder.error is None:
            frames = decoder.feed(await self._receive(stream, begun_at))
            if not decoder.pending_bytes:
                begun_at = None
            elif frames or begun_at is None:
                begun_at = anyio.current_time()
            if frames and not await self._serve(party, frames, write):
                return

    async def _receive(self, stream: ByteStream, begun_at: float | None) -> bytes:
        """Return what comes next; `TimeoutError` if nothing comes in time. Without a limit there is no timer to pay."""
        if begun_at is not None:
            with anyio.fail_after(begun_at + self._frame_timeout_s - anyio.current_time()):
                return await stream.receive(RECEIVE_MAX_BYTES)
        if self._idle_timeout_s:
            with anyio.fail_after(self._idle_timeout_s):
                return await stream.receive(RECEIVE_MAX_BYTES)
        return await stream.receive(RECEIVE_MAX_BYTES)

    def _party_of(self, stream: ByteStream) -> str | None:
        """Return as whom a peer speaks; None if its certificate names none of this port's parties, or several."""
        if not self._is_named:
            return self.name
        if self.name != SHARED and self._pipes.is_our_own(stream.extra(TLSAttribute.peer_certificate_binary, None)):
            # Another node of the HSM's own process: it holds the HSM's private key, and all its parties share one.
            return self.name
        named = self._parties & certificate_names(stream)
        return next(iter(named)) if len(named) == 1 else None


def framed(payload: bytes) -> bytes:
    """Return a payload behind its two length bytes; `FRAMING`, without its ceremony.

    Raises
    ------
    LocalProtocolError
        It has more than `FRAMED_MAX` bytes.
    """
    try:
        return len(payload).to_bytes(2, "big") + payload
    except OverflowError:
        pass
    raise LocalProtocolError(f"a frame of the host port has at most {FRAMED_MAX} bytes")


def certificate_names(stream: ByteStream) -> frozenset[str]:
    """Return the common names and DNS names of a peer's certificate; empty if it showed none."""
    certificate: Any = stream.extra(TLSAttribute.peer_certificate, None) or {}
    common = [value for group in certificate.get("subject", ()) for kind, value in group if kind == "commonName"]
    others = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    return frozenset((*common, *others))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
