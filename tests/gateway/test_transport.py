"""HTTP as the SDKs, the CLI, curl and browsers speak it: how parameters arrive, and what the headers tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import ApiError
from gateway.core.forms import DEPTH_MAX, FIELDS_MAX, NAME_MAX
from gateway.core.multipart import PARTS_MAX, parse_multipart
from tests.support.gateway import CARD, PAN, SECRET_KEY, Shop, payment

CUSTOMERS = "/v1/customers"
VERSION = "2026-10-28.endive"


def error(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


def parts(pairs: list[tuple[str, str]], boundary: str) -> bytes:
    heads = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in pairs
    ]
    return ("".join(heads) + f"--{boundary}--\r\n").encode()


class TestParameters:
    """A parameter is the same wherever and however it is sent."""

    @pytest.mark.parametrize(
        "body",
        [
            "name=Ada+Lovelace&metadata[order]=7&expand[]=test_clock",
            "name=Ada%20Lovelace&metadata%5Border%5D=7&expand%5B0%5D=test_clock",
            "name=Eve&name=Ada+Lovelace&metadata[order]=6&metadata[order]=7",
            "name=Ada Lovelace&metadata[order]=7&phone=",
        ],
    )
    def test_spellings_of_one_form(self, memory_shop: Shop, body: str) -> None:
        made = memory_shop.post(CUSTOMERS, body).json()

        assert (made["name"], made["metadata"], made["phone"]) == ("Ada Lovelace", {"order": "7"}, None)

    def test_a_query_counts_beside_the_body_and_the_body_has_the_last_word(self, memory_shop: Shop) -> None:
        made = memory_shop.post(f"{CUSTOMERS}?name=Eve&email=a@b.c", "name=Ada").json()
        unknown = memory_shop.post(f"{CUSTOMERS}?nmae=Eve")

        assert (made["name"], made["email"]) == ("Ada", "a@b.c")
        assert error(unknown)["param"] == "nmae"

    def test_a_get_may_have_a_body(self, memory_shop: Shop) -> None:
        memory_shop.post(CUSTOMERS)
        memory_shop.post(CUSTOMERS)

        listed = memory_shop.send("GET", CUSTOMERS, "limit=1").json()

        assert (len(listed["data"]), listed["has_more"]) == (1, True)

    def test_multipart_is_a_form_like_any_other(self, memory_shop: Shop) -> None:
        body = parts([("name", "Ada"), ("metadata[order]", "7"), ("phone", "")], "xYz")
        kind = 'multipart/form-data; charset=utf-8; boundary="xYz"'

        made = memory_shop.send("POST", CUSTOMERS, body, content_type=kind).json()  # type: ignore[arg-type]

        assert (made["name"], made["metadata"], made["phone"]) == ("Ada", {"order": "7"}, None)

    def test_a_decline_and_a_card_come_through_multipart_too(self, memory_shop: Shop) -> None:
        pairs = [("type", "card"), *((f"card[{name}]", str(value)) for name, value in CARD.items())]
        kind = "multipart/form-data; boundary=b"

        made = memory_shop.send("POST", "/v1/payment_methods", parts(pairs, "b"), content_type=kind)  # type: ignore[arg-type]

        assert made.json()["card"]["last4"] == PAN[-4:]

    @pytest.mark.parametrize(
        ("body", "kind", "message"),
        [
            (b'{"name": "Ada"}', "application/json", "send parameters as"),
            (b"name=\xff", "", "not valid UTF-8"),
            (b"name=%FF", "", "not valid UTF-8"),
            (b"name=a%00b", "", "null byte"),
            (b"--b\r\n", "multipart/form-data", "no boundary"),
            (b"name=Ada", "multipart/form-data; boundary=b", "cut short"),
            (parts([("name", "Ada")], "b")[:-4], "multipart/form-data; boundary=b", "cut short"),
            (b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n1\r\n--b--', "", ""),
        ],
    )
    def test_what_is_no_form_is_refused(self, memory_shop: Shop, body: bytes, kind: str, message: str) -> None:
        answer = memory_shop.send("POST", CUSTOMERS, body, **({"content_type": kind} if kind else {}))  # type: ignore[arg-type]

        assert answer.status_code == 400
        assert message in error(answer)["message"]
        assert memory_shop.gateway.rows() == []

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            (CUSTOMERS, "name=" + "x" * 30_000, 413),
            (CUSTOMERS + "?name=" + "x" * 20_000, "", 414),
            (CUSTOMERS, "a" + "[b]" * DEPTH_MAX + "=1", 400),
            (CUSTOMERS, "a" + "[" * 9_000 + "=1", 400),
            (CUSTOMERS, "a" + "[]" * 9_000 + "=1", 400),
            (CUSTOMERS, "&".join(f"metadata[k{number}]=1" for number in range(FIELDS_MAX + 1)), 400),
            (CUSTOMERS, "&".join("expand[]=customer" for _ in range(FIELDS_MAX)), 400),
            (CUSTOMERS, "metadata[" + "k" * NAME_MAX + "]=1", 400),
            (CUSTOMERS, "preferred_locales[" + "9" * 400 + "]=en", 200),
            ("/v1/payment_intents", "currency=usd&amount=" + "9" * 10_000, 400),
            ("/v1/payment_intents", "currency=usd&amount=1e3", 400),
            ("/v1/payment_intents", "currency=usd&amount=\u0663\u0660\u0660", 400),
        ],
        ids=[
            "long body",
            "long query",
            "deep",
            "open brackets",
            "empty brackets",
            "many parameters",
            "many items",
            "long name",
            "an index of many digits",
            "a number of many digits",
            "an exponent",
            "other scripts' digits",
        ],
    )
    def test_every_size_has_a_limit(self, memory_shop: Shop, path: str, body: str, status: int) -> None:
        answer = memory_shop.post(path, body)

        assert answer.status_code == status
        assert answer.headers["request-id"]


class TestValues:
    """A value is what its parameter says it is, or the answer says what it should have been."""

    @pytest.mark.parametrize(
        ("body", "code", "param"),
        [
            ("amount[]=5&currency=usd", "parameter_invalid_integer", "amount"),
            ("amount[x]=5&currency=usd", "parameter_invalid_integer", "amount"),
            ("amount=5.5&currency=usd", "parameter_invalid_integer", "amount"),
            ("amount=500&currency=usd&confirm[]=true", "parameter_invalid_boolean", "confirm"),
            ("amount=500&currency=usd&confirm=yes", "parameter_invalid_boolean", "confirm"),
            ("amount=500&currency[]=usd", "parameter_invalid_string", "currency"),
            ("amount=500&currency=usd&metadata=x", "parameter_invalid_hash", "metadata"),
            ("amount=500&currency=usd&expand=customer", "parameter_invalid_array", "expand"),
        ],
    )
    def test_the_wrong_kind_of_value_is_named(self, memory_shop: Shop, body: str, code: str, param: str) -> None:
        answer = memory_shop.post("/v1/payment_intents", body)

        assert (answer.status_code, error(answer)["code"], error(answer)["param"]) == (400, code, param)

    def test_nothing_cannot_be_expanded(self, memory_shop: Shop) -> None:
        answer = memory_shop.post("/v1/payment_intents", payment(expand=[""]))

        assert error(answer)["message"] == "This property cannot be expanded ()."

    @pytest.mark.parametrize("text", ["ada", "@example.com", "ada@", "ada @example.com", "ada@exa\nmple.com", "a@b@"])
    @pytest.mark.parametrize(
        ("path", "name", "form"),
        [
            (CUSTOMERS, "email", {}),
            ("/v1/payment_intents", "receipt_email", {"amount": 500, "currency": "usd"}),
            ("/v1/payment_methods", "billing_details[email]", {"type": "card", "card": {"token": "tok_visa"}}),
        ],
    )
    def test_an_email_address_is_one(
        self, memory_shop: Shop, path: str, name: str, form: dict[str, Any], text: str
    ) -> None:
        refused = memory_shop.post(path, {**form, name: text})
        taken = memory_shop.post(path, {**form, name: "ada@example.com"})

        assert (refused.status_code, error(refused)["code"], error(refused)["param"]) == (400, "email_invalid", name)
        assert error(refused)["message"] == f"Invalid email address: {text}"
        assert taken.status_code == 200

    @pytest.mark.parametrize(
        ("path", "wish"),
        [
            ("/v1/payment_intents", {"off_session": True}),
            ("/v1/payment_intents", {"off_session": "one_off"}),
            ("/v1/payment_intents", {"return_url": "https://shop.example/back"}),
            ("/v1/payment_intents", {"error_on_requires_action": True}),
            ("/v1/setup_intents", {"return_url": "https://shop.example/back"}),
        ],
    )
    def test_what_is_said_of_a_confirmation_needs_one(self, memory_shop: Shop, path: str, wish: dict[str, Any]) -> None:
        form = {"payment_method": "pm_card_visa", **wish}
        if path == "/v1/payment_intents":
            form |= {"amount": 500, "currency": "usd"}

        refused = memory_shop.post(path, form)
        confirmed = memory_shop.post(path, {**form, "confirm": True})

        (name,) = wish
        assert (refused.status_code, error(refused)["param"]) == (400, name)
        assert "unless `confirm` is set to true" in error(refused)["message"]
        assert confirmed.status_code == 200


class TestMultipart:
    """A multipart body is its parts, whatever they contain."""

    @given(
        st.lists(
            st.tuples(
                st.text(st.characters(codec="ascii", exclude_characters='\r\n"\\\0'), min_size=1, max_size=9),
                st.text(st.characters(codec="utf-8"), max_size=9),
            ),
            max_size=5,
        )
    )
    def test_what_is_sent_is_what_is_read(self, pairs: list[tuple[str, str]]) -> None:
        assert (
            parse_multipart(parts(pairs, "a long boundary"), 'multipart/form-data; boundary="a long boundary"') == pairs
        )

    @given(st.binary(max_size=80), st.text(max_size=20))
    def test_any_bytes_are_read_or_refused(self, body: bytes, boundary: str) -> None:
        try:
            found = parse_multipart(body, f"multipart/form-data; boundary={boundary}")
        except ApiError:
            return
        assert isinstance(found, list)

    def test_parts_have_a_limit_and_files_are_refused(self) -> None:
        file = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n1\r\n--b--\r\n'

        for body in (file, parts([("a", "1")] * (PARTS_MAX + 1), "b"), b"--b\r\n\r\nx\r\n--b--", b"--b\r\nx\r\n--b--"):
            with pytest.raises(ApiError):
                parse_multipart(body, "multipart/form-data; boundary=b")


class TestHeaders:
    """The headers tell which request this was, what it was answered as, and whether to try again."""

    def test_a_version_is_echoed_if_it_is_one(self, memory_shop: Shop) -> None:
        for named in ("2020-08-27", VERSION, f"{VERSION}; some_beta=v3"):
            assert memory_shop.get(CUSTOMERS, stripe_version=named).headers["stripe-version"] == named

    @pytest.mark.parametrize("named", ["", "latest", "2020-08-27\tx", f"{VERSION}{'x' * 400}", "2020-08-27;x y"])
    def test_what_is_no_version_is_refused(self, memory_shop: Shop, named: str) -> None:
        answer = memory_shop.post(CUSTOMERS, stripe_version=named)

        assert (answer.status_code, answer.headers["stripe-version"]) == (400, VERSION)
        assert error(answer)["message"].startswith("Invalid Stripe API version: ")
        assert memory_shop.gateway.rows() == []

    def test_an_error_says_where_its_code_is_explained_and_where_its_request_can_be_seen(
        self, memory_shop: Shop
    ) -> None:
        answer = memory_shop.get(f"{CUSTOMERS}/cus_0")

        found = error(answer)
        assert found["doc_url"] == "https://stripe.com/docs/error-codes/resource-missing"
        assert found["request_log_url"] == f"http://gateway/emu/v1/traces/{answer.headers['request-id']}"

    def test_a_host_that_is_none_is_not_repeated(self, memory_shop: Shop) -> None:
        answer = memory_shop.get(f"{CUSTOMERS}/cus_0", host='evil"/><script>')

        assert "request_log_url" not in error(answer)
        assert "evil" not in answer.text

    def test_a_replayed_error_names_the_request_that_it_answered_first(self, memory_shop: Shop) -> None:
        from tests.support.gateway import declined

        memory_shop.gateway.acquirer.script = declined("05")
        first = memory_shop.post("/v1/payment_intents", payment(), idempotency_key="key")
        second = memory_shop.post("/v1/payment_intents", payment(), idempotency_key="key")

        assert first.content == second.content
        assert error(second)["request_log_url"].endswith(first.headers["request-id"])

    @pytest.mark.parametrize("key", ["k\x01y", "k\ty", PAN])
    def test_an_idempotency_key_that_does_not_belong_into_a_header_is_not_repeated(
        self, memory_shop: Shop, key: str
    ) -> None:
        answer = memory_shop.post(CUSTOMERS, idempotency_key=key)

        assert (answer.status_code, error(answer)["type"]) == (400, "idempotency_error")
        assert "idempotency-key" not in answer.headers
        assert PAN not in f"{answer.text} {answer.headers}"

    def test_a_browser_may_ask_first(self, memory_shop: Shop) -> None:
        asked = "authorization,content-type,stripe-version"
        before = memory_shop.send(
            "OPTIONS",
            "/v1/payment_methods",
            origin="https://shop.example",
            access_control_request_method="POST",
            access_control_request_headers=asked,
        )
        hostile = memory_shop.send("OPTIONS", "/v1/payment_methods", access_control_request_headers="x\x01: y")
        after = memory_shop.get(CUSTOMERS)

        assert (before.status_code, before.content) == (200, b"")
        assert before.headers["access-control-allow-headers"] == asked
        assert "POST" in before.headers["access-control-allow-methods"]
        assert "\x01" not in hostile.headers["access-control-allow-headers"]
        assert after.headers["access-control-allow-origin"] == "*"
        assert "Request-Id" in after.headers["access-control-expose-headers"]

    def test_no_answer_repeats_a_key(self, memory_shop: Shop) -> None:
        for answer in (memory_shop.get(CUSTOMERS), memory_shop.get("/v1/x"), memory_shop.post(CUSTOMERS, "x=1")):
            assert SECRET_KEY not in f"{answer.text} {answer.headers}"
