"""Settings of store-and-forward: what the documents show are the defaults, and what cannot work is refused."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from node.core.saf import SafRules
from node.saf_settings import SafSettings

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r"^```toml\n(\[saf\].*?)^```$", re.DOTALL | re.MULTILINE)


class TestSafSettings:
    """Each value is a rule of the SAF machine."""

    def test_the_defaults_are_the_rules_own(self) -> None:
        assert SafSettings().rules() == SafRules()

    def test_the_document_shows_them(self) -> None:
        found = SHOWN.search((ROOT / "docs" / "reference" / "saf.md").read_text("utf-8"))

        assert found is not None
        shown = tomllib.loads(found[1])["saf"]
        assert set(shown) == set(SafSettings.model_fields)
        assert SafSettings(**shown) == SafSettings()

    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"final_codes": frozenset()}, "at least one code"),
            ({"final_codes": frozenset({"00", "91"})}, "91 cannot be both"),
            ({"final_codes": frozenset({"000"})}, "pattern"),
            ({"backoff_first_s": 400.0}, "must not exceed"),
            ({"attempts_max": 0}, "greater than or equal to 1"),
        ],
    )
    def test_what_cannot_work_is_refused(self, changes: dict[str, object], rule: str) -> None:
        with pytest.raises(ValidationError, match=rule):
            SafSettings(**changes)  # type: ignore[arg-type]
