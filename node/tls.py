"""TLS for pipes: one certificate per process, checked both ways if the house says so.

A peer is trusted if an authority of the file signed its certificate; the dialling side also checks that the certificate
names the host it dialled. TLS 1.2 is the oldest version spoken. Nothing of a key ever reaches a log or an error.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import anyio
from anyio import aclose_forcefully
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream

from iso.errors import ConfigError

HANDSHAKE_TIMEOUT_S = 5.0


class TlsSettings(NamedTuple):
    """Where the certificates of a process are. PEM files.

    Attributes
    ----------
    certificate, private_key
        Who we are, with the chain. A side that only dials, and whose peers do not ask, needs none.
    authorities
        Who may sign our peers' certificates; None: the authorities of the operating system.
    mutual
        Refuse peers that dial us without a certificate of one of the authorities.
    server_name
        What the certificates of the peers we dial must name; None: the host that was dialled.
    """

    certificate: Path | None = None
    private_key: Path | None = None
    authorities: Path | None = None
    mutual: bool = False
    server_name: str | None = None


class _SecuredStream(TLSStream):
    """A TLS stream that breaks as any other stream does: what TLS finds wrong is a broken pipe to its user."""

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        try:
            return await super().receive(max_bytes)
        except ssl.SSLError as error:
            raise anyio.BrokenResourceError from error

    async def send(self, item: bytes) -> None:
        try:
            await super().send(item)
        except ssl.SSLError as error:
            raise anyio.BrokenResourceError from error

    async def aclose(self) -> None:
        # The farewell of TLS needs a peer that still listens; without one the transport is closed all the same.
        with suppress(OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await super().aclose()


class TlsHandshakeError(Exception):
    """The peers could not agree; `str` is the rule that broke, without any content."""


class Tls:
    """The contexts of a process, built once.

    Raises
    ------
    ConfigError
        A file is missing or is not what it should be.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self.settings = settings
        self._client = self._context(ssl.PROTOCOL_TLS_CLIENT)
        self._server = self._context(ssl.PROTOCOL_TLS_SERVER) if settings.certificate is not None else None
        self._own = _first_certificate(settings.certificate) if settings.certificate is not None else None

    def is_our_own(self, certificate: bytes | None) -> bool:
        """Return whether a peer's certificate (DER) is the one of this process: the peer is another of its nodes."""
        return certificate is not None and certificate == self._own

    @property
    def listens(self) -> bool:
        """Whether there is a certificate to listen with."""
        return self._server is not None

    async def accept(self, stream: ByteStream) -> ByteStream:
        """Shake hands with a peer that dialled.

        Raises
        ------
        TlsHandshakeError
            It did not; the stream is closed.
        """
        assert self._server is not None
        return await _shake(stream, self._server, None)

    async def dial(self, stream: ByteStream, host: str) -> ByteStream:
        """Shake hands with the peer that was dialled as `host`.

        Raises
        ------
        TlsHandshakeError
            It did not, or it is not who it should be; the stream is closed.
        """
        return await _shake(stream, self._client, self.settings.server_name or host)

    def _context(self, role: int) -> ssl.SSLContext:
        context = ssl.SSLContext(role)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        settings = self.settings
        if role == ssl.PROTOCOL_TLS_SERVER and settings.mutual:
            context.verify_mode = ssl.CERT_REQUIRED
        if settings.certificate is not None:
            _load("certificate", settings.certificate, lambda file: context.load_cert_chain(file, settings.private_key))
        if settings.authorities is not None:
            _load("authorities", settings.authorities, context.load_verify_locations)
        elif context.verify_mode is ssl.CERT_REQUIRED:
            context.load_default_certs()
        return context


def _first_certificate(file: Path) -> bytes:
    """Return a file's own certificate as DER; the authorities that signed it follow it. The file was loaded before."""
    text = file.read_text("utf-8", errors="replace")
    start, end = text.index(ssl.PEM_HEADER), text.index(ssl.PEM_FOOTER)
    return ssl.PEM_cert_to_DER_cert(text[start : end + len(ssl.PEM_FOOTER)])


def _load(key: str, file: Path, load: Callable[[Path], None]) -> None:
    try:
        load(file)
    except ssl.SSLError:
        rule = "must be PEM, and the private key must belong to the certificate"
    except OSError as error:
        rule = f"must be readable: {error.strerror}"
    else:
        return
    raise ConfigError("tls", key, str(file), rule)


async def _shake(stream: ByteStream, context: ssl.SSLContext, host: str | None) -> ByteStream:
    try:
        with anyio.fail_after(HANDSHAKE_TIMEOUT_S):
            return await _SecuredStream.wrap(stream, server_side=host is None, hostname=host, ssl_context=context)
    except ssl.SSLCertVerificationError as error:
        reason = error.verify_message
    except ssl.SSLError as error:
        reason = (error.reason or "no agreement").replace("_", " ").lower()
    except TimeoutError:
        reason = f"no handshake within {HANDSHAKE_TIMEOUT_S:g} s"
    except (OSError, ValueError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        reason = "the peer hung up"
    except BaseException:
        await aclose_forcefully(stream)
        raise
    await aclose_forcefully(stream)
    raise TlsHandshakeError(reason)
