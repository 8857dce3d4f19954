"""PINs of terminals at the acquirer: each kind of terminal key, and every reason to refuse a block."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banks.acquirer.pins import translate
from banks.core.merchants import DUKPT_AES, DUKPT_TDES, NO_PIN_KEY, TPK, Terminal
from emulator.chip.terminal import PinBlock, PinKey
from emulator.chip.terminal import Terminal as Device
from hsm_sim.core import indexes
from hsm_sim.core.crypto import dukpt_aes, dukpt_tdes
from hsm_sim.requests.pins import TranslatePin, VerifyPinPvv
from iso import Message
from iso.private import build_private, parse_private
from node.core.conversations import ConversationHost
from node.core.events import Answered, Called
from node.core.turn import Turn
from tests.hsm_sim.commands.pins import PAN, injected
from tests.hsm_sim.commands.test_pin_chain import _pvv
from tests.support.hsm import Hsm, seeded

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)

PIN, NEXT_PIN = "2580", "471108"
TDES_KSN, AES_KSN = "FFFF9876543210E00000", "123456789012345600000000"
KINDS = {TPK: PinKey.TPK, DUKPT_TDES: PinKey.DUKPT, DUKPT_AES: PinKey.DUKPT_AES}


class Office:
    """An acquirer that does nothing but translate PINs, with the real HSM behind it."""

    def __init__(self) -> None:
        self.hsm = Hsm()
        self.hsm_answers = True
        self.host = ConversationHost([])
        self.trips = 0

    def device(self) -> Device:
        """Return a terminal whose keys come from this acquirer's."""
        base, aes_base = (injected(self.hsm, "acquirer", place) for place in (indexes.BDK, indexes.BDK_AES))
        ksn, aes_ksn = bytes.fromhex(TDES_KSN), bytes.fromhex(AES_KSN)
        return Device(
            "CARDRAIL",
            "840",
            tpk=injected(self.hsm, "acquirer", indexes.TPK),
            initial_key=dukpt_tdes.TdesDukpt(base).initial_key(ksn),
            ksn=ksn,
            aes_initial_key=dukpt_aes.initial_key(aes_base, aes_ksn[:8]),
            aes_ksn=aes_ksn,
        )

    def request(self, kind: str, pin: str = PIN, new_pin: str = "", **tags: str) -> Message:
        """Return what a terminal of a kind sends."""
        made, after = self.device().encipher_pin(KINDS[kind], pin, PAN, seeded())
        if new_pin:
            # Under the same key: a device enciphers both blocks of one PIN change in one transaction.
            again = after._replace(ksn=bytes.fromhex(TDES_KSN), aes_ksn=bytes.fromhex(AES_KSN))
            tags["18"] = again.encipher_pin(KINDS[kind], new_pin, PAN, seeded("other"))[0].block
        return Message("0100", {2: PAN, 3: "920000" if new_pin else "000000"} | fields_of(made, tags))

    def translate(self, request: Message, kind: str = TPK, form: str = "01") -> dict[int, str | None] | str:
        """Run the conversation to its end."""
        terminal = Terminal("TERM0001", "SHOP", kind)
        turn, now = Turn(AT), 0.0
        self.host.handle(Called("call", lambda: translate(self.host.desk, terminal, request, 2.0, form)), now, turn)
        while turn.asks:
            self.trips += 1
            asks, turn = turn.asks, Turn(AT)
            for ask in asks:
                answer = self.hsm.ask("acquirer", ask.request) if self.hsm_answers else None
                self.host.handle(Answered(ask.key, answer), now, turn)
        ((_, result),) = turn.outs
        return result  # type: ignore[no-any-return]

    def verified(self, block: str | None, form: str, pvv: str) -> str:
        """Bring a block on through the switch to the issuer, which says whether the PIN is right."""
        assert block is not None
        aes = form == "48"
        onward = TranslatePin(indexes.zpk("acquirer", aes=aes), indexes.zpk("issuer", aes=aes), block, form, form, PAN)
        moved = self.hsm.ask("switch", onward).block
        checked = VerifyPinPvv(indexes.zpk("switch", aes=aes), indexes.PVK, moved, form, PAN, "1", pvv)
        return self.hsm.ask("issuer-a", checked).code


def fields_of(made: PinBlock, tags: dict[str, str]) -> dict[int, str]:
    """Return the elements of a PIN block as our terminals send it."""
    more = {"19": made.ksn} if made.ksn else {}
    if len(made.block) == 32:
        more["20"] = made.block[16:]
    private = build_private({**tags, **more})
    return {52: made.block[:16], 53: "2001010100000000"} | ({48: private} if private else {})


class TestTranslation:
    """Whatever enciphers a PIN at the terminal, the issuer verifies the PIN that was typed."""

    @pytest.mark.parametrize("form", ["01", "47", "48"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_issuer_verifies_the_pin(self, kind: str, form: str) -> None:
        office = Office()
        pvv = _pvv_of(office, PIN)

        done = office.translate(office.request(kind), kind, form)
        wrong = office.translate(office.request(kind, "2581"), kind, form)

        assert isinstance(done, dict)
        assert isinstance(wrong, dict)
        assert [office.verified(one[52], form, pvv) for one in (done, wrong)] == ["00", "01"]

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_new_pin_goes_along_in_the_same_round_trip(self, kind: str) -> None:
        office = Office()

        done = office.translate(office.request(kind, new_pin=NEXT_PIN, **{"06": "07"}), kind)

        assert isinstance(done, dict)
        tags = parse_private(done[48] or "")
        assert set(tags) == {"06", "18"}
        assert office.verified(tags["18"], "01", _pvv_of(office, NEXT_PIN)) == "00"
        assert office.trips == 1

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_only_the_acquirer_needs_goes_no_further(self, kind: str) -> None:
        office = Office()

        done = office.translate(office.request(kind, **{"06": "07"}), kind)

        assert isinstance(done, dict)
        assert (parse_private(done[48] or ""), done[53]) == ({"06": "07"}, "2001010100000000")

    def test_a_request_without_a_pin_stays_as_it_is(self) -> None:
        office = Office()

        assert office.translate(Message("0100", {2: PAN, 48: build_private({"06": "07"})}), NO_PIN_KEY) == {}
        assert office.trips == 0

    def test_a_key_serial_number_without_a_pin_goes_no_further(self) -> None:
        request = Message("0100", {2: PAN, 48: build_private({"06": "07", "19": TDES_KSN})})

        assert Office().translate(request, DUKPT_TDES) == {48: build_private({"06": "07"})}


class TestRefusals:
    """A block that cannot be translated never leaves the acquirer."""

    def test_a_terminal_without_a_pin_key_may_send_none(self) -> None:
        office = Office()

        assert office.translate(office.request(TPK), NO_PIN_KEY) == "58"

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_block_under_another_key_holds_no_pin(self, kind: str) -> None:
        office = Office()
        request = office.request(kind)
        flipped = f"{int(request[52], 16) ^ 0xFF << 24:016X}"

        assert office.translate(request.with_fields({52: flipped}), kind) == "55"

    def test_a_block_for_another_card_holds_no_pin(self) -> None:
        office = Office()

        assert office.translate(office.request(TPK).with_fields({2: "5555555555554444"})) == "55"

    @pytest.mark.parametrize(("sent", "kind"), [(TPK, DUKPT_TDES), (DUKPT_TDES, TPK), (DUKPT_TDES, DUKPT_AES)])
    def test_another_kind_of_key_than_the_terminals_is_a_format_error(self, sent: str, kind: str) -> None:
        office = Office()

        assert office.translate(office.request(sent), kind) == "30"
        assert office.trips == 0

    def test_a_new_pin_alone_is_a_format_error(self) -> None:
        office = Office()

        assert office.translate(office.request(TPK, new_pin=NEXT_PIN).with_fields({52: None})) == "30"

    def test_a_silent_hsm_is_a_malfunction(self) -> None:
        office = Office()
        office.hsm_answers = False

        assert office.translate(office.request(TPK)) == "96"

    @given(st.text(max_size=40), st.text("0123456789ABCDEF", max_size=40), st.sampled_from([*KINDS, NO_PIN_KEY]))
    def test_whatever_a_terminal_sends_is_answered(self, private: str, block: str, kind: str) -> None:
        done = _OFFICE.translate(Message("0100", {2: PAN, 3: "920000", 48: private, 52: block}), kind)

        assert isinstance(done, dict) or done in {"30", "55", "58", "96"}


_OFFICE = Office()


def _pvv_of(office: Office, pin: str) -> str:
    return _pvv(office.hsm, pin)
