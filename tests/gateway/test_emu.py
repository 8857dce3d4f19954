"""`/emu/v1` over a small house on real sockets: who may call, what is answered, what happens when a node is away."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.records import Intent, Method
from gateway.core.records_account import ApiKey
from gateway.core.telling import story_lines
from gateway.emu.app import BODY_MAX_BYTES
from gateway.emu.house import House
from gateway.emu.problems import answer_problem
from tests.support.duties import work_one
from tests.support.emu import ABSENT, OPERATOR, TRACE, SmallHouse, request, small_house
from tests.support.gateway import ACCOUNT, SECRET_KEY, declined, payment
from tests.support.messages import TEST_PAN

PROBLEM = "application/problem+json"


@pytest.fixture
def house() -> Iterator[SmallHouse]:
    with small_house() as opened:
        yield opened


@pytest.fixture
def client(house: SmallHouse) -> Iterator[httpx.Client]:
    with house.client() as opened:
        yield opened


def damaged(value: Any) -> Iterator[Any]:
    """Yield what is left of a body when half a character takes the place of one name or text, at any depth."""
    if isinstance(value, str):
        yield "\ud800"
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in damaged(item))
    if isinstance(value, dict):
        for name, item in value.items():
            yield {("\ud800" if known == name else known): kept for known, kept in value.items()}
            yield from ({**value, name: other} for other in damaged(item))


def pay(house: SmallHouse, **form: Any) -> httpx.Response:
    form = {name: str(value).lower() if value is True else str(value) for name, value in payment(**form).items()}
    url = house.url.removesuffix("/emu/v1") + "/v1/payment_intents"
    return httpx.post(url, data=form, headers={"authorization": f"Bearer {SECRET_KEY}"}, trust_env=False)


class TestAccess:
    """Everything is the operator's alone; only the description of the API is for everybody."""

    def test_every_operation_needs_the_key(self, house: SmallHouse) -> None:
        with house.client(None) as nobody, house.client(SECRET_KEY) as shop:
            document = nobody.get("/openapi.json").json()
            calls = [
                (method, path.replace("{id}", "key_1")) for path, item in document["paths"].items() for method in item
            ]

            refusals = [one.request(method, path) for method, path in calls for one in (nobody, shop)]

        assert len(calls) >= 18
        assert {answer.status_code for answer in refusals} == {401}
        assert {answer.headers["content-type"] for answer in refusals} == {PROBLEM}
        assert {answer.headers["www-authenticate"] for answer in refusals} == {'Bearer realm="cardrails /emu/v1"'}

    def test_a_browser_may_give_the_key_as_a_user_name(self, house: SmallHouse) -> None:
        header = "Basic " + base64.b64encode(f"{OPERATOR}:".encode()).decode()

        with house.client(None) as nobody:
            answers = [
                nobody.get("/cards", headers={"authorization": value}).status_code
                for value in (header, "Basic !!!", "Basic //79", "Bearer", "Digest x", "")
            ]

        assert answers == [200, 401, 401, 401, 401, 401]

    @pytest.mark.parametrize("scheme", [b"Basic ", b"basic ", b"Bearer ", b""])
    def test_no_bytes_open_anything_or_break_anything(self, house: SmallHouse, scheme: bytes) -> None:
        with house.client(None) as nobody:
            refusals = {
                nobody.get("/cards", headers={b"authorization": scheme + value}).status_code
                for value in (b"\xe9", b"\xff\xfe", b"=", b"////", "\u043a".encode(), b"a" * 5_000)
            }

        assert refusals == {401}

    def test_without_the_key_every_address_is_closed(self, house: SmallHouse) -> None:
        as_json, as_text = {"content-type": "application/json"}, {"content-type": "text/plain"}
        with house.client(None) as nobody:
            refusals = [
                nobody.get(""),
                nobody.get("/nope"),
                nobody.get("/openapi.json/"),
                nobody.delete("/hosts"),
                nobody.options("/hosts"),
                nobody.get("/messages", params={"limit": 0}),
                nobody.post("/clock/advance", content=b"{", headers=as_json),
                nobody.post("/clock/advance", content=b"x", headers=as_text),
                nobody.post("/clock/advance", content=b" " * (BODY_MAX_BYTES + 1), headers=as_json),
            ]
            described = [nobody.request(method, "/openapi.json").status_code for method in ("GET", "HEAD")]

        assert [answer.status_code for answer in refusals] == [401] * len(refusals)
        assert {answer.headers["www-authenticate"] for answer in refusals} == {'Bearer realm="cardrails /emu/v1"'}
        assert {answer.headers["content-type"] for answer in refusals} == {PROBLEM}
        assert described == [200, 200]

    def test_the_operators_key_opens_nothing_on_v1(self, house: SmallHouse) -> None:
        url = house.url.removesuffix("/emu/v1") + "/v1/customers"

        assert httpx.get(url, headers={"authorization": f"Bearer {OPERATOR}"}, trust_env=False).status_code == 401


class TestProblems:
    """Whatever goes wrong is a problem document that says where, and never says a card number back."""

    def shown(self, answer: httpx.Response) -> dict[str, Any]:
        body: dict[str, Any] = answer.json()
        assert answer.headers["content-type"] == PROBLEM
        assert body["status"] == answer.status_code
        assert body["title"]
        return body

    def test_of_the_router(self, client: httpx.Client) -> None:
        assert self.shown(client.get("/nothing"))["status"] == 404
        assert self.shown(client.post("/hosts"))["status"] == 405

    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [("PUT", "/keys/key_1", "DELETE, GET"), ("PATCH", "/faults", "DELETE, GET, POST"), ("POST", "/hosts", "GET")],
    )
    def test_a_wrong_method_is_told_all_the_right_ones(
        self, client: httpx.Client, method: str, path: str, allow: str
    ) -> None:
        answer = client.request(method, path)

        assert self.shown(answer)["detail"] == f"this address takes {allow}"
        assert answer.headers["allow"] == allow

    @pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/xml", ""])
    def test_of_a_body_that_does_not_say_that_it_is_json(
        self, house: SmallHouse, client: httpx.Client, kind: str
    ) -> None:
        headers = {"content-type": kind} if kind else {}

        answer = client.post("/clock/advance", content=b'{"by": "1h"}', headers=headers)

        assert self.shown(answer)["status"] == 415
        assert house.nodes["switch"].clock.version == 0

    def test_a_body_may_be_any_kind_of_json(self, client: httpx.Client) -> None:
        kinds = ["application/json", "application/json; charset=utf-8", "Application/Vnd.House+JSON"]

        answers = [
            client.post("/clock/advance", content=b'{"by": "1s"}', headers={"content-type": kind}) for kind in kinds
        ]

        assert [answer.status_code for answer in answers] == [200] * 3

    def test_of_a_query_and_a_body(self, client: httpx.Client) -> None:
        query = self.shown(client.get("/messages", params={"limit": 0, "nonsense": 1}))
        body = self.shown(client.post("/clock/advance", json={"by": "tomorrow", "x": 1}))
        none = self.shown(client.post("/clock/advance", content=b"{", headers={"content-type": "application/json"}))

        assert [flaw["where"] for flaw in query["errors"]] == ["query.limit", "query.nonsense"]
        assert [flaw["where"] for flaw in body["errors"]] == ["body.by", "body.x"]
        assert none["status"] == 422

    def test_of_a_body_that_is_too_long(self, client: httpx.Client) -> None:
        assert self.shown(client.post("/seed", content=b" " * (BODY_MAX_BYTES + 1)))["status"] == 413

    def test_a_card_number_is_not_said_back(self, client: httpx.Client) -> None:
        answers = [
            client.get(f"/traces/{TEST_PAN}"),
            client.get("/messages", params={TEST_PAN: TEST_PAN}),
            client.get("/messages", params={"node": TEST_PAN}),
            client.post("/seed", json={TEST_PAN: TEST_PAN, "account": f"acct_{TEST_PAN}"}),
            client.post("/faults", json={"node": TEST_PAN, "fault": {"direction": "in", "action": "drop"}}),
        ]

        assert [answer.status_code for answer in answers] == [404, 422, 404, 422, 404]
        assert TEST_PAN not in "".join(answer.text for answer in answers)

    def test_half_a_character_is_refused_wherever_it_is(self, house: SmallHouse, client: httpx.Client) -> None:
        bodies = [
            (path.replace("{id}", "key_1"), body)
            for path, item in house.app.openapi()["paths"].items()
            if "requestBody" in item.get("post", {})
            for example in item["post"]["requestBody"]["content"]["application/json"]["examples"].values()
            for body in damaged(example["value"])
        ]

        for path, body in bodies:
            answer = client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})

            assert (path, body, self.shown(answer)["status"]) == (path, body, 422)
            assert answer.json()["errors"], "it is refused as a body, before anything looks into it"
        assert len({path for path, _ in bodies}) >= 7
        assert any("\ud800" in body.get("scopes", ()) for _, body in bodies)

    @given(before=st.text("a\xe9\u043a ", max_size=20), half=st.characters(categories=["Cs"]))
    def test_any_text_can_be_told(self, before: str, half: str) -> None:
        body = json.loads(answer_problem(422, before + half).body)

        assert body["detail"] == f"{before}\\u{ord(half):04x}"

    def test_of_a_node_that_refuses_or_does_not_answer(self, client: httpx.Client) -> None:
        fault = {"link": "nobody", "direction": "in", "action": "drop"}

        refused = self.shown(client.post("/faults", json={"node": "switch", "fault": fault}))
        absent = self.shown(client.post("/faults", json={"node": "nobody", "fault": {**fault, "link": ""}}))

        assert (refused["status"], absent["status"]) == (422, 404)
        assert "there is no link" in refused["detail"]

    def test_of_a_defect(self, house: SmallHouse, client: httpx.Client) -> None:
        house.gateway.requests.find = None  # type: ignore[method-assign,assignment]

        body = self.shown(client.get("/traces"))

        assert body["detail"] == "a defect of the gateway; its log says more"


class TestTraces:
    """A request is found by its id, its trace and its payment, with what the nodes saw of it."""

    def test_requests_are_listed_page_by_page(self, house: SmallHouse, client: httpx.Client) -> None:
        made = [pay(house).headers["request-id"] for _ in range(3)]

        first = client.get("/traces", params={"limit": 2}).json()
        second = client.get("/traces", params={"limit": 2, "cursor": first["next_cursor"]}).json()

        shown = [one["request"] for one in first["data"] + second["data"]]
        assert shown == made[::-1]
        assert second["next_cursor"] is None

    def test_a_filter_leaves_the_others_out(self, house: SmallHouse, client: httpx.Client) -> None:
        pay(house)
        pay(house, nonsense=1)

        found = client.get("/traces", params={"status": 400, "account": ACCOUNT.id, "method": "POST"}).json()["data"]

        assert [one["status"] for one in found] == [400]

    def test_every_name_leads_to_the_same_steps(self, house: SmallHouse, client: httpx.Client) -> None:
        answer = pay(house)
        body, trace = answer.json(), answer.headers["emu-trace-id"]
        house.cross("gateway", "acquirer", request(trace=trace), "out")

        names = [answer.headers["request-id"], trace, body["id"], body["latest_charge"]]
        found = [client.get(f"/traces/{name}").json() for name in names]

        assert [one["steps"] for one in found] == [found[0]["steps"]] * 4
        assert {step["step"] for step in found[0]["steps"]} == {"http", "hsm", "iso8583"}
        assert [one["traces"] for one in found] == [[trace]] * 4

    def test_people_read_the_same_steps_as_lines(self, house: SmallHouse, client: httpx.Client) -> None:
        answer = pay(house)
        house.cross("gateway", "acquirer", request(trace=answer.headers["emu-trace-id"]), "out")
        steps = client.get(f"/traces/{answer.json()['id']}").json()["steps"]

        short, long = (client.get(f"/traces/{answer.json()['id']}/text", params={"bytes": more}) for more in (0, 1))

        silent = f"{ABSENT}: 404 no such node in this process; what it knows is missing"
        assert short.headers["content-type"] == "text/plain; charset=utf-8"
        assert short.text.splitlines() == [*story_lines(steps, with_bytes=False), silent]
        assert long.text.splitlines() == [*story_lines(steps, with_bytes=True), silent]
        assert len(long.text) > len(short.text)
        assert client.get("/traces/pi_0/text").status_code == 404

    def test_what_a_silent_node_knows_is_missing(self, house: SmallHouse, client: httpx.Client) -> None:
        body = pay(house).json()

        assert [one["node"] for one in client.get(f"/traces/{body['id']}").json()["silent"]] == [ABSENT]

    def test_a_name_is_not_unknown_because_nobody_could_be_asked(self, house: SmallHouse, client: httpx.Client) -> None:
        body = pay(house).json()
        house.urls["gateway"] = "http://127.0.0.1:1"

        answer = client.get(f"/traces/{body['id']}")

        assert (answer.status_code, answer.json()["detail"].split(":")[0]) == (503, "gateway")

    def test_nothing_is_kept_of_it(self, client: httpx.Client) -> None:
        names = ["pi_0", "ch_0", "re_0", "req_0", "0" * 32, "seti_0", "x"]

        assert [client.get(f"/traces/{name}").status_code for name in names] == [404] * 7

    def test_the_log_url_of_an_error_is_its_trace(self, house: SmallHouse, client: httpx.Client) -> None:
        url = pay(house, nonsense=1).json()["error"]["request_log_url"]

        found = client.get(url).json()

        assert [step["error"] for step in found["steps"]] == ["invalid_request_error parameter_unknown"]


class TestMessages:
    """What crossed the links, of all nodes in order of time; a cursor goes on exactly where the page ended."""

    def filled(self, house: SmallHouse) -> None:
        for number in range(1, 6):
            node, link = (("switch", "acquirer"), ("issuer-a", "network"))[number % 2]
            house.cross(node, link, request(f"{number:06}"), second=number)

    def test_pages_are_whole(self, house: SmallHouse, client: httpx.Client) -> None:
        self.filled(house)
        stans: list[str] = []
        cursor = ""

        for _ in range(3):
            page = client.get("/messages", params={"limit": 2, "cursor": cursor}).json()
            stans += [one["fields"]["11"] for one in page["data"]]
            cursor = page["next_cursor"]

        assert stans == [f"{number:06}" for number in range(1, 6)]
        assert not page["has_more"]

    def test_the_last_cursor_finds_what_crosses_later(self, house: SmallHouse, client: httpx.Client) -> None:
        self.filled(house)
        cursor = client.get("/messages", params={"newest": True, "limit": 1}).json()["next_cursor"]
        house.cross("switch", "acquirer", request("000009"), second=9)

        later = client.get("/messages", params={"cursor": cursor}).json()["data"]

        assert [one["fields"]["11"] for one in later] == ["000009"]

    def test_the_newest_are_the_end_of_all(self, house: SmallHouse, client: httpx.Client) -> None:
        self.filled(house)

        page = client.get("/messages", params={"newest": True, "limit": 2}).json()

        assert [one["fields"]["11"] for one in page["data"]] == ["000004", "000005"]

    def test_filters_and_silent_nodes(self, house: SmallHouse, client: httpx.Client) -> None:
        self.filled(house)
        house.remark("switch", "acquirer", "0110 000001: late")

        def found(**wanted: str) -> int:
            return len(client.get("/messages", params=wanted).json()["data"])

        assert found(node="switch") == 3
        assert found(direction="note") == 1
        assert found(stan="000003", mti="0100", link="network", trace=TRACE, rrn="632613000001") == 1
        assert found(since="2100-01-01T00:00:00Z") == 0
        assert [one["node"] for one in client.get("/messages").json()["silent"]] == [ABSENT]

    def test_card_numbers_are_masked(self, house: SmallHouse, client: httpx.Client) -> None:
        self.filled(house)

        text = client.get("/messages").text

        assert TEST_PAN not in text
        assert TEST_PAN.encode().hex() not in text.lower()

    @pytest.mark.parametrize("cursor", ["switch", "switch:x", "switch:-1", ":1", "switch:1,", "s" * 65 + ":1"])
    def test_a_cursor_that_is_none(self, client: httpx.Client, cursor: str) -> None:
        assert client.get("/messages", params={"cursor": cursor}).status_code == 422


class TestHouse:
    """Hosts, clock, faults, reset: each says what it could not do, and where."""

    def test_hosts_that_are_away_are_listed(self, client: httpx.Client) -> None:
        hosts = {one["node"]: one for one in client.get("/hosts").json()["data"]}

        assert [hosts[name]["is_up"] for name in ("switch", ABSENT)] == [True, False]
        assert hosts["switch"]["links"][0] == {"name": "acquirer", "is_up": True, "in": 1}
        assert hosts["switch"]["counters"] == {"tombstones": 2}
        assert hosts[ABSENT]["reason"]

    def test_business_time_moves_where_somebody_answers(self, house: SmallHouse, client: httpx.Client) -> None:
        moved = client.post("/clock/advance", json={"by": "36h"}).json()

        assert {(clock["offset_s"], clock["version"]) for clock in moved["data"]} == {(36 * 3600.0, 1)}
        assert ([one["node"] for one in moved["silent"]], moved["agree"]) == ([ABSENT], False)
        assert house.nodes["switch"].clock.offset.total_seconds() == 36 * 3600

    @pytest.mark.parametrize("by", ["999999w", "2601bd"])
    def test_business_time_does_not_go_too_far(self, house: SmallHouse, client: httpx.Client, by: str) -> None:
        assert client.post("/clock/advance", json={"by": by}).status_code == 409
        assert house.nodes["switch"].clock.version == 0

    def test_faults_are_armed_listed_and_cleared(self, client: httpx.Client) -> None:
        fault = {
            "link": "acquirer",
            "direction": "in",
            "mti": "0100",
            "action": "drop",
            "match": f'de2 == "{TEST_PAN}"',
        }

        armed = client.post("/faults", json={"node": "switch", "fault": fault})
        listed = client.get("/faults", params={"node": "switch"})
        cleared = client.delete("/faults").json()

        assert armed.status_code == 201
        assert [one["action"] for one in listed.json()["data"][0]["armed"]] == ["drop"]
        assert TEST_PAN not in armed.text + listed.text
        assert (cleared["done"], [one["node"] for one in cleared["silent"]]) == (
            ["gateway", "switch", "issuer-a"],
            [ABSENT],
        )

    def test_a_reset_says_what_it_leaves(self, client: httpx.Client) -> None:
        answer = client.post("/reset", json={"what": ["faults"]}).json()

        assert answer["reset"] == {"faults": ["gateway", "switch", "issuer-a"]}
        assert "books and ledgers" in [one["what"] for one in answer["kept"]]

    def test_nothing_is_emptied_while_a_node_is_away(self, house: SmallHouse, client: httpx.Client) -> None:
        emptied = list[str]()
        for node in house.nodes.values():
            node.empty = lambda: emptied

        answer = client.post("/reset", json={"what": ["everything"]})

        assert (answer.status_code, answer.headers["content-type"]) == (409, PROBLEM)
        assert ABSENT in answer.json()["detail"]
        assert emptied == []

    def test_every_process_is_asked_once_and_the_gateways_own_is_the_last(self) -> None:
        urls = {"hsm": "http://a", "gateway": "http://g", "switch": "http://g", "issuer-a": "http://a"}

        assert House(lambda: urls, "").processes == [["hsm", "issuer-a"], ["gateway", "switch"]]

    def test_a_house_that_nobody_starts_again_is_not_emptied(self, house: SmallHouse, client: httpx.Client) -> None:
        del house.urls[ABSENT]

        answer = client.post("/reset", json={"what": ["everything"]})

        assert answer.status_code == 409
        assert "stop it, and use another folder" in answer.json()["detail"]

    def test_cards_are_masked_and_have_names(self, client: httpx.Client) -> None:
        card = client.get("/cards").json()["data"][0]

        assert (card["number"], card["names"]) == ("424242******4242", ["pm_card_visa"])


class TestSeed:
    """Seeded payments are real ones: they go to the acquirer, and are in the books and in the request log."""

    def test_payments_are_made_with_different_cards(self, house: SmallHouse, client: httpx.Client) -> None:
        made = client.post("/seed", json={"account": ACCOUNT.id, "payments": 5}).json()

        assert made["statuses"] == {"succeeded": 5}
        assert len({message.pan for message in house.gateway.acquirer.sent("0100")}) == 5
        assert client.get(f"/traces/{made['payments'][0]}").status_code == 200

    def test_customers_have_a_card_and_pay_in_turn(self, house: SmallHouse, client: httpx.Client) -> None:
        wanted = {"account": ACCOUNT.id, "customers": 2, "payments": 4}

        made = client.post("/seed", json=wanted).json()

        assert len(set(made["customers"])) == 2
        rows = house.portal.call(house.gateway.store.read, lambda books: books.find(Intent, {}))
        assert [row.customer for row in sorted(rows, key=lambda row: made["payments"].index(row.id))] == (
            made["customers"] * 2
        )
        methods = house.portal.call(house.gateway.store.read, lambda books: books.find(Method, {}))
        assert {row.customer for row in methods if row.customer} == set(made["customers"])
        paths = {client.get(f"/traces/{name}").json()["steps"][0]["path"] for name in made["customers"]}
        assert paths == {"/emu/v1/seed"}

    @pytest.mark.parametrize("wanted", [{"payments": 101}, {"customers": 101}, {"payments": -1}, {"amount": 99}])
    def test_beyond_the_bounds(self, client: httpx.Client, wanted: dict[str, int]) -> None:
        assert client.post("/seed", json={"account": ACCOUNT.id, **wanted}).status_code == 422

    def test_nobody_to_make_them_for(self, client: httpx.Client) -> None:
        assert client.post("/seed", json={"account": "acct_nobody"}).status_code == 404


class TestKeys:
    """The operator makes, rolls and revokes keys; the text of a key is in one answer only."""

    def test_the_life_of_a_key(self, house: SmallHouse, client: httpx.Client) -> None:
        wanted = {"account": ACCOUNT.id, "kind": "restricted", "scopes": {"charge": "read"}, "name": "reports"}

        made = client.post("/keys", json=wanted).json()
        rolled = client.post(f"/keys/{made['id']}/roll", json={"overlap_s": 60}).json()
        revoked = client.delete(f"/keys/{rolled['id']}").json()
        listed = client.get("/keys", params={"account": ACCOUNT.id})

        assert made["secret"].startswith("rk_test_")
        assert rolled["secret"] != made["secret"]
        assert revoked["status"] == "revoked"
        assert {one["id"] for one in listed.json()["data"]} >= {made["id"], rolled["id"]}
        assert made["secret"] not in listed.text + client.get(f"/keys/{made['id']}").text
        assert made["secret"] not in json.dumps([row._asdict() for row in self.rows(house)])

    def test_what_breaks_a_rule_is_refused(self, client: httpx.Client) -> None:
        bad = {"account": ACCOUNT.id, "kind": "secret", "scopes": {"charge": "read"}}

        assert client.post("/keys", json=bad).status_code == 422
        assert client.post("/keys", json={"account": "acct_nobody", "kind": "secret"}).status_code == 404
        assert [client.request(method, "/keys/key_0").status_code for method in ("GET", "DELETE")] == [404, 404]

    def rows(self, house: SmallHouse) -> list[ApiKey]:
        rows: list[ApiKey] = house.portal.call(house.gateway.store.read, lambda books: books.find(ApiKey, {}))
        return rows


class TestDuties:
    """What the acquirer has refused for good is shown with its code, and sent again when an operator says so."""

    def test_a_refused_capture_is_found_and_sent_again(self, house: SmallHouse, client: httpx.Client) -> None:
        house.gateway.acquirer.capture_script = declined("64")
        payment_id = pay(house, amount=1999).json()["id"]
        house.portal.call(work_one, house.gateway.ports, "worker")

        (shown,) = client.get("/duties").json()["data"]
        again = client.post("/duties/resend", json={"send": shown["send"]})
        twice = client.post("/duties/resend", json={"send": shown["send"]})
        none = client.post("/duties/resend", json={"send": "ch_none/capture/1"})

        assert (shown["payment"], shown["kind"], shown["state"], shown["code"]) == (
            payment_id,
            "capture",
            "refused",
            "64",
        )
        assert (again.status_code, again.json()["state"], again.json()["code"]) == (200, "open", None)
        assert [(answer.status_code, answer.headers["content-type"]) for answer in (twice, none)] == [
            (409, PROBLEM),
            (404, PROBLEM),
        ]
        assert client.get("/duties").json() == {"data": []}
        assert len(client.get("/duties", params={"state": "open"}).json()["data"]) == 1
