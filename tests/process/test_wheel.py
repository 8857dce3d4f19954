"""The wheel, in a clean environment and from an empty folder, pays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = [pytest.mark.process, pytest.mark.long]


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, f"{command}\n{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"
    return ran


class TestTheWheel:
    """It carries everything that a house needs and nothing that is not the product."""

    def test_it_runs_the_demo_in_a_clean_environment(self, tmp_path: Path) -> None:
        built, clean, empty = tmp_path / "dist", tmp_path / "venv", tmp_path / "empty"
        empty.mkdir()
        run(sys.executable, "-m", "build", "--wheel", "--outdir", str(built), str(ROOT), cwd=ROOT)
        wheel = next(built.glob("*.whl"))
        run(sys.executable, "-m", "venv", str(clean), cwd=tmp_path)
        pip = str(clean / "bin" / "pip")
        constraints = str(ROOT / "constraints.txt")
        run(pip, "install", "--quiet", "--constraint", constraints, str(wheel), cwd=empty)

        demo = run(str(clean / "bin" / "cardrails"), "demo", cwd=empty)
        names = run(sys.executable, "-m", "zipfile", "--list", str(wheel), cwd=empty).stdout
        packages = {line.split("/")[0] for line in names.splitlines()[1:] if "/" in line}

        assert "succeeded" in demo.stdout
        assert {name for name in packages if "dist-info" not in name} == {
            "iso",
            "node",
            "hsm_sim",
            "switch",
            "banks",
            "gateway",
            "emulator",
        }
