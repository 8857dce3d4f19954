"""One list of steps in order: each posting stands between what came in and what was answered because of it."""

from __future__ import annotations

from typing import Any

from gateway.core.timeline import in_order

SECOND = "2026-03-14T09:26:53"


def at(microsecond: int) -> str:
    return f"{SECOND}.{microsecond:06}+00:00"


def message(node: str, direction: str, mti: str, microsecond: int) -> dict[str, Any]:
    return {"node": node, "direction": direction, "mti": mti, "at": at(microsecond)}


def posting(node: str, kind: str, when: str) -> dict[str, Any]:
    return {"node": node, "kind": kind, "at": when}


def request(microsecond: int, *calls: int) -> dict[str, Any]:
    hsm = [{"at": at(call), "command": "ZC", "code": "00", "latency_ms": 1.0} for call in calls]
    return {"request": "req_1", "at": at(microsecond), "hsm": hsm}


def names(steps: list[dict[str, Any]]) -> list[str]:
    return [step.get("mti") or step.get("kind") or step["step"] for step in steps]


HOP = [
    message("gateway", "out", "0100", 30),
    message("issuer-a", "in", "0100", 40),
    message("issuer-a", "out", "0110", 60),
    message("gateway", "in", "0110", 70),
]


class TestOrder:
    """Time decides; at one instant of one node, what it booked stands before what it answered."""

    def test_requests_and_their_hsm_commands_come_where_they_began(self) -> None:
        steps = in_order([request(10, 15, 20)], HOP, [], [], [], [])

        assert [step["step"] for step in steps] == ["http", "hsm", "hsm", *["iso8583"] * 4]

    def test_an_exact_posting_of_the_instant_of_the_answer(self) -> None:
        assert names(in_order([], HOP, [], [], [], [posting("issuer-a", "hold", at(60))])) == [
            "0100",
            "0100",
            "hold",
            "0110",
            "0110",
        ]

    def test_a_posting_that_knows_its_second_only(self) -> None:
        steps = in_order([], HOP, [], [], [], [posting("issuer-a", "hold", f"{SECOND}+00:00")])

        assert names(steps) == ["0100", "0100", "hold", "0110", "0110"]

    def test_a_posting_of_a_later_second_belongs_to_the_last_request_before_it(self) -> None:
        later = {**message("issuer-a", "in", "0220", 10), "at": "2026-03-14T09:26:55.000010+00:00"}

        steps = in_order([], [*HOP, later], [], [], [], [posting("issuer-a", "void", "2026-03-14T09:26:54+00:00")])

        assert names(steps).index("void") < names(steps).index("0220")

    def test_a_posting_without_any_message_stands_at_its_own_time(self) -> None:
        steps = in_order([], HOP[:1], [], [], [], [posting("issuer-a", "expire", "2026-03-21T00:00:00+00:00")])

        assert names(steps) == ["0100", "expire"]

    def test_a_command_of_another_node_stands_between_its_messages(self) -> None:
        command = {"node": "issuer-a", "at": at(40), "command": "ZD", "code": "00", "latency_ms": 1.0, "joined": "time"}

        assert names(in_order([], HOP, [], [command], [], [])) == ["0100", "0100", "hsm", "0110", "0110"]

    def test_a_decision_stands_before_what_was_booked_because_of_it(self) -> None:
        decided = {"node": "issuer-a", "at": at(60), "mti": "0100", "code": "00", "reason": "APPROVED"}

        steps = in_order([], HOP, [], [], [decided], [posting("issuer-a", "hold", at(60))])

        assert [step["step"] for step in steps if step["node"] == "issuer-a"] == [
            "iso8583", "decision", "ledger", "iso8583",
        ]  # fmt: skip

    def test_remarks_keep_their_kind(self) -> None:
        late = {"node": "switch", "at": at(90), "direction": "note", "kind": "late"}

        assert [(step["step"], step.get("kind")) for step in in_order([], HOP, [late], [], [], [])][-1] == (
            "remark",
            "late",
        )
