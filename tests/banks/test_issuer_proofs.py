"""What a card proves over the wire: PIN, stripe, chip and authentication, verified by the real HSM engine."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm_sim.core.indexes import zpk
from hsm_sim.requests import Fingerprint, MakeKey, PlaceKey, VerifyCvv, VerifyPinPvv
from iso import Message
from iso.original import OriginalData
from iso.private import build_private, parse_private
from tests.support.banks import PAN, IssuerBench, a_card, at_issuer
from tests.support.cardholders import PIN, Custodian, check_answer, pay, row_of
from tests.support.hsm import Hsm

CUSTODIAN = Custodian()
ISSUED = CUSTODIAN.card()
assert ISSUED.card is not None
CHIP = ISSUED.card
SWIPED: dict[str, str | None] = {"de2": ISSUED.pan, "de22": "901", "de35": ISSUED.track2, "de48": None}


def bench_of(**columns: Any) -> IssuerBench:
    return IssuerBench(row_of(ISSUED, **columns))


def row(bench: IssuerBench) -> dict[str, Any]:
    """Return the card as it is on disk."""
    (card,) = bench.rows("cards")
    return card


def swiped(stan: str = "000001", pin: str = "", **changes: str | None) -> Message:
    more: dict[str, str | None] = {"de52": CUSTODIAN.block(pin, ISSUED.pan)} if pin else {}
    return at_issuer(stan, **{**SWIPED, **more, **changes})


def cash(stan: str = "000001", pin: str = PIN, **changes: str | None) -> Message:
    return swiped(stan, pin, de3="010000", **changes)


def reason(bench: IssuerBench) -> str:
    """Return why the latest request was decided as it was."""
    return str(max(bench.rows("requests"), key=lambda taken: int(taken["sequence"]))["reason"])


class TestPin:
    """A PIN is verified by the HSM, and a card that gets too many wrong ones is closed until it is unblocked."""

    @pytest.mark.parametrize("form", ["01", "47", "48"])
    @pytest.mark.parametrize(("pin", "code"), [(PIN, "00"), ("1234", "55")])
    def test_by_pvv(self, pin: str, code: str, form: str) -> None:
        block = CUSTODIAN.block(pin, ISSUED.pan, form)
        request = swiped(de52=block[:16], de48=build_private({"20": block[16:]}) if block[16:] else None)

        assert bench_of().ask(request).response_code == code

    @pytest.mark.parametrize(("pin", "code"), [(PIN, "00"), ("1234", "55")])
    def test_by_ibm_offset(self, pin: str, code: str) -> None:
        bench = bench_of(pin_method="ibm", pin_value=CUSTODIAN.offset(PIN, ISSUED.pan))

        assert bench.ask(swiped(pin=pin)).response_code == code

    def test_wrong_ones_are_counted_on_disk_and_the_right_one_sets_them_back(self) -> None:
        bench = bench_of()

        tries = []
        for number, pin in enumerate(("1111", "2222", PIN, "3333"), start=1):
            bench.ask(swiped(f"{number:06d}", pin))
            tries.append(row(bench)["pin_tries"])

        assert tries == [1, 2, 0, 1]

    def test_after_too_many_even_the_right_one_is_refused_also_after_a_restart(self) -> None:
        bench = bench_of()
        for number in range(3):
            bench.ask(swiped(f"{number:06d}", "1111"))

        bench.restart()

        assert bench.ask(swiped("000007", PIN)).response_code == "75"
        assert bench.held_of(ISSUED.pan) == 0

    def test_a_repeat_of_a_wrong_one_is_not_counted_again(self) -> None:
        bench = bench_of()
        wrong = swiped(pin="1111")

        codes = {bench.ask(message).response_code for message in (wrong, wrong.as_repeat(), wrong.as_repeat())}

        assert codes == {"55"}
        assert row(bench)["pin_tries"] == 1

    def test_the_hsm_counts_on_its_own(self) -> None:
        bench = bench_of(pin_tries_max=99)

        codes = [bench.ask(swiped(f"{number:06d}", "1111")).response_code for number in range(12)]

        assert codes[:9] == ["55"] * 9
        assert codes[-1] == "75"

    def test_cash_needs_one(self) -> None:
        assert bench_of().ask(cash(pin="")).response_code == "55"
        assert bench_of().ask(cash()).response_code == "00"

    def test_a_card_without_a_pin_cannot_have_a_right_one(self) -> None:
        bench = bench_of(pin_method="", pin_value="")

        assert bench.ask(swiped(pin=PIN)).response_code == "55"
        assert reason(bench) == "PIN_NOT_ON_FILE"

    def test_a_block_that_no_key_opens_is_a_malfunction_and_no_wrong_pin(self) -> None:
        bench = bench_of()

        assert bench.ask(swiped(de52="0" * 16)).response_code == "96"
        assert row(bench)["pin_tries"] == 0

    def test_a_block_under_the_key_before_is_taken_while_the_key_changes(self) -> None:
        bench = bench_of()
        change_zone_key(bench.hsm)
        bench.host.books.pin_places = lambda aes: (zpk("switch"), "KD00")

        assert bench.ask(swiped(pin=PIN)).response_code == "00"

    def test_without_the_key_before_it_is_not(self) -> None:
        bench = bench_of()
        change_zone_key(bench.hsm)

        assert bench.ask(swiped(pin=PIN)).response_code == "96"


def change_zone_key(hsm: Hsm) -> None:
    """Put another key where the zone's PIN key lies, and that one where old keys lie."""
    place = zpk("switch")
    made = hsm.ask("issuer-a", MakeKey("P0", "T2", "B"))
    for orders in (PlaceKey("KD00", place, replace=True), PlaceKey(place, made.key, replace=True)):
        assert hsm.ask("issuer-a", orders).code == "00"


class TestChangeOfPin:
    """A new PIN is the HSM's work: the issuer keeps a new value, and the old PIN is wrong from then on."""

    @pytest.mark.parametrize("method", ["pvv", "ibm"])
    def test_the_new_one_counts_at_once_and_after_a_restart(self, method: str) -> None:
        ibm = {"pin_method": "ibm", "pin_value": CUSTODIAN.offset(PIN, ISSUED.pan)}
        bench = bench_of(**(ibm if method == "ibm" else {}))
        new = build_private({"18": CUSTODIAN.block("8642", ISSUED.pan)})

        changed = bench.ask(swiped(pin=PIN, de3="920000", de4="000000000000", de48=new))
        bench.restart()

        assert changed.response_code == "00"
        assert bench.ask(cash("000002", "8642")).response_code == "00"
        assert bench.ask(cash("000003", PIN)).response_code == "55"

    def test_the_old_one_must_be_right(self) -> None:
        bench = bench_of()
        before = row(bench)["pin_value"]
        new = build_private({"18": CUSTODIAN.block("8642", ISSUED.pan)})

        refused = bench.ask(swiped(pin="1111", de3="920000", de4="000000000000", de48=new))

        assert refused.response_code == "55"
        assert (row(bench)["pin_value"], row(bench)["pin_tries"]) == (before, 1)

    @pytest.mark.parametrize(("proof", "code"), [({}, "00"), ({"de35": None, "de22": "011"}, "63")])
    def test_unblocking_gives_the_tries_back_to_who_proves_the_card(self, proof: dict[str, Any], code: str) -> None:
        bench = bench_of(pin_tries=3)

        answer = bench.ask(swiped(de3="930000", de4="000000000000", **proof))

        assert answer.response_code == code
        assert row(bench)["pin_tries"] == (0 if code == "00" else 3)


class TestStripe:
    """The stripe's CVV is checked with its service code, and what is on the chip is worth nothing on a stripe."""

    def test_the_right_one_is_taken(self) -> None:
        assert bench_of().ask(swiped()).response_code == "00"

    @pytest.mark.parametrize(
        "track",
        [
            ISSUED.track2[:-1] + str((int(ISSUED.track2[-1]) + 1) % 10),
            CHIP.profile.track2,
            ISSUED.track2.replace("=3012201", "=3012101"),
            ISSUED.track2[:-3],
            ISSUED.track2.replace(ISSUED.pan, PAN),
        ],
        ids=["another value", "the chip's", "another service code", "none", "another card's"],
    )
    def test_anything_else_is_not(self, track: str) -> None:
        bench = bench_of()

        assert bench.ask(swiped(de35=track)).response_code == "82"
        assert reason(bench) == "CVV_WRONG"

    def test_its_expiry_is_looked_at_where_de_14_is_absent(self) -> None:
        later = ISSUED.track2.replace("=3012", "=3112")

        assert bench_of().ask(swiped(de35=later, de14=None)).response_code == "54"


class TestChip:
    """A cryptogram is right once, for its amount; the card learns from the answer that its issuer said it."""

    @pytest.mark.parametrize("version", [10, 18])
    def test_the_card_can_check_the_answer(self, version: int) -> None:
        issued = CUSTODIAN.card(version)
        assert issued.card is not None
        bench = IssuerBench(row_of(issued))
        fields, chip = pay(issued.card)

        answer = bench.ask(at_issuer(de2=issued.pan, de48=None, **fields))

        assert answer.response_code == "00"
        assert check_answer(chip, answer[55])[0]
        assert row(bench)["atc"] == 1

    def test_with_the_pin_in_the_same_message(self) -> None:
        fields, _ = pay(CHIP)
        block = CUSTODIAN.block(PIN, ISSUED.pan)

        assert bench_of().ask(at_issuer(de2=ISSUED.pan, de48=None, de52=block, **fields)).response_code == "00"

    def test_a_repeat_gets_the_same_answer_and_a_second_use_none(self) -> None:
        bench = bench_of()
        fields, _ = pay(CHIP)
        first = at_issuer(de2=ISSUED.pan, de48=None, **fields)

        answers = [bench.ask(message) for message in (first, first.as_repeat())]
        replayed = bench.ask(at_issuer("000002", de2=ISSUED.pan, de48=None, **fields))

        assert answers[0].get(55) == answers[1].get(55) is not None
        assert replayed.response_code == "82"
        assert reason(bench) == "ATC_REPLAYED"

    def test_a_counter_is_spent_even_where_the_funds_are_short(self) -> None:
        bench = bench_of(limit_minor=100)
        fields, _ = pay(CHIP)

        answer = bench.ask(at_issuer(de2=ISSUED.pan, de48=None, **fields))
        bench.change(ISSUED.pan, limit_minor=-1)
        bench.restart()

        assert (answer.response_code, answer.get(55)) == ("61", None)
        assert bench.ask(at_issuer("000002", de2=ISSUED.pan, de48=None, **fields)).response_code == "82"

    @pytest.mark.parametrize(
        "tamper",
        [
            lambda fields: {"de4": "000000004201"},
            lambda fields: {
                "de55": fields["de55"].replace("9F02060000000042", "9F02060000000043"),
                "de4": "000000004300",
            },
            lambda fields: {"de55": fields["de55"][:-2]},
            lambda fields: {"de55": "9F3602"},
            lambda fields: {"de23": "002"},
            lambda fields: {"de49": "414"},
            lambda fields: {"de55": fields["de55"].replace("9F270180", "9F270100")},
            lambda fields: {"de55": fields["de55"].replace("9F270180", "9F270140")},
        ],
        ids=[
            *("amount of the message", "amount that was signed", "cut off", "almost nothing", "another card"),
            *("currency of the message", "declined by the chip", "approved by the chip"),
        ],
    )
    def test_what_was_not_signed_so_is_refused(self, tamper: Any) -> None:
        bench = bench_of()
        fields, _ = pay(CHIP)

        answer = bench.ask(at_issuer(de2=ISSUED.pan, de48=None, **{**fields, **tamper(fields)}))

        assert (answer.response_code, answer.get(55)) == ("82", None)
        assert row(bench)["atc"] == 0

    def test_a_chip_card_that_was_read_shows_its_cryptogram(self) -> None:
        bench = bench_of()
        fields, _ = pay(CHIP)

        assert bench.ask(at_issuer(de2=ISSUED.pan, de48=None, **{**fields, "de55": None})).response_code == "82"
        assert reason(bench) == "ARQC_ABSENT"

    def test_a_card_without_a_chip_signs_nothing(self) -> None:
        fields, _ = pay(CHIP)

        answer = bench_of(scheme="").ask(at_issuer(de2=ISSUED.pan, de48=None, **fields))

        assert answer.response_code == "82"

    def test_the_answer_has_room_on_both_dialects(self) -> None:
        fields, chip = pay(CHIP)
        bench = IssuerBench(row_of(ISSUED), speaks="ebcdic93")

        answer = bench.ask(at_issuer(de2=ISSUED.pan, de48=None, **fields))

        assert check_answer(chip, answer[55])[0]


class TestAuthentication:
    """A proof of authentication is the issuer's own, made over the card."""

    def test_the_right_one_is_enough_in_hex_and_in_base64(self) -> None:
        cavv = CUSTODIAN.cavv(ISSUED.pan)
        forms = (cavv, base64.b64encode(bytes.fromhex(cavv)).decode("ascii"))

        codes = [
            bench_of(authentication="always")
            .ask(at_issuer(de2=ISSUED.pan, de48=build_private({"06": "05", "07": form})))
            .response_code
            for form in forms
        ]

        assert codes == ["00", "00"]

    @pytest.mark.parametrize("cavv", [CUSTODIAN.cavv(PAN), "00" * 20, "A" * 28, "1", CUSTODIAN.cavv(ISSUED.pan)[:-2]])
    def test_anything_else_is_refused(self, cavv: str) -> None:
        bench = bench_of(authentication="always")

        answer = bench.ask(at_issuer(de2=ISSUED.pan, de48=build_private({"07": cavv})))

        assert answer.response_code == "63"


class TestOneRoundTrip:
    """Whose card it is costs a question once; everything else goes out together."""

    def test_a_card_that_was_seen_is_not_asked_about_again(self) -> None:
        bench = bench_of()
        bench.ask(swiped())
        before = len(bench.turns)

        bench.ask(swiped("000002", PIN))

        asked = [turn.asked("hsm") for turn in bench.turns[before:] if turn.asked("hsm")]
        assert [[type(question) for question in batch] for batch in asked] == [[VerifyCvv, VerifyPinPvv]]

    def test_numbers_that_are_nobodys_are_not_remembered(self) -> None:
        bench = bench_of()

        for stan in ("000001", "000002"):
            bench.ask(at_issuer(stan, de2="9900017391586423"))

        asked = [question for turn in bench.turns for question in turn.asked("hsm")]
        assert [type(question) for question in asked[-2:]] == [Fingerprint, Fingerprint]

    @pytest.mark.parametrize("known", [True, False])
    def test_silence_is_a_malfunction_and_nothing_is_held(self, known: bool) -> None:
        bench = bench_of()
        if known:
            bench.ask(swiped(de4="000000000000"))
        bench.hsm_answers = False
        bench.hear("network", swiped("000002", PIN))
        bench.pass_time(2.0)

        assert bench.sent["network"][-1].response_code == "96"
        assert bench.held_of(ISSUED.pan) == 0
        assert row(bench)["pin_tries"] == 0

    def test_no_secret_of_a_request_is_in_any_row(self) -> None:
        bench = bench_of()
        fields, _ = pay(CHIP)
        block = CUSTODIAN.block(PIN, ISSUED.pan)
        tags = build_private({"01": ISSUED.cvv2, "18": block})
        bench.ask(at_issuer(de2=ISSUED.pan, **{**fields, "de48": tags, "de52": block}))

        stored = str(bench.journal.rows)

        secrets = (ISSUED.pan, block, fields["de55"], fields["de35"], tags)
        assert not [secret for secret in secrets if secret in stored]
        assert parse_private(bench.sent["network"][-1][48]) == {"02": "M"}


class TestCountersOfACard:
    """What is counted per card is one row with the decision."""

    def test_increments_count_as_money_and_not_as_payments(self) -> None:
        bench = IssuerBench(a_card(velocity_max=1, day_limit_minor=10_000))
        first = at_issuer()
        bench.ask(first)

        more = [at_issuer(f"{number:06d}", de37=first[37], de90=named(first), de48=None) for number in (2, 3)]

        assert [bench.ask(message).response_code for message in more] == ["00", "61"]
        assert bench.ask(at_issuer("000009")).response_code == "65"


def named(first: Message) -> str:
    return OriginalData.of(first).to_de90()


class TestAnyInput:
    """Whatever a request brings for a proof, it gets an answer, and never an approval that rests on it."""

    BENCH = bench_of(limit_minor=0, pin_tries_max=99)

    @given(
        track=st.none() | st.from_regex(r"[0-9]{12,19}[=D][0-9]{0,17}", fullmatch=True),
        block=st.none() | st.binary(min_size=8, max_size=8),
        chip=st.none() | st.binary(max_size=60) | st.sampled_from([bytes.fromhex(pay(CHIP)[0]["de55"])]),
        cut=st.integers(0, 160),
        tags=st.dictionaries(st.sampled_from(["01", "03", "07", "12", "17", "18", "20"]), st.text("0123456789AFMZ= ")),
        kind=st.sampled_from(["000000", "010000", "090000", "200000", "310000", "380000", "920000", "930000"]),
        entry=st.sampled_from(["051", "071", "901", "810", "011"]),
    )
    @settings(max_examples=150, deadline=None)
    def test_it_is_answered(
        self,
        track: str | None,
        block: bytes | None,
        chip: bytes | None,
        cut: int,
        tags: dict[str, str],
        kind: str,
        entry: str,
    ) -> None:
        bench = self.BENCH
        request = at_issuer(
            f"{len(bench.turns) % 1_000_000:06d}",
            de2=ISSUED.pan,
            de3=kind,
            de22=entry,
            de35=track,
            de52=block.hex().upper() if block is not None else None,
            de55=chip[:cut].hex().upper() if chip else None,
            de48=build_private(tags) if tags else None,
        )

        answer = bench.ask(request)

        assert len(answer.response_code) == 2
        assert bench.held_of(ISSUED.pan) == 0
