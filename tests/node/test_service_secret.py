"""The secret that signs service tokens: one for the whole house, however its processes start."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from iso.errors import ConfigError
from node.control_access import service_secret


class TestSecret:
    """Made once, by whoever is first; whoever cannot have it does not start with another."""

    def test_it_is_the_same_at_every_start_and_its_owners_alone(self, tmp_path: Path) -> None:
        first = service_secret(tmp_path, lambda count: b"\x01" * count)
        second = service_secret(tmp_path, lambda count: b"\x02" * count)

        (file,) = tmp_path.iterdir()
        assert (first, file.name, file.read_text()) == (second, "control.key", "01" * 32)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_processes_that_start_together_have_one(self, tmp_path: Path) -> None:
        of_the_other: list[str] = []

        def overtaken(count: int) -> bytes:
            """Draw a secret, while another process does all that this one is about to do."""
            of_the_other.append(service_secret(tmp_path, lambda count: b"\x02" * count))
            return b"\x01" * count

        secret = service_secret(tmp_path, overtaken)

        assert of_the_other == [secret] == [service_secret(tmp_path, lambda count: b"\x03" * count)]
        assert [file.name for file in tmp_path.iterdir()] == ["control.key"]

    @pytest.mark.parametrize("content", [b"", b"\n", b"abcd", b"\xff" * 64, b"g" * 64])
    def test_a_file_that_is_none_of_ours_signs_nothing(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "control.key").write_bytes(content)

        with pytest.raises(ConfigError, match=r"control\.key: content = 'hidden': must be 32 bytes in hex"):
            service_secret(tmp_path, bytes)
