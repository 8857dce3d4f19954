"""Settings of an issuer, and the card seeds that ship with the product."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from banks.core.cards import ACTIVE, ALLOW, CARD_RULES, CHECK, NO_LIMIT, NUMERIC, PIN_TRIES_MAX, Card
from banks.issuer.books import BANKS_OWN, IssuerRules
from banks.issuer.seeding import CardSeed
from banks.issuer.settings import IssuerSettings, ScriptSection
from banks.ledger.rows import GREATEST_MINOR
from hsm_sim.zones.settings import KeySettings, Mac
from iso import ConfigError
from iso.masks import luhn_valid, mask_pan, mask_text
from node.link_settings import LinkSettings
from node.settings import Section, first_problem

SEED_FILE = "seed_cards.toml"
CURRENCIES = (
    *("840", "978", "826", "392", "756", "036", "124", "752", "208", "578"),
    *("410", "048", "400", "414", "512", "788"),
)
"""ISO 4217 numeric: every seeded card has an account in each of these; some have no decimals, some three."""


_PAN_RULE = "must be 13 to 19 digits with a valid check digit"


class CardSection(Section):
    """One card to issue. What a column means: `banks.core.cards.Card`; what may stand in it: `CARD_RULES`."""

    pan: str = Field(repr=False)
    about: str = ""
    balance_minor: int = Field(default=0, ge=0, le=GREATEST_MINOR)
    account: str = Field(default="", pattern=r"^([a-z0-9][a-z0-9/_-]{0,63})?$")
    expiry: str = ""
    status: str = ACTIVE
    cvc_rule: str = CHECK
    cvc_absent: str = ALLOW
    cvc_forgiven: bool = False
    cvk: str = ""
    service_code: str = ""
    limit_minor: int = NO_LIMIT
    cash_limit_minor: int = NO_LIMIT
    day_limit_minor: int = NO_LIMIT
    velocity_max: int = NO_LIMIT
    kinds: str = ""
    mccs_refused: str = ""
    authentication: str = ""
    avs_address: str = ""
    avs_postcode: str = ""
    avs_required: bool = False
    pin_method: str = ""
    pvk: str = ""
    pvki: str = ""
    pin_value: str = Field(default="", repr=False)
    pin_table: str = ""
    pin_validation: str = ""
    pin_tries_max: int = PIN_TRIES_MAX
    pin_tries: int = 0
    scheme: str = ""
    psn: str = ""
    mk_ac: str = ""
    atc: int = 0
    scripts: tuple[ScriptSection, ...] = ()

    @field_validator("pan")
    @classmethod
    def _is_a_card_number(cls, pan: str) -> str:
        if not (13 <= len(pan) <= 19 and luhn_valid(pan)):
            raise ValueError(_PAN_RULE)
        return pan

    @field_validator("account")
    @classmethod
    def _is_a_customers(cls, account: str) -> str:
        if account.partition("/")[0] in BANKS_OWN:
            raise ValueError("must not be an account of the bank itself")
        if mask_text(account) != account:
            raise ValueError("must not hold a card number")
        return account

    @field_validator(*CARD_RULES)
    @classmethod
    def _may_stand_in_the_file(cls, value: str | int, info: ValidationInfo) -> str | int:
        written = str(int(value)) if isinstance(value, int) else value
        if not re.fullmatch(CARD_RULES[str(info.field_name)], written, re.ASCII):
            raise ValueError(f"must look like {CARD_RULES[str(info.field_name)]}")
        return value

    def seed(self) -> CardSeed:
        """Return what the issuer's seeding takes."""
        columns = {name: getattr(self, name) for name in CARD_RULES}
        numbers = {name: int(value) for name, value in columns.items() if name in NUMERIC}
        card = Card("", self.pan[-4:], self.account)._replace(**{**columns, **numbers})
        return CardSeed(self.pan, card, self.balance_minor, tuple(script.row() for script in self.scripts))


class _SeedFile(Section):
    defaults: dict[str, Any] = Field(default_factory=dict)
    cards: tuple[CardSection, ...] = ()


class IssuerConfig(IssuerSettings):
    """One issuer of the topology.

    Attributes
    ----------
    address
        Where it listens for the network: a pipe URL.
    bins
        Card ranges that are its own, as prefixes.
    foreign_bins
        Ranges of the other issuers; on a card that both match, the longer prefix wins.
    """

    name: str = Field(min_length=1)
    address: str
    dialect: str
    bins: tuple[str, ...] = Field(min_length=1)
    foreign_bins: tuple[str, ...] = ()
    currencies: tuple[str, ...] = CURRENCIES
    hsm_timeout_s: float = Field(default=2.0, gt=0)
    answer_timeout_s: float = Field(default=8.0, gt=0)
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
            messages=self.messages,
            hold_days=self.hold_days,
            completed_days=self.completed_days,
            tolerance_percent=self.tolerance_percent,
            known_cards_max=self.known_cards_max,
            atc_gap_max=self.atc_gap_max,
            verification_code=self.verification_code,
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
