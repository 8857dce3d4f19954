"""The banks of a running house as operators see them: through their control ports, and by command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.cli import main
from emulator.presenting import present_all
from iso.masks import luhn_digit
from node.bank_client import BankClient
from node.control_access import SCOPES, service_token
from node.control_client import ControlClient, ControlError
from tests.support.house import HouseHandle, running_house

pytestmark = pytest.mark.house
MERCHANT, TERMINAL = "RAILSCOFFEE0001", "RAILS001"
VISA = "4242424242424242"
AMEX = "378282246310005"


class Operator:
    """What an operator does with the banks of one house."""

    def __init__(self, house: HouseHandle, capsys: pytest.CaptureFixture[str]) -> None:
        self.house = house
        self.banks = BankClient(house.control)
        self._capsys = capsys

    def run(self, *words: str) -> tuple[int, Any]:
        """Run a command with --json; return its exit code and what it prints."""
        self._capsys.readouterr()
        code = main([*words, "--json", "--ready-file", str(self.house.house.data_dir / "ready.json")])
        printed = self._capsys.readouterr()
        assert printed.out or code, printed.err
        return code, json.loads(printed.out) if printed.out else printed.err

    def read(self, *words: str) -> str:
        """Run a command for people; return what it prints."""
        self._capsys.readouterr()
        main([*words, "--ready-file", str(self.house.house.data_dir / "ready.json")])
        return self._capsys.readouterr().out

    def sell(self, amount_minor: int = 1999, pan: str = VISA) -> dict[str, str]:
        """Make a single-message purchase at a terminal; return the fields of its answer."""
        stan = f"{self.house.control.state('acquirer')['intents'] + 900:06d}"
        fields = {2: pan, 3: "000000", 4: f"{amount_minor:012d}", 11: stan, 12: "120000", 13: "0314", 14: "3412"}
        fields |= {22: "010", 25: "00", 41: TERMINAL, 42: MERCHANT, 49: "840"}
        draft = {"mti": "0200", "fields": {str(element): value for element, value in fields.items()}}
        _, printed = self.run("send", json.dumps(draft), "--to", "acquirer")
        answer: dict[str, str] = printed["exchanges"][0]["response"]["fields"]
        return answer

    def account(self, last4: str = "4242") -> dict[str, Any]:
        """Return the dollar account of a card."""
        [found] = self.banks.accounts("issuer-a", last4=last4, currency="840")
        return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseHandle]:
    folder = tmp_path_factory.mktemp("banks")
    with running_house(folder) as handle:
        handle.house.write_ready(folder / "ready.json")
        yield handle


@pytest.fixture
def operator(running: HouseHandle, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(running, capsys)


def card_number(partial: str) -> str:
    """Return a card number with its check digit."""
    return partial + luhn_digit(partial)


def pages(ask: Any, account: str) -> list[dict[str, Any]]:
    """Walk a statement three entries at a time."""
    found, before = [], ""
    while True:
        page = ask(account, 3, before)
        found += page["entries"]
        if page["next"] is None:
            return found
        before = page["next"]


class TestBooks:
    """Balances and statements say the same, in whatever pages they are read."""

    def test_a_statement_adds_up(self, operator: Operator) -> None:
        for amount_minor in (100, 250, 399):
            operator.sell(amount_minor)
        account = operator.account()

        whole = operator.banks.statement("issuer-a", account["account"], 1000)["entries"]
        paged = pages(lambda *asked: operator.banks.statement("issuer-a", *asked), account["account"])

        assert paged == whole
        assert whole[0]["balance_minor"] == account["posted_minor"] == sum(entry["change_minor"] for entry in whole)
        assert [entry["sequence"] for entry in whole] == sorted((entry["sequence"] for entry in whole), reverse=True)
        for newer, older in pairwise(whole):
            assert newer["balance_minor"] - newer["change_minor"] == older["balance_minor"]

    def test_accounts_come_in_pages(self, operator: Operator) -> None:
        everything = list(operator.banks.accounts("issuer-a"))
        asked, after, found = 0, 0, []
        while after is not None:
            page = operator.house.control.call("GET", "issuer-a", f"bank/accounts?limit=7&after={after}", "bank:read")
            found += page["accounts"]
            after, asked = page["next"], asked + 1

        assert found == everything
        assert asked == -(-len(everything) // 7)
        assert list(operator.banks.accounts("issuer-a", limit=10)) == everything[:10]

    def test_a_place_of_another_account_is_refused(self, operator: Operator) -> None:
        account = operator.account()["account"]
        foreign = operator.account("9995")["account"]
        place = operator.banks.statement("issuer-a", account, 1)["entries"][0]["sequence"]

        with pytest.raises(ControlError, match="422 before"):
            operator.banks.statement("issuer-a", foreign, 10, f"{place}.0")

    def test_what_is_not_there(self, operator: Operator) -> None:
        with pytest.raises(ControlError, match="404 account"):
            operator.banks.statement("issuer-a", "card/nobody/840")
        with pytest.raises(ControlError, match="404 this node is no bank"):
            operator.banks.ledger("switch")
        with pytest.raises(ControlError, match="404 this node is no issuer"):
            list(operator.banks.cards("acquirer"))
        with pytest.raises(ControlError, match="404 this node is no acquirer"):
            list(operator.banks.merchants("issuer-a"))

    def test_a_payment_is_found_at_both_banks(self, operator: Operator) -> None:
        rrn = operator.sell()["37"]
        [entry, *_] = operator.banks.statement("issuer-a", operator.account()["account"], 1)["entries"]

        code, by_rrn = operator.run("bank", "payment", rrn)
        _, by_name = operator.run("bank", "payment", entry["reference"])

        assert code == 0
        assert set(by_rrn["nodes"]) == {"acquirer", "issuer-a"}
        assert by_name == by_rrn
        assert {row["mti"] for row in by_rrn["nodes"]["issuer-a"]["requests"]} == {"0200"}
        assert [row["kind"] for row in by_rrn["nodes"]["acquirer"]["clearings"]] == ["capture"]
        assert operator.run("bank", "payment", "000000000000")[0] == 1
        assert VISA not in json.dumps(by_rrn)


class TestAdjustments:
    """Money moved by hand moves once per reference, and the books stay at zero."""

    @pytest.mark.parametrize("node", ["issuer-a", "acquirer"])
    def test_the_same_again_changes_nothing(self, operator: Operator, node: str) -> None:
        operator.sell()
        account = operator.account()["account"] if node == "issuer-a" else f"merchant/{MERCHANT}/pending/840"
        before = operator.banks.statement(node, account)["posted_minor"]

        first = operator.banks.adjust(node, account, 500, f"gift-{node}")
        again = operator.banks.adjust(node, account, 500, f"gift-{node}")
        operator.banks.adjust(node, account, -200, f"fine-{node}")

        assert first["posted_minor"] == again["posted_minor"] == before + 500
        assert operator.banks.statement(node, account)["posted_minor"] == before + 300
        assert set(operator.banks.ledger(node)["totals"].values()) == {0}
        with pytest.raises(ControlError, match="409 its reference stands for another"):
            operator.banks.adjust(node, account, 501, f"gift-{node}")

    @pytest.mark.parametrize("node", ["issuer-a", "acquirer"])
    def test_many_at_once_are_one(self, operator: Operator, node: str) -> None:
        operator.sell()
        account = operator.account()["account"] if node == "issuer-a" else f"merchant/{MERCHANT}/pending/840"
        before = operator.banks.statement(node, account)["posted_minor"]

        with ThreadPoolExecutor(8) as callers:
            orders = [callers.submit(operator.banks.adjust, node, account, 11, f"rush-{node}") for _ in range(16)]

        assert {order.result()["posted_minor"] for order in orders} == {before + 11}

    def test_a_card_number_is_no_reference(self, operator: Operator) -> None:
        with pytest.raises(ControlError, match="422 reference") as caught:
            operator.banks.adjust("issuer-a", operator.account()["account"], 1, VISA)

        assert VISA not in str(caught.value)

    @pytest.mark.parametrize("node", ["issuer-a", "acquirer"])
    def test_what_cannot_be_moved(self, operator: Operator, node: str) -> None:
        with pytest.raises(ControlError, match="404"):
            operator.banks.adjust(node, "card/nobody/840", 1, "x1")
        with pytest.raises(ControlError, match="422"):
            operator.banks.adjust(node, "card/nobody/840", 10**12, "x2")

    def test_a_debit_goes_as_far_as_the_funds(self, operator: Operator) -> None:
        [account] = operator.banks.accounts("issuer-a", last4="9995", currency="840")

        with pytest.raises(ControlError, match="409 insufficient"):
            operator.banks.adjust("issuer-a", account["account"], -(account["available_minor"] + 1), "too-much")


class TestCards:
    """A card's number goes in once and never comes out; its row decides from the next request on."""

    def test_a_new_card_pays(self, operator: Operator) -> None:
        pan = card_number("424242555555000")

        issued = operator.banks.issue("issuer-a", pan, 10_000, cvc_rule="any", velocity_max=1)
        first, second = operator.sell(1_000, pan)["39"], operator.sell(1_000, pan)["39"]
        with pytest.raises(ControlError, match="409 pan"):
            operator.banks.issue("issuer-a", pan)

        [listed] = [row for row in operator.banks.cards("issuer-a", last4=pan[-4:]) if row["card"] == issued["card"]]
        assert (first, second) == ("00", "65")
        assert issued["card"] == listed["card"]
        assert pan not in json.dumps([issued, listed])
        for file in operator.house.house.data_dir.glob("issuer-a*.db*"):
            assert pan.encode() not in file.read_bytes()

    def test_a_card_of_another_issuer_is_refused(self, operator: Operator) -> None:
        with pytest.raises(ControlError, match="422 pan: not of this issuer") as caught:
            operator.banks.issue("issuer-b", card_number("424242555555111"))

        assert "42424255" not in str(caught.value)

    def test_a_blocked_card_is_declined(self, operator: Operator) -> None:
        pan = card_number("424242555555222")
        card = operator.banks.issue("issuer-a", pan, 10_000)["card"]

        operator.banks.change_card("issuer-a", card, status="lost")
        lost = operator.sell(100, pan)["39"]
        operator.banks.change_card("issuer-a", card, status="active")

        assert (lost, operator.sell(100, pan)["39"]) == ("41", "00")
        with pytest.raises(ControlError, match="422 card column status"):
            operator.banks.change_card("issuer-a", card, status="mislaid")
        with pytest.raises(ControlError, match="422 card column fingerprint"):
            operator.banks.change_card("issuer-a", card, fingerprint="x")
        with pytest.raises(ControlError, match="404 card"):
            operator.banks.change_card("issuer-a", "fp_nobody", status="lost")

    def test_no_answer_shows_what_a_pin_is_verified_with(self, operator: Operator) -> None:
        shown = set().union(*(card.keys() for card in operator.banks.cards("issuer-a")))

        assert not shown & {"pan", "fingerprint", "pin_value", "pin_table", "pin_validation", "avs_address"}

    def test_a_script_answers_until_it_is_cleared(self, operator: Operator) -> None:
        pan = card_number("424242555555333")
        card = operator.banks.issue("issuer-a", pan, 10_000)["card"]

        script = operator.banks.put_script("issuer-a", card=card, when="amount == 666", code="57", times=5)
        scripted, other = operator.sell(666, pan)["39"], operator.sell(667, pan)["39"]
        [listed] = [row for row in operator.banks.scripts("issuer-a") if row["number"] == script["number"]]
        cleared = operator.banks.clear_scripts("issuer-a", card=card)

        assert (scripted, other, cleared, listed["times"]) == ("57", "00", 1, 4)
        assert operator.sell(666, pan)["39"] == "00"
        with pytest.raises(ControlError, match="422 script"):
            operator.banks.put_script("issuer-a", code="00")
        with pytest.raises(ControlError, match="422 script") as caught:
            operator.banks.put_script("issuer-a", when=f'de2 == "{pan}"', code="05")
        assert pan not in str(caught.value)


class TestMerchants:
    """A merchant is taken on, changed and given terminals while the acquirer runs."""

    def test_life_of_a_merchant(self, operator: Operator) -> None:
        columns = {"name": "Late Show", "mcc": "7832", "country": "US", "city": "Reno", "reserve_bp": 500}

        added = operator.banks.add_merchant("acquirer", "LATESHOW", **columns)
        changed = operator.banks.change_merchant("acquirer", "LATESHOW", status="suspended", fee_plan="none")
        terminal = operator.banks.add_terminal("acquirer", "LATESHOW", "LATE0001", pin_key="tpk")

        assert (added["status"], added["reserve_bp"], added["balances"]) == ("active", 500, [])
        assert (changed["status"], changed["fee_plan"], changed["name"]) == ("suspended", "none", "Late Show")
        assert terminal["terminals"] == [{"terminal": "LATE0001", "pin_key": "tpk", "capabilities": ""}]
        assert terminal == operator.banks.merchant("acquirer", "LATESHOW")
        assert "LATESHOW" in [row["merchant"] for row in operator.banks.merchants("acquirer")]

    @pytest.mark.parametrize(
        ("columns", "rule"),
        [
            ({"name": "X"}, "422 columns: city, country, mcc"),
            ({"name": "X", "mcc": "99", "country": "US", "city": "Y"}, "422 merchant column mcc"),
            ({"name": "X", "mcc": "٥٩٩٩", "country": "US", "city": "Y"}, "422 merchant column mcc"),
            ({"name": VISA, "mcc": "5999", "country": "US", "city": "Y"}, "422 columns: no card number"),
            ({"name": "X", "mcc": "5999", "country": "US", "city": "Y", "colour": "red"}, "422 merchant column colour"),
            ({"name": "X", "mcc": "5999", "country": "US", "city": "Y", "fee_plan": "none-such"}, "422 fee_plan"),
        ],
    )
    def test_a_wrong_one_is_refused(self, operator: Operator, columns: dict[str, Any], rule: str) -> None:
        with pytest.raises(ControlError, match=rule):
            operator.banks.add_merchant("acquirer", "WRONG", **columns)

    def test_identifiers_are_given_once(self, operator: Operator) -> None:
        with pytest.raises(ControlError, match="409 merchant"):
            operator.banks.add_merchant("acquirer", MERCHANT, name="X", mcc="5999", country="US", city="Y")
        with pytest.raises(ControlError, match="409 terminal"):
            operator.banks.add_terminal("acquirer", MERCHANT, TERMINAL)
        with pytest.raises(ControlError, match="404 merchant"):
            operator.banks.change_merchant("acquirer", "NOBODY", status="closed")
        with pytest.raises(ControlError, match="422"):
            operator.banks.add_terminal("acquirer", MERCHANT, "NEW00001", pin_key="rsa")

    @pytest.mark.parametrize("capabilities", ["PURCHAES", "PURCHASE,", "purchase", "\x00x", VISA, "UNKNOWN"])
    def test_a_terminal_asks_for_nothing_that_is_not(self, operator: Operator, capabilities: str) -> None:
        with pytest.raises(ControlError, match="422 terminal: capabilities are some of BALANCE, "):
            operator.banks.add_terminal("acquirer", MERCHANT, "NEW00002", capabilities=capabilities)

    def test_a_terminal_asks_for_some_things_alone(self, operator: Operator) -> None:
        added = operator.banks.add_terminal("acquirer", MERCHANT, "NEW00001", capabilities="PURCHASE,REFUND")
        assert {"terminal": "NEW00001", "pin_key": "none", "capabilities": "PURCHASE,REFUND"} in added["terminals"]

    def test_a_card_number_is_no_identifier(self, operator: Operator) -> None:
        with pytest.raises(ControlError, match="422 columns: no card number"):
            operator.banks.add_merchant("acquirer", AMEX, name="X", mcc="5999", country="US", city="Y")


class TestPresenting:
    """Every capture reaches the books of its issuer once, whatever is repeated and whatever breaks in between."""

    def test_by_command(self, operator: Operator) -> None:
        operator.run("bank", "present")
        before = operator.account()
        rrn = operator.sell(1234)["37"]

        code, first = operator.run("bank", "present")
        again = operator.run("bank", "present")

        [one] = first["presented"]
        assert code == 0
        assert (one["rrn"], one["amount_minor"], one["issuer"], one["outcome"]) == (rrn, 1234, "issuer-a", "posted")
        assert again == (0, {"presented": []})
        after = operator.account()
        assert (after["posted_minor"], after["held_minor"]) == (before["posted_minor"] - 1234, before["held_minor"])

    def test_a_crash_between_issuer_and_acquirer_posts_nothing_twice(self, operator: Operator) -> None:
        operator.run("bank", "present")
        before = operator.account()["posted_minor"]
        operator.sell(777)
        [open_row] = operator.banks.unpresented("acquirer")
        names = ("arn", "acquirer", "rrn", "terminal", "kind", "number", "amount_minor", "currency")
        record = {name: open_row[name] for name in names}

        posted = [operator.banks.present("issuer-a", [record])[0]["outcome"] for _ in range(2)]
        _, resumed = operator.run("bank", "present")
        marked = [operator.banks.presented("acquirer", [open_row["arn"]])[0]["outcome"] for _ in range(2)]

        assert posted == ["posted", "posted"]
        assert [one["outcome"] for one in resumed["presented"]] == ["posted"]
        assert marked == ["before", "before"]
        assert operator.account()["posted_minor"] == before - 777

    def test_an_issuer_that_is_silent_is_asked_again_later(self, operator: Operator) -> None:
        operator.run("bank", "present")
        operator.sell(888)
        house = operator.house
        urls = {**house.house.control_urls(), "issuer-a": "http://127.0.0.1:9"}
        deaf = ControlClient(urls, house.house.secret)

        silent = list(present_all(BankClient(deaf), "acquirer", ["issuer-b", "issuer-a"]))
        deaf.close()
        code, later = operator.run("bank", "present")

        assert [(one.outcome, one.is_done) for one in silent] == [("silent", False)]
        assert code == 0
        assert [one["outcome"] for one in later["presented"]] == ["posted"]

    def test_what_nobody_knows_stays(self, operator: Operator) -> None:
        record = {"arn": "7" * 23, "acquirer": "400001", "rrn": "999999999999", "amount_minor": 1, "currency": "840"}

        [outcome] = operator.banks.present("issuer-a", [record])

        assert (outcome["outcome"], outcome["done"]) == ("unknown_payment", False)
        assert operator.banks.presented("acquirer", ["7" * 23]) == [{"arn": "7" * 23, "outcome": "absent"}]


class TestCommands:
    """People get tables, programs JSON; a wrong command line is 2, no for an answer 1."""

    def test_tables(self, operator: Operator) -> None:
        account = operator.account()["account"]

        accounts = operator.read("bank", "accounts", "--last4", "4242", "--currency", "usd").splitlines()
        statement = operator.read("bank", "statement", account, "--limit", "1").splitlines()
        merchants = operator.read("bank", "merchants").splitlines()
        merchant = operator.read("bank", "merchants", MERCHANT)
        cards = operator.read("bank", "cards", "--last4", "4242")

        assert accounts[0].split() == ["bank", "account", "posted", "held", "available"]
        assert accounts[1].startswith(f"issuer-a  {account}  ")
        assert statement[0].startswith(f"{account} at issuer-a: ")
        assert statement[1].split() == ["entry", "at", "kind", "amount", "balance", "other", "reference"]
        assert merchants[1].startswith(f"{MERCHANT}  Rails Coffee  5814")
        assert "terminal              RAILS001  PIN key: none" in merchant
        assert "  4242   active  card/4242/" in cards

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (["accounts", "--last4", "42"], 2),
            (["accounts", "--currency", "zzz"], 2),
            (["accounts", "--node", "switch"], 2),
            (["statement", "card/nobody/840"], 1),
            (["merchants", "NOBODY"], 1),
        ],
    )
    def test_exit_codes(self, operator: Operator, words: list[str], code: int) -> None:
        assert operator.run("bank", *words)[0] == code


class TestOverHttp:
    """Reads are of what is durable, and scopes are those of the table."""

    def test_a_reader_of_a_bank_may_not_move_money(self, running: HouseHandle) -> None:
        url = f"{running.house.control_urls()['issuer-a']}/nodes/issuer-a/bank/adjustments"
        statuses = {}
        for scope in SCOPES:
            headers = {"authorization": f"Bearer {service_token(running.house.secret, 'issuer-a', scope)}"}
            statuses[scope] = httpx.post(url, headers=headers, json={}, trust_env=False).status_code

        assert {scope for scope, status in statuses.items() if status != 403} == {"bank:write"}

    def test_what_is_shown_survives_a_restart(self, tmp_path: Path) -> None:
        with running_house(tmp_path) as first:
            banks = BankClient(first.control)
            [account] = banks.accounts("issuer-a", last4="4242", currency="840")
            banks.adjust("issuer-a", account["account"], 7, "before")
            banks.add_merchant("acquirer", "SECOND", name="S", mcc="5999", country="US", city="X")
            shown = banks.statement("issuer-a", account["account"])

        with running_house(tmp_path) as second:
            banks = BankClient(second.control)

            assert banks.statement("issuer-a", account["account"]) == shown
            assert banks.adjust("issuer-a", account["account"], 7, "before")["posted_minor"] == shown["posted_minor"]
            assert banks.merchant("acquirer", "SECOND")["name"] == "S"
