"""Where one message ends and the next begins, without input or output.

A decoder is fed whatever a socket gave and returns the whole payloads so far. The limit is checked on the prefix,
before anything is buffered for it: a peer cannot make a node hold more than one payload of `limit_bytes`. Every byte
is looked at a bounded number of times, however the stream was cut.

A name is a length prefix (`iso.prefixes`), and whatever stands around the message: `len2-be+etx` counts an ETX behind
each message, `len4-ascii+stx+etx` puts STX and ETX around it, `len2-be+after:0D0A` is followed by two bytes that the
prefix does not count. `stx-etx` and `stx-etx-lrc` have no length: the message runs to the next ETX, so it cannot
contain one.
"""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import NamedTuple

from iso.errors import ConfigError, LocalProtocolError, RemoteProtocolError
from iso.prefixes import PREFIXES, Prefix

__all__ = ["FRAMING_NAMES", "LIMIT_BYTES", "FrameDecoder", "Framing", "framing"]

LIMIT_BYTES = 8192
"""The longest payload that a decoder takes unless told otherwise."""

_STX, _ETX = b"\x02", b"\x03"
_TRAILER_MAX_BYTES = 16
_DELIMITED = {"stx-etx": 0, "stx-etx-lrc": 1}

FRAMING_NAMES = (*PREFIXES, *_DELIMITED)
"""Names that `framing` knows; those with a length also take `+` options."""


class _Form(NamedTuple):
    """A framing as data: `prefix` (None: delimited, then `check_bytes` of LRC follow the ETX), and fixed bytes.

    `lead` and `trail` are counted by the prefix, `after` is not.
    """

    prefix: Prefix | None
    check_bytes: int = 0
    lead: bytes = b""
    trail: bytes = b""
    after: bytes = b""


_PLAIN = _Form(PREFIXES["len2-be"])


class FrameDecoder:
    """Cuts a stream of bytes into payloads; one per connection, thrown away with it.

    Attributes
    ----------
    error
        The fault that ended the stream, or None; its `offset` counts from the first byte of the stream. The payloads
        before the fault were still delivered: after each `feed`, a shell that finds `error` set handles them and then
        closes the connection.
    """

    __slots__ = ("_buffer", "_consumed", "_form", "_limit", "_scanned", "error")

    def __init__(self, form: _Form, limit_bytes: int) -> None:
        self._form = form
        self._limit = limit_bytes
        self._buffer = bytearray()
        self._consumed = 0
        self._scanned = 0
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
            Payloads without what stands around them, in order. Empty frames are keep-alives and are skipped.

        Raises
        ------
        RemoteProtocolError
            A prefix is illegal or announces more than the limit, or a trailer is missing: close the connection. If
            payloads were whole before the fault, they are returned, `error` is set, and the next call raises.
        """
        frames: list[bytes] = []
        if self.error is None:
            buffer = self._buffer
            if buffer:
                buffer += data
                at = self._cut(buffer, frames)
                del buffer[:at]
            else:
                # Most reads hold whole frames: they are cut without being copied into the buffer first.
                at = self._cut(data, frames)
                buffer += data[at:]
            self._consumed += at
        if self.error is not None:
            self._buffer.clear()
            if not frames:
                raise RemoteProtocolError(str(self.error), offset=self.error.offset)
        return frames

    def _cut(self, source: bytes | bytearray, frames: list[bytes]) -> int:
        form = self._form
        if form == _PLAIN and type(source) is bytes:
            return self._by_two_bytes(source, frames)
        return self._by_marks(source, frames) if form.prefix is None else self._by_length(source, frames, form.prefix)

    def _by_two_bytes(self, source: bytes, frames: list[bytes]) -> int:
        """Do what `_by_length` does for a bare length of two bytes, which nearly every link has."""
        size, at, limit = len(source), 0, self._limit
        while size - at >= 2:
            start = at + 2
            length = source[at] << 8 | source[at + 1]
            if length > limit:
                self._fault(f"a frame of {length} bytes, at most {limit} are taken", at)
                break
            if start + length > size:
                # A keep-alive is no frame, and is never cut off.
                break
            at = start + length
            if length:
                frames.append(source[start:at])
        return at

    def _by_length(self, source: bytes | bytearray, frames: list[bytes], prefix: Prefix) -> int:
        width, extra, read = prefix.width, prefix.extra, prefix.read
        _, _, lead, trail, after = self._form
        around, size, at, limit = len(lead) + len(trail), len(source), 0, self._limit
        while size - at >= width:
            announced = read(bytes(source[at : at + width]))
            if announced is None or announced < extra:
                self._fault("illegal length prefix", at)
                break
            length = announced - extra
            if length - around > limit:
                self._fault(f"a frame of {length} bytes, at most {limit} are taken", at)
                break
            start = at + width
            if not length:
                at = start
                continue
            end = start + length
            if end + len(after) > size:
                break
            if around or after:
                if not self._is_dressed(source, start, end):
                    self._fault("a header or trailer that this framing does not have", start)
                    break
                start, at, end = start + len(lead), end + len(after), end - len(trail)
                if start < end:
                    frames.append(bytes(source[start:end]))
            else:
                frames.append(bytes(source[start:end]))
                at = end
        return at

    def _is_dressed(self, source: bytes | bytearray, start: int, end: int) -> bool:
        _, _, lead, trail, after = self._form
        return (
            end - start >= len(lead) + len(trail)
            and source.startswith(lead, start)
            and source.startswith(trail, end - len(trail))
            and source.startswith(after, end)
        )

    def _by_marks(self, source: bytes | bytearray, frames: list[bytes]) -> int:
        size, at, limit, check = len(source), 0, self._limit, self._form.check_bytes
        while at < size:
            if not source.startswith(_STX, at):
                self._fault("a frame begins with STX", at)
                break
            start = at + 1
            # What was searched in vain before is not searched again.
            end = source.find(_ETX, max(start, at + self._scanned), start + limit + 1)
            if end < 0 and size - start > limit:
                self._fault(f"no ETX within {limit} bytes", at)
                break
            if end < 0 or end + 1 + check > size:
                self._scanned = size - at if end < 0 else end - at
                return at
            if check and reduce(xor, source[start : end + 1]) != source[end + 1]:
                self._fault("the check byte after ETX is wrong", end + 1)
                break
            if start < end:
                frames.append(bytes(source[start:end]))
            at, self._scanned = end + 1 + check, 0
        return at

    def _fault(self, rule: str, at: int) -> None:
        self.error = RemoteProtocolError(rule, offset=self._consumed + at)


class Framing:
    """One way of saying where a message ends.

    Attributes
    ----------
    name
        Its name in dialects and topologies.
    """

    __slots__ = ("_form", "_is_plain", "name")

    def __init__(self, name: str, form: _Form) -> None:
        self.name = name
        self._form = form
        self._is_plain = form == _PLAIN

    def __repr__(self) -> str:
        return f"Framing({self.name!r})"

    def encode(self, payload: bytes) -> bytes:
        """Put around a payload what this framing demands.

        Parameters
        ----------
        payload
            A message with its header; b"" makes a keep-alive.

        Returns
        -------
        bytes
            A frame.

        Raises
        ------
        LocalProtocolError
            The prefix cannot express the length, or the payload holds the byte that would end it.
        """
        prefix, check, lead, trail, after = self._form
        if prefix is None:
            if _ETX in payload:
                raise LocalProtocolError(f"{self.name} cannot carry a payload that holds ETX")
            body = payload + _ETX
            return _STX + body + (bytes((reduce(xor, body),)) if check else b"")
        if not payload:
            return prefix.write(prefix.extra)
        if self._is_plain and len(payload) <= prefix.longest:
            return len(payload).to_bytes(2, "big") + payload
        length = len(lead) + len(payload) + len(trail) + prefix.extra
        if length > prefix.longest:
            raise LocalProtocolError(f"{self.name} cannot express {len(payload)} bytes")
        return prefix.write(length) + lead + payload + trail + after

    def decoder(self, limit_bytes: int = LIMIT_BYTES) -> FrameDecoder:
        """Make the decoder of one connection; payloads longer than `limit_bytes` are refused."""
        return FrameDecoder(self._form, limit_bytes)


def framing(name: str) -> Framing:
    r"""Find a framing by name.

    Parameters
    ----------
    name
        A prefix: "len2-be", "len2-le", "len4-be", "len4-le" (binary), "len2-bcd" (4 packed digits), "len4-ascii" (4
        digits), "len4-hex" (4 hexadecimal digits), "visa" (2 bytes big-endian and 2 of zeros), each also with
        "-inclusive" where the length counts the prefix too. Then any of "+stx", "+etx", "+trailer:HEX" (counted by the
        prefix) and "+after:HEX" (behind the message and not counted). Or "stx-etx", "stx-etx-lrc", which have no
        length.

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
    >>> framing("len4-ascii-inclusive+etx").encode(b"0800")
    b'00090800\x03'

    Source
    ------
    Common practice: public channel implementations and wire captures of their users.
    """
    base, *options = name.split("+")
    if base in _DELIMITED and not options:
        return Framing(name, _Form(None, _DELIMITED[base]))
    prefix = PREFIXES.get(base)
    if prefix is None:
        raise ConfigError("framings", "name", name, f"one of {', '.join(FRAMING_NAMES)}")
    lead = trail = after = b""
    for option in options:
        kind, _, text = option.partition(":")
        if option == "stx":
            lead += _STX
        elif option == "etx":
            trail += _ETX
        elif kind == "trailer":
            trail += _fixed_bytes(name, text)
        elif kind == "after":
            after += _fixed_bytes(name, text)
        else:
            raise ConfigError("framings", "name", name, "options are +stx, +etx, +trailer:HEX and +after:HEX")
    return Framing(name, _Form(prefix, 0, lead, trail, after))


def _fixed_bytes(name: str, text: str) -> bytes:
    try:
        fixed = bytes.fromhex(text)
    except ValueError:
        fixed = b""
    if not 1 <= len(fixed) <= _TRAILER_MAX_BYTES:
        raise ConfigError("framings", "name", name, f"a trailer is 1 to {_TRAILER_MAX_BYTES} bytes in hexadecimal")
    return fixed
