"""Card numbers go to the HSM once; nodes, files, traces and answers know tokens only."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import stripe

from banks.issuer.config import shipped_cards
from hsm_sim.client import TcpClient
from hsm_sim.requests import Detokenise, MakeCryptogram, StoreCard
from iso import Message, dialect
from iso.private import build_private
from node.clock import BusinessClock
from node.core.link import LinkMachine
from node.journal import MemoryJournal
from node.link import LinkConfig
from node.pipes import Pipes
from node.runtime import Runtime
from tests.support.house import HouseHandle, hasty, running_house
from tests.support.nodes import METADATA, PlainHost

pytestmark = pytest.mark.house

CVC = "073"
"""With a leading zero, so that no counter and no sequence number is ever written like it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("token-lane")


@pytest.fixture(scope="module")
def answers() -> list[bytes]:
    return []


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[HouseHandle]:
    with running_house(folder, hasty()) as handle:
        yield handle


def pay(client: stripe.StripeClient, number: str, cvc: str = CVC) -> stripe.PaymentIntent:
    method = client.v1.payment_methods.create(
        {"type": "card", "card": {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": cvc}}
    )
    return client.v1.payment_intents.create(
        {"amount": 1234, "currency": "usd", "payment_method": method.id, "confirm": True, "expand": ["latest_charge"]}
    )


class Recording(stripe.RequestsClient):
    """The SDK's own HTTP client, keeping what it was answered."""

    def __init__(self, kept: list[bytes]) -> None:
        super().__init__()
        self._kept = kept

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send, and keep the answer with its headers."""
        content, status, headers = super().request(*args, **kwargs)
        self._kept.append(content if isinstance(content, bytes) else content.encode())
        self._kept.append(str(dict(headers)).encode())
        return content, status, headers


class TestNothingLeaks:
    """After a run with every test card, no file, trace, state or answer holds a card number or a CVC."""

    def test_no_card_number_and_no_cvc_is_anywhere(
        self, house: HouseHandle, folder: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        kept: list[bytes] = []
        client = house.stripe(http_client=Recording(kept))
        cards = [card.pan for card in shipped_cards()]
        for pan in cards:
            with contextlib.suppress(stripe.CardError):
                pay(client, pan)
        for node in house.control.nodes:
            kept.append(str(house.control.messages(node, limit=10_000)).encode())
            kept.append(str(house.control.state(node)).encode())
        printed = capfd.readouterr()
        kept.append((printed.out + printed.err).encode())
        files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

        haystacks = [*files.items(), *enumerate(kept)]
        leaks = [
            (str(where), form.decode("latin-1"))
            for where, content in haystacks
            for pan in cards
            for form in forms_of(pan)
            if form in content
        ]
        assert len(cards) >= 20
        assert len(kept) > 4 * len(cards)
        assert {path.suffix for path in files} >= {".db"}
        assert leaks == []
        # Three digits are everywhere by chance, such as behind the point of a second; as a value of their own nowhere.
        alone = re.compile(rb"(?<![0-9A-Za-z.])" + CVC.encode() + rb"(?![0-9A-Za-z])")
        told = [
            where for where, content in enumerate(kept) if b"01003" + CVC.encode() in content or alone.search(content)
        ]
        assert told == []
        stored = [str(path) for path, content in files.items() if b"01003" + CVC.encode() in content]
        assert stored == []


def forms_of(pan: str) -> list[bytes]:
    """Return a card number as text, as EBCDIC, as packed digits and as hexadecimal of its text."""
    packed = bytes.fromhex(pan if len(pan) % 2 == 0 else "0" + pan)
    return [pan.encode(), pan.encode("cp500"), packed, pan.encode().hex().encode(), pan.encode().hex().upper().encode()]


class TestOneCryptogramOnePayment:
    """A first authorisation needs a cryptogram of its own; the card is opened for the switch alone."""

    def test_a_cryptogram_that_was_used_is_refused_in_another_payment(self, house: HouseHandle) -> None:
        async def scenario() -> list[str]:
            async with anyio.create_task_group() as tasks:
                hsm = TcpClient(Pipes(), house.house.place.addresses["hsm/gateway"])
                await tasks.start(hsm.run)
                card = await hsm.call(StoreCard("4242424242424242", "3412", "", "acct_cardrails"), 5)
                assert card is not None
                made = await hsm.call(MakeCryptogram(card.token, 1999, "840", "RAILSCOFFEE0001"), 5)
                assert made is not None
                host = PlainHost([LinkMachine("acquirer", dialect("pos-bcd87"))])
                link = LinkConfig("acquirer", "dial", house.house.place.addresses["acquirer"], dialect("pos-bcd87"))
                gateway = Runtime("own", host, MemoryJournal(METADATA), BusinessClock(), Pipes(), [link])
                await tasks.start(gateway.run)
                while not host.links["acquirer"].is_up:
                    await anyio.lowlevel.checkpoint()
                codes = []
                for stan, amount in (("900001", 1999), ("900002", 1999), ("900003", 2999)):
                    request = first_authorisation(card.token, made.cryptogram + made.atc + made.un, stan, amount)
                    answer = await gateway.call(lambda m=request: host.desk.request("acquirer", m, 20))  # type: ignore[misc]
                    assert isinstance(answer, Message)
                    codes.append(answer.response_code)
                tasks.cancel_scope.cancel()
            return codes

        assert house.run(scenario) == ["00", "63", "63"]

    @pytest.mark.parametrize("party", ["gateway", "acquirer", "issuer-a", "issuer-b"])
    def test_only_the_switch_opens_a_token(self, house: HouseHandle, party: str) -> None:
        async def scenario() -> str | None:
            async with anyio.create_task_group() as tasks:
                own = TcpClient(Pipes(), house.house.place.addresses["hsm/gateway"])
                other = TcpClient(Pipes(), house.house.place.addresses[f"hsm/{party}"])
                await tasks.start(own.run)
                await tasks.start(other.run)
                card = await own.call(StoreCard("4242424242424242", "3412", "", "acct_cardrails"), 5)
                assert card is not None
                made = await own.call(MakeCryptogram(card.token, 100, "840", "RAILSCOFFEE0001"), 5)
                assert made is not None
                opening = Detokenise(
                    card.token, "400001/1", made.cryptogram, made.atc, made.un, 100, "840", "RAILSCOFFEE0001"
                )
                opened = await other.call(opening, 5)
                tasks.cancel_scope.cancel()
            assert opened is not None
            assert not opened.pan
            return opened.code

        assert house.run(scenario) == "68"


class TestCvcs:
    """Classic test cards take any CVC by their row; cards of our own ranges always get the real check."""

    def test_a_classic_card_whose_row_says_check_declines_a_wrong_cvc(self, house: HouseHandle) -> None:
        issuer = house.house.nodes["issuer-a"].node
        pan = "4000056655665556"
        right = house.run(lambda: issuer.cvv2_of(pan, "3412"))
        wrong = f"{(int(right) + 1) % 1000:03}"
        accepted = pay(house.stripe(), pan, wrong).status

        house.run(lambda: issuer.change_card(pan, cvc_rule="check"))
        try:
            with pytest.raises(stripe.CardError) as caught:
                pay(house.stripe(), pan, wrong)
            checked = pay(house.stripe(), pan, right)
        finally:
            house.run(lambda: issuer.change_card(pan, cvc_rule="any"))

        assert accepted == "succeeded"
        assert caught.value.code == "incorrect_cvc"
        assert checked.status == "succeeded"

    @pytest.mark.parametrize("bin_prefix", ["990001", "990002"])
    def test_our_own_cards_are_always_checked(self, house: HouseHandle, bin_prefix: str) -> None:
        card = next(card for card in shipped_cards() if card.pan.startswith(bin_prefix))
        issuer = house.house.nodes["issuer-a" if bin_prefix == "990001" else "issuer-b"].node
        right = house.run(lambda: issuer.cvv2_of(card.pan, card.expiry or "3412"))

        paid = pay_with(house.stripe(), card.pan, card.expiry or "3412", right)
        with pytest.raises(stripe.CardError) as caught:
            pay_with(house.stripe(), card.pan, card.expiry or "3412", f"{(int(right) + 1) % 1000:03}")

        assert paid.status == "succeeded"
        assert caught.value.code == "incorrect_cvc"


def pay_with(client: stripe.StripeClient, number: str, expiry: str, cvc: str) -> stripe.PaymentIntent:
    method = client.v1.payment_methods.create(
        {
            "type": "card",
            "card": {"number": number, "exp_month": int(expiry[2:]), "exp_year": 2000 + int(expiry[:2]), "cvc": cvc},
        }
    )
    return client.v1.payment_intents.create(
        {"amount": 1234, "currency": "usd", "payment_method": method.id, "confirm": True}
    )


def first_authorisation(token: str, cryptogram: str, stan: str, amount_minor: int) -> Message:
    return Message(
        "0100",
        {
            2: token,
            3: "000000",
            4: f"{amount_minor:012}",
            7: "1122134500",
            11: stan,
            12: "134500",
            13: "1122",
            14: "3412",
            22: "810",
            25: "59",
            41: "RAILS001",
            42: "RAILSCOFFEE0001",
            48: build_private({"05": cryptogram, "06": "07"}),
            49: "840",
        },
    )
