"""Events: every change leaves one, with the object as it was, and nothing that was undone does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import events
from gateway.core.books import Books
from gateway.core.events import TYPES, Cause, changes, emit, emit_update, matching
from gateway.core.records_account import Event
from gateway.memory import MemoryStore
from tests.support.gateway import OTHER_SECRET_KEY, Shop, written
from tests.support.oracle import check

CAUSE = Cause("acct_rails", 1_773_480_413, b"s" * 16, "req_1", "key-1")
OTHER = {"authorization": f"Bearer {OTHER_SECRET_KEY}"}


def types(answer: Any) -> list[str]:
    return [item["type"] for item in answer.json()["data"]]


def customer(name: str = "Ada", **metadata: str) -> dict[str, Any]:
    return {"id": "cus_1", "object": "customer", "name": name, "metadata": metadata}


class TestEmit:
    """An event is a row of the same unit of work as the change that it tells of."""

    def test_a_unit_of_work_that_runs_again_emits_the_same_event(self) -> None:
        stores = MemoryStore(), MemoryStore()

        for store in stores:
            written(store, lambda books: emit(books, CAUSE, "customer.created", customer()))

        first, second = (store.books.find(Event, {}) for store in stores)
        assert first == second
        assert first[0].id.startswith("evt_")

    def test_another_cause_makes_another_event(self) -> None:
        store = MemoryStore()

        for seed in (b"a" * 16, b"b" * 16):
            written(store, lambda books: emit(books, CAUSE._replace(seed=seed), "customer.created", customer()))  # noqa: B023

        assert len({row.id for row in store.books.find(Event, {})}) == 2

    def test_what_is_undone_leaves_no_event(self) -> None:
        store = MemoryStore()

        def work(books: Books) -> None:
            emit(books, CAUSE, "customer.created", customer())
            raise ValueError("refused after all")

        with pytest.raises(ValueError, match="refused"):
            written(store, work)

        assert store.books.find(Event, {}) == []

    def test_an_update_that_changes_nothing_is_no_event(self) -> None:
        store = MemoryStore()

        written(store, lambda books: emit_update(books, CAUSE, "customer.updated", customer(), customer()))

        assert store.books.find(Event, {}) == []

    def test_a_type_that_is_not_in_the_table_is_a_mistake_of_ours(self) -> None:
        with pytest.raises(AssertionError):
            written(MemoryStore(), lambda books: emit(books, CAUSE, "customer.creatd", customer()))

    @given(st.sampled_from(sorted(TYPES)))
    def test_every_type_is_one_that_the_official_client_knows(self, kind: str) -> None:
        row = Event("evt_1", "acct_1", 0, kind, "{}", None, None, None, events.API_VERSION)

        assert [finding for finding in check(events.render(row)) if finding.startswith("$.type")] == []


_VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.lists(st.integers(0, 1), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
_SHAPES = st.dictionaries(st.sampled_from("abcd"), _VALUES, max_size=4)


class TestPreviousAttributes:
    """What changed is told by its former value, and by nothing else."""

    def test_hashes_are_compared_member_by_member(self) -> None:
        before = {"name": "Ada", "metadata": {"a": "1", "b": "2"}, "list": [1, 2]}
        after = {"name": "Ada", "metadata": {"b": "3", "c": "4"}, "list": [1]}

        assert changes(before, after) == {"metadata": {"a": "1", "b": "2", "c": None}, "list": [1, 2]}

    @given(_SHAPES)
    def test_nothing_changed_is_the_empty_hash(self, shape: dict[str, Any]) -> None:
        assert changes(shape, shape) == {}

    @given(_SHAPES, _SHAPES)
    def test_the_former_object_comes_back_from_the_new_one_and_what_changed(
        self, before: dict[str, Any], after: dict[str, Any]
    ) -> None:
        def restored(new: Any, former: Any) -> Any:
            if not (isinstance(new, dict) and isinstance(former, dict)):
                return former
            return {**new, **{name: restored(new.get(name), value) for name, value in former.items()}}

        def told(value: Any) -> Any:
            """A member that is null and one that is absent are told alike."""
            if not isinstance(value, dict):
                return value
            return {name: told(item) for name, item in value.items() if told(item) not in (None, {})}

        assert told(restored(after, changes(before, after))) == told(before)


class TestGroups:
    """A star stands for any part of a type's name."""

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ("customer.created", ("customer.created",)),
            ("customer.*", ("customer.created", "customer.deleted", "customer.updated")),
            ("no.such.type", ("no.such.type",)),
            ("no.*", ()),
            ("*", None),
        ],
    )
    def test_a_group_is_its_types(self, wanted: str, found: tuple[str, ...] | None) -> None:
        assert matching(wanted) == found


class TestRoutes:
    """The events of an account are listed newest first, and fetched one by one, by that account alone."""

    def test_the_life_of_a_customer_is_told_in_order(self, shop: Shop) -> None:
        made = shop.post("/v1/customers", {"name": "Ada", "metadata": {"a": "1"}}, idempotency_key="once")
        name = made.json()["id"]
        shop.post(f"/v1/customers/{name}", {"name": "Eve", "metadata": {"b": "2"}})
        shop.post("/v1/payment_methods/pm_card_visa/attach", {"customer": name})
        deleted = shop.send("DELETE", f"/v1/customers/{name}")

        listed = shop.get("/v1/events")

        assert types(listed) == [
            "customer.deleted",
            "payment_method.detached",
            "payment_method.attached",
            "customer.updated",
            "customer.created",
        ]
        gone, detached, attached, updated, created = listed.json()["data"]
        assert created["data"] == {"object": made.json()}
        assert created["request"] == {"id": made.headers["request-id"], "idempotency_key": "once"}
        assert updated["data"]["previous_attributes"] == {"name": "Ada", "metadata": {"b": None}}
        assert (updated["data"]["object"]["name"], updated["data"]["object"]["id"]) == ("Eve", name)
        assert attached["data"]["object"]["customer"] == name
        assert detached["data"]["previous_attributes"] == {"customer": name}
        assert gone["data"]["object"] == updated["data"]["object"]
        assert (gone["request"]["id"], gone["pending_webhooks"]) == (deleted.headers["request-id"], 0)
        assert check(listed.json()) == []
        assert [check(item["data"]["object"]) for item in listed.json()["data"]] == [[]] * 5

    def test_a_replayed_request_is_no_second_event(self, shop: Shop) -> None:
        for _ in range(3):
            shop.post("/v1/customers", {"name": "Ada"}, idempotency_key="once")

        assert types(shop.get("/v1/events")) == ["customer.created"]

    def test_a_refused_request_is_no_event(self, shop: Shop) -> None:
        shop.post("/v1/customers", {"name": "Ada", "payment_method": "pm_0"})

        assert types(shop.get("/v1/events")) == []

    def test_a_snapshot_stays_as_it_was(self, shop: Shop) -> None:
        made = shop.post("/v1/customers", {"name": "Ada"}).json()
        event = shop.get("/v1/events").json()["data"][0]

        shop.post(f"/v1/customers/{made['id']}", {"name": "Eve"})

        assert shop.get(f"/v1/events/{event['id']}").json() == event
        assert event["data"]["object"] == made

    def test_types_and_groups_narrow_and_pages_still_walk(self, shop: Shop) -> None:
        names = [shop.post("/v1/customers").json()["id"] for _ in range(3)]
        for name in names:
            shop.post(f"/v1/customers/{name}", {"name": "Ada"})
        shop.send("DELETE", f"/v1/customers/{names[0]}")

        one = shop.get("/v1/events?type=customer.deleted")
        group = shop.get("/v1/events?type=customer.*&limit=100")
        both = "types[]=customer.created&types[]=customer.deleted"
        first = shop.get(f"/v1/events?{both}&limit=2").json()
        rest = shop.get(f"/v1/events?{both}&limit=2&starting_after={first['data'][-1]['id']}").json()
        back = shop.get(f"/v1/events?{both}&limit=2&ending_before={rest['data'][0]['id']}").json()

        assert types(one) == ["customer.deleted"]
        assert types(group) == ["customer.deleted"] + ["customer.updated"] * 3 + ["customer.created"] * 3
        assert [item["type"] for item in first["data"] + rest["data"]] == ["customer.deleted"] + [
            "customer.created"
        ] * 3
        assert (first["has_more"], rest["has_more"]) == (True, False)
        assert back["data"] == first["data"]

    def test_every_event_counts_as_delivered_while_there_are_no_webhooks(self, shop: Shop) -> None:
        shop.post("/v1/customers")

        assert types(shop.get("/v1/events?delivery_success=true")) == ["customer.created"]
        assert types(shop.get("/v1/events?delivery_success=false")) == []

    @pytest.mark.parametrize(
        ("query", "param"),
        [
            ("type=a&types[]=b", "types"),
            ("types=a", "types"),
            ("delivery_success=maybe", "delivery_success"),
            ("starting_after=evt_0", "starting_after"),
            ("&".join(f"types[]=t{number}" for number in range(21)), "types"),
        ],
    )
    def test_a_wrong_filter_is_refused(self, memory_shop: Shop, query: str, param: str) -> None:
        answer = memory_shop.get(f"/v1/events?{query}")

        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)

    def test_another_account_has_other_events(self, shop: Shop) -> None:
        shop.post("/v1/customers")
        event = shop.get("/v1/events").json()["data"][0]["id"]

        assert types(shop.get("/v1/events", **OTHER)) == []
        assert shop.get(f"/v1/events/{event}", **OTHER).status_code == 404
        assert shop.get(f"/v1/events?starting_after={event}", **OTHER).status_code == 400
