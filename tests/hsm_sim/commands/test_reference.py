"""The reference of host commands is printed from the table."""

from __future__ import annotations

from pathlib import Path

from hsm_sim.core.commands.reference import reference

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "reference" / "host-commands.md"


class TestTheReference:
    """What the document says of a command is what the parser does."""

    def test_the_document_is_the_table(self) -> None:
        assert DOCUMENT.read_text("utf-8") == reference(), (
            "print it anew: python -m hsm_sim.core.commands.reference > docs/reference/host-commands.md"
        )
