"""The seeded cards: data with real causes, issued once, by the issuer that owns them."""

from __future__ import annotations

import re

import pytest

from banks.acquirer.config import AcquirerConfig, MerchantConfig
from banks.issuer.config import CURRENCIES, CardSection, IssuerConfig, read_cards, shipped_cards
from iso import ConfigError
from tests.support.banks import IssuerBench, a_card, at_issuer

ISSUER_A = IssuerConfig(
    name="issuer-a", address="memory://a", dialect="ascii87", bins=("4", "990001"), foreign_bins=("5", "990002")
)


def section(pan: str) -> CardSection:
    return next(card for card in shipped_cards() if card.pan == pan)


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
            ('[[cards]]\npan = "4242424242424242"\nlimit_minor = -2', "cards[0].limit_minor = "),
            ('[[cards]]\npan = "4242424242424242"\nkinds = "purchase, cash"', "cards[0].kinds = "),
            ('[[cards]]\npan = "4242424242424242"\nscripts = [{ code = "00" }]', "cards[0].scripts[0] = "),
            ('[[cards]]\npan = "4242424242424242"\nscripts = [{ when = "de4 >" }]', "cards[0].scripts[0] = "),
            ('[[cards]]\npan = "4242424242424242"\naccount = "settlement"', "cards[0].account = "),
            ('[[cards]]\npan = "4242424242424242"\naccount = "equity/840"', "cards[0].account = "),
            ('[[cards]]\npan = "4242424242424242"\naccount = "4242424242424242"', "cards[0].account = "),
            ('[[cards]]\npan = "4242424242424242"\naccount = "x/4242424242424242"', "cards[0].account = "),
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
