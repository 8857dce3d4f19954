"""`conform`: a suite is played against a scripted host; what differs is explained, and never hidden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import anyio
import pytest

from emulator.cli import main
from emulator.conform.macs import KeyProtector
from iso import Message
from tests.support.iso_host import HangUp, Script, foreign_host

PAN = "4242424242424242"
HEAD = """
name = "mine"
timeout_s = 0.4
[variables]
pan = "4242424242424242"
[messages.purchase]
mti = "0100"
fields = { 2 = "${pan}", 3 = "0", 4 = "1250", 7 = "auto", 11 = "auto", 49 = "840" }
"""


def case(*steps: str, name: str = "one") -> str:
    listed = ",\n".join(steps)
    return f'[[cases]]\nname = "{name}"\nsteps = [\n{listed}\n]\n'


SEND = '{ do = "send", message = "purchase", save = "request" }'
APPROVED = '{ do = "expect", mti = "0110", answers = "request", where = [\'code == "00"\'], save = "answer" }'
PURCHASE = case('{ do = "sign-on" }', SEND, APPROVED)


def approve(message: Message) -> Message | None:
    return message.reply("00", {38: "AB1234"} if message.mti_class == "1" else None)


def decline(message: Message) -> Message | None:
    return message.reply("00" if message.mti_class == "8" else "51")


class Played:
    """What one run came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.err = err
        self.out = out
        self.cases: list[dict[str, Any]] = json.loads(out)["cases"] if out.startswith("{") else []

    @property
    def why(self) -> str:
        """Why the first case did not hold."""
        return str(self.cases[0]["why"])


@pytest.fixture
def play(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Write a suite, play it against a scripted host, and return what came of it."""

    def played(cases: str, script: Script = approve, *words: str, speaks: str = "ascii87") -> Played:
        file = tmp_path / "mine.toml"
        file.write_text(HEAD + cases)
        with foreign_host(script, speaks) as host:
            ends = ["--role", "acquirer", "--target", host.address, "--dialect", speaks]
            code = main(["conform", str(file), *ends, *(words or ("--json",))])
        captured = capsys.readouterr()
        return Played(code, captured.out, captured.err)

    return played


class TestPassing:
    """A host that does what the suite says gets exit code 0."""

    @pytest.mark.parametrize("speaks", ["ascii87", "ebcdic93", "pos-bcd87"])
    def test_in_any_dialect(self, play: Any, speaks: str) -> None:
        played = play(PURCHASE, in_1993(approve) if speaks == "ebcdic93" else approve, speaks=speaks)

        assert (played.code, played.cases[0]["verdict"], played.cases[0]["step"]) == (0, "passed", 0)
        assert [message["direction"] for message in played.cases[0]["messages"]] == ["out", "in"] * 2

    def test_what_came_can_be_said_again(self, play: Any) -> None:
        heard: list[Message] = []

        def script(message: Message) -> Message | None:
            heard.append(message)
            return approve(message)

        undo = '{ do = "send", message = "purchase", mti = "0420", fields = { 38 = "${answer.38}", '
        undo += '90 = "${request.original}", 49 = "" }, save = "undo" }'
        played = play(
            case('{ do = "sign-on" }', SEND, APPROVED, undo, '{ do = "expect", mti = "0430", answers = "undo" }'),
            script,
        )

        assert played.code == 0, played.why
        assert heard[-1].get(38) == "AB1234"
        assert heard[-1].get(90, "").startswith(f"0100{heard[-2].stan}{heard[-2].transmitted}")
        assert 49 not in heard[-1]

    def test_the_hosts_own_questions_do_not_disturb(self, play: Any) -> None:
        def script(message: Message) -> Message | None:
            return Message("0800", {7: "1122131155", 11: "000099", 70: "301"}) if message.mti == "0100" else None

        waits = case('{ do = "connect" }', SEND, '{ do = "nothing", for_s = 0.2 }')
        played = play(waits, script)

        assert played.code == 0
        assert [message["mti"] for message in played.cases[0]["messages"]] == ["0100", "0800", "0810"]

    def test_some_messages_can_be_passed_over(self, play: Any) -> None:
        expect = APPROVED.replace(" }", ", skip = 'stan == \"${first.11}\"' }")
        played = play(case('{ do = "connect" }', SEND.replace("request", "first"), SEND, expect))

        assert played.code == 0, played.why
        assert [message["mti"] for message in played.cases[0]["messages"]].count("0110") == 2

    def test_a_close_can_be_expected(self, play: Any) -> None:
        def script(message: Message) -> Message | None:
            raise HangUp

        assert play(case('{ do = "connect" }', SEND, '{ do = "closed" }'), script).code == 0
        assert "did not close" in play(case('{ do = "connect" }', SEND, '{ do = "closed" }')).why


def in_1993(script: Script) -> Script:
    """Let a script of the 1987 form answer as a host of 1993 does."""

    def answer(message: Message) -> Message | None:
        if message.mti == "1804":
            return message.reply("800")
        return message.reply("000", {38: "AB1234"})

    return answer


class TestFailing:
    """The report says which step, which condition, and what was there instead; exit code 1."""

    @pytest.mark.parametrize(
        ("script", "step", "why"),
        [
            (decline, 3, 'code == "00" does not hold: DE 39 is "51" (insufficient funds)'),
            (lambda message: approve(message) if message.mti_class == "8" else None, 3, "no message came within 0.4 s"),
            (lambda message: message.reply("91"), 1, "0810 with DE 39 = 00 expected, 0810 with 91 came"),
            (
                lambda message: (approve(message) or message).with_fields({11: "999999"}),
                3,
                'it does not answer request: DE 11 is "999999"',
            ),
            (
                lambda message: Message("0130", {}) if message.mti_class == "1" else approve(message),
                3,
                "0110 expected, 0130 came",
            ),
        ],
    )
    def test_by_a_host_that_is_wrong(self, play: Any, script: Script, step: int, why: str) -> None:
        played = play(PURCHASE, script)

        assert (played.code, played.cases[0]["verdict"], played.cases[0]["step"]) == (1, "failed", step)
        assert why in played.why

    def test_a_lost_connection_is_named(self, play: Any) -> None:
        def script(message: Message) -> Message | None:
            if message.mti_class == "1":
                raise HangUp
            return approve(message)

        assert play(PURCHASE, script).why == "no message came: the host closed the connection"

    def test_something_came_where_nothing_was_expected(self, play: Any) -> None:
        quiet = case('{ do = "connect" }', SEND, '{ do = "nothing", for_s = 0.4 }')
        filtered = case('{ do = "connect" }', SEND, '{ do = "nothing", for_s = 0.2, where = [\'mti == "0420"\'] }')

        assert play(quiet).why == "0110 came, and nothing was expected for 0.4 s"
        assert play(filtered).code == 0

    def test_an_answer_that_differs_from_the_first_one(self, play: Any) -> None:
        count = iter(range(10))

        def script(message: Message) -> Message | None:
            return message.reply("00", {38: f"AB000{next(count)}"})

        again = '{ do = "send", copy_of = "request" }', '{ do = "expect", mti = "0110", same_as = "answer" }'
        played = play(case('{ do = "connect" }', SEND, APPROVED, *again), script)

        assert played.why == 'it is not the same as answer: DE 38 is "AB0001", "AB0000" is saved'

    def test_both_messages_are_shown_decoded_and_masked(self, play: Any) -> None:
        played = play(PURCHASE, decline, "--verbose")

        assert played.code == 1
        assert "failed   one" in played.out
        assert "step 3, expect 0110 (acquirer): code ==" in played.out
        assert played.out.count("424242******4242") == 2
        assert "<== this one" in played.out
        assert PAN not in played.out + played.err

    def test_the_other_cases_are_played_all_the_same(self, play: Any) -> None:
        second = case('{ do = "sign-on" }', name="two")

        played = play(PURCHASE + second, decline)

        assert [one["verdict"] for one in played.cases] == ["failed", "passed"]
        assert played.code == 1

    def test_a_host_that_is_not_there(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "mine.toml"
        file.write_text(HEAD + PURCHASE)

        code = main(["conform", str(file), "--role", "acquirer", "--target", "127.0.0.1:1"])

        assert code == 1
        assert "no connection" in capsys.readouterr().out

    def test_a_port_that_is_taken(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "mine.toml"
        file.write_text(HEAD + PURCHASE)

        with foreign_host(approve) as host:
            code = main(["conform", str(file), "--role", "acquirer", "--listen", f"tcp://{host.address}"])

        assert code == 1
        assert "cannot listen" in capsys.readouterr().err


class TestSkipping:
    """What a run has no end or no MAC for is skipped, and a run of nothing is not a pass."""

    def test_a_case_for_an_end_that_is_not_there(self, play: Any) -> None:
        played = play(case('{ do = "connect", at = "issuer" }'))

        assert (played.code, played.cases[0]["verdict"]) == (1, "skipped")
        assert played.why == "it needs an end as issuer, and there is none"

    def test_a_bad_mac_on_a_link_without_macs(self, play: Any) -> None:
        bad = SEND.replace(" }", ', mac = "bad" }')

        played = play(PURCHASE + case('{ do = "connect" }', bad, name="two"))

        assert [one["verdict"] for one in played.cases] == ["passed", "skipped"]
        assert played.code == 0


class TestWrongOnPurpose:
    """A step can send what no link of ours would."""

    @pytest.mark.parametrize(
        ("step", "sees"),
        [
            ('{ do = "send", message = "purchase", spoil = { 49 = "FF" } }', "no message came"),
            ('{ do = "send", message = "purchase", cut = 3 }', "no message came"),
            ('{ do = "send", message = "purchase", spoil = { 49 = "FFFFFFFF" } }', "DE 49 has not 4 bytes to spoil"),
            ('{ do = "send", message = "purchase", fields = { 49 = "euro" } }', "it cannot be sent in ascii87: DE 49"),
        ],
    )
    def test_what_is_broken_is_broken_on_the_wire(self, play: Any, step: str, sees: str) -> None:
        played = play(case('{ do = "sign-on" }', step, APPROVED.replace('answers = "request", ', "")))

        assert sees in played.why

    def test_raw_bytes(self, play: Any) -> None:
        echo = "08008220000000000000040000000000000011251613360002553" + "01"
        raw = f'{{ do = "send", raw = "{echo.encode().hex()}" }}'

        played = play(case('{ do = "connect" }', raw, '{ do = "expect", mti = "0810" }'))

        assert played.code == 0, played.why


class TestReports:
    """A build server reads JUnit; nothing in it breaks the file or shows a card."""

    def test_junit(self, play: Any, tmp_path: Path) -> None:
        file = tmp_path / "report.xml"
        script = lambda message: message.reply("00" if message.mti_class == "8" else "51", {44: "<&>"})  # noqa: E731

        play(PURCHASE + case('{ do = "sign-on" }', name="two"), script, "--junit", str(file))

        root = ElementTree.parse(file).getroot()
        assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("2", "1", "0")
        failure = root.find("testcase/failure")
        assert failure is not None
        assert "DE 39 is" in (failure.get("message") or "")
        assert "424242******4242" in (failure.text or "")
        assert PAN not in file.read_text()


class TestSecrets:
    """No secret of a saved message is shown: a condition stands as the suite writes it, and what is told is masked."""

    @pytest.mark.parametrize("form", ["--json", "--junit", "--verbose"])
    @pytest.mark.parametrize(
        ("where", "why"),
        [
            ('de48 == "${request.48}"', "does not hold: DE 48 is absent"),
            ('de48.01 == "${request.48}"', "does not hold: DE 48 is absent"),
            ('de2 == "${request.2}0"', 'does not hold: DE 2 is "424242******4242"'),
        ],
    )
    def test_neither_a_cvv2_nor_a_card_number(self, play: Any, tmp_path: Path, where: str, why: str, form: str) -> None:
        private, file = "01003737", tmp_path / "report.xml"
        send = SEND.replace(" }", f', fields = {{ 48 = "{private}" }} }}')
        tell = '{ do = "tell", text = "${request.4} on ${request.2} with ${request.48}, or ${pan}" }'
        expect = f'{{ do = "expect", mti = "0110", where = [\'{where}\'] }}'

        played = play(case('{ do = "sign-on" }', send, tell, expect), approve, form, *[str(file)] * (form == "--junit"))

        shown = played.out + played.err + (file.read_text() if file.exists() else "")
        assert played.code == 1
        assert not played.cases or played.why == f"{where} {why}"
        assert "000000001250 on 424242******4242 with 01003***, or 424242******4242" in played.err
        assert private not in shown
        assert PAN not in shown


class TestMacKeys:
    """With a test key in a file nobody needs an HSM."""

    @pytest.mark.parametrize(("algorithm", "length"), [("cmac", 16), ("cmac", 32), ("retail", 16)])
    def test_what_is_sealed_is_believed_and_nothing_else(self, algorithm: Any, length: int) -> None:
        async def scenario() -> list[int] | None:
            protector = KeyProtector(bytes(range(1, length + 1)), algorithm)
            [sealed] = await protector.seal([b"0800 some message" + bytes(8)]) or []
            return await protector.verify([sealed, sealed[:-1] + bytes([sealed[-1] ^ 1]), b"x"])

        assert anyio.run(scenario) == [1, 0, 0]

    def test_the_key_is_not_in_its_repr(self) -> None:
        assert repr(KeyProtector(b"\x11" * 16, "cmac")) == "KeyProtector(***)"
