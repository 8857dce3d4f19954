"""The issuer's card file: what distinguishes one card from another is data, and nothing else.

A card row is found by the fingerprint that the issuer's HSM computes; the PAN is nowhere in it. Each row type lists its
table's columns in order. Most columns of most cards have their default, "", 0 or -1: those cost a million cards next
to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from banks.core.columns import checked_changes
from banks.core.kinds import Kind

CARDS = "cards"

ACTIVE, BLOCKED, LOST, STOLEN, EXPIRED = "active", "blocked", "lost", "stolen", "expired"
NEW, WANTED, CLOSED = "new", "wanted", "closed"
"""Never used so far and not set free; wanted back by the issuer; gone for good."""
STATUSES = (ACTIVE, BLOCKED, LOST, STOLEN, EXPIRED, NEW, WANTED, CLOSED)
CHECK, ANY = "check", "any"
"""CVC rules: ask the HSM, or take whatever is there."""
ALLOW, DECLINE = "allow", "decline"
"""What a missing CVV2 leads to."""
ALWAYS, UNLESS_ARRANGED = "always", "unless-arranged"
"""When a payment from afar must be authenticated: each time, or unless the merchant starts it as was arranged."""
PVV, IBM = "pvv", "ibm"
"""How the PIN is verified: by a Visa PVV, or by an IBM 3624 offset."""
VISA, MASTERCARD = "visa", "mastercard"
NO_LIMIT = -1
PIN_TRIES_MAX = 3
DECIMALISATION = "0123456789012345"
"""The table that a card without its own is verified with."""

_AMOUNT, _COUNT, _FLAG = r"-1|\d{1,12}", r"-1|\d{1,6}", r"[01]"
_KEY = r"(K[0-9A-F]{3})?"
_KIND = "|".join(kind.name.lower() for kind in Kind if kind is not Kind.UNKNOWN)

CARD_RULES: dict[str, str] = {
    "expiry": r"(\d\d(0[1-9]|1[0-2]))?",
    "status": "|".join(STATUSES),
    "cvc_rule": f"{CHECK}|{ANY}",
    "cvc_absent": f"{ALLOW}|{DECLINE}",
    "cvc_forgiven": _FLAG,
    "cvk": _KEY,
    "service_code": r"(\d{3})?",
    "limit_minor": _AMOUNT,
    "cash_limit_minor": _AMOUNT,
    "day_limit_minor": _AMOUNT,
    "velocity_max": _COUNT,
    "kinds": f"(({_KIND})( ({_KIND}))*)?",
    "mccs_refused": r"((\d{1,4}|\*)( (\d{1,4}|\*))*)?",
    "authentication": f"({ALWAYS}|{UNLESS_ARRANGED})?",
    "avs_address": r"(\*|\d{1,5})?",
    "avs_postcode": r"(\*|[0-9A-Z]{1,9})?",
    "avs_required": _FLAG,
    "pin_method": f"({PVV}|{IBM})?",
    "pvk": _KEY,
    "pvki": r"[0-6]?",
    "pin_value": r"(\d{4,12})?",
    "pin_table": r"(\d{16})?",
    "pin_validation": r"([0-9A-FN]{12})?",
    "pin_tries_max": r"\d{1,2}",
    "pin_tries": r"\d{1,2}",
    "scheme": f"({VISA}|{MASTERCARD})?",
    "psn": r"(\d\d)?",
    "mk_ac": _KEY,
    "atc": r"\d{1,5}",
}
"""What may stand in a card's row, by column; numbers as decimal digits."""

_MADE_WITH = frozenset(
    {
        "cvk",
        "service_code",
        "pin_method",
        "pvk",
        "pvki",
        "pin_value",
        "pin_table",
        "pin_validation",
        "scheme",
        "psn",
        "mk_ac",
    }
)
"""What a card is: written when it is issued, and by the issuer's own decisions alone."""

_CHANGEABLE = {column: re.compile(rule, re.ASCII) for column, rule in CARD_RULES.items() if column not in _MADE_WITH}


class Card(NamedTuple):
    """One card.

    Attributes
    ----------
    fingerprint
        Primary key: str[29], from the issuer's HSM.
    last4
        For people.
    account
        Name of the account, without its currency.
    expiry
        YYMM; "" if the issuer keeps none and takes any month that is not over.
    status
        One of `STATUSES`.
    cvc_rule, cvc_absent
        check or any; allow or decline.
    cvk
        Place of the card verification key in the issuer's HSM; "" for the key that the issuer makes CVVs with.
    limit_minor
        Per authorisation; -1 = none.
    velocity_max
        Approvals per day of business time; -1 = any number.
    used_on, used
        The day (YYYYMMDD) of the latest approval, and the approvals of that day; kept for cards with a day's limit.
    used_minor
        What these came to, in minor units of whatever currency they were billed in.
    cvc_forgiven
        1: a wrong CVV2 is reported and declines nothing.
    service_code
        str[3] of the stripe; "" if the issuer takes what the stripe says.
    cash_limit_minor, day_limit_minor
        Per authorisation, of notes; per day of business time, of everything. -1 = none.
    kinds
        What the card may be used for: names of `Kind` in lower case, with spaces between; "" = everything.
    mccs_refused
        Beginnings of merchant categories that it may not be used at, with spaces between; `*` = all.
    authentication
        "", `ALWAYS` or `UNLESS_ARRANGED`.
    avs_address, avs_postcode
        Digits of the address and the postcode on file, for address verification; `*` fits everything.
    avs_required
        1: declined unless both fit.
    pin_method
        pvv, ibm, or "" for a card without a PIN.
    pvk, pvki
        Place of the PIN verification key, "" for the method's own; PVKI of a PVV.
    pin_value
        The PVV, or the offset.
    pin_table, pin_validation
        IBM 3624: decimalisation table and validation data; "" for the usual table, and for all of the account's digits.
    pin_tries_max, pin_tries
        Wrong PINs in a row that are too many, and those so far.
    scheme, psn, mk_ac
        Whose cryptogram versions the chip has ("" = no chip), its sequence number, and the place of the issuer's master
        key ("" for the usual one).
    atc
        The greatest transaction counter that came with a right cryptogram.
    """

    fingerprint: str
    last4: str
    account: str
    expiry: str = ""
    status: str = ACTIVE
    cvc_rule: str = CHECK
    cvc_absent: str = ALLOW
    cvk: str = ""
    limit_minor: int = NO_LIMIT
    velocity_max: int = NO_LIMIT
    used_on: str = ""
    used: int = 0
    used_minor: int = 0
    cvc_forgiven: int = 0
    service_code: str = ""
    cash_limit_minor: int = NO_LIMIT
    day_limit_minor: int = NO_LIMIT
    kinds: str = ""
    mccs_refused: str = ""
    authentication: str = ""
    avs_address: str = ""
    avs_postcode: str = ""
    avs_required: int = 0
    pin_method: str = ""
    pvk: str = ""
    pvki: str = ""
    pin_value: str = ""
    pin_table: str = ""
    pin_validation: str = ""
    pin_tries_max: int = PIN_TRIES_MAX
    pin_tries: int = 0
    scheme: str = ""
    psn: str = ""
    mk_ac: str = ""
    atc: int = 0

    def __repr__(self) -> str:
        return f"Card(last4={self.last4!r}, account={self.account!r}, status={self.status!r})"

    def changed(self, changes: Mapping[str, str | int]) -> Card:
        """Return the card with some columns changed.

        Raises
        ------
        LocalProtocolError
            A column does not exist, may not be changed, or cannot have this value.
        """
        return self._replace(**checked_changes("card", changes, _CHANGEABLE, NUMERIC))

    def used_today(self, at: datetime) -> int:
        """Return how many approvals this card has had on the day of `at`."""
        return self.used if self.used_on == f"{at:%Y%m%d}" else 0

    def used_today_minor(self, at: datetime) -> int:
        """Return what the approvals on the day of `at` came to."""
        return self.used_minor if self.used_on == f"{at:%Y%m%d}" else 0

    def after_approval(self, at: datetime, amount_minor: int = 0) -> Card:
        """Return the card with one more approval counted."""
        return self._replace(
            used_on=f"{at:%Y%m%d}",
            used=self.used_today(at) + 1,
            used_minor=self.used_today_minor(at) + amount_minor,
        )

    @property
    def counts_days(self) -> bool:
        """Whether a day's approvals matter to this card."""
        return self.velocity_max != NO_LIMIT or self.day_limit_minor != NO_LIMIT

    def allows(self, kind: Kind) -> bool:
        """Whether the card may be used for something."""
        return not self.kinds or kind.name.lower() in self.kinds.split(" ")

    def refuses_category(self, mcc: str) -> bool:
        """Whether the card may not be used at a kind of merchant."""
        return bool(self.mccs_refused) and any(
            refused == "*" or mcc.startswith(refused) for refused in self.mccs_refused.split(" ")
        )


NUMERIC = frozenset(column for column, default in Card._field_defaults.items() if isinstance(default, int))
"""Columns that hold a number."""


def account_name(account: str, currency: str) -> str:
    """Return the ledger's name of a card account in one currency.

    Examples
    --------
    >>> account_name("card/4242", "840")
    'card/4242/840'
    """
    return f"{account}/{currency}"
