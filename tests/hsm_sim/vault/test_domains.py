"""Domain controls: what a token may be used for, held against a purchase twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.errors import CRYPTOGRAM_REFUSALS, HsmError
from hsm_sim.core.vault import UNRESTRICTED, Domain, Purchase
from hsm_sim.core.vault.domain import domain_of, hold_against
from hsm_sim.core.vault.rows import CardRow
from hsm_sim.requests import CardOpened, DescribeToken, Detokenise, MakeCryptogram, OpenPan, RestrictToken, StoreCard
from tests.hsm_sim.vault.builders import MERCHANT, REFERENCE, REQUESTOR, VaultHsm
from tests.support.hsm import CVC, EPOCH, PAN, first_use

WIDE = Domain(("ecommerce", "moto"), (MERCHANT, "OTHER"), ("840", "978"), 4200, "2603")
NARROWER = [
    (WIDE._replace(token_expiry="2602"), "VB"),
    (WIDE._replace(channels=("moto",)), "VC"),
    (WIDE._replace(merchants=("OTHER",)), "VD"),
    (WIDE._replace(currencies=("978",)), "VE"),
    (WIDE._replace(amount_max=4199), "VF"),
]
NAMES = st.sampled_from(["A", "B", "C D", "\u00e9"])
DOMAINS = st.builds(
    Domain,
    st.lists(NAMES, max_size=3, unique=True).map(tuple),
    st.lists(NAMES, min_size=1, max_size=3, unique=True).map(tuple),
    st.lists(st.sampled_from(["036", "840", "978"]), max_size=2, unique=True).map(tuple),
    st.none() | st.integers(0, 10**12 - 1),
    st.sampled_from(["", "2602", "2603", "9912"]),
    st.booleans(),
)
PURCHASES = st.builds(
    Purchase,
    st.integers(0, 10**12 - 1).map(lambda amount: f"{amount:012d}"),
    st.sampled_from(["036", "840", "978"]),
    NAMES,
    st.just("") | NAMES,
)


def within(token: str, channel: str = "ecommerce") -> MakeCryptogram:
    """Ask for the cryptogram of a purchase that `WIDE` allows."""
    return MakeCryptogram(token, 4200, "840", MERCHANT, channel)


class TestIssue:
    """No cryptogram is made for a purchase outside the token's domain."""

    def test_a_purchase_within_it_is_served(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(WIDE).token

        assert hsm.ask("gateway", within(token)).code == "00"

    @pytest.mark.parametrize(("domain", "code"), NARROWER)
    def test_each_limit_has_its_code(self, domain: Domain, code: str) -> None:
        hsm = VaultHsm()
        token = hsm.kept(domain).token

        assert hsm.ask("gateway", within(token)).code == code

    def test_an_unnamed_channel_is_no_channel(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(WIDE).token

        assert hsm.ask("gateway", within(token, channel="")).code == "VC"

    @given(DOMAINS, PURCHASES)
    def test_what_passes_is_what_every_limit_allows(self, domain: Domain, purchase: Purchase) -> None:
        row = domain.onto(CardRow("9", "r", "3012", "", 1, 1, b"", 0))
        allowed = (
            (not domain.token_expiry or domain.token_expiry >= "2603")
            and (not domain.channels or purchase.channel in domain.channels)
            and purchase.merchant in domain.merchants
            and (not domain.currencies or purchase.currency in domain.currencies)
            and (domain.amount_max is None or int(purchase.amount) <= domain.amount_max)
        )

        try:
            hold_against(row, purchase, EPOCH)
        except HsmError:
            passed = False
        else:
            passed = True

        assert passed == allowed
        assert domain_of(row) == domain


class TestOpening:
    """The domain holds again when the token is opened: it may have become narrower since."""

    @pytest.mark.parametrize(("domain", "code"), NARROWER)
    def test_what_was_allowed_when_it_was_issued_may_be_refused_now(self, domain: Domain, code: str) -> None:
        hsm = VaultHsm()
        token = hsm.kept(WIDE).token
        made = hsm.ask("gateway", within(token))
        hsm.ask("gateway", RestrictToken(token, REQUESTOR, domain))

        opened = hsm.ask("switch", first_use(token, made, channel="ecommerce"))

        assert opened == CardOpened(code)
        assert code not in CRYPTOGRAM_REFUSALS

    def test_a_refused_cryptogram_is_not_spent(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(WIDE, cvc=CVC).token
        made = hsm.ask("gateway", within(token))
        refused = hsm.ask("switch", first_use(token, made, channel="pos"))

        opened = hsm.ask("switch", first_use(token, made, channel="moto"))

        assert refused.code == "VC"
        assert (opened.code, opened.cvv2) == ("00", CVC)

    def test_what_was_opened_before_stays_open_for_its_reference(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(WIDE).token
        made = hsm.ask("gateway", within(token))
        use = first_use(token, made, channel="ecommerce")
        opened = hsm.ask("switch", use)
        hsm.ask("gateway", RestrictToken(token, REQUESTOR, Domain(merchants=("NOBODY",))))

        assert hsm.ask("switch", use) == opened
        assert hsm.followed(token) == opened

    def test_the_cryptogram_is_judged_before_the_domain(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(WIDE).token
        made = hsm.ask("gateway", within(token))

        opened = hsm.ask("switch", first_use(token, made, cryptogram="0" * 16, channel="pos"))

        assert opened.code == "V1"


class TestChange:
    """A domain belongs to a token: it is given with the card, changed by its requestor, and told to nobody else."""

    @given(DOMAINS)
    def test_it_comes_back_as_it_was_given(self, domain: Domain) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token

        changed = hsm.ask("gateway", RestrictToken(token, REQUESTOR, domain))
        hsm.restart()

        assert changed.code == "00"
        assert hsm.ask("gateway", DescribeToken(token, REQUESTOR)).domain == domain

    def test_long_lists_of_merchants_fit(self) -> None:
        hsm = VaultHsm()
        domain = Domain(merchants=tuple(f"MERCHANT{number:07d}" for number in range(500)))

        token = hsm.kept(domain).token

        assert hsm.ask("gateway", DescribeToken(token, REQUESTOR)).domain == domain

    def test_another_requestor_has_no_such_token(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(WIDE).token

        assert hsm.ask("gateway", RestrictToken(token, "acct_2", UNRESTRICTED)).code == "V0"
        assert hsm.ask("gateway", DescribeToken(token, "acct_2")).code == "V0"

    @pytest.mark.parametrize(
        "fields",
        [
            {"channels": ("a,,b",)},
            {"merchants": ("A", "")},
            {"currencies": ("84",)},
            {"currencies": ("USD",)},
            {"token_expiry": "2613"},
            {"token_expiry": "26"},
            {"merchant_initiated": True},
        ],
    )
    def test_what_is_no_domain_is_refused(self, fields: dict[str, Any]) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token

        assert hsm.ask("gateway", RestrictToken(token, REQUESTOR, Domain(**fields))).code == "15"
        assert hsm.kept(Domain(**fields), requestor="acct_2").code == "15"

    def test_a_card_that_is_stored_again_keeps_its_domain(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(WIDE).token

        again, same = hsm.kept(), hsm.kept(WIDE)
        other = hsm.kept(WIDE._replace(amount_max=1))

        assert again.token == same.token == token
        assert other.code == "VH"


class TestTokenExpiry:
    """A token can end before its card: from then on its card leads to a new one."""

    def test_it_lives_to_the_end_of_its_month(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(Domain(token_expiry="2603")).token
        hsm.used(token)

        hsm.pass_time(17 * 86_400)
        in_time = hsm.paid(token).code
        hsm.pass_time(86_400)

        assert (in_time, hsm.paid(token).code) == ("00", "VB")
        assert hsm.followed(token).code == "00"

    def test_the_card_gets_another_token_afterwards(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(Domain(token_expiry="2603")).token
        hsm.used(token)
        hsm.pass_time(30 * 86_400)

        renewed = hsm.kept()

        assert renewed.code == "00"
        assert renewed.token != token
        assert hsm.kept() == renewed
        assert hsm.followed(token).pan == PAN


class TestMerchantInitiated:
    """A merchant that the token's domain names may start a payment without the cardholder, once per reference."""

    OURS = Domain(merchants=(MERCHANT, "SISTER"), merchant_initiated=True)

    def test_it_opens_without_a_cryptogram_and_is_recorded(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(self.OURS, cvc=CVC).token

        opened = hsm.started(token)
        hsm.restart()

        assert opened == CardOpened("00", PAN, "3012", "", "", opened.audit_id)
        assert hsm.followed(token) == opened
        assert hsm.started(token) == opened

    def test_a_token_that_does_not_say_so_is_not_opened(self) -> None:
        hsm = VaultHsm()
        free, named = hsm.kept().token, hsm.kept(Domain(merchants=(MERCHANT,)), requestor="acct_2").token

        assert [hsm.started(token).code for token in (free, named)] == ["VG", "VG"]
        assert hsm.followed(free).code == "V3"

    def test_another_merchant_is_refused_also_under_a_recorded_reference(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(self.OURS).token
        hsm.started(token)

        assert hsm.started(token, "another", merchant="STRANGER").code == "VD"
        assert hsm.started(token, merchant="SISTER").code == "VG"

    def test_it_is_held_against_the_rest_of_the_domain(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(self.OURS._replace(amount_max=4200)).token

        assert hsm.started(token, amount_minor=4201).code == "VF"
        assert hsm.started(token, amount_minor=4200).code == "00"

    def test_a_reference_is_needed(self) -> None:
        hsm = VaultHsm()

        assert hsm.started(hsm.kept(self.OURS).token, "").code == "15"

    def test_it_uses_up_a_counter_but_not_the_cryptograms_under_way(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(self.OURS).token
        made = hsm.paid(token)

        codes = [hsm.started(token, f"reference {number}").code for number in range(70)]

        assert codes == ["00"] * 70
        assert hsm.used(token, made).code == "00"
        assert hsm.paid(token).atc == f"{72:04X}"

    def test_the_flag_means_nothing_beside_a_cryptogram(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        use = first_use(token, hsm.paid(token))

        assert hsm.ask("switch", use._replace(merchant_initiated=True)).code == "00"


class TestSealed:
    """Detokenise hands the switch what it may store, if it is asked."""

    def test_it_opens_in_the_context_of_the_reference_alone(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        use = first_use(token, hsm.paid(token))._replace(seal=True)

        opened = hsm.ask("switch", use)

        assert PAN not in opened.sealed
        assert hsm.ask("switch", OpenPan(opened.sealed, REFERENCE)).pan == PAN
        assert hsm.ask("switch", OpenPan(opened.sealed, "another")).code == "V7"

    def test_a_follow_up_can_ask_for_it_too(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        first = hsm.used(token)

        opened = hsm.ask("switch", Detokenise(token, REFERENCE, seal=True))

        assert first.sealed == ""
        assert hsm.ask("switch", OpenPan(opened.sealed, REFERENCE)).pan == PAN
        assert opened.audit_id == first.audit_id


class TestPar:
    """A payment account reference is the same wherever a card is stored, and tells nothing of it."""

    def test_requestors_and_expiries_share_it(self) -> None:
        hsm = VaultHsm()

        pars = {hsm.kept(requestor=name).par for name in ("acct_1", "acct_2")}
        pars.add(hsm.ask("gateway", StoreCard(PAN, "3101", "", "acct_3")).par)

        assert len(pars) == 1
        par = pars.pop()
        assert len(par) == 29
        assert par.startswith("CRLS")
        assert par.isalnum()
        assert par == par.upper()

    def test_another_card_has_another(self) -> None:
        hsm = VaultHsm()

        assert hsm.kept().par != hsm.kept(pan="5555555555554444").par
