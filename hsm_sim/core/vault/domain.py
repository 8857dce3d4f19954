"""Domain controls: where, by whom and for how much a token may be used, and the purchases that they are held against.

A domain narrows what a stolen token and its cryptogram are worth. It is held against a purchase twice: when the
cryptogram is made, for the shop's sake, and when the token is opened, for the network's. What the caller leaves open
is refused where the domain names something: a token for one channel does not pass without a channel.
"""

from datetime import datetime
from typing import Final, NamedTuple

from hsm_sim.core.errors import (
    AMOUNT_REFUSED,
    BAD_DATA,
    CHANNEL_REFUSED,
    CURRENCY_REFUSED,
    MERCHANT_REFUSED,
    TOKEN_EXPIRED,
    HsmError,
)
from hsm_sim.core.vault.rows import CardRow

AMOUNT_LIMIT: Final = 10**12


class Purchase(NamedTuple):
    """What a cryptogram is made for.

    Attributes
    ----------
    amount
        str[12], minor units.
    currency
        str[3], numeric.
    merchant
        Card acceptor (DE 42); trailing spaces do not count.
    channel
        How the payment reached the shop, such as "ecommerce"; "" if nobody said. Not covered by the cryptogram.
    """

    amount: str
    currency: str
    merchant: str
    channel: str = ""


class Domain(NamedTuple):
    """What a token may be used for; empty values allow everything.

    Attributes
    ----------
    channels, merchants, currencies
        Each of them one that is allowed: channel names, card acceptors (DE 42), numeric currencies. None of them may
        hold a comma.
    amount_max
        Largest amount of one payment in minor units, whatever the currency.
    token_expiry
        str[4] YYMM, the last month (UTC) in which the token may be used.
    merchant_initiated
        Whether the merchants may start a payment without the cardholder: then `merchants` must name them.
    """

    channels: tuple[str, ...] = ()
    merchants: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    amount_max: int | None = None
    token_expiry: str = ""
    merchant_initiated: bool = False

    def check(self) -> None:
        """Refuse a domain that makes no sense.

        Raises
        ------
        HsmError
            "15": a name is empty or holds a comma, a currency is not three digits, an amount does not fit 12 digits,
            the expiry is no month, or merchant-initiated payments are allowed to nobody in particular.
        """
        names = (*self.channels, *self.merchants)
        is_sound = (
            all(name and "," not in name and name == name.rstrip(" ") for name in names)
            and all(len(code) == 3 and code.isascii() and code.isdigit() for code in self.currencies)
            and (self.amount_max is None or 0 <= self.amount_max < AMOUNT_LIMIT)
            and (not self.token_expiry or is_month(self.token_expiry))
            and (bool(self.merchants) or not self.merchant_initiated)
        )
        if not is_sound:
            raise HsmError(BAD_DATA)

    def onto(self, row: CardRow) -> CardRow:
        """Return the row with this domain in its columns."""
        return row._replace(
            channels=",".join(self.channels),
            merchants=",".join(self.merchants),
            currencies=",".join(self.currencies),
            amount_max=self.amount_max,
            token_expiry=self.token_expiry,
            merchant_initiated=int(self.merchant_initiated),
        )


UNRESTRICTED: Final = Domain()


def domain_of(row: CardRow) -> Domain:
    """Return the domain that a row holds."""
    return Domain(
        split(row.channels),
        split(row.merchants),
        split(row.currencies),
        row.amount_max,
        row.token_expiry,
        bool(row.merchant_initiated),
    )


def split(text: str) -> tuple[str, ...]:
    """Return the names of a comma-separated text; trailing spaces do not count, and "" names nothing.

    Examples
    --------
    >>> split("ecommerce,moto"), split("")
    (('ecommerce', 'moto'), ())
    """
    return tuple([name.rstrip(" ") for name in text.split(",")]) if text else ()


def hold_against(row: CardRow, purchase: Purchase, at: datetime) -> None:
    """Refuse a purchase that lies outside a token's domain.

    Parameters
    ----------
    row
        The token's card.
    purchase
        What is asked for.
    at
        Business time.

    Raises
    ------
    HsmError
        "VB" the token has expired; "VC" another channel; "VD" another merchant; "VE" another currency; "VF" too much.
        The first that applies, in this order.
    """
    if has_expired(row, at):
        raise HsmError(TOKEN_EXPIRED)
    if row.channels and purchase.channel not in split(row.channels):
        raise HsmError(CHANNEL_REFUSED)
    if row.merchants and purchase.merchant.rstrip(" ") not in split(row.merchants):
        raise HsmError(MERCHANT_REFUSED)
    if row.currencies and purchase.currency not in split(row.currencies):
        raise HsmError(CURRENCY_REFUSED)
    if row.amount_max is not None and int(purchase.amount) > row.amount_max:
        raise HsmError(AMOUNT_REFUSED)


def has_expired(row: CardRow, at: datetime) -> bool:
    """Return whether the token's last month is over."""
    return bool(row.token_expiry) and row.token_expiry < at.strftime("%y%m")


def is_month(text: str) -> bool:
    """Return whether a text is YYMM.

    Examples
    --------
    >>> is_month("3012"), is_month("3013")
    (True, False)
    """
    return len(text) == 4 and text.isascii() and text.isdigit() and "01" <= text[2:] <= "12"
