"""What may be said of a card from its first digits, and whether what was typed can be a card at all.

Brand, funding and country come from a table of prefixes. A number that cannot be a card is refused here and never sent
anywhere; whether a card is good is the issuer's word alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from gateway.core.errors import CARD_ERROR, ApiError
from iso.pan import luhn_valid

BIN_DIGITS = 6
_YEARS_AHEAD_MAX = 50
_WORD = re.compile(r"[0-9A-Za-z]*")
_HEX = frozenset("0123456789abcdefABCDEF ._/-")
_NUMBER = re.compile(
    r"(?<![0-9])"
    r"(?:[0-9]{13,19}|[0-9]{4}([ ._/-]{1,3})[0-9]{4}\1[0-9]{4}\1[0-9]{4}|[0-9]{4}([ ._/-]{1,3})[0-9]{6}\2[0-9]{5})"
    r"(?![0-9])"
)


class Product(NamedTuple):
    """A range of card numbers: `first` and `last` are prefixes of equal length, both included."""

    first: str
    last: str
    brand: str
    funding: str = "credit"
    country: str = "US"


PRODUCTS = (
    Product("40000566", "40000566", "visa", "debit"),
    Product("52008282", "52008282", "mastercard", "debit"),
    Product("51051051", "51051051", "mastercard", "prepaid"),
    Product("3528", "3589", "jcb", country="JP"),
    Product("2221", "2720", "mastercard"),
    Product("6011", "6011", "discover"),
    Product("300", "305", "diners"),
    Product("644", "649", "discover"),
    Product("34", "34", "amex"),
    Product("36", "36", "diners"),
    Product("37", "37", "amex"),
    Product("38", "39", "diners"),
    Product("51", "55", "mastercard"),
    Product("62", "62", "unionpay", country="CN"),
    Product("65", "65", "discover"),
    Product("4", "4", "visa"),
)
"""Longer prefixes first: the first range that fits decides."""

_UNKNOWN = Product("", "", "unknown", "unknown")


class CardData(NamedTuple):
    """A card on its way to the HSM; never stored, never shown. `expiry` is YYMM."""

    pan: str
    expiry: str
    cvc: str

    def __repr__(self) -> str:
        return "CardData()"


class CardFace(NamedTuple):
    """What the gateway may keep of a card."""

    bin: str
    last4: str
    exp_month: int
    exp_year: int
    brand: str
    funding: str
    country: str


def product_of(pan: str) -> Product:
    """Return the range that a card number falls into; brand "unknown" if none does."""
    for product in PRODUCTS:
        if product.first <= pan[: len(product.first)] <= product.last:
            return product
    return _UNKNOWN


def carries_card_number(text: str) -> bool:
    r"""Whether a text has a card number in it: of a known brand, Luhn-valid, on its own or in the usual groups.

    Looser rules would take order numbers for cards. Digits within a word that is hexadecimal (a digest, a UUID) are no
    card number. Digits, spaces and dashes of every script count, and what is not seen does not part them.

    Examples
    --------
    >>> carries_card_number("paid with 4242-4242-4242-4242"), carries_card_number("order 4242424242424241")
    (True, False)
    >>> carries_card_number("\uff14\uff12" * 8), carries_card_number("4242\u200b4242\u200b4242\u200b4242")
    (True, True)
    >>> carries_card_number("card4242424242424242"), carries_card_number("fade4242424242424242")
    (True, False)
    >>> carries_card_number("fade4242-4242-4242-4242-0123456789ab"), carries_card_number("no.4242-4242-4242-4242")
    (False, True)
    """
    text = text if text.isascii() else _plain(text)
    word, is_hex = range(0), False
    for found in _NUMBER.finditer(text):
        number = "".join(character for character in found.group() if character.isdigit())
        if luhn_valid(number) and product_of(number) is not _UNKNOWN:
            if found.start() not in word or found.end() > word.stop:
                word = _word_at(text, found.start(), found.end())
                is_hex = len(word) > len(found.group()) and _HEX.issuperset(text[word.start : word.stop])
            if not is_hex:
                return True
    return False


def _word_at(text: str, start: int, end: int) -> range:
    """Return the places of the letters and digits that a number stands among."""
    while start and text[start - 1].isascii() and text[start - 1].isalnum():
        start -= 1
    rest = _WORD.match(text, end)
    return range(start, end if rest is None else rest.end())


def _plain(text: str) -> str:
    """Return a text with digits, spaces and dashes as ASCII has them, and without what is not seen."""
    told = []
    for character in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(character)
        if category == "Nd":
            told.append(str(unicodedata.decimal(character)))
        elif category != "Cf":
            told.append({"Zs": " ", "Pd": "-"}.get(category, character))
    return "".join(told)


def card_of(card: Mapping[str, Any], now: datetime) -> tuple[CardData, CardFace]:
    """Check a typed card and split it into what goes to the HSM and what may be kept.

    Parameters
    ----------
    card
        `number`, `exp_month`, `exp_year` and perhaps `cvc`, as the parameters gave them.
    now
        Business time, aware UTC: a card is good until the end of its month.

    Returns
    -------
    tuple[CardData, CardFace]

    Raises
    ------
    ApiError
        402 `incorrect_number`, `invalid_number`, `invalid_expiry_month`, `invalid_expiry_year` or `invalid_cvc`.
        Nothing was sent anywhere.
    """
    pan = "".join(character for character in card["number"] if character not in " -")
    if not (pan.isascii() and pan.isdigit() and 13 <= len(pan) <= 19):
        raise _refused("invalid_number", "number", "The card number is not a valid credit card number.")
    if not luhn_valid(pan):
        raise _refused("incorrect_number", "number", "Your card number is incorrect.")
    month, year = checked_expiry(card["exp_month"], card["exp_year"], now)
    product = product_of(pan)
    cvc = card.get("cvc") or ""
    if cvc and not (cvc.isascii() and cvc.isdigit() and len(cvc) in (3, 4)):
        raise _refused("invalid_cvc", "cvc", "Your card's security code is invalid.")
    face = CardFace(pan[:BIN_DIGITS], pan[-4:], month, year, product.brand, product.funding, product.country)
    return CardData(pan, f"{year % 100:02d}{month:02d}", cvc), face


def checked_expiry(month: int, year: int, now: datetime) -> tuple[int, int]:
    """Return month and four-digit year of an expiry that is not over.

    Parameters
    ----------
    month, year
        As they were typed; a year below 100 is one of this century.
    now
        Business time, aware UTC.

    Raises
    ------
    ApiError
        402 `invalid_expiry_month` or `invalid_expiry_year`.
    """
    if not 1 <= month <= 12:
        raise _refused("invalid_expiry_month", "exp_month", "Your card's expiration month is invalid.")
    if 0 <= year < 100:
        year += 2000
    if not now.year <= year <= now.year + _YEARS_AHEAD_MAX:
        raise _refused("invalid_expiry_year", "exp_year", "Your card's expiration year is invalid.")
    if (year, month) < (now.year, now.month):
        raise _refused("invalid_expiry_month", "exp_month", "Your card's expiration month is invalid.")
    return month, year


def _refused(code: str, param: str, message: str) -> ApiError:
    return ApiError(402, message, kind=CARD_ERROR, code=code, param=param)
