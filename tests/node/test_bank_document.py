"""docs/reference/bank-api.md is true: it has every route of a bank, with the scope that it needs."""

from __future__ import annotations

import re
from pathlib import Path

from node.control_access import SCOPES
from tests.node.test_control_access import ROUTES

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "bank-api.md"
ROW = re.compile(r"^\| `([A-Z]+) (bank/[^?`]*)[^`]*` \| `([a-z:]+)` \|", re.MULTILINE)


class TestTheDocument:
    """What may be called, and by whom, is written down."""

    def test_every_route_has_its_scope(self) -> None:
        written = set(ROW.findall(DOCUMENT.read_text("utf-8")))
        served = {
            (method, path.replace("{merchant}", "MID").replace("{card}", "CARD"), scope)
            for method, path, scope in ROUTES
            if path.startswith("bank/")
        }

        assert written == served

    def test_every_scope_is_explained(self) -> None:
        text = DOCUMENT.read_text("utf-8")

        assert [scope for scope in SCOPES if f"`{scope}`" not in text] == []
