"""The issuer's verdict: every response code has a cause, and the causes have an order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks.core.cards import BLOCKED, DECLINE, EXPIRED, LOST, STOLEN, Card
from banks.core.decide import CODES, Asked, Facts, Reason, decide

AT = datetime(2026, 3, 14, tzinfo=UTC)
CARD = Card("fp_1", "0001", "card/1", expiry="3012")
FACTS = Facts(AT, is_overtaken=False, is_known=True, cvv2="M", has_cvv2=True, available_minor=5_000)
ASKED = Asked("000000", 4_200, "3012")


def fact(**changes: object) -> Facts:
    return FACTS._replace(**changes)


def card(**changes: object) -> Card:
    return CARD._replace(**changes)


def asked(**changes: object) -> Asked:
    return ASKED._replace(**changes)


CASES = [
    (Reason.OVERTAKEN, fact(is_overtaken=True), CARD, ASKED, "21"),
    (Reason.UNSUPPORTED, FACTS, CARD, asked(processing_code="200000"), "12"),
    (Reason.FACTS_MISSING, fact(is_known=False), None, ASKED, "96"),
    (Reason.NO_CARD, FACTS, None, ASKED, "14"),
    (Reason.SCRIPTED, FACTS, card(scripted_code="05"), ASKED, "05"),
    (Reason.CARD_LOST, FACTS, card(status=LOST), ASKED, "41"),
    (Reason.CARD_STOLEN, FACTS, card(status=STOLEN), ASKED, "43"),
    (Reason.CARD_BLOCKED, FACTS, card(status=BLOCKED), ASKED, "62"),
    (Reason.CARD_EXPIRED, FACTS, card(status=EXPIRED), ASKED, "54"),
    (Reason.CARD_EXPIRED, FACTS, card(expiry="2602"), ASKED, "54"),
    (Reason.EXPIRY_WRONG, FACTS, CARD, asked(expiry="3011"), "54"),
    (Reason.EXPIRY_PAST, FACTS, card(expiry=""), asked(expiry="2602"), "54"),
    (Reason.CVV2_WRONG, fact(cvv2="N"), CARD, ASKED, "N7"),
    (Reason.FACTS_MISSING, fact(cvv2="U"), CARD, ASKED, "96"),
    (Reason.CVV2_ABSENT, fact(cvv2="P", has_cvv2=False), card(cvc_absent=DECLINE), ASKED, "N7"),
    (Reason.NO_ACCOUNT, fact(available_minor=None), CARD, ASKED, "57"),
    (Reason.OVER_LIMIT, FACTS, card(limit_minor=4_199), ASKED, "61"),
    (Reason.OVER_VELOCITY, FACTS, card(velocity_max=2, used_on="20260314", used=2), ASKED, "65"),
    (Reason.NO_FUNDS, fact(available_minor=4_199), CARD, ASKED, "51"),
    (Reason.VERIFIED, fact(available_minor=0), CARD, asked(amount_minor=0), "00"),
    (Reason.APPROVED, fact(available_minor=4_200), CARD, ASKED, "00"),
]


class TestEveryCodeHasACause:
    """One reason, one code; nothing is declined without one."""

    @pytest.mark.parametrize(("reason", "facts", "card", "asked", "code"), CASES)
    def test_each_cause_alone_decides(
        self, reason: Reason, facts: Facts, card: Card | None, asked: Asked, code: str
    ) -> None:
        verdict = decide(facts, card, asked)

        assert (verdict.reason, verdict.code) == (reason, code)

    def test_every_reason_is_reached_by_some_case(self) -> None:
        assert {reason for reason, *_ in CASES} == set(Reason)

    def test_every_reason_but_the_scripted_one_has_a_code(self) -> None:
        assert set(CODES) == set(Reason) - {Reason.SCRIPTED}


class TestOrder:
    """Where several causes apply, the one that stands first in the enum decides."""

    @given(
        facts=st.builds(
            Facts,
            st.just(AT),
            st.booleans(),
            st.booleans(),
            st.sampled_from("MNP"),
            st.booleans(),
            st.one_of(st.none(), st.integers(0, 9_999)),
        ),
        card=st.one_of(
            st.none(),
            st.builds(
                card,
                scripted_code=st.sampled_from(("", "05")),
                status=st.sampled_from(("active", LOST, EXPIRED)),
                expiry=st.sampled_from(("3012", "2602", "")),
                cvc_absent=st.sampled_from(("allow", DECLINE)),
                limit_minor=st.sampled_from((-1, 100)),
                velocity_max=st.sampled_from((-1, 0)),
            ),
        ),
        asked=st.builds(
            Asked, st.sampled_from(("000000", "200000")), st.integers(0, 9_999), st.sampled_from(("3012", "2001", ""))
        ),
    )
    @settings(deadline=None)
    def test_no_earlier_cause_applies_to_what_was_decided(self, facts: Facts, card: Card | None, asked: Asked) -> None:
        verdict = decide(facts, card, asked)

        order = list(Reason)
        applying = set()
        if facts.is_overtaken:
            applying.add(Reason.OVERTAKEN)
        if not facts.is_known:
            applying.add(Reason.FACTS_MISSING)
        if card is None:
            applying.add(Reason.NO_CARD)
        elif card.status == LOST:
            applying.add(Reason.CARD_LOST)
        if facts.cvv2 == "N":
            applying.add(Reason.CVV2_WRONG)
        assert all(order.index(verdict.reason) <= order.index(reason) for reason in applying)
        assert verdict.approves == (verdict.code == "00")


class TestExpiry:
    """A card is good until its month is over."""

    @pytest.mark.parametrize(("expiry", "approves"), [("2603", True), ("2602", False), ("2604", True), ("9912", True)])
    def test_of_the_card_file(self, expiry: str, approves: bool) -> None:
        assert decide(FACTS, card(expiry=expiry), asked(expiry="")).approves is approves

    def test_an_issuer_that_keeps_no_expiry_takes_any_month_to_come(self) -> None:
        assert decide(FACTS, card(expiry=""), asked(expiry="2603")).approves


class TestVelocity:
    """Approvals are counted per day of business time."""

    def test_yesterdays_approvals_do_not_count(self) -> None:
        busy = card(velocity_max=1, used_on="20260313", used=7)

        assert decide(FACTS, busy, ASKED).approves

    def test_a_limit_of_none_declines_the_first(self) -> None:
        assert decide(FACTS, card(velocity_max=0), ASKED).code == "65"

    @given(st.integers(1, 5))
    @settings(deadline=None)
    def test_the_day_after_begins_at_one(self, used: int) -> None:
        worn = card(used_on="20260313", used=used)

        assert worn.after_approval(AT).used_today(AT) == 1
