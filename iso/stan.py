"""Trace numbers and times as elements: DE 7, 11, 12, 13 and 37, from an instant that is handed in."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from iso.errors import LocalProtocolError

__all__ = ["local_date", "local_time", "next_stan", "rrn", "stan", "transmission_time"]

_LAST = 999_999


def stan(number: int) -> str:
    """Turn a counter into a STAN (DE 11).

    Parameters
    ----------
    number
        1 is the first; it may grow without limit.

    Returns
    -------
    str
        str[6] decimal, 000001..999999, wrapping past 000000.

    Examples
    --------
    >>> stan(1), stan(999999), stan(1000000)
    ('000001', '999999', '000001')
    """
    return f"{(number - 1) % _LAST + 1:06d}"


def next_stan(previous: str) -> str:
    """Give the STAN that follows `previous` (str[6] decimal).

    Examples
    --------
    >>> next_stan("000009"), next_stan("999999")
    ('000010', '000001')
    """
    if not (len(previous) == 6 and previous.isascii() and previous.isdigit()):
        raise LocalProtocolError("DE 11: six digits expected", element=11)
    return stan(int(previous) + 1)


def rrn(at: datetime, trace: str) -> str:
    """Compose a retrieval reference number (DE 37).

    Parameters
    ----------
    at
        When the acquirer accepted the transaction; aware, used in UTC.
    trace
        str[6] decimal, its STAN.

    Returns
    -------
    str
        str[12] decimal: last digit of the year, day of the year (3), hour (2), STAN (6).

    Examples
    --------
    >>> rrn(datetime(2026, 2, 1, 9, 30, tzinfo=UTC), "000123")
    '603209000123'

    Source
    ------
    Common practice (YDDD, then hour and STAN); not normative.
    """
    if len(trace) != 6:
        raise LocalProtocolError("DE 11: six digits expected", element=11)
    return f"{_hour(at)}{trace}"


@lru_cache(maxsize=256)
def _hour(at: datetime) -> str:
    return _utc(at).strftime("%Y%j%H")[3:]


@lru_cache(maxsize=256)
def transmission_time(at: datetime) -> str:
    """Give DE 7: str[10] MMDDhhmmss in UTC; `at` must be aware."""
    # A turn asks for the same instant many times.
    return _utc(at).strftime("%m%d%H%M%S")


def local_time(at: datetime) -> str:
    """Give DE 12 of 1987: str[6] hhmmss, in whatever zone `at` is in."""
    return at.strftime("%H%M%S")


def local_date(at: datetime) -> str:
    """Give DE 13 of 1987: str[4] MMDD, in whatever zone `at` is in."""
    return f"{at.month:02d}{at.day:02d}"


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise LocalProtocolError("an instant without a time zone")
    return at.astimezone(UTC)
