"""What every request is, and how fields become values."""

from typing import Protocol, TypeVar

from hsm_sim.core.commands.fields import Value
from iso.errors import LocalProtocolError

AnswerT_co = TypeVar("AnswerT_co", covariant=True)


class Request(Protocol[AnswerT_co]):
    """What a client can send."""

    def encode(self) -> bytes:
        """Return command and data, without header; `LocalProtocolError` if a value does not fit its field."""

    def parse(self, answer: bytes) -> AnswerT_co:
        """Return the typed answer; `RemoteProtocolError` if the bytes do not answer this request."""


def text_of(values: dict[str, Value], name: str) -> str:
    """Return a character field of an answer; "" after a refusal."""
    value = values.get(name, "")
    return value if isinstance(value, str) else ""


def data_of(values: dict[str, Value], name: str) -> bytes:
    """Return a binary field of an answer; empty after a refusal."""
    value = values.get(name, b"")
    return value if isinstance(value, bytes) else b""


def amount_of(amount_minor: int) -> str:
    """Return an amount in minor units as 12 digits."""
    if not 0 <= amount_minor < 10**12:
        raise LocalProtocolError("HSM field amount takes 12 digits")
    return f"{amount_minor:012d}"
