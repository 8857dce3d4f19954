"""One payment over several nodes: joined by trace id, by RRN where a node carries no trace id, and by exchange."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.cli.metrics import merged
from emulator.cli.trace import trail_lines
from gateway.core.trail import Trail, follow_names

View = dict[str, Any]
RRN = "607309000001"


def crossing(node: str, sequence: int, link: str, direction: str, mti: str, trace: str = "", **fields: str) -> View:
    named = {"7": "0314092653", "11": "000001"} | {name.removeprefix("de"): value for name, value in fields.items()}
    return {
        "sequence": sequence,
        "at": f"2026-03-14T09:26:53.{sequence:06}+00:00",
        "node": node,
        "link": link,
        "connection": 1,
        "direction": direction,
        "dialect": "ascii87",
        "bytes": 100,
        "trace": trace,
        "hex": "3031",
        "mti": mti,
        "fields": named,
    }


def remark(node: str, sequence: int, link: str, stan: str, detail: str = "") -> View:
    at = f"2026-03-14T09:26:53.{sequence:06}+00:00"
    place = {"sequence": sequence, "at": at, "node": node, "link": link, "connection": 0, "direction": "note"}
    return place | {"kind": "late", "detail": detail or f"0110 {stan}: late", "stan": stan}


def house(*views: View) -> Callable[..., list[View]]:
    """Answer as the control ports do."""

    def ask(node: str, **wanted: str) -> list[View]:
        def value(view: View, name: str) -> str | None:
            fields = view.get("fields", {})
            known = {"rrn": fields.get("37", ""), "stan": fields.get("11") or view.get("stan")}
            return known.get(name, view.get(name))

        spans = {"since", "until"}
        return [
            view
            for view in views
            if view["node"] == node
            and all(value(view, name) == text for name, text in wanted.items() - _only(wanted, spans))
        ]

    return ask


def _only(wanted: dict[str, str], names: set[str]) -> set[tuple[str, str]]:
    return {(name, text) for name, text in wanted.items() if name in names}


PAYMENT = (
    crossing("acquirer", 1, "gateway", "in", "0100", "t1"),
    crossing("acquirer", 2, "network", "out", "0100", "t1", de37=RRN),
    crossing("foreign", 3, "acquirer", "in", "0100", de37=RRN, de7="0314092659"),
    crossing("foreign", 4, "acquirer", "out", "0110", de37=RRN, de7="0314092659", de39="00"),
    crossing("acquirer", 5, "network", "in", "0110", "t1", de37=RRN, de39="00"),
    crossing("acquirer", 6, "gateway", "out", "0110", "t1", de39="00"),
)
NOISE = (
    crossing("acquirer", 7, "gateway", "in", "0100", "t2", de7="0314092700"),
    crossing("acquirer", 8, "network", "out", "0800"),
    crossing("acquirer", 9, "network", "out", "0100", "t2", de37="607309000002", de11="000002"),
)
NODES = ["acquirer", "foreign"]


def sequences(trail: Trail) -> list[int]:
    return [message["sequence"] for message in trail.messages]


class TestJoining:
    """Whatever name one begins with, the whole payment is found, and nothing of its neighbours."""

    def test_by_trace_id(self) -> None:
        assert sequences(follow_names(house(*PAYMENT, *NOISE), NODES, {"trace": "t1"})) == [1, 2, 3, 4, 5, 6]

    def test_by_rrn_also_the_hop_before_it_was_assigned(self) -> None:
        assert sequences(follow_names(house(*PAYMENT, *NOISE), NODES, {"rrn": RRN})) == [1, 2, 3, 4, 5, 6]

    def test_a_request_without_any_name_is_joined_to_its_response(self) -> None:
        nameless = crossing("foreign", 3, "terminal", "in", "0200")
        answer = crossing("foreign", 4, "terminal", "out", "0210", de37=RRN)

        found = follow_names(house(nameless, answer, *NOISE), NODES, {"rrn": RRN})

        assert sequences(found) == [3, 4]

    def test_a_stan_finds_every_payment_that_has_it(self) -> None:
        found = follow_names(house(*PAYMENT, *NOISE), NODES, {"stan": "000001"})

        assert sequences(found) == [1, 2, 3, 4, 5, 6, 7, 9]

    def test_remarks_on_its_links_about_its_stan_are_shown(self) -> None:
        late = remark("acquirer", 20, "network", "000001")
        others = (remark("acquirer", 21, "network", "000009"), remark("foreign", 22, "elsewhere", "000001"))

        found = follow_names(house(*PAYMENT, late, *others), NODES, {"trace": "t1"})

        assert found.remarks == [late]
        assert trail_lines(found, with_bytes=True)[-1].endswith("late: 0110 000001: late")

    def test_nothing_is_found(self) -> None:
        assert follow_names(house(*NOISE), NODES, {"rrn": "nothing"}) == Trail([], [])


class TestMerging:
    """The metrics of several nodes are one exposition."""

    def test_each_family_stands_once(self) -> None:
        head = "# HELP a A.\n# TYPE a gauge\n"

        assert merged([f'{head}a{{n="1"}} 1\n', f'{head}a{{n="2"}} 2\n']) == f'{head}a{{n="1"}} 1\na{{n="2"}} 2\n'
