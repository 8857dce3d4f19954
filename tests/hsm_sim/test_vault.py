"""The token vault, through the command engine: cards in, tokens out, and back for one transaction at a time."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.errors import CRYPTOGRAM_REFUSALS
from hsm_sim.core.vault import CARDS_TABLE, REFERENCES_TABLE, CardRow
from hsm_sim.requests import CardOpened, Detokenise
from iso.pan import luhn_digit, luhn_valid
from tests.support.hsm import CVC, OTHER_PAN, PAN, Hsm, first_use

PANS = st.text("0123456789", min_size=11, max_size=17).map(lambda body: "4" + body + luhn_digit("4" + body))
REFERENCE = "607309000001"


class TestTokens:
    """A token looks like the card and tells nothing of it but its last four digits."""

    @given(PANS)
    def test_a_token_has_the_shape_of_the_pan(self, pan: str) -> None:
        stored = Hsm().stored(pan)

        assert stored.code == "00"
        assert len(stored.token) == len(pan)
        assert stored.token.startswith("9999")
        assert stored.token[-4:] == pan[-4:]
        assert luhn_valid(stored.token)
        assert stored.token != pan

    def test_the_same_card_for_the_same_requestor_keeps_its_token(self) -> None:
        hsm = Hsm()

        first, second = hsm.stored(), hsm.stored()

        assert first == second

    def test_another_requestor_or_expiry_gets_another_token(self) -> None:
        hsm = Hsm()

        stored = [hsm.stored(), hsm.stored(requestor="acct_2"), hsm.stored(expiry="3101")]

        assert len({card.token for card in stored}) == 3

    def test_a_fingerprint_is_the_same_for_any_expiry_and_differs_between_requestors(self) -> None:
        hsm = Hsm()

        one, renewed, elsewhere = hsm.stored(), hsm.stored(expiry="3101"), hsm.stored(requestor="acct_2")

        assert one.fingerprint == renewed.fingerprint
        assert one.fingerprint != elsewhere.fingerprint

    @pytest.mark.parametrize(
        ("pan", "expiry", "cvc", "code"),
        [
            ("4242424242424241", "3012", CVC, "22"),
            ("424242424242", "3012", CVC, "22"),
            (PAN, "3013", CVC, "15"),
            (PAN, "3000", CVC, "15"),
            (PAN, "3012", "12", "15"),
        ],
    )
    def test_what_is_no_card_is_refused(self, pan: str, expiry: str, cvc: str, code: str) -> None:
        assert Hsm().stored(pan, expiry, cvc).code == code

    def test_a_token_is_not_tokenised_again(self) -> None:
        hsm = Hsm()

        assert hsm.stored(hsm.stored().token).code == "22"

    def test_when_no_token_is_free_the_card_is_refused(self) -> None:
        hsm = Hsm()
        pan = "4" + "0" * 8 + "123"
        pan += luhn_digit(pan)

        codes = [hsm.stored(pan, requestor=f"acct_{number}").code for number in range(10_100)]

        assert codes[:5_000] == ["00"] * 5_000
        assert codes[-1] == "V6"


class TestFirstUse:
    """A first authorisation opens a token with a cryptogram over exactly this purchase, once."""

    def test_it_opens_the_card_and_hands_out_the_cvv2(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token

        opened = hsm.ask("switch", first_use(token, hsm.paid(token)))

        assert opened == CardOpened("00", PAN, "3012", CVC, audit_id=opened.audit_id)

    @pytest.mark.parametrize(
        "changed",
        [
            {"merchant": "ANOTHER"},
            {"currency": "978"},
            {"un": "00000000"},
            {"cryptogram": "0011223344556677"},
            {"cryptogram": "short"},
            {"atc": "0002"},
            {"atc": "not hex"},
            {"un": "\u20ac"},
        ],
    )
    def test_nothing_that_it_covers_can_be_changed(self, changed: dict[str, str]) -> None:
        hsm = Hsm()
        token = hsm.stored().token

        opened = hsm.ask("switch", first_use(token, hsm.paid(token), **changed))

        assert opened.code in CRYPTOGRAM_REFUSALS
        assert opened.pan == ""

    def test_another_amount_is_refused(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token

        opened = hsm.ask("switch", first_use(token, hsm.paid(token, 4200), amount_minor=4201))

        assert opened.code == "V1"

    def test_the_padding_of_the_merchant_does_not_matter(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token

        opened = hsm.ask("switch", first_use(token, hsm.paid(token), merchant="MERCHANT       "))

        assert opened.code == "00"

    def test_a_cryptogram_of_another_token_is_refused(self) -> None:
        hsm = Hsm()
        token, other = hsm.stored().token, hsm.stored(OTHER_PAN).token
        hsm.paid(other)

        opened = hsm.ask("switch", first_use(other, hsm.paid(token)))

        assert opened.code == "V1"

    def test_replay_under_another_reference_is_refused(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token
        made = hsm.paid(token)
        hsm.ask("switch", first_use(token, made, "first"))

        replayed = hsm.ask("switch", first_use(token, made, "second"))

        assert replayed == CardOpened("V2")

    def test_a_repeat_under_the_same_reference_opens_again_without_the_cvv2(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token
        made = hsm.paid(token)
        opened = hsm.ask("switch", first_use(token, made))
        spent = dict(hsm.journal.rows[REFERENCES_TABLE])

        repeated = hsm.ask("switch", first_use(token, made))

        assert repeated == opened._replace(cvv2="")
        assert hsm.journal.rows[REFERENCES_TABLE] == spent

    def test_it_is_too_old_after_fifteen_minutes_of_business_time(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token
        in_time, late = hsm.paid(token), hsm.paid(token)

        hsm.pass_time(900)
        opened = hsm.ask("switch", first_use(token, in_time))
        hsm.pass_time(1)
        refused = hsm.ask("switch", first_use(token, late, "another"))

        assert opened.code == "00"
        assert refused.code == "V4"

    def test_a_counter_that_was_never_given_out_opens_nothing(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token
        made = hsm.paid(token)

        assert hsm.ask("switch", first_use(token, made, atc="0002")).code == "V5"

    def test_a_counter_is_never_given_twice(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token

        counters = [hsm.paid(token).atc]
        hsm.restart()
        counters.append(hsm.paid(token).atc)

        assert counters == ["0001", "0002"]

    def test_an_unknown_token_is_refused(self) -> None:
        hsm = Hsm()
        made = hsm.paid(hsm.stored().token)

        assert hsm.ask("switch", first_use("9999000000000000", made)).code == "V0"
        assert hsm.paid("9999000000000000").code == "V0"

    def test_a_reference_is_needed(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token

        assert hsm.ask("switch", first_use(token, hsm.paid(token), "")).code == "15"


class TestFollowUps:
    """What follows a first authorisation needs its reference and nothing else, however late."""

    def test_it_opens_days_later_and_after_a_restart(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token
        hsm.ask("switch", first_use(token, hsm.paid(token), REFERENCE))

        hsm.pass_time(7 * 86_400)
        hsm.restart()
        opened = hsm.ask("switch", Detokenise(token, REFERENCE))

        assert opened == CardOpened("00", PAN, "3012", audit_id=opened.audit_id)

    def test_a_reference_that_was_not_recorded_opens_nothing(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token
        hsm.paid(token)

        assert hsm.ask("switch", Detokenise(token, REFERENCE)).code == "V3"
        assert hsm.ask("switch", Detokenise(token, "")).code == "V3"

    def test_a_reference_of_another_token_opens_nothing(self) -> None:
        hsm = Hsm()
        token, other = hsm.stored().token, hsm.stored(OTHER_PAN).token
        hsm.ask("switch", first_use(token, hsm.paid(token), REFERENCE))

        assert hsm.ask("switch", Detokenise(other, REFERENCE)).code == "V3"

    def test_replay_is_still_refused_after_a_restart(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token
        made = hsm.paid(token)
        hsm.ask("switch", first_use(token, made, "first"))

        hsm.restart()

        assert hsm.ask("switch", first_use(token, made, "second")).code == "V2"
        assert hsm.ask("switch", first_use(token, made, "first")).code == "00"


class TestCvv2:
    """A CVV2 waits in memory, is handed out once, and is never written."""

    def test_it_is_forgotten_after_ten_minutes(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token
        assert hsm.engine.deadline() == 600.0

        hsm.now = 600.0
        opened = hsm.ask("switch", first_use(token, hsm.paid(token)))

        assert opened == CardOpened("00", PAN, "3012", audit_id=opened.audit_id)
        assert hsm.engine.deadline() is None

    def test_it_does_not_survive_a_restart(self) -> None:
        hsm = Hsm()
        token = hsm.stored().token
        hsm.restart()

        assert hsm.ask("switch", first_use(token, hsm.paid(token))).cvv2 == ""

    def test_a_card_stored_again_brings_a_new_one_with_a_new_deadline(self) -> None:
        hsm = Hsm()
        token = hsm.stored(cvc="111").token
        hsm.now = 599.0
        hsm.stored(cvc="222")

        hsm.now = 700.0

        assert hsm.ask("switch", first_use(token, hsm.paid(token))).cvv2 == "222"


class TestRows:
    """What is stored is of no use to anyone who has only the database."""

    def test_no_row_holds_a_pan_a_cvc_or_a_key_in_clear(self) -> None:
        hsm = Hsm()
        for pan in (PAN, OTHER_PAN):
            token = hsm.stored(pan).token
            hsm.ask("switch", first_use(token, hsm.paid(token)))

        written = json.dumps(hsm.rows(), default=lambda value: value.hex())

        assert len(hsm.rows()) > 6
        for pan in (PAN, OTHER_PAN):
            assert pan not in written
            assert pan.encode().hex() not in written
        assert f'"{CVC}"' not in written
        assert CVC.encode().hex() not in [row[-1] for row in hsm.rows()]

    @given(st.integers(0, 1000), st.integers(1, 255))
    def test_a_changed_ciphertext_is_refused(self, at: int, by: int) -> None:
        hsm = Hsm()
        token, row = _used(hsm)
        at %= len(row.sealed)
        sealed = row.sealed[:at] + bytes((row.sealed[at] ^ by,)) + row.sealed[at + 1 :]

        hsm.journal.rows[CARDS_TABLE][token,] = row._replace(sealed=sealed)
        hsm.restart()

        assert hsm.ask("switch", Detokenise(token, REFERENCE)) == CardOpened("V7")

    @pytest.mark.parametrize("changed", [{"requestor": "acct_2"}, {"expiry": "3512"}, {"key_version": 2}])
    def test_a_row_with_a_changed_column_is_refused(self, changed: dict[str, str]) -> None:
        hsm = Hsm()
        token, row = _used(hsm)

        hsm.journal.rows[CARDS_TABLE][token,] = row._replace(**changed)  # type: ignore[arg-type]
        hsm.restart()

        assert hsm.ask("switch", Detokenise(token, REFERENCE)).code == "V7"

    def test_swapped_ciphertexts_are_refused(self) -> None:
        hsm = Hsm()
        token, row = _used(hsm)
        other = hsm.stored(OTHER_PAN).token
        table = hsm.journal.rows[CARDS_TABLE]

        table[token,] = row._replace(sealed=CardRow(*table[other,]).sealed)
        hsm.restart()

        assert hsm.ask("switch", Detokenise(token, REFERENCE)).code == "V7"


def _used(hsm: Hsm) -> tuple[str, CardRow]:
    """Return a token with a recorded reference, and its stored row."""
    token = hsm.stored().token
    assert hsm.ask("switch", first_use(token, hsm.paid(token), REFERENCE)).code == "00"
    return token, CardRow(*hsm.journal.rows[CARDS_TABLE][token,])
