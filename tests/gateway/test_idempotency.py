"""The same request twice is one payment and one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.core import claims
from gateway.core.records import Claim
from gateway.handlers.claiming import forget_old, keep_failure
from gateway.handlers.duties import recover
from iso import Message
from tests.support.gateway import (
    CARD,
    PAN,
    SECRET_KEY,
    Answer,
    Shop,
    approved,
    call,
    declined,
    open_shop,
    payment,
    step,
)

PATH = "/v1/payment_intents"


class TestReplay:
    """A repeated request is answered as the first one was, and does nothing."""

    @pytest.mark.parametrize("code", ["00", "05"])
    def test_an_outcome_is_replayed_with_its_status(self, shop: Shop, code: str) -> None:
        shop.gateway.acquirer.script = approved if code == "00" else declined(code)

        first = shop.post(PATH, payment(), idempotency_key="key")
        second = shop.post(PATH, payment(), idempotency_key="key")

        assert (first.status_code, first.content) == (second.status_code, second.content)
        assert len(shop.gateway.acquirer.seen) == 1
        assert "idempotent-replayed" not in first.headers
        assert second.headers["idempotent-replayed"] == "true"
        assert second.headers["original-request"] == first.headers["request-id"]
        assert second.headers["idempotency-key"] == "key"

    def test_a_card_is_given_to_the_hsm_once(self, shop: Shop) -> None:
        form = {"type": "card", "card": CARD}

        answers = [shop.post("/v1/payment_methods", form, idempotency_key="key") for _ in range(3)]

        assert len({answer.content for answer in answers}) == 1
        assert len(shop.gateway.hsm.asked) == 1

    def test_the_order_of_parameters_does_not_matter(self, shop: Shop) -> None:
        first = shop.post("/v1/customers", "name=Ada&email=a%40b.c", idempotency_key="key")
        second = shop.post("/v1/customers", "email=a@b.c&name=Ada", idempotency_key="key")

        assert first.content == second.content

    def test_a_key_is_forgotten_after_a_day(self, shop: Shop) -> None:
        first = shop.post("/v1/customers", idempotency_key="key").json()
        shop.gateway.pass_time(24 * 3600)

        second = shop.post("/v1/customers", idempotency_key="key").json()

        assert first["id"] != second["id"]

    def test_accounts_do_not_share_keys(self, shop: Shop) -> None:
        from tests.support.gateway import OTHER_SECRET_KEY

        first = shop.post("/v1/customers", idempotency_key="key").json()
        other = shop.post("/v1/customers", idempotency_key="key", authorization=f"Bearer {OTHER_SECRET_KEY}").json()

        assert first["id"] != other["id"]

    def test_an_answer_survives_a_restart(self, tmp_path: Path) -> None:
        with open_shop(tmp_path / "gateway.db") as before:
            first = before.post(PATH, payment(), idempotency_key="key")

        with open_shop(tmp_path / "gateway.db") as after:
            second = after.post(PATH, payment(), idempotency_key="key")

            assert second.content == first.content
            assert after.gateway.acquirer.seen == []


class TestEveryMethod:
    """A key works for a deletion as for a creation; to a question it means nothing."""

    def test_a_deletion_is_replayed(self, shop: Shop) -> None:
        path = f"/v1/customers/{shop.post('/v1/customers').json()['id']}"

        first = shop.send("DELETE", path, idempotency_key="key")
        second = shop.send("DELETE", path, idempotency_key="key")
        other = shop.send("DELETE", path)

        assert (first.status_code, second.status_code, other.status_code) == (200, 200, 404)
        assert second.content == first.content
        assert second.headers["idempotent-replayed"] == "true"

    def test_a_question_is_asked_every_time(self, shop: Shop) -> None:
        before = shop.get("/v1/customers", idempotency_key="key")
        shop.post("/v1/customers")
        after = shop.get("/v1/customers", idempotency_key="key")

        assert [len(answer.json()["data"]) for answer in (before, after)] == [0, 1]
        assert "idempotency-key" not in after.headers


class TestFailure:
    """A request that broke after it had begun is answered alike under its key; one that had not begun is free."""

    def test_a_defect_after_the_claim_is_kept_unless_the_network_was_asked(self, memory_shop: Shop) -> None:
        gateway = memory_shop.gateway
        ticket = call(key="key").ticket
        claimed = step(gateway.store.write(lambda books: claims.claim(books, ticket, 0)))
        answer = claims.Answer(500, '{"error":{"type":"api_error","message":"x"}}')

        step(keep_failure(gateway.ports, ticket, answer))
        kept = step(gateway.store.read(lambda books: claims.replayed(books, ticket, 0)))

        assert claimed is None
        assert kept == answer._replace(original=ticket.request)

    def test_a_payment_that_breaks_after_it_was_sent_is_told_by_what_became_of_it(self, memory_shop: Shop) -> None:
        gateway = memory_shop.gateway

        async def broken(message: Message, timeout_s: float) -> Answer:
            gateway.acquirer.seen.append(message)
            raise RuntimeError("a defect")

        original, gateway.acquirer.request = gateway.acquirer.request, broken  # type: ignore[method-assign]
        first = memory_shop.post(PATH, payment(), idempotency_key="key")
        meanwhile = memory_shop.post(PATH, payment(), idempotency_key="key")
        gateway.acquirer.request = original  # type: ignore[method-assign]
        memory_shop.portal.call(recover, gateway.ports)
        second = memory_shop.post(PATH, payment(), idempotency_key="key")

        assert (first.status_code, meanwhile.status_code) == (500, 409)
        assert (second.status_code, second.json()["status"]) == (200, "processing")
        assert len(gateway.acquirer.sent("0100")) == 1

    def test_an_absent_vault_leaves_the_key_free(self, memory_shop: Shop) -> None:
        memory_shop.gateway.hsm.is_silent = True
        absent = memory_shop.post(PATH, payment(), idempotency_key="key")
        memory_shop.gateway.hsm.is_silent = False
        paid = memory_shop.post(PATH, payment(), idempotency_key="key")

        assert (absent.status_code, paid.status_code) == (503, 200)

    def test_old_answers_are_forgotten_and_their_keys_are_new(self, memory_shop: Shop) -> None:
        memory_shop.post("/v1/customers", idempotency_key="old")
        memory_shop.gateway.pass_time(24 * 3600 + 1)
        memory_shop.post("/v1/customers", idempotency_key="young")

        count = memory_shop.portal.call(forget_old, memory_shop.gateway.ports)

        kept = [row.key for row in memory_shop.gateway.rows() if isinstance(row, Claim)]
        assert (count, kept) == (1, ["young"])


class TestMismatch:
    """A key belongs to one request; for another one it is refused."""

    @pytest.mark.parametrize(
        ("path", "form"),
        [("/v1/customers", {"name": "Eve"}), ("/v1/customers", {}), (PATH, {"amount": 2000, "currency": "usd"})],
        ids=["other value", "fewer parameters", "other endpoint"],
    )
    def test_other_parameters_are_an_idempotency_error(self, shop: Shop, path: str, form: dict[str, Any]) -> None:
        shop.post("/v1/customers", {"name": "Ada"}, idempotency_key="key")

        answer = shop.post(path, form, idempotency_key="key")

        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")
        assert "same parameters they were first used with" in answer.json()["error"]["message"]

    def test_another_card_number_is_another_request(self, shop: Shop) -> None:
        shop.post("/v1/payment_methods", {"type": "card", "card": CARD}, idempotency_key="key")

        other = {**CARD, "number": "4000000000000002"}
        answer = shop.post("/v1/payment_methods", {"type": "card", "card": other}, idempotency_key="key")

        assert answer.json()["error"]["type"] == "idempotency_error"

    def test_a_refused_request_may_be_corrected_under_its_key(self, shop: Shop) -> None:
        missing = shop.post(PATH, payment(customer="cus_0"), idempotency_key="key")
        unknown = shop.post(PATH, payment(foo=1), idempotency_key="key")
        right = shop.post(PATH, payment(), idempotency_key="key")

        assert [answer.status_code for answer in (missing, unknown, right)] == [400, 400, 200]

    @pytest.mark.parametrize("key", ["", "k" * 256])
    def test_a_key_has_a_length(self, memory_shop: Shop, key: str) -> None:
        answer = memory_shop.post("/v1/customers", idempotency_key=key)

        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")


class TestConcurrency:
    """While the first request runs, the second is told to come back; the network sees one."""

    def test_of_many_at_once_one_pays_and_the_others_wait_or_replay(self, shop: Shop) -> None:
        waiting = shop.portal.call(anyio.Event)
        gateway = shop.gateway
        original = gateway.acquirer.request

        async def slowly(message: Message, timeout_s: float) -> Answer:
            with anyio.move_on_after(0.2):
                await waiting.wait()
            return await original(message, timeout_s)

        gateway.acquirer.request = slowly  # type: ignore[method-assign]
        form = payment(payment_method="pm_card_visa")

        answers = shop.send_all([("POST", PATH, form, {"idempotency_key": "key"}) for _ in range(8)])
        after = shop.post(PATH, form, idempotency_key="key")

        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200] + [409] * 7
        assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 409} == {
            "idempotency_key_in_use"
        }
        assert len(gateway.acquirer.seen) == 1
        assert after.json()["status"] == "succeeded"

    def test_of_two_confirmations_with_different_keys_one_pays(self, shop: Shop) -> None:
        form = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa"}
        name = shop.post(PATH, form).json()["id"]

        answers = shop.send_all(
            [("POST", f"{PATH}/{name}/confirm", {}, {"idempotency_key": f"key {number}"}) for number in range(4)]
        )

        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
        assert len(shop.gateway.acquirer.seen) == 1


class TestSecrecy:
    """What is remembered of a request does not help to find its card number."""

    def test_the_database_has_no_card_number_and_no_plain_hash_of_the_parameters(self, tmp_path: Path) -> None:
        import hashlib

        from gateway.core.forms import canonical, parse_form

        body = f"type=card&card[number]={PAN}&card[exp_month]=12&card[exp_year]=2034&card[cvc]=737"
        with open_shop(tmp_path / "gateway.db") as shop:
            answer = shop.post("/v1/payment_methods", body, idempotency_key="key")
            kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())

        text = canonical(parse_form(body))
        hashed = [hashlib.sha256(f"{head}{text}".encode()).hexdigest() for head in ("", "POST /v1/payment_methods\n")]
        assert answer.status_code == 200
        assert PAN.encode() not in kept
        assert SECRET_KEY.encode() not in kept
        assert [digest for digest in hashed if digest.encode() in kept] == []
