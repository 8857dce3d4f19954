"""The test cards that ship: each does over the wire what it is known for, and for a real cause where one exists."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

import banks
from banks.core.asked import Asked
from banks.core.avs import avs_field
from banks.core.cards import CARD_RULES, NUMERIC, STATUSES, Card
from banks.core.decide import Facts, decide
from banks.core.kinds import Kind
from banks.issuer.config import CardSection, shipped_cards
from iso import Message
from iso.masks import luhn_valid, mask_pan
from iso.private import build_private, parse_private
from tests.support.banks import IssuerBench, at_issuer
from tests.support.cardholders import Custodian

CARDS = {card.pan: card for card in shipped_cards()}


class Known(NamedTuple):
    """DE 39 of a purchase of 42.00 with a CVC, an address and a month to come; and what DE 48 says of the checks."""

    code: str
    cvv2: str = "M"
    avs: str = "Y"


PUBLIC = {
    "4242424242424242": Known("00"),
    "5555555555554444": Known("00"),
    "378282246310005": Known("00"),
    "6011111111111117": Known("00"),
    "3056930009020004": Known("00"),
    "36227206271667": Known("00"),
    "3566002020360505": Known("00"),
    "6200000000000005": Known("00"),
    "4000000000000002": Known("05"),
    "4000000000009995": Known("51"),
    "4000000000009987": Known("41"),
    "4000000000009979": Known("43"),
    "4000000000000069": Known("54"),
    "4000000000000127": Known("N7", cvv2="N"),
    "4000000000000119": Known("96"),
    "4000000000006975": Known("65"),
    "4000000000000341": Known("05"),
    "4000000000000101": Known("00", cvv2="N"),
    "4000000000000036": Known("00", avs="A"),
    "4000000000000028": Known("00", avs="Z"),
    "4000000000000010": Known("00", avs="N"),
    "4000002760003184": Known("1A"),
    "4000002500003155": Known("1A"),
    "4000008260003178": Known("1A"),
    "4000008400001629": Known("1A"),
    "4000000000003220": Known("1A"),
    "4000000000003063": Known("1A"),
    "4000000000003055": Known("00"),
    "4100000000000019": Known("00"),
    "4000000000004954": Known("00"),
    "4000000000009235": Known("00"),
    "4000000000000259": Known("00"),
    "4000000000002685": Known("00"),
    "4000000000001976": Known("00"),
    "4000000000005423": Known("00"),
    "4000000000007726": Known("00"),
    "4000000000005126": Known("00"),
    "4000000000000077": Known("00"),
}
"""Source: shared facts, stripe 5: Stripe's testing page as excerpted in public; DE 39 is our proposal."""

OWN_CODES = ("01", "04", "12", "13", "14", "57", "58", "59", "62", "63", "75", "78", "1A", "91")
"""What a purchase of 42.00 at one of our own cards is declined with."""


def purchase(pan: str, stan: str = "000001", cvv2: str = "314", **changes: str | None) -> Message:
    tags = {
        "01": cvv2,
        "03": avs_field("10001", "20 W 34th St"),
        **({"08": "1"} if changes.pop("partial", None) else {}),
    }
    wanted = {"de2": pan, "de14": CARDS[pan].expiry or "3407", "de48": build_private(tags), **changes}
    return at_issuer(stan, **wanted)  # type: ignore[arg-type]


def own(about: str) -> CardSection:
    """Return the card of our own whose description begins so, behind its issuer."""
    return next(card for card in CARDS.values() if card.about.partition(", ")[2].startswith(about))


def bench_of(card: CardSection) -> IssuerBench:
    return IssuerBench(card.seed())


class TestPublicCards:
    """Every public test card does what it is known for, with any CVC and a month to come."""

    @pytest.mark.parametrize(("pan", "known"), PUBLIC.items())
    def test_each_gets_its_code_and_its_checks(self, pan: str, known: Known) -> None:
        answer = bench_of(CARDS[pan]).ask(purchase(pan))

        checks = parse_private(answer[48])
        assert Known(answer.response_code, checks["02"], checks["04"]) == known

    def test_a_card_that_declines_charges_can_be_attached(self) -> None:
        pan = "4000000000000341"

        answer = bench_of(CARDS[pan]).ask(purchase(pan, de4="000000000000"))

        assert answer.response_code == "00"

    def test_a_card_that_is_arranged_once_pays_when_the_merchant_starts(self) -> None:
        pan = "4000002500003155"

        answer = bench_of(CARDS[pan]).ask(purchase(pan, de48=build_private({"12": "M"})))

        assert answer.response_code == "00"

    def test_what_is_authenticated_may_still_lack_the_funds(self) -> None:
        pan = "4000008260003178"

        answer = bench_of(CARDS[pan]).ask(purchase(pan, de48=build_private({"07": Custodian().cavv(pan)})))

        assert answer.response_code == "51"

    def test_a_classic_card_can_be_told_to_check(self) -> None:
        pan = "4242424242424242"
        bench = bench_of(CARDS[pan])
        bench.change(pan, cvc_rule="check")
        right = bench.cvv2(pan, "3407")
        wrong = f"{(int(right) + 1) % 1000:03d}"

        codes = [
            bench.ask(purchase(pan, f"{number:06d}", cvc)).response_code for number, cvc in enumerate((right, wrong), 1)
        ]

        assert codes == ["00", "N7"]


class TestOwnCards:
    """Our own numbers have their CVV2 and expiry checked, and there is one for every decline that a tester wants."""

    def test_each_is_what_it_says(self) -> None:
        said = {card.pan: card.about.partition(", ")[2][:2] for card in CARDS.values() if card.pan.startswith("99")}
        codes = {}
        for pan in said:
            bench = bench_of(CARDS[pan])
            answers = bench.hear("network", purchase(pan, cvv2=bench.cvv2(pan)))
            codes[pan] = answers[0].response_code if answers else ""

        wanted = {pan: code for pan, code in said.items() if code in OWN_CODES}
        assert sorted(wanted.values()) == sorted(OWN_CODES)
        assert {pan: codes[pan] for pan in wanted} == wanted

    def test_the_limits(self) -> None:
        codes = []
        for about, amount in (("61 above 100", "10001"), ("61 above 500", "50001"), ("51", "4200")):
            card = own(about)
            bench = bench_of(card)
            codes.append(bench.ask(purchase(card.pan, cvv2=bench.cvv2(card.pan), de4=amount.zfill(12))).response_code)

        assert codes == ["61", "61", "51"]

    def test_a_part_is_approved_for_who_takes_one(self) -> None:
        card = own("10 above 20.00")
        bench = bench_of(card)

        part = bench.ask(purchase(card.pan, cvv2=bench.cvv2(card.pan), partial="yes"))
        whole = bench_of(card).ask(purchase(card.pan, cvv2=bench.cvv2(card.pan)))

        assert (part.response_code, part[4]) == ("10", "000000002000")
        assert whole.response_code == "51"

    def test_an_address_that_fits_is_taken(self) -> None:
        card = own("59 unless")
        bench = bench_of(card)
        tags = {"01": bench.cvv2(card.pan), "03": avs_field("94107", "510 Townsend St")}

        assert bench.ask(purchase(card.pan, de48=build_private(tags))).response_code == "00"

    def test_a_stopped_payment_is_one_that_the_merchant_starts(self) -> None:
        card = own("R0 for payments")
        bench = bench_of(card)

        arranged = bench.ask(purchase(card.pan, de48=build_private({"12": "M"})))
        by_cardholder = bench.ask(purchase(card.pan, "000002", cvv2=bench.cvv2(card.pan)))

        assert (arranged.response_code, by_cardholder.response_code) == ("R0", "00")

    def test_cards_of_our_own_range_always_have_their_cvv2_checked(self) -> None:
        assert {card.cvc_rule for card in CARDS.values() if card.pan.startswith("99")} == {"check"}


class TestWhatIsScripted:
    """A row scripts an outcome only where no column could bring it about."""

    def test_no_scripted_code_has_a_real_cause(self) -> None:
        scripted = {script.code for card in CARDS.values() for script in card.scripts if script.code}

        assert not scripted & codes_of_columns()
        assert {"05", "96"} <= scripted

    def test_the_columns_reach_most_codes(self) -> None:
        assert codes_of_columns() == {"00", "04", "14", "1A", "41", "43", "51", "54", "57", "58", "59", "61", "62"} | {
            *("65", "75", "78", "N7")
        }


def codes_of_columns() -> set[str]:
    """Return every DE 39 that some value of some column, or a balance, gives to an ordinary purchase from afar."""
    at = datetime(2026, 3, 14, tzinfo=UTC)
    card = Card("fp_1", "0001", "card/1", expiry="3012", pin_method="pvv")
    asked = Asked(Kind.PURCHASE, 4_200, "840", "3012", "5999", "81")
    texts = ("", *STATUSES, "decline", "always", "2001", "verification", "*", "cash", "pvv", "ibm", "visa")
    codes = set()
    for column, rule in CARD_RULES.items():
        for value in (0, 1, 3, 9_999) if column in NUMERIC else texts:
            if not re.fullmatch(rule, str(value)):
                continue
            changed = card._replace(**{column: value})  # type: ignore[arg-type]
            for available_minor, cvv2 in ((5_000, "M"), (0, "M"), (5_000, "P"), (5_000, "N")):
                facts = Facts(at, available_minor=available_minor, cvv2=cvv2)
                codes.add(decide(facts, changed, asked).code)
    return codes


class TestNumbers:
    """Numbers are valid, unique, and in the data alone."""

    def test_numbers_are_valid_and_unique(self) -> None:
        pans = [card.pan for card in shipped_cards()]

        assert len(set(pans)) == len(pans)
        assert all(map(luhn_valid, pans))

    def test_zeros_in_the_middle_hide_a_number_of_our_own_range(self) -> None:
        own_pans = [pan for pan in CARDS if pan.startswith("99")]

        assert not [pan for pan in own_pans if mask_pan(pan).replace("*", "0") == pan]

    def test_no_card_number_is_in_the_code(self) -> None:
        sources = [path.read_text("utf-8") for path in Path(banks.__path__[0]).rglob("*.py")]

        assert not [pan for pan in CARDS for source in sources if pan in source]
