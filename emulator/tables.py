"""Tables for people: columns as wide as they have to be, amounts with their decimal point."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from iso.money import format_amount, numeric_code


def money(minor: int, code: str) -> str:
    """Return an amount as people write it; in minor units if the currency is not in the table.

    Examples
    --------
    >>> money(-1999, "840"), money(7, "999")
    ('-19.99 USD', '7 999')
    """
    return format_amount(minor, code) if numeric_code(code) is not None else f"{minor} {code}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> list[str]:
    """Return the lines of a table; the columns named in `right` end at their right edge.

    Examples
    --------
    >>> table(("name", "sum"), [("a", "1"), ("bcdef", "100")], right=("sum",))
    ['name   sum', 'a        1', 'bcdef  100']
    """
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    return [
        "  ".join(
            cell.rjust(width) if head in right else cell.ljust(width)
            for head, cell, width in zip(heads, row, widths, strict=True)
        ).rstrip()
        for row in (heads, *rows)
    ]
