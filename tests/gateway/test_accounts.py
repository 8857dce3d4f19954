"""Accounts: a merchant reads its own, a platform makes others, and the acquirer has the first word."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import anyio
import pytest
import stripe

from gateway.config import GatewayMerchant
from gateway.core.accounts import seed
from gateway.core.bank import Enrolment, NoBank, Verdict
from gateway.core.books import Books
from gateway.core.claims import KEPT_US
from gateway.core.errors import ApiError
from gateway.core.records_account import AccountRow, ApiKey
from gateway.handlers import accounts
from gateway.memory import MemoryStore
from tests.gateway.test_crash import Mortal
from tests.support.gateway import (
    ACCOUNT,
    MERCHANTS,
    OTHER_ACCOUNT,
    OTHER_SECRET_KEY,
    PUBLISHABLE_KEY,
    Gateway,
    ScriptedBank,
    Shop,
    call,
    payment,
    step,
    written,
)
from tests.support.oracle import check

OTHER = {"authorization": f"Bearer {OTHER_SECRET_KEY}"}
SHOP: dict[str, Any] = {
    "type": "custom",
    "country": "DE",
    "default_currency": "eur",
    "email": "shop@example.com",
    "business_profile": {
        "name": "Blumen Berta",
        "mcc": "5992",
        "url": "https://blumen.example",
        "support_address": {"city": "Köln am Rhein", "country": "DE"},
    },
    "capabilities": {"card_payments": {"requested": True}, "transfers": {"requested": True}},
    "settings": {"payments": {"statement_descriptor": "BLUMEN BERTA"}},
    "metadata": {"tier": "gold"},
}
MANY = 4
WAIT_S = 10.0


class CrowdedBank(ScriptedBank):
    """Answers nobody before so many have asked."""

    def __init__(self, gateway: Gateway, count: int) -> None:
        super().__init__(gateway.acquirer)
        self.missing = count
        self.is_crowded = anyio.Event()

    async def enrol(self, enrolment: Enrolment) -> Verdict | None:
        self.missing -= 1
        if not self.missing:
            self.is_crowded.set()
        with anyio.fail_after(WAIT_S):
            await self.is_crowded.wait()
        return await super().enrol(enrolment)


def merchants(bank: ScriptedBank) -> set[tuple[str, str]]:
    """Return those whom the acquirer has taken on: DE 42 and 41."""
    return {(enrolled.merchant, enrolled.terminal) for enrolled in bank.enrolled}


def error(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


class TestOwnAccount:
    """Every merchant reads and changes its own account."""

    def test_the_topology_says_who_a_merchant_is(self, shop: Shop) -> None:
        own = shop.get("/v1/account")
        named = shop.get(f"/v1/accounts/{ACCOUNT.id}")

        account = own.json()
        assert own.json() == named.json()
        assert (account["id"], account["country"], account["default_currency"]) == (ACCOUNT.id, "US", "usd")
        assert account["business_profile"]["mcc"] == "5814"
        assert account["settings"]["dashboard"]["display_name"] == "Rails Coffee"
        assert check(account) == []

    def test_nothing_is_claimed_that_does_not_exist(self, shop: Shop) -> None:
        account = shop.get("/v1/account").json()

        assert (account["charges_enabled"], account["payouts_enabled"], account["details_submitted"]) == (
            True,
            False,
            False,
        )
        assert account["capabilities"] == {"card_payments": "active"}

    def test_a_change_reaches_the_acquirer_and_leaves_an_event(self, shop: Shop) -> None:
        answer = shop.post(f"/v1/accounts/{ACCOUNT.id}", {"business_profile": {"name": "Rails Tea", "mcc": "5499"}})

        event = shop.get("/v1/events").json()["data"][0]
        assert answer.json()["business_profile"]["name"] == "Rails Tea"
        assert shop.gateway.bank.changed == [(ACCOUNT.merchant, {"name": "Rails Tea", "mcc": "5499"})]
        assert (event["type"], event["data"]["object"]) == ("account.updated", answer.json())
        assert event["data"]["previous_attributes"]["business_profile"] == {"mcc": "5814", "name": "Rails Coffee"}
        assert check(event) == []

    def test_what_the_network_does_not_carry_is_not_told_to_the_acquirer(self, shop: Shop) -> None:
        answer = shop.post(f"/v1/accounts/{ACCOUNT.id}", {"email": "rails@example.com", "metadata": {"a": "1"}})

        assert (answer.json()["email"], answer.json()["metadata"]) == ("rails@example.com", {"a": "1"})
        assert shop.gateway.bank.changed == []

    def test_parts_that_are_not_named_stay(self, shop: Shop) -> None:
        path = f"/v1/accounts/{ACCOUNT.id}"
        shop.post(path, {"business_profile": {"url": "https://rails.example", "support_phone": "1"}})

        answer = shop.post(path, {"business_profile": {"support_phone": ""}})

        profile = answer.json()["business_profile"]
        assert (profile["url"], profile["support_phone"]) == ("https://rails.example", None)

    @pytest.mark.parametrize("verdict", [None, Verdict(is_done=False, detail="the merchant is closed")])
    def test_what_the_acquirer_does_not_agree_to_changes_nothing(self, shop: Shop, verdict: Verdict | None) -> None:
        shop.gateway.bank.verdict = verdict
        before = shop.get("/v1/account").json()

        answer = shop.post(f"/v1/accounts/{ACCOUNT.id}", {"business_profile": {"name": "Rails Tea"}})

        assert answer.status_code == (503 if verdict is None else 400)
        assert shop.get("/v1/account").json() == before
        assert shop.get("/v1/events").json()["data"] == []

    def test_another_account_is_as_absent_as_one_that_never_was(self, shop: Shop) -> None:
        answers = [
            shop.get(f"/v1/accounts/{OTHER_ACCOUNT.id}"),
            shop.get("/v1/accounts/acct_0"),
            shop.post(f"/v1/accounts/{OTHER_ACCOUNT.id}", {"email": "x@example.com"}),
        ]

        assert [(answer.status_code, error(answer)["code"]) for answer in answers] == [(403, "account_invalid")] * 3

    @pytest.mark.parametrize(
        ("form", "param"),
        [
            ({"business_profile": {"mcc": "12"}}, "business_profile[mcc]"),
            ({"business_profile": {"name": "x" * 26}}, "business_profile[name]"),
            ({"business_profile": {"name": "Café"}}, "business_profile[name]"),
            ({"default_currency": "xyz"}, "default_currency"),
            ({"default_currency": "840"}, "default_currency"),
            ({"individual": {"first_name": "Ada"}}, "individual"),
            ({"metadata": {f"key{number}": "1" for number in range(51)}}, "metadata"),
            ({"expand": ["owner"]}, "expand"),
        ],
    )
    def test_what_cannot_be_carried_is_refused(self, memory_shop: Shop, form: dict[str, Any], param: str) -> None:
        profile = {"name": "Rails Tea", **form.get("business_profile", {})}

        answer = memory_shop.post(f"/v1/accounts/{ACCOUNT.id}", {**form, "business_profile": profile})

        assert (answer.status_code, error(answer)["param"]) == (400, param)
        assert memory_shop.gateway.bank.changed == []


class TestPlatform:
    """A platform makes accounts of merchants whom the acquirer takes on, and acts for them."""

    def test_an_account_is_made_once_the_acquirer_agreed(self, shop: Shop) -> None:
        answer = shop.post("/v1/accounts", SHOP)

        account = answer.json()
        (enrolled,) = shop.gateway.bank.enrolled
        assert (enrolled.name, enrolled.mcc, enrolled.city) == ("Blumen Berta", "5992", "Kln am Rhein")
        assert (enrolled.country, enrolled.currency) == ("DE", "978")
        assert (len(enrolled.merchant), len(enrolled.terminal)) == (15, 8)
        assert account["capabilities"] == {"card_payments": "active", "transfers": "inactive"}
        assert (account["metadata"], account["type"], account["email"]) == (
            {"tier": "gold"},
            "custom",
            "shop@example.com",
        )
        assert check(account) == []
        assert shop.get(f"/v1/accounts/{account['id']}").json() == account
        assert [item["id"] for item in shop.get("/v1/accounts").json()["data"]] == [account["id"]]

    def test_the_platform_sells_for_it_under_its_own_merchant_and_terminal(self, shop: Shop) -> None:
        made = shop.post("/v1/accounts", SHOP).json()["id"]

        paid = shop.post("/v1/payment_intents", payment(), stripe_account=made)

        (sent,) = [message for message in shop.gateway.acquirer.seen if message.mti == "0100"]
        (enrolled,) = shop.gateway.bank.enrolled
        assert paid.json()["status"] == "succeeded"
        assert (sent[41], sent[42]) == (enrolled.terminal, enrolled.merchant)
        assert shop.get("/v1/payment_intents").json()["data"] == []
        assert shop.get("/v1/account", stripe_account=made).json()["id"] == made

    def test_its_objects_are_its_own(self, shop: Shop) -> None:
        made = shop.post("/v1/accounts", SHOP).json()["id"]
        customer = shop.post("/v1/customers", {"name": "Ada"}, stripe_account=made).json()["id"]

        assert shop.get(f"/v1/customers/{customer}").status_code == 404
        assert shop.get(f"/v1/customers/{customer}", stripe_account=made).status_code == 200

    @pytest.mark.parametrize("name", [OTHER_ACCOUNT.id, "acct_0", "", "x" * 5_000])
    def test_nobody_acts_for_an_account_that_it_did_not_make(self, shop: Shop, name: str) -> None:
        answer = shop.get("/v1/customers", stripe_account=name)

        assert (answer.status_code, error(answer)["code"]) == (403, "account_invalid")

    def test_an_account_does_not_act_for_its_platform(self, shop: Shop) -> None:
        assert shop.get("/v1/customers", stripe_account=ACCOUNT.id, **OTHER).status_code == 403

    def test_only_a_platform_makes_accounts(self, shop: Shop) -> None:
        answer = shop.post("/v1/accounts", SHOP, **OTHER)

        assert (answer.status_code, "Only a platform" in error(answer)["message"]) == (400, True)
        assert shop.gateway.bank.enrolled == []

    @pytest.mark.parametrize("verdict", [None, Verdict(is_done=False, detail="the fee plan is gone")])
    def test_without_the_acquirer_there_is_no_account(self, shop: Shop, verdict: Verdict | None) -> None:
        shop.gateway.bank.verdict = verdict

        answer = shop.post("/v1/accounts", SHOP, idempotency_key="one")
        shop.gateway.bank.verdict = Verdict(is_done=True)
        again = shop.post("/v1/accounts", SHOP, idempotency_key="one")

        assert answer.status_code == (503 if verdict is None else 400)
        assert again.status_code == 200
        assert len(shop.get("/v1/accounts").json()["data"]) == 1

    def test_the_same_key_makes_one_account(self, shop: Shop) -> None:
        made = [shop.post("/v1/accounts", SHOP, idempotency_key="one").json()["id"] for _ in range(2)]

        assert made[0] == made[1]
        assert len(shop.gateway.bank.enrolled) == 1

    def test_the_same_key_at_once_makes_one_merchant(self, shop: Shop) -> None:
        bank = CrowdedBank(shop.gateway, MANY)
        shop.gateway.ports = shop.gateway.ports._replace(bank=bank)

        answers = shop.send_all([("POST", "/v1/accounts", SHOP, {"idempotency_key": "one"})] * MANY)

        assert Counter(answer.status_code for answer in answers) == {200: MANY}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert (len(bank.enrolled), len(merchants(bank))) == (MANY, 1)

    @pytest.mark.parametrize("is_after", [False, True])
    @pytest.mark.parametrize("dies_at", [1, 2])
    def test_a_gateway_that_dies_leaves_no_merchant_without_an_account(self, dies_at: int, is_after: bool) -> None:
        house = Mortal(dies_at, is_after)

        made = [house.asks(accounts.create, SHOP, key="one") for _ in range(2)]

        assert house.steps > dies_at
        assert made[0] == made[1]
        listed = json.loads(step(accounts.list_all(house.gateway.ports, call({}))).body)["data"]
        assert listed == made[:1]
        assert len(merchants(house.gateway.bank)) == 1

    def test_whatever_tells_two_requests_apart_makes_two_merchants(self, gateway: Gateway) -> None:
        def make(key: str | None, digest: str = "same") -> str:
            name: str = json.loads(step(accounts.create(gateway.ports, call(SHOP, key=key, digest=digest))).body)["id"]
            return name

        made = [make(None), make(None), make("one"), make("two")]
        gateway.pass_time(KEPT_US / 1e6)
        made += [make("one"), make("two", digest="other")]

        assert len(set(made)) == len(merchants(gateway.bank)) == len(made)

    def test_other_parameters_under_a_key_without_an_answer_are_another_merchant(self, gateway: Gateway) -> None:
        gateway.bank.verdict = None
        with pytest.raises(ApiError):
            step(accounts.create(gateway.ports, call(SHOP, key="one")))
        gateway.bank.verdict = Verdict(is_done=True)

        step(accounts.create(gateway.ports, call({**SHOP, "default_currency": "usd"}, key="one", digest="other")))

        assert len(merchants(gateway.bank)) == len(gateway.bank.enrolled) == 2

    def test_a_gateway_without_the_acquirers_control_port_makes_none(self) -> None:
        assert step(NoBank().enrol(None)) is None  # type: ignore[arg-type]
        assert step(NoBank().change_merchant("M", {})) is None

    def test_the_official_client_reads_an_account(self, memory_shop: Shop) -> None:
        read = stripe.Account.construct_from(memory_shop.post("/v1/accounts", SHOP).json(), None)

        assert read.business_profile is not None
        assert (read.business_profile.name, read.charges_enabled) == ("Blumen Berta", True)


class TestSeeding:
    """The topology is written down at each start; what was changed since stays changed."""

    def _seeded(self, store: MemoryStore, *merchants: GatewayMerchant) -> None:
        written(store, lambda books: seed(books, [merchant.seed(1, 1) for merchant in merchants]))

    def test_a_restart_changes_nothing(self) -> None:
        store = MemoryStore()
        self._seeded(store, *MERCHANTS)
        before = {kind: dict(rows) for kind, rows in store.books.rows.items()}

        written(store, lambda books: seed(books, [merchant.seed(9, 9) for merchant in MERCHANTS]))

        assert {kind: dict(rows) for kind, rows in store.books.rows.items()} == before

    def test_where_it_enters_the_network_follows_the_topology_and_its_name_does_not(self) -> None:
        store = MemoryStore()
        self._seeded(store, MERCHANTS[0])

        self._seeded(
            store,
            MERCHANTS[0].model_copy(
                update={"terminal": "RAILS002", "name": "Other", "secret_key": "sk_test_" + "n" * 32}
            ),
        )

        row = store.books.get(AccountRow, ACCOUNT.id)
        assert row is not None
        assert (row.terminal, row.name) == ("RAILS002", "Rails Coffee")
        assert len(store.books.find(ApiKey, {"account": ACCOUNT.id})) == 3

    def test_a_key_that_was_revoked_stays_revoked(self) -> None:
        store = MemoryStore()
        self._seeded(store, MERCHANTS[0])

        def revoke(books: Books) -> None:
            for row in books.find(ApiKey, {}):
                books.put(row._replace(revoked_at=5))

        written(store, revoke)
        self._seeded(store, MERCHANTS[0])

        assert [row.revoked_at for row in store.books.find(ApiKey, {})] == [5, 5]

    def test_no_row_holds_a_key(self) -> None:
        store = MemoryStore()
        self._seeded(store, *MERCHANTS)

        text = json.dumps([row for rows in store.books.rows.values() for row in rows.values()])

        assert "s" * 12 not in text
        assert PUBLISHABLE_KEY not in text
