"""A node's counters as Prometheus text.

The hot path counts in plain attributes (`node.core.meters`, `LinkMachine.counters`, `TraceRing.remarks`); this module
reads them when somebody asks. No label is free text of a peer.

Source: the Prometheus text exposition format 0.0.4, general knowledge of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Literal, NamedTuple

from node.core.faults import Faults
from node.core.host import Host
from node.core.link import LinkMachine
from node.core.meters import BUCKETS_S
from node.runtime import Runtime

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

DUPLICATES = frozenset({"copy", "duplicate"})
"""Remarks that say a request had been seen before."""
STAND_INS = frozenset({"stand_in", "stand-in"})
"""Remarks that say the switch decided in an issuer's place."""


class Sample(NamedTuple):
    """One value; `suffix` is `_bucket`, `_sum` or `_count` in a histogram."""

    labels: Mapping[str, str]
    value: float
    suffix: str = ""


class Family(NamedTuple):
    """All values of one name."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    samples: list[Sample]


def exposition(families: Iterable[Family]) -> str:
    """Write families as text; those of several nodes that have one name become one.

    Examples
    --------
    >>> print(exposition([Family("up", "gauge", "Whether it is.", [Sample({"node": "switch"}, 1)])]), end="")
    # HELP up Whether it is.
    # TYPE up gauge
    up{node="switch"} 1
    """
    merged: dict[str, Family] = {}
    for family in families:
        if family.name in merged:
            merged[family.name].samples.extend(family.samples)
        else:
            merged[family.name] = family._replace(samples=list(family.samples))
    lines: list[str] = []
    for name, kind, text, samples in merged.values():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        for labels, value, suffix in samples:
            shown = ",".join(f'{label}="{_escaped(said)}"' for label, said in labels.items())
            lines.append(f"{name}{suffix}{{{shown}}} {value:.12g}" if shown else f"{name}{suffix} {value:.12g}")
    return "".join(f"{line}\n" for line in lines)


def runtime_metrics(runtime: Runtime) -> list[Family]:
    """Read the counters of a node that has links."""
    node = {"node": runtime.name}
    families = [
        Family("cardrails_turns_total", "counter", "Turns taken.", [Sample(node, runtime.turns)]),
        Family("cardrails_commits_total", "counter", "Turns that were committed.", [Sample(node, runtime.commits)]),
        Family("cardrails_inbox_events", "gauge", "Events that wait for a turn.", [Sample(node, len(runtime.inbox))]),
        _faults(runtime.faults, node),
    ]
    machine = runtime.machine
    if isinstance(machine, Host):
        for link in machine.links.values():
            families += _link(link, node | {"link": link.name})
        families.append(_saf(machine, node))
    return families + _remarks(runtime.trace.remarks, node)


def _link(link: LinkMachine, labels: dict[str, str]) -> list[Family]:
    counters, meters = link.counters, link.meters

    def counted(name: str, text: str, value: float) -> Family:
        return Family(f"cardrails_link_{name}_total", "counter", text, [Sample(labels, value)])

    declines = [Sample(labels | {"code": code}, count) for code, count in meters.declines.items()]
    return [
        Family("cardrails_link_up", "gauge", "Whether the link carries traffic.", [Sample(labels, link.is_up)]),
        counted("in", "Messages received.", counters["in"]),
        counted("out", "Messages sent.", counters["out"]),
        Family(
            "cardrails_link_in_flight", "gauge", "Requests that wait for an answer.", [Sample(labels, link.in_flight)]
        ),
        counted("timeouts", "Requests that got no answer in time.", counters["timeouts"]),
        counted("late", "Responses that nobody waited for.", counters["late"]),
        counted("bad_macs", "Messages whose MAC did not fit.", counters["bad_mac"]),
        counted("rejected", "Messages that could not be read.", counters["rejected"]),
        Family(
            "cardrails_link_declines_total",
            "counter",
            "Answers to our requests by DE 39, approvals left out.",
            declines,
        ),
        _latency(link, labels),
    ]


def _latency(link: LinkMachine, labels: dict[str, str]) -> Family:
    counts = list(accumulate(link.meters.latencies))
    bounds = [*(f"{bound:g}" for bound in BUCKETS_S), "+Inf"]
    samples = [Sample(labels | {"le": bound}, count, "_bucket") for bound, count in zip(bounds, counts, strict=True)]
    samples += [Sample(labels, link.meters.latency_sum_s, "_sum"), Sample(labels, counts[-1], "_count")]
    return Family("cardrails_link_latency_seconds", "histogram", "From our request to its answer.", samples)


def _saf(host: Host, node: dict[str, str]) -> Family:
    waiting = Counter(entry.link for entry in host.saf.entries.values())
    samples = [Sample(node | {"link": link}, waiting[link]) for link in host.links]
    return Family("cardrails_saf_depth", "gauge", "Advices and reversals that wait for their answer.", samples)


def _faults(faults: Faults, node: dict[str, str]) -> Family:
    samples = [
        Sample(node | {"link": link, "action": action}, count) for (link, action), count in faults.counts.items()
    ]
    return Family("cardrails_faults_fired_total", "counter", "Provoked faults that struck.", samples)


def _remarks(remarks: Mapping[tuple[str, str], int], node: dict[str, str]) -> list[Family]:
    def of(name: str, text: str, kinds: frozenset[str]) -> Family:
        found = Counter[str]()
        for (link, kind), count in remarks.items():
            if kind in kinds:
                found[link] += count
        samples = [Sample(node | {"link": link}, count) for link, count in found.items()]
        return Family(f"cardrails_{name}_total", "counter", text, samples)

    every = [Sample(node | {"link": link, "kind": kind}, count) for (link, kind), count in remarks.items()]
    return [
        of("duplicates", "Requests that had been seen before.", DUPLICATES),
        of("stand_ins", "Requests that the switch decided in an issuer's place.", STAND_INS),
        Family("cardrails_remarks_total", "counter", "Remarks in the trace, by kind.", every),
    ]


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
