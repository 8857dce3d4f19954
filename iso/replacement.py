"""Replacement amounts (DE 95 of 1987): what really happened, where a reversal takes back only a part."""

from __future__ import annotations

from typing import NamedTuple

from iso.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["ReplacementAmounts"]

_LENGTH = 42
_GREATEST, _GREATEST_FEE = 10**12 - 1, 10**8 - 1


class ReplacementAmounts(NamedTuple):
    """The four parts of DE 95, in minor units.

    Attributes
    ----------
    transaction_minor
        What remains of the transaction; DE 4 keeps the original amount.
    settlement_minor
        The same in the currency of settlement; 0 = not known.
    fee_minor, settlement_fee_minor
        Fees; credits are positive, debits negative.

    Examples
    --------
    >>> ReplacementAmounts(500).to_de95()
    '000000000500000000000000C00000000C00000000'
    >>> ReplacementAmounts.from_de95("000000000500000000000000D00000025C00000000").fee_minor
    -25

    Source
    ------
    Common practice (NIBSS POS documents): n12, n12, x+n8, x+n8.
    """

    transaction_minor: int
    settlement_minor: int = 0
    fee_minor: int = 0
    settlement_fee_minor: int = 0

    @classmethod
    def from_de95(cls, value: str) -> ReplacementAmounts:
        """Read DE 95 (str[42]); RemoteProtocolError with the offset of the part that is not an amount."""
        if len(value) != _LENGTH:
            raise RemoteProtocolError(f"DE 95: {_LENGTH} characters expected", element=95, offset=0)
        return cls(
            _amount(value[:12], 0), _amount(value[12:24], 12), _signed(value[24:33], 24), _signed(value[33:], 33)
        )

    def to_de95(self) -> str:
        """Write DE 95, str[42]; LocalProtocolError if an amount does not fit."""
        fits = (
            0 <= self.transaction_minor <= _GREATEST
            and 0 <= self.settlement_minor <= _GREATEST
            and abs(self.fee_minor) <= _GREATEST_FEE
            and abs(self.settlement_fee_minor) <= _GREATEST_FEE
        )
        if not fits:
            raise LocalProtocolError("DE 95: an amount does not fit", element=95)
        fees = "".join(f"{'D' if fee < 0 else 'C'}{abs(fee):08d}" for fee in self[2:])
        return f"{self.transaction_minor:012d}{self.settlement_minor:012d}{fees}"


def _amount(digits: str, offset: int) -> int:
    if not (digits.isascii() and digits.isdigit()):
        raise RemoteProtocolError("DE 95: digits expected", element=95, offset=offset)
    return int(digits)


def _signed(text: str, offset: int) -> int:
    if text[:1] not in ("C", "D"):
        raise RemoteProtocolError("DE 95: C or D expected", element=95, offset=offset)
    amount = _amount(text[1:], offset + 1)
    return amount if text[0] == "C" else -amount
