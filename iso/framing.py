"""Where one message ends and the next begins: length prefixes, without input or output.

A decoder is fed whatever a socket gave and returns the whole payloads so far. The limit is checked on the prefix,
before anything is buffered for it: a peer cannot make a node hold more than one payload of `limit_bytes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from iso.errors import ConfigError, LocalProtocolError, RemoteProtocolError

__all__ = ["FRAMING_NAMES", "FrameDecoder", "Framing", "framing"]

LIMIT_BYTES = 8192
"""The longest payload that a decoder takes unless told otherwise."""


class _Prefix(NamedTuple):
    width: int
    longest: int
    # What the prefix counts besides the payload: its own bytes where it is inclusive.
    extra: int
    read: Callable[[bytes], int | None]
    write: Callable[[int], bytes]


def _read_be(raw: bytes) -> int | None:
    return int.from_bytes(raw, "big")


def _read_digits(raw: bytes) -> int | None:
    return int(raw) if raw.isdigit() else None


def _read_bcd(raw: bytes) -> int | None:
    digits = raw.hex()
    return int(digits) if digits.isdigit() else None


_PREFIXES = {
    "len2-be": _Prefix(2, 0xFFFF, 0, _read_be, lambda length: length.to_bytes(2, "big")),
    "len2-be-inclusive": _Prefix(2, 0xFFFF, 2, _read_be, lambda length: length.to_bytes(2, "big")),
    "len4-ascii": _Prefix(4, 9999, 0, _read_digits, lambda length: b"%04d" % length),
    "len2-bcd": _Prefix(2, 9999, 0, _read_bcd, lambda length: bytes.fromhex(f"{length:04d}")),
}

FRAMING_NAMES = tuple(_PREFIXES)
"""Names that `framing` knows."""


class FrameDecoder:
    """Cuts a stream of bytes into payloads; one per connection, thrown away with it.

    Attributes
    ----------
    error
        The fault that ended the stream, or None. The payloads before the fault were still delivered: after each
        `feed`, a shell that finds `error` set handles them and then closes the connection.
    """

    __slots__ = ("_buffer", "_limit", "_prefix", "error")

    def __init__(self, prefix: _Prefix, limit_bytes: int) -> None:
        self._prefix = prefix
        self._limit = limit_bytes
        self._buffer = bytearray()
        self.error: RemoteProtocolError | None = None

    @property
    def pending_bytes(self) -> int:
        """How many bytes of an unfinished frame are held; not 0 at the end of a stream means it was cut off."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, give the payloads that are now whole.

        Parameters
        ----------
        data
            Any number of bytes, cut anywhere.

        Returns
        -------
        list[bytes]
            Payloads without prefix, in order. Empty frames are keep-alives and are skipped.

        Raises
        ------
        RemoteProtocolError
            A prefix is illegal or announces more than the limit: close the connection. If payloads were whole before
            the fault, they are returned, `error` is set, and the next call raises.
        """
        frames: list[bytes] = []
        if self.error is None:
            self._buffer += data
            at = self._cut(frames)
            del self._buffer[:at]
        if self.error is not None:
            self._buffer.clear()
            if not frames:
                raise RemoteProtocolError(str(self.error))
        return frames

    def _cut(self, frames: list[bytes]) -> int:
        width, _, extra, read, _ = self._prefix
        buffer, size, at = self._buffer, len(self._buffer), 0
        while size - at >= width:
            announced = read(bytes(buffer[at : at + width]))
            if announced is None or announced < extra:
                self.error = RemoteProtocolError("illegal length prefix")
                break
            length = announced - extra
            if length > self._limit:
                self.error = RemoteProtocolError(f"a frame of {length} bytes, at most {self._limit} are taken")
                break
            end = at + width + length
            if end > size:
                break
            if length:
                frames.append(bytes(buffer[at + width : end]))
            at = end
        return at


class Framing:
    """One way of saying how long a message is.

    Attributes
    ----------
    name
        Its name in dialects and topologies.
    """

    __slots__ = ("_prefix", "name")

    def __init__(self, name: str, prefix: _Prefix) -> None:
        self.name = name
        self._prefix = prefix

    def __repr__(self) -> str:
        return f"Framing({self.name!r})"

    def encode(self, payload: bytes) -> bytes:
        """Put the length in front of a payload.

        Parameters
        ----------
        payload
            A message with its header; b"" makes a keep-alive.

        Returns
        -------
        bytes
            Prefix and payload.

        Raises
        ------
        LocalProtocolError
            The prefix cannot express the length.
        """
        length = len(payload) + self._prefix.extra
        if length > self._prefix.longest:
            raise LocalProtocolError(f"{self.name} cannot express {len(payload)} bytes")
        return self._prefix.write(length) + payload

    def decoder(self, limit_bytes: int = LIMIT_BYTES) -> FrameDecoder:
        """Make the decoder of one connection; payloads longer than `limit_bytes` are refused."""
        return FrameDecoder(self._prefix, limit_bytes)


def framing(name: str) -> Framing:
    r"""Find a framing by name.

    Parameters
    ----------
    name
        "len2-be" (2 bytes big-endian, payload only), "len2-be-inclusive" (counts itself too), "len4-ascii" (4 digits)
        or "len2-bcd" (4 packed digits).

    Returns
    -------
    Framing

    Raises
    ------
    ConfigError
        No framing has this name.

    Examples
    --------
    >>> framing("len2-be").encode(b"0800")
    b'\x00\x040800'
    >>> framing("len2-be").decoder().feed(b"\x00\x00\x00\x040800\x00")
    [b'0800']
    """
    prefix = _PREFIXES.get(name)
    if prefix is None:
        raise ConfigError("framings", "name", name, f"one of {', '.join(FRAMING_NAMES)}")
    return Framing(name, prefix)
