"""PINs: a block leaves for the issuer under the issuer's key, or the request does not leave."""

from __future__ import annotations

import pytest

from hsm_sim.core.indexes import PVK, zpk
from hsm_sim.requests import SealPan, TranslatePin
from hsm_sim.requests.pin_values import MakePinBlock, MakePvv, RandomPin
from hsm_sim.requests.pins import VerifyPinPvv
from iso import Message
from node.core.events import Answered
from switch.core.rules import PinZone, SwitchRules
from switch.core.stand_in import StandInRule
from tests.support.hsm import Hsm
from tests.support.switch import PANS, PIN_BLOCK, TOKEN_A, TRANSLATED_BLOCK, Bench, request

PAN = PANS[TOKEN_A]
ZONES = {
    "acquirer": PinZone(zpk("acquirer"), "01"),
    "issuer-a": PinZone(zpk("issuer"), "47"),
}
RULES = SwitchRules(pins=ZONES)


def with_pin(**changes: str | None) -> Message:
    return request(**{"de2": PAN, "de48": None, "de22": "051", "de52": PIN_BLOCK, **changes})


def code_of(bench: Bench) -> str:
    return bench.sent("acquirer")[-1].response_code


class TestTranslation:
    """The PIN is translated in the batch that seals the card; both answers are needed before anything leaves."""

    def test_both_questions_are_asked_in_one_turn(self) -> None:
        bench = Bench(RULES)

        turn = bench.receive("acquirer", with_pin())

        assert turn.asked("hsm") == [
            SealPan(PAN, "123456/607309000001"),
            TranslatePin("K900", "KB00", PIN_BLOCK, "01", "47", PAN),
        ]

    def test_the_issuer_gets_the_block_under_its_own_key(self) -> None:
        bench = Bench(RULES)

        bench.forward(with_pin())

        assert bench.sent("issuer-a")[0][52] == TRANSLATED_BLOCK

    @pytest.mark.parametrize("first", [0, 1])
    def test_the_request_waits_for_the_slower_answer(self, first: int) -> None:
        bench = Bench(RULES)
        bench.receive("acquirer", with_pin())
        questions = list(bench.waiting.items())
        second = questions[1 - first]

        bench.waiting = dict([questions[first]])
        bench.open_card()
        before = bench.sent("issuer-a")
        bench.waiting = dict([second])
        bench.open_card()

        assert before == []
        assert len(bench.sent("issuer-a")) == 1

    @pytest.mark.parametrize(("hsm_code", "code"), [("20", "55"), ("24", "55"), ("10", "96"), ("68", "96")])
    def test_a_block_that_is_not_translated_stops_the_request_here(self, hsm_code: str, code: str) -> None:
        bench = Bench(RULES)
        bench.receive("acquirer", with_pin())

        bench.open_card(pin=hsm_code)

        assert code_of(bench) == code
        assert bench.sent("issuer-a") == bench.saf() == []

    def test_a_block_under_the_key_before_is_still_taken_while_a_key_changes(self) -> None:
        bench = Bench(RULES)
        bench.machine.book.pin_places = lambda link, aes: (zpk(link), "KD00")
        bench.receive("acquirer", with_pin())

        bench.open_card(pin="20")
        (asked,) = bench.waiting.values()
        bench.open_card()

        assert asked == TranslatePin("KD00", "KB00", PIN_BLOCK, "01", "47", PAN)
        assert [message[52] for message in bench.sent("issuer-a")] == [TRANSLATED_BLOCK]

    def test_a_block_that_no_key_opens_holds_no_pin(self) -> None:
        bench = Bench(RULES)
        bench.machine.book.pin_places = lambda link, aes: (zpk(link), "KD00")
        bench.receive("acquirer", with_pin())

        bench.open_card(pin="20")
        bench.open_card(pin="20")

        assert code_of(bench) == "55"
        assert bench.sent("issuer-a") == []

    def test_a_silent_hsm_is_a_malfunction(self) -> None:
        bench = Bench(RULES)
        bench.receive("acquirer", with_pin())

        bench.hsm_is_silent()

        assert [message.response_code for message in bench.sent("acquirer")] == ["96"]

    @pytest.mark.parametrize("link", ["acquirer", "issuer-a"])
    def test_a_link_without_a_pin_key_carries_no_pin(self, link: str) -> None:
        bench = Bench(SwitchRules(pins={name: zone for name, zone in ZONES.items() if name != link}))

        bench.receive("acquirer", with_pin())
        bench.open_card()

        assert [message.response_code for message in bench.sent("acquirer")] == ["40"]
        assert bench.sent("issuer-a") == []

    def test_a_token_has_no_pin_block(self) -> None:
        bench = Bench(RULES)

        bench.receive("acquirer", request(de52=PIN_BLOCK))

        assert code_of(bench) == "30"

    def test_no_row_holds_a_block(self) -> None:
        bench = Bench(RULES)
        bench.forward(with_pin())
        bench.pass_time(10.0)

        text = repr(bench.journal.rows)

        assert PIN_BLOCK not in text
        assert TRANSLATED_BLOCK not in text

    def test_stand_in_does_not_decide_about_a_pin(self) -> None:
        rule = StandInRule(("4",), floors={"840": 5_000})
        bench = Bench(RULES._replace(stand_in=(rule,)))
        bench.forward(with_pin())

        bench.pass_time(10.0)

        assert code_of(bench) == "91"


class TestWithARealHsm:
    """A PIN that was typed at the acquirer's terminal is the one that the issuer verifies, whatever the formats."""

    @pytest.mark.parametrize("source", ["01", "47"])
    @pytest.mark.parametrize("destination", ["01", "47"])
    def test_the_issuer_verifies_the_translated_block(self, source: str, destination: str) -> None:
        hsm, own = Hsm(), zpk("switch")
        pin = hsm.ask("issuer-a", RandomPin(PAN)).pin
        made = hsm.ask("issuer-a", MakePinBlock(own, pin, "01", PAN)).block
        pvv = hsm.ask("issuer-a", MakePvv(own, PVK, made, "01", PAN)).pvv
        at_terminal = hsm.ask("switch", TranslatePin(zpk("issuer"), zpk("acquirer"), made, "01", source, PAN)).block
        zones = {"acquirer": PinZone(zpk("acquirer"), source), "issuer-a": PinZone(zpk("issuer"), destination)}
        bench = Bench(SwitchRules(pins=zones))

        bench.receive("acquirer", with_pin(de52=at_terminal))
        waiting, bench.waiting = bench.waiting, {}
        bench.do(*(Answered(key, hsm.ask("switch", asked)) for key, asked in waiting.items()))

        block = bench.sent("issuer-a")[0][52]
        assert block != at_terminal
        assert hsm.ask("issuer-a", VerifyPinPvv(own, PVK, block, destination, PAN, "1", pvv)).code == "00"

    def test_a_block_under_another_key_is_a_wrong_pin(self) -> None:
        hsm = Hsm()
        bench = Bench(RULES)

        bench.receive("acquirer", with_pin())
        waiting, bench.waiting = bench.waiting, {}
        bench.do(*(Answered(key, hsm.ask("switch", asked)) for key, asked in waiting.items()))

        assert code_of(bench) == "55"
        assert bench.sent("issuer-a") == []
