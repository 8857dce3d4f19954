"""Settings of an issuer, and the card seeds that ship with the product."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from banks.core.cards import Card
from banks.issuer.books import WEEK_S, IssuerRules
from banks.issuer.seeding import CardSeed
from hsm_sim.zones.settings import KeySettings, Mac
from iso import ConfigError
from iso.masks import luhn_valid, mask_pan, mask_text
from node.link_settings import LinkSettings
from node.settings import Section, first_problem

SEED_FILE = "seed_cards.toml"
CURRENCIES = ("840", "978", "826", "392", "756", "036", "124", "752", "208", "578")
"""ISO 4217 numeric: every seeded card has an account in each of these."""


_PAN_RULE = "must be 13 to 19 digits with a valid check digit"


class CardSection(Section):
    """One card to issue. What a column means: `banks.core.cards.Card`."""

    pan: str = Field(repr=False)
    about: str = ""
    balance_minor: int = Field(default=0, ge=0)
    expiry: str = Field(default="", pattern=r"^(\d\d(0[1-9]|1[0-2]))?$")
    status: Literal["active", "blocked", "lost", "stolen", "expired"] = "active"
    cvc_rule: Literal["check", "any"] = "check"
    cvc_absent: Literal["allow", "decline"] = "allow"
    cvk: str = Field(default="", pattern=r"^(K[0-9A-F]{3})?$")
    limit_minor: int = Field(default=-1, ge=-1)
    velocity_max: int = Field(default=-1, ge=-1)
    scripted_code: str = Field(default="", pattern=r"^([0-9A-Z]{2})?$")
    answer_after_ms: int = Field(default=0, ge=0, le=600_000)
    answers: bool = True

    @field_validator("pan")
    @classmethod
    def _is_a_card_number(cls, pan: str) -> str:
        if not (13 <= len(pan) <= 19 and luhn_valid(pan)):
            raise ValueError(_PAN_RULE)
        return pan

    def seed(self) -> CardSeed:
        """Return what the issuer's seeding takes."""
        card = Card(
            fingerprint="",
            last4=self.pan[-4:],
            account="",
            expiry=self.expiry,
            status=self.status,
            cvc_rule=self.cvc_rule,
            cvc_absent=self.cvc_absent,
            cvk=self.cvk,
            limit_minor=self.limit_minor,
            velocity_max=self.velocity_max,
            scripted_code=self.scripted_code,
            answer_after_ms=self.answer_after_ms,
            answers=int(self.answers),
        )
        return CardSeed(self.pan, card, self.balance_minor)


class _SeedFile(Section):
    defaults: dict[str, Any] = Field(default_factory=dict)
    cards: tuple[CardSection, ...] = ()


class IssuerConfig(Section):
    """One issuer of the topology.

    Attributes
    ----------
    address
        Where it listens for the network: a pipe URL.
    bins
        Card ranges that are its own, as prefixes.
    foreign_bins
        Ranges of the other issuers; on a card that both match, the longer prefix wins.
    hold_s
        Seconds of business time until a hold expires.
    """

    name: str = Field(min_length=1)
    address: str
    dialect: str
    bins: tuple[str, ...] = Field(min_length=1)
    foreign_bins: tuple[str, ...] = ()
    currencies: tuple[str, ...] = CURRENCIES
    hsm_timeout_s: float = Field(default=2.0, gt=0)
    answer_timeout_s: float = Field(default=8.0, gt=0)
    hold_s: int = Field(default=WEEK_S, gt=0)
    settled_max: int = Field(default=50_000, ge=100)
    links: LinkSettings = LinkSettings()
    mac: Mac = "dialect"
    keys: KeySettings = KeySettings()

    def rules(self) -> IssuerRules:
        """Return what the pure host is built with."""
        return IssuerRules(
            name=self.name,
            hsm_timeout_s=self.hsm_timeout_s,
            answer_timeout_s=self.answer_timeout_s,
            hold_s=self.hold_s,
            settled_max=self.settled_max,
        )

    def own(self, cards: Iterable[CardSection]) -> list[CardSection]:
        """Return the cards of this issuer's ranges."""
        return [card for card in cards if _longest(card.pan, self.bins) > _longest(card.pan, self.foreign_bins)]


def shipped_cards() -> list[CardSection]:
    """Return the test cards that ship with the product, in the order of their file."""
    return read_cards((resources.files("banks.issuer") / SEED_FILE).read_text("utf-8"), SEED_FILE)


def read_cards(text: str, file: str) -> list[CardSection]:
    """Read a seed file.

    Raises
    ------
    ConfigError
        One line that names file, key, value (card numbers masked) and rule.
    """
    try:
        data: dict[str, Any] = tomllib.loads(text)
        defaults = data.get("defaults", {})
        cards = [{**defaults, **card} for card in data.get("cards", [])]
        return list(_SeedFile.model_validate({**data, "cards": cards}).cards)
    except tomllib.TOMLDecodeError as error:
        problem = ConfigError(file, "(syntax)", mask_text(str(error)), "must be TOML")
    except (TypeError, AttributeError):
        problem = ConfigError(file, "cards", "...", "must be tables")
    except ValidationError as error:
        problem = first_problem(error, file)
        if problem.key.endswith(".pan"):
            # A number with a wrong check digit is not recognised as one in free text: mask it whatever it is.
            problem = ConfigError(file, problem.key, mask_pan(str(problem.value)), _PAN_RULE)
    # Raised out here, so that no cause with the card's number hangs on it.
    raise problem


def _longest(pan: str, prefixes: Iterable[str]) -> int:
    return max((len(prefix) for prefix in prefixes if pan.startswith(prefix)), default=0)
