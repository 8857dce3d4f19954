"""The holiday file: what ships is TARGET's, and a mistake in one's own is one line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from iso.errors import ConfigError
from node.calendar_settings import read_calendar


class TestShipped:
    """Without a file, banks rest at weekends and on TARGET's closing days."""

    def test_easter_and_christmas_are_closed(self) -> None:
        calendar = read_calendar()

        closed = [date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 1), date(2030, 12, 25), date(2027, 3, 26)]
        assert [day for day in closed if calendar.is_open(day)] == []
        assert calendar.is_open(date(2026, 4, 7))
        assert calendar.after(date(2026, 4, 2), 1) == date(2026, 4, 7)


class TestOwn:
    """A file of one's own takes the place of the shipped one as a whole."""

    def test_its_days_count(self, tmp_path: Path) -> None:
        file = tmp_path / "holidays.toml"
        file.write_text('weekend = ["friday"]\nyearly = ["02-29"]\ndays = ["2026-03-16"]\n')

        calendar = read_calendar(file)

        assert [calendar.is_open(date(2026, 3, day)) for day in (13, 14, 16, 17)] == [False, True, False, True]
        assert not calendar.is_open(date(2028, 2, 29))

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ('weekend = ["sonntag"]', "weekend"),
            ('yearly = ["13-01"]', "yearly"),
            ('yearly = ["1-1"]', "yearly"),
            ('days = ["2026-02-30"]', "days"),
            ("colour = 1", "colour"),
            ("weekend = [", "(syntax)"),
            (
                'weekend = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]',
                "weekend",
            ),
        ],
    )
    def test_a_mistake_is_named(self, tmp_path: Path, text: str, key: str) -> None:
        file = tmp_path / "holidays.toml"
        file.write_text(text)

        with pytest.raises(ConfigError) as caught:
            read_calendar(file)

        assert key in str(caught.value)
        assert "\n" not in str(caught.value)
