"""Settlement dates: when the next one begins, who is told, and that it never goes back."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from iso import Message, decode, dialect, encode
from node.core.events import Connected, Disconnected, Received
from node.core.link import LinkMachine, LinkProfile
from node.core.turn import Turn
from node.journal import MemoryJournal
from switch.core.machine import SwitchMachine
from switch.core.routing import RouteTable
from switch.core.rules import SwitchRules
from switch.core.settlement_days import SettlementRules
from switch.settlement_settings import SettlementSettings
from switch.store import METADATA
from tests.support.switch import EPOCH

EVENING = SettlementRules(cut_over=time(18, 30), zone=ZoneInfo("America/New_York"))
SPEAKS = dialect("ascii87")


class House:
    """A switch with two members that know network management, driven turn by turn."""

    def __init__(self, rules: SettlementRules | None = None, journal: MemoryJournal | None = None) -> None:
        links = [LinkMachine(name, SPEAKS, LinkProfile()) for name in ("acquirer", "issuer-a")]
        rules = rules or SettlementRules()
        self.machine = SwitchMachine(links, RouteTable({"4": "issuer-a"}), SwitchRules(settlement=rules))
        self.journal = journal or MemoryJournal(METADATA)
        self.now, self.at = 0.0, EPOCH
        self.sent: list[tuple[str, Message]] = []
        self.machine.restore(self.journal.read())
        turn = Turn(self.at)
        self.machine.begin(self.now, turn)
        self._finish(turn)

    def do(self, *events: Connected | Disconnected | Received) -> Turn:
        turn = Turn(self.at)
        for event in events:
            self.machine.handle(event, self.now, turn)
        self.machine.expire(self.now, turn)
        return self._finish(turn)

    def sign_on(self, link: str, stan: str = "000001") -> None:
        self.do(Connected(link, 1, dialled=False))
        self.receive(link, Message("0800", {7: "0314092653", 11: stan, 70: "001"}))

    def receive(self, link: str, message: Message) -> Turn:
        return self.do(Received(link, 1, encode(message, SPEAKS), authentic=True))

    def announced(self) -> list[tuple[str, str]]:
        """Take the cut-overs that members have been told of so far, and answer them."""
        told = [(link, message) for link, message in self.sent if message.get(70) == "201" and message.is_request]
        self.sent = []
        for link, message in told:
            self.receive(link, message.reply("00"))
        return sorted((link, message[15]) for link, message in told)

    def cut_over(self) -> date:
        turn = Turn(self.at)
        self.machine.errands.turn, self.machine.errands.now = turn, self.now
        day = self.machine.days.cut_over(turn)
        self.machine.expire(self.now, turn)
        self._finish(turn)
        return day

    def _finish(self, turn: Turn) -> Turn:
        self.journal.write(turn.stores)
        self.sent += [(send.link, decode(send.payload, SPEAKS)) for send in turn.sends]
        return turn


class TestRules:
    """A date ends at a local time; from any time but midnight on, DE 15 is tomorrow's."""

    @pytest.mark.parametrize(
        ("rules", "at", "day"),
        [
            (SettlementRules(), datetime(2026, 3, 14, 23, 59, 59, tzinfo=UTC), date(2026, 3, 14)),
            (SettlementRules(), datetime(2026, 3, 15, tzinfo=UTC), date(2026, 3, 15)),
            (EVENING, datetime(2026, 3, 14, 22, 29, 59, tzinfo=UTC), date(2026, 3, 14)),
            (EVENING, datetime(2026, 3, 14, 22, 30, tzinfo=UTC), date(2026, 3, 15)),
            (EVENING, datetime(2026, 1, 14, 22, 30, tzinfo=UTC), date(2026, 1, 14)),
            (EVENING, datetime(2026, 1, 1, 2, 0, tzinfo=UTC), date(2026, 1, 1)),
        ],
    )
    def test_known_instants(self, rules: SettlementRules, at: datetime, day: date) -> None:
        assert rules.day_at(at) == day

    @given(
        st.integers(0, 20 * 366 * 86_400).map(lambda seconds: EPOCH + timedelta(seconds=seconds)),
        st.times().map(lambda at: at.replace(second=0, microsecond=0)),
        st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    )
    def test_each_instant_is_in_one_date_that_has_not_ended(self, at: datetime, cut_over: time, zone: str) -> None:
        rules = SettlementRules(cut_over=cut_over, zone=ZoneInfo(zone))

        day = rules.day_at(at)

        assert rules.ends_at(day - timedelta(days=1)) <= at < rules.ends_at(day)


class TestCutOver:
    """At a cut-over the date moves on, is stored, and every member with network management is told."""

    def test_the_clock_moves_it(self) -> None:
        house = House()
        house.sign_on("acquirer")
        house.sign_on("issuer-a")

        house.at += timedelta(days=1)
        turn = house.do()

        assert turn.stored("settlement_days") == [("current", "2026-03-15")]
        assert house.announced() == [("acquirer", "0315"), ("issuer-a", "0315")]

    def test_the_node_wakes_up_for_it(self) -> None:
        house = House()
        house.do()

        ends_in_s = (datetime(2026, 3, 15, tzinfo=UTC) - EPOCH).total_seconds()

        assert house.machine.deadline() == ends_in_s

    def test_an_operator_moves_it_and_the_clock_goes_on_from_there(self) -> None:
        house = House()

        by_hand = house.cut_over()
        house.at += timedelta(days=1)
        turn = house.do()

        assert by_hand == date(2026, 3, 15)
        assert turn.stored("settlement_days") == []
        house.at += timedelta(days=1)
        assert house.do().stored("settlement_days") == [("current", "2026-03-16")]

    def test_a_member_that_is_away_is_told_when_it_comes_back(self) -> None:
        house = House()
        house.sign_on("acquirer")
        house.cut_over()
        first = house.announced()

        house.sign_on("issuer-a")

        assert first == [("acquirer", "0315")]
        assert house.announced() == [("issuer-a", "0315")]

    def test_a_member_that_does_not_answer_is_told_again_when_it_comes_back(self) -> None:
        house = House()
        house.sign_on("acquirer")
        house.cut_over()
        house.sent = []

        house.do(Disconnected("acquirer", 1))
        house.sign_on("acquirer", "000002")

        assert house.announced() == [("acquirer", "0315")]

    def test_nobody_is_told_if_nobody_wants_to_be(self) -> None:
        house = House(SettlementRules(announces=False))
        house.sign_on("acquirer")

        house.cut_over()

        assert house.announced() == []

    def test_a_restart_does_not_go_back(self) -> None:
        house = House()
        house.cut_over()

        after = House(journal=house.journal)

        turn = Turn(after.at)
        assert after.machine.days.mmdd(turn) == "0315"
        assert turn.stores == {}

    def test_a_date_that_passed_while_the_node_was_away_is_caught_up_with(self) -> None:
        house = House()
        house.cut_over()
        house.at += timedelta(days=5)

        turn = house.do()

        assert turn.stored("settlement_days") == [("current", "2026-03-19")]


class TestAMembersOwnCutOver:
    """A member may announce its own: it is answered and noted, and the network's date stays what it is."""

    def test_it_moves_nothing_here(self) -> None:
        house = House()
        house.sign_on("acquirer")
        house.sent = []

        turn = house.receive("acquirer", Message("0800", {7: "0314180000", 11: "000009", 15: "0315", 70: "201"}))

        assert [message.response_code for _, message in house.sent] == ["00"]
        assert turn.stored("settlement_days") == []
        assert house.machine.days.mmdd(Turn(house.at)) == "0314"


class TestSettings:
    """A topology names a local time and a zone; what the document shows are the defaults."""

    def test_the_defaults_are_the_rules_own(self) -> None:
        at = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)

        rules = SettlementSettings().rules()

        assert rules._replace(zone=UTC) == SettlementRules()
        assert rules.day_at(at) == SettlementRules().day_at(at)

    def test_the_document_shows_them(self) -> None:
        text = (Path(__file__).parents[2] / "docs" / "reference" / "totals.md").read_text("utf-8")
        found = re.search(r"^```toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)

        assert found is not None
        shown = tomllib.loads(found[1])["nodes"]["switch"]["settlement"]
        assert set(shown) == set(SettlementSettings.model_fields)
        assert SettlementSettings(**shown) == SettlementSettings()

    def test_a_time_of_day_and_a_zone_are_read(self) -> None:
        rules = SettlementSettings(cut_over="18:30", zone="America/New_York").rules()

        assert rules == EVENING

    @pytest.mark.parametrize(
        "changes", [{"cut_over": "24:00"}, {"cut_over": "6pm"}, {"zone": "Mars/Base"}, {"zone": ".."}]
    )
    def test_others_are_refused(self, changes: dict[str, str]) -> None:
        with pytest.raises(ValidationError):
            SettlementSettings(**changes)  # type: ignore[arg-type]
