"""`keys enter`: only a key of the right length, for a party of the house, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.cli import main

KEY = "00112233445566778899AABBCCDDEEFF"


class TestRefusals:
    """One line, exit code 2, and no key in it."""

    @pytest.mark.parametrize(
        ("party", "kind", "text", "rule"),
        [
            ("open", "mac", KEY, "must be one of gateway, acquirer, switch"),
            ("switch", "zmk", KEY, "64 hexadecimal digits"),
            ("switch", "mac", KEY[:-1] + "X", "32 hexadecimal digits"),
            ("switch", "mac", KEY, "the folder of a house that was started once"),
        ],
    )
    def test_what_cannot_be_entered(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], party: str, kind: str, text: str, rule: str
    ) -> None:
        file = tmp_path / "clear.hex"
        file.write_text(text)

        words = ["--party", party, "--kind", kind, "--place", "K500", "--clear", str(file), "--data-dir", str(tmp_path)]
        code = main(["keys", "enter", *words])

        captured = capsys.readouterr()
        assert code == 2
        assert rule in captured.err
        assert KEY[:16] not in captured.err + captured.out
