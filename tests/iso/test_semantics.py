"""What follows from a message (answer, repeat, reversal, completion, advice), and what a message should hold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import ConfigError, LocalProtocolError, Message, decode, dialect, encode
from iso.echo import COMMON, ECHO_PROFILES, HOUSE, MINIMAL, NO_PAN, EchoProfile
from iso.elements import HIDDEN_ELEMENTS
from iso.headers import answer_header
from iso.lifecycle import KEPT, advice_of, completion_of, reversal_of
from iso.mti import (
    VERSION_DIGITS,
    describe_mti,
    first_mti,
    is_advice,
    is_answered_by,
    is_repeat,
    is_request,
    is_response,
    is_valid,
    repeat_mti,
    response_mti,
)
from iso.original import OriginalData
from iso.replacement import ReplacementAmounts
from iso.semantics import Finding, check, kind_of
from tests.support.messages import authorisation_request, house_messages, network_message

AT = datetime(2026, 11, 23, 9, 30, 0, tzinfo=UTC)
ALL_MTIS = [f"{number:04d}" for number in range(10_000) if is_valid(f"{number:04d}")]


class TestEveryMti:
    """One rule for all versions, classes, functions and origins: function plus one, repeat flag gone."""

    @pytest.mark.parametrize("version", VERSION_DIGITS.values())
    def test_answers_of_a_version_follow_the_rule(self, version: str) -> None:
        asking = [mti for mti in ALL_MTIS if mti[0] == version and is_request(mti)]

        for mti in asking:
            answer = response_mti(mti)
            assert is_response(answer)
            assert not is_repeat(answer)
            assert answer[:2] == mti[:2]
            assert int(answer[2]) == int(mti[2]) + 1
            assert int(answer[3]) == int(mti[3]) // 2 * 2
            assert is_answered_by(mti, answer)
            assert first_mti(repeat_mti(mti)) == first_mti(mti)
        assert len(asking) == 8 * 4 * 6

    @pytest.mark.parametrize("mti", ["0110", "0430", "1814", "2111"])
    def test_nothing_is_answered_by_a_request_or_answers_a_response(self, mti: str) -> None:
        assert not any(is_answered_by(mti, other) for other in ALL_MTIS)
        assert not is_advice(mti)

    @pytest.mark.parametrize(
        ("mti", "answer"), [("2100", "2110"), ("2421", "2430"), ("2160", "2170"), ("2242", "2252")]
    )
    def test_the_version_of_2003_too(self, mti: str, answer: str) -> None:
        assert response_mti(mti) == answer

    @given(text=st.text(max_size=6))
    def test_any_text_can_be_described(self, text: str) -> None:
        assert describe_mti(text)

    def test_a_description_says_all_four_digits(self) -> None:
        assert describe_mti("0100") == "1987 authorisation request, from the acquirer"
        assert describe_mti("1221") == "1993 financial advice, repeat, from the acquirer"
        assert describe_mti("2643") == "2003 administrative notification, repeat, from the issuer"


class TestEcho:
    """What a response repeats is agreed link by link, and is never a secret."""

    @pytest.mark.parametrize("name", ECHO_PROFILES)
    @given(message=house_messages(codes=("00", "05")))
    def test_a_response_holds_only_what_its_profile_echoes(self, name: str, message: Message) -> None:
        if message.is_response:
            return

        answer = message.reply("00", echo=ECHO_PROFILES[name])

        assert set(answer.fields) == set(message.fields) & set(ECHO_PROFILES[name].elements(answer.mti)) | {39}
        assert all(answer[element] == message[element] for element in answer.fields if element != 39)

    def test_profiles_differ_as_they_say(self) -> None:
        request = authorisation_request(de23="001")

        assert 2 not in request.reply("00", echo=NO_PAN)
        assert set(request.reply("00", echo=COMMON).fields) - set(request.reply("00").fields) == {23, 25}
        assert set(request.reply("00", echo=MINIMAL).fields) == {7, 11, 12, 32, 37, 39, 41}

    def test_the_reason_of_a_1993_message_does_not_come_back(self) -> None:
        assert 25 not in Message("1100", {11: "000001", 25: "1505"}).reply("000", echo=COMMON)

    @pytest.mark.parametrize("element", sorted(HIDDEN_ELEMENTS | {39, 48, 64, 128}))
    def test_no_profile_echoes_a_secret(self, element: int) -> None:
        with pytest.raises(ConfigError):
            EchoProfile("mine", (11,), {"01": (element,)})

    def test_a_profile_of_the_users_own(self) -> None:
        mine = EchoProfile("mine", (11, 7), {"04": (90,)})

        assert (mine.elements("0110"), mine.elements("0430")) == ((7, 11), (7, 11, 90))
        assert HOUSE.elements("0110") != mine.elements("0110")


class TestHeaders:
    """An answer goes back where its request came from."""

    def test_a_base_one_header_is_turned_round(self) -> None:
        header = "160102002E" + "000000" + "123456" + "00" * 11
        request = authorisation_request().with_header(header)

        assert request.reply("00").header == "160102002E" + "123456" + "000000" + "00" * 11

    @given(header=st.binary(max_size=30).map(lambda raw: raw.hex().upper()))
    def test_turned_twice_is_as_it_was(self, header: str) -> None:
        assert answer_header(answer_header(header)) == header
        assert len(answer_header(header)) == len(header)


class TestWhatFollows:
    """A transaction keeps its identity through its life; only STAN and DE 7 are each message's own."""

    def test_a_reversal_after_silence_has_no_authorisation_code(self) -> None:
        original = authorisation_request(de35="4242424242424242=3012", de52="0123456789ABCDEF", de55="9F360200A1")

        reversal = reversal_of(original, stan="000900", at=AT)

        assert (reversal.mti, reversal[39], reversal[7], reversal[11]) == ("0420", "68", "1123093000", "000900")
        assert reversal[90] == OriginalData("0100", "000001", "1122131155", "123456").to_de90()
        assert not {14, 35, 38, 48, 52, 55} & set(reversal.fields)
        assert all(reversal[element] == original[element] for element in (2, 3, 4, 12, 13, 32, 37, 41, 42, 49))

    def test_a_reversal_of_an_approval_carries_its_code(self) -> None:
        original = authorisation_request()

        reversal = reversal_of(
            original, stan="000900", at=AT, answer=original.reply("00", {38: "A1B2C3"}), reason="17", advice=False
        )

        assert (reversal.mti, reversal[38], reversal[39]) == ("0400", "A1B2C3", "17")

    def test_a_partial_reversal_says_what_remains(self) -> None:
        reversal = reversal_of(authorisation_request(), stan="000900", at=AT, remains_minor=500)

        assert reversal.amount_minor == 1999
        assert ReplacementAmounts.from_de95(reversal[95]).transaction_minor == 500

    @pytest.mark.parametrize("remains", [-1, 1999, 5000])
    def test_a_partial_reversal_leaves_less_than_there_was(self, remains: int) -> None:
        with pytest.raises(LocalProtocolError):
            reversal_of(authorisation_request(), stan="000900", at=AT, remains_minor=remains)

    def test_a_repeat_is_reversed_as_its_first_copy(self) -> None:
        reversal = reversal_of(authorisation_request().as_repeat(), stan="000900", at=AT)

        assert reversal[90].startswith("0100000001")

    def test_a_completion_has_the_final_amount_and_the_code(self) -> None:
        original = authorisation_request()
        answer = original.reply("10", {4: "000000001500", 38: "123456"})

        whole = completion_of(original, answer, stan="000901", at=AT)
        less = completion_of(original, answer, stan="000901", at=AT, amount_minor=700)

        assert (whole.mti, whole.amount_minor, whole[38], whole[39]) == ("0220", 1500, "123456", "10")
        assert less.amount_minor == 700
        with pytest.raises(LocalProtocolError):
            completion_of(original, answer, stan="000901", at=AT, amount_minor=-1)

    def test_an_advice_says_what_was_decided(self) -> None:
        advice = advice_of(authorisation_request(), "00", stan="000902", at=AT, authorisation_code="S00001")

        assert (advice.mti, advice[39], advice[38]) == ("0120", "00", "S00001")
        assert advice_of(authorisation_request().with_fields({}, mti="0200"), "05", stan="1", at=AT).mti == "0220"

    @pytest.mark.parametrize("mti", ["0110", "0420", "0800", "1100", "9999"])
    def test_what_has_no_life_cannot_be_followed(self, mti: str) -> None:
        with pytest.raises(LocalProtocolError):
            reversal_of(authorisation_request().with_fields({}, mti=mti), stan="000900", at=AT)

    @given(message=house_messages(codes=("00",)))
    def test_whatever_follows_can_be_written_and_is_not_unusual_in_its_original(self, message: Message) -> None:
        try:
            reversal = reversal_of(message.with_fields({11: "000001"}), stan="000900", at=AT)
        except LocalProtocolError:
            return

        again = decode(encode(reversal, dialect("ascii87")), dialect("ascii87"))
        assert again == reversal
        assert not [finding for finding in check(reversal) if finding.element in (7, 11, 39, 90)]
        assert set(reversal.fields) <= {*KEPT, 7, 11, 39, 90}


class TestCheck:
    """A report names what is unusual; it never rejects, and never repeats content."""

    def test_the_messages_of_the_house_are_usual(self) -> None:
        request = authorisation_request()

        assert check(request) == ()
        assert check(request.reply("00", {38: "123456"})) == ()
        assert check(reversal_of(request, stan="000900", at=AT)) == ()
        assert check(reversal_of(request, stan="000900", at=AT).reply("00")) == ()
        assert check(network_message()) == check(network_message().reply("00")) == ()

    @pytest.mark.parametrize(
        ("changes", "finding"),
        [
            ({"de7": "1332131155"}, Finding(7, "not a MMDDhhmmss that exists")),
            ({"de12": "240000"}, Finding(12, "not a hhmmss that exists")),
            ({"de13": "0230"}, Finding(13, "not a MMDD that exists")),
            ({"de13": "022"}, Finding(13, "not a MMDD that exists")),
            ({"de15": "\u0661122"}, Finding(15, "not a MMDD that exists")),
            ({"de11": "000000"}, Finding(11, "a STAN is 000001 to 999999")),
            ({"de37": " " * 12}, Finding(37, "a reference number of spaces")),
            ({"de32": ""}, Finding(32, "present but empty")),
            ({"de3": None}, Finding(3, "missing in a request")),
            ({"de39": "00"}, Finding(39, "not expected in a request")),
            ({"de90": "0" * 42}, Finding(90, "not expected in a request")),
            ({"de2": None}, Finding(2, "no card number, and no track that holds one")),
        ],
    )
    def test_of_a_request(self, changes: dict[str, str | None], finding: Finding) -> None:
        assert finding in check(authorisation_request(**changes))

    def test_a_track_is_as_good_as_a_card_number(self) -> None:
        assert check(authorisation_request(de2=None, de35="4242424242424242=3012")) == ()

    def test_the_29th_of_february_exists(self) -> None:
        assert check(authorisation_request(de13="0229")) == ()

    @pytest.mark.parametrize(
        ("code", "extra", "rule"),
        [
            ("05", {38: "123456"}, "an authorisation code beside a decline"),
            ("00", {}, "an approval without an authorisation code"),
        ],
    )
    def test_of_authorisation_codes(self, code: str, extra: dict[int, str | None], rule: str) -> None:
        assert check(authorisation_request().reply(code, extra)) == (Finding(38, rule),)

    @pytest.mark.parametrize(
        ("value", "rule"),
        [
            ("1", "42 digits expected"),
            ("0110" + "000001" + "1122131155" + "0" * 22, "its first part is no request's MTI"),
            ("0101" + "000001" + "1122131155" + "0" * 22, "names a repeat: the original is its first copy"),
            ("0100" + "000000" + "1122131155" + "0" * 22, "names no STAN"),
            ("0100" + "000001" + "9922131155" + "0" * 22, "its third part is no MMDDhhmmss that exists"),
        ],
    )
    def test_of_original_data(self, value: str, rule: str) -> None:
        reversal = reversal_of(authorisation_request(), stan="000900", at=AT).with_fields({90: value})

        assert check(reversal) == (Finding(90, rule),)

    @pytest.mark.parametrize(
        ("value", "rule"),
        [("1", "not two amounts and two fees"), (ReplacementAmounts(9999).to_de95(), "more remains than there was")],
    )
    def test_of_replacement_amounts(self, value: str, rule: str) -> None:
        reversal = reversal_of(authorisation_request(), stan="000900", at=AT).with_fields({95: value})

        assert check(reversal) == (Finding(95, rule),)

    @given(mti=st.sampled_from(ALL_MTIS), fields=st.dictionaries(st.integers(2, 128), st.text(max_size=12), max_size=8))
    def test_any_message_has_a_report(self, mti: str, fields: dict[int, str]) -> None:
        findings = check(Message(mti, fields))

        assert findings == () or kind_of(mti) is not None
