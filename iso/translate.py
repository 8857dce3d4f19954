"""Translation of messages between the 1987 and the 1993 version, element by element.

The house thinks in 1987; a 1993 leg is translated as it is written and as it is read. The same number means different
things in the two (12, 15, 18, 22, 24 to 31, 39, 43, 46, 53, 56, 70, 90, 95), so nothing of those is ever copied: each
has a rule. A message that goes 1987 -> 1993 -> 1987 comes back whole but for `LOST_FROM_1987`.

Two things that 1993 has no place for travel in the private element: the two-character response code where three digits
do not lead back to it (63 and N7 are both 122), and DE 7 and DE 33 of the original (DE 56 names it by local time).
"""

from __future__ import annotations

from iso.errors import LocalProtocolError, RemoteProtocolError
from iso.message import Message
from iso.money import numeric_code
from iso.mti import is_request, is_valid
from iso.private import ORIGINAL_TIME, RESPONSE_CODE_1987, build_private, parse_private
from iso.translate_losses import LOST_FROM_1987, LOST_FROM_1993
from iso.translate_tables import (
    CAPTURE_1987,
    CAPTURE_1993,
    CODES_1987,
    CODES_1993,
    CONDITION_1987,
    CONDITION_1993,
    FUNCTIONS,
    INPUT_1987,
    INPUT_1993,
    NETWORK_1987,
    NETWORK_1993,
    PIN_ENTRY_1987,
    PIN_ENTRY_1993,
    REASON_1987,
    REASON_1993,
    UNMAPPED_1987,
    UNMAPPED_1993,
    function_1993,
)

__all__ = ["COPIED", "LOST_FROM_1987", "LOST_FROM_1993", "code_1987", "code_1993", "to_1987", "to_1993"]

COPIED = frozenset(
    {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 16, 17, 19, 20, 21, 23, 27, 32, 33, 34, 35, 36, 37, 38, 41, 42, 44, 45, 47}
    | {48, 49, 50, 51, 52, 54, 55, 59, 60, 61, 62, 63, 67, 68, 69, 73, *range(74, 82), *range(86, 90), 97, 98, 99}
    | {*range(100, 105), *range(112, 128)}
)
"""Elements that mean the same in both versions and are copied as they are.

On the way back 44 is cut to 25 characters, and 99 is dropped if it has letters.
"""

_MONTHS_APART = 6
_OWN_APPROVALS = frozenset("458")
_FEE_ELEMENTS = (28, 29, 30, 31)
_FEE_NUMBERS = frozenset(map(str, _FEE_ELEMENTS))
_FEE_BLOCK = 34
_CURRENCIES = (49, 50, 51)
_NO_TIME = "0" * 12
_ABSENT = "Z"


def code_1993(code: str, mti_class: str) -> str:
    """Translate DE 39 of a response from 1987 to 1993.

    Parameters
    ----------
    code
        str[2].
    mti_class
        str[1]; accepted reversals, reconciliations and network messages have approvals of their own.

    Returns
    -------
    str
        str[3] decimal.

    Examples
    --------
    >>> code_1993("00", "1"), code_1993("00", "4"), code_1993("N7", "1")
    ('000', '400', '122')
    """
    if code == "00" and mti_class in _OWN_APPROVALS:
        return mti_class + "00"
    return CODES_1993.get(code, UNMAPPED_1993)


def code_1987(code: str) -> str:
    """Translate DE 39 from 1993 to 1987; what has no row becomes 05, never an approval.

    Examples
    --------
    >>> code_1987("400"), code_1987("122"), code_1987("777")
    ('00', '63', '05')
    """
    return CODES_1987.get(code, UNMAPPED_1987)


def to_1993(message: Message, *, year: int) -> Message:
    """Translate a 1987 message for a 1993 leg.

    Parameters
    ----------
    message
        Version 1987.
    year
        The year of DE 7, as the sender's business clock has it; dates around New Year get the year nearest to DE 7.

    Returns
    -------
    Message
        Version 1993, without a header.

    Raises
    ------
    LocalProtocolError
        The MTI is not of 1987, DE 95 has no amount in front, or DE 70 has no 1993 form. If a peer sent the message, the
        fault is the peer's: answer 30.
    """
    mti = message.mti
    if not is_valid(mti) or mti[0] != "0":
        raise LocalProtocolError("not a 1987 message", element=0)
    fields = {element: value for element, value in message.fields.items() if element in COPIED}
    private: dict[str, str] = {}
    _dates_to_1993(message, year, fields)
    _pos_to_1993(message, fields)
    _kind_to_1993(message, fields, private)
    _amounts_to_1993(message, fields)
    if 43 in message:
        fields[43] = message[43]
    if (control := message.get(53)) is not None:
        fields[53] = control
    if (restriction := message.get(40)) is not None and restriction.isascii() and restriction.isdigit():
        fields[40] = restriction
    if (number := message.get(71)) is not None:
        fields[71] = number.rjust(8, "0")
    if 90 in message:
        _original_to_1993(message, fields, private)
    _add_private(fields, private)
    return Message(_mti_to_1993(mti), fields)


def to_1987(message: Message) -> Message:
    """Translate what a 1993 leg sent.

    Parameters
    ----------
    message
        Version 1993, decoded.

    Returns
    -------
    Message
        Version 1987, without a header.

    Raises
    ------
    RemoteProtocolError
        The MTI is not of 1993, or a translated element cannot be understood.
    """
    mti = message.mti
    if not is_valid(mti) or mti[0] != "1":
        raise RemoteProtocolError("not a 1993 message", element=0, mti=mti)
    fields = {element: value for element, value in message.fields.items() if element in COPIED}
    try:
        private = _take_private(fields)
        _dates_to_1987(message, fields)
        _pos_to_1987(message, fields)
        _kind_to_1987(message, fields, private)
        _amounts_to_1987(message, fields)
        if 43 in message:
            fields[43] = message[43][:40].ljust(40)
        if 40 in message:
            fields[40] = message[40]
        if 44 in message:
            fields[44] = message[44][:25]
        if (number := message.get(71)) is not None and number.startswith("0000"):
            fields[71] = number[4:]
        if not (fields.get(99) or "0").isdigit():
            del fields[99]
        _currencies_to_1987(fields)
        control = message.get(53)
        if control is not None and len(control) == 16 and control.isdigit():
            fields[53] = control
        if 56 in message:
            fields[90] = _original_to_1987(message[56], private)
    except RemoteProtocolError as error:
        error.mti = mti
        raise
    return Message(_mti_to_1987(mti), fields)


def _mti_to_1993(mti: str) -> str:
    # Network management has origin "other" in 1993 (1804), acquirer in 1987 (0800).
    origin = str(int(mti[3]) + 4) if mti[1] == "8" and mti[3] in "01" else mti[3]
    return f"1{mti[1:3]}{origin}"


def _mti_to_1987(mti: str) -> str:
    origin = str(int(mti[3]) - 4) if mti[1] == "8" and mti[3] in "45" else mti[3]
    return f"0{mti[1:3]}{origin}"


def _year_of(date: str, sent: str, year: int) -> str:
    """Give the two digits of the year in which `date` (MMDD) is nearest to `sent` (MMDD..., in `year`)."""
    if sent:
        apart = int(date[:2]) - int(sent[:2])
        year += (apart < -_MONTHS_APART) - (apart > _MONTHS_APART)
    return f"{year % 100:02d}"


def _digits(message: Message, element: int, size: int) -> str:
    value = message.get(element) or ""
    if value and (len(value) != size or not (value.isascii() and value.isdigit())):
        raise LocalProtocolError(f"DE {element}: {size} digits expected", element=element)
    return value


def _dates_to_1993(message: Message, year: int, fields: dict[int, str]) -> None:
    sent = _digits(message, 7, 10)
    time, date, settled = _digits(message, 12, 6), _digits(message, 13, 4), _digits(message, 15, 4)
    if time and date:
        fields[12] = _year_of(date, sent, year) + date + time
    if settled:
        fields[15] = _year_of(settled, sent, year) + settled


def _dates_to_1987(message: Message, fields: dict[int, str]) -> None:
    if (local := message.get(12)) is not None:
        fields[12], fields[13] = local[6:], local[2:6]
    if (settled := message.get(15)) is not None:
        fields[15] = settled[2:]


def _pos_to_1993(message: Message, fields: dict[int, str]) -> None:
    if 18 in message:
        fields[26] = message[18]
    entry, condition, capture = message.get(22), message.get(25), message.get(26)
    if entry is None and condition is None and capture is None:
        return
    read = INPUT_1993.get(entry[:2], _ABSENT) if entry else _ABSENT
    pin = PIN_ENTRY_1993.get(entry[2:], _ABSENT) if entry else _ABSENT
    present = CONDITION_1993.get(condition or "", _ABSENT)
    length = CAPTURE_1993.get(capture or "", "1")
    # Positions 1, 3, 4, 6, 8, 9, 10, 11 say nothing: 1987 does not know.
    fields[22] = f"0{pin}00{present}0{read}0000{length}"


def _pos_to_1987(message: Message, fields: dict[int, str]) -> None:
    if 26 in message:
        fields[18] = message[26]
    if (code := message.get(22)) is None:
        return
    read, pin = INPUT_1987.get(code[6:7]), PIN_ENTRY_1987.get(code[1:2])
    if read is not None:
        fields[22] = read + (pin or "0")
    if (condition := CONDITION_1987.get(code[4:5])) is not None:
        fields[25] = condition
    if (length := CAPTURE_1987.get(code[11:12])) is not None:
        fields[26] = length


def _kind_to_1993(message: Message, fields: dict[int, str], private: dict[str, str]) -> None:
    """Translate DE 39 and DE 70 into DE 24, 25 and 39."""
    asks, mti_class, code = is_request(message.mti), message.mti_class, message.get(39)
    if mti_class == "8" and (asks or 70 in message):
        if (function := NETWORK_1993.get(message.get(70) or "")) is None:
            raise LocalProtocolError("DE 70: no form in 1993", element=70)
        fields[24] = function
    elif asks and mti_class in FUNCTIONS:
        fields[24] = function_1993(message)
    if code is None:
        return
    if asks and mti_class == "4":
        # In a reversal DE 39 of 1987 is the reason for it.
        reason = REASON_1993.get(code) or (f"48{code}" if code.isascii() and code.isdigit() else None)
        if reason is not None:
            fields[25] = reason
        return
    fields[39] = code_1993(code, "" if asks else mti_class)
    if code_1987(fields[39]) != code:
        private[RESPONSE_CODE_1987] = code


def _kind_to_1987(message: Message, fields: dict[int, str], private: dict[str, str]) -> None:
    asks, mti_class, code = is_request(message.mti), message.mti_class, message.get(39)
    if mti_class == "8" and 24 in message:
        function = NETWORK_1987.get(message[24])
        if function is None:
            raise RemoteProtocolError("DE 24: no network management function of 1987", element=24)
        fields[70] = function
    if asks and mti_class == "4":
        reason = message.get(25) or ""
        code_of_reason = REASON_1987.get(reason) or (reason[2:] if reason.startswith("48") else None)
        if code_of_reason is not None:
            fields[39] = code_of_reason
    elif code is not None:
        exact = private.get(RESPONSE_CODE_1987, "")
        # The companion may refine the three digits, never contradict them.
        agrees = len(exact) == 2 and CODES_1993.get(exact, UNMAPPED_1993) == code
        fields[39] = exact if agrees else code_1987(code)


def _amounts_to_1993(message: Message, fields: dict[int, str]) -> None:
    if (replacement := message.get(95)) is not None:
        if not (replacement[:12].isascii() and replacement[:12].isdigit()):
            raise LocalProtocolError("DE 95: no amount in front", element=95)
        # 1987 keeps the original in DE 4 and puts the actual amount in DE 95; 1993 the other way round.
        fields[30] = (message.get(4) or "").rjust(12, "0") + "0" * 12
        fields[4] = replacement[:12]
    fees = [element for element in _FEE_ELEMENTS if element in message]
    if fees:
        money = (message.get(49) or "").rjust(3, "0")
        fields[46] = "".join(f"{fee}{money}{message[fee]}00000000C00000000000" for fee in fees)


def _amounts_to_1987(message: Message, fields: dict[int, str]) -> None:
    original = message.get(30)
    if original is not None and message.mti_class == "4":
        fields[95] = (message.get(4) or "").rjust(12, "0") + "0" * 12 + "C00000000" * 2
        fields[4] = original[:12]
    fees = message.get(46) or ""
    for at in range(0, len(fees) - _FEE_BLOCK + 1, _FEE_BLOCK):
        element, amount = fees[at : at + 2], fees[at + 5 : at + 14]
        if element in _FEE_NUMBERS and amount[0] in "CD" and amount[1:].isdigit():
            fields[int(element)] = amount


def _currencies_to_1987(fields: dict[int, str]) -> None:
    """1993 also takes letters for a currency; 1987 has figures only."""
    for element in _CURRENCIES:
        code = fields.get(element, "")
        if code and not code.isdigit():
            numeric = numeric_code(code)
            if numeric is None:
                raise RemoteProtocolError(f"DE {element}: unknown currency", element=element)
            fields[element] = numeric


def _original_to_1993(message: Message, fields: dict[int, str], private: dict[str, str]) -> None:
    """Write DE 56 from DE 90 and this message's local time, which in a reversal or advice is the original's.

    A request that names an original (an increment, a refund) happens later; when the original did, DE 90 does not say.
    """
    value = _digits(message, 90, 42)
    acquirer = value[20:31].lstrip("0")
    mine = message.acquirer_id
    if acquirer and mine.lstrip("0") == acquirer:
        acquirer = mine
    mti = _mti_to_1993(value[:4]) if is_valid(value[:4]) else value[:4]
    is_later = message.mti_class in "12" and message.mti[2] == "0"
    time = _NO_TIME if is_later else fields.get(12, _NO_TIME)
    fields[56] = f"{mti}{value[4:10]}{time}{len(acquirer):02d}{acquirer}"
    private[ORIGINAL_TIME] = value[10:20] + value[31:]


def _original_to_1987(value: str, private: dict[str, str]) -> str:
    acquirer = value[24:]
    if len(value) < 24 or not (value.isascii() and value.isdigit()) or int(value[22:24]) != len(acquirer):
        raise RemoteProtocolError("DE 56: MTI, STAN, time, length and acquirer expected", element=56)
    mti = _mti_to_1987(value[:4]) if is_valid(value[:4]) else value[:4]
    known = private.get(ORIGINAL_TIME, "")
    if len(known) != 21 or not (known.isascii() and known.isdigit()):
        known = "0" * 21
    return f"{mti}{value[4:10]}{known[:10]}{acquirer.rjust(11, '0')}{known[10:]}"


def _add_private(fields: dict[int, str], companions: dict[str, str]) -> None:
    if not companions:
        return
    try:
        fields[48] = build_private(parse_private(fields.get(48, "")) | companions)
    except (RemoteProtocolError, LocalProtocolError):
        # A foreign layout, or no room: the three digits and DE 56 have to do.
        return


def _take_private(fields: dict[int, str]) -> dict[str, str]:
    """Take the companions out of DE 48; a foreign layout stays as it is and has none."""
    try:
        tags = parse_private(fields.get(48, ""))
    except RemoteProtocolError:
        return {}
    companions = {tag: tags.pop(tag) for tag in (RESPONSE_CODE_1987, ORIGINAL_TIME) if tag in tags}
    if companions:
        fields.pop(48)
        if tags:
            fields[48] = build_private(tags)
    return companions
