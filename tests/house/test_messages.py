"""What a house keeps of its messages, and the commands that look at it: trace, verify, metrics."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import stripe

from emulator.cli import main
from emulator.topology import Topology, read_topology
from tests.support.house import HouseHandle, running_house

pytestmark = pytest.mark.house


@pytest.fixture(scope="module")
def ready_file(house: HouseHandle, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("ready") / "ready.json"
    house.house.write_ready(file)
    return str(file)


def pay(house: HouseHandle, method: str = "pm_card_visa") -> stripe.PaymentIntent:
    """Authorise and capture nothing: six hops and no more."""
    params = {"amount": 1999, "currency": "usd", "payment_method": method, "confirm": True, "capture_method": "manual"}
    return house.stripe().v1.payment_intents.create(params)  # type: ignore[arg-type]


def trace_of(intent: stripe.PaymentIntent) -> str:
    return str(intent.last_response.headers["Emu-Trace-Id"])  # type: ignore[union-attr]


class TestTrace:
    """Whatever a payment is called, `cardrails trace` shows both sides of each of its hops."""

    def shown(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[str, str, str]]:
        capsys.readouterr()
        assert main(["trace", "--json", *arguments]) == 0
        found = json.loads(capsys.readouterr().out)
        return [(one["node"], one["direction"], one["mti"]) for one in found["messages"]]

    def test_by_every_name(self, house: HouseHandle, ready_file: str, capsys: pytest.CaptureFixture[str]) -> None:
        intent = pay(house)
        trace = trace_of(intent)
        sent = house.control.messages("switch", trace=trace)[0]["fields"]

        places = [["--payment", trace], ["--payment", intent.id], ["--rrn", sent["37"]]]
        found = [self.shown(capsys, *how, "--ready-file", ready_file) for how in places]

        way = [(node, direction) for node, direction, _ in found[0]]
        assert way == [
            ("gateway", "out"), ("acquirer", "in"), ("acquirer", "out"), ("switch", "in"), ("switch", "out"),
            ("issuer-a", "in"), ("issuer-a", "out"), ("switch", "in"), ("switch", "out"), ("acquirer", "in"),
            ("acquirer", "out"), ("gateway", "in"),
        ]  # fmt: skip
        assert [mti for _, _, mti in found[0]] == ["0100"] * 6 + ["0110"] * 6
        assert found[1:] == [found[0]] * 2

    def test_people_see_latencies_and_masked_bytes(
        self, house: HouseHandle, ready_file: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        trace = trace_of(pay(house, "pm_card_mastercard"))

        code = main(["trace", "--payment", trace, "--bytes", "--ready-file", ready_file])

        shown = capsys.readouterr().out
        assert code == 0
        assert shown.count(" ms\n") == 6 + shown.count("HSM command")
        assert "issuer-b  -> network" in shown
        assert "F5F5F5F5F5F5F9F9F9F9F9F9" in shown.replace("\n", "").replace(" ", "")
        assert "F5" * 12 not in shown.replace("\n", "").replace(" ", "")

    def test_a_reversal_belongs_to_its_payment(
        self, house: HouseHandle, ready_file: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        house.add_fault("issuer-a", "network", "in", "0100", "close")
        with pytest.raises(stripe.CardError) as caught:
            pay(house)
        trace = caught.value.headers["Emu-Trace-Id"]  # type: ignore[index]

        assert house.eventually(lambda: len(house.control.messages("issuer-a", mti="0430", newest="1")) > 0)
        assert main(["trace", "--payment", trace, "--ready-file", ready_file]) == 0

        assert "0420" in capsys.readouterr().out

    def test_nothing_is_kept_of_it(self, house: HouseHandle, ready_file: str) -> None:
        assert main(["trace", "--rrn", "000000000000", "--ready-file", ready_file]) == 1
        assert main(["trace", "--ready-file", ready_file]) == 2
        assert main(["trace", "--rrn", "1", "--node", "nobody", "--ready-file", ready_file]) == 1

    def test_no_house(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

        assert main(["trace", "--rrn", "1"]) == 2

    def test_following(self, house: HouseHandle, ready_file: str, capsys: pytest.CaptureFixture[str]) -> None:
        def follow() -> int:
            return main(["trace", "--follow", "--json", "--count", "4", "--node", "switch", "--ready-file", ready_file])

        with ThreadPoolExecutor(1) as pool:
            following = pool.submit(follow)
            assert house.eventually(lambda: bool(pay(house)) and following.done())

        shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert following.result() == 0
        assert [one["node"] for one in shown] == ["switch"] * 4

    @pytest.mark.parametrize("wrong", [["--follow", "--count", "0"], ["--follow", "--seconds", "-1"], []])
    def test_mistakes(self, house: HouseHandle, ready_file: str, wrong: list[str]) -> None:
        assert main(["trace", *wrong, "--ready-file", ready_file]) == 2


class TestVerify:
    """`cardrails verify` exits 0 if the assertion holds, 1 if not, 2 if it is none."""

    def test_holds_or_not(self, house: HouseHandle, ready_file: str, capsys: pytest.CaptureFixture[str]) -> None:
        rrn = house.control.messages("switch", trace=trace_of(pay(house)))[0]["fields"]["37"]
        where = f'on switch/issuer-a out where mti == "0100" and rrn == "{rrn}"'

        held = main(["verify", f"exactly 1 {where}", "--ready-file", ready_file])
        broken = main(["verify", f"none {where}", "--ready-file", ready_file])

        assert (held, broken) == (0, 1)
        assert "does not hold: 1 seen, exactly 0 expected" in capsys.readouterr().out

    def test_one_language_for_both_versions(self, house: HouseHandle, ready_file: str) -> None:
        trace = trace_of(pay(house, "pm_card_mastercard"))
        where = f'on switch/issuer-b where mti == "0100" and de48.13 == "{trace}" then mti == "0110" and code == "00"'

        assert main(["verify", f"in order {where} within 2s", "--ready-file", ready_file]) == 0

    def test_from_now_on(self, house: HouseHandle, ready_file: str) -> None:
        pay(house)

        assert main(["verify", "--new", 'none on switch where mti == "0100"', "--ready-file", ready_file]) == 0

    @pytest.mark.parametrize(
        ("assertion", "code"),
        [
            ("one on switch", 2),
            ("none on switch within 100min", 2),
            ("none on switch within 99999999999s", 2),
            ("none on nobody", 1),
            ("none on switch/nobody", 1),
            ("none on hsm", 0),
        ],
    )
    def test_mistakes(self, house: HouseHandle, ready_file: str, assertion: str, code: int) -> None:
        assert main(["verify", assertion, "--ready-file", ready_file]) == code


class TestMetrics:
    """`/metrics` has every node of the process; the command asks nodes wherever they run."""

    def test_the_command(self, house: HouseHandle, ready_file: str, capsys: pytest.CaptureFixture[str]) -> None:
        pay(house)
        capsys.readouterr()

        assert main(["metrics", "--ready-file", ready_file]) == 0

        text = capsys.readouterr().out
        assert text.count("# TYPE cardrails_link_in_total counter") == 1
        for node in ("gateway", "acquirer", "switch", "issuer-a", "issuer-b"):
            assert f'cardrails_turns_total{{node="{node}"}}' in text
        assert 'cardrails_link_up{node="switch",link="issuer-a"} 1' in text


class TestKeeping:
    """The databases of messages hold no card number, and a house may do without them."""

    def test_no_card_number_is_in_any_file(self, tmp_path: Path) -> None:
        with running_house(tmp_path) as house:
            pay(house)
            house.control.messages("switch")

        files = sorted(file.name for file in tmp_path.glob("*.messages.db"))
        assert files == [f"{node}.messages.db" for node in ("acquirer", "gateway", "issuer-a", "issuer-b", "switch")]
        written = b"".join(file.read_bytes() for file in tmp_path.glob("*.messages.db*"))
        assert b"RAILSCOFFEE0001" in written
        for hidden in (b"4242424242424242", bytes.fromhex("4242424242424242")):
            assert hidden not in written

    def test_it_can_be_switched_off(self, tmp_path: Path) -> None:
        default = read_topology(None)
        off: Topology = default.model_copy(update={"messages": default.messages.model_copy(update={"keep": False})})

        with running_house(tmp_path, off) as house:
            trace = trace_of(pay(house))
            kept = house.control.messages("switch", trace=trace)

        assert len(kept) == 4
        assert list(tmp_path.glob("*.messages.db")) == []
