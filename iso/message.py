"""One ISO 8583 message: an MTI and its elements, immutable, and masked wherever it is shown.

A message knows the rules that hold for every dialect: how it is answered, repeated and hidden. What a code means in a
network is the dialect's business, and how it is written the codec's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from iso.echo import HOUSE, EchoProfile
from iso.elements import HIDDEN_ELEMENTS, MAC_ELEMENTS, TEXT_ELEMENTS
from iso.errors import LocalProtocolError
from iso.headers import answer_header, swap_tpdu
from iso.masks import mask_pan, mask_text
from iso.mti import is_repeat, is_request, is_response, repeat_mti, response_mti
from iso.private import mask_private, parse_private

__all__ = ["Message", "swap_tpdu"]


class Message:
    """An MTI and its elements.

    Parameters
    ----------
    mti
        str[4] decimal.
    fields
        Element number to value: digits, characters, or upper-case hexadecimal for binary elements. Copied.
    header
        Hexadecimal of the bytes before the MTI (TPDU); not part of equality.

    Examples
    --------
    >>> request = Message("0100", {2: "4242424242424242", 4: "000000001999", 11: "000001"})
    >>> request
    Message('0100', {2: '424242******4242', 4: '000000001999', 11: '000001'})
    >>> request.reply("00").mti, request.amount_minor, 39 in request
    ('0110', 1999, False)
    """

    __slots__ = ("_fields", "_header", "_mti", "_private")

    _mti: str
    _fields: dict[int, str]
    _header: str
    _private: Mapping[str, str] | None

    def __init__(self, mti: str, fields: Mapping[int, str], header: str = "") -> None:
        self._mti = mti
        self._fields = dict(fields)
        self._header = header
        self._private = None

    @classmethod
    def _adopt(cls, mti: str, fields: dict[int, str], header: str) -> Message:
        """Take over a dictionary that nobody else holds."""
        message = cls.__new__(cls)
        message._mti = mti
        message._fields = fields
        message._header = header
        message._private = None
        return message

    @property
    def mti(self) -> str:
        """str[4] decimal, the message type identifier."""
        return self._mti

    @property
    def header(self) -> str:
        """Hexadecimal of the bytes that came before the MTI, or ""."""
        return self._header

    @property
    def fields(self) -> Mapping[int, str]:
        """A read-only view of the elements."""
        return MappingProxyType(self._fields)

    def get(self, element: int, default: str | None = None) -> str | None:
        """Give an element's value, or `default` if it is absent."""
        return self._fields.get(element, default)

    def only(self, elements: Iterable[int]) -> dict[int, str]:
        """Give those of some elements that are there, in the order of `elements`; a dictionary of the caller's own."""
        mine = self._fields
        return {element: mine[element] for element in elements if element in mine}

    def lacks(self, elements: Iterable[int]) -> int | None:
        """Give the first of some elements that is not there; None if all are."""
        mine = self._fields
        for element in elements:
            if element not in mine:
                return element
        return None

    def __getitem__(self, element: int) -> str:
        return self._fields[element]

    def __contains__(self, element: object) -> bool:
        return element in self._fields

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return self._mti == other._mti and self._fields == other._fields

    def __hash__(self) -> int:
        return hash((self._mti, frozenset(self._fields.items())))

    def __repr__(self) -> str:
        return f"Message({self._mti!r}, {self.masked()!r})"

    def masked(self) -> dict[int, str]:
        """Give the elements in order, safe to log, trace and print.

        Returns
        -------
        dict[int, str]
            DE 2 as 6+4, secret elements as `***`, DE 48 without the values of tags 01 and 05, and free text without
            anything that looks like a card number.
        """
        return {element: _masked(element, self._fields[element]) for element in sorted(self._fields)}

    def with_fields(
        self, changes: Mapping[int, str | None], mti: str | None = None, header: str | None = None
    ) -> Message:
        """Give a copy with some elements changed.

        Parameters
        ----------
        changes
            New values; None drops the element.
        mti
            A new MTI, or None to keep it.
        header
            A new header, as for `with_header`, or None to keep it.

        Returns
        -------
        Message
            A new one.
        """
        fields = dict(self._fields)
        _change(fields, changes)
        return Message._adopt(self._mti if mti is None else mti, fields, self._header if header is None else header)

    def with_header(self, header: str) -> Message:
        """Give a copy with another header; "" means the dialect's default when it is encoded."""
        return Message._adopt(self._mti, self._fields, header)

    def without_mac(self) -> Message:
        """Give a copy without DE 64 and 128: a MAC belongs to one link and must not travel to the next."""
        return self.with_fields(dict.fromkeys(MAC_ELEMENTS))

    def reply(self, code: str, extra: Mapping[int, str | None] | None = None, *, echo: EchoProfile = HOUSE) -> Message:
        """Build the response to this message.

        Parameters
        ----------
        code
            DE 39.
        extra
            More elements, or other values for echoed ones; None drops.
        echo
            Which elements come back.

        Returns
        -------
        Message
            The right MTI (0121 -> 0130, 0421 -> 0430); the echoed elements that are present; a TPDU or BASE I header
            with destination and source exchanged. DE 48 is never echoed.

        Raises
        ------
        LocalProtocolError
            Nothing answers this MTI (it is a response).
        """
        mti = response_mti(self._mti)
        fields = self.only(echo.elements(mti))
        fields[39] = code
        if extra:
            _change(fields, extra)
        return Message._adopt(mti, fields, answer_header(self._header))

    def as_repeat(self) -> Message:
        """Give the same message marked as a repeat: 0420 -> 0421; a repeat stays as it is.

        Raises
        ------
        LocalProtocolError
            This is a response; answers are not repeated.
        """
        return Message._adopt(repeat_mti(self._mti), self._fields, self._header)

    @property
    def is_request(self) -> bool:
        """True if the message expects an answer (advices too)."""
        return is_request(self._mti)

    @property
    def is_response(self) -> bool:
        """True if the message answers another."""
        return is_response(self._mti)

    @property
    def is_repeat(self) -> bool:
        """True if the MTI carries the repeat flag."""
        return is_repeat(self._mti)

    @property
    def mti_class(self) -> str:
        """str[1]: 1 authorisation, 2 financial, 4 reversal, 8 network management."""
        return self._mti[1:2]

    # The accessors below give "" (or 0) for an absent element, so that they can be compared without ceremony.

    @property
    def pan(self) -> str:
        """DE 2, or ""."""
        return self._fields.get(2, "")

    @property
    def processing_code(self) -> str:
        """DE 3, or ""."""
        return self._fields.get(3, "")

    @property
    def amount_minor(self) -> int:
        """DE 4 in minor units of DE 49; 0 if absent."""
        amount = self._fields.get(4, "0")
        if not (amount.isascii() and amount.isdigit()):
            raise LocalProtocolError("DE 4: not an amount", element=4)
        return int(amount)

    @property
    def transmitted(self) -> str:
        """DE 7, MMDDhhmmss in UTC, or ""."""
        return self._fields.get(7, "")

    @property
    def stan(self) -> str:
        """DE 11, or ""."""
        return self._fields.get(11, "")

    @property
    def acquirer_id(self) -> str:
        """DE 32, or ""."""
        return self._fields.get(32, "")

    @property
    def rrn(self) -> str:
        """DE 37, or ""."""
        return self._fields.get(37, "")

    @property
    def authorisation_code(self) -> str:
        """DE 38, or ""."""
        return self._fields.get(38, "")

    @property
    def response_code(self) -> str:
        """DE 39, or ""."""
        return self._fields.get(39, "")

    @property
    def terminal(self) -> str:
        """DE 41 without the spaces that fill it, or ""."""
        return self._fields.get(41, "").rstrip(" ")

    @property
    def merchant(self) -> str:
        """DE 42 without the spaces that fill it, or ""."""
        return self._fields.get(42, "").rstrip(" ")

    @property
    def currency(self) -> str:
        """DE 49, ISO 4217 numeric, or ""."""
        return self._fields.get(49, "")

    @property
    def private(self) -> Mapping[str, str]:
        """DE 48 in the house's layout, value by tag; nothing if it is absent. Raises as `parse_private`."""
        # Everybody who takes a request on wants to know some of it: it is read once for all of them.
        tags = self._private
        if tags is None:
            tags = self._private = parse_private(self._fields.get(48, ""))
        return tags


def _change(fields: dict[int, str], changes: Mapping[int, str | None]) -> None:
    for element, value in changes.items():
        if value is None:
            fields.pop(element, None)
        else:
            fields[element] = value


def _masked(element: int, value: str) -> str:
    if element == 2:
        return mask_pan(value)
    if element in HIDDEN_ELEMENTS:
        return "***"
    if element == 48:
        return mask_private(value)
    return mask_text(value) if element in TEXT_ELEMENTS else value
