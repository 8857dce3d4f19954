"""docs/reference/trace.md, verify.md and metrics.md say what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from emulator.topology import MessagesSection, default_text
from node.core.verify import parse
from node.metrics import runtime_metrics
from node.pipes import Pipes
from node.trace import CAPACITY, LAG_S
from tests.support.nodes import answerer

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference"


class TestTheDocuments:
    """Settings, limits, examples and names are those of the code."""

    def test_settings_are_shown_with_their_defaults(self) -> None:
        (block,) = re.findall(r"```toml\n(.*?)```", (DOCS / "trace.md").read_text("utf-8"), re.DOTALL)

        assert MessagesSection(**tomllib.loads(block)["messages"]) == MessagesSection()
        assert f"{CAPACITY:,}" in block
        assert f"`node.trace.LAG_S` ({LAG_S} s)" in (DOCS / "trace.md").read_text("utf-8")

    def test_the_default_topology_lists_them(self) -> None:
        listed = re.search(r"^# \[messages\].*\n((?:# .*\n)+)", default_text(), re.MULTILINE)

        assert listed is not None
        assert tomllib.loads(re.sub(r"^# ", "", listed[1], flags=re.MULTILINE)) == MessagesSection().model_dump()

    def test_the_assertion_in_verify_md_is_one(self) -> None:
        (example,) = re.findall(r"cardrails verify '(.*)'", (DOCS / "verify.md").read_text("utf-8"))

        assert parse(example).expected == "exactly 1"

    def test_every_metric_is_in_the_table_and_no_other(self) -> None:
        runtime, _ = answerer(Pipes())
        listed = re.findall(r"`(cardrails_\w+)`", (DOCS / "metrics.md").read_text("utf-8"))

        assert sorted(listed) == sorted({family.name for family in runtime_metrics(runtime)})
