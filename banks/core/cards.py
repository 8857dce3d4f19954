"""The issuer's card file: what distinguishes one card from another is data, and nothing else.

A card row is found by the fingerprint that the issuer's HSM computes; the PAN is nowhere in it. Each row type lists its
table's columns in order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from iso import LocalProtocolError

CARDS = "cards"

ACTIVE, BLOCKED, LOST, STOLEN, EXPIRED = "active", "blocked", "lost", "stolen", "expired"
CHECK, ANY = "check", "any"
"""CVC rules: ask the HSM, or take whatever is there."""
ALLOW, DECLINE = "allow", "decline"
"""What a missing CVV2 leads to."""
NO_LIMIT = -1


_CHANGEABLE = {
    "expiry": re.compile(r"(\d\d(0[1-9]|1[0-2]))?"),
    "status": re.compile("|".join((ACTIVE, BLOCKED, LOST, STOLEN, EXPIRED))),
    "cvc_rule": re.compile(f"{CHECK}|{ANY}"),
    "cvc_absent": re.compile(f"{ALLOW}|{DECLINE}"),
    "limit_minor": re.compile(r"-1|\d{1,12}"),
    "velocity_max": re.compile(r"-1|\d{1,6}"),
    "scripted_code": re.compile(r"([0-9A-Z]{2})?"),
    "answer_after_ms": re.compile(r"\d{1,6}"),
    "answers": re.compile(r"[01]"),
}
"""What an operator may change on a card in circulation, and to what."""


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
        active, blocked, lost, stolen or expired.
    cvc_rule, cvc_absent
        check or any; allow or decline.
    cvk
        Place of the card verification key in the issuer's HSM; "" for the key that the issuer makes CVVs with.
    limit_minor
        Per authorisation; -1 = none.
    velocity_max
        Approvals per day of business time; -1 = any number.
    scripted_code
        DE 39 that this card answers whatever else holds; "".
    answer_after_ms
        Delay between the decision and its answer.
    answers
        0: the decision is taken and committed, and never answered.
    used_on, used
        The day (YYYYMMDD) of the latest approval, and the approvals of that day; kept for cards with a `velocity_max`.
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
    scripted_code: str = ""
    answer_after_ms: int = 0
    answers: int = 1
    used_on: str = ""
    used: int = 0

    def changed(self, changes: Mapping[str, str | int]) -> Card:
        """Return the card with some columns changed.

        Raises
        ------
        LocalProtocolError
            A column does not exist, may not be changed, or cannot have this value.
        """
        for column, value in changes.items():
            rule = _CHANGEABLE.get(column)
            if rule is None or not rule.fullmatch(str(value)):
                raise LocalProtocolError(f"card column {column}: not changeable, or not to this value")
        numeric = {column for column, value in self._asdict().items() if isinstance(value, int)}
        return Card(
            **{
                **self._asdict(),
                **{column: int(value) if column in numeric else str(value) for column, value in changes.items()},
            }
        )

    def used_today(self, at: datetime) -> int:
        """Return how many approvals this card has had on the day of `at`."""
        return self.used if self.used_on == f"{at:%Y%m%d}" else 0

    def after_approval(self, at: datetime) -> Card:
        """Return the card with one more approval counted."""
        return self._replace(used_on=f"{at:%Y%m%d}", used=self.used_today(at) + 1)


def account_name(account: str, currency: str) -> str:
    """Return the ledger's name of a card account in one currency.

    Examples
    --------
    >>> account_name("card/4242", "840")
    'card/4242/840'
    """
    return f"{account}/{currency}"
