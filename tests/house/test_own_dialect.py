"""A user's own dialect, named in the topology, carries payments like a built-in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.topology import default_text, read_topology
from iso import ConfigError, dialect
from tests.support.house import running_house

pytestmark = pytest.mark.house

MY_HOST = """
name = "my-host"
base = "ascii87"
text = "cp037"
numeric = "bcd"
lengths = "bcd"
bitmap = "b"
framing = "len4-ascii"

[elements]
48 = "ans..99"

[layouts.48]
layout = "tlv"
tag_width = 2
length_width = 3
names = { "01" = "security code", "13" = "trace" }
secrets = ["01"]
"""


def topology_with(folder: Path, dialects: str, spoken: str = "my-host") -> Path:
    file = folder / "house.toml"
    text = default_text().replace('dialect = "ascii87"', f'dialect = "{spoken}"', 1)
    file.write_text(f"{text}\n[dialects]\n{dialects}\n")
    return file


class TestAnOwnDialect:
    """`[dialects]` names files; links use the names."""

    def test_a_link_speaks_it(self, tmp_path: Path) -> None:
        (tmp_path / "my-host.toml").write_text(MY_HOST)
        topology = read_topology(topology_with(tmp_path, 'my-host = "my-host.toml"'))
        (tmp_path / "data").mkdir()

        with running_house(tmp_path / "data", topology) as house:
            paid = house.stripe().v1.payment_intents.create(
                {"amount": 1200, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
            )
            spoken = {message.get("dialect") for message in house.control.messages("issuer-a")}

        assert paid.status == "succeeded"
        assert spoken == {"my-host"}
        layout = dialect("my-host").layout(48)
        assert layout is not None
        assert [node.name for node in layout.parse(b"01003123" + b"13002ab")] == ["security code", "trace"]

    @pytest.mark.parametrize(
        ("content", "entry", "parts"),
        [
            (None, 'my-host = "absent.toml"', ["dialects.my-host", "absent.toml", "readable"]),
            ('name = "other"\nbase = "ascii87"', 'my-host = "my-host.toml"', ["dialects.my-host", "calls it other"]),
            ('name = "my-host"\nbase = "x"', 'my-host = "my-host.toml"', ["my-host.toml", "base", "'x'", "one of"]),
            ('name = "ascii87"\nbase = "ascii87"', 'ascii87 = "my-host.toml"', ["ascii87", "no built-in dialect"]),
            (
                'name = "my-host"\nbase = "ascii87"\n[layouts.48]\nlayout = "xml"',
                'my-host = "my-host.toml"',
                ["my-host.toml", "layouts.48", "xml"],
            ),
        ],
    )
    def test_a_mistake_is_one_line(self, tmp_path: Path, content: str | None, entry: str, parts: list[str]) -> None:
        if content is not None:
            (tmp_path / "my-host.toml").write_text(content)

        with pytest.raises(ConfigError) as caught:
            read_topology(topology_with(tmp_path, entry))

        line = str(caught.value)
        assert "\n" not in line
        assert [part for part in parts if part not in line] == []
