"""Rate limits: off unless set; then so many requests a second and so many at once, per API key and class."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.app import build_app
from gateway.config import GatewayConfig
from gateway.core.limits import KEYS_MAX, READ, SEARCH, WRITE, Gate, Limit
from iso import Message
from tests.gateway.test_config import MERCHANT
from tests.support.gateway import OTHER_SECRET_KEY, PUBLISHABLE_KEY, Answer, Shop, payment


class TestGate:
    """A bucket of one second's worth; a request that has not left counts as running."""

    @given(st.floats(0.5, 50), st.lists(st.floats(0, 2), min_size=1, max_size=60))
    def test_in_no_stretch_of_time_is_more_admitted_than_the_rate_and_one_bucket(
        self, per_s: float, pauses: list[float]
    ) -> None:
        gate, now, admitted = Gate({READ: Limit(per_s)}), 0.0, []
        for pause in pauses:
            now += pause
            if gate.enter("key", READ, now) is None:
                admitted.append(now)

        for index, start in enumerate(admitted):
            for last, end in enumerate(admitted[index:], index):
                assert last - index + 1 <= max(1.0, per_s) + (end - start) * per_s + 1e-6

    def test_a_key_and_a_class_have_limits_of_their_own(self) -> None:
        gate = Gate({READ: Limit(1), SEARCH: Limit(1)})

        verdicts = [
            gate.enter(key, kind, 0.0)
            for key, kind in (("a", READ), ("a", READ), ("b", READ), ("a", SEARCH), ("a", SEARCH), ("a", WRITE))
        ]

        assert verdicts == [None, "global-rate", None, None, "endpoint-rate", None]

    def test_a_place_is_free_again_once_a_request_has_left(self) -> None:
        gate = Gate({WRITE: Limit(concurrent=1)})

        first, second = gate.enter("a", WRITE, 0.0), gate.enter("a", WRITE, 0.0)
        gate.leave("a", WRITE)

        assert (first, second, gate.enter("a", WRITE, 0.0)) == (None, "global-concurrency", None)

    def test_a_clock_that_steps_back_takes_nothing_away(self) -> None:
        gate = Gate({READ: Limit(1)})
        gate.enter("a", READ, 100.0)

        assert [gate.enter("a", READ, at) for at in (0.0, 1.0)] == ["global-rate", None]

    def test_keys_that_rest_are_forgotten(self) -> None:
        gate = Gate({READ: Limit(1)})
        for number in range(KEYS_MAX + 5):
            gate.enter(f"key {number}", READ, 0.0)
            gate.leave(f"key {number}", READ)

        gate.enter("one more", READ, 10.0)

        assert len(gate._uses) == 1


class TestAnswers:
    """Who is too fast is told so, and nothing is done for him."""

    def test_without_settings_there_is_no_limit(self) -> None:
        config = GatewayConfig(acquirer_address="tcp://127.0.0.1:1", merchants=(MERCHANT,))  # type: ignore[arg-type]

        assert set(config.request_limits().values()) == {Limit()}

    def test_settings_become_limits(self) -> None:
        given: dict[str, Any] = {"merchants": (MERCHANT,), "limits": {"search": {"per_s": 20, "concurrent": 3}}}
        config = GatewayConfig(acquirer_address="tcp://127.0.0.1:1", **given)

        assert config.request_limits()[SEARCH] == Limit(20, 3)

    def test_too_many_requests_a_second(self, memory_shop: Shop) -> None:
        gateway = memory_shop.gateway
        gateway.app = build_app(gateway.ports, gateway.keys, limits={WRITE: Limit(2)})

        answers = [memory_shop.post("/v1/customers") for _ in range(3)]
        other = memory_shop.post("/v1/customers", authorization=f"Bearer {OTHER_SECRET_KEY}")
        read = memory_shop.get("/v1/customers")
        gateway.pass_time(0.5)
        later = memory_shop.post("/v1/customers")

        assert [answer.status_code for answer in (*answers, other, read, later)] == [200, 200, 429, 200, 200, 200]
        refused = answers[2].json()["error"]
        assert (refused["type"], refused["code"]) == ("invalid_request_error", "rate_limit")
        assert answers[2].headers["stripe-rate-limited-reason"] == "global-rate"
        assert answers[2].headers["stripe-should-retry"] == "false"
        assert "stripe-rate-limited-reason" not in read.headers

    def test_a_refused_request_does_not_use_up_its_idempotency_key(self, memory_shop: Shop) -> None:
        gateway = memory_shop.gateway
        gateway.app = build_app(gateway.ports, gateway.keys, limits={WRITE: Limit(1)})
        memory_shop.post("/v1/customers")

        refused = memory_shop.post("/v1/payment_intents", payment(), idempotency_key="key")
        gateway.pass_time(1)
        paid = memory_shop.post("/v1/payment_intents", payment(), idempotency_key="key")

        assert (refused.status_code, paid.status_code) == (429, 200)
        assert len(gateway.acquirer.sent("0100")) == 1

    def test_too_many_requests_at_once(self, memory_shop: Shop) -> None:
        gateway = memory_shop.gateway
        gateway.app = build_app(gateway.ports, gateway.keys, limits={WRITE: Limit(concurrent=2)})
        enough, original = memory_shop.portal.call(anyio.Event), gateway.acquirer.request

        async def together(message: Message, timeout_s: float) -> Answer:
            if len(gateway.acquirer.seen) == 1:
                enough.set()
            with anyio.move_on_after(0.2):
                await enough.wait()
            return await original(message, timeout_s)

        gateway.acquirer.request = together  # type: ignore[method-assign]

        answers = memory_shop.send_all([("POST", "/v1/payment_intents", payment(), {}) for _ in range(5)])
        after = memory_shop.post("/v1/payment_intents", payment())

        assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429]
        reasons = {answer.headers.get("stripe-rate-limited-reason") for answer in answers}
        assert reasons == {None, "global-concurrency"}
        assert after.status_code == 200

    @pytest.mark.parametrize("key", [PUBLISHABLE_KEY, OTHER_SECRET_KEY])
    def test_every_key_has_limits_of_its_own(self, memory_shop: Shop, key: str) -> None:
        gateway = memory_shop.gateway
        gateway.app = build_app(gateway.ports, gateway.keys, limits={READ: Limit(1)})
        memory_shop.get("/v1/customers")

        assert memory_shop.get("/v1/customers").status_code == 429
        assert memory_shop.get("/v1/customers", authorization=f"Bearer {key}").status_code != 429
