"""Scripted outcomes: data that says what an issuer answers on purpose, for a card or for all of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config

import banks.issuer.store
from banks.core.cards import Card
from banks.core.scripts import ScriptRow, Scripts
from banks.issuer.scripting import clear_scripts, list_scripts, put_script, replace_configured
from banks.issuer.settings import ScriptSection
from iso import LocalProtocolError
from node.journal import open_journal
from tests.support.banks import PAN, IssuerBench, a_card, a_script, at_issuer, reversal_at_issuer


def order(bench: IssuerBench, deed: Callable[..., Any], *values: Any, **more: Any) -> Any:
    """Carry out an order at run time, in a turn of the issuer."""

    async def carried_out() -> Any:
        return deed(bench.host.books, *values, bench.host.desk.turn, **more)

    return bench.call(carried_out)


def codes(bench: IssuerBench, *stans: str, **changes: str) -> list[str]:
    return [bench.ask(at_issuer(stan, **changes)).response_code for stan in stans]


def fingerprint(bench: IssuerBench) -> str:
    return next(iter(bench.host.books.cards))


class TestWhichScript:
    """A card's scripts come before the issuer's, older before newer, and the first that fits is the only one."""

    def test_one_of_the_issuer_is_about_every_card(self) -> None:
        bench = IssuerBench()
        order(bench, put_script, a_script("91", 'mti == "0100" and de4 > 4199'))

        assert codes(bench, "000001") == ["91"]
        assert codes(bench, "000002", de4="000000004199") == ["00"]

    def test_the_cards_own_comes_first(self) -> None:
        bench = IssuerBench()
        order(bench, put_script, a_script("91"))
        order(bench, put_script, a_script("05", card=fingerprint(bench)))

        assert codes(bench, "000001") == ["05"]

    def test_the_older_comes_first(self) -> None:
        bench = IssuerBench(a_card(script=[a_script("01", "de4 > 100"), a_script("02")]))

        assert codes(bench, "000001") == ["01"]
        assert codes(bench, "000002", de4="000000000100") == ["02"]

    def test_a_card_without_a_row_has_no_script(self) -> None:
        bench = IssuerBench()
        order(bench, put_script, a_script("91"))

        assert codes(bench, "000001", de2="9900017391586423") == ["14"]


class TestHowOften:
    """A script that happens a number of times happens so often, whatever comes between."""

    def test_the_count_outlives_a_restart(self) -> None:
        bench = IssuerBench(a_card(script=a_script("91", times=3)))
        before = codes(bench, "000001", "000002")
        bench.restart()

        assert before + codes(bench, "000003", "000004") == ["91", "91", "91", "00"]
        bench.restart()
        assert codes(bench, "000005") == ["00"]

    def test_a_repeat_is_the_same_time(self) -> None:
        bench = IssuerBench(a_card(script=a_script("91", times=1)))
        first = at_issuer()

        answers = [bench.ask(message).response_code for message in (first, first.as_repeat(), at_issuer("000002"))]

        assert answers == ["91", "91", "00"]

    def test_what_was_settled_before_does_not_use_one_up(self) -> None:
        bench = IssuerBench(a_card(script=a_script("91", times=1)))
        late = at_issuer()
        bench.ask(reversal_at_issuer(late))

        assert [bench.ask(message).response_code for message in (late, at_issuer("000002"))] == ["21", "91"]


class TestOrders:
    """Scripts are put, listed and cleared while the issuer runs; those of the settings are the settings'."""

    def test_clearing_ends_them_for_good(self) -> None:
        bench = IssuerBench(a_card(script=a_script("05")))
        order(bench, put_script, a_script("91"))
        ended = [order(bench, clear_scripts, card=fingerprint(bench)), order(bench, clear_scripts)]
        bench.restart()

        assert ended == [1, 1]
        assert list_scripts(bench.host.books) == []
        assert codes(bench, "000001") == ["00"]

    def test_one_can_be_cleared_alone(self) -> None:
        bench = IssuerBench()
        first, second = (order(bench, put_script, a_script(code)) for code in ("91", "92"))

        order(bench, clear_scripts, number=first.number)

        assert [row.number for row in list_scripts(bench.host.books)] == [second.number]
        assert codes(bench, "000001") == ["92"]

    def test_those_of_the_settings_take_the_place_of_their_own_alone(self) -> None:
        bench = IssuerBench()
        order(bench, put_script, a_script("92", "de4 > 100000"))
        for code in ("90", "91"):
            order(bench, replace_configured, [ScriptSection(code=code).row()])
            bench.restart()

        assert [(row.code, row.source) for row in list_scripts(bench.host.books)] == [("92", "order"), ("91", "config")]

    @pytest.mark.parametrize(
        "script",
        [
            a_script("00"),
            a_script("10"),
            a_script("5"),
            a_script("05", "de4 >"),
            a_script("05", f'de2 == "{PAN}"'),
            a_script("05", delay_ms=-1),
            a_script("05", times=0),
            a_script("05", card="fp_nobody"),
        ],
        ids=lambda script: f"{script.code} {script.times} {script.delay_ms}",
    )
    def test_what_cannot_be_is_refused_and_changes_nothing(self, script: ScriptRow) -> None:
        bench = IssuerBench()

        async def refused() -> str:
            with pytest.raises(LocalProtocolError) as caught:
                put_script(bench.host.books, script, bench.host.desk.turn)
            return str(caught.value)

        assert PAN not in bench.call(refused)
        assert bench.rows("scripts") == []

    def test_numbers_of_open_scripts_are_never_given_twice(self) -> None:
        scripts = Scripts()
        first, second = scripts.put(a_script("91")), scripts.put(a_script("92"))
        scripts.change(first._replace(state="ended"))

        assert scripts.put(a_script("93")).number != second.number


class TestEarlierCardFiles:
    """What a card was told to answer before there were scripts is a script of that card now."""

    def test_a_database_of_the_second_revision_opens(self, tmp_path: Path) -> None:
        place = tmp_path / "issuer.db"
        _write_second_revision(place)

        rows = asyncio.run(_load(place))

        cards = {card.fingerprint: card for card in (Card(*row) for row in rows["cards"])}
        assert cards["fp_1"] == Card("fp_1", "0001", "card/1", "3012", used_on="20260314", used=2)
        assert {ScriptRow(*row)[1:6] for row in rows["scripts"]} == {
            ("fp_2", "present(mti)", "05", 0, 1),
            ("fp_3", "present(mti)", "", 12_000, 0),
        }


def _write_second_revision(place: Path) -> None:
    config = Config()
    config.attributes["connection"] = None
    config.set_main_option("script_location", str(resources.files("node") / "alembic"))
    config.set_main_option("version_locations", str(resources.files("banks.issuer.migrations") / "versions"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("sqlalchemy.url", f"sqlite:///{place}")
    command.upgrade(config, "0002")
    database = sqlite3.connect(place)
    columns = ("fp_1", "0001", "card/1", "3012", "active", "check", "allow", "", -1, -1)
    for name, scripted in (("fp_1", ("", 0, 1)), ("fp_2", ("05", 0, 1)), ("fp_3", ("", 12_000, 0))):
        values = (name, *columns[1:], *scripted, "20260314", 2)
        database.execute(f"INSERT INTO cards VALUES ({', '.join('?' * len(values))})", values)
    database.commit()
    database.close()


async def _load(place: Path) -> Any:
    journal = open_journal(place, banks.issuer.store.METADATA, "banks.issuer.migrations")
    rows = await journal.load()
    await journal.aclose()
    return rows
