"""Stand-in: what the switch decides in the place of an issuer that does not answer, by rules of that issuer's BINs.

A rule says how much, how often, where and for whom. The grounds of a decline are tried in the order of `Ground`; the
first that applies decides. A card whose BIN has no rule is not decided about: it is answered 91, as if there were no
stand-in. What was approved is counted per card, currency and business day (UTC), and the count is durable in the turn
of the approval, so that a restart gives nobody a second allowance. A reversal gives nothing back.

Here nothing is sent: who asks, and what follows from the verdict, is in `answers`.

Source: common practice: shared facts, iso8583 3.9.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

from node.core.turn import Row, Turn
from switch.core.numbers import Counter

TABLE: Final = "stand_in"
APPROVED: Final = "00"
NO_RULE: Final = "91"
"""DE 39 where stand-in has no say."""

_PURCHASE: Final = "00"
_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})
_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


class Why(Enum):
    """What brings a request to stand-in; the value is the reason in DE 48.09."""

    SILENT = "silent"
    """The issuer did not answer by the deadline, or its link was lost."""
    DOWN = "down"
    """Nothing reached the issuer: its link carries no traffic, or the request was never written."""
    BREAKER = "breaker"
    """The issuer has been silent too often; it is not asked."""
    FORCED = "forced"
    """The rule says that the issuer is not asked."""


class Ground(Enum):
    """Why stand-in decided as it did: one value per cause, in the order in which they are tried."""

    NO_RULE = "no rule for this BIN"
    DECLINES_ALL = "the rule declines everything"
    HOT = "the card is on the hot list"
    UNSUPPORTED = "stand-in decides about purchases only"
    PIN = "nobody but the issuer can verify the PIN"
    EXPIRED = "the expiry is in the past"
    CVV2_WRONG = "the CVV2 does not match"
    CVV2_UNKNOWN = "the HSM did not say whether the CVV2 matches"
    CVV2_ABSENT = "the rule wants a CVV2"
    MCC = "not at this kind of merchant"
    NO_FLOOR = "no floor amount in this currency"
    OVER_FLOOR = "above the floor amount"
    OVER_COUNT = "too many approvals today"
    OVER_AMOUNT = "too much approved today"
    APPROVED = "approved"


CODES: Final[Mapping[Ground, str]] = MappingProxyType(
    {
        Ground.NO_RULE: NO_RULE,
        Ground.HOT: "62",
        Ground.UNSUPPORTED: NO_RULE,
        Ground.PIN: NO_RULE,
        Ground.EXPIRED: "54",
        Ground.CVV2_WRONG: "N7",
        Ground.CVV2_UNKNOWN: NO_RULE,
        Ground.CVV2_ABSENT: "N7",
        Ground.MCC: "57",
        Ground.NO_FLOOR: NO_RULE,
        Ground.OVER_FLOOR: "61",
        Ground.OVER_COUNT: "65",
        Ground.OVER_AMOUNT: "61",
        Ground.APPROVED: APPROVED,
    }
)
"""DE 39 per ground; that of DECLINES_ALL is in its rule. Where stand-in is not entitled it says no more than 91."""


class StandInRule(NamedTuple):
    """What stand-in may do for some BINs. Amounts are in minor units, by numeric ISO 4217 code.

    Attributes
    ----------
    bins
        Prefixes of card numbers, 1 to 11 digits; the longest prefix of all rules wins.
    floors
        The largest amount that is approved; a currency without one is not.
    count_max
        Approvals per card, currency and day.
    amounts_max
        Sum of the approvals per card and day; a currency without one has no limit.
    mcc_allowed, mcc_refused
        Merchant category codes (DE 18); none allowed = all are.
    hot
        Cards that are declined: network tokens, or truncated card numbers (first six, stars, last four).
    cvk
        Place of the issuer's CVK in the switch's key table, if it is shared: then a CVV2 that is sent is verified.
    needs_cvv2
        Decline a request without a CVV2.
    declines_all
        Decline everything, with `decline_code`: stand-in of the basic grade.
    is_forced
        Do not ask the issuer at all: it is signed off for a while.
    """

    bins: tuple[str, ...]
    floors: Mapping[str, int] = _NOTHING
    count_max: int = 3
    amounts_max: Mapping[str, int] = _NOTHING
    mcc_allowed: frozenset[str] = frozenset()
    mcc_refused: frozenset[str] = frozenset()
    hot: frozenset[str] = frozenset()
    cvk: str = ""
    needs_cvv2: bool = False
    declines_all: bool = False
    decline_code: str = "05"
    is_forced: bool = False


class Asked(NamedTuple):
    """What a request wants, as far as stand-in looks at it.

    Attributes
    ----------
    card
        Network token, or truncated card number: nothing that must not be stored.
    expiry
        DE 14, YYMM, or "".
    cvv2
        "M" it matches, "N" it does not, "U" the HSM did not say, "P" there was none, or nobody asked.
    """

    card: str
    processing_code: str
    amount_minor: int
    currency: str
    mcc: str
    expiry: str
    cvv2: str
    has_pin: bool


class Verdict(NamedTuple):
    """DE 39 and why."""

    code: str
    ground: Ground


class Used(NamedTuple):
    """What has been approved for a card in one currency on a day."""

    card: str
    currency: str
    day: str
    approvals: int = 0
    amount_minor: int = 0

    def row(self) -> Row:
        """Return it in the column order of the `stand_in` table."""
        return tuple(self)


def judge(rule: StandInRule, asked: Asked, used: Used, at: datetime) -> Ground:
    """Return the first ground that applies.

    Parameters
    ----------
    used
        Today's approvals of this card in this currency.
    at
        Business time, aware UTC.
    """
    if rule.declines_all:
        return Ground.DECLINES_ALL
    if asked.card in rule.hot:
        return Ground.HOT
    if asked.processing_code[:2] != _PURCHASE or asked.amount_minor <= 0:
        return Ground.UNSUPPORTED
    if asked.has_pin:
        return Ground.PIN
    if asked.expiry and asked.expiry < f"{at:%y%m}":
        return Ground.EXPIRED
    return _cvv2_ground(rule, asked) or _limit_ground(rule, asked, used)


def _cvv2_ground(rule: StandInRule, asked: Asked) -> Ground | None:
    if asked.cvv2 == "N":
        return Ground.CVV2_WRONG
    if asked.cvv2 == "U":
        return Ground.CVV2_UNKNOWN
    return Ground.CVV2_ABSENT if rule.needs_cvv2 and asked.cvv2 != "M" else None


def _limit_ground(rule: StandInRule, asked: Asked, used: Used) -> Ground:
    if asked.mcc in rule.mcc_refused or (rule.mcc_allowed and asked.mcc not in rule.mcc_allowed):
        return Ground.MCC
    floor_minor = rule.floors.get(asked.currency)
    if floor_minor is None:
        return Ground.NO_FLOOR
    if asked.amount_minor > floor_minor:
        return Ground.OVER_FLOOR
    if used.approvals >= rule.count_max:
        return Ground.OVER_COUNT
    most_minor = rule.amounts_max.get(asked.currency)
    if most_minor is not None and used.amount_minor + asked.amount_minor > most_minor:
        return Ground.OVER_AMOUNT
    return Ground.APPROVED


class StandIn:
    """The rules, and what has been used of them.

    Parameters
    ----------
    rules
        In any order; no prefix is in two of them.
    """

    def __init__(self, rules: Iterable[StandInRule]) -> None:
        self._rules = {prefix: rule for rule in rules for prefix in rule.bins}
        self._lengths = sorted({len(prefix) for prefix in self._rules}, reverse=True)
        self._used: dict[tuple[str, str], Used] = {}
        self.codes = Counter("stand_in_code")

    def restore(self, rows: Iterable[Row]) -> None:
        """Take the counts of a restart."""
        for row in rows:
            used = Used(*row)
            self._used[used.card, used.currency] = used

    def rule_of(self, pan: str) -> StandInRule | None:
        """Return the rule of the longest prefix that fits, or None."""
        for length in self._lengths:
            rule = self._rules.get(pan[:length])
            if rule is not None:
                return rule
        return None

    def decide(self, rule: StandInRule | None, asked: Asked, turn: Turn) -> Verdict:
        """Decide, and count an approval."""
        if rule is None:
            return Verdict(NO_RULE, Ground.NO_RULE)
        used = self.used(asked.card, asked.currency, turn.at)
        ground = judge(rule, asked, used, turn.at)
        if ground is Ground.DECLINES_ALL:
            return Verdict(rule.decline_code, ground)
        if ground is Ground.APPROVED:
            used = used._replace(approvals=used.approvals + 1, amount_minor=used.amount_minor + asked.amount_minor)
            self._used[used.card, used.currency] = used
            turn.store(TABLE, used.row())
        return Verdict(CODES[ground], ground)

    def used(self, card: str, currency: str, at: datetime) -> Used:
        """Return today's approvals of a card in a currency."""
        used = self._used.get((card, currency))
        day = at.date().isoformat()
        return used if used is not None and used.day == day else Used(card, currency, day)

    def authorisation_code(self, turn: Turn) -> str:
        """Return DE 38 of an approval: str[6], "S" and a number that does not repeat for 45 million approvals."""
        number, digits = self.codes.next(turn), ""
        for _ in range(5):
            number, digit = divmod(number, len(_ALPHABET))
            digits = _ALPHABET[digit] + digits
        return "S" + digits
