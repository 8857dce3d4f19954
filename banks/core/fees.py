"""What a merchant pays for a capture, split into who gets it; plans are data.

Every part is a share of the amount (basis points) and a fixed sum. The parts are rounded together, so that what a
merchant pays is the sum of what the others get, to the minor unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

FEE_PLANS = "fee_plans"
STANDARD = "standard"
ANY_CURRENCY = "*"
"""Instead of a currency: what holds for those that a plan does not name."""

_WHOLE = 10_000


class FeePlanRow(NamedTuple):
    """What a plan takes in one currency (ISO 4217 numeric, or "*").

    Attributes
    ----------
    interchange_bp, scheme_bp, acquirer_bp
        Hundredths of a per cent of the amount: for the issuer, the network, the acquirer.
    interchange_minor, scheme_minor, acquirer_minor
        And in minor units, whatever the amount.
    """

    plan: str
    currency: str
    interchange_bp: int
    interchange_minor: int
    scheme_bp: int
    scheme_minor: int
    acquirer_bp: int
    acquirer_minor: int


class Fees(NamedTuple):
    """Fees of one capture in minor units of its currency."""

    interchange_minor: int = 0
    scheme_minor: int = 0
    acquirer_minor: int = 0

    @property
    def total_minor(self) -> int:
        """What the merchant pays."""
        return sum(self)


SHIPPED = (
    FeePlanRow(STANDARD, ANY_CURRENCY, 150, 0, 15, 0, 125, 0),
    FeePlanRow(STANDARD, "840", 150, 10, 15, 2, 125, 18),
    FeePlanRow(STANDARD, "978", 20, 5, 10, 2, 120, 18),
    FeePlanRow(STANDARD, "826", 20, 5, 10, 2, 120, 13),
    FeePlanRow("none", ANY_CURRENCY, 0, 0, 0, 0, 0, 0),
)
"""Plans of a new acquirer. Our own figures, of the usual size."""


class FeePlans:
    """The plans of an acquirer, by name and currency."""

    def __init__(self, rows: Iterable[FeePlanRow] = ()) -> None:
        self.rows: dict[tuple[str, str], FeePlanRow] = {}
        for row in rows:
            self.put(row)

    def put(self, row: FeePlanRow) -> None:
        """Add a row, or replace the one of its plan and currency."""
        self.rows[row.plan, row.currency] = row

    def knows(self, plan: str) -> bool:
        """Whether there is such a plan."""
        return any(name == plan for name, _ in self.rows)

    def of(self, plan: str, currency: str, amount_minor: int) -> Fees:
        """Return the fees of a capture; none for a plan or currency that is not known."""
        row = self.rows.get((plan, currency)) or self.rows.get((plan, ANY_CURRENCY))
        return split(row, amount_minor) if row is not None else Fees()


def split(row: FeePlanRow, amount_minor: int) -> Fees:
    """Return the fees of an amount.

    Parameters
    ----------
    row
        The plan in the currency of the amount.
    amount_minor
        Of the capture; not negative.

    Returns
    -------
    Fees
        Their sum is the exact sum, rounded half up; each part is its exact value rounded down, or one more for those
        with the largest remainders.

    Examples
    --------
    >>> split(FeePlanRow("p", "840", 150, 10, 15, 2, 125, 18), 4_200)
    Fees(interchange_minor=73, scheme_minor=8, acquirer_minor=71)
    >>> split(FeePlanRow("p", "840", 150, 0, 15, 0, 125, 0), 33)
    Fees(interchange_minor=1, scheme_minor=0, acquirer_minor=0)
    """
    exact = [
        amount_minor * basis_points + fixed_minor * _WHOLE
        for basis_points, fixed_minor in (
            (row.interchange_bp, row.interchange_minor),
            (row.scheme_bp, row.scheme_minor),
            (row.acquirer_bp, row.acquirer_minor),
        )
    ]
    parts = [value // _WHOLE for value in exact]
    missing = (sum(exact) + _WHOLE // 2) // _WHOLE - sum(parts)
    by_remainder = sorted(range(len(exact)), key=lambda index: -(exact[index] % _WHOLE))
    for index in by_remainder[:missing]:
        parts[index] += 1
    return Fees(*parts)


def reserve(amount_minor: int, basis_points: int) -> int:
    """Return how much of a capture is kept back, rounded down.

    Examples
    --------
    >>> reserve(4_200, 500), reserve(19, 500)
    (210, 0)
    """
    return amount_minor * basis_points // _WHOLE
