"""A terminal's memory: what it counts, what it owes, and what it says about its payments."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banks.core.batches import ELEMENTS
from emulator.chip.paying import stored
from emulator.chip.sales import Asked, advice_of, completion_of, refund_of, request_of, reversal_of, sale_of, totals_of
from emulator.chip.till import SALES_MAX, Counts, Duty, Sale, Till, concluded
from emulator.chip.till_file import Kept, read_till
from emulator.cli import main
from iso import Message, decode, dialect, encode
from iso.original import OriginalData
from iso.private import CAPTURE, build_private, parse_private
from tests.support.conform import free_port

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
PAN = "4242424242424242"
CARD = {2: PAN, 22: "051", 25: "00", 35: f"{PAN}=30122011838900", 52: "0123456789ABCDEF", 55: "9F2608AABBCCDDEEFF0011"}
TILL = Till("CARDTPK1", "RAILSCOFFEE0001")


def asked(deed: str = "purchase", amount_minor: int = 1_250, cashback_minor: int = 0) -> Asked:
    return Asked(deed, amount_minor, "840", AT, AT, cashback_minor)


def sold(deed: str = "purchase", stan: str = "000001", amount_minor: int = 1_250) -> Sale:
    request = request_of(TILL, asked(deed, amount_minor), CARD, stan)
    return sale_of(deed, request, request.reply("00", {37: f"607309{stan}", 38: "A00001"}), PAN[-4:])


class TestMessages:
    """Each deed is one message that the acquirer's dialect can carry and that names what it is about."""

    @pytest.mark.parametrize(
        ("deed", "mti", "kind"),
        [
            ("purchase", "0200", "000000"),
            ("cash", "0200", "010000"),
            ("cashback", "0200", "090000"),
            ("refund", "0200", "200000"),
            ("preauth", "0100", "000000"),
            ("balance", "0100", "310000"),
            ("pin-change", "0100", "920000"),
        ],
    )
    def test_a_deed_says_what_it_wants(self, deed: str, mti: str, kind: str) -> None:
        request = request_of(TILL, asked(deed), CARD, "000007")
        spoken = dialect("pos-bcd87")

        read = decode(encode(request, spoken), spoken)

        assert (read.mti, read.processing_code, read.stan) == (mti, kind, "000007")
        assert (read.terminal, read.merchant, read.amount_minor) == ("CARDTPK1", "RAILSCOFFEE0001", 1_250)

    def test_a_reservation_says_that_its_amount_is_not_final(self) -> None:
        assert request_of(TILL, asked("preauth"), CARD, "000001")[25] == "06"

    def test_the_notes_of_a_cashback_are_a_part_of_the_amount(self) -> None:
        request = request_of(TILL, asked("cashback", 2_000, cashback_minor=500), CARD, "000001")

        assert (request.amount_minor, request[54]) == (2_000, "0040840C000000000500")

    def test_later_messages_name_the_payment_and_bring_no_card(self) -> None:
        sale = sold("preauth")
        original = request_of(TILL, asked("preauth"), CARD, "000001")

        part = completion_of(TILL, sale, asked("complete", 500), "000002", is_final=False)
        back = reversal_of(TILL, sale, asked(), "000003", "17", remains_minor=400)

        assert {message[90] for message in (part, back)} == {OriginalData.of(original).to_de90()}
        assert (parse_private(part[48])[CAPTURE], back[95][:12]) == ("01P", "000000000400")
        assert not [message for message in (part, back) if {2, 35, 52, 55} & set(message.fields)]

    def test_a_refund_names_what_it_gives_back(self) -> None:
        sale = sold()

        refund = refund_of(request_of(TILL, asked("refund"), CARD, "000002"), sale)

        assert (refund.rrn, refund[90]) == (sale.rrn, sale.named())

    def test_what_is_stored_of_an_advice_holds_no_secret(self) -> None:
        request = request_of(TILL, asked(), {**CARD, 48: build_private({"01": "737", "19": "FFFF"})}, "000001")

        kept = stored(advice_of(request))

        assert (kept.mti, kept[39]) == ("0220", "00")
        assert not {2, 14, 35, 52, 53} & set(kept.fields)
        assert "01" not in parse_private(kept[48])


class TestCounting:
    """What the batch says is what has moved: a reservation has not, and what is taken back counts on its own side."""

    @given(st.lists(st.tuples(st.sampled_from(["purchase", "refund", "preauth"]), st.integers(1, 9_999)), max_size=12))
    def test_it_is_the_sum_of_what_was_sold(self, deeds: list[tuple[str, int]]) -> None:
        till = TILL
        for number, (deed, amount_minor) in enumerate(deeds):
            till = till.sold(sold(deed, f"{number:06}", amount_minor))

        counts = till.counts.get("840", Counts())

        assert counts.debits_minor == sum(amount for deed, amount in deeds if deed == "purchase")
        assert counts.credits == sum(deed == "refund" for deed, _ in deeds)
        assert counts.debits + counts.credits == sum(deed != "preauth" for deed, _ in deeds)

    def test_what_is_taken_back_is_counted_on_the_other_side_once(self) -> None:
        till = TILL.sold(sold())
        undo = Duty(reversal_of(till, till.sales[0], asked(), "000002", "17"))
        yes = undo.message.reply("00")

        once = concluded(till.owing(undo), undo, yes)
        twice = concluded(once.owing(undo), undo, yes)

        assert once.counts == twice.counts == {"840": Counts(0, 0, 1, 1_250, 1, 1_250, 0, 0)}
        assert once.find("607309000001") is None

    def test_a_part_leaves_the_rest(self) -> None:
        till = TILL.sold(sold())
        undo = Duty(reversal_of(till, till.sales[0], asked(), "000002", "17", remains_minor=1_000))

        after = concluded(till.owing(undo), undo, undo.message.reply("00"))

        assert (after.sales[0].amount_minor, after.sales[0].is_reversed) == (1_000, False)
        assert after.counts["840"].credit_reversals_minor == 250

    def test_a_capture_counts_and_the_reservation_knows(self) -> None:
        till = TILL.sold(sold("preauth"))
        duty = Duty(completion_of(till, till.sales[0], asked("complete", 500), "000002", is_final=False))

        after = concluded(till.owing(duty), duty, duty.message.reply("00"))

        assert (after.sales[0].captures, after.sales[0].captured_minor) == (1, 500)
        assert after.counts["840"].debits_minor == 500

    @pytest.mark.parametrize("code", ["25", "64"])
    def test_what_is_refused_moves_nothing_and_is_owed_no_longer(self, code: str) -> None:
        till = TILL.sold(sold("preauth"))
        duty = Duty(completion_of(till, till.sales[0], asked("complete", 500), "000002", is_final=True))

        after = concluded(till.owing(duty), duty, duty.message.reply(code))

        assert (after.duties, after.counts) == ((), {})

    def test_the_totals_say_it_in_the_elements_of_the_standard(self) -> None:
        till = TILL.sold(sold()).sold(sold("refund", "000002", 250))

        message = totals_of(till, "840", asked(), "000003")

        assert (message.mti, message[60], message[97]) == ("0500", "000001", "D0000000000001000")
        assert (message[74], message[76], message[88]) == ("0000000001", "0000000001", "0000000000001250")

    @pytest.mark.parametrize("till", [TILL, TILL.sold(sold()).next_batch(), TILL.sold(sold("preauth"))])
    def test_a_batch_in_which_nothing_has_moved_says_so_in_every_figure(self, till: Till) -> None:
        message = totals_of(till, "840", asked(), "000003")

        assert {element: int(message[element].lstrip("CD")) for element in ELEMENTS} == dict.fromkeys(ELEMENTS, 0)


class TestMemory:
    """It is bounded, numbers go round, and a restart finds everything."""

    def test_the_oldest_payments_are_forgotten(self) -> None:
        till = TILL
        for number in range(SALES_MAX + 5):
            till = till.sold(sold(stan=f"{number:06}"))

        assert (len(till.sales), till.find("607309000004")) == (SALES_MAX, None)

    def test_a_stan_is_never_zero(self) -> None:
        stan, till = TILL._replace(stan=999_999).numbered()

        assert (stan, till.stan) == ("000001", 1)

    def test_what_is_owed_is_repeated_as_a_repeat(self) -> None:
        duty = Duty(reversal_of(TILL, sold(), asked(), "000002", "68"))
        till = TILL.owing(duty).tried(duty)

        assert (duty.next_message().mti, till.duties[0].next_message().mti) == ("0420", "0421")

    def test_it_comes_back_from_its_file_as_it_was(self, tmp_path: Path) -> None:
        duty = Duty(Message("0420", {7: "0314092653", 11: "000002", 90: sold().named()}), last4="4242", attempts=2)
        till = TILL.sold(sold()).sold(sold("preauth", "000009")).owing(duty)
        Kept(tmp_path / "till.json", till, None, None, "").write()

        kept = read_till(tmp_path / "till.json")

        assert kept is not None
        assert kept.till == till
        assert PAN not in (tmp_path / "till.json").read_text()


class TestTheCommandLine:
    """What cannot be done is said in one line, with exit code 2."""

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            (["batch"], "running house"),
            (["batch", "--host", "127.0.0.1"], "--port"),
            (["batch", "--host", "127.0.0.1", "--port", "1"], "--merchant"),
            (["pin-change", "--card", "card.json", "--new-pin", "1234"], "--pin"),
        ],
    )
    def test_what_is_missing_is_named(
        self,
        words: list[str],
        problem: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)

        code = main(["terminal", *words])

        assert (code, problem in capsys.readouterr().err) == (2, True)

    @pytest.mark.parametrize(
        ("words", "option"),
        [
            *[([deed, "--amount", "0"], "--amount") for deed in ("purchase", "cash", "preauth", "refund")],
            (["cashback", "--amount", "0.00", "--cashback", "0"], "--amount"),
            (["cashback", "--amount", "5.00", "--cashback", "0"], "--cashback"),
            (["complete", "--amount", "0.00"], "--amount"),
            (["complete", "--payment", "000002"], "--payment"),
        ],
    )
    def test_nothing_is_no_amount(
        self,
        words: list[str],
        option: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        main(["cards", "issue", "--bin", "400000", "--emv", "--out", "card.json"])
        captured = sold("preauth", "000002")._replace(captures=1, captured_minor=1_250)
        till = TILL.sold(captured).sold(sold("preauth", "000001"))
        Kept(tmp_path / "CARDTPK1.json", till, None, None, "").write()
        card = [] if words[0] == "complete" else ["--card", "card.json"]
        capsys.readouterr()

        code = main(
            ["terminal", *words, *card, "--host", "127.0.0.1", "--port", str(free_port()), "--merchant", "SHOP"]
        )

        said = capsys.readouterr().err
        assert (code, option in said, said.count("\n")) == (2, True, 1), said
        kept = read_till(tmp_path / "CARDTPK1.json")
        assert kept is not None
        assert kept.till == till

    def test_an_acquirer_that_is_not_there_is_not_owed_anything(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        main(["cards", "issue", "--bin", "400000", "--emv", "--out", "card.json"])
        words = ["--host", "127.0.0.1", "--port", str(free_port()), "--merchant", "SHOP", "--json"]
        capsys.readouterr()

        code = main(["terminal", "purchase", "--card", "card.json", "--amount", "1.00", *words])

        said = json.loads(capsys.readouterr().out)
        assert (code, said["outcome"], said["owed"]) == (1, "not sent", 0)
        assert said["chip"]["last"]["kind"] == "AAC"
