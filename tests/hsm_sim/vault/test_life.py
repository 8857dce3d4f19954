"""The life of a token: suspended, resumed, deleted, erased; its counter; what a crash leaves of it."""

from __future__ import annotations

import json

import pytest

from hsm_sim.core.vault import CARDS_TABLE, REFERENCES_TABLE, UNRESTRICTED, Domain, VaultSettings
from hsm_sim.core.vault.rows import COUNTERS_TABLE, ERASED, CounterRow
from hsm_sim.requests import (
    CardOpened,
    DeleteToken,
    DescribeToken,
    MakeCryptogram,
    ResumeToken,
    StoreCard,
    SuspendToken,
)
from iso.pan import luhn_valid
from tests.hsm_sim.vault.builders import MERCHANT, REFERENCE, REQUESTOR, VaultHsm
from tests.support.hsm import CVC, PAN, first_use

DAY_S = 86_400
CHANGES = (SuspendToken, ResumeToken, DeleteToken)
Change = type[SuspendToken] | type[ResumeToken] | type[DeleteToken]


class TestSuspension:
    """A suspended token starts no payment until it is resumed; what it has started goes on."""

    def test_it_is_refused_and_then_works_again(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        made = hsm.paid(token)

        hsm.ask("gateway", SuspendToken(token, REQUESTOR, "lost_card"))
        hsm.restart()
        refused = (hsm.paid(token).code, hsm.used(token, made).code)
        hsm.ask("gateway", ResumeToken(token, REQUESTOR, "found"))

        assert refused == ("V9", "V9")
        assert hsm.used(token, made).pan == PAN

    def test_what_was_recorded_stays_open(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        opened = hsm.used(token)

        hsm.ask("gateway", SuspendToken(token, REQUESTOR, "lost_card"))

        assert hsm.followed(token) == opened

    def test_storing_the_card_again_does_not_resume_it(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        hsm.ask("gateway", SuspendToken(token, REQUESTOR, "lost_card"))

        assert hsm.kept().token == token
        assert hsm.paid(token).code == "V9"

    def test_the_reason_is_told(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        hsm.ask("gateway", SuspendToken(token, REQUESTOR, "lost_card"))

        told = hsm.ask("gateway", DescribeToken(token, REQUESTOR))

        assert (told.state, told.reason) == ("suspended", "lost_card")


class TestWhoMayChange:
    """Only a token's own requestor changes it, for a reason that cannot hold a number."""

    @pytest.mark.parametrize("change", CHANGES)
    def test_another_requestor_has_no_such_token(self, change: Change) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token

        assert hsm.ask("gateway", change(token, "acct_2", "reason")).code == "V0"
        assert hsm.ask("gateway", change("9999000000000000", REQUESTOR, "reason")).code == "V0"

    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("reason", ["", "a" * 33, PAN, "Lost card", "caf\u00e9"])
    def test_what_is_no_reason_is_refused(self, change: Change, reason: str) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token

        assert hsm.ask("gateway", change(token, REQUESTOR, reason)).code == "15"
        assert hsm.ask("gateway", DescribeToken(token, REQUESTOR)).state == "active"


class TestDeletion:
    """A deleted token starts nothing ever again; its past can be followed up until the number is erased."""

    def test_it_is_refused_for_ever(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        made = hsm.paid(token)

        hsm.ask("gateway", DeleteToken(token, REQUESTOR, "closed"))

        assert (hsm.paid(token).code, hsm.used(token, made).code) == ("VA", "VA")
        assert hsm.ask("gateway", SuspendToken(token, REQUESTOR, "reason")).code == "VA"
        assert hsm.ask("gateway", ResumeToken(token, REQUESTOR, "reason")).code == "VA"
        assert hsm.ask("gateway", DeleteToken(token, REQUESTOR, "again")).code == "00"

    def test_its_card_gets_another_token(self) -> None:
        hsm = VaultHsm()
        first = hsm.kept()
        hsm.ask("gateway", DeleteToken(first.token, REQUESTOR, "closed"))

        second = hsm.kept()

        assert second.token != first.token
        assert (second.fingerprint, second.par) == (first.fingerprint, first.par)

    def test_a_waiting_cvv2_goes_at_once(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(cvc=CVC).token
        opened = hsm.used(token)
        hsm.kept(cvc="111")

        hsm.ask("gateway", DeleteToken(token, REQUESTOR, "closed"))

        assert opened.cvv2 == CVC
        assert "111" not in repr(vars(hsm.engine._vault._cvv2))

    def test_its_past_stays_open_for_120_days_and_not_longer(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        opened = hsm.used(token)
        hsm.ask("gateway", DeleteToken(token, REQUESTOR, "closed"))

        hsm.pass_time(120 * DAY_S - 1)
        hsm.tick()
        hsm.restart()
        in_time = hsm.followed(token)
        hsm.pass_time(1)
        hsm.tick()

        assert in_time == opened
        assert hsm.followed(token) == CardOpened("VA")
        assert hsm.paid(token).code == "VA"

    def test_nothing_of_the_card_is_left_and_the_number_is_not_given_again(self) -> None:
        hsm = VaultHsm(settings=VaultSettings(keep_deleted_days=0))
        stored = hsm.kept()
        hsm.ask("gateway", DeleteToken(stored.token, REQUESTOR, "closed"))
        hsm.tick(2)

        row = hsm.shelf.card(stored.token)

        assert row is not None
        assert (row.state, row.sealed, row.expiry, row.par, row.fingerprint) == (ERASED, b"", "", "", "")
        assert hsm.engine.deadline() is None
        assert hsm.ask("gateway", DescribeToken(stored.token, REQUESTOR)).state == "erased"

    def test_many_are_erased_in_bounded_steps_also_after_a_restart(self) -> None:
        hsm = VaultHsm(settings=VaultSettings(keep_deleted_days=1, batch_rows=2))
        tokens = [hsm.kept(requestor=f"acct_{number}").token for number in range(7)]
        for number, token in enumerate(tokens):
            hsm.ask("gateway", DeleteToken(token, f"acct_{number}", "closed"))
        hsm.pass_time(DAY_S)
        erased = []

        for _ in range(5):
            hsm.tick()
            hsm.restart()
            rows = [hsm.shelf.card(token) for token in tokens]
            erased.append(sum(row is not None and row.state == ERASED for row in rows))

        assert erased == [2, 4, 6, 7, 7]

    def test_an_idle_hsm_looks_at_business_time_again(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        assert hsm.engine.deadline() is None

        hsm.ask("gateway", DeleteToken(token, REQUESTOR, "closed"))
        hsm.tick()

        assert hsm.engine.deadline() == hsm.now + 60.0


class TestCounter:
    """A counter is spent once, and not when it is more than 64 behind the highest one used."""

    def test_the_window_is_64_wide(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        made = [hsm.paid(token) for _ in range(66)]
        hsm.used(token, made[65], "highest")

        assert hsm.used(token, made[1], "at the edge").code == "V8"
        assert hsm.used(token, made[2], "within").code == "00"

    def test_it_counts_across_a_restart(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        made = [hsm.paid(token) for _ in range(66)]
        hsm.used(token, made[65], "highest")
        hsm.restart()

        assert hsm.used(token, made[1], "at the edge").code == "V8"
        assert hsm.used(token, made[65], "again").code == "V2"
        assert hsm.used(token, made[2], "within").code == "00"

    def test_what_was_spent_long_ago_opens_again_under_its_reference(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        made = [hsm.paid(token) for _ in range(70)]
        opened = [hsm.used(token, each, f"reference {number}") for number, each in enumerate(made)]
        hsm.pass_time(DAY_S)

        assert hsm.used(token, made[0], "reference 0") == opened[0]
        assert hsm.used(token, made[0], "another").code == "V2"

    def test_cryptograms_may_come_in_any_order(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        made = [hsm.paid(token) for _ in range(64)]

        codes = [hsm.used(token, each, each.atc).code for each in reversed(made)]

        assert codes == ["00"] * 64


class TestUsedUpCounter:
    """A token has 65,535 payments in it. Its card is stored again then, and pays on under another token."""

    def worn(self, domain: Domain = UNRESTRICTED, left: int = 0) -> tuple[VaultHsm, str]:
        """Return an HSM with a token that has few payments left."""
        hsm = VaultHsm()
        token = hsm.kept(domain).token
        hsm.journal.write({COUNTERS_TABLE: [CounterRow(token, 0xFFFF - left, 0)]})
        hsm.restart()
        return hsm, token

    def test_the_card_keeps_its_token_up_to_the_last_payment(self) -> None:
        hsm, token = self.worn(left=1)

        before = hsm.kept().token
        made = hsm.paid(token)

        assert (before, hsm.used(token, made).code) == (token, "00")
        assert hsm.kept().token != token

    def test_the_old_token_starts_no_payment_and_what_it_started_goes_on(self) -> None:
        hsm, token = self.worn(left=1)
        opened = hsm.used(token)

        renewed = hsm.kept()
        hsm.restart()

        assert hsm.paid(token).code == "V6"
        assert hsm.followed(token) == opened
        assert hsm.used(renewed.token, reference="another").pan == PAN
        assert hsm.kept() == renewed

    def test_the_new_token_has_the_domain_of_the_old_one(self) -> None:
        ours = Domain(merchants=(MERCHANT,))
        hsm, token = self.worn(ours)

        refused = hsm.kept(Domain(merchants=("STRANGER",))).code
        renewed = hsm.kept()

        assert (refused, renewed.code, renewed.token != token) == ("VH", "00", True)
        assert hsm.ask("gateway", DescribeToken(renewed.token, REQUESTOR)).domain == ours

    def test_storing_the_card_again_is_no_way_around_a_suspension(self) -> None:
        hsm, token = self.worn()
        hsm.ask("gateway", SuspendToken(token, REQUESTOR, "lost_card"))

        assert hsm.kept().token == token


class TestCrash:
    """What was decided and its record are committed together, or neither is."""

    def test_a_cryptogram_that_was_opened_but_not_committed_is_unspent(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        made = hsm.paid(token)

        lost = hsm.lose("switch", first_use(token, made, "lost"))

        assert lost.code == "00"
        assert hsm.shelf.spent(token, 1) is None
        assert hsm.used(token, made, "kept").code == "00"
        assert hsm.used(token, made, "lost").code == "V2"

    def test_the_record_is_in_the_turn_of_the_answer(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        opened = hsm.used(token)

        assert hsm.journal.rows[REFERENCES_TABLE][token, 1] == (token, 1, REFERENCE, "MERCHANT", opened.audit_id)

    def test_a_lost_card_is_stored_anew(self) -> None:
        hsm = VaultHsm()

        lost = hsm.lose("gateway", StoreCard(PAN, "3012", CVC, REQUESTOR))

        assert hsm.paid(lost.token).code == "V0"
        assert hsm.kept().fingerprint == lost.fingerprint

    def test_a_counter_whose_cryptogram_never_left_is_given_again(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token

        lost = hsm.lose("gateway", MakeCryptogram(token, 4200, "840", "MERCHANT"))
        made = hsm.paid(token)

        assert (lost.atc, made.atc) == ("0001", "0001")
        assert hsm.used(token, made).code == "00"

    def test_a_lost_deletion_has_not_happened(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token

        hsm.lose("gateway", DeleteToken(token, REQUESTOR, "closed"))

        assert hsm.used(token).code == "00"
        assert hsm.kept().token == token


class TestNumbers:
    """A token is never a card number of somebody else, by setting not even by its check digit."""

    def test_it_can_be_made_to_fail_the_luhn_check(self) -> None:
        hsm = VaultHsm(settings=VaultSettings(luhn_valid=False))

        tokens = [hsm.kept(requestor=f"acct_{number}").token for number in range(50)]

        assert len(set(tokens)) == 50
        assert not any(luhn_valid(token) for token in tokens)
        assert {(token[:4], token[-4:], len(token)) for token in tokens} == {("9999", "4242", 16)}

    def test_such_a_token_is_no_card_either(self) -> None:
        hsm = VaultHsm(settings=VaultSettings(luhn_valid=False))

        assert hsm.kept(pan=hsm.kept().token).code == "22"

    def test_an_erased_token_is_still_taken(self) -> None:
        hsm = VaultHsm(settings=VaultSettings(keep_deleted_days=0))
        pan = next(f"40000000{digit}1234" for digit in "0123456789" if luhn_valid(f"40000000{digit}1234"))
        stored = [hsm.kept(pan=pan, requestor=f"acct_{number}") for number in range(1200)]
        taken = {card.token for card in stored if card.code == "00"}
        for number, card in enumerate(stored):
            if card.code == "00":
                hsm.ask("gateway", DeleteToken(card.token, f"acct_{number}", "closed"))
            hsm.tick()

        again = hsm.kept(pan=pan)

        assert again.code == "00"
        assert again.token not in taken


class TestSecrets:
    """No row, no repr and no record of a turn holds a card number, a CVV2 or a key in clear."""

    def test_rows_of_a_whole_life(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept(cvc="9182").token
        hsm.rotate("card")
        hsm.rotate("fingerprint")
        hsm.used(token)
        hsm.kept(cvc="9182")
        hsm.tick(10)
        hsm.ask("gateway", SuspendToken(token, REQUESTOR, "lost_card"))
        hsm.ask("gateway", DeleteToken(token, REQUESTOR, "closed"))

        written = json.dumps(hsm.rows(), default=lambda value: value.hex())

        for secret in (PAN, PAN.encode().hex(), "9182", b"9182".hex()):
            assert f'"{secret}"' not in written
        assert PAN not in written
        assert len(hsm.journal.rows[CARDS_TABLE]) == 1

    def test_nothing_shows_a_waiting_cvv2(self) -> None:
        hsm = VaultHsm()
        hsm.kept(cvc="9182")
        vault = hsm.engine._vault

        shown = "".join(repr(each) for each in (vault, vault._cvv2, vault._keyring, vault._cards, vault.upkeep))

        assert "9182" not in shown
        assert PAN not in shown
