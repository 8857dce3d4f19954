"""Changes of a row by an operator: which columns may be changed, and to what."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from iso import LocalProtocolError


def checked_changes(
    what: str, changes: Mapping[str, str | int], rules: Mapping[str, re.Pattern[str]], numeric: Collection[str]
) -> dict[str, Any]:
    """Return changes with the types of their columns.

    Parameters
    ----------
    what
        The row, for the error: "card", "merchant".
    rules
        Column to the pattern that its new value must match as a whole.
    numeric
        Columns that hold integers.

    Raises
    ------
    LocalProtocolError
        A column does not exist, may not be changed, or cannot have this value. The value is not repeated.
    """
    for column, value in changes.items():
        rule = rules.get(column)
        if rule is None or not rule.fullmatch(str(value)):
            raise LocalProtocolError(f"{what} column {column}: not changeable, or not to this value")
    return {column: int(value) if column in numeric else str(value) for column, value in changes.items()}
