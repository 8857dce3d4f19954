"""What no linter checks: lengths, clocks, sleeps, secrets, and that the documents name things that exist."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("iso", "node", "hsm_sim", "switch", "banks", "gateway", "emulator")
FILE_MAX_LINES = 400
FUNCTION_MAX_LINES = 50


def tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:  # an unpacked archive has no git
        return [path for path in ROOT.rglob(pattern) if ".venv" not in path.parts]
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def product_files() -> list[Path]:
    return [path for path in tracked("*.py") if path.relative_to(ROOT).parts[0] in PACKAGES]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its docstring and nested functions."""
    assert node.end_lineno is not None
    total = node.end_lineno - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        assert first.end_lineno is not None
        total -= first.end_lineno - first.lineno + 1
    for inner in ast.walk(node):
        if inner is not node and isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            total -= body_lines(inner)
    return total


class TestLengths:
    """A file that wants to be longer is two ideas; so is a function."""

    def test_no_file_is_longer_than_400_lines(self) -> None:
        too_long = {
            str(path.relative_to(ROOT)): lines
            for path in product_files()
            if (lines := len(path.read_text("utf-8").splitlines())) > FILE_MAX_LINES
        }

        assert too_long == {}

    def test_no_function_is_longer_than_50_lines(self) -> None:
        too_long = {
            f"{path.relative_to(ROOT)}:{node.name}": body_lines(node)
            for path in product_files()
            if "migrations" not in path.parts  # a table is as long as it is
            for node in functions(path)
            if body_lines(node) > FUNCTION_MAX_LINES
        }

        assert too_long == {}


class TestWords:
    """Nothing is left open, nothing waits by the clock, and no card number is in a branch of the code."""

    def test_nothing_is_left_open(self) -> None:
        open_ends = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
        found = [
            f"{path.relative_to(ROOT)}:{number}"
            for path in product_files()
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
            if open_ends.search(line)
        ]

        assert found == []

    def test_no_test_sleeps(self) -> None:
        sleeping = re.compile(r"\b(time|asyncio|anyio|trio)\.sleep\(")
        found = [
            str(path.relative_to(ROOT)) for path in tracked("tests/*.py") if sleeping.search(path.read_text("utf-8"))
        ]

        assert found == []

    def test_no_card_number_is_in_code(self) -> None:
        from iso.pan import luhn_valid

        found = []
        for path in product_files():
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                    continue
                if re.fullmatch(r"\d{13,19}", node.value) and luhn_valid(node.value) and set(node.value) != {"0"}:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")

        assert found == []

    def test_only_the_clock_module_reads_a_clock(self) -> None:
        waived = [
            str(path.relative_to(ROOT))
            for path in product_files()
            if "noqa: TID251" in path.read_text("utf-8") and path != ROOT / "node" / "clock.py"
        ]

        assert waived == []


class TestDocuments:
    """ARCHITECTURE.md names what exists."""

    @pytest.mark.parametrize("document", ["ARCHITECTURE.md"])
    def test_every_dotted_name_of_the_path_table_exists(self, document: str) -> None:
        text = (ROOT / document).read_text("utf-8")
        table = text.split("<!-- path table -->")[1].split("<!-- end -->")[0]
        names = re.findall(r"`((?:" + "|".join(PACKAGES) + r")(?:\.\w+)+)`", table)

        missing = [name for name in names if not exists(name)]

        assert len(names) >= 9
        assert missing == []

    def test_every_file_that_a_document_links_to_exists(self) -> None:
        broken = []
        for document in tracked("*.md"):
            for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text("utf-8")):
                if "://" not in target and not (document.parent / target).exists():
                    broken.append(f"{document.relative_to(ROOT)} -> {target}")

        assert broken == []


def exists(name: str) -> bool:
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[cut:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False
