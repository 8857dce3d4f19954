"""What can still be said to the sender of a message that does not decode."""

from __future__ import annotations

from iso.dialect import Dialect
from iso.errors import RemoteProtocolError
from iso.generic import read_bitmap, read_mti
from iso.message import Message

__all__ = ["salvage"]

_IDENTITY = frozenset({7, 11, 12, 13, 32, 37, 41, 42, 70})


def salvage(data: bytes, dialect: Dialect) -> Message | None:
    """Read what identifies a broken message, so that its rejection can be matched by the sender.

    Parameters
    ----------
    data
        A whole message that `decode` refused.
    dialect
        How it should have been written.

    Returns
    -------
    Message | None
        The MTI and those identifying elements (7, 11, 12, 13, 32, 37, 41, 42, 70) that stand before the fault; never
        a card number. None if there is no MTI that this dialect knows: nothing can be answered.
    """
    data = bytes(data)
    header, fields = data[: dialect.header_bytes].hex().upper(), dict[int, str]()
    try:
        mti, at = read_mti(data, dialect.header_bytes, dialect)
    except RemoteProtocolError:
        return None
    try:
        elements, at = read_bitmap(data, at, dialect)
        for element in elements:
            reader = dialect.readers.get(element)
            if reader is None:
                break
            value, at = reader(data, at)
            if element in _IDENTITY:
                fields[element] = value
    except RemoteProtocolError:
        pass
    return Message(mti, fields, header=header)
