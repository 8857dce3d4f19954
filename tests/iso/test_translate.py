"""Between 1987 and 1993 nothing is copied that means something else, and nothing is lost that both can carry."""

from __future__ import annotations

import pytest
from hypothesis import given

from iso import LocalProtocolError, Message, RemoteProtocolError, decode, dialect, encode
from iso.original import OriginalData
from iso.private import build_private, parse_private
from iso.translate import LOST_FROM_1987, LOST_FROM_1993, code_1987, code_1993, to_1987, to_1993
from iso.translate_losses import ALWAYS, Loss
from iso.translate_tables import CODES_1993
from tests.support.messages import authorisation_request, house_messages, messages, network_message, reversal_of

ALL_CODES = (*CODES_1993, "57", "96", "Z9", "85")


def there_and_back(message: Message, year: int = 2026) -> Message:
    """Through the bytes of a 1993 leg, so that whatever is produced is also legal there."""
    leg = dialect("ebcdic93")
    return to_1987(decode(encode(to_1993(message, year=year), leg), leg))


class TestRoundTrip:
    """Every kind of message that the house carries comes back whole from a 1993 leg."""

    @given(message=house_messages(codes=ALL_CODES))
    def test_nothing_that_both_can_carry_is_lost(self, message: Message) -> None:
        assert there_and_back(message) == message

    @given(message=house_messages(codes=ALL_CODES))
    def test_no_element_of_1987_keeps_its_number_where_it_means_something_else(self, message: Message) -> None:
        translated = to_1993(message, year=2026)

        assert not {13, 18, 28, 31, 70, 90, 95} & set(translated.fields)
        assert 30 not in translated or message.mti_class == "4"


class TestResponseCodes:
    """DE 39 has three digits in 1993, and approvals of their own for reversals and network messages."""

    @pytest.mark.parametrize("code", ALL_CODES)
    def test_every_code_survives(self, code: str) -> None:
        answer = authorisation_request().reply(code)

        assert there_and_back(answer).response_code == code

    def test_a_cvv_failure_and_a_security_violation_are_both_122_and_stay_apart(self) -> None:
        [cvv, security] = [to_1993(authorisation_request().reply(code), year=2026) for code in ("N7", "63")]

        assert (cvv[39], security[39]) == ("122", "122")
        assert (to_1987(cvv)[39], to_1987(security)[39]) == ("N7", "63")

    def test_a_foreign_issuer_that_says_122_means_a_security_violation(self) -> None:
        assert code_1987("122") == "63"

    def test_an_unknown_code_is_never_an_approval(self) -> None:
        assert code_1987("779") == "05"
        assert code_1993("Z9", "1") == "100"

    def test_the_companion_cannot_turn_a_decline_into_an_approval(self) -> None:
        answer = Message("1110", {11: "000001", 39: "116", 48: build_private({"14": "00"})})

        assert to_1987(answer)[39] == "51"

    @pytest.mark.parametrize(("mti", "code"), [("0410", "400"), ("0430", "400"), ("0810", "800"), ("0110", "000")])
    def test_yes_is_said_in_the_way_of_its_class(self, mti: str, code: str) -> None:
        message = Message(mti, {11: "000001", 39: "00"})

        assert to_1993(message, year=2026)[39] == code


class TestKinds:
    """What the message is about moves between MTI, DE 24, DE 25 and DE 70."""

    @pytest.mark.parametrize(("code", "function"), [("001", "801"), ("002", "802"), ("301", "831")])
    def test_network_management_has_a_function_code_and_another_origin(self, code: str, function: str) -> None:
        translated = to_1993(network_message(code), year=2026)

        assert (translated.mti, translated[24], 70 in translated) == ("1804", function, False)

    def test_a_reversal_has_its_reason_in_25_and_its_original_in_56(self) -> None:
        reversal = reversal_of(authorisation_request())

        translated = to_1993(reversal, year=2026)

        assert (translated[24], translated[25], 39 in translated) == ("400", "4021", False)
        assert translated[56] == "1100" + "000001" + "261122131155" + "06" + "123456"

    def test_the_acquirer_is_written_as_it_writes_itself(self) -> None:
        reversal = reversal_of(authorisation_request(de32="000123"))

        translated = to_1993(reversal, year=2026)

        assert translated[56].endswith("06" + "000123")
        assert to_1987(translated)[90] == reversal[90]

    def test_a_partial_reversal_swaps_the_amounts(self) -> None:
        partial = reversal_of(authorisation_request(), de95="000000000500" + "0" * 12 + "C00000000C00000000")

        translated = to_1993(partial, year=2026)

        assert (translated[24], translated[4], translated[30][:12]) == ("401", "000000000500", "000000001999")

    def test_the_originals_time_is_unknown_when_a_foreign_leg_drops_our_private_element(self) -> None:
        foreign = to_1993(reversal_of(authorisation_request()), year=2026).with_fields({48: None})

        original = OriginalData.from_de90(to_1987(foreign)[90])

        assert original == OriginalData("0100", "000001", "0" * 10, "123456", "")

    def test_the_companions_do_not_stay_in_48(self) -> None:
        reversal = reversal_of(authorisation_request(), de48=build_private({"13": "trace"}))

        translated = to_1993(reversal, year=2026)

        assert set(parse_private(translated[48])) == {"13", "15"}
        assert to_1987(translated)[48] == reversal[48]

    def test_a_foreign_48_passes_as_it_is(self) -> None:
        answer = authorisation_request().reply("N7", {48: "LOYALTY=OFF"})

        translated = to_1993(answer, year=2026)

        assert translated[48] == "LOYALTY=OFF"
        assert to_1987(translated)[39] == "63"

    def test_an_answer_to_an_unreadable_network_message_needs_no_code(self) -> None:
        assert there_and_back(Message("0810", {11: "000001", 39: "30"})).response_code == "30"

    def test_a_network_message_with_an_unknown_function_is_refused_with_its_mti(self) -> None:
        with pytest.raises(RemoteProtocolError) as caught:
            to_1987(Message("1804", {24: "899"}))

        assert (caught.value.element, caught.value.mti) == (24, "1804")

    def test_a_network_message_without_a_function_can_still_be_rejected(self) -> None:
        request = to_1987(Message("1804", {11: "000007"}))

        answer = to_1993(request.reply("30"), year=2026)

        assert answer == Message("1814", {11: "000007", 39: "904"})

    @pytest.mark.parametrize("value", ["1100", "1100000001261122131155" + "05" + "123456", "x" * 24])
    def test_a_broken_56_is_refused(self, value: str) -> None:
        with pytest.raises(RemoteProtocolError) as caught:
            to_1987(Message("1420", {56: value}))

        assert caught.value.element == 56

    def test_the_wrong_version_is_refused_both_ways(self) -> None:
        with pytest.raises(LocalProtocolError):
            to_1993(Message("1100", {}), year=2026)
        with pytest.raises(RemoteProtocolError):
            to_1987(Message("0100", {}))


class TestYears:
    """1987 has no year: the one nearest to DE 7 is meant."""

    @pytest.mark.parametrize(
        ("sent", "local", "year"),
        [
            ("0101000500", "1231", "25"),
            ("1231235500", "0101", "27"),
            ("0601120000", "0601", "26"),
            ("0101", "0101", "26"),
        ],
    )
    def test_around_new_year(self, sent: str, local: str, year: str) -> None:
        request = authorisation_request(de7=sent.ljust(10, "0"), de13=local)

        assert to_1993(request, year=2026)[12] == year + local + "131155"


class TestForeignLegs:
    """What a peer may legally send is translated to something that can be written, or refused as the peer's fault."""

    @given(message=messages(dialect("ebcdic93"), most=30))
    def test_from_1993(self, message: Message) -> None:
        try:
            translated = to_1987(message)
        except RemoteProtocolError:
            return

        again = decode(encode(translated, dialect("ascii87")), dialect("ascii87"))
        assert again == translated

    @given(message=messages(dialect("ascii87"), most=30))
    def test_from_1987(self, message: Message) -> None:
        if message.mti_class == "8":
            message = message.with_fields({70: "301"})
        if 95 in message:
            message = message.with_fields({95: "0" * 24 + "C00000000D00000000"})

        translated = to_1993(message, year=2026)

        assert decode(encode(translated, dialect("ebcdic93")), dialect("ebcdic93")) == translated
        assert not {64, 128} & set(translated.fields)

    @pytest.mark.parametrize("bad", [reversal_of(authorisation_request(), de95="A" * 42), network_message("999")])
    def test_what_has_no_form_in_1993_is_refused_before_it_is_written(self, bad: Message) -> None:
        with pytest.raises(LocalProtocolError) as caught:
            to_1993(bad, year=2026)

        assert caught.value.element in (70, 95)

    @pytest.mark.parametrize(("sent", "numeric"), [("USD", "840"), ("978", "978"), ("jpy", "392")])
    def test_a_currency_in_letters_becomes_figures(self, sent: str, numeric: str) -> None:
        assert to_1987(Message("1100", {49: sent})).currency == numeric

    def test_an_unknown_currency_is_the_peers_fault(self) -> None:
        with pytest.raises(RemoteProtocolError) as caught:
            to_1987(Message("1100", {49: "XYZ"}))

        assert (caught.value.element, caught.value.mti) == (49, "1100")


VALUES_1987 = {
    7: "1122131155",
    12: "131155",
    13: "1122",
    15: "1122",
    22: "810",
    25: "59",
    26: "12",
    39: "51",
    40: "101",
    90: OriginalData("0100", "000001", "1122131155", "123456").to_de90(),
    95: "000000000500" + "0" * 12 + "C00000000" * 2,
}
VALUES_1993 = {
    7: "1122131155",
    12: "261122131155",
    15: "261122",
    22: "010050S0000C",
    24: "400",
    25: "4021",
    30: "000000001999" + "0" * 12,
    39: "116",
    40: "101",
    43: "Shop".ljust(40),
    46: "28840C00000100" + "00000000C00000000000",
    49: "840",
    50: "978",
    51: "392",
    53: "0123456789012345",
    56: "1100000001" + "261122131155" + "06123456",
    71: "00000042",
    99: "123456",
}


def survives(element: int, message: Message) -> bool:
    """Whether an element of a message comes back from the other version as it was."""
    if message.mti[0] == "0":
        return there_and_back(message).get(element) == message[element]
    leg = dialect("ascii87")
    back = to_1993(decode(encode(to_1987(message), leg), leg), year=2026)
    return back.get(element) == message[element]


def sample(element: int, version: str) -> Message:
    """A message that both versions can carry, with one element more."""
    name, values = ("ascii87", VALUES_1987) if version == "1987" else ("ebcdic93", VALUES_1993)
    what = dialect(name).formats[element]
    size = min(what.size, 6) if what.prefix_bytes else what.size
    filler = "C" + "0" * (size - 1) if what.kind == "x+n" else ("00" if what.encoding == "b" else "0") * size
    if version == "1987" and element == 70:
        return network_message("301")
    # Elements with a meaning of their own are tried in the kind of message that has it.
    kind = "420" if element in (24, 25, 30, 56, 90, 95) and element in values else "110"
    always = {element: values[element] for element in (7, 12, 13) if element in values}
    fields = always | {4: "0" * 12, 11: "000001", 49: "840", element: values.get(element, filler)}
    return Message(("0" if version == "1987" else "1") + kind, fields)


class TestLosses:
    """What is lost is listed, and what is listed is lost."""

    @pytest.mark.parametrize(("version", "losses"), [("1987", LOST_FROM_1987), ("1993", LOST_FROM_1993)])
    def test_the_list_is_what_the_code_loses(self, version: str, losses: tuple[Loss, ...]) -> None:
        listed = {element for loss in losses if loss.when == ALWAYS for element in loss.elements}

        lost = {
            element for element in sorted(set(range(2, 129)) - {65}) if not survives(element, sample(element, version))
        }

        assert lost == listed

    @pytest.mark.parametrize(
        ("when", "element", "message"),
        [
            ("one without the other", 12, Message("0100", {12: "131155"})),
            ("without a row in the tables", 22, authorisation_request(de22="990")),
            ("reason of a reversal that is not two digits", 39, reversal_of(authorisation_request(), de39="N7")),
            ("not three digits", 40, authorisation_request(de40="A1B")),
            ("outside network management", 70, authorisation_request(de70="301")),
            (
                "in a foreign layout of 48: its DE 7 and DE 33",
                90,
                reversal_of(authorisation_request(), de48="LOYALTY=OFF"),
            ),
            (
                "beyond the transaction amount",
                95,
                reversal_of(authorisation_request(), de95="000000000500" * 2 + "C00000000" * 2),
            ),
            ("outside reversals", 95, authorisation_request(de95="000000000500" + "0" * 12 + "C00000000" * 2)),
            ("beyond positions 2, 5, 7, 12", 22, Message("1100", {22: "210050S0000C"})),
            ("other than 100, 101, 106, 200, 400, 401 and network management", 24, Message("1100", {24: "106"})),
            ("other than 4000, 4021 and 48xx of a reversal", 25, Message("1420", {24: "400", 25: "4013"})),
            ("outside reversals", 30, Message("1100", {4: "0" * 12, 30: "0" * 24})),
            ("codes that share one of 1987", 39, Message("1110", {39: "910"})),
            ("other than 40 characters", 43, Message("1100", {43: "Shop"})),
            ("beyond 25 characters", 44, Message("1110", {44: "x" * 26})),
            (
                "fees other than 28 to 31 in the currency of DE 49",
                46,
                Message("1100", {46: "70840C00000100" + "00000000C00000000000"}),
            ),
            ("in letters", 49, Message("1100", {49: "USD"})),
            ("other than eight bytes of digits", 53, Message("1100", {53: "AB"})),
            (
                "the original's DE 12, where it is not this message's",
                56,
                Message("1420", {12: "261122131156", 24: "400", 56: VALUES_1993[56]}),
            ),
            ("beyond 9999", 71, Message("1100", {71: "00010000"})),
            ("in letters", 99, Message("1100", {99: "AB"})),
        ],
    )
    def test_each_condition_loses_what_it_says(self, when: str, element: int, message: Message) -> None:
        losses = LOST_FROM_1987 if message.mti[0] == "0" else LOST_FROM_1993

        assert any(loss.when == when and element in loss.elements for loss in losses)
        assert not survives(element, message)

    def test_no_condition_is_without_an_example(self) -> None:
        [marks] = [
            mark
            for mark in self.test_each_condition_loses_what_it_says.pytestmark  # type: ignore[attr-defined]
            if mark.name == "parametrize"
        ]
        shown = {(when, message.mti[0]) for when, _, message in marks.args[1]}

        assert shown == {
            (loss.when, version)
            for version, losses in (("0", LOST_FROM_1987), ("1", LOST_FROM_1993))
            for loss in losses
            if loss.when != ALWAYS
        }


class TestLifeOfAPayment:
    """What follows an authorisation keeps its name, and says in DE 24 what it is."""

    def asked(self, **changes: str) -> Message:
        original = OriginalData("0100", "000123", "0715142530", "123456").to_de90()
        fields = {int(name.removeprefix("de")): value for name, value in ({"de90": original} | changes).items()}
        return authorisation_request().with_fields(fields)

    def test_an_increment_is_a_supplementary_authorisation_that_still_names_its_original(self) -> None:
        increment = self.asked()

        assert to_1993(increment, year=2026)[24] == "106"
        assert there_and_back(increment)[90] == increment[90]

    def test_a_pre_authorisation_has_an_estimated_amount(self) -> None:
        request = authorisation_request().with_fields({25: "06"})

        assert to_1993(request, year=2026)[24] == "101"
        assert there_and_back(request)[25] == "06"

    def test_a_request_does_not_say_that_its_original_happened_when_it_does(self) -> None:
        refund = self.asked(de3="200000").with_fields({}, mti="0200")

        assert to_1993(refund, year=2026)[56][10:22] == "0" * 12
        assert there_and_back(refund)[90] == refund[90]

    def test_no_reason_to_decline_is_an_approval(self) -> None:
        answer = authorisation_request().reply("85")

        assert to_1993(answer, year=2026)[39] == "000"
        assert there_and_back(answer)[39] == "85"
