"""The section `[links]`: one place for what a link's machine and a link's shell are built with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import ConfigError, dialect
from node.core.profile import LinkProfile
from node.link import LinkConfig
from node.link_settings import LinkSettings
from node.settings import TomlSettings, parse

SPOKEN = dialect("ascii87")


class Sample(TomlSettings):
    links: LinkSettings = LinkSettings()


class TestTheFields:
    """Everything that a profile and a link's configuration can be told is a setting, with their own defaults."""

    def test_there_is_one_for_each(self) -> None:
        of_a_link = {**LinkProfile._field_defaults, **LinkConfig._field_defaults}

        assert LinkSettings().model_dump() == of_a_link
        assert set(LinkProfile._fields) | set(LinkConfig._fields) - {"name", "role", "address", "dialect"} == set(
            of_a_link
        )

    def test_without_a_section_nothing_changes(self) -> None:
        settings = parse(Sample, "", "sample.toml").links

        assert settings.profile() == LinkProfile()
        assert settings.config("peer", "dial", "memory://peer", SPOKEN) == LinkConfig(
            "peer", "dial", "memory://peer", SPOKEN
        )

    @given(st.integers(1, 64), st.booleans(), st.floats(0.01, 1e6), st.integers(256, 1_000_000))
    def test_each_reaches_its_owner(self, connections: int, signs_on: bool, idle_s: float, frame: int) -> None:
        settings = LinkSettings(connections=connections, sign_on=signs_on, echo_idle_s=idle_s, frame_max_bytes=frame)

        config = settings.config("peer", "listen", "memory://peer", SPOKEN)

        assert settings.profile() == LinkProfile(sign_on=signs_on, echo_idle_s=idle_s)
        assert config == LinkConfig(
            "peer", "listen", "memory://peer", SPOKEN, frame_max_bytes=frame, connections=connections
        )


class TestMistakes:
    """A value that no link could keep is one line: file, key, value, rule."""

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("connections = 0", ["links.connections", "0", "greater than or equal to 1"]),
            ("connections = 'many'", ["links.connections", "'many'", "valid integer"]),
            ("echo_idle_s = 0", ["links.echo_idle_s", "0", "greater than 0"]),
            ("echo_idle_s = inf", ["links.echo_idle_s", "inf", "finite"]),
            ("echo_idle_s = nan", ["links.echo_idle_s", "nan", "finite"]),
            ("frame_max_bytes = 10", ["links.frame_max_bytes", "10", "greater than or equal to 256"]),
            ("echoes = 1", ["links.echoes", "1", "not permitted"]),
            ('echo = "all"', ["links.echo", "all", "no-pan"]),
            ("connections = 65", ["links", "connections (65) must not exceed connections_max (64)"]),
            ("redial_first_s = 9.5", ["links", "redial_first_s (9.5) must not exceed redial_max_s (5.0)"]),
            ("outbox_max_bytes = 300", ["links", "frame_max_bytes (8192) must not exceed outbox_max_bytes (300)"]),
        ],
    )
    def test_it_is_one_line(self, text: str, parts: list[str]) -> None:
        with pytest.raises(ConfigError) as caught:
            parse(Sample, f"[links]\n{text}", "sample.toml")

        line = str(caught.value)
        assert "\n" not in line
        assert [part for part in ["sample.toml", *parts] if part not in line] == []
