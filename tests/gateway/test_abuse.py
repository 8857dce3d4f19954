"""What an attacker tries, one test each: nothing is told, nothing is spent, nothing breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.routes import ENDPOINTS, Endpoint
from gateway.core import specs
from gateway.core.errors import ApiError
from gateway.core.parameters import Hash, Text
from gateway.handlers.intents import check_secret
from iso.private import TOKEN_CRYPTOGRAM, parse_private
from tests.support.belongings import ABSENT, belongings, path_of, places
from tests.support.gateway import (
    ACCOUNT,
    CARD,
    OTHER_ACCOUNT,
    OTHER_SECRET_KEY,
    PAN,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    Gateway,
    Shop,
    call,
    flat,
    open_shop,
    payment,
    step,
)
from tests.support.steps import steps_of

BODY_MAX = 20_000
ANSWER_MAX = 10_000
THEIRS = {"authorization": f"Bearer {OTHER_SECRET_KEY}"}
PUBLIC = {"authorization": f"Bearer {PUBLISHABLE_KEY}"}


@pytest.fixture(scope="module")
def wide_shop() -> Iterator[Shop]:
    """Two shops that have done business; the first one's objects are `owned`."""
    with open_shop() as opened:
        yield opened


@pytest.fixture(scope="module")
def owned(wide_shop: Shop) -> dict[str, str]:
    return belongings(wide_shop, ACCOUNT.id)


@pytest.fixture(scope="module")
def their_own(wide_shop: Shop) -> dict[str, str]:
    """What the other shop owns itself."""
    return belongings(wide_shop, OTHER_ACCOUNT.id, OTHER_SECRET_KEY)


def error(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


class Wire:
    """Speaks ASGI itself, so that what no HTTP library would send can be sent, and what is read can be counted."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.read_bytes = 0
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    def send(self, method: str, path: str, headers: list[tuple[bytes, bytes]], body: Iterator[bytes] | None) -> None:
        """Send one request; `body` None means that the client goes away before its body is whole."""
        pieces = iter(()) if body is None else body

        async def receive() -> dict[str, Any]:
            piece = next(pieces, None)
            if piece is None and body is None:
                return {"type": "http.disconnect"}
            self.read_bytes += len(piece or b"")
            return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

        async def take(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.status, self.headers = message["status"], list(message["headers"])
            else:
                self.body += message.get("body", b"")

        raw, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": raw,
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        self.shop.portal.call(self.shop.gateway.app, scope, receive, take)


AUTHORISED = [
    (b"authorization", f"Bearer {SECRET_KEY}".encode()),
    (b"content-type", b"application/x-www-form-urlencoded"),
]


class TestBodies:
    """What is too much is refused before it costs anything, with an answer that is small itself."""

    def test_a_body_without_end_is_read_no_further_than_its_limit(self, memory_shop: Shop) -> None:
        wire = Wire(memory_shop)

        wire.send("POST", "/v1/customers", AUTHORISED, iter(lambda: b"description=" + b"x" * 988, None))

        assert wire.status == 413
        assert wire.read_bytes <= BODY_MAX + 1000

    def test_a_body_that_announces_too_much_is_not_read_at_all(self, memory_shop: Shop) -> None:
        wire = Wire(memory_shop)

        wire.send("POST", "/v1/customers", [*AUTHORISED, (b"content-length", b"99999999999")], iter((b"name=x",)))

        assert (wire.status, wire.read_bytes) == (413, 0)

    @pytest.mark.parametrize("length", [b"-1", b"1e9", b"\xb2", b"", b"6, 6", b"9" * 5_000])
    def test_a_length_that_is_none_breaks_nothing(self, memory_shop: Shop, length: bytes) -> None:
        wire = Wire(memory_shop)

        wire.send("POST", "/v1/customers", [*AUTHORISED, (b"content-length", length)], iter((b"name=x",)))

        assert wire.status in (200, 413)

    def test_a_body_that_breaks_off_is_not_carried_out(self, memory_shop: Shop) -> None:
        wire = Wire(memory_shop)

        wire.send("POST", "/v1/customers", AUTHORISED, None)

        assert wire.status == 400
        assert memory_shop.gateway.rows() == []

    @pytest.mark.parametrize(
        "body",
        [
            "a" + "[b]" * 5_000 + "=1",
            "a" + "[" * 15_000 + "=1",
            "a" + "]" * 15_000 + "=1",
            "metadata" + "[" * 100 + "]" * 100 + "=1",
            "&".join(f"metadata{'[a]' * depth}=1" for depth in range(1, 60)),
            "&".join("a[]" for _ in range(5_000)),
            "&".join(f"p{number}=1" for number in range(1_000)),
            "&".join(f"expand[{number}]=customer" for number in range(800)),
            f"expand[{'9' * 400}]=customer",
            "&" * 19_999,
            "=" * 19_999,
            "%" * 19_999,
            "metadata[" + "k" * 490 + "]=1",
            "card[number][number][number]=4",
        ],
        ids=lambda body: f"{body[:12]}...{len(body)}",
    )
    def test_a_bracket_bomb_is_a_small_refusal(self, memory_shop: Shop, body: str) -> None:
        answers = [memory_shop.post(path, body) for path in ("/v1/payment_methods", "/v1/payment_intents")]

        assert {answer.status_code for answer in answers} == {400}
        assert max(len(answer.content) for answer in answers) < ANSWER_MAX

    def test_a_packed_body_is_not_unpacked(self, memory_shop: Shop) -> None:
        answer = memory_shop.send(
            "POST",
            "/v1/customers",
            b"\x1f\x8b\x08\x00" + b"\xff" * 40,  # type: ignore[arg-type]
            content_encoding="gzip",
        )

        assert answer.status_code == 400

    def test_a_refusal_does_not_repeat_a_long_value(self, memory_shop: Shop) -> None:
        answers = [
            memory_shop.post("/v1/payment_intents", payment(**{name: "y" * 15_000}))
            for name in ("amount", "currency", "customer", "payment_method", "off_session", "confirm", "metadata")
        ]

        assert [answer.status_code for answer in answers] == [400] * 7
        assert max(len(answer.content) for answer in answers) < ANSWER_MAX


HOSTILE = (
    b"x\r\nset-cookie: owned=1",
    b"x\nlocation: http://evil.example",
    b"\r\n\r\n<script>",
    b"\x00",
    b"\xff\xfe\xfd",
    "ключ".encode(),
    b"a" * 5_000,
    b"",
    b"%0d%0aset-cookie: owned=1",
    b"Basic \xe9",
    b"Basic //79",
    b"Bearer \xe9",
)
SCHEMES = (b"", b"Basic ", b"basic ", b"Bearer ", b"bearer ")
ECHOED = (
    *(b"idempotency-key", b"stripe-version", b"host", b"origin", b"access-control-request-headers"),
    *(b"stripe-account", b"authorization", b"content-type", b"x-request-id", b"x-forwarded-host"),
)


def sound_headers(wire: Wire) -> None:
    """Check that an answer has the headers that it should have, and nothing in them that ends a line."""
    names = {name for name, _ in wire.headers}
    assert not names & {b"set-cookie", b"location"}
    assert all(name.islower() for name in names)
    assert not any(mark in value for _, value in wire.headers for mark in (b"\r", b"\n", b"\0"))
    # What is shown of a client's text is never more than text.
    assert not wire.body or (b"content-type", b"application/json") in wire.headers
    assert 200 <= wire.status < 500


class TestHeaders:
    """Nothing that a client puts into a header comes back as a header of ours."""

    @pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
    @pytest.mark.parametrize("name", ECHOED)
    def test_a_header_is_never_injected(self, wide_shop: Shop, name: bytes, hostile: bytes) -> None:
        for method in ("POST", "GET", "OPTIONS"):
            wire = Wire(wide_shop)
            kept = [pair for pair in AUTHORISED if pair[0] != name]

            wire.send(method, "/v1/customers", [*kept, (name, hostile)], iter((b"",)))

            sound_headers(wire)

    @given(
        headers=st.lists(
            st.tuples(
                st.sampled_from(ECHOED), st.builds(bytes.__add__, st.sampled_from(SCHEMES), st.binary(max_size=40))
            ),
            max_size=4,
            unique_by=lambda pair: pair[0],
        ),
        method=st.sampled_from(["GET", "POST", "DELETE", "OPTIONS", "HEAD", "PUT"]),
    )
    def test_any_bytes_in_any_header(self, wide_shop: Shop, headers: list[tuple[bytes, bytes]], method: str) -> None:
        wire, given_ones = Wire(wide_shop), {name for name, _ in headers}
        kept = [pair for pair in AUTHORISED if pair[0] not in given_ones]

        wire.send(method, "/v1/customers/cus_0", [*kept, *headers], iter((b"",)))

        sound_headers(wire)


KIND_OF = {
    "charge": "charge",
    "customer": "customer",
    "default_payment_method": "payment_method",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
    "setup_intent": "setup_intent",
    "source": "charge",
    "token": "token",
}
"""Parameter that holds an id to the kind of object that it names; a cursor names one of what its list lists."""
CURSORS = ("starting_after", "ending_before")
NO_IDS = frozenset({"client_secret", "page", "template", "test_clock"})
"""Parameters that look like ids and name no object that an account could have."""
LEAST: Mapping[str, Any] = {
    "amount": 5000,
    "card": {**CARD},
    "confirm": True,
    "currency": "usd",
    "query": 'metadata["a"]:"b"',
    "type": "card",
}
"""What a form has to have besides the id, where its operation knows it."""


def naming(endpoint: Endpoint) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield where an operation takes an id, and of which kind of object."""

    def within(spec: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
        for name, field in spec.items():
            if isinstance(field, Hash):
                yield from within(field.fields, (*path, name))
            elif isinstance(field, Text) and field.longest in (100, 255) and name not in NO_IDS:
                kind = endpoint.kind if name in CURSORS else KIND_OF.get(name, "")
                if kind or field.longest == 255:
                    yield (*path, name), kind

    yield from within(endpoint.spec, ())


NAMED = [(endpoint, *where) for endpoint in ENDPOINTS for where in naming(endpoint)]


def form_with(endpoint: Endpoint, path: tuple[str, ...], identifier: str) -> dict[str, Any]:
    """Return a form that names an object, and has what else has to be there."""
    name, *rest = path
    form = {name: value for name, value in LEAST.items() if name in endpoint.spec}
    if not rest:
        return {**form, name: identifier}
    inner = {"type": "card", "card": {"token": identifier}}
    return {
        **form,
        name: {"token": identifier} if rest == ["token"] else inner if "card" in rest else {rest[-1]: identifier},
    }


def without_ids(answer: Any, identifier: str) -> tuple[int, str]:
    """Return an answer as it would read about any id."""
    members = {name: value for name, value in answer.json().get("error", {}).items() if name != "request_log_url"}
    return answer.status_code, repr(members or answer.json()).replace(identifier, "{id}")


class TestOtherAccounts:
    """Another account's objects are answered exactly as objects that never were, and stay as they are."""

    @pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS if places(one)], ids=name_of)
    def test_its_ids_in_the_path_are_as_absent_as_ids_that_never_were(
        self, wide_shop: Shop, owned: dict[str, str], endpoint: Endpoint
    ) -> None:
        before = dict(enumerate(wide_shop.gateway.rows()))

        form = {"customer": ABSENT["customer"]} if endpoint.spec is specs.METHOD_ATTACH else ""
        if "amount" in endpoint.spec and endpoint.spec["amount"].required:
            form = {"amount": 5000}
        theirs = wide_shop.send(endpoint.method, path_of(endpoint, owned), form, **THEIRS)
        nobodys = wide_shop.send(endpoint.method, path_of(endpoint, ABSENT), form, **THEIRS)

        told = [theirs.text, nobodys.text]
        for kind, identifier in owned.items():
            told[0] = told[0].replace(identifier, ABSENT[kind])
        assert theirs.status_code == nobodys.status_code
        assert error(theirs)["code"] in ("resource_missing", "account_invalid")
        assert told[0].partition('"request_log_url"')[0] == told[1].partition('"request_log_url"')[0]
        assert dict(enumerate(wide_shop.gateway.rows())) == before

    @pytest.mark.parametrize(
        ("endpoint", "place", "kind"),
        NAMED,
        ids=[f"{name_of(endpoint)} {'.'.join(place)}" for endpoint, place, _ in NAMED],
    )
    def test_its_ids_as_parameters_are_as_absent_as_ids_that_never_were(
        self,
        wide_shop: Shop,
        owned: dict[str, str],
        their_own: dict[str, str],
        endpoint: Endpoint,
        place: tuple[str, ...],
        kind: str,
    ) -> None:
        before, answers = wide_shop.gateway.rows(), []

        for identifier in (owned[kind], ABSENT[kind]):
            form = form_with(endpoint, place, identifier)
            query = f"?{urlencode(flat(form))}" if endpoint.method == "GET" else ""
            path = path_of(endpoint, their_own)
            answer = wide_shop.send(endpoint.method, path + query, "" if query else form, **THEIRS)
            answers.append(without_ids(answer, identifier))

        assert answers[0] == answers[1]
        assert answers[0][0] in (400, 404) or "'data': []" in answers[0][1]
        assert wide_shop.gateway.rows() == before

    def test_every_parameter_that_holds_an_id_is_tried(self) -> None:
        assert [(name_of(endpoint), place) for endpoint, place, kind in NAMED if kind not in ABSENT] == []

    def test_its_account_cannot_be_acted_for(self, wide_shop: Shop) -> None:
        answers = [
            wide_shop.get("/v1/customers", stripe_account=account, **THEIRS) for account in (ACCOUNT.id, "acct_0")
        ]

        assert [(answer.status_code, error(answer)["code"]) for answer in answers] == [(403, "account_invalid")] * 2
        assert error(answers[0])["message"].replace(ACCOUNT.id, "acct_0") == error(answers[1])["message"]

    def test_its_objects_are_in_no_list_and_no_search(self, wide_shop: Shop, owned: dict[str, str]) -> None:
        lists = [one for one in ENDPOINTS if one.is_list and not places(one) and one.kind not in ("account", "refund")]
        asked = {"setup_attempt": "?setup_intent=seti_0"}

        for endpoint in lists:
            search = "?query=" + ("email" if endpoint.kind == "customer" else "currency") + '%3A"usd"'
            query = search if endpoint.path.endswith("/search") else asked.get(endpoint.kind, "")
            answer = wide_shop.get(endpoint.path + query, **THEIRS)

            assert not [identifier for identifier in owned.values() if identifier in answer.text], endpoint.path


class TestReplays:
    """What was good once is not good twice."""

    def test_a_token_is_taken_up_once(self, memory_shop: Shop) -> None:
        token = memory_shop.post("/v1/tokens", {"card": CARD}, **PUBLIC).json()["id"]
        wish = {"type": "card", "card": {"token": token}}

        first = memory_shop.post("/v1/payment_methods", wish)
        again = memory_shop.post("/v1/payment_methods", wish)
        for_payment = memory_shop.post(
            "/v1/payment_intents",
            {"amount": 2000, "currency": "usd", "payment_method_data": wish, "confirm": True},
        )

        assert first.status_code == 200
        assert [(answer.status_code, error(answer)["code"]) for answer in (again, for_payment)] == [
            (400, "token_already_used")
        ] * 2

    def test_two_at_once_share_no_token(self, memory_shop: Shop) -> None:
        token = memory_shop.post("/v1/tokens", {"card": CARD}).json()["id"]
        wish = {"type": "card", "card": {"token": token}}

        answers = memory_shop.send_all([("POST", "/v1/payment_methods", wish, {}) for _ in range(8)])

        assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7

    def test_a_card_that_belongs_to_nobody_pays_once(self, memory_shop: Shop) -> None:
        method = memory_shop.post("/v1/payment_methods", {"type": "card", "card": CARD}).json()["id"]

        paid = memory_shop.post("/v1/payment_intents", payment(payment_method=method))
        again = memory_shop.post("/v1/payment_intents", payment(payment_method=method))

        assert (paid.status_code, again.status_code) == (200, 400)
        assert len(memory_shop.gateway.acquirer.sent("0100")) == 1

    def test_the_client_secret_of_one_payment_opens_no_other(self, memory_shop: Shop) -> None:
        wish = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa"}
        mine, yours = (memory_shop.post("/v1/payment_intents", wish).json() for _ in range(2))

        answers = [
            memory_shop.post(f"/v1/payment_intents/{mine['id']}/confirm", {"client_secret": secret}, **PUBLIC)
            for secret in (yours["client_secret"], mine["client_secret"][:-1], mine["id"], "x" * 200)
        ]

        assert [answer.status_code for answer in answers] == [400] * 4
        assert memory_shop.gateway.acquirer.seen == []

    def test_an_idempotency_key_of_another_account_replays_nothing(self, memory_shop: Shop) -> None:
        mine = memory_shop.post("/v1/customers", {"email": "a@b.c"}, idempotency_key="1")
        theirs = memory_shop.post("/v1/customers", {"email": "a@b.c"}, idempotency_key="1", **THEIRS)

        assert "idempotent-replayed" not in theirs.headers
        assert mine.json()["id"] != theirs.json()["id"]

    def test_no_cryptogram_is_sent_twice(self, memory_shop: Shop) -> None:
        for amount in (2000, 2000, 2001):
            memory_shop.paid(amount=amount)

        sent = [
            parse_private(message.get(48) or "")[TOKEN_CRYPTOGRAM]
            for message in memory_shop.gateway.acquirer.sent("0100")
        ]
        assert len(set(sent)) == 3


class TestComparisons:
    """How long a comparison takes tells nothing about how much of a secret was right."""

    @pytest.mark.parametrize("place", [8, 20, len(SECRET_KEY) - 1])
    def test_a_key_that_is_nearly_right_takes_the_same_steps_as_one_that_is_all_wrong(
        self, gateway: Gateway, place: int
    ) -> None:
        nearly = SECRET_KEY[:place] + "#" + SECRET_KEY[place + 1 :]

        def tried(text: str) -> list[str]:
            def work() -> None:
                with pytest.raises(ApiError):
                    step(gateway.keys.caller(f"Bearer {text}"))

            return steps_of(work)

        step(gateway.keys.caller(f"Bearer {SECRET_KEY}"))
        assert tried(nearly) == tried("sk_test_" + "#" * 32)

    def test_the_digest_of_a_key_is_compared_in_constant_time(self, gateway: Gateway) -> None:
        steps = steps_of(lambda: step(gateway.keys.caller(f"Bearer {SECRET_KEY}")))

        assert "compare_digest" in steps

    @pytest.mark.parametrize("wrong", [0, 10, -1])
    def test_a_client_secret_is_compared_in_constant_time(self, gateway: Gateway, wrong: int) -> None:
        secret = "pi_1_secret_" + "s" * 24
        characters = list(secret)
        characters[wrong] = "#"
        row: Any = type("Row", (), {"client_secret": secret})

        def work() -> None:
            with pytest.raises(ApiError):
                check_secret(call({"client_secret": "".join(characters)}), row)

        steps = steps_of(work)
        assert "compare_digest" in steps
        assert "str.startswith" not in steps


class TestPublishableKeys:
    """A key that everybody can read opens what is marked as public, and nothing else."""

    @pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
    def test_a_secret_route_stays_closed(self, wide_shop: Shop, owned: dict[str, str], endpoint: Endpoint) -> None:
        before = wide_shop.gateway.rows()

        answer = wide_shop.send(endpoint.method, path_of(endpoint, owned), **PUBLIC)

        if endpoint.is_public:
            # Without its client secret, or its card, an open door leads nowhere either.
            assert answer.status_code == 400
        else:
            assert (answer.status_code, error(answer)["code"]) == (403, "secret_key_required")
        assert wide_shop.gateway.rows() == before
        assert not [identifier for identifier in owned.values() if identifier in answer.text]

    @pytest.mark.parametrize(
        "wish",
        [
            {"capture_method": "manual"},
            {"payment_method_options": {"card": {"capture_method": "manual"}}},
            {"payment_method_options": {"card": {"request_partial_authorization": "if_available"}}},
            {"payment_method_types": ["card"]},
            {"error_on_requires_action": True},
        ],
        ids=str,
    )
    def test_how_a_payment_is_made_is_the_shops_to_say(self, memory_shop: Shop, wish: dict[str, Any]) -> None:
        intent = memory_shop.post("/v1/payment_intents", payment(confirm=False)).json()
        form = {"client_secret": intent["client_secret"], **wish}

        refused = memory_shop.post(f"/v1/payment_intents/{intent['id']}/confirm", form, **PUBLIC)

        assert (refused.status_code, error(refused)["param"]) == (403, next(iter(wish)))
        assert memory_shop.get(f"/v1/payment_intents/{intent['id']}").json() == intent
        assert memory_shop.gateway.acquirer.seen == []

    @pytest.mark.parametrize(
        ("before", "wish", "status"),
        [
            (None, "off_session", 200),
            ("on_session", "off_session", 200),
            ("on_session", "on_session", 200),
            ("off_session", "on_session", 403),
            ("off_session", "", 403),
            ("on_session", "", 403),
        ],
    )
    def test_that_a_card_is_kept_can_be_widened_but_not_taken_back(
        self, memory_shop: Shop, before: str | None, wish: str, status: int
    ) -> None:
        said = {} if before is None else {"setup_future_usage": before}
        intent = memory_shop.post("/v1/payment_intents", payment(confirm=False, **said)).json()
        form = {"client_secret": intent["client_secret"], "setup_future_usage": wish}

        answer = memory_shop.post(f"/v1/payment_intents/{intent['id']}/confirm", form, **PUBLIC)

        assert answer.status_code == status
        assert len(memory_shop.gateway.acquirer.seen) == (status == 200)

    def test_a_secret_key_is_not_taken_from_the_parameters(self, memory_shop: Shop) -> None:
        answers = [
            memory_shop.send("GET", f"/v1/customers?key={SECRET_KEY}", authorization=""),
            memory_shop.send("POST", "/v1/customers", {"key": SECRET_KEY}, authorization=""),
        ]

        assert [answer.status_code for answer in answers] == [401] * 2
        assert all(SECRET_KEY not in answer.text for answer in answers)


LIMITS: Mapping[str, tuple[str, ...]] = {
    "amount": (
        *("0", "-1", "-0", "49", "100000000", "999999999999", str(2**31), str(2**63), str(2**64), "9" * 400),
        *(
            "1e3",
            "0x10",
            "2000.0",
            "2,000",
            "\uff12\uff10\uff10\uff10",
            "٢٠٠٠",
            "NaN",
            "Infinity",
            "",
            " ",
            "+",
            "--5",
            "5-",
            "\n",
            "½",
        ),
    ),
    "card[exp_year]": ("-1", "0", "1", "99999", str(2**63), "9" * 400, "\uff12\uff10\uff13\uff14", "2034.0"),
    "card[exp_month]": ("-1", "0", "13", str(2**63), "1e1", "٣"),
    "limit": ("0", "-1", "101", str(2**63), "9" * 400, "ten", "1.5", "\uff11"),
    "created[gte]": (str(2**63), "9" * 400, "-" + "9" * 400, "now", "1.5"),
}


class TestNumbers:
    """A number at or beyond its limit is refused or taken, as the rule says; none overflows anything."""

    @pytest.mark.parametrize("text", LIMITS["amount"])
    def test_an_amount_that_is_none_is_refused_and_nothing_is_sent(self, shop: Shop, text: str) -> None:
        answer = shop.post("/v1/payment_intents", payment(amount=text))

        assert (answer.status_code, error(answer)["param"]) == (400, "amount")
        assert shop.gateway.acquirer.seen == []

    @pytest.mark.parametrize("amount", ["50", "99999999", " 50 ", "+50", "00050"])
    def test_an_amount_at_its_limit_is_paid(self, shop: Shop, amount: str) -> None:
        paid = shop.paid(amount=amount)

        assert (paid["status"], paid["amount_received"]) == ("succeeded", int(amount))
        assert shop.gateway.acquirer.sent("0100")[0].get(4) == f"{int(amount):012d}"

    @pytest.mark.parametrize("name", ["card[exp_year]", "card[exp_month]"])
    def test_an_expiry_that_is_none_is_refused(self, memory_shop: Shop, name: str) -> None:
        for text in LIMITS[name]:
            form = {"type": "card", **{f"card[{part}]": str(value) for part, value in CARD.items()}, name: text}

            answer = memory_shop.post("/v1/payment_methods", form)

            assert answer.status_code in (400, 402), text
            assert PAN not in answer.text

    @pytest.mark.parametrize("name", ["limit", "created[gte]"])
    def test_a_page_has_limits(self, shop: Shop, name: str) -> None:
        answers = [shop.get(f"/v1/payment_intents?{urlencode({name: text})}") for text in LIMITS[name]]

        assert [answer.status_code for answer in answers] == [400] * len(answers)

    @pytest.mark.parametrize("bound", ["gt", "gte", "lt", "lte"])
    @pytest.mark.parametrize("instant", [0, 10**15])
    def test_a_time_far_away_finds_all_or_nothing(self, shop: Shop, bound: str, instant: int) -> None:
        shop.paid()

        answer = shop.get(f"/v1/payment_intents?created[{bound}]={instant}")

        assert answer.status_code == 200
        assert len(answer.json()["data"]) == int((instant > 0) == bound.startswith("l"))

    def test_a_refund_of_more_than_there_is_gives_nothing_back(self, memory_shop: Shop) -> None:
        charge = memory_shop.paid()["latest_charge"]

        answers = [
            memory_shop.post("/v1/refunds", {"charge": charge, "amount": amount})
            for amount in ("2001", str(2**63), str(10**15), "-2000", "0")
        ]

        assert [answer.status_code for answer in answers] == [400] * 5
        assert memory_shop.gateway.acquirer.sent("0200") == []


TEXTS = (
    "Ωmega & söhne \u2013 株式会社",
    "👩‍👩‍👧‍👦" * 10,
    "\u202egnp.exe",
    "e\u0301" * 50,
    "﷽" * 50,
    "\u0001\u0002\x7f",
    "<script>alert(1)</script>",
    "'; DROP TABLE customers; --",
    "{{7*7}} ${7*7} %s %n \\",
    "\ufffe\uffff",
    "\U0010ffff",
    "\r\n\t",
)


class TestHalfNumbers:
    """A card number is hidden before a message is cut short: what is left of it would not be known for one."""

    @pytest.mark.parametrize("before", [84, 86, 88, 90, 94])
    @pytest.mark.parametrize("name", ["amount", "confirm", "currency"])
    def test_a_refusal_shows_no_part_of_a_card_number(self, memory_shop: Shop, name: str, before: int) -> None:
        filler = "x" * (before if name != "currency" else before - 84)

        answer = memory_shop.post("/v1/payment_intents", payment(**{name: filler + PAN}))

        assert answer.status_code == 400
        assert PAN[:11] not in answer.text


class TestUnicode:
    """Text is kept as it came, whatever it is, or refused; it is never mangled and never runs."""

    @pytest.mark.parametrize("text", TEXTS, ids=ascii)
    def test_text_comes_back_as_it_was(self, shop: Shop, text: str) -> None:
        made = shop.post("/v1/customers", {"name": text, "metadata": {text[:40]: text}}).json()

        found = shop.get(f"/v1/customers/{made['id']}").json()

        assert found["name"] == made["name"] == text
        assert found["metadata"] == {text[:40]: text}

    @pytest.mark.parametrize("text", ["%ff", "%c0%af", "%ed%a0%80", "%f8%88%80%80%80", "%00", "%e2%28%a1"])
    def test_what_is_no_unicode_is_refused(self, memory_shop: Shop, text: str) -> None:
        for body in (f"name={text}", f"{text}=x", f"metadata[{text}]=x"):
            assert memory_shop.post("/v1/customers", body).status_code == 400

    @pytest.mark.parametrize("text", ["%ff", "%00", "%ed%a0%80", "..%2f..", "%E2%80%AE", "'%20OR%201=1", "{id}", "*"])
    def test_an_id_that_is_none_is_not_found(self, shop: Shop, text: str) -> None:
        for path in (f"/v1/customers/{text}", f"/v1/payment_intents/{text}", f"/v1/events/{text}"):
            assert shop.get(path).status_code == 404

    def test_a_length_counts_characters_not_bytes(self, shop: Shop) -> None:
        fits = shop.post("/v1/customers", {"name": "👍" * 256})
        too_long = shop.post("/v1/customers", {"name": "x" * 257})

        assert (fits.status_code, too_long.status_code) == (200, 400)

    @pytest.mark.parametrize(
        "text",
        [
            "\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12\uff14\uff12",
            "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢",
            "4242\u200b4242\u200b4242\u200b4242",
            "4242\u00a04242\u00a04242\u00a04242",
            "4242\u20134242\u20134242\u20134242",
            "\uff14\uff12\uff14\uff12 \uff14\uff12\uff14\uff12 \uff14\uff12\uff14\uff12 \uff14\uff12\uff14\uff12",
            "card4242424242424242please",
            "4242.4242.4242.4242",
            "4242/4242/4242/4242",
            "4242_4242_4242_4242",
            "4242  4242  4242  4242",
            "4242 - 4242 - 4242 - 4242",
            "3782.822463.10005",
        ],
        ids=ascii,
    )
    def test_a_card_number_in_disguise_is_kept_nowhere(self, memory_shop: Shop, text: str) -> None:
        answers = [
            memory_shop.post("/v1/customers", {"description": text}),
            memory_shop.post("/v1/customers", {"metadata": {"note": text}}),
            memory_shop.post("/v1/customers", {"metadata": {text: "note"}}),
            memory_shop.post("/v1/payment_intents", payment(description=text)),
        ]

        assert [answer.status_code for answer in answers] == [400] * 4
        assert memory_shop.gateway.rows() == []
        assert all(text not in answer.text for answer in answers)
