"""Requests for the MACs of a link's frames, all that wait in one command."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from hsm_sim.core.commands.fields import Value
from hsm_sim.core.commands.mac_batches import COUNT_LENGTH, FITS, packed
from hsm_sim.core.commands.wire import decode_answer, encode_command
from hsm_sim.requests.base import data_of
from iso.errors import LocalProtocolError, RemoteProtocolError

MAC_LENGTH: Final = 8
BATCH_BYTES_MAX: Final = 16_384
"""Bytes of messages in one command; a single longer one still travels, alone."""


def batches(messages: Sequence[bytes]) -> list[list[bytes]]:
    """Cut messages into batches that fit a command, in order."""
    found: list[list[bytes]] = []
    room = 0
    for message in messages:
        size = len(message) + COUNT_LENGTH
        if size > room or not found:
            found.append([])
            room = BATCH_BYTES_MAX
        found[-1].append(message)
        room -= size
    return found


class MacsMade(NamedTuple):
    """Answer to `MakeMacs`: bytes[8] for each message, in order."""

    code: str
    macs: list[bytes]


class MakeMacs(NamedTuple):
    """ZQ, acquirer, switch and issuer: 8-byte MACs over whole messages; `algorithm` and `padding` as in `MakeMac`."""

    key: str
    messages: list[bytes]
    algorithm: str = "6"
    padding: str = "0"

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("ZQ", _values(self))

    def parse(self, answer: bytes) -> MacsMade:
        """Return the typed answer."""
        code, got = decode_answer("ZQ", answer, {})
        macs = data_of(got, "macs")
        if got and len(macs) != MAC_LENGTH * len(self.messages):
            raise RemoteProtocolError("the HSM's answer does not have one MAC for each message")
        return MacsMade(code, [macs[at : at + MAC_LENGTH] for at in range(0, len(macs), MAC_LENGTH)])

    def __repr__(self) -> str:
        return f"MakeMacs(key={self.key[:4]!r}, messages={len(self.messages)}, algorithm={self.algorithm!r})"


class MacsChecked(NamedTuple):
    """Answer to `VerifyMacs`: "00" all match, "01" some do not; for each message whether its MAC fits, in order."""

    code: str
    verdicts: list[bool]


class VerifyMacs(NamedTuple):
    """ZS, acquirer, switch and issuer: messages that end in their MACs of eight bytes."""

    key: str
    messages: list[bytes]
    algorithm: str = "6"
    padding: str = "0"

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("ZS", _values(self))

    def parse(self, answer: bytes) -> MacsChecked:
        """Return the typed answer."""
        code, got = decode_answer("ZS", answer, {})
        verdicts = data_of(got, "verdicts")
        if got and len(verdicts) != len(self.messages):
            raise RemoteProtocolError("the HSM's answer does not have one verdict for each message")
        return MacsChecked(code, [verdict == FITS[0] for verdict in verdicts])

    def __repr__(self) -> str:
        return f"VerifyMacs(key={self.key[:4]!r}, messages={len(self.messages)}, algorithm={self.algorithm!r})"


def _values(request: MakeMacs | VerifyMacs) -> dict[str, Value]:
    try:
        messages: bytes | None = packed(request.messages)
    except OverflowError:
        messages = None
    if messages is None:
        raise LocalProtocolError("HSM field messages takes messages of at most 65535 bytes")
    return {
        "size": "1",
        "algorithm": request.algorithm,
        "padding": request.padding,
        "key_type": "FFF",
        "key": request.key,
        "messages": messages,
    }
