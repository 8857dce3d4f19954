"""The holiday file: on which days banks do not work. TARGET's days unless a file says otherwise."""

from __future__ import annotations

from datetime import date
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from iso.business_days import Calendar
from iso.errors import ConfigError
from node.settings import TomlSettings, load, parse

SHIPPED = "holidays.toml"
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_LEAP = 2024


class CalendarSettings(TomlSettings):
    """What a holiday file may say.

    Attributes
    ----------
    weekend
        Names of days of the week.
    yearly
        "MM-DD", closed in every year.
    days
        "YYYY-MM-DD", closed once.
    """

    weekend: tuple[Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"], ...] = Field(
        default=("saturday", "sunday"), max_length=6
    )
    yearly: tuple[str, ...] = Field(default=(), max_length=300)
    days: tuple[date, ...] = Field(default=(), max_length=10_000)

    @field_validator("yearly")
    @classmethod
    def _are_days(cls, yearly: tuple[str, ...]) -> tuple[str, ...]:
        for day in yearly:
            _yearly(day)
        return yearly

    def calendar(self) -> Calendar:
        """Return the days as pure code asks for them."""
        return Calendar(
            frozenset(_WEEK.index(day) for day in self.weekend),
            frozenset(_yearly(day) for day in self.yearly),
            frozenset(self.days),
        )


def read_calendar(path: Path | None = None) -> Calendar:
    """Read a holiday file, or the one that ships with the product.

    Raises
    ------
    ConfigError
        It cannot be read, a value breaks a rule, or no day is left.
    """
    if path is None:
        text = (resources.files("node") / SHIPPED).read_text("utf-8")
        return parse(CalendarSettings, text, SHIPPED).calendar()
    calendar = load(CalendarSettings, path).calendar()
    try:
        calendar.after(date(_LEAP, 1, 1), 1)
    except ValueError:
        pass
    else:
        return calendar
    raise ConfigError(path, "yearly", "...", "must leave days on which banks work")


def _yearly(text: str) -> tuple[int, int]:
    try:
        day = date.fromisoformat(f"{_LEAP}-{text}")
    except ValueError:
        day = None
    if day is None or len(text) != len("MM-DD"):
        raise ValueError("must be days such as 12-25")
    return day.month, day.day
