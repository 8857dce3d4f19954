"""The seeded cards: data with real causes, issued once, by the issuer that owns them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import banks
from banks.acquirer.config import AcquirerConfig, MerchantConfig
from banks.issuer.config import CURRENCIES, CardSection, IssuerConfig, read_cards, shipped_cards
from iso import ConfigError
from iso.masks import luhn_valid, mask_pan
from tests.support.banks import IssuerBench, a_card, at_issuer

ISSUER_A = IssuerConfig(
    name="issuer-a", address="memory://a", dialect="ascii87", bins=("4", "990001"), foreign_bins=("5", "990002")
)
EXPECTED = {
    "4242424242424242": "00",
    "5555555555554444": "00",
    "378282246310005": "00",
    "6011111111111117": "00",
    "3056930009020004": "00",
    "36227206271667": "00",
    "3566002020360505": "00",
    "6200000000000005": "00",
    "4000000000000002": "05",
    "4000000000009995": "51",
    "4000000000009987": "41",
    "4000000000009979": "43",
    "4000000000000069": "54",
    "4000000000000127": "N7",
    "4000000000000119": "96",
    "4000000000006975": "65",
}
"""DE 39 per public test card, with any CVC and a month to come. Source: shared facts, stripe 5."""


def section(pan: str) -> CardSection:
    return next(card for card in shipped_cards() if card.pan == pan)


class TestShippedCards:
    """Every public test card does over the wire what it is known for, and for a real cause where one exists."""

    @pytest.mark.parametrize(("pan", "code"), EXPECTED.items())
    def test_each_gets_its_code(self, pan: str, code: str) -> None:
        bench = IssuerBench(section(pan).seed())

        answer = bench.ask(at_issuer(cvv2="314", de2=pan, de14="3407"))

        assert answer.response_code == code

    def test_only_what_has_no_real_cause_is_scripted(self) -> None:
        scripted = {card.scripted_code for card in shipped_cards() if card.scripted_code}

        assert scripted == {"05", "96"}

    def test_numbers_are_valid_and_unique(self) -> None:
        pans = [card.pan for card in shipped_cards()]

        assert len(set(pans)) == len(pans)
        assert all(map(luhn_valid, pans))

    def test_zeros_in_the_middle_hide_a_number_of_our_own_range(self) -> None:
        own = [card.pan for card in shipped_cards() if card.pan.startswith("99")]

        assert not [pan for pan in own if mask_pan(pan).replace("*", "0") == pan]

    def test_cards_of_our_own_range_always_have_their_cvv2_checked(self) -> None:
        own = [card for card in shipped_cards() if card.pan.startswith("99")]

        assert len(own) >= 8
        assert {card.cvc_rule for card in own} == {"check"}

    def test_a_classic_card_can_be_told_to_check(self) -> None:
        bench = IssuerBench(section("4242424242424242").seed())
        bench.change("4242424242424242", cvc_rule="check")
        right = bench.cvv2("4242424242424242", "3407")
        wrong = f"{(int(right) + 1) % 1000:03d}"

        codes = [
            bench.ask(at_issuer(f"{number:06d}", cvv2=cvc, de2="4242424242424242", de14="3407")).response_code
            for number, cvc in enumerate((right, wrong), start=1)
        ]

        assert codes == ["00", "N7"]

    def test_no_card_number_is_in_the_code(self) -> None:
        pans = [card.pan for card in shipped_cards()]
        sources = [path.read_text("utf-8") for path in Path(banks.__path__[0]).rglob("*.py")]

        assert not [pan for pan in pans for source in sources if pan in source]


class TestOwnership:
    """An issuer issues the cards of its own ranges; the longest prefix wins."""

    def test_each_card_belongs_to_whom_its_prefix_says(self) -> None:
        own = {card.pan for card in ISSUER_A.own(shipped_cards())}

        assert "4242424242424242" in own
        assert "9900017391586415" in own
        assert "5555555555554444" not in own
        assert "9900027391586414" not in own

    def test_a_longer_foreign_prefix_takes_a_card_away(self) -> None:
        config = ISSUER_A.model_copy(update={"foreign_bins": ("4000",)})

        assert not [card for card in config.own(shipped_cards()) if card.pan.startswith("4000")]


class TestSeeding:
    """Cards are issued once: what is in the file wins, also after a restart."""

    def test_each_card_has_its_opening_balance_from_equity_in_every_currency(self) -> None:
        bench = IssuerBench(a_card())

        bench.seed(a_card("4242424242424242", 500), currencies=CURRENCIES)

        accounts = bench.host.books.ledger.accounts
        assert {accounts[name].posted_minor for name in accounts if name.startswith("card/4242/")} == {500}
        assert not any(bench.host.books.ledger.totals().values())
        assert bench.audit() == []

    def test_a_second_run_changes_nothing(self) -> None:
        bench = IssuerBench(a_card())
        bench.ask(at_issuer())
        bench.change(status="blocked")
        before = {table: dict(rows) for table, rows in bench.journal.rows.items()}

        seeded = bench.seed(a_card(balance_minor=7))

        assert (seeded.added, seeded.unanswered) == (0, 0)
        assert bench.journal.rows == before

    def test_nor_does_a_run_after_a_restart(self) -> None:
        bench = IssuerBench(a_card())
        bench.ask(at_issuer())
        bench.restart()

        bench.seed(a_card(balance_minor=7))

        assert bench.account().available_minor == 100_000 - 4_200

    def test_a_silent_hsm_leaves_cards_for_another_try(self) -> None:
        bench = IssuerBench(a_card())
        bench.hsm_answers = False
        bench.results.clear()
        results = bench.results
        bench.begin_seeding(a_card("4242424242424242"))
        bench.pass_time(2.0)
        bench.hsm_answers = True
        bench.open_asks.clear()

        again = bench.seed(a_card("4242424242424242"))

        assert (results[0].added, results[0].unanswered) == (0, 1)
        assert again.added == 1


class TestConfiguration:
    """A mistake in a seed file or a topology is one line that names it, without a card number."""

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ('[[cards]]\npan = "4242424242424241"', "cards[0].pan = "),
            ('[[cards]]\npan = "4242424242424242"\nstatus = "gone"', "cards[0].status = "),
            ('[[cards]]\npan = "4242424242424242"\nexpiry = "1399"', "cards[0].expiry = "),
            ('[[cards]]\npan = "4242424242424242"\ncolour = "red"', "cards[0].colour = "),
            ("[[cards]", "(syntax) = "),
            ('cards = "none"', "cards = "),
        ],
    )
    def test_a_seed_file(self, text: str, key: str) -> None:
        with pytest.raises(ConfigError) as caught:
            read_cards(text, "cards.toml")

        message = str(caught.value)
        assert message.startswith(f"cards.toml: {key}")
        assert "\n" not in message
        assert not re.search(r"\d{13,19}", message)

    def test_the_repr_of_a_card_does_not_show_its_number(self) -> None:
        assert "4242424242424242" not in repr(section("4242424242424242"))

    def test_merchants_and_terminals_are_unique(self) -> None:
        shop = MerchantConfig(
            merchant="SHOP", name="Shop", mcc="5999", country="US", city="Here", terminals=("TERM0001",)
        )

        with pytest.raises(ValueError, match="must be unique"):
            AcquirerConfig(
                address="memory://a",
                dialect="pos-bcd87",
                network_address="memory://b",
                network_dialect="net-bin87",
                institution="400001",
                merchants=(shop, shop),
            )
