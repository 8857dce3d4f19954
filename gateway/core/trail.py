"""One payment over all nodes: which messages and remarks belong to it, found through the nodes' control ports.

A message belongs by its trace id (DE 48.13; a response has that of its request) or by its RRN (DE 37), so that a
foreign node, which need not carry our DE 48, is joined too. What has neither is joined to its other half by DE 11 and
DE 7 on the same link.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

View = dict[str, Any]
Ask = Callable[..., list[View]]
"""`ask(node, **wanted)`: the newest messages of a node that match; see `ControlClient.messages`."""

ROUNDS_MAX = 8
"""How often new names of a payment are asked for; each round needs a name that the one before did not have."""
REMARKS_FOR = timedelta(seconds=60)
"""How long after the last message a remark may still be about the payment: a late answer."""


class Trail(NamedTuple):
    """What was found.

    Attributes
    ----------
    messages
        Every message at every node, both sides of each hop, in the order in which they crossed.
    remarks
        What the nodes noted about them: late answers, copies, bad MACs, faults.
    """

    messages: list[View]
    remarks: list[View]


def follow_names(ask: Ask, nodes: Iterable[str], wanted: dict[str, str]) -> Trail:
    """Collect what belongs to the payments that a name leads to.

    Parameters
    ----------
    ask
        How a node is asked.
    nodes
        Whom to ask.
    wanted
        One of `rrn`, `stan`, `trace`. A STAN may be that of several payments.
    """
    nodes = list(nodes)
    found: dict[tuple[str, int], View] = {}
    asked: set[tuple[str, str]] = set()
    names = set(wanted.items())
    for _ in range(ROUNDS_MAX):
        if not names:
            break
        asked |= names
        for node in nodes:
            for kind, name in sorted(names):
                _take(found, ask(node, **{kind: name}))
        _complete(found, ask)
        names = {name for message in found.values() for name in _names_of(message)} - asked
    messages = sorted(
        found.values(), key=lambda message: (message["at"], nodes.index(message["node"]), message["sequence"])
    )
    return Trail(messages, _remarks(ask, messages))


def _take(found: dict[tuple[str, int], View], messages: Iterable[View]) -> None:
    for message in messages:
        if "mti" in message and message["mti"][1] != "8":
            found[message["node"], message["sequence"]] = message


def _names_of(message: View) -> Iterable[tuple[str, str]]:
    if message["trace"]:
        yield "trace", message["trace"]
    rrn = message["fields"].get("37")
    if rrn:
        yield "rrn", rrn


def exchange_of(message: View) -> tuple[str, ...]:
    """Return what a request and its response have in common."""
    fields = message["fields"]
    return message["node"], message["link"], message["mti"][1], fields.get("11", ""), fields.get("7", "")


def _complete(found: dict[tuple[str, int], View], ask: Ask) -> None:
    """Add the other half of each exchange of which only one was found."""
    sides: dict[tuple[str, ...], set[str]] = {}
    for message in found.values():
        sides.setdefault(exchange_of(message), set()).add(message["direction"])
    for exchange, directions in sides.items():
        if len(directions) == 1:
            node, link, _, stan, _ = exchange
            _take(found, [other for other in ask(node, link=link, stan=stan) if _is_of(other, exchange)])


def _is_of(message: View, exchange: tuple[str, ...]) -> bool:
    return "mti" in message and exchange_of(message) == exchange


def _remarks(ask: Ask, messages: list[View]) -> list[View]:
    """Return the remarks at the links of the messages, about their STANs and in their time."""
    if not messages:
        return []
    until = datetime.fromisoformat(messages[-1]["at"]) + REMARKS_FOR
    places = {(message["node"], message["fields"].get("11", "")): set[str]() for message in messages}
    for message in messages:
        places[message["node"], message["fields"].get("11", "")].add(message["link"])
    found: dict[tuple[str, int], View] = {}
    for (node, stan), links in places.items():
        if not stan:
            continue
        span = {"since": messages[0]["at"], "until": until.isoformat()}
        for remark in ask(node, direction="note", stan=stan, **span):
            if remark["link"] in links:
                found[node, remark["sequence"]] = remark
    return sorted(found.values(), key=lambda remark: (remark["at"], remark["node"], remark["sequence"]))
