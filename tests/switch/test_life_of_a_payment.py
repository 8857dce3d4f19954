"""What follows an authorisation: increments, refunds, PIN changes, and what issuers say beyond yes and no."""

from __future__ import annotations

import pytest

from hsm_sim.core.indexes import zpk
from hsm_sim.requests import Detokenise, PanSealed, SealPan, TranslatePin
from iso import Message
from iso.amounts import ORIGINAL_AMOUNT, AdditionalAmount, build_amounts
from iso.original import OriginalData
from iso.private import build_private, parse_private
from node.core.events import Answered
from switch.core.currencies import Currencies
from switch.core.rates import RateTable
from switch.core.rules import PinZone, SwitchRules
from switch.core.stand_in import StandInRule
from tests.support.switch import (
    CVV2,
    PANS,
    PIN_BLOCK,
    PROOF,
    TOKEN_A,
    TOKEN_B,
    TRANSLATED_BLOCK,
    Bench,
    advice,
    request,
    reversal,
)
from tests.switch.test_rates import row

RRN = "607309000001"
TAGS = {"06": "07"}
NEW_BLOCK = "1122334455667788"
ZONES = {"acquirer": PinZone(zpk("acquirer"), "01"), "issuer-a": PinZone(zpk("issuer"), "47")}


def naming(original: Message, stan: str = "000002", mti: str = "0100", **changes: str | None) -> Message:
    """Return a later message of the same payment: a STAN of its own, the same RRN, no cryptogram."""
    later = {"de7": "0314092700", "de37": original.rrn, "de48": build_private(TAGS), "de2": original.pan}
    named = OriginalData.of(original).to_de90()
    return request(stan, **{**later, "de90": named, **changes}).with_fields({}, mti=mti)


def refund(original: Message, stan: str = "000003", **changes: str | None) -> Message:
    return naming(original, stan, "0200", de3="200000", **changes)


def on_pan(message: Message) -> Message:
    return message.with_fields({2: PANS[TOKEN_A], 48: build_private(TAGS)})


def approved(original: Message | None = None, issuer: str = "issuer-a", **changes: str) -> Bench:
    bench = Bench()
    bench.forward(original or request())
    bench.issuer_answers(changes.pop("code", "00"), issuer, **changes)
    return bench


def code_of(bench: Bench) -> str:
    return bench.sent("acquirer")[-1].response_code


def tags_of(message: Message) -> dict[str, str]:
    return parse_private(message.get(48) or "")


class TestIncrements:
    """A 0100 with DE 90 adds to an approval that this switch has seen: same member, same card."""

    def test_a_token_is_opened_by_the_reference_of_its_payment(self) -> None:
        bench = approved()

        turn = bench.receive("acquirer", naming(request()))

        assert turn.asked("hsm") == [Detokenise(TOKEN_A, f"123456/{RRN}")]

    @pytest.mark.parametrize(("token", "issuer"), [(TOKEN_A, "issuer-a"), (TOKEN_B, "issuer-b")])
    def test_the_issuer_gets_the_original_as_it_saw_it(self, token: str, issuer: str) -> None:
        first = request(de2=token)
        bench = approved(first, issuer)
        bench.pass_time(5.0)
        seen = bench.sent(issuer)[0]

        bench.forward(naming(first, de4="000000000800"))

        sent = bench.sent(issuer)[-1]
        assert sent[90] == OriginalData.of(seen).to_de90()
        assert (sent.mti, sent.stan, sent.rrn, sent.amount_minor) == ("0100", "000002", RRN, 800)

    def test_after_a_restart_the_original_is_found_in_the_journal(self) -> None:
        bench = approved()
        seen = bench.sent("issuer-a")[0]
        again = bench.restart()

        again.forward(naming(request()))

        assert again.sent("issuer-a")[0][90] == OriginalData.of(seen).to_de90()

    def test_it_goes_to_the_issuer_of_its_original_wherever_the_card_is_routed_now(self) -> None:
        bench = approved()
        routes = bench.machine.book.routes
        bench.machine.reroute(type(routes)({"4": "issuer-b"}))

        bench.forward(naming(request()))

        assert bench.sent("issuer-b") == []
        assert len(bench.sent("issuer-a")) == 2

    def test_what_nobody_has_seen_is_not_located(self) -> None:
        bench = Bench()

        bench.receive("acquirer", naming(request()))

        assert code_of(bench) == "25"
        assert bench.waiting == {}

    @pytest.mark.parametrize("code", ["51", "05"])
    def test_nothing_is_added_to_what_was_declined(self, code: str) -> None:
        bench = approved(code=code)

        bench.receive("acquirer", naming(request()))

        assert code_of(bench) == "25"

    def test_nothing_is_added_to_what_was_reversed(self) -> None:
        bench = approved()
        bench.receive("acquirer", reversal(request()))

        bench.receive("acquirer", naming(request()))

        assert code_of(bench) == "25"

    def test_nothing_is_added_to_another_card(self) -> None:
        bench = approved()

        bench.receive("acquirer", naming(request(), de2=TOKEN_B))

        assert code_of(bench) == "25"

    def test_nothing_is_added_to_another_members_payment(self) -> None:
        bench = approved()
        bench.connect("member-2")

        bench.receive("member-2", naming(request()))

        assert bench.sent("member-2")[-1].response_code == "25"

    def test_a_purchase_needs_its_cryptogram_whatever_it_claims(self) -> None:
        bench = Bench()

        bench.receive("acquirer", request(de48=build_private(TAGS)))

        assert code_of(bench) == "63"

    def test_a_reversal_of_it_leaves_the_original_alone(self) -> None:
        bench, increment = approved(), naming(request())
        bench.forward(increment)
        bench.issuer_answers("00")

        bench.receive("acquirer", reversal(increment))

        (entry,) = bench.saf()
        assert entry[90] == OriginalData.of(bench.sent("issuer-a")[1]).to_de90()
        assert bench.legs() == ["approved", "reversed"]

    def test_stand_in_takes_it_within_its_rules(self) -> None:
        bench = Bench(SwitchRules(stand_in=(StandInRule(("4",), floors={"840": 1_000}),)))
        bench.forward(request())
        bench.issuer_answers("00")
        bench.forward(naming(request(), de4="000000000800"))
        bench.forward(naming(request(), "000004", de4="000000001200"))

        bench.pass_time(10.0)

        codes = {message.stan: message.response_code for message in bench.sent("acquirer")}
        assert (codes["000002"], codes["000004"]) == ("00", "61")
        told, undone = bench.saf()
        assert (told.mti, told.rrn, undone.mti) == ("0120", RRN, "0420")


class TestRefunds:
    """A refund needs no cryptogram; it goes to the issuer of what it refunds, and is a credit in the totals."""

    def test_a_linked_one_names_the_original_as_its_issuer_saw_it(self) -> None:
        bench = approved()
        seen = bench.sent("issuer-a")[0]

        turn = bench.receive("acquirer", refund(request()))
        bench.open_card()

        assert turn.asked("hsm") == [Detokenise(TOKEN_A, f"123456/{RRN}")]
        sent = bench.sent("issuer-a")[-1]
        assert (sent.mti, sent.processing_code, sent[90]) == ("0200", "200000", OriginalData.of(seen).to_de90())

    def test_one_of_an_advice_names_the_advice_as_its_issuer_sees_it(self) -> None:
        bench, sale = Bench(), advice("0220")
        bench.forward(sale)
        bench.open_card()
        bench.issuer_answers("00")

        bench.forward(refund(sale))

        assert bench.sent("issuer-a")[-1][90] == OriginalData.of(bench.sent("issuer-a")[0]).to_de90()

    def test_one_of_what_nobody_has_seen_passes_as_it_is(self) -> None:
        bench, asked = Bench(), refund(on_pan(request()))

        bench.forward(on_pan(asked))

        assert bench.sent("issuer-a")[0][90] == asked[90]

    def test_its_reversal_finds_it(self) -> None:
        bench, asked = approved(), refund(request())
        bench.forward(asked)
        bench.issuer_answers("00")

        bench.receive("acquirer", reversal(asked))

        (entry,) = bench.saf()
        assert entry[90] == OriginalData.of(bench.sent("issuer-a")[1]).to_de90()
        assert entry[90][:4] == "0200"

    def test_stand_in_never_refunds(self) -> None:
        bench = Bench(SwitchRules(stand_in=(StandInRule(("4",), floors={"840": 50_000}),)))
        bench.forward(refund(on_pan(request())).with_fields({90: None}))

        bench.pass_time(10.0)

        assert code_of(bench) == "91"


class TestReversalsOfFinancialMessages:
    """A 0420 that names a 0200 or 0220 finds its leg; the issuer gets the name under which it knows the message."""

    def test_of_a_purchase_in_one_message(self) -> None:
        bench, purchase = Bench(), request().with_fields({}, mti="0200")
        bench.forward(purchase)
        bench.issuer_answers("00")

        bench.receive("acquirer", reversal(purchase))

        (entry,) = bench.saf()
        assert entry[90] == OriginalData.of(bench.sent("issuer-a")[0]).to_de90()

    def test_of_a_completion_that_was_sent_late_and_twice(self) -> None:
        bench, completion = Bench(up=("acquirer",)), advice("0220")
        bench.forward(completion)
        bench.pass_time(7.0)
        bench.connect("issuer-a")
        bench.open_card()
        bench.pass_time(10.0)
        bench.pass_time(2.0)
        bench.open_card()
        bench.issuer_answers("00")

        bench.receive("acquirer", reversal(completion))

        (entry,) = bench.saf()
        first, second = bench.sent("issuer-a")
        assert (first.mti, second.mti, first[7]) == ("0220", "0221", second[7])
        assert entry[90] == OriginalData.of(first).to_de90()

    def test_a_completion_with_the_stan_of_its_original_has_a_name_of_its_own(self) -> None:
        bench = approved()
        completion = advice("0220", "000001", de90=OriginalData.of(request()).to_de90())

        bench.forward(completion)

        (entry,) = bench.saf()
        assert (entry.stan, entry[7]) != (entry[90][4:10], entry[90][10:20])


class TestCryptogramResult:
    """DE 48.17 is the network's word about a token's cryptogram, in requests alone."""

    @pytest.mark.parametrize("claimed", ["V", "N"])
    def test_what_the_acquirer_claims_is_replaced(self, claimed: str) -> None:
        bench = Bench()

        bench.forward(request(de48=build_private({"05": PROOF, "17": claimed})))

        assert tags_of(bench.sent("issuer-a")[0]) == {"01": CVV2, "17": "V"}

    def test_a_token_without_a_cryptogram_says_so(self) -> None:
        bench = approved()

        bench.forward(refund(request(), de48=build_private({"17": "V"})))

        assert tags_of(bench.sent("issuer-a")[-1]) == {"17": "N"}

    def test_a_card_number_has_none(self) -> None:
        bench = Bench()

        bench.forward(request(de2=PANS[TOKEN_A], de48=build_private({"06": "07", "17": "V"})))

        assert tags_of(bench.sent("issuer-a")[0]) == {"06": "07"}

    def test_neither_an_advice_nor_an_answer_carries_one(self) -> None:
        bench = Bench()
        bench.forward(advice(de48=build_private({"06": "07", "16": "01F", "17": "V"})))
        bench.forward(request("000002"))
        bench.issuer_answers("00", de48=build_private({"02": "M", "17": "V"}))

        (entry,) = bench.saf()
        assert tags_of(entry) == {"06": "07", "16": "01F"}
        assert set(tags_of(bench.sent("acquirer")[-1])) == {"02", "10"}


class TestNewPins:
    """DE 48.18 of a PIN change is translated as DE 52 is, in the same batch; no other message brings one."""

    def pin_change(self, **changes: str | None) -> Message:
        tags = build_private({"06": "07", "18": NEW_BLOCK})
        mine: dict[str, str | None] = {"de2": PANS[TOKEN_A], "de3": "920000", "de48": tags, "de52": PIN_BLOCK}
        return request("000001", **(mine | changes))

    def bench(self) -> Bench:
        return Bench(SwitchRules(pins=ZONES))

    def test_all_is_asked_in_one_turn(self) -> None:
        turn = self.bench().receive("acquirer", self.pin_change())

        asked = turn.asked("hsm")
        assert [type(question) for question in asked] == [SealPan, TranslatePin, TranslatePin]
        assert [question.block for question in asked[1:]] == [PIN_BLOCK, NEW_BLOCK]

    def test_the_issuer_gets_both_under_its_own_key(self) -> None:
        bench = self.bench()

        bench.forward(self.pin_change())

        (sent,) = bench.sent("issuer-a")
        assert (sent[52], tags_of(sent)) == (TRANSLATED_BLOCK, {"06": "07", "18": TRANSLATED_BLOCK})

    def test_each_is_tried_with_the_key_before_while_a_key_changes(self) -> None:
        bench = self.bench()
        bench.machine.book.pin_places = lambda link, aes: (zpk(link), "KD00")
        bench.receive("acquirer", self.pin_change())

        bench.open_card(pin="20")
        asked = list(bench.waiting.values())
        bench.open_card()

        assert [(question.source, question.block) for question in asked] == [("KD00", PIN_BLOCK), ("KD00", NEW_BLOCK)]
        assert len(bench.sent("issuer-a")) == 1

    def test_one_that_no_key_opens_stops_the_request(self) -> None:
        bench = self.bench()
        bench.receive("acquirer", self.pin_change())

        bench.open_card(pin="20")

        assert [message.response_code for message in bench.sent("acquirer")] == ["55"]
        assert bench.sent("issuer-a") == []

    def test_a_token_has_none(self) -> None:
        bench = self.bench()

        bench.receive(
            "acquirer", self.pin_change(de2=TOKEN_A, de52=None, de48=build_private({"05": PROOF, "18": "AA"}))
        )

        assert code_of(bench) == "30"

    def test_another_request_loses_it_on_the_way(self) -> None:
        bench = self.bench()

        bench.forward(self.pin_change(de3="000000"))

        assert tags_of(bench.sent("issuer-a")[0]) == {"06": "07"}

    def test_nothing_that_is_kept_holds_a_block(self) -> None:
        bench = Bench(SwitchRules(pins=ZONES, stand_in=(StandInRule(("4",), floors={"840": 50_000}),)))
        bench.forward(self.pin_change())
        bench.pass_time(10.0)

        kept = repr(bench.journal.rows) + repr(bench.saf()) + repr(bench.machine.book.legs._by_business)

        assert code_of(bench) == "91"
        assert not [block for block in (PIN_BLOCK, NEW_BLOCK, TRANSLATED_BLOCK) if block in kept]


class TestPinFormat:
    """What DE 53 of an acquirer says of a PIN block holds for the issuer only if the format is the same."""

    @pytest.mark.parametrize(("form", "passes"), [("01", True), ("47", False)])
    def test_it_passes_if_it_is_still_true(self, form: str, passes: bool) -> None:
        bench = Bench(SwitchRules(pins=ZONES | {"issuer-a": PinZone(zpk("issuer"), form)}))

        bench.forward(on_pan(request(de52=PIN_BLOCK, de53="2001010100000000")))

        assert (53 in bench.sent("issuer-a")[0]) is passes


class TestCardPresent:
    """A card number's own data go out to the issuer, and what its issuer answers to the card comes back."""

    SENT = {22: "051", 23: "001", 25: "00", 26: "12", 35: f"{PANS[TOKEN_A]}=30122011234", 54: "0040840C000000001000"}

    @pytest.mark.parametrize("token", [TOKEN_A, TOKEN_B])
    def test_track_chip_data_and_amounts_reach_the_issuer(self, token: str) -> None:
        bench, issuer = Bench(), "issuer-a" if token == TOKEN_A else "issuer-b"
        sent = {**self.SENT, 55: "9F2608AABBCCDDEEFF0011"}

        bench.forward(request(de2=PANS[token], de48=None).with_fields(sent))

        (got,) = bench.sent(issuer)
        assert {element: got[element] for element in sent} == sent

    @pytest.mark.parametrize("token", [TOKEN_A, TOKEN_B])
    def test_what_the_issuer_says_to_card_and_cardholder_comes_back(self, token: str) -> None:
        bench, issuer = Bench(), "issuer-a" if token == TOKEN_A else "issuer-b"
        said = {"de44": "M", "de54": "0002840C000000001999", "de55": "910A00112233445566770030"}
        bench.forward(request(de2=PANS[token], de48=None))

        bench.issuer_answers("00", issuer, **said, de48=build_private({"02": "M", "04": "Y"}))

        got = bench.sent("acquirer")[-1]
        assert {f"de{element}": got[element] for element in (44, 54, 55)} == said
        assert (got[38], tags_of(got)["02"], tags_of(got)["04"]) == ("A00001", "M", "Y")

    def test_none_of_it_is_kept(self) -> None:
        bench = Bench()
        bench.forward(request(de2=PANS[TOKEN_A], de48=None).with_fields({**self.SENT, 55: "9F2608AABBCCDDEEFF0011"}))
        bench.pass_time(10.0)

        text = repr(bench.journal.rows) + repr(bench.saf())

        assert not [secret for secret in (PANS[TOKEN_A], "AABBCCDDEEFF0011", "30122011234") if secret in text]


class TestPartialApprovals:
    """DE 39 = 10 says how much was approved; the leg, the totals and every reversal go by that."""

    ASKED = build_amounts([AdditionalAmount("00", ORIGINAL_AMOUNT, "840", 4_200)])

    def partly(self) -> Bench:
        return approved(code="10", de4="000000003000", de54=self.ASKED, de38="A00001")

    def test_the_acquirer_gets_the_amount_and_what_was_asked(self) -> None:
        answer = self.partly().sent("acquirer")[-1]

        assert (answer.response_code, answer.amount_minor, answer[54]) == ("10", 3_000, self.ASKED)

    def test_totals_count_what_was_approved(self) -> None:
        figures = self.partly().machine.book.totals.figures

        assert [one.counts["authorisations_minor"] for one in figures.values()] == [3_000, 3_000]

    def test_a_reversal_takes_back_what_was_approved(self) -> None:
        bench = self.partly()

        bench.receive("acquirer", reversal(request(), de4="000000004200"))

        assert bench.saf()[0].amount_minor == 3_000

    def test_no_part_of_it_can_leave_more_than_was_approved(self) -> None:
        bench = self.partly()
        rest = "0" * 12 + "C00000000" * 2

        bench.receive("acquirer", reversal(request(), "000901", de95=f"{3_500:012d}{rest}"))
        more = code_of(bench)
        bench.receive("acquirer", reversal(request(), "000902", de95=f"{1_000:012d}{rest}"))

        assert (more, code_of(bench)) == ("64", "00")
        assert (bench.saf()[0].amount_minor, bench.saf()[0][95][:12]) == (3_000, "000000001000")

    @pytest.mark.parametrize("changes", [{"de6": "000000002700"}, {"de4": "000000003000"}])
    def test_one_in_the_currency_of_billing_says_both_amounts(self, changes: dict[str, str]) -> None:
        currencies = Currencies(RateTable([row(rate="0.9")]), {"issuer-a": "978"})
        bench = Bench(SwitchRules(currencies=currencies))
        bench.forward(request())
        bench.issuer_answers("10", **changes)

        bench.receive("acquirer", reversal(request()))

        answer, undone = bench.sent("acquirer")[0], bench.saf()[0]
        assert (answer[4], answer[6], answer[51]) == ("000000003000", "000000002700", "978")
        assert (undone[4], undone[6], undone[51]) == ("000000003000", "000000002700", "978")


class TestVerification:
    """Where nothing is asked for, 85 is as good as 00."""

    def test_it_stands_if_the_amount_is_zero(self) -> None:
        bench = approved(request(de4="000000000000"), code="85")

        assert code_of(bench) == "85"
        assert bench.legs() == ["approved"]

    def test_it_is_no_approval_of_money(self) -> None:
        bench = approved(code="85")

        assert bench.legs() == ["declined"]


class TestWithoutTheCard:
    """What names a payment need not say its card: the switch has kept it as the token, or sealed."""

    def follow_up(self, first: Message, mti: str, **changes: str | None) -> Message:
        tags = {"de38": "A00001", "de39": "00"} if mti == "0220" else {}
        return naming(first, "000050", mti, **{**tags, "de2": None, **changes})

    @pytest.mark.parametrize("first", [request(), on_pan(request())])
    @pytest.mark.parametrize("mti", ["0220", "0200"])
    def test_its_issuer_gets_the_card(self, first: Message, mti: str) -> None:
        bench = approved(first)
        bench.forward(self.follow_up(first, mti, de3="000000" if mti == "0220" else "200000"))

        bench.open_card()

        sent = bench.sent("issuer-a")[-1]
        assert (sent.mti, sent.pan) == (mti, PANS[TOKEN_A])
        assert sent[90] == OriginalData.of(bench.sent("issuer-a")[0]).to_de90()

    @pytest.mark.parametrize("first", [request(), on_pan(request())])
    def test_its_answer_does_not_say_it_either(self, first: Message) -> None:
        bench = approved(first)
        bench.forward(self.follow_up(first, "0200", de3="200000"))

        bench.issuer_answers("00")

        assert 2 not in bench.sent("acquirer")[-1]

    def test_a_repeat_of_it_is_a_repeat(self) -> None:
        first = on_pan(request())
        bench = approved(first)
        bench.forward(self.follow_up(first, "0220"))

        bench.receive("acquirer", self.follow_up(first, "0220").as_repeat())

        assert code_of(bench) == "00"
        assert len(bench.saf()) == 1

    def test_its_reversal_finds_the_card_too(self) -> None:
        first = on_pan(request())
        bench = approved(first)
        completion = self.follow_up(first, "0220")
        bench.forward(completion)

        bench.receive("acquirer", reversal(completion.with_fields({2: first.pan})).with_fields({2: None}))

        assert [entry.pan for entry in bench.saf()] == ["sealed:sealed-4242"] * 2

    def test_one_advice_of_a_payment_waits_for_the_other_although_their_seals_differ(self) -> None:
        rule = StandInRule(("4",), floors={"840": 50_000}, count_max=5, amounts_max={"840": 500_000})
        bench = Bench(SwitchRules(stand_in=(rule,)), up=("acquirer",))
        first = on_pan(request())
        for message, seal in ((first, "one"), (naming(first), "two")):
            bench.receive("acquirer", message)
            asked, bench.waiting = bench.waiting, {}
            bench.do(*(Answered(key, PanSealed("00", seal)) for key in asked))

        bench.connect("issuer-a")

        assert [message.mti for message in bench.saf()] == ["0120", "0120"]
        assert [question.sealed for question in bench.waiting.values()] == ["one"]

    def test_of_what_nobody_has_seen_it_is_not_located(self) -> None:
        bench = Bench()

        bench.receive("acquirer", self.follow_up(request(), "0220"))

        assert code_of(bench) == "25"

    def test_without_a_payment_either_it_is_a_format_error(self) -> None:
        bench = Bench()

        bench.receive("acquirer", request(de2=None))

        assert code_of(bench) == "30"
