"""Exchange rates as a topology says them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from fractions import Fraction
from typing import Annotated

from pydantic import AfterValidator, Field

from iso.errors import CardrailsError
from iso.money import numeric_code
from node.settings import Section
from switch.core.rates import RateRow, RateTable

_PERCENT = r"^\d{1,2}(\.\d{1,6})?$"


def _currency(code: str) -> str:
    found = numeric_code(code)
    if found is None:
        raise ValueError("must be an ISO 4217 currency that iso.money knows")
    return found


CurrencyCode = Annotated[str, AfterValidator(_currency)]
"""Either code of a currency; becomes the numeric one."""


class RateSettings(Section):
    """One quotation.

    Attributes
    ----------
    rate
        Major units of `to` for one of `from`, decimal.
    sell, buy
        Percent that a cardholder pays more for a purchase, and gets less for a refund.
    valid_from
        A day (from its midnight, UTC) or an instant with its offset.
    """

    source: CurrencyCode = Field(alias="from")
    target: CurrencyCode = Field(alias="to")
    rate: str = Field(pattern=r"^\d{1,7}(\.\d{1,12})?$")
    sell: str = Field(default="0", pattern=_PERCENT)
    buy: str = Field(default="0", pattern=_PERCENT)
    valid_from: datetime | date = date(2000, 1, 1)

    def row(self) -> RateRow:
        """Return what the table takes."""
        since = self.valid_from
        if not isinstance(since, datetime):
            since = datetime.combine(since, time(), UTC)
        elif since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        return RateRow(
            self.source,
            self.target,
            Fraction(self.rate),
            Fraction(self.sell) / 100,
            Fraction(self.buy) / 100,
            since,
        )


def checked_rates(rates: tuple[RateSettings, ...]) -> tuple[RateSettings, ...]:
    """Refuse rates that make no table; for validators.

    Raises
    ------
    ValueError
        What is wrong, and with which rate.
    """
    try:
        rate_table(rates)
    except CardrailsError as error:
        problem = str(error)
    else:
        return rates
    raise ValueError(problem)


def rate_table(rates: Iterable[RateSettings]) -> RateTable:
    """Return the table of some quotations."""
    return RateTable(rate.row() for rate in rates)
