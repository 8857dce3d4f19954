"""docs/reference/links.md says what the code does."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

from emulator.topology import CapturesSection, TlsSection, default_text
from node.core.link import LinkProfile
from node.link import LinkConfig
from node.link_settings import LinkSettings

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "links.md").read_text("utf-8")
HOLDERS = {"LinkProfile": LinkProfile, "LinkConfig": LinkConfig}


def default_of(name: str) -> object:
    holder, _, attribute = name.rpartition(".")
    if holder in HOLDERS:
        return HOLDERS[holder]._field_defaults[attribute]
    return getattr(importlib.import_module(holder), attribute)


class TestTheDocument:
    """Every limit in the table has the value that it has in the code, and every example of settings is accepted."""

    def test_limits(self) -> None:
        rows = re.findall(r"^\| `([\w.]+)` \| (\d+) \|", TEXT, re.MULTILINE)

        assert len(rows) == 16
        assert {name: float(value) for name, value in rows} == {name: float(str(default_of(name))) for name, _ in rows}

    def test_every_limit_of_a_link_is_in_the_table(self) -> None:
        limits = {
            f"{name}.{field}"
            for name, kind in HOLDERS.items()
            for field in kind._fields
            if re.search(r"_max(_|$)", field)
        }

        missing = {limit for limit in limits if f"`{limit}`" not in TEXT}

        assert missing == {"LinkConfig.redial_max_s"}

    def test_settings(self) -> None:
        links, tls, captures = (tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL))

        assert LinkSettings(**links["links"]).connections == 3
        assert TlsSection(**tls["tls"]).mutual
        assert CapturesSection(**captures["captures"]).folder == Path("captures")

    def test_the_default_topology_lists_every_setting_with_its_default(self) -> None:
        listed = re.search(r"^# \[links\].*\n((?:# .*\n)+)", default_text(), re.MULTILINE)

        assert listed is not None
        assert tomllib.loads(re.sub(r"^# ", "", listed[1], flags=re.MULTILINE)) == LinkSettings().model_dump()
