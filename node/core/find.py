"""A question to a node's own history: rows that its memory no longer holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Find(NamedTuple):
    """Ask the journal for rows of `table` whose columns equal the values of `where`; newest last.

    The answer is a list of full row tuples, at most `limit`.
    """

    table: str
    where: Mapping[str, Any]
    limit: int = 1
