"""Amounts as people type them: in major units, with a decimal point."""

from __future__ import annotations

from iso import ConfigError
from iso.money import currency


def minor_amount(text: str, code: str, option: str = "--amount", *, may_be_zero: bool = True) -> int:
    """Return an amount in minor units.

    Raises
    ------
    ConfigError
        It is none, has more digits than the currency behind the point, or more than twelve; or it is zero and may not.

    Examples
    --------
    >>> minor_amount("42.00", "usd"), minor_amount("42", "jpy"), minor_amount("0.5", "usd")
    (4200, 42, 50)
    """
    digits = currency(code).exponent
    whole, _, part = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and (part == "" or (part.isascii() and part.isdigit()))):
        raise ConfigError("command line", option, text, "must be an amount such as 42.00")
    if len(part) > digits:
        raise ConfigError("command line", option, text, f"must have at most {digits} digits behind the point")
    minor = int(whole + part.ljust(digits, "0"))
    if minor >= 10**12:
        raise ConfigError("command line", option, text, "must have at most 12 digits of minor units")
    if minor == 0 and not may_be_zero:
        raise ConfigError("command line", option, text, "must be more than zero")
    return minor
