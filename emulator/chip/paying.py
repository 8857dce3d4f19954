"""One deed at a terminal, from the card to the last cryptogram.

Card and terminal are kept before anything leaves, so that no counter is used twice and nothing owed is forgotten. The
chip has the last word: what its issuer approved and it then declines is reversed.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from emulator.chip.files import CardFile, read_card, write_card
from emulator.chip.line import Heard, Line
from emulator.chip.sales import (
    CARD_DECLINED,
    DEEDS,
    TIMED_OUT,
    Asked,
    Entry,
    advice_of,
    card_elements,
    chip_elements,
    refund_of,
    request_of,
    reversal_of,
    sale_of,
)
from emulator.chip.softcard import Card, Cryptogram, Kind
from emulator.chip.terminal import (
    Authorisation,
    Payment,
    PinBlock,
    authorise,
    build_chip_data,
    read_chip_data,
)
from emulator.chip.till import Duty, Sale
from hsm_sim.core.keys.header import Entropy
from iso import ConfigError, Message, RemoteProtocolError
from iso.private import NEW_PIN, without_secrets

NOTHING_MOVES = frozenset({"verify", "balance", "pin-change"})
"""Deeds of which nothing is left to undo."""
_APPROVING = frozenset({"00", "08", "10", "11"})
_FLOOR_WITHOUT_LIMIT = 10**12
_NOT_STORED = (2, 14, 35, 45, 52, 53)


class Wish(NamedTuple):
    """How the card is used.

    Attributes
    ----------
    pin, new_pin
        What the cardholder types; "" for nothing.
    is_offline
        The terminal would like to approve it itself.
    of
        The payment that a refund gives back; None for none.
    """

    asked: Asked
    card: Path
    entry: Entry
    pin: str = ""
    new_pin: str = ""
    is_offline: bool = False
    of: Sale | None = None


class Paid(NamedTuple):
    """What came of it.

    Attributes
    ----------
    heard
        None if nothing was sent: the terminal, or the card, decided alone.
    is_content
        Whether the chip took the answer for its issuer's; None if there was none to check.
    first, last
        The chip's cryptograms.
    scripts
        How many issuer scripts came along; this card carries none out.
    """

    is_approved: bool
    request: Message
    heard: Heard | None = None
    is_content: bool | None = None
    first: Cryptogram | None = None
    last: Cryptogram | None = None
    scripts: int = 0


async def pay(line: Line, wish: Wish, entropy: Entropy) -> Paid:
    """Carry out a deed for which a card is there.

    Raises
    ------
    ConfigError
        The card cannot be used so.
    CardError
        The chip refuses.
    """
    file = read_card(wish.card)
    card, made = None, None
    pins = _enciphered(line, wish, file, entropy)
    pin = pins[0] if pins else None
    if wish.entry.has_chip:
        file, card, made = _chip(line, wish, file, entropy, pin)
        elements = chip_elements(made, wish.entry, wish.asked)
    else:
        elements = card_elements(file, wish.entry, wish.asked, pin)
    stan, line.kept.till = line.kept.till.numbered()
    new_pin = {NEW_PIN: pins[1].block} if len(pins) > 1 else {}
    request = request_of(line.kept.till, wish.asked._replace(tags=new_pin), elements, stan)
    if wish.of is not None:
        request = refund_of(request, wish.of)
    line.kept.write()
    if made is not None and made.cryptogram.kind is not Kind.ARQC:
        return await _alone(line, wish, request, made.cryptogram)
    if wish.is_offline and made is None:
        return await _alone(line, wish, request, None)
    return await _online(line, wish, request, file, card, made)


async def _alone(line: Line, wish: Wish, request: Message, said: Cryptogram | None) -> Paid:
    """End a deed without the issuer: declined, or approved and told of later."""
    if said is not None and said.kind is Kind.AAC:
        return Paid(False, request, first=said)
    advice = stored(advice_of(request))
    last4 = request.pan[-4:]
    line.kept.till = line.kept.till.owing(Duty(advice, str(wish.card.resolve()), last4=last4))
    line.kept.write()
    heard = await line.settle()
    return Paid(True, request, heard[-1] if heard else None, first=said)


async def _online(
    line: Line, wish: Wish, request: Message, file: CardFile, card: Card | None, made: Authorisation | None
) -> Paid:
    asked, till = wish.asked, line.kept.till
    begun = sale_of(asked.deed, request, None, request.pan[-4:])
    undo = None
    if asked.deed not in NOTHING_MOVES:
        stan, line.kept.till = till.numbered()
        undo = reversal_of(till, begun, asked, stan, TIMED_OUT)
    heard = await line.ask(request, undo)
    answer = heard.answer
    is_approved = answer is not None and _approves(answer, asked.amount_minor)
    ended = Paid(is_approved, request, heard, first=made.cryptogram if made is not None else None)
    if card is not None and made is not None:
        ended = _end_of_chip(ended, wish, file, card, made)
    if answer is not None and is_approved:
        sale = sale_of(asked.deed, request, answer, request.pan[-4:])
        if asked.deed not in NOTHING_MOVES:
            line.kept.till = line.kept.till.sold(sale)
        if not ended.is_approved and undo is not None:
            line.kept.till = line.kept.till.owing(Duty(undo.with_fields({39: CARD_DECLINED, 38: sale.code or None})))
        line.kept.write()
    if line.kept.till.duties:
        await line.settle()
    return ended


def _end_of_chip(ended: Paid, wish: Wish, file: CardFile, card: Card, made: Authorisation) -> Paid:
    """Give the chip its issuer's answer, or the news that there is none; its second cryptogram decides."""
    answer = ended.heard.answer if ended.heard is not None else None
    said: dict[str, bytes] = {}
    if answer is not None and 55 in answer:
        try:
            said = read_chip_data(bytes.fromhex(answer[55]))
        except (RemoteProtocolError, ValueError):
            said = {}
    is_content = None
    if "91" in said:
        is_content, card = card.check_arpc(said["91"])
    last, card = card.finish(made.tags, ended.is_approved)
    write_card(wish.card, file.after(card, b""))
    scripts = sum(1 for tag in ("71", "72") if tag in said)
    return ended._replace(is_approved=last.kind is Kind.TC, is_content=is_content, last=last, scripts=scripts)


def _enciphered(line: Line, wish: Wish, file: CardFile, entropy: Entropy) -> tuple[PinBlock, ...]:
    """Return what was typed under the terminal's key; nothing for a PIN that the card checks itself."""
    kept = line.kept
    if not wish.pin or wish.is_offline:
        return ()
    if kept.device is None or kept.pin_key is None:
        raise ConfigError(kept.path, "pin_key", "none", "must be a key under which the terminal enciphers PINs")
    typed = [wish.pin, wish.new_pin] if wish.new_pin else [wish.pin]
    pins, kept.device = kept.device.encipher_pins(kept.pin_key, typed, file.pan, entropy)
    return pins


def _chip(
    line: Line, wish: Wish, file: CardFile, entropy: Entropy, block: PinBlock | None
) -> tuple[CardFile, Card, Authorisation]:
    card, device = file.card(), line.kept.device
    if card is None or device is None:
        raise ConfigError(wish.card, "chip", "none", "must have a chip: `cardrails cards issue --emv`")
    offline_pin = None
    if wish.is_offline and wish.pin:
        offline_pin, card = card.verify_pin(wish.pin)
    asked = wish.asked
    payment = Payment(
        asked.amount_minor,
        asked.currency,
        asked.local,
        entropy(4),
        forced_online=not wish.is_offline,
        floor_minor=_FLOOR_WITHOUT_LIMIT if wish.is_offline else 0,
        type=DEEDS[asked.deed].type,
        other_minor=asked.cashback_minor,
    )
    wanted = Kind.TC if wish.is_offline else Kind.ARQC
    if offline_pin is False:
        # Online the issuer would get no PIN to check: nobody could say that this is the cardholder.
        wanted = Kind.AAC
    made, card, line.kept.device = authorise(card, device, payment, wanted, block, offline_pin)
    file = file.after(card, build_chip_data(made.tags))
    write_card(wish.card, file)
    return file, card, made


def stored(advice: Message) -> Message:
    """Return an advice as the terminal keeps it: nothing that may not be stored, and no card number."""
    kept = advice.with_fields(dict.fromkeys(_NOT_STORED))
    private = without_secrets(kept.get(48) or "")
    return kept.with_fields({48: private or None})


def _approves(answer: Message, amount_minor: int) -> bool:
    code = answer.response_code
    return code in _APPROVING or (code == "85" and not amount_minor)
