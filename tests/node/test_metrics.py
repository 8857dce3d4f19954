"""Metrics: Prometheus text that a parser takes, with what the links counted."""

from __future__ import annotations

import re

import anyio
import pytest
from trio.testing import MockClock

from node.core.faults import Fault
from node.metrics import Family, Sample, exposition, runtime_metrics
from node.pipes import Pipes
from node.runtime import Runtime
from tests.support.nodes import EPOCH, answerer, asker, authorisation
from tests.support.time import let_pass

SAMPLE = re.compile(r'^[a-z_]+(\{[a-z_]+="(?:[^"\\\n]|\\.)*"(,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})? \S+$')


class TestExposition:
    """Each family stands once, and labels are escaped."""

    def test_families_of_several_nodes_become_one(self) -> None:
        text = exposition(
            Family("a", "counter", "A.", [Sample({"node": node}, number)]) for number, node in enumerate("xy")
        )

        assert text == '# HELP a A.\n# TYPE a counter\na{node="x"} 0\na{node="y"} 1\n'

    def test_labels_are_escaped(self) -> None:
        text = exposition([Family("a", "gauge", "A.", [Sample({"link": 'a"b\\c\nd'}, 1)])])

        assert text.splitlines()[2] == r'a{link="a\"b\\c\nd"} 1'

    def test_a_large_count_is_whole(self) -> None:
        assert exposition([Family("a", "counter", "A.", [Sample({}, 12_345_678_901)])]).endswith("a 12345678901\n")


class TestRemarks:
    """What the trace says about copies and stand-in is counted by link, and everything it says by kind."""

    def test_they_are_counted(self) -> None:
        runtime, _ = answerer(Pipes())
        for kind in ("copy", "stand-in", "copy", "late"):
            runtime.trace.note(EPOCH, "asker", kind, "0100 000001")

        lines = exposition(runtime_metrics(runtime)).splitlines()

        place = 'node="answerer",link="asker"'
        assert f"cardrails_duplicates_total{{{place}}} 2" in lines
        assert f"cardrails_stand_ins_total{{{place}}} 1" in lines
        assert f'cardrails_remarks_total{{{place},kind="late"}} 1' in lines


@pytest.mark.trio
class TestANode:
    """What crossed a link, what was slow, what was declined and what was provoked is counted."""

    @pytest.fixture
    def mock_clock(self) -> MockClock:
        return MockClock(autojump_threshold=0)

    async def figures(self, node: Runtime) -> dict[str, str]:
        lines = exposition(runtime_metrics(node)).splitlines()
        samples = [line for line in lines if not line.startswith("#")]
        assert all(SAMPLE.match(line) for line in samples)
        return dict(line.rsplit(" ", 1) for line in samples)

    async def test_an_exchange_and_a_silence(self, mock_clock: MockClock) -> None:
        pipes = Pipes()
        (there, _), (here, host) = answerer(pipes), asker(pipes)

        async with anyio.create_task_group() as tasks:
            await tasks.start(there.run)
            await tasks.start(here.run)
            await let_pass(1)
            await here.call(lambda: host.desk.request("answerer", authorisation(), 10.0))
            there.faults.add(Fault("asker", "in", "0100", "drop"))
            await here.call(lambda: host.desk.request("answerer", authorisation("000002"), 10.0))
            asking, answering = await self.figures(here), await self.figures(there)
            tasks.cancel_scope.cancel()

        link = 'node="asker",link="answerer"'
        assert asking[f"cardrails_link_out_total{{{link}}}"] == "3"
        assert asking[f"cardrails_link_in_total{{{link}}}"] == "2"
        assert asking[f"cardrails_link_in_flight{{{link}}}"] == "0"
        assert asking[f"cardrails_link_timeouts_total{{{link}}}"] == "1"
        assert asking[f"cardrails_link_latency_seconds_count{{{link}}}"] == "1"
        assert asking[f'cardrails_link_latency_seconds_bucket{{{link},le="+Inf"}}'] == "1"
        assert asking[f"cardrails_saf_depth{{{link}}}"] == "0"
        assert answering['cardrails_faults_fired_total{node="answerer",link="asker",action="drop"}'] == "1"
