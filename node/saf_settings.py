"""What a settings file may say about store-and-forward: when entries are sent again, and which answers end them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from node.core.saf import SafRules
from node.settings import Section

_RULES = SafRules._field_defaults

_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]
_Code = Annotated[str, Field(pattern=r"^[0-9A-Z]{2}$")]


class SafSettings(Section):
    """The section `[saf]`, for every node. What each value means: `SafRules`, whose defaults these are.

    Attributes
    ----------
    final_codes
        DE 39 (1987 form) with which the peer has taken an entry: it is done.
    retry_codes
        DE 39 after which it is sent again. Any other code ends it as dead.
    """

    answer_timeout_s: _Seconds = _RULES["answer_timeout_s"]
    backoff_first_s: _Seconds = _RULES["backoff_first_s"]
    backoff_max_s: _Seconds = _RULES["backoff_max_s"]
    attempts_max: _Count = _RULES["attempts_max"]
    in_flight_max: _Count = _RULES["in_flight_max"]
    dead_max: _Count = _RULES["dead_max"]
    final_codes: frozenset[_Code] = _RULES["final_codes"]
    retry_codes: frozenset[_Code] = _RULES["retry_codes"]

    @model_validator(mode="after")
    def _can_end(self) -> Self:
        if not self.final_codes:
            raise ValueError("final_codes names at least one code, or nothing would ever be done")
        if both := sorted(self.final_codes & self.retry_codes):
            raise ValueError(f"{', '.join(both)} cannot be both in final_codes and in retry_codes")
        if self.backoff_first_s > self.backoff_max_s:
            raise ValueError("backoff_first_s must not exceed backoff_max_s")
        return self

    def rules(self) -> SafRules:
        """Return what a SAF machine is built with."""
        return SafRules(**self.model_dump())
