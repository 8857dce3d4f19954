"""Parts of an amount at the edges: less than a unit of the merchant's money, and an approval of nothing at all."""

from __future__ import annotations

import pytest

from iso.private import build_private
from tests.support.banks import AcquirerBench, IssuerBench, a_card, at_acquirer, at_issuer

YEN = {"de4": "000000000003", "de49": "392", "de6": "000000000330", "de51": "840", "de48": build_private({"08": "1"})}


class TestIssuer:
    """What is billed in other money is approved in whole units of the merchant's, or declined."""

    @pytest.mark.parametrize(
        ("balance_minor", "code", "yen"), [(109, "51", 3), (110, "10", 1), (329, "10", 2), (330, "00", 3)]
    )
    def test_a_part_is_at_least_one_unit(self, balance_minor: int, code: str, yen: int) -> None:
        bench = IssuerBench(a_card(balance_minor=balance_minor))

        answer = bench.ask(at_issuer(**YEN))

        assert (answer.response_code, int(answer[4])) == (code, yen)
        assert bench.held_minor == (0 if code == "51" else balance_minor)


class TestAcquirer:
    """An approval of nothing is none for the shop, and what the issuer may hold is let go."""

    @pytest.mark.parametrize("code", ["00", "10"])
    def test_of_nothing(self, code: str) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer(de4="000000000100"))

        (answer,) = bench.network_answers(code, de4="000000000000", de38="A1B2C3")

        assert answer.response_code == "91"
        assert [message.mti for message in bench.reversals] == ["0420"]
        assert bench.rows("intents")[0]["authorised_minor"] == 0

    def test_without_de_4_it_is_of_the_whole(self) -> None:
        bench = AcquirerBench()
        bench.gateway_says(at_acquirer(de4="000000000100"))

        bench.hear("network", bench.asked.reply("00", {4: None, 38: "A1B2C3"}))
        (answer,) = bench.sent["gateway"]

        assert answer.response_code == "00"
        assert bench.rows("intents")[0]["authorised_minor"] == 100
