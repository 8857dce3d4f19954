"""What is legal enough to be read but worth telling the sender: the flags of a lenient reading.

A message with a remark is still a message: links carry it, and tools and conformance runs show what they saw.
"""

from __future__ import annotations

from typing import NamedTuple

from iso.dialect import Dialect
from iso.generic import read_with_marks
from iso.message import Message

__all__ = ["Remark", "decode_with_remarks"]


class Remark(NamedTuple):
    """One oddity: the element (1 = bitmap), a short code, and words that contain no content.

    Codes: "empty" (a variable element of length zero), "fixed-bitmap" (16 bytes of bitmap although its first bit says
    8; only where the dialect is lenient).
    """

    element: int
    code: str
    words: str


def decode_with_remarks(data: bytes, dialect: Dialect) -> tuple[Message, tuple[Remark, ...]]:
    """Read one message and say what is odd about it.

    Parameters
    ----------
    data
        As for `iso.codec.decode`.
    dialect
        How it is written; `dialect.relaxed()` also reads bitmaps of fixed length.

    Returns
    -------
    tuple[Message, tuple[Remark, ...]]
        The message that `decode` gives, and its remarks in the order of the elements.

    Raises
    ------
    RemoteProtocolError
        As `decode`.

    Examples
    --------
    >>> from iso.dialects import dialect
    >>> decode_with_remarks(b"0800000000010000000000", dialect("ascii87"))[1]
    (Remark(element=32, code='empty', words='DE 32 is empty'),)
    """
    message, fixed = read_with_marks(bytes(data), dialect, None)
    remarks = (
        [Remark(1, "fixed-bitmap", "the bitmap is 16 bytes long although its first bit is clear")] if fixed else []
    )
    remarks += [
        Remark(element, "empty", f"DE {element} is empty") for element, value in message.fields.items() if not value
    ]
    return message, tuple(remarks)
