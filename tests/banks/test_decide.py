"""The issuer's verdict: every response code has a cause, and the causes have an order."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import banks
from banks.core.asked import Asked
from banks.core.cards import (
    ALWAYS,
    BLOCKED,
    CLOSED,
    DECLINE,
    EXPIRED,
    IBM,
    LOST,
    NEW,
    STATUSES,
    STOLEN,
    UNLESS_ARRANGED,
    VISA,
    WANTED,
    Card,
)
from banks.core.decide import Facts, decide
from banks.core.kinds import Kind
from banks.core.reasons import APPROVING, CODES, Reason

AT = datetime(2026, 3, 14, tzinfo=UTC)
CARD = Card("fp_1", "0001", "card/1", expiry="3012")
FACTS = Facts(AT, available_minor=5_000, cvv2="M")
ASKED = Asked(Kind.PURCHASE, 4_200, "840", "3012", "5999", "81")
DOCUMENT = Path(banks.__path__[0]).parent / "docs" / "reference" / "decisions.md"


class Case(NamedTuple):
    """What a decision is made from."""

    facts: Facts = FACTS
    card: Card | None = CARD
    asked: Asked = ASKED

    @property
    def reason(self) -> Reason:
        return decide(self.facts, self.card, self.asked).reason


Change = Callable[[Case], Case]


def facts(**changes: Any) -> Change:
    return lambda case: case._replace(facts=case.facts._replace(**changes))


def card(**changes: Any) -> Change:
    return lambda case: case._replace(card=None if case.card is None else case.card._replace(**changes))


def asked(**changes: Any) -> Change:
    return lambda case: case._replace(asked=case.asked._replace(**changes))


def both(*changes: Change) -> Change:
    def change(case: Case) -> Case:
        for one in changes:
            case = one(case)
        return case

    return change


CAUSES: list[tuple[Reason, Change]] = [
    (Reason.OVERTAKEN, facts(is_overtaken=True)),
    (Reason.UNSUPPORTED, asked(kind=Kind.UNKNOWN)),
    (Reason.FACTS_MISSING, facts(is_known=False)),
    (Reason.FACTS_MISSING, facts(cvv2="U")),
    (Reason.FACTS_MISSING, facts(cvv="U")),
    (Reason.FACTS_MISSING, facts(pin="U")),
    (Reason.FACTS_MISSING, facts(arqc="U")),
    (Reason.FACTS_MISSING, facts(cavv="U")),
    (Reason.NO_CARD, lambda case: case._replace(card=None)),
    (Reason.SCRIPTED, facts(scripted="05")),
    (Reason.CARD_CLOSED, card(status=CLOSED)),
    (Reason.CARD_LOST, card(status=LOST)),
    (Reason.CARD_STOLEN, card(status=STOLEN)),
    (Reason.CARD_WANTED, card(status=WANTED)),
    (Reason.CARD_BLOCKED, card(status=BLOCKED)),
    (Reason.CARD_NEW, card(status=NEW)),
    (Reason.CARD_EXPIRED, card(status=EXPIRED)),
    (Reason.CARD_EXPIRED, card(expiry="2602")),
    (Reason.EXPIRY_WRONG, asked(expiry="3011")),
    (Reason.EXPIRY_PAST, both(card(expiry=""), asked(expiry="2602"))),
    (Reason.CVV_WRONG, facts(cvv="N")),
    (Reason.CVV2_WRONG, facts(cvv2="N")),
    (Reason.CVV2_ABSENT, both(facts(cvv2="P"), card(cvc_absent=DECLINE))),
    (Reason.PIN_TRIES_EXCEEDED, card(pin_method=IBM, pin_tries=3)),
    (Reason.PIN_TRIES_EXCEEDED, facts(pin="X")),
    (Reason.PIN_NOT_ON_FILE, facts(pin="0")),
    (Reason.PIN_WRONG, facts(pin="N")),
    (Reason.PIN_ABSENT, asked(kind=Kind.CASH)),
    (Reason.PIN_ABSENT, asked(kind=Kind.PIN_CHANGE)),
    (Reason.ARQC_WRONG, facts(arqc="N")),
    (Reason.ARQC_ABSENT, both(card(scheme=VISA), asked(entry="05"))),
    (Reason.ATC_REPLAYED, both(facts(arqc="M", atc=7), card(atc=7))),
    (Reason.ATC_REPLAYED, both(facts(arqc="M", atc=70, atc_gap_max=10), card(atc=7))),
    (Reason.TOKEN_WRONG, facts(token="F")),
    (Reason.CAVV_WRONG, facts(cavv="N")),
    (Reason.AVS_WRONG, both(facts(avs="Z"), card(avs_required=1))),
    (Reason.NOT_PROVEN, asked(kind=Kind.PIN_UNBLOCK)),
    (Reason.AUTHENTICATION_WANTED, card(authentication=ALWAYS)),
    (Reason.KIND_REFUSED, card(kinds="increment")),
    (Reason.CATEGORY_REFUSED, card(mccs_refused="7995 59")),
    (Reason.NO_ACCOUNT, facts(available_minor=None)),
    (Reason.OVER_LIMIT, card(limit_minor=4_199)),
    (Reason.OVER_CASH_LIMIT, both(card(cash_limit_minor=1_999), asked(cash_minor=2_000))),
    (Reason.OVER_VELOCITY, card(velocity_max=2, used_on="20260314", used=2)),
    (Reason.OVER_DAY_LIMIT, card(day_limit_minor=5_000, used_on="20260314", used_minor=801)),
    (Reason.PARTLY_APPROVED, both(facts(available_minor=4_199), asked(takes_partial=True))),
    (Reason.NO_FUNDS, facts(available_minor=4_199)),
    (Reason.BALANCE_TOLD, asked(kind=Kind.BALANCE)),
    (Reason.PIN_CHANGED, both(facts(pin="M"), asked(kind=Kind.PIN_CHANGE))),
    (Reason.PIN_UNBLOCKED, both(facts(cvv="M"), asked(kind=Kind.PIN_UNBLOCK))),
    (Reason.CREDITED, asked(kind=Kind.REFUND)),
    (Reason.VERIFIED, asked(kind=Kind.VERIFICATION, amount_minor=0)),
    (Reason.APPROVED, lambda case: case),
]
"""One way, or several, to each cause from a purchase that is approved."""

ORDER = {reason: number for number, reason in enumerate(Reason)}


def touched(change: Change) -> set[str]:
    """Return which parts of the case a change sets."""
    before, after = Case(), change(Case())
    if after.card is None:
        return {"card"}
    parts: set[str] = set()
    for old, new in ((before.facts, after.facts), (before.card, after.card), (before.asked, after.asked)):
        assert old is not None
        names = old._fields
        parts |= {f"{type(old).__name__}.{name}" for name in names if getattr(old, name) != getattr(new, name)}
    return parts


class TestEveryCodeHasACause:
    """One reason, one code; nothing is declined without one."""

    @pytest.mark.parametrize(("reason", "change"), CAUSES)
    def test_each_cause_alone_decides(self, reason: Reason, change: Change) -> None:
        case = change(Case())

        verdict = decide(*case)

        assert verdict.reason is reason
        assert verdict.code == ("05" if reason is Reason.SCRIPTED else CODES[reason])

    def test_every_reason_is_reached_by_some_case(self) -> None:
        assert {reason for reason, _ in CAUSES} == set(Reason)

    def test_every_reason_but_the_scripted_one_has_a_code(self) -> None:
        assert set(CODES) == set(Reason) - {Reason.SCRIPTED}

    def test_exactly_the_codes_that_approve_are_said_with_the_reasons_that_do(self) -> None:
        assert {CODES[reason] for reason in APPROVING} == {"00", "10"}
        assert not {"00", "08", "10", "11", "85"} & {CODES[reason] for reason in set(CODES) - APPROVING}

    def test_every_status_is_decided_about(self) -> None:
        reasons = {status: card(status=status)(Case()).reason for status in STATUSES}

        assert [status for status, reason in reasons.items() if reason is Reason.APPROVED] == ["active"]
        assert len(set(reasons.values())) == len(STATUSES)


class TestOrder:
    """Where several causes apply, the one that stands first in the enum decides."""

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (one, two)
            for one, two in combinations(CAUSES, 2)
            if one[0] not in APPROVING and ORDER[one[0]] < ORDER[two[0]] and not touched(one[1]) & touched(two[1])
        ],
        ids=lambda cause: cause[0].name,
    )
    def test_of_two_causes_the_first_decides(self, first: tuple[Reason, Change], second: tuple[Reason, Change]) -> None:
        case = both(second[1], first[1])(Case())

        assert (case.reason is first[0]) == still_applies(first, case)

    @given(st.permutations(range(len(CAUSES))).flatmap(lambda order: st.integers(1, 5).map(lambda size: order[:size])))
    @settings(deadline=None)
    def test_of_many_causes_none_that_stands_before_the_decided_one_applies(self, chosen: list[int]) -> None:
        changes = [CAUSES[number] for number in chosen]
        disjoint: list[tuple[Reason, Change]] = []
        for cause in changes:
            if not any(touched(cause[1]) & touched(other[1]) for other in disjoint):
                disjoint.append(cause)
        case = both(*(change for _, change in disjoint))(Case())
        if case.card is None or case.asked.kind is not Kind.PURCHASE:
            return

        applying = [reason for reason, change in disjoint if still_applies((reason, change), case)]

        assert case.reason is min([*applying, Reason.APPROVED], key=ORDER.__getitem__)


REFUSES_A_REFUND = frozenset(
    {
        Reason.OVERTAKEN,
        Reason.FACTS_MISSING,
        Reason.NO_CARD,
        Reason.SCRIPTED,
        Reason.CARD_CLOSED,
        Reason.KIND_REFUSED,
        Reason.NO_ACCOUNT,
    }
)
PROVEN = (Kind.PURCHASE, Kind.CASH, Kind.VERIFICATION)
PIN_CAUSES = frozenset({Reason.PIN_TRIES_EXCEEDED, Reason.PIN_NOT_ON_FILE, Reason.PIN_WRONG, Reason.PIN_ABSENT})


def still_applies(cause: tuple[Reason, Change], case: Case) -> bool:
    """Whether a cause is still one with everything else as it is in a case: some kinds and entries exempt a card."""
    reason, kind = cause[0], case.asked.kind
    if case.card is None and ORDER[reason] > ORDER[Reason.NO_CARD]:
        return False
    if kind is Kind.REFUND:
        return reason in REFUSES_A_REFUND
    if reason in PIN_CAUSES:
        return kind is not Kind.PIN_UNBLOCK
    if reason is Reason.CVV2_ABSENT:
        return "M" not in (case.facts.cvv, case.facts.arqc) and kind in PROVEN
    if reason is Reason.AVS_WRONG:
        return not case.asked.is_present and kind in PROVEN
    if reason is Reason.AUTHENTICATION_WANTED:
        return not case.asked.is_present and kind is Kind.PURCHASE
    if reason is Reason.ARQC_ABSENT:
        return case.facts.arqc == "P"
    if reason is Reason.NO_ACCOUNT:
        return kind not in (Kind.PIN_CHANGE, Kind.PIN_UNBLOCK)
    if ORDER[Reason.NO_ACCOUNT] < ORDER[reason] <= ORDER[Reason.NO_FUNDS]:
        return kind is Kind.PURCHASE
    return True


class TestExpiry:
    """A card is good until its month is over."""

    @pytest.mark.parametrize(("expiry", "approves"), [("2603", True), ("2602", False), ("2604", True), ("9912", True)])
    def test_of_the_card_file(self, expiry: str, approves: bool) -> None:
        case = both(card(expiry=expiry), asked(expiry=""))(Case())

        assert decide(*case).approves is approves

    def test_an_issuer_that_keeps_no_expiry_takes_any_month_to_come(self) -> None:
        assert both(card(expiry=""), asked(expiry="2603"))(Case()).reason is Reason.APPROVED


class TestLimitsOfADay:
    """Approvals are counted per day of business time, in number and in money."""

    def test_yesterdays_approvals_do_not_count(self) -> None:
        busy = card(velocity_max=1, day_limit_minor=4_200, used_on="20260313", used=7, used_minor=9_999)(Case())

        assert busy.reason is Reason.APPROVED

    def test_a_limit_of_none_declines_the_first(self) -> None:
        assert card(velocity_max=0)(Case()).reason is Reason.OVER_VELOCITY

    @given(st.integers(1, 5), st.integers(1, 10**12))
    @settings(deadline=None)
    def test_the_day_after_begins_at_one(self, used: int, amount_minor: int) -> None:
        worn = CARD._replace(used_on="20260313", used=used, used_minor=amount_minor)

        after = worn.after_approval(AT, 700)

        assert (after.used_today(AT), after.used_today_minor(AT)) == (1, 700)


class TestRefunds:
    """Money that comes back is taken whatever happened to the plastic; only a closed card gets none."""

    @pytest.mark.parametrize("status", STATUSES)
    def test_by_status(self, status: str) -> None:
        case = both(asked(kind=Kind.REFUND), card(status=status))(Case())

        assert case.reason is (Reason.CARD_CLOSED if status == CLOSED else Reason.CREDITED)

    def test_no_proof_is_needed(self) -> None:
        proofless = facts(cvv2="N", pin="N", arqc="N", cavv="N", available_minor=0)
        wary = card(authentication=ALWAYS, avs_required=1, cvc_absent=DECLINE, limit_minor=0, velocity_max=0)

        assert both(asked(kind=Kind.REFUND), proofless, wary)(Case()).reason is Reason.CREDITED


class TestPartialApproval:
    """A terminal that takes a part gets what there is, if there is anything."""

    def test_the_verdict_says_how_much(self) -> None:
        case = both(facts(available_minor=2_000), asked(takes_partial=True))(Case())

        assert decide(*case)[::2] == ("10", 2_000)

    def test_an_empty_account_has_no_part_to_give(self) -> None:
        assert both(facts(available_minor=0), asked(takes_partial=True))(Case()).reason is Reason.NO_FUNDS

    @pytest.mark.parametrize(("available", "code"), [(109, "51"), (110, "10")])
    def test_a_part_is_worth_a_unit_of_the_merchants_money(self, available: int, code: str) -> None:
        case = both(facts(available_minor=available), asked(takes_partial=True, least_minor=110))(Case())

        assert decide(*case).code == code

    @pytest.mark.parametrize("kind", [Kind.CASHBACK, Kind.INCREMENT])
    def test_notes_and_increments_are_whole_or_not_at_all(self, kind: Kind) -> None:
        case = both(facts(available_minor=2_000), asked(takes_partial=True, kind=kind))(Case())

        assert case.reason is Reason.NO_FUNDS


class TestProofs:
    """What proves a card once need not be proven again."""

    @pytest.mark.parametrize("proof", [{"cvv": "M"}, {"arqc": "M", "atc": 1}])
    def test_a_card_that_was_read_needs_no_cvv2(self, proof: dict[str, Any]) -> None:
        case = both(card(cvc_absent=DECLINE), facts(cvv2="P", **proof))(Case())

        assert case.reason is Reason.APPROVED

    def test_an_increment_rests_on_its_original(self) -> None:
        wary = card(cvc_absent=DECLINE, authentication=ALWAYS, avs_required=1, scheme=VISA)
        case = both(wary, facts(cvv2="P"), asked(kind=Kind.INCREMENT, entry="05"))(Case())

        assert case.reason is Reason.APPROVED

    @pytest.mark.parametrize(("wish", "approves"), [(UNLESS_ARRANGED, True), (ALWAYS, False)])
    def test_what_the_merchant_starts_as_arranged_is_not_authenticated(self, wish: str, approves: bool) -> None:
        case = both(card(authentication=wish), asked(is_merchant_initiated=True))(Case())

        assert decide(*case).approves is approves

    def test_a_proof_of_authentication_is_enough(self) -> None:
        assert both(card(authentication=ALWAYS), facts(cavv="M"))(Case()).reason is Reason.APPROVED

    @pytest.mark.parametrize(("entry", "proof"), [("90", {"cvv": "M"}), ("05", {"arqc": "M", "atc": 1})])
    def test_a_card_that_was_read_is_not_authenticated_from_afar(self, entry: str, proof: dict[str, Any]) -> None:
        wary = card(authentication=ALWAYS, avs_required=1)

        assert both(wary, asked(entry=entry), facts(**proof))(Case()).reason is Reason.APPROVED

    def test_a_card_that_is_only_said_to_have_been_read_is(self) -> None:
        said = asked(entry="90")

        assert both(card(authentication=ALWAYS), said)(Case()).reason is Reason.AUTHENTICATION_WANTED
        assert both(card(avs_required=1), said)(Case()).reason is Reason.AVS_WRONG

    def test_a_forgiven_cvv2_declines_nothing(self) -> None:
        assert both(card(cvc_forgiven=1), facts(cvv2="N"))(Case()).reason is Reason.APPROVED

    def test_the_first_counter_of_a_card_may_be_any(self) -> None:
        assert facts(arqc="M", atc=900, atc_gap_max=10)(Case()).reason is Reason.APPROVED


class TestUsedUpPinTries:
    """A card without PIN tries pays for nothing until it is unblocked, and the unblocking must be proven."""

    def test_unblocking_needs_the_chip_or_the_stripe(self) -> None:
        blocked = both(card(pin_method=IBM, pin_tries=3), asked(kind=Kind.PIN_UNBLOCK))

        assert blocked(Case()).reason is Reason.NOT_PROVEN
        assert both(blocked, facts(arqc="M", atc=1))(Case()).reason is Reason.PIN_UNBLOCKED

    def test_a_limit_on_purchases_is_none_on_a_change_of_pin(self) -> None:
        case = both(asked(kind=Kind.PIN_CHANGE), facts(pin="M"), card(limit_minor=0, velocity_max=0))(Case())

        assert case.reason is Reason.PIN_CHANGED


class TestDocument:
    """docs/reference/decisions.md lists the reasons as they are."""

    def test_every_reason_is_there_with_its_code_in_its_place(self) -> None:
        rows = re.findall(r"^\| `([A-Z0-9_]+)` \| (\S+) \| (.+) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE)

        assert rows == [(reason.name, CODES.get(reason, "any"), reason.value) for reason in Reason]
