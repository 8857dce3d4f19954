"""PINs of terminals: from the terminal's key to the key that the acquirer shares with the network.

The terminal's row says what kind of key enciphers its PINs; a message that claims another kind is refused. The key that
a block is translated to is always the one in use: while it changes, the switch takes the one before as well. Nothing
here is stored, and no clear PIN is ever outside the HSM.
"""

from __future__ import annotations

from typing import Any, Final

from banks.core.merchants import DUKPT_AES, DUKPT_TDES, TPK, Terminal
from hsm_sim.core import indexes
from hsm_sim.core.crypto.pinblocks import ISO_0, ISO_3, ISO_4
from hsm_sim.core.errors import OK
from hsm_sim.requests.pins import TranslateDukptPin, TranslateTerminalPin
from iso import LocalProtocolError, Message, RemoteProtocolError
from iso.private import KEY_SERIAL, NEW_PIN, PIN_REST, build_private
from node.core.conversations import Desk
from node.core.steps import UNKNOWN

FORMAT_ERROR, WRONG_PIN, NO_PIN_KEY, MALFUNCTION = "30", "55", "58", "96"
"""DE 39: a block that cannot be one; one that holds no PIN; a terminal that may send none; the HSM is silent."""

_NO_PIN: Final = frozenset({"20", "24"})
"""Codes of the HSM for a PIN block without valid digits, and for a PIN of a wrong length."""

_CONTROL_FORMATS: Final = {"01": ISO_0, "03": ISO_3, "04": ISO_4}
"""DE 53, positions 5 and 6: the format of the PIN block."""
_CONTROL_OF_ZONE: Final = {form: f"2001{code}0100000000" for code, form in _CONTROL_FORMATS.items()}
_SERIAL_DIGITS: Final = {DUKPT_TDES: 20, DUKPT_AES: 24}
_BASE_KEYS: Final = {DUKPT_TDES: (indexes.BDK, "609"), DUKPT_AES: (indexes.BDK_AES, "80B")}
_SWITCH: Final = "switch"


async def translate(
    desk: Desk, terminal: Terminal, request: Message, timeout_s: float, zone_format: str = ISO_0
) -> dict[int, str | None] | str:
    """Translate the PIN blocks of a terminal's request for the network, in one round trip to the HSM.

    Parameters
    ----------
    desk
        With the acquirer's party behind its port "hsm".
    request
        With DE 52; DE 48.18 in a PIN change, DE 48.19 with a DUKPT key, DE 48.20 with a block of sixteen bytes.
    timeout_s
        For the HSM.
    zone_format
        The HSM's code of the format on the network's link: "01" ISO 0, "47" ISO 3, "48" ISO 4.

    Returns
    -------
    dict[int, str | None] | str
        What changes in the request on its way to the network, None to drop an element; or DE 39 of the refusal. Of a
        request without a PIN nothing changes.

    Examples
    --------
    A block that holds no PIN under the terminal's key looks as a wrong PIN does: 55.
    """
    try:
        tags = dict(request.private)
    except RemoteProtocolError:
        return FORMAT_ERROR
    block, serial = (request.get(52) or "") + tags.pop(PIN_REST, ""), tags.pop(KEY_SERIAL, "")
    blocks = [one for one in (block, tags.get(NEW_PIN, "")) if one]
    if not blocks:
        return {48: build_private(tags) or None} if serial else {}
    source_format = _source_format(terminal, request)
    if not source_format:
        return NO_PIN_KEY
    if not block or len(serial) != _SERIAL_DIGITS.get(terminal.pin_key, 0):
        return FORMAT_ERROR
    questions = [_question(terminal, one, serial, (source_format, zone_format), request.pan) for one in blocks]
    try:
        for question in questions:
            question.encode()
    except LocalProtocolError:
        return FORMAT_ERROR
    answers = await desk.ask_all("hsm", questions, timeout_s)
    refusal = next((code for code in map(_refusal, answers) if code), "")
    if refusal:
        return refusal
    if NEW_PIN in tags:
        tags[NEW_PIN] = answers[1].block
    return {52: answers[0].block, 53: _CONTROL_OF_ZONE[zone_format], 48: build_private(tags) or None}


def _source_format(terminal: Terminal, request: Message) -> str:
    """Return the HSM's code of the terminal's PIN block format; "" if it sends no PINs, or what DE 53 says is wrong."""
    if terminal.pin_key == DUKPT_AES:
        return ISO_4
    if terminal.pin_key not in (TPK, DUKPT_TDES):
        return ""
    return _CONTROL_FORMATS.get((request.get(53) or "")[4:6], ISO_0)


def _question(
    terminal: Terminal, block: str, serial: str, formats: tuple[str, str], pan: str
) -> TranslateTerminalPin | TranslateDukptPin:
    zone = indexes.zpk(_SWITCH, aes=formats[1] == ISO_4)
    if terminal.pin_key == TPK:
        return TranslateTerminalPin(indexes.TPK, zone, block, *formats, pan)
    base, descriptor = _BASE_KEYS[terminal.pin_key]
    return TranslateDukptPin(base, zone, serial, block, *formats, pan, descriptor)


def _refusal(answer: Any) -> str:
    if answer is UNKNOWN:
        return MALFUNCTION
    if answer.code in _NO_PIN:
        return WRONG_PIN
    return "" if answer.code == OK else MALFUNCTION
