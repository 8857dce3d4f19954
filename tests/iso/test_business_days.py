"""Business days are counted over whatever a calendar says is closed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso.business_days import Calendar

DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))
CALENDARS = st.builds(
    Calendar,
    st.frozensets(st.integers(0, 6), max_size=5),
    st.frozensets(st.tuples(st.integers(1, 12), st.integers(1, 28)), max_size=10),
    st.frozensets(DAYS, max_size=10),
)


class TestCounting:
    """The nth business day after a day is open, and n open days lie between them."""

    @given(CALENDARS, DAYS, st.integers(0, 15))
    def test_it_is_open_and_as_many_open_days_away(self, calendar: Calendar, day: date, count: int) -> None:
        found = calendar.after(day, count)

        between = [day + timedelta(days) for days in range(1, (found - day).days + 1)]
        assert calendar.is_open(found)
        assert sum(calendar.is_open(one) for one in between) == count + (not count and found > day)

    def test_a_weekend_is_skipped(self) -> None:
        friday = date(2026, 3, 13)

        assert Calendar().after(friday, 2) == date(2026, 3, 17)
        assert Calendar(weekend=frozenset()).after(friday, 2) == date(2026, 3, 15)

    def test_a_calendar_without_an_open_day_is_refused(self) -> None:
        with pytest.raises(ValueError, match="without an open day"):
            Calendar(weekend=frozenset(range(7))).after(date(2026, 1, 1), 1)
