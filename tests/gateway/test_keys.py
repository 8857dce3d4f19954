"""API keys: what each kind may do, how long it lives, and that nobody else learns it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.keys import Caller, KeyRing, digest
from gateway.api.routes import ENDPOINTS, Endpoint
from gateway.core.access import KINDS, PUBLISHABLE, READ, RESOURCES, RESTRICTED, SECRET, WRITE, allows, public_view
from gateway.core.api_keys import KEYS_MAX, OVERLAP_MAX_S, Wish, digest_of, hint_of, key_id
from gateway.core.errors import ApiError
from gateway.core.records_account import ApiKey
from gateway.handlers import api_keys
from gateway.pepper import pepper_beside
from node.journal import StoreError
from tests.support.gateway import (
    ACCOUNT,
    OTHER_ACCOUNT,
    PAN,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    Gateway,
    Shop,
    payment,
    step,
)
from tests.support.hsm import seeded
from tests.support.oracle import check

DAY_S = 86_400


def error(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def made(shop: Shop, kind: str, **wish: Any) -> dict[str, Any]:
    """Return a new key of the first account, with its text."""
    shape: dict[str, Any] = shop.portal.call(api_keys.create, shop.gateway.ports, ACCOUNT.id, Wish(kind, **wish))
    return shape


def listed(shop: Shop) -> list[dict[str, Any]]:
    return shop.portal.call(api_keys.list_of, shop.gateway.ports, ACCOUNT.id)


def path_of(endpoint: Endpoint) -> str:
    return endpoint.path.replace("{id}", ACCOUNT.id if endpoint.kind == "account" else "x_0").replace("{method}", "x_0")


def tried(shop: Shop, endpoint: Endpoint, text: str) -> Any:
    return shop.send(endpoint.method, path_of(endpoint), **bearer(text))


def is_forbidden(answer: Any) -> bool:
    return bool(answer.status_code in (401, 403))


class TestEveryRoute:
    """What a key may call is decided by one table, and what the table does not allow is refused."""

    def test_a_secret_key_may_call_everything(self, memory_shop: Shop) -> None:
        refused = [endpoint.path for endpoint in ENDPOINTS if is_forbidden(tried(memory_shop, endpoint, SECRET_KEY))]

        assert refused == []

    def test_a_publishable_key_may_call_the_public_routes_alone(self, memory_shop: Shop) -> None:
        for endpoint in ENDPOINTS:
            answer = tried(memory_shop, endpoint, PUBLISHABLE_KEY)

            assert is_forbidden(answer) is not endpoint.is_public, endpoint.path
            assert endpoint.is_public or error(answer)["code"] == "secret_key_required"

    def test_a_restricted_key_with_every_other_scope_is_refused_and_told_what_is_missing(
        self, memory_shop: Shop
    ) -> None:
        keys = {
            resource: made(memory_shop, RESTRICTED, scopes=dict.fromkeys(RESOURCES - {resource}, WRITE), name=resource)[
                "secret"
            ]
            for resource in RESOURCES
        }
        for endpoint in ENDPOINTS:
            answer = tried(memory_shop, endpoint, keys[endpoint.kind])

            access = "read" if endpoint.method == "GET" else "write"
            assert answer.status_code == 403, endpoint.path
            assert f"'rak_{endpoint.kind}_{access}'" in error(answer)["message"]
            assert keys[endpoint.kind] not in answer.text

    def test_a_restricted_key_that_may_read_does_not_write_and_one_that_may_write_reads(
        self, memory_shop: Shop
    ) -> None:
        reader = made(memory_shop, RESTRICTED, scopes=dict.fromkeys(RESOURCES, READ))["secret"]
        writer = made(memory_shop, RESTRICTED, scopes=dict.fromkeys(RESOURCES, WRITE))["secret"]

        for endpoint in ENDPOINTS:
            assert is_forbidden(tried(memory_shop, endpoint, reader)) is (endpoint.method != "GET"), endpoint.path
            assert not is_forbidden(tried(memory_shop, endpoint, writer)), endpoint.path

    def test_a_key_that_is_none_of_ours_may_call_nothing(self, memory_shop: Shop) -> None:
        wrong = [text[:-1] + "x" for text in (SECRET_KEY, PUBLISHABLE_KEY)] + ["rk_test_" + "r" * 32]

        answers = [tried(memory_shop, endpoint, text) for endpoint in ENDPOINTS for text in wrong]

        assert {answer.status_code for answer in answers} == {401}

    def test_every_route_has_a_resource_that_scopes_know(self) -> None:
        assert {endpoint.kind for endpoint in ENDPOINTS} <= RESOURCES

    def test_the_reference_page_names_every_resource(self) -> None:
        page = (Path(__file__).parents[2] / "docs" / "reference" / "api-keys.md").read_text("utf-8")

        assert [resource for resource in sorted(RESOURCES) if f"`{resource}`" not in page] == []

    @given(st.text(), st.sampled_from(sorted(RESOURCES)) | st.text(), st.sampled_from((READ, WRITE)), st.booleans())
    def test_a_kind_that_nobody_knows_may_nothing(self, kind: str, resource: str, access: str, is_public: bool) -> None:
        if kind not in KINDS:
            assert not allows(kind, {resource: WRITE}, resource, access, is_public=is_public)

    @given(st.text())
    def test_a_resource_that_nobody_listed_is_closed_to_restricted_keys(self, resource: str) -> None:
        if resource not in RESOURCES:
            assert not allows(RESTRICTED, {resource: WRITE}, resource, READ, is_public=True)


class TestWhatAKeySees:
    """Expanding is reading; and what is between a merchant and its customer is not for a web page."""

    def test_a_restricted_key_expands_what_it_may_read(self, shop: Shop) -> None:
        customer = shop.post("/v1/customers", {"name": "Ada"}).json()["id"]
        intent = shop.paid(customer=customer)["id"]
        narrow = made(shop, RESTRICTED, scopes={"payment_intent": READ})["secret"]
        wide = made(shop, RESTRICTED, scopes={"payment_intent": READ, "customer": READ})["secret"]

        refused = shop.get(f"/v1/payment_intents/{intent}?expand[]=customer", **bearer(narrow))
        deep = shop.get("/v1/payment_intents?expand[]=data.latest_charge.customer", **bearer(wide))
        shown = shop.get(f"/v1/payment_intents/{intent}?expand[]=customer", **bearer(wide))

        assert (refused.status_code, "rak_customer_read" in error(refused)["message"]) == (403, True)
        assert (deep.status_code, "rak_charge_read" in error(deep)["message"]) == (403, True)
        assert shown.json()["customer"]["name"] == "Ada"

    def test_a_publishable_key_sees_a_payment_without_its_customer_and_metadata(self, shop: Shop) -> None:
        customer = shop.post("/v1/customers").json()["id"]
        intent = shop.paid(customer=customer, metadata={"margin": "40"})
        path = f"/v1/payment_intents/{intent['id']}?client_secret={intent['client_secret']}"

        seen = shop.get(path, **bearer(PUBLISHABLE_KEY)).json()
        card = shop.get(f"{path}&expand[]=payment_method", **bearer(PUBLISHABLE_KEY)).json()["payment_method"]
        refused = shop.get(f"{path}&expand[]=customer", **bearer(PUBLISHABLE_KEY))

        assert seen == {**intent, "customer": None, "metadata": {}, "latest_charge": None}
        assert (card["card"]["last4"], card["card"]["fingerprint"]) == ("4242", None)
        assert refused.status_code == 403
        assert check(seen) == []

    def test_an_error_is_no_way_around_it(self, shop: Shop) -> None:
        intent = shop.paid(metadata={"margin": "40"})
        form = {"client_secret": intent["client_secret"]}

        answer = shop.post(f"/v1/payment_intents/{intent['id']}/confirm", form, **bearer(PUBLISHABLE_KEY))

        assert (answer.status_code, error(answer)["payment_intent"]["metadata"]) == (400, {})

    def test_lists_and_nested_objects_are_blanked_at_every_depth(self) -> None:
        intent = {"object": "payment_intent", "id": "pi_1", "customer": "cus_1", "metadata": {"a": "1"}}

        assert public_view({"error": {"all": [intent]}, "n": 1}) == {
            "error": {"all": [{**intent, "customer": None, "metadata": {}}]},
            "n": 1,
        }


class TestLife:
    """A key is shown once, works until it is rolled, revoked or expires, and the wall clock says when."""

    def test_its_text_is_in_the_answer_that_made_it_and_nowhere_else(self, shop: Shop) -> None:
        key = made(shop, SECRET, name="Checkout")

        rows = shop.portal.call(shop.gateway.store.read, lambda books: books.find(ApiKey, {}))
        shown = shop.portal.call(api_keys.retrieve, shop.gateway.ports, key["id"])
        assert key["secret"].startswith("sk_test_")
        assert shop.get("/v1/customers", **bearer(key["secret"])).status_code == 200
        assert key["secret"] not in json.dumps([rows, shown, listed(shop)])
        assert shown == {name: value for name, value in key.items() if name != "secret"}
        assert (shown["name"], shown["status"], shown["hint"][-4:]) == ("Checkout", "active", key["secret"][-4:])

    def test_a_rolled_key_works_until_its_overlap_is_over(self, shop: Shop) -> None:
        old = made(shop, RESTRICTED, scopes={"customer": READ}, name="Reports")
        new = shop.portal.call(api_keys.roll, shop.gateway.ports, old["id"], DAY_S)

        during = [shop.get("/v1/customers", **bearer(key["secret"])).status_code for key in (old, new)]
        shop.gateway.pass_time(DAY_S)
        after = [shop.get("/v1/customers", **bearer(key["secret"])) for key in (old, new)]

        assert (new["scopes"], new["name"], new["kind"]) == ({"customer": "read"}, "Reports", RESTRICTED)
        assert during == [200, 200]
        assert [answer.status_code for answer in after] == [401, 200]
        assert error(after[0])["code"] == "api_key_expired"
        assert error(after[0])["message"] == f"Expired API Key provided: {old['hint']}"
        states = {key["id"]: (key["status"], key["rolled_to"]) for key in listed(shop)}
        assert (states[old["id"]], states[new["id"]]) == (("expired", new["id"]), ("active", None))

    def test_without_an_overlap_the_old_key_ends_at_once(self, shop: Shop) -> None:
        shop.get("/v1/customers")
        seeded_key = key_id(digest_of(SECRET_KEY))

        new = shop.portal.call(api_keys.roll, shop.gateway.ports, seeded_key)

        assert shop.get("/v1/customers").status_code == 401
        assert shop.get("/v1/customers", **bearer(new["secret"])).status_code == 200

    def test_a_revoked_key_ends_at_once_and_for_good(self, shop: Shop) -> None:
        key = made(shop, SECRET)
        assert shop.get("/v1/customers", **bearer(key["secret"])).status_code == 200

        revoked = shop.portal.call(api_keys.revoke, shop.gateway.ports, key["id"])
        again = shop.portal.call(api_keys.revoke, shop.gateway.ports, key["id"])

        assert shop.get("/v1/customers", **bearer(key["secret"])).status_code == 401
        assert (revoked["status"], again) == ("revoked", revoked)
        with pytest.raises(ApiError, match="rolled or revoked"):
            shop.portal.call(api_keys.roll, shop.gateway.ports, key["id"], 0)

    def test_a_key_may_be_made_for_a_while(self, shop: Shop) -> None:
        key = made(shop, PUBLISHABLE, expires_in_s=60)

        before = shop.post("/v1/payment_methods", **bearer(key["secret"])).status_code
        shop.gateway.pass_time(60)

        assert (before, shop.post("/v1/payment_methods", **bearer(key["secret"])).status_code) == (400, 401)

    def test_the_business_clock_does_not_lock_a_shop_out(self, memory_shop: Shop) -> None:
        key = made(memory_shop, SECRET, expires_in_s=60)

        memory_shop.gateway.business_at = memory_shop.gateway.business_at.replace(year=2090)

        assert memory_shop.get("/v1/customers", **bearer(key["secret"])).status_code == 200

    def test_a_roll_does_not_prolong_a_life(self, memory_shop: Shop) -> None:
        key = made(memory_shop, SECRET, expires_in_s=60)

        memory_shop.portal.call(api_keys.roll, memory_shop.gateway.ports, key["id"], DAY_S)

        (old,) = [row for row in listed(memory_shop) if row["id"] == key["id"]]
        assert old["expires_at"] == key["expires_at"]

    def test_when_a_key_was_used_last_is_noted(self, shop: Shop) -> None:
        key = made(shop, SECRET)
        shop.gateway.pass_time(7)
        shop.get("/v1/customers", **bearer(key["secret"]))

        shop.portal.call(shop.gateway.keys.note_uses)

        (row,) = [row for row in listed(shop) if row["id"] == key["id"]]
        assert (key["last_used_at"], row["last_used_at"]) == (None, int(shop.gateway.wall_at.timestamp()))

    @pytest.mark.parametrize(
        ("wish", "param"),
        [
            (Wish("admin"), "kind"),
            (Wish(SECRET, "x" * 101), "name"),
            (Wish(SECRET, f"card {PAN}"), "name"),
            (Wish(PUBLISHABLE, "4242-4242-4242-4242"), "name"),
            (Wish(SECRET, expires_in_s=0), "expires_in_s"),
            (Wish(SECRET, scopes={"customer": READ}), "scopes"),
            (Wish(RESTRICTED), "scopes"),
            (Wish(RESTRICTED, scopes={"customer": "none"}), "scopes"),
            (Wish(RESTRICTED, scopes={"customers": READ}), "scopes"),
            (Wish(RESTRICTED, scopes={"customer": "all"}), "scopes"),
        ],
    )
    def test_a_wrong_wish_is_refused(self, gateway: Gateway, wish: Wish, param: str) -> None:
        with pytest.raises(ApiError) as caught:
            step(api_keys.create(gateway.ports, ACCOUNT.id, wish))

        assert (caught.value.status, caught.value.param) == (400, param)

    def test_what_is_not_there_is_said(self, gateway: Gateway) -> None:
        for conversation in (
            api_keys.create(gateway.ports, "acct_0", Wish(SECRET)),
            api_keys.retrieve(gateway.ports, "key_0"),
            api_keys.roll(gateway.ports, "key_0"),
            api_keys.revoke(gateway.ports, "key_0"),
        ):
            with pytest.raises(ApiError) as caught:
                step(conversation)
            assert caught.value.status == 404

    def test_an_account_has_so_many_keys_and_no_more(self, gateway: Gateway) -> None:
        for _ in range(KEYS_MAX - 2):
            step(api_keys.create(gateway.ports, ACCOUNT.id, Wish(SECRET)))

        with pytest.raises(ApiError, match="at most 100"):
            step(api_keys.create(gateway.ports, ACCOUNT.id, Wish(SECRET)))
        step(api_keys.create(gateway.ports, OTHER_ACCOUNT.id, Wish(SECRET)))

    def test_an_overlap_has_an_end(self, gateway: Gateway) -> None:
        with pytest.raises(ApiError) as caught:
            step(api_keys.roll(gateway.ports, key_id(digest_of(SECRET_KEY)), OVERLAP_MAX_S + 1))

        assert caught.value.param == "overlap_s"


class TestOtherGateways:
    """What one gateway of a store changes, the others notice within seconds."""

    def test_a_key_that_was_revoked_elsewhere_dies_here_soon(self, gateway: Gateway) -> None:
        key = step(api_keys.create(gateway.ports, ACCOUNT.id, Wish(SECRET)))
        other = KeyRing(gateway.store, lambda: gateway.wall_at, seeded("other"), bytes(32), fresh_s=5.0)
        step(other.caller(f"Bearer {key['secret']}"))

        step(api_keys.revoke(gateway.ports, key["id"]))
        gateway.pass_time(5)

        with pytest.raises(ApiError, match="Expired API Key"):
            step(other.caller(f"Bearer {key['secret']}"))

    def test_a_row_that_was_read_before_a_change_is_not_remembered_after_it(self, gateway: Gateway) -> None:
        key = step(api_keys.create(gateway.ports, ACCOUNT.id, Wish(SECRET)))
        ring = gateway.keys
        inner = gateway.store.read

        async def overtaken(work: Any) -> Any:
            found = await inner(work)
            gateway.store.read = inner  # type: ignore[method-assign]
            await api_keys.revoke(gateway.ports, key["id"])
            return found

        gateway.store.read = overtaken  # type: ignore[method-assign]
        step(ring.caller(f"Bearer {key['secret']}"))

        with pytest.raises(ApiError, match="Expired API Key"):
            step(ring.caller(f"Bearer {key['secret']}"))


class TestParameters:
    """What is remembered of a request's parameters outlives the caller's key, and tells nothing."""

    def test_a_request_is_repeated_after_its_key_was_rolled(self, shop: Shop) -> None:
        first = shop.post("/v1/payment_intents", payment(), idempotency_key="order-7")
        new = shop.portal.call(api_keys.roll, shop.gateway.ports, key_id(digest_of(SECRET_KEY)))

        again = shop.post("/v1/payment_intents", payment(), idempotency_key="order-7", **bearer(new["secret"]))

        assert (again.status_code, again.json()) == (200, first.json())
        assert again.headers["idempotent-replayed"] == "true"
        assert len([message for message in shop.gateway.acquirer.seen if message.mti == "0100"]) == 1

    def test_what_a_secret_key_was_answered_is_not_replayed_to_a_publishable_one(self, shop: Shop) -> None:
        intent = shop.post("/v1/payment_intents", {"amount": 2000, "currency": "usd", "metadata": {"m": "1"}}).json()
        path, form = f"/v1/payment_intents/{intent['id']}/confirm", {"client_secret": intent["client_secret"]}
        form["payment_method"] = "pm_card_visa"
        shop.post(path, form, idempotency_key="k")

        answer = shop.post(path, form, idempotency_key="k", **bearer(PUBLISHABLE_KEY))

        assert (answer.status_code, error(answer)["type"]) == (400, "idempotency_error")

    def test_the_digest_needs_the_pepper_and_differs_by_account(self) -> None:
        caller = Caller(ACCOUNT, SECRET, {}, "", b"p")

        digests = {
            digest(caller._replace(pepper=pepper), method, path, form)
            for pepper in (b"p", b"q")
            for method in ("POST", "DELETE")
            for path in ("/v1/a", "/v1/b")
            for form in ("", "card[number]=x")
        }

        assert len(digests) == 16

    def test_callers_of_two_accounts_have_two_peppers_and_those_of_one_account_one(self, gateway: Gateway) -> None:
        callers = [step(gateway.keys.caller(f"Bearer {text}")) for text in (SECRET_KEY, PUBLISHABLE_KEY)]
        new = step(api_keys.create(gateway.ports, OTHER_ACCOUNT.id, Wish(SECRET)))["secret"]
        stranger = step(gateway.keys.caller(f"Bearer {new}"))

        assert callers[0].pepper == callers[1].pepper != stranger.pepper

    def test_a_caller_shows_neither_key_nor_pepper(self, gateway: Gateway) -> None:
        caller = step(gateway.keys.caller(f"Bearer {SECRET_KEY}"))

        assert repr(caller) == "Caller('acct_rails', secret)"

    @pytest.mark.parametrize("text", ["", "sk", "4242424242424242", "x" * 20, "sk_test_" + "a" * 40])
    def test_a_hint_is_no_key(self, text: str) -> None:
        hint = hint_of(text)

        assert hint != text or not text
        assert len([letter for letter in hint if letter != "*"]) <= 12


class TestPepper:
    """The pepper is a file of its own beside the database, made once."""

    def test_it_is_the_same_at_every_start_and_its_owners_alone(self, tmp_path: Path) -> None:
        first = pepper_beside(tmp_path / "gateway.db", seeded("one"))
        second = pepper_beside(tmp_path / "gateway.db", seeded("two"))

        (file,) = tmp_path.iterdir()
        assert (first, len(first), file.name) == (second, 32, "gateway.pepper")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_a_file_that_is_none_of_ours_is_not_used(self, tmp_path: Path) -> None:
        for content in (b"", b"abcd", b"\xff" * 64, b"g" * 64):
            (tmp_path / "gateway.pepper").write_bytes(content)

            with pytest.raises(StoreError, match="not a pepper"):
                pepper_beside(tmp_path / "gateway.db", seeded("one"))

    def test_who_comes_second_takes_what_the_first_one_made(self, tmp_path: Path) -> None:
        def overtaken(count: int) -> bytes:
            (tmp_path / "gateway.pepper").write_text("ab" * 32)
            return bytes(count)

        assert pepper_beside(tmp_path / "gateway.db", overtaken) == b"\xab" * 32
        assert len(list(tmp_path.iterdir())) == 1
