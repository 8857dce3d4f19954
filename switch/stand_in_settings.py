"""Settings of stand-in and of the circuit breakers: TOML in, rules of the core out."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from iso.errors import CardrailsError, IsoError
from iso.money import currency
from node.settings import Section
from switch.core.breaker import BreakerRules
from switch.core.prefixes import span
from switch.core.stand_in import StandInRule


class StandInSection(Section):
    """What the switch may decide in an issuer's place for some BINs; see docs/reference/stand-in.md.

    Attributes
    ----------
    bins
        Prefixes of card numbers ("4242"), 1 to 11 digits, and ranges of them ("400000-409999").
    floor
        Currency (ISO 4217, letters) to the largest amount that is approved, in minor units.
    count_max
        Approvals per card, currency and business day.
    amount_max
        Currency to the most that is approved per card and business day, in minor units.
    mcc_allowed, mcc_refused
        Merchant category codes; none allowed = all are.
    hot
        Network tokens, or truncated card numbers ("424242******4242"), that are declined.
    cvk
        Place of the issuer's CVK in the switch's key table.
    needs_cvv2
        Decline a request without a CVV2 that was verified.
    mode
        "limits", "decline-all" (with `decline_code`), or "forced": the issuer is not asked at all.
    """

    bins: tuple[str, ...] = Field(min_length=1)
    floor: dict[str, int] = Field(default_factory=dict)
    count_max: int = Field(default=3, ge=0)
    amount_max: dict[str, int] = Field(default_factory=dict)
    mcc_allowed: frozenset[str] = frozenset()
    mcc_refused: frozenset[str] = frozenset()
    hot: frozenset[str] = frozenset()
    cvk: str = Field(default="", pattern=r"^(K[0-9A-F]{3})?$")
    needs_cvv2: bool = False
    mode: str = Field(default="limits", pattern="^(limits|decline-all|forced)$")
    decline_code: str = Field(default="05", pattern=r"^[0-9A-Z]{2}$")

    @field_validator("bins")
    @classmethod
    def _are_prefixes(cls, bins: tuple[str, ...]) -> tuple[str, ...]:
        for prefix in bins:
            try:
                span(prefix)
            except CardrailsError as error:
                problem = str(error)
            else:
                continue
            raise ValueError(problem)
        return bins

    @field_validator("floor", "amount_max")
    @classmethod
    def _are_currencies(cls, amounts: dict[str, int]) -> dict[str, int]:
        for code, amount_minor in amounts.items():
            if amount_minor < 0:
                raise ValueError(f"{code} = {amount_minor} must not be negative")
            try:
                currency(code)
            except IsoError:
                problem = f"{code} must be an ISO 4217 currency that iso.money knows"
            else:
                continue
            raise ValueError(problem)
        return amounts

    @model_validator(mode="after")
    def _a_cvv2_can_be_verified(self) -> Self:
        if self.needs_cvv2 and not self.cvk:
            raise ValueError("needs_cvv2 wants a cvk: otherwise nobody here can verify a CVV2")
        return self

    def rule(self) -> StandInRule:
        """Return what the core decides by."""
        return StandInRule(
            bins=tuple(prefix for text in self.bins for prefix in span(text).prefixes()),
            floors=_by_number(self.floor),
            count_max=self.count_max,
            amounts_max=_by_number(self.amount_max),
            mcc_allowed=self.mcc_allowed,
            mcc_refused=self.mcc_refused,
            hot=self.hot,
            cvk=self.cvk,
            needs_cvv2=self.needs_cvv2,
            declines_all=self.mode == "decline-all",
            decline_code=self.decline_code,
            is_forced=self.mode == "forced",
        )


class BreakerSection(Section):
    """When an issuer that does not answer is no longer asked. Durations in seconds; `timeouts = 0`: never."""

    timeouts: int = Field(default=0, ge=0)
    window_s: float = Field(default=30.0, gt=0)
    probe_s: float = Field(default=10.0, gt=0)

    def rules(self) -> BreakerRules:
        """Return what the core decides by."""
        return BreakerRules(**self.model_dump())


def _by_number(amounts: dict[str, int]) -> dict[str, int]:
    return {currency(code).numeric: amount_minor for code, amount_minor in amounts.items()}
