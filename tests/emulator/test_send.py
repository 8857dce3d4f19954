"""`send`: one connection, an optional sign-on, request and response with timing; honest about silence."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emulator.cli import main
from iso import Message
from tests.support.iso_host import HangUp, foreign_host

PAN = "4242424242424242"


def approve(message: Message) -> Message | None:
    return message.reply("00") if message.is_request else None


def decline(message: Message) -> Message | None:
    return message.reply("00" if message.mti_class == "8" else "51")


def stay_silent(message: Message) -> Message | None:
    return None


def hang_up(message: Message) -> Message | None:
    raise HangUp


class TestOneMessage:
    """It exits 0 only if the answer came and says yes, or says what was expected."""

    def test_request_and_response_are_shown_masked_with_timing(self, capsys: pytest.CaptureFixture[str]) -> None:
        with foreign_host(approve) as host:
            code = main(["send", "purchase", "--to", host.address])

        shown = capsys.readouterr().out
        assert code == 0
        assert "<- 0110  00 approved  " in shown
        assert shown.count("424242******4242") == 2
        assert PAN not in shown

    @pytest.mark.parametrize("how", [[], ["--explain"], ["--json"]])
    def test_the_card_number_is_shown_only_where_it_is_asked_for(
        self, how: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with foreign_host(approve) as host:
            main(["send", "purchase", "--to", host.address, *how])
            masked = capsys.readouterr().out
            main(["send", "purchase", "--to", host.address, *how, "--reveal-test-pan"])

        assert PAN not in masked
        assert PAN in capsys.readouterr().out

    def test_what_pairs_the_answer_is_filled_in(self) -> None:
        with foreign_host(approve) as host:
            code = main(["send", "--mti", "0100", "--field", "4=100", "--stan", "7", "--to", host.address])

        (heard,) = host.heard
        assert code == 0
        assert heard.stan == "000007"
        assert heard.transmitted[:2] in {f"{month:02d}" for month in range(1, 13)}
        assert heard.amount_minor == 100

    def test_a_decline_is_a_no_unless_it_is_expected(self) -> None:
        with foreign_host(decline) as host:
            codes = [main(["send", "purchase", "--to", host.address, *more]) for more in ([], ["--expect", "51"])]

        assert codes == [1, 0]

    def test_silence_is_not_an_answer(self, capsys: pytest.CaptureFixture[str]) -> None:
        with foreign_host(stay_silent) as host:
            code = main(["send", "purchase", "--to", host.address, "--timeout", "0.2", "--json"])

        answer = json.loads(capsys.readouterr().out)
        assert code == 1
        assert answer["exchanges"][0]["outcome"] == "no answer in time"
        assert answer["exchanges"][0]["response"] is None

    def test_a_lost_connection_is_not_an_answer(self, capsys: pytest.CaptureFixture[str]) -> None:
        with foreign_host(hang_up) as host:
            code = main(["send", "echo", "--to", host.address])

        assert code == 1
        assert "<- connection lost" in capsys.readouterr().out

    def test_an_answer_to_something_else_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        with foreign_host(lambda message: message.reply("00", {11: "999999"})) as host:
            code = main(["send", "purchase", "--to", host.address, "--timeout", "0.5"])

        shown = capsys.readouterr()
        assert code == 1
        assert "note: late: " in shown.err
        assert "DE 11" in shown.err

    def test_a_request_of_the_host_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        question = Message("0420", {7: "1125161336", 11: "000042"})

        with foreign_host(lambda message: question) as host:
            code = main(["send", "purchase", "--to", host.address, "--timeout", "0.5"])

        assert code == 1
        assert "note: asked: the host sent 0420, STAN 000042" in capsys.readouterr().err

    def test_nobody_listening_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        with foreign_host(approve) as host:
            address = host.address

        code = main(["send", "echo", "--to", address])

        assert code == 1
        assert capsys.readouterr().err == f"cardrails send: tcp://{address}: no connection\n"

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (["echo", "--to", "nowhere", "--ready-file", "/nonexistent"], 2),
            (["nothing", "--to", "127.0.0.1:1"], 2),
            (["--to", "127.0.0.1:1"], 2),
            (["echo", "--to", "udp://127.0.0.1:1"], 1),
            (["echo", "--to", "127.0.0.1:1", "--framing", "len3"], 2),
        ],
    )
    def test_a_wrong_argument_is_one_line(
        self, arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["send", *arguments]) == code
        assert capsys.readouterr().err.count("\n") == 1


class TestSignOn:
    """A sign-on that was asked for comes first, and nothing follows one that is refused."""

    def test_it_comes_first(self) -> None:
        with foreign_host(approve) as host:
            code = main(["send", "purchase", "--sign-on", "--to", host.address])

        assert code == 0
        assert [(message.mti, message.get(70)) for message in host.heard] == [("0800", "001"), ("0100", None)]

    def test_a_refusal_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        with foreign_host(lambda message: message.reply("05")) as host:
            code = main(["send", "purchase", "--sign-on", "--to", host.address])

        shown = capsys.readouterr()
        assert code == 1
        assert shown.err == "cardrails send: not signed on: refused: sign-on answered 05\n"
        assert [message.mti for message in host.heard] == ["0800"]

    def test_a_dialect_without_network_management_is_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        row = {"data_enc": "ascii", "len_enc": "ascii", "len_type": 0, "max_len": 6}
        spec = {"h": {**row, "max_len": 0}, "t": {**row, "max_len": 4}, "p": {**row, "max_len": 16}, "11": row}
        own = tmp_path / "own.json"
        own.write_text(json.dumps(spec))

        with foreign_host(approve) as host:
            code = main(["send", "echo", "--dialect-file", str(own), "--sign-on", "--to", host.address])
            assert host.met.wait(10)

        line = capsys.readouterr().err
        assert (code, line.count("\n")) == (1, 1)
        assert "not signed on: unencodable: DE 7 is not defined" in line

    def test_91_without_one_gets_a_hint(self, capsys: pytest.CaptureFixture[str]) -> None:
        with foreign_host(lambda message: message.reply("91")) as host:
            main(["send", "purchase", "--to", host.address])

        assert "--sign-on" in capsys.readouterr().err


class TestSeveralMessages:
    """Each has a STAN of its own; one line each, and a summary."""

    def test_they_are_counted_and_measured(self, capsys: pytest.CaptureFixture[str]) -> None:
        with foreign_host(approve) as host:
            code = main(["send", "purchase", "--repeat", "3", "--stan", "999999", "--to", host.address])

        lines = capsys.readouterr().out.splitlines()
        assert code == 0
        assert [message.stan for message in host.heard] == ["999999", "000001", "000002"]
        assert lines[3].startswith("3 sent, 3 answered, 3 as expected; ")

    def test_a_connection_that_is_lost_ends_them(self, capsys: pytest.CaptureFixture[str]) -> None:
        with foreign_host(hang_up) as host:
            code = main(["send", "purchase", "--repeat", "3", "--to", host.address, "--json"])

        answer = json.loads(capsys.readouterr().out)
        assert code == 1
        assert answer["summary"] == {"sent": 1, "answered": 0, "as_expected": 0, "ms": {}}


class TestOtherForms:
    """A 1993 host is spoken to in its own form, whichever form the message was written in."""

    def test_a_1987_draft_is_translated(self) -> None:
        with foreign_host(approve_1993, "ebcdic93") as host:
            code = main(["send", "purchase", "--dialect", "ebcdic93", "--sign-on", "--to", host.address])

        assert code == 0
        assert [message.mti for message in host.heard] == ["1804", "1100"]

    def test_a_1993_message_is_sent_as_it_is(self, capsys: pytest.CaptureFixture[str]) -> None:
        own = '{"mti": "1100", "fields": {"4": "000000000100", "24": "101", "12": "auto", "49": "978"}}'

        with foreign_host(approve_1993, "ascii93") as host:
            code = main(["send", own, "--dialect", "ascii93", "--to", host.address, "--json"])

        (heard,) = host.heard
        assert code == 0
        assert (heard.get(24), heard.get(49)) == ("101", "978")
        assert json.loads(capsys.readouterr().out)["exchanges"][0]["code"] == "000"

    def test_over_tls(self, tmp_path: Path) -> None:
        from node.tls import TlsSettings

        certificate, key = self_signed(tmp_path)

        with foreign_host(approve, tls=TlsSettings(certificate, key)) as host:
            to = ["--to", f"tls://{host.address}"]
            codes = [main(["send", "echo", *to, "--tls-authorities", str(certificate)]), main(["send", "echo", *to])]

        assert codes == [0, 1]


def approve_1993(message: Message) -> Message | None:
    return message.reply("800" if message.mti_class == "8" else "000")


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that is its own authority, and its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "host")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form, secret = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files = folder / "host.pem", folder / "host.key"
    files[0].write_bytes(certificate.public_bytes(pem))
    files[1].write_bytes(key.private_bytes(pem, form, secret))
    return files


@pytest.mark.house
class TestAHouse:
    """A node of a running house is named, not addressed; the switch is sent MACs from the house's own HSM."""

    def test_every_node_answers(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        from tests.support.house import running_house

        ready = tmp_path / "ready.json"
        with running_house(tmp_path) as house:
            house.house.write_ready(ready)
            at = ["--ready-file", str(ready), "--json", "--timeout", "5"]
            codes = {
                "issuer-a": main(["send", "purchase", "--to", "issuer-a", *at]),
                "issuer-b": main(["send", "purchase", "--to", "issuer-b", "--field", "2=5555555555554444", *at]),
                "switch": main(["send", "purchase", "--to", "switch", *at]),
                "acquirer": main(["send", "echo", "--sign-on", "--to", "acquirer", *at]),
                "hsm": main(["send", "echo", "--to", "hsm", *at]),
            }

        assert codes == {"issuer-a": 0, "issuer-b": 0, "switch": 0, "acquirer": 0, "hsm": 2}
        assert PAN not in capsys.readouterr().out
