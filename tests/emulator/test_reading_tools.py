"""`decode`, `encode` and `explain`: bytes to fields and back, every byte accounted for, nothing secret shown."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.cli import main
from emulator.drafts import TEMPLATE_NAMES, read_draft
from emulator.explain import explain
from emulator.meaning import meaning_of
from emulator.render import explanation_lines
from iso import CardrailsError, Message, decode, dialect, encode, framing
from iso.dialects import DIALECT_NAMES

PAN, CVV2, TRACK, EXPIRY, PIN_BLOCK = (
    "4242424242424242",
    "917",
    "4242424242424242=30121010000012345678",
    "3012",
    "AB" * 8,
)
SECRETS = (PAN, TRACK, PIN_BLOCK, f"01003{CVV2}")
CHIP = "9F3602001A" + "9A03261122" + f"5A08{PAN}"
FULL = Message(
    "0100",
    {
        2: PAN,
        3: "312000",
        4: "000000001999",
        7: "1125161336",
        11: "000001",
        14: EXPIRY,
        22: "051",
        35: TRACK,
        39: "51",
        48: f"01003{CVV2}" + "0600205" + "13005trace",
        49: "840",
        52: PIN_BLOCK,
        54: "0002840D000000001999",
        55: CHIP,
        60: f"card {PAN}",
        90: "010000000111251613360000040000100000000000",
    },
)
SPEAK_1987 = [name for name in DIALECT_NAMES if dialect(name).version == "1987"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    answer: dict[str, object] = json.loads(out)
    return answer


class TestLightCommands:
    """What reads and writes bytes starts at once: it loads no database, web framework, event loop or cryptography."""

    @pytest.mark.parametrize("command", ["decode", "encode", "explain", "identify"])
    def test_it_imports_only_the_language(self, command: str) -> None:
        given_ = {"encode": "echo"}.get(command, "30383030")
        heavy = ("sqlalchemy", "fastapi", "pydantic", "anyio", "asyncio", "cryptography", "httpx")
        program = (
            f"import sys\nfrom emulator.cli import main\nmain([{command!r}, {given_!r}])\n"
            f"print([module for module in {heavy} if module in sys.modules])"
        )

        shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

        assert shown.stdout.splitlines()[-1] == "[]"


class TestInput:
    """Bytes are taken in the forms in which people have them."""

    @pytest.mark.parametrize(
        "text",
        [
            "30383030 8220",
            "30:38:30:30:82:20",
            "0x30 0x38 0x30 0x30 0x82 0x20",
            r"\x30\x38\x30\x30\x82\x20",
            "00000000  30 38 30 30 82 20                                 |0800. |\n00000006\n",
        ],
    )
    def test_hexadecimal_of_every_habit(self, text: str, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = run(capsys, "decode", text)

        assert code == 1
        assert "at byte 4" in err

    def test_standard_input(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(encode(FULL, dialect("ascii87")).hex()))

        code, out, _ = run(capsys, "decode", "-")

        assert code == 0
        assert "MTI  0100" in out

    def test_bytes_with_a_length_in_front_say_so(self, capsys: pytest.CaptureFixture[str]) -> None:
        framed = framing("len2-be").encode(encode(FULL, dialect("ascii87")))

        code, _, err = run(capsys, "explain", framed.hex())

        assert code == 1
        assert "with --framed it is a message" in err

    def test_an_unknown_dialect_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = run(capsys, "explain", "00", "--dialect", "ascii78")

        assert code == 2
        assert err.count("\n") == 1


class TestEncode:
    """`encode` writes what `decode --json` shows, templates, and single elements."""

    @pytest.mark.parametrize("name", SPEAK_1987)
    def test_it_undoes_decode(
        self, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        data = encode(FULL, dialect(name)).hex().upper()
        _, shown, _ = run(capsys, "decode", data, "--dialect", name, "--json", "--reveal-test-pan")
        monkeypatch.setattr(sys, "stdin", io.StringIO(shown))

        code, out, _ = run(capsys, "encode", "-", "--dialect", name)

        assert code == 0
        assert out.strip() == data

    def test_elements_are_filled_to_their_length(self, capsys: pytest.CaptureFixture[str]) -> None:
        answer = run_json(
            capsys, "encode", "--mti", "0100", "--field", "4=1000", "--field", "41=T1", "--field", "49=840", "--framed"
        )

        frame = bytes.fromhex(str(answer["hex"]))
        message = decode(framing("len2-be").decoder().feed(frame)[0], dialect("ascii87"))
        assert message.fields == {4: "000000001000", 41: "T1      ", 49: "840"}

    def test_parts_are_added_and_replaced(self, capsys: pytest.CaptureFixture[str]) -> None:
        parts = ["48.13=one", "48.06=07", "48.13=three", "55.9F36=001A"]
        options = [word for part in parts for word in ("--field", part)]

        answer = run_json(capsys, "encode", "--mti", "0100", *options)

        message = decode(bytes.fromhex(str(answer["hex"])), dialect("ascii87"))
        assert message.fields == {48: "13005three" + "0600207", 55: "9F3602001A"}

    def test_an_empty_value_drops_an_element(self, capsys: pytest.CaptureFixture[str]) -> None:
        answer = run_json(capsys, "encode", "purchase", "--field", "14=")

        assert 14 not in decode(bytes.fromhex(str(answer["hex"])), dialect("ascii87"))

    @pytest.mark.parametrize("template", TEMPLATE_NAMES)
    @pytest.mark.parametrize("name", ["pos-bcd87", "ascii87", "ebcdic93", "bcd93", "base1"])
    def test_every_template_can_be_written(self, template: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        answer = run_json(capsys, "encode", template, "--dialect", name)

        assert decode(bytes.fromhex(str(answer["hex"])), dialect(name)).stan == "000001"

    def test_files_and_the_form_of_pyiso8583(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        toml, spec = tmp_path / "echo.toml", tmp_path / "echo.json"
        toml.write_text('mti = "0800"\n[fields]\n11 = "000001"\n70 = "301"\n')
        spec.write_text(json.dumps({"h": "", "t": "0800", "p": "8220", "1": "04", "11": "000001", "70": "301"}))

        written = [run(capsys, "encode", str(file))[1] for file in (toml, spec)]

        assert written[0] == written[1] != ""

    def test_raw_writes_bytes(self, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        code = main(["encode", "--mti", "0800", "--field", "11=1", "--dialect", "net-bin87", "--raw"])

        assert code == 0
        assert capfdbinary.readouterr().out[:4] == b"0800"

    @pytest.mark.parametrize(
        ("arguments", "code", "part"),
        [
            (["nothing-like-it"], 2, "a template (sign-on"),
            (["missing.toml"], 2, "No such file"),
            (["{"], 2, "must be JSON"),
            (["{}"], 2, "four digits"),
            (['{"mti": "0100", "fields": {"2": 4242424242424242}}'], 2, "a string"),
            (["--mti", "0100", "--field", "4"], 1, "ELEMENT=VALUE"),
            (["--mti", "0100", "--field", "2=4242x24242424242"], 1, "DE 2"),
            (["--mti", "0100", "--field", "4=auto"], 1, "only elements 7, 11"),
            (["--mti", "0100", "--field", "41.9=x"], 1, "no parts"),
            (["--mti", "0100", "--field", "55.9F36=xy"], 1, "hexadecimal"),
            (["--mti", "0100", "--field", "200=1"], 1, "not defined"),
        ],
    )
    def test_what_is_wrong_is_one_line_without_content(
        self, arguments: list[str], code: int, part: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        exit_code, _, err = run(capsys, "encode", *arguments)

        assert (exit_code, err.count("\n")) == (code, 1)
        assert part in err
        assert "42424242" not in err


class TestDrafts:
    """Any text is a draft or one line that says why not, and never a card number."""

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(PAN),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["mti", "fields", "header", "0", "2", "4", "x", PAN]), inner, max_size=4
                )
            ),
        )
    )
    def test_any_json(self, value: object) -> None:
        text = "{" + json.dumps(value)[1:-1] + "}"

        refusals = [refusal for refusal in (refused(text, "0100"), refused(text, None)) if refusal]

        assert [refusal for refusal in refusals if PAN in refusal or "\n" in refusal] == []


def refused(text: str, mti: str | None) -> str:
    try:
        encode(read_draft(text, mti), dialect("ascii87"))
    except CardrailsError as error:
        return str(error)
    return ""


class TestExplain:
    """Every byte belongs to exactly one piece, and each piece says what it means."""

    @pytest.mark.parametrize("name", SPEAK_1987)
    @pytest.mark.parametrize("framed", [False, True])
    def test_every_byte_is_accounted_for(self, name: str, framed: bool) -> None:
        spoken = dialect(name)
        data = encode(FULL, spoken)
        if framed:
            data = framing(spoken.framing).encode(data)

        pieces = explain(data, spoken, framed=spoken.framing if framed else None).pieces

        assert [pieces[0].start, *(piece.end for piece in pieces)] == [*(piece.start for piece in pieces), len(data)]
        assert all(len(piece.raw) == 2 * (piece.end - piece.start) for piece in pieces)

    @pytest.mark.parametrize("name", SPEAK_1987)
    def test_revealed_it_shows_the_bytes_themselves(self, name: str) -> None:
        data = encode(FULL, dialect(name))

        explained = explain(data, dialect(name), reveal=True)

        assert "".join(piece.raw for piece in explained.pieces) == data.hex().upper()

    @pytest.mark.parametrize("name", SPEAK_1987)
    def test_nothing_secret_is_shown(self, name: str) -> None:
        spoken = dialect(name)
        forms = {encoded for secret in SECRETS for encoded in forms_of(secret)}

        explained = explain(encode(FULL, spoken), spoken)

        shown = "\n".join(explanation_lines(explained)) + json.dumps(explained.as_json())
        shown += "".join(piece.raw for piece in explained.pieces)
        assert [form for form in forms if form in shown.upper()] == []
        assert "424242******4242" in shown

    @given(st.sampled_from(SPEAK_1987), st.data())
    def test_a_message_that_is_cut_off_is_explained_up_to_there(self, name: str, data: st.DataObject) -> None:
        spoken = dialect(name)
        whole = encode(FULL, spoken)
        cut = whole[: data.draw(st.integers(0, len(whole) - 1))]

        explained = explain(cut, spoken)

        assert explained.error is not None
        assert sum(piece.end - piece.start for piece in explained.pieces) == len(cut)
        assert PAN not in str(explained.as_json())

    @given(st.sampled_from(DIALECT_NAMES), st.binary(max_size=300), st.booleans(), st.booleans())
    def test_any_bytes_are_explained(self, name: str, noise: bytes, well_begun: bool, framed: bool) -> None:
        spoken = dialect(name)
        begin = encode(Message(f"{spoken.version_digit}100", {11: "1" * spoken.formats[11].size}), spoken)
        data = begin[: spoken.header_bytes + 2] + noise if well_begun else noise
        around = spoken.framing if framed else None

        explained = explain(data, spoken, framed=around)

        assert sum(piece.end - piece.start for piece in explained.pieces) == len(data)
        assert "\n".join(explanation_lines(explained))
        assert json.dumps(explained.as_json())

    @given(st.dictionaries(st.sampled_from([7, 12, 13, 15]), st.text("0123456789", min_size=1, max_size=14)))
    def test_any_time_has_a_meaning_or_none(self, times: dict[int, str]) -> None:
        for version in ("ascii87", "ascii93", "ascii2003"):
            for element in times:
                assert isinstance(meaning_of(element, times, dialect(version)), str)

    @pytest.mark.parametrize(
        ("element", "value", "meaning"),
        [
            (7, "0229235959", "29 Feb 23:59:59 UTC"),
            (7, "0230235959", "no such date or time"),
            (12, "246000", "no such date or time"),
            (12, "261125161336", "25 Nov 2026 16:13:36"),
            (13, "1125", "25 Nov"),
            (4, "000000001999", ""),
            (32, "", "empty: the element is there and says nothing"),
        ],
    )
    def test_what_values_mean(self, element: int, value: str, meaning: str) -> None:
        assert meaning_of(element, {element: value}, dialect("ascii87")) == meaning

    def test_meanings_and_parts(self, capsys: pytest.CaptureFixture[str]) -> None:
        answer = run_json(capsys, "explain", encode(FULL, dialect("ascii87")).hex())

        pieces = {piece.get("element"): piece for piece in answer["pieces"]}  # type: ignore[attr-defined]
        assert pieces[0]["meaning"] == "authorisation request (acquirer)"
        assert pieces[1]["value"][:4] == [1, 2, 3, 4]
        assert pieces[4]["meaning"] == "19.99 USD"
        assert pieces[7]["meaning"] == "25 Nov 16:13:36 UTC"
        assert pieces[39]["meaning"] == "insufficient funds"
        assert [part["value"] for part in pieces[3]["parts"]] == ["31", "20", "00"]
        assert [(part["tag"], part["value"]) for part in pieces[55]["parts"]] == [
            ("9F36", "001A"),
            ("9A", "261122"),
            ("5A", "***"),
        ]
        assert [part["value"] for part in pieces[48]["parts"]] == ["***", "05", "trace"]
        assert pieces[90]["parts"][1]["value"] == "000001"

    def test_the_offsets_of_parts_are_those_of_their_bytes(self) -> None:
        for name in ("ascii87", "ascii87-hex", "net-bin87", "pos-bcd87"):
            data = encode(FULL, dialect(name))
            (chip,) = (piece for piece in explain(data, dialect(name)).pieces if piece.element == 55)

            part = chip.parts[0]

            assert part.start is not None
            wire = data[part.start : part.end]
            assert wire in (bytes.fromhex("9F3602001A"), b"9F3602001A")

    def test_keep_alives_before_a_frame_belong_to_the_framing(self) -> None:
        spoken = dialect("ascii87")
        data = b"\0\0" + framing("len2-be").encode(encode(FULL, spoken))

        explained = explain(data, spoken, framed="len2-be")

        assert explained.error is None
        assert [(piece.kind, piece.end) for piece in explained.pieces[:2]] == [("framing", 4), ("mti", 8)]

    def test_a_frame_that_is_not_whole_is_not_shown_in_the_clear(self, capsys: pytest.CaptureFixture[str]) -> None:
        data = framing("len2-be").encode(encode(FULL, dialect("ascii87")))[:-1]

        code, out, err = run(capsys, "explain", "--framed", "--json", data.hex())

        assert (code, err) == (1, "")
        assert json.loads(out)["error"]["error"] == "one whole len2-be frame expected, 0 found"
        assert not any(form in out for form in forms_of(PAN))

    def test_a_header_is_divided(self, capsys: pytest.CaptureFixture[str]) -> None:
        data = encode(FULL.with_header("6000031234"), dialect("pos-bcd87"))

        _, out, _ = run(capsys, "explain", data.hex(), "--dialect", "pos-bcd87")

        assert ".destination Destination: 0003" in out
        assert ".source Source: 1234" in out

    def test_a_file_of_ones_own_dialect(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        own = tmp_path / "own.toml"
        own.write_text('name = "own"\nbase = "ascii87"\n[elements]\n48 = "ans..50"\n')
        message = '{"mti": "0800", "fields": {"48": "HELLO"}}'
        _, data, _ = run(capsys, "encode", message, "--dialect-file", str(own))

        code, out, _ = run(capsys, "explain", data.strip(), "--dialect-file", str(own))

        assert (code, data[-15:-1]) == (0, b"05HELLO".hex().upper())
        assert "HELLO" not in out
        assert "48  Additional data, private: *****" in out

    def test_a_specification_of_pyiso8583(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        from iso8583 import specs

        spec = tmp_path / "theirs.json"
        spec.write_text(json.dumps(specs.default_ascii))

        code, out, _ = run(capsys, "decode", encode(FULL, dialect("ascii87-hex")).hex(), "--dialect-file", str(spec))

        assert code == 0
        assert "theirs" in out

    def test_a_wrong_dialect_file_is_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        own = tmp_path / "own.toml"
        own.write_text('name = "own"\nbase = "ascii78"\n')

        code, _, err = run(capsys, "explain", "00", "--dialect-file", str(own))

        assert code == 2
        assert err.count("\n") == 1
        assert "own.toml: base = 'ascii78'" in err

    def test_colour_only_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from emulator.render import wants_colour

        monkeypatch.setattr(sys, "stdout", Terminal())
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)

        coloured = wants_colour()
        monkeypatch.setenv("NO_COLOR", "1")

        assert coloured
        assert not wants_colour()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def forms_of(secret: str) -> set[str]:
    """Give a secret as text, and as the hexadecimal of its ASCII, EBCDIC and packed forms."""
    forms = {secret, secret.encode("ascii").hex().upper(), secret.encode("cp500").hex().upper()}
    return forms | {secret.replace("=", "D")}
