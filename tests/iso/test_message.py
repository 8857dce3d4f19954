"""A message knows how it is answered, repeated and shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import LocalProtocolError, Message
from iso.message import swap_tpdu
from iso.mti import is_repeat, is_request, is_response, is_valid, repeat_mti, response_mti
from iso.private import CVV2, ECI, TOKEN_CRYPTOGRAM, build_private
from tests.support.messages import TEST_PAN, VALID_MTIS, authorisation_request, network_message, pans, reversal_of

mtis = st.sampled_from(VALID_MTIS)


class TestMti:
    """A response has the function digit plus one and loses the repeat flag; common practice, also in jPOS."""

    @pytest.mark.parametrize(
        ("request_mti", "answer"),
        [
            ("0100", "0110"),
            ("0101", "0110"),
            ("0121", "0130"),
            ("0200", "0210"),
            ("0220", "0230"),
            ("0400", "0410"),
            ("0401", "0410"),
            ("0420", "0430"),
            ("0421", "0430"),
            ("0800", "0810"),
            ("1221", "1230"),
            ("1421", "1430"),
            ("1804", "1814"),
            ("1805", "1814"),
            ("0102", "0112"),
            ("0103", "0112"),
        ],
    )
    def test_the_table(self, request_mti: str, answer: str) -> None:
        assert response_mti(request_mti) == answer

    @given(mti=mtis)
    def test_a_repeat_is_answered_like_its_first_copy(self, mti: str) -> None:
        if not is_request(mti):
            return

        assert response_mti(repeat_mti(mti)) == response_mti(mti)
        assert is_repeat(repeat_mti(mti))
        assert is_response(response_mti(mti))

    @pytest.mark.parametrize("mti", ["0110", "0430", "0000", "010", "01000", "x100", "०१००", ""])
    def test_nothing_answers_a_response_or_an_unknown_mti(self, mti: str) -> None:
        with pytest.raises(LocalProtocolError):
            response_mti(mti)
        with pytest.raises(LocalProtocolError):
            repeat_mti(mti)

    @given(text=st.text(max_size=5))
    def test_any_text_has_an_answer_to_is_valid(self, text: str) -> None:
        assert is_valid(text) in (True, False)


class TestReply:
    """A response echoes what identifies its request, adds DE 39, and goes back where the request came from."""

    def test_it_echoes_what_it_must_and_nothing_secret(self) -> None:
        request = authorisation_request(de48="01003123", de52="0123456789ABCDEF", de55="9F3602001A")

        answer = request.reply("00", {38: "123456"})

        assert answer.mti == "0110"
        assert set(answer.fields) == {2, 3, 4, 7, 11, 12, 13, 32, 37, 38, 39, 41, 42, 49}
        assert all(answer[element] == request[element] for element in set(answer.fields) - {38, 39})

    def test_a_reversal_echoes_its_original_elements(self) -> None:
        reversal = reversal_of(authorisation_request())

        answer = reversal.as_repeat().reply("00")

        assert (answer.mti, answer[90]) == ("0430", reversal[90])

    def test_a_network_message_echoes_its_code(self) -> None:
        assert network_message("001").reply("00") == Message(
            "0810", {7: "1122131155", 11: "000007", 39: "00", 70: "001"}
        )

    def test_an_extra_replaces_or_drops_an_echo(self) -> None:
        answer = authorisation_request().reply("10", {4: "000000000500", 2: None})

        assert (answer.amount_minor, 2 in answer) == (500, False)

    def test_the_tpdu_is_turned_round(self) -> None:
        request = authorisation_request().with_header("6000010002")

        assert request.reply("00").header == "6000020001"
        assert swap_tpdu("") == ""

    def test_a_response_has_no_reply(self) -> None:
        with pytest.raises(LocalProtocolError):
            authorisation_request().reply("00").reply("00")


class TestImmutability:
    """A message never changes; a change is another message."""

    def test_the_fields_cannot_be_written(self) -> None:
        message = authorisation_request()

        with pytest.raises(TypeError):
            message.fields[4] = "000000000001"  # type: ignore[index]
        with pytest.raises(AttributeError):
            message.mti = "0200"  # type: ignore[misc]

    def test_the_callers_dictionary_stays_the_callers(self) -> None:
        fields = {11: "000001"}
        message = Message("0800", fields)

        fields[11] = "000002"

        assert message.stan == "000001"

    def test_equality_is_of_mti_and_elements_not_of_the_header(self) -> None:
        message = authorisation_request()

        assert message == message.with_header("6000010002")
        assert hash(message) == hash(message.with_header("6000010002"))
        assert message != message.with_fields({4: "000000000001"})
        assert message != message.with_fields({}, mti="0200")

    def test_changes_add_replace_and_drop(self) -> None:
        message = Message("0100", {3: "000000", 11: "000001"}, "6000010002")

        changed = message.with_fields({3: None, 11: "000002", 4: "000000000001"}, mti="0200")

        assert changed == Message("0200", {11: "000002", 4: "000000000001"})
        assert changed.header == "6000010002"

    def test_a_mac_is_left_behind(self) -> None:
        assert authorisation_request(de64="11" * 8).without_mac() == authorisation_request()


class TestAccessors:
    """An absent element reads as empty, so that a peer's omission is never an exception."""

    def test_of_a_full_message(self) -> None:
        request = authorisation_request(de41="TERM1   ")

        assert (request.pan, request.amount_minor, request.terminal) == (TEST_PAN, 1999, "TERM1")
        assert (request.acquirer_id, request.merchant, request.currency) == ("123456", "MERCHANT0000001", "840")
        assert (request.is_request, request.is_response, request.is_repeat, request.mti_class) == (
            True,
            False,
            False,
            "1",
        )
        assert request.as_repeat().is_repeat

    def test_of_an_empty_one(self) -> None:
        empty = Message("0110", {})

        assert (empty.pan, empty.amount_minor, empty.stan, empty.response_code) == ("", 0, "", "")
        assert (empty.rrn, empty.transmitted, empty.processing_code, empty.authorisation_code) == ("", "", "", "")
        assert empty.get(39) is None

    def test_an_amount_that_is_none_is_our_mistake(self) -> None:
        with pytest.raises(LocalProtocolError):
            _ = Message("0100", {4: "12.50"}).amount_minor


class TestShowing:
    """No card number, track, PIN block, CVV2, cryptogram or expiry is ever shown."""

    @pytest.mark.parametrize("show", [repr, str, "{}".format])
    def test_secrets_are_masked(self, show: Callable[[Message], str]) -> None:
        private = build_private({CVV2: "917", TOKEN_CRYPTOGRAM: "1122334455667788", ECI: "05"})
        message = authorisation_request(
            de14="3112",
            de35="4242424242424242=31121010000",
            de45="B4242424242424242^DOE/JANE^3112",
            de48=private,
            de52="0123456789ABCDEF",
            de55="5A084242424242424242",
            de62="card 4242424242424242",
        )

        shown = show(message)

        assert "2: '424242******4242'" in shown
        assert "01003***05016****************0600205" in shown
        assert not [secret for secret in (TEST_PAN, "3112", "917", "11223344", "89ABCDEF", "5A08") if secret in shown]

    def test_a_foreign_48_is_hidden_whole(self) -> None:
        assert authorisation_request(de48="CVV=123").masked()[48] == "*******"

    @given(pan=pans(), element=st.sampled_from([2, 34, 35, 36, 43, 45, 46, 48, 55, 60, 63, 102, 120, 125]))
    def test_a_card_number_is_hidden_wherever_it_is(self, pan: str, element: int) -> None:
        assert pan not in repr(Message("0100", {element: pan}))


class TestPicking:
    """Callers that need some elements say which, and get a dictionary that is theirs."""

    @given(st.sets(st.integers(2, 128)), st.lists(st.integers(2, 128), unique=True))
    def test_only_what_is_there_comes_in_the_order_that_was_asked_for(self, there: set[int], asked: list[int]) -> None:
        message = Message("0100", {element: str(element) for element in there})

        assert list(message.only(asked).items()) == [(element, str(element)) for element in asked if element in there]

    @given(st.sets(st.integers(2, 128)), st.lists(st.integers(2, 128), unique=True))
    def test_the_first_that_is_lacking_is_named(self, there: set[int], asked: list[int]) -> None:
        message = Message("0100", dict.fromkeys(there, ""))

        assert message.lacks(asked) == next((element for element in asked if element not in there), None)

    def test_a_change_to_what_was_picked_does_not_change_the_message(self) -> None:
        message = Message("0100", {11: "000001"})

        message.only([11])[11] = "000002"

        assert message.stan == "000001"
