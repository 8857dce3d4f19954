"""What an issuer can be set to, wherever it runs: how long it holds, what it tolerates, what it scripts."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from banks.core.scripts import ANY_REQUEST, DELAY_MAX_MS, FOR_EVER, ScriptRow, check_script
from banks.issuer.books import HOLD_DAYS, TOLERANCE_PERCENT, WEEK_S
from iso import LocalProtocolError
from node.settings import Section


class ScriptSection(Section):
    """What is answered on purpose. What each means: `banks.core.scripts.ScriptRow`."""

    when: str = Field(default=ANY_REQUEST, max_length=4000)
    code: str = Field(default="", pattern=r"^([0-9A-Z]{2})?$")
    delay_ms: int = Field(default=0, ge=0, le=DELAY_MAX_MS)
    answers: bool = True
    times: int = Field(default=FOR_EVER, ge=FOR_EVER, le=1_000_000)

    @model_validator(mode="after")
    def _can_be_put(self) -> Self:
        try:
            check_script(self.row())
        except LocalProtocolError as error:
            problem = str(error)
        else:
            return self
        raise ValueError(problem)

    def row(self) -> ScriptRow:
        """Return the script, without its number and its card."""
        return ScriptRow(0, "", self.when, self.code, self.delay_ms, int(self.answers), self.times)


class IssuerSettings(Section):
    """Settings of an issuer's decisions; what each means: `banks.issuer.books.IssuerRules`.

    Attributes
    ----------
    hold_s
        Seconds of business time until a hold expires.
    scripts
        Of every card of this issuer; put anew at each start, in the place of those of the last one.
    """

    hold_s: int = Field(default=WEEK_S, gt=0)
    settled_max: int = Field(default=50_000, ge=100)
    messages: Literal["dual", "single"] = "dual"
    hold_days: dict[str, int] = Field(default_factory=lambda: dict(HOLD_DAYS))
    completed_days: int = Field(default=30, gt=0, le=3650)
    tolerance_percent: dict[str, int] = Field(default_factory=lambda: dict(TOLERANCE_PERCENT))
    known_cards_max: int = Field(default=100_000, ge=0, le=10_000_000)
    atc_gap_max: int = Field(default=0, ge=0, le=0xFFFF)
    verification_code: Literal["00", "85"] = "00"
    scripts: tuple[ScriptSection, ...] = ()
