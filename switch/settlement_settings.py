"""What a settings file may say about settlement dates."""

from __future__ import annotations

from datetime import time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from node.settings import Section
from switch.core.settlement_days import SettlementRules

_RULES = SettlementRules._field_defaults


class SettlementSettings(Section):
    """When settlement dates change; what each value means: `SettlementRules`, whose defaults these are.

    Attributes
    ----------
    cut_over
        Local time, "HH:MM".
    zone
        Name of a time zone, such as "Europe/Paris".
    """

    cut_over: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "00:00"
    zone: str = "UTC"
    announces: bool = _RULES["announces"]
    answer_timeout_s: float = Field(default=_RULES["answer_timeout_s"], gt=0, allow_inf_nan=False)
    days_kept: int = Field(default=_RULES["days_kept"], ge=1, le=180)

    @field_validator("zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            problem = "must be the name of a time zone"
        else:
            return zone
        raise ValueError(problem)

    def rules(self) -> SettlementRules:
        """Return what the switch is built with."""
        return SettlementRules(
            time.fromisoformat(self.cut_over),
            ZoneInfo(self.zone),
            self.announces,
            self.answer_timeout_s,
            self.days_kept,
        )
