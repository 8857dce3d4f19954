"""The table of host commands: one row says everything about a command's layout and who may send it.

The engine's parser, the client's encoder, the role check and the tests' role walk all come from `COMMANDS`: a
command is added by adding a row here and a handler in `hsm_sim.core.operations`. Rows are default deny: a role
that a row does not name gets "68".

On the wire: command 2A, the fields in order, optionally `%` + LMK identifier 2N, optionally X'19' + a trailer.
The answer's code is the command with its second character raised by one, then an error code 2A; the answer's
fields follow only after "00".

Source
------
NC, N0, B2, CW, CY, M6, M8: shared facts, hsm 2.2 (captures of open implementations). The `Z` range is our own.
"""

from typing import Final, NamedTuple

from hsm_sim.core.errors import BAD_ACCOUNT, BAD_DATA, OK, HsmError
from hsm_sim.core.fields import (
    HEX,
    TEXT,
    Block,
    Counted,
    Delimited,
    Field,
    Fixed,
    KeyField,
    MacField,
    Rest,
    Value,
    Values,
)
from iso.errors import RemoteProtocolError

GATEWAY: Final = "gateway"
ACQUIRER: Final = "acquirer"
SWITCH: Final = "switch"
ISSUER: Final = "issuer"
ROLES: Final = (GATEWAY, ACQUIRER, SWITCH, ISSUER)
TRAILER_MARK: Final = 0x19
TRAILER_LENGTH_MAX: Final = 32
FINGERPRINT_LENGTH: Final = 29


class Command(NamedTuple):
    """One row of the table.

    Attributes
    ----------
    code
        str[2], the command code.
    about
        What it does, for the documentation.
    fields, answer
        Layouts of the request's and of the answer's data.
    roles
        Roles that may send it.
    usages, mode
        TR-31 usages that its key field accepts and the TR-31 mode of use that the operation needs; empty without one.
    """

    code: str
    about: str
    fields: tuple[Field, ...]
    answer: tuple[Field, ...]
    roles: frozenset[str]
    usages: tuple[str, ...] = ()
    mode: str = ""


def _pan() -> Delimited:
    return Delimited("pan", 12, 19, BAD_ACCOUNT)


def _card() -> tuple[Field, ...]:
    return (_pan(), Fixed("expiry", 4), Fixed("service_code", 3))


def _mac_fields() -> tuple[Field, ...]:
    """Layout of M6 and M8 up to the data, for mode 0 (the whole message in one command)."""
    return (
        Fixed("mode", 1),
        Fixed("input", 1),
        Fixed("size", 1),
        Fixed("algorithm", 1),
        Fixed("padding", 1),
        Fixed("key_type", 3, HEX),
        KeyField(),
        Block("data", lambda values: values["input"] == "1"),
    )


_MAC_USAGES: Final = ("M1", "M3", "M6")
_PURCHASE: Final[tuple[Field, ...]] = (Fixed("amount", 12), Fixed("currency", 3, TEXT), Counted("merchant"))
_EVERY_ROLE: Final = frozenset(ROLES)

_ROWS: Final = (
    Command(
        "NC",
        "diagnostics: check value of the party's LMK and the firmware number",
        (),
        (Fixed("lmk_check", 16, HEX), Fixed("firmware", 9, TEXT)),
        _EVERY_ROLE,
    ),
    Command("B2", "echo", (Block("data"),), (Rest("data"),), _EVERY_ROLE),
    Command("N0", "random bytes, 1 to 256", (Fixed("length", 3),), (Rest("data"),), _EVERY_ROLE),
    Command(
        "CW",
        "generate a CVV; service code 000 makes a CVV2, 999 an iCVV",
        (KeyField(), *_card()),
        (Fixed("cvv", 3),),
        frozenset((ISSUER,)),
        ("C0",),
        "G",
    ),
    Command(
        "CY",
        "verify a CVV; 01 = it does not match",
        (KeyField(), Fixed("cvv", 3), *_card()),
        (),
        frozenset((ISSUER,)),
        ("C0",),
        "V",
    ),
    Command("M6", "generate a MAC", _mac_fields(), (MacField(),), frozenset((ACQUIRER, SWITCH)), _MAC_USAGES, "G"),
    Command(
        "M8",
        "verify a MAC; 01 = it does not match",
        (*_mac_fields(), MacField()),
        (),
        frozenset((ACQUIRER, SWITCH)),
        _MAC_USAGES,
        "V",
    ),
    Command(
        "ZA",
        "store a card: PAN in, network token out; a CVV2 waits in memory for the first authorisation",
        (_pan(), Fixed("expiry", 4), Delimited("cvc", 0, 4), Counted("requestor")),
        (Delimited("token", 12, 19), Fixed("fingerprint", FINGERPRINT_LENGTH, TEXT)),
        frozenset((GATEWAY,)),
    ),
    Command(
        "ZC",
        "make a one-time token cryptogram over amount, currency and merchant",
        (Delimited("token", 1, 19), *_PURCHASE),
        (Fixed("cryptogram", 16, HEX), Fixed("atc", 4, HEX), Fixed("un", 8, HEX)),
        frozenset((GATEWAY,)),
    ),
    Command(
        "ZE",
        "detokenise: by cryptogram the first time, by a recorded reference afterwards (empty cryptogram)",
        (
            Delimited("token", 1, 19),
            Counted("reference"),
            Counted("cryptogram"),
            Counted("atc"),
            Counted("un"),
            *_PURCHASE,
        ),
        (_pan(), Fixed("expiry", 4), Delimited("cvv2", 0, 4)),
        frozenset((SWITCH,)),
    ),
    Command(
        "ZG",
        "fingerprint of a PAN under the issuer's own key",
        (_pan(),),
        (Fixed("fingerprint", FINGERPRINT_LENGTH, TEXT),),
        frozenset((ISSUER,)),
    ),
    Command(
        "ZI",
        "seal a PAN under the switch's data key, bound to a context",
        (_pan(), Counted("context")),
        (Counted("sealed"),),
        frozenset((SWITCH,)),
    ),
    Command(
        "ZK",
        "open a sealed PAN in the same context",
        (Counted("sealed"), Counted("context")),
        (_pan(),),
        frozenset((SWITCH,)),
    ),
)
COMMANDS: Final[dict[str, Command]] = {row.code: row for row in _ROWS}


def answer_code(code: str) -> str:
    """Return the answer's code: the command's second character plus one.

    Examples
    --------
    >>> answer_code("M6"), answer_code("CA")
    ('M7', 'CB')
    """
    return code[0] + chr(ord(code[1]) + 1)


def encode_command(code: str, values: Values) -> bytes:
    """Return command code and data, without header and trailer.

    Parameters
    ----------
    code
        A key of `COMMANDS`.
    values
        One value per field of the row.

    Raises
    ------
    LocalProtocolError
        A value does not fit its field. The message names the field, never the value.
    """
    row = COMMANDS[code]
    return code.encode("ascii") + b"".join(field.write(values[field.name], values) for field in row.fields)


def decode_command(row: Command, data: bytes, at: int) -> tuple[dict[str, Value], int]:
    """Read a command's fields.

    Parameters
    ----------
    row
        The command's row.
    data
        The frame; its fields start at byte `at`.

    Returns
    -------
    tuple
        Values by name, and the offset behind the last field (where `%LL` or the trailer may follow).

    Raises
    ------
    HsmError
        With the code to answer: "15" malformed, "80" shorter than announced, or a field's own code.
    """
    values: dict[str, Value] = {}
    for field in row.fields:
        values[field.name], at = field.read(data, at, values)
    return values, at


def read_tail(data: bytes, at: int) -> tuple[str | None, bytes]:
    """Read what may follow the fields: `%LL` and X'19' + trailer.

    Returns
    -------
    tuple
        The LMK identifier or None, and the trailer with its X'19' (empty if there is none) to echo.

    Raises
    ------
    HsmError
        "15" if anything else follows: the command is longer than its layout.
    """
    lmk: str | None = None
    if data[at : at + 1] == b"%":
        raw = data[at + 1 : at + 3]
        if len(raw) != 2 or not raw.isdigit():
            raise HsmError(BAD_DATA)
        lmk = raw.decode("ascii")
        at += 3
    trailer = data[at:]
    if trailer and (trailer[0] != TRAILER_MARK or len(trailer) > TRAILER_LENGTH_MAX + 1):
        raise HsmError(BAD_DATA)
    return lmk, trailer


def encode_answer(row: Command, values: Values) -> bytes:
    """Return answer code, "00" and the answer's fields."""
    head = (answer_code(row.code) + OK).encode("ascii")
    return head + b"".join(field.write(values[field.name], values) for field in row.answer)


def refusal(code: str, error: str) -> bytes:
    """Return the answer to command `code` that carries only an error code."""
    return (answer_code(code) + error).encode("ascii")


def decode_answer(code: str, answer: bytes, given: Values) -> tuple[str, dict[str, Value]]:
    """Read an answer: the client's half of the table.

    Parameters
    ----------
    code
        Code of the command that was sent.
    answer
        Answer code, error code and data, without header and trailer.
    given
        The request's values: some answers have lengths that depend on them.

    Returns
    -------
    tuple
        The error code and, after "00", the values by name.

    Raises
    ------
    RemoteProtocolError
        The answer belongs to another command or does not fit the layout. Close the connection.
    """
    row = COMMANDS[code]
    values: dict[str, Value] = dict(given)
    if answer[:2] != answer_code(code).encode("ascii") or len(answer) < 4 or not TEXT.issuperset(answer[2:4]):
        raise RemoteProtocolError("the HSM's answer does not belong to the command that was sent")
    error = answer[2:4].decode("ascii")
    if error != OK:
        return error, {}
    at, fits = 4, True
    try:
        for field in row.answer:
            values[field.name], at = field.read(answer, at, values)
    except HsmError:
        fits = False
    if not fits or at != len(answer):
        raise RemoteProtocolError("the HSM's answer does not fit the layout of its command")
    return error, {field.name: values[field.name] for field in row.answer}
