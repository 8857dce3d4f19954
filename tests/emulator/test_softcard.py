"""The chip in software: its counter, what it decides, what it signs; and that an issuer's HSM agrees with it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.chip.checking import check
from emulator.chip.issuing import Issued, Order, check_order, issue, seeded
from emulator.chip.loading import load_terminal
from emulator.chip.parties import published_network
from emulator.chip.softcard import ATC_MAX, Card, CardError, Kind
from emulator.chip.terminal import Authorisation, Payment, PinKey, Terminal, authorise, read_chip_data
from hsm_sim.core.errors import HsmError
from hsm_sim.requests.emv import VerifyArqc
from tests.support.hsm import EPOCH

PIN = "4711"
BINS = {10: "400000", 18: "424242", 16: "555555", 17: "222300", 20: "520082", 21: "510510"}
NETWORK = published_network(EPOCH, seeded("network"))
TERMINAL = load_terminal(NETWORK.acquirer, "CARDRAIL", "840", "9999990000000001", seeded("terminal"))


def issued(version: int = 18) -> Issued:
    order = Order(BINS[version], "credit", True, "3012", "DOE/JANE", PIN, version)
    return issue(NETWORK.issuer, check_order(order), seeded("card"))


def chip(version: int = 18) -> Card:
    card = issued(version).card
    assert card is not None
    return card


CARDS = {version: issued(version) for version in BINS}


def payment(amount_minor: int = 4200, currency: str = "usd", un: str = "01020304", **more: object) -> Payment:
    return Payment(amount_minor, currency, EPOCH, bytes.fromhex(un), **more)  # type: ignore[arg-type]


def paid(card: Card, wanted: Kind = Kind.ARQC, **more: object) -> tuple[Authorisation, Card]:
    made, after, _ = authorise(card, TERMINAL, payment(**more), wanted)  # type: ignore[arg-type]
    return made, after


def used(card: Card) -> Card:
    """Return a card that its issuer has answered once."""
    made, after = paid(card)
    _, after = check(NETWORK, after, made, "1", "0000")
    return after


def verdict(card: Card, tags: dict[str, bytes], arqc: bytes) -> str:
    profile = card.profile
    request = VerifyArqc(NETWORK.issuer.mk_ac, profile.pan, profile.psn, profile.scheme, tags, arqc)
    return NETWORK.issuer.desk.ask(request).code


class TestCounter:
    """Each payment has a counter of its own, and a card whose counters are used up never pays again."""

    def test_it_advances_whatever_the_card_decides(self) -> None:
        card = chip()

        counters = []
        for kind in (Kind.ARQC, Kind.AAC, Kind.TC):
            made, card = paid(card, kind)
            counters.append(made.tags["9F36"].hex())

        assert counters == ["0001", "0002", "0003"]

    def test_a_card_without_counters_left_refuses(self) -> None:
        card = chip()
        worn = card._replace(memory=card.memory._replace(atc=ATC_MAX))

        with pytest.raises(CardError, match="counter is used up"):
            paid(worn)

    def test_the_card_that_was_given_is_unchanged(self) -> None:
        card = chip()

        paid(card)

        assert card.memory.atc == 0


class TestDecision:
    """The card may answer with less than it was asked for, never with more."""

    def test_a_new_card_asks_its_issuer_although_an_approval_was_wanted(self) -> None:
        made, _ = paid(chip(), Kind.TC, floor_minor=10_000)

        assert made.cryptogram.kind is Kind.ARQC

    def test_a_card_that_was_online_approves_below_the_floor_limit(self) -> None:
        made, after = paid(used(chip()), Kind.TC, floor_minor=10_000)

        assert made.cryptogram.kind is Kind.TC
        assert after.memory.pending is None

    def test_it_goes_online_after_too_many_payments_on_its_own(self) -> None:
        card, kinds = used(chip()), []

        for _ in range(4):
            made, card = paid(card, Kind.TC, floor_minor=10_000)
            kinds.append(made.cryptogram.kind)

        assert kinds == [Kind.TC, Kind.TC, Kind.TC, Kind.ARQC]

    def test_an_arqc_that_was_never_answered_sends_the_next_payment_online(self) -> None:
        _, unanswered = paid(used(chip()))

        made, _ = paid(unanswered, Kind.TC, floor_minor=10_000)

        assert made.cryptogram.kind is Kind.ARQC

    @pytest.mark.parametrize("more", [{"floor_minor": 4200}, {"floor_minor": 10_000, "forced_online": True}])
    def test_the_terminal_goes_online_at_its_floor_limit_and_when_the_shop_says_so(self, more: dict[str, int]) -> None:
        made, _ = paid(used(chip()), Kind.TC, **more)

        assert made.cryptogram.kind is Kind.ARQC

    @pytest.mark.parametrize("version", BINS)
    def test_a_decline_stays_one_and_its_cryptogram_verifies(self, version: int) -> None:
        card = chip(version)

        made, _ = paid(card, Kind.AAC)

        assert made.cryptogram.kind is Kind.AAC
        assert verdict(card, made.tags, made.cryptogram.value) == "00"


class TestOfflinePin:
    """The card counts wrong PINs and blocks its PIN when none is left."""

    def test_three_wrong_ones_block_it_for_the_right_one_too(self) -> None:
        card = chip()

        found = []
        for pin in ("0000", "0001", "0002", PIN):
            is_right, card = card.verify_pin(pin)
            found.append(is_right)

        assert found == [False] * 4
        assert card.memory.pin_tries == 0

    def test_the_right_one_gives_all_tries_back(self) -> None:
        _, card = chip().verify_pin("0000")

        is_right, card = card.verify_pin(PIN)

        assert is_right
        assert card.memory.pin_tries == 3

    @pytest.mark.parametrize("pins", [["0000"], ["0000", "0001", "0002"], ["0000", "0001", "0002", PIN]])
    def test_after_a_wrong_one_nothing_is_approved_offline(self, pins: list[str]) -> None:
        card = used(chip())
        for pin in pins:
            is_right, card = card.verify_pin(pin)
        tags = paid(card, Kind.ARQC)[0].tags

        made, _, _ = authorise(card, TERMINAL, payment(floor_minor=10_000), Kind.TC, offline_pin=is_right)
        said, _ = card.generate_ac(tags, Kind.TC, is_right)

        assert (made.cryptogram.kind, said.kind) == (Kind.ARQC, Kind.ARQC)

    def test_a_blocked_one_sends_payments_without_a_pin_online(self) -> None:
        card = used(chip())
        blocked = card._replace(memory=card.memory._replace(pin_tries=0))

        made, _ = paid(blocked, Kind.TC, floor_minor=10_000)

        assert made.cryptogram.kind is Kind.ARQC

    def test_a_decline_stays_one_after_a_wrong_one(self) -> None:
        made, _, _ = authorise(used(chip()), TERMINAL, payment(floor_minor=10_000), Kind.AAC, offline_pin=False)

        assert made.cryptogram.kind is Kind.AAC

    def test_a_card_without_a_pin_says_so(self) -> None:
        with pytest.raises(CardError, match="no reference PIN"):
            chip()._replace(pin="").verify_pin(PIN)


class TestIssuersAnswer:
    """The chip trusts an answer that only its issuer can have made, to the ARQC that waits, and no other."""

    @pytest.mark.parametrize("version", BINS)
    def test_a_payment_goes_online_and_ends_approved(self, version: int) -> None:
        card = chip(version)
        made, card = paid(card)

        verified, card = check(NETWORK, card, made, "1", "0000")

        assert verified.cryptogram == "00"
        assert verified.is_card_content
        assert verified.last is not None
        assert verified.last.kind is Kind.TC
        assert card.memory.pending is None
        assert card.memory.online_atc == 1

    @pytest.mark.parametrize("version", BINS)
    @pytest.mark.parametrize("place", [0, -1])
    def test_a_changed_answer_is_wrong_and_the_card_declines(self, version: int, place: int) -> None:
        made, card = paid(chip(version))
        verified, _ = check(NETWORK, card, made, "1", "0000")
        changed = bytearray(verified.issuer_data)
        changed[place] ^= 1

        is_content, after = card.check_arpc(bytes(changed))
        last, _ = after.finish(made.tags, True)

        assert not is_content
        assert last.kind is Kind.AAC

    @pytest.mark.parametrize("data", [b"", b"\x00" * 7, b"\x00" * 40])
    def test_an_answer_of_another_shape_is_wrong(self, data: bytes) -> None:
        _, card = paid(chip())

        assert not card.check_arpc(data)[0]

    def test_an_answer_to_an_older_payment_is_wrong(self) -> None:
        made, card = paid(chip())
        verified, _ = check(NETWORK, card, made, "1", "0000")
        _, card = paid(card)

        assert not card.check_arpc(verified.issuer_data)[0]

    def test_without_an_arqc_there_is_nothing_to_answer(self) -> None:
        with pytest.raises(CardError, match="no ARQC"):
            chip().check_arpc(b"\x00" * 8)
        with pytest.raises(CardError, match="no ARQC"):
            chip().finish({}, True)

    @pytest.mark.parametrize("version", BINS)
    def test_the_second_cryptogram_verifies_too(self, version: int) -> None:
        card = chip(version)
        made, card = paid(card)
        verified, card = check(NETWORK, card, made, "1", "0000")

        assert verified.last is not None
        assert verdict(card, {**made.tags, **verified.last.tags}, verified.last.value) == "00"


SIGNED = ("9F02", "9F03", "9F1A", "95", "5F2A", "9A", "9C", "9F37", "82", "9F36")


class TestCryptogram:
    """The issuer's HSM accepts exactly what the card signed."""

    @settings(max_examples=60, deadline=None)
    @given(
        version=st.sampled_from(sorted(BINS)),
        amount=st.integers(0, 10**12 - 1),
        currency=st.sampled_from(["usd", "eur", "jpy", "bhd"]),
        un=st.binary(min_size=4, max_size=4),
    )
    def test_any_payment_verifies(self, version: int, amount: int, currency: str, un: bytes) -> None:
        card = CARDS[version].card
        assert card is not None

        made, _ = paid(card, amount_minor=amount, currency=currency, un=un.hex())

        assert verdict(card, read_chip_data(made.chip_data), made.cryptogram.value) == "00"

    @settings(max_examples=60, deadline=None)
    @given(version=st.sampled_from(sorted(BINS)), tag=st.sampled_from(SIGNED), bit=st.integers(0, 7))
    def test_no_changed_input_verifies(self, version: int, tag: str, bit: int) -> None:
        card = CARDS[version].card
        assert card is not None
        made, _ = paid(card)
        value = bytearray(made.tags[tag])
        value[-1] ^= 1 << bit

        assert verdict(card, {**made.tags, tag: bytes(value)}, made.cryptogram.value) == "01"

    def test_a_card_of_another_number_has_other_keys(self) -> None:
        made, _ = paid(chip())
        profile = chip()._replace(profile=chip().profile._replace(pan="4242424242424242"))

        assert verdict(profile, made.tags, made.cryptogram.value) == "01"

    def test_what_the_terminal_leaves_out_is_named(self) -> None:
        with pytest.raises(CardError, match="9F03"):
            chip().generate_ac({"9F02": bytes(6)}, Kind.ARQC)

    def test_a_profile_without_a_known_version_is_refused(self) -> None:
        card = chip()
        odd = card._replace(profile=card.profile._replace(issuer_data=bytes.fromhex("06016303000000")))

        with pytest.raises(CardError, match="cryptogram version"):
            paid(odd)


class TestPinBlocks:
    """A PIN goes from the terminal's key over the zone to the issuer, who finds it right or wrong."""

    @pytest.mark.parametrize("key", PinKey)
    @pytest.mark.parametrize(("pin", "code"), [(PIN, "00"), ("4712", "01")])
    def test_it_is_verified_under_every_key(self, key: PinKey, pin: str, code: str) -> None:
        one = CARDS[18]
        block, _ = TERMINAL.encipher_pin(key, pin, one.pan, seeded("pin"))

        steps = NETWORK.verify_pin(block, one.pan, one.pvki, one.pvv)

        assert [step.code for step in steps] == ["00", code]

    @pytest.mark.parametrize("key", [PinKey.DUKPT, PinKey.DUKPT_AES])
    def test_every_pin_has_a_key_of_its_own(self, key: PinKey) -> None:
        terminal, blocks = TERMINAL, []

        for _ in range(4):
            block, terminal = terminal.encipher_pin(key, PIN, CARDS[18].pan, seeded("pin"))
            blocks.append(block)

        assert len({block.ksn for block in blocks}) == 4
        assert len({block.block for block in blocks}) == 4
        assert blocks[-1].ksn.endswith("00004")

    def test_a_pin_that_is_none_is_refused(self) -> None:
        with pytest.raises(HsmError) as refused:
            TERMINAL.encipher_pin(PinKey.TPK, "123", CARDS[18].pan, seeded("pin"))

        assert refused.value.code == "24"


class TestTexts:
    """What is printed by accident tells nothing."""

    def test_no_repr_shows_a_secret(self) -> None:
        card = chip()
        made, _ = paid(card)
        block, _ = TERMINAL.encipher_pin(PinKey.DUKPT, PIN, card.profile.pan, seeded("pin"))
        shown = " ".join(map(repr, (card, card.keys, card.profile, made, block, TERMINAL, CARDS[18])))

        secrets = (card.profile.pan, PIN, block.block, card.keys.cryptogram.hex(), TERMINAL.tpk.hex(), CARDS[18].cvv2)
        assert [secret for secret in secrets if secret in shown or secret.upper() in shown] == []


def test_the_terminal_counts_its_payments() -> None:
    terminal: Terminal = TERMINAL

    for _ in range(3):
        made, _, terminal = authorise(chip(), terminal, payment(), Kind.ARQC)

    assert made.tags["9F41"].hex() == "00000003"
