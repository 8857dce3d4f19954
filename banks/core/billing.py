"""What an issuer bills: the network's amount in the issuer's currency where it gave one, else the merchant's."""

from __future__ import annotations

from iso import Message

_DIGITS = 12


def billed(request: Message) -> tuple[int, str]:
    """Return the amount that a request holds on the cardholder's account.

    Parameters
    ----------
    request
        Of the network: DE 6 and 51 if the cardholder is billed in another currency than the merchant's (DE 4, 49).

    Returns
    -------
    tuple[int, str]
        Minor units, and their currency (ISO 4217 numeric).

    Examples
    --------
    >>> billed(Message("0100", {4: "000000004200", 49: "840"}))
    (4200, '840')
    >>> billed(Message("0100", {4: "000000004200", 6: "000000003856", 49: "840", 51: "978"}))
    (3856, '978')
    """
    amount, currency = request.get(6), request.get(51)
    if amount and currency and len(amount) == _DIGITS and amount.isascii() and amount.isdigit():
        return int(amount), currency
    return request.amount_minor, request.currency
