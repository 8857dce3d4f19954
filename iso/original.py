"""Original data elements: how a reversal or advice names the message it is about (DE 90)."""

from __future__ import annotations

from typing import NamedTuple

from iso.errors import LocalProtocolError, RemoteProtocolError
from iso.message import Message

__all__ = ["OriginalData"]

_WIDTHS = (4, 6, 10, 11, 11)


class OriginalData(NamedTuple):
    """The five parts of DE 90.

    Attributes
    ----------
    mti
        str[4], MTI of the original.
    stan
        str[6], its DE 11.
    transmitted
        str[10], its DE 7 (not that of the message that carries DE 90); ten zeros = not known.
    acquirer_id
        Its DE 32; written right-justified and zero-filled, given back without the zeros in front.
    forwarder_id
        Its DE 33, likewise; "" if it had none.

    Examples
    --------
    >>> OriginalData("0100", "000123", "0715142530", "123456").to_de90()
    '010000012307151425300000012345600000000000'

    Source
    ------
    Common practice (NIBSS POS documents, and public test messages).
    """

    mti: str
    stan: str
    transmitted: str
    acquirer_id: str = ""
    forwarder_id: str = ""

    @classmethod
    def of(cls, original: Message) -> OriginalData:
        """Name a message as a reversal of it will."""
        return cls(
            original.mti,
            original.stan,
            original.transmitted,
            original.acquirer_id.lstrip("0"),
            (original.get(33) or "").lstrip("0"),
        )

    @classmethod
    def from_de90(cls, value: str) -> OriginalData:
        """Read DE 90.

        Parameters
        ----------
        value
            str[42] decimal.

        Returns
        -------
        OriginalData

        Raises
        ------
        RemoteProtocolError
            Not 42 digits.
        """
        if len(value) != sum(_WIDTHS) or not (value.isascii() and value.isdigit()):
            raise RemoteProtocolError("DE 90: 42 digits expected", element=90)
        return cls(value[:4], value[4:10], value[10:20], value[20:31].lstrip("0"), value[31:].lstrip("0"))

    def to_de90(self) -> str:
        """Write DE 90.

        Returns
        -------
        str
            str[42] decimal; a missing part is zeros.

        Raises
        ------
        LocalProtocolError
            A part is too long or not decimal.
        """
        value = "".join(part.rjust(width, "0") for part, width in zip(self, _WIDTHS, strict=True))
        if len(value) != sum(_WIDTHS) or not (value.isascii() and value.isdigit()):
            raise LocalProtocolError("DE 90: a part does not fit", element=90)
        return value
