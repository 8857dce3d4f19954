"""Days on which banks work: what a payment that settles in two business days has to wait for.

Pure: which days those are is data (`node.calendar_settings`), which day it is comes from the caller.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

_DAY = timedelta(days=1)
_LOOKED_AT_MAX = 366
"""A calendar without one open day in a year has none."""


class Calendar(NamedTuple):
    """Closed days.

    Attributes
    ----------
    weekend
        Days of the week, Monday = 0.
    yearly
        (month, day), closed in every year.
    days
        Closed once.
    """

    weekend: frozenset[int] = frozenset({5, 6})
    yearly: frozenset[tuple[int, int]] = frozenset()
    days: frozenset[date] = frozenset()

    def is_open(self, day: date) -> bool:
        """Whether banks work on a day."""
        return not (day.weekday() in self.weekend or (day.month, day.day) in self.yearly or day in self.days)

    def after(self, day: date, count: int) -> date:
        """Return the business day that is `count` business days after a day, itself open or not.

        Parameters
        ----------
        count
            0 or more; 0 is the day itself if it is open, else the next that is.

        Raises
        ------
        ValueError
            A year has no open day.

        Examples
        --------
        >>> calendar = Calendar(yearly=frozenset({(12, 25)}))
        >>> calendar.after(date(2026, 12, 24), 1), calendar.after(date(2026, 12, 26), 0)
        (datetime.date(2026, 12, 28), datetime.date(2026, 12, 28))
        """
        for _ in range(count):
            day = self._open_from(day + _DAY)
        return self._open_from(day)

    def _open_from(self, day: date) -> date:
        for _ in range(_LOOKED_AT_MAX):
            if self.is_open(day):
                return day
            day += _DAY
        raise ValueError("a calendar without an open day")
