"""The settlement date (DE 15): which one it is, when the next begins, and who is told of it.

A date lasts from one cut-over to the next: a local time of the business clock, or whenever the operator says so. It
only ever moves forward, and it is durable. What is under way at a cut-over keeps the date that it got; what begins
afterwards gets the new one. Every member whose link has network management is told with an 0800 (DE 70 = 201) and the
new DE 15; one that is away is told when it comes back.

Source: common practice: shared facts, iso8583 3.14. Every calendar day is a settlement day here; networks skip theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, NamedTuple

from iso import Message
from iso.stan import local_date
from node.core.errands import Errands
from node.core.link import LinkMachine
from node.core.session import CUT_OVER
from node.core.turn import Row, Turn

TABLE: Final = "settlement_days"
_CURRENT: Final = "current"
_DAY = timedelta(days=1)
_NEVER = datetime.min.replace(tzinfo=UTC)


class SettlementRules(NamedTuple):
    """When settlement dates change.

    Attributes
    ----------
    cut_over
        Local time at which the next date begins. From any time but midnight on, DE 15 is tomorrow's date.
    zone
        Whose local time.
    announces
        Whether members are told with an 0800/201.
    answer_timeout_s
        How long such an 0800 waits for its answer.
    days_kept
        How many dates before the current one can still be reconciled.
    """

    cut_over: time = time(0, 0)
    zone: tzinfo = UTC
    announces: bool = True
    answer_timeout_s: float = 10.0
    days_kept: int = 31

    def ends_at(self, day: date) -> datetime:
        """Return the instant (UTC) at which a settlement date ends."""
        last = day + _DAY if self.cut_over == time(0, 0) else day
        return datetime.combine(last, self.cut_over, self.zone).astimezone(UTC)

    def day_at(self, at: datetime) -> date:
        """Return the settlement date of an instant, if nobody has cut over by hand."""
        day = at.astimezone(self.zone).date()
        return day + _DAY if at >= self.ends_at(day) else day


class SettlementDays:
    """The current settlement date; a companion of the switch, looked at in every turn.

    Parameters
    ----------
    rules
        When dates change.
    links
        Members to tell.

    Attributes
    ----------
    moved
        Told of every change: the new date and the turn.
    """

    def __init__(self, rules: SettlementRules, links: Mapping[str, LinkMachine], errands: Errands) -> None:
        self.rules = rules
        self.moved: Callable[[date, Turn], None] = _nobody
        self._links = links
        self._errands = errands
        self._current: date | None = None
        self._mmdd = ""
        self._ends_at = _NEVER
        self._wakes_at: float | None = None
        self._owed: dict[str, None] = {}
        self._away: set[str] = set()

    def restore(self, rows: Iterable[Row]) -> None:
        """Take the date of a restart, before the first turn."""
        for _, day in rows:
            self._set(date.fromisoformat(day))

    def current(self, turn: Turn) -> date:
        """Return the date of what begins in this turn."""
        if self._current is None:
            self._set(self.rules.day_at(turn.at))
        elif turn.at >= self._ends_at:
            self._move(self.rules.day_at(turn.at), turn)
        assert self._current is not None
        return self._current

    def mmdd(self, turn: Turn) -> str:
        """Return DE 15 (str[4] MMDD) of what begins in this turn."""
        if turn.at >= self._ends_at:
            self.current(turn)
        return self._mmdd

    def cut_over(self, turn: Turn) -> date:
        """Begin the next date now; return it. The clock moves on from there only when it gets past it."""
        self._move(self.current(turn) + _DAY, turn)
        assert self._current is not None
        return self._current

    def day_of(self, mmdd: str) -> date | None:
        """Return the date that DE 15 means, in the year that brings it nearest to the current one; None if it is none.

        Examples
        --------
        >>> from node.core.errands import Errands
        >>> days = SettlementDays(SettlementRules(), {}, Errands({}))
        >>> days.restore([("current", "2027-01-01")])
        >>> days.day_of("1231"), days.day_of("0230")
        (datetime.date(2026, 12, 31), None)
        """
        near = self._current
        if mmdd == self._mmdd:
            return near
        if near is None or len(mmdd) != len("MMDD") or not (mmdd.isascii() and mmdd.isdigit()):
            return None
        days = [day for year in (near.year - 1, near.year, near.year + 1) if (day := _day(year, mmdd)) is not None]
        return min(days, key=lambda day: abs(day - near), default=None)

    def counted_on(self, mmdd: str, turn: Turn) -> date:
        """Return the date on which a leg with this DE 15 counts now: its own, or the oldest if that has been closed."""
        today = self.current(turn)
        day = self.day_of(mmdd)
        if day is None or day is today:
            return today
        return max(day, self.oldest)

    @property
    def oldest(self) -> date:
        """The oldest date that can still be reconciled."""
        return (self._current or date.max) - timedelta(days=self.rules.days_kept)

    # Companion

    def link_up(self, link: str, now: float) -> None:
        """Tell a member that was away."""
        if link in self._away:
            self._away.discard(link)
            self._owed[link] = None

    def tick(self, now: float, turn: Turn) -> None:
        """Move on if it is time, and tell whoever has to be told."""
        mmdd = self.mmdd(turn)
        self._wakes_at = now + (self._ends_at - turn.at).total_seconds()
        while self._owed:
            link = next(iter(self._owed))
            del self._owed[link]
            self._errands.start(self._tell(link, mmdd))

    def deadline(self) -> float | None:
        """Return when the date ends, if nobody moves the business clock."""
        return self._wakes_at

    # How

    async def _tell(self, link: str, mmdd: str) -> None:
        answer = await self._errands.manage(link, CUT_OVER, {15: mmdd}, self.rules.answer_timeout_s)
        if not isinstance(answer, Message):
            self._away.add(link)
        elif answer.response_code != "00":
            self._errands.turn.note(link, "cut-over", f"{mmdd}: answered {answer.response_code}")

    def _set(self, day: date) -> None:
        self._current = day
        self._mmdd = local_date(datetime.combine(day, time(0, 0)))
        self._ends_at = self.rules.ends_at(day)

    def _move(self, day: date, turn: Turn) -> None:
        assert self._current is not None
        # A date that was begun by hand may be ahead of the clock.
        if day <= self._current:
            return
        self._set(day)
        turn.store(TABLE, (_CURRENT, day.isoformat()))
        for name, link in self._links.items():
            if self.rules.announces and link.profile.sign_on:
                if link.is_up:
                    self._owed[name] = None
                else:
                    self._away.add(name)
            turn.note(name, "cut-over", f"settlement date {day}")
        self.moved(day, turn)


def _day(year: int, mmdd: str) -> date | None:
    try:
        return date(year, int(mmdd[:2]), int(mmdd[2:]))
    except ValueError:
        return None


def _nobody(_day: date, _turn: Turn) -> None:
    """Let nobody know."""
