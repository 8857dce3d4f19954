"""Between bytes and values: reading and writing commands and answers by the table.

On the wire: command 2A, the fields in order, options behind their marks, optionally `%` + LMK identifier 2N,
optionally X'19' + a trailer. The answer's code is the command with its second character raised by one, then an error
code 2A; the answer's fields follow only after "00" or a warning of the row.
"""

from typing import Any, Final

from hsm_sim.core.commands.fields import TEXT, Value, Values
from hsm_sim.core.commands.row import Command, answer_code
from hsm_sim.core.commands.table import COMMANDS
from hsm_sim.core.errors import BAD_DATA, OK, HsmError
from iso.errors import LocalProtocolError, RemoteProtocolError

TRAILER_MARK: Final = 0x19
TRAILER_LENGTH_MAX: Final = 32


def encode_command(code: str, values: Values) -> bytes:
    """Return command code and data, without header and trailer.

    Parameters
    ----------
    code
        A key of `COMMANDS`.
    values
        One value per field of the row that is there; options are written where their first value is given, and
        "lmk" (str[2]) as `%LL`.

    Raises
    ------
    LocalProtocolError
        A value is missing or does not fit its field. The message names the field, never the value.
    """
    row = COMMANDS[code]
    try:
        data = row.raw_code + row.request_plan.write(values)
        if row.options:
            data += b"".join([option.encode(values) for option in row.options])
    except KeyError as error:
        missing = str(error.args[0])
    else:
        lmk = values.get("lmk")
        return data + b"%" + str(lmk).encode("ascii") if lmk else data
    raise LocalProtocolError(f"HSM command {code} needs a value for {missing}")


def decode_command(row: Command, data: bytes, at: int) -> tuple[dict[str, Value], str | None, bytes]:
    """Read a command's fields and everything behind them.

    Parameters
    ----------
    row
        The command's row.
    data
        The frame; its fields start at byte `at`.

    Returns
    -------
    tuple
        Values by name, the LMK identifier of `%LL` or None, and the trailer with its X'19' to echo.

    Raises
    ------
    HsmError
        With the code to answer: "15" malformed or longer than its layout, "80" shorter than announced, or a
        field's own code.
    """
    values: dict[str, Value] = {}
    at = row.request_plan.read(data, at, values)
    if at == len(data):
        return values, None, b""
    lmk: str | None = None
    before = -1
    while before != at:  # options and %LL in any order
        before = at
        if data[at : at + 1] == b"%":
            raw = data[at + 1 : at + 3]
            if len(raw) != 2 or not raw.isdigit():
                raise HsmError(BAD_DATA)
            lmk, at = raw.decode("ascii"), at + 3
        for option in row.options:
            at = option.parse(data, at, values)
    trailer = data[at:]
    if trailer and (trailer[0] != TRAILER_MARK or len(trailer) > TRAILER_LENGTH_MAX + 1):
        raise HsmError(BAD_DATA)
    return values, lmk, trailer


def encode_answer(row: Command, values: Values, code: str = OK) -> bytes:
    """Return the answer to a command: answer code, error code, data; no fields if there are no values."""
    head = row.accepted if code == OK else refusal(row.code, code)
    return head + row.answer_plan.write(values) if values else head


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
        The error code, and the values by name after "00" or a warning.

    Raises
    ------
    RemoteProtocolError
        The answer belongs to another command or does not fit the layout. Close the connection.
    """
    row = COMMANDS[code]
    error = OK
    if not answer.startswith(row.accepted):
        if not answer.startswith(row.raw_answer_code) or len(answer) < 4 or not TEXT.issuperset(answer[2:4]):
            raise RemoteProtocolError("the HSM's answer does not belong to the command that was sent")
        error = answer[2:4].decode("ascii")
        if error not in row.warnings or len(answer) == 4:
            return error, {}
    values = _Over(given) if given else {}
    at, fits = 4, True
    try:
        at = row.answer_plan.read(answer, 4, values)
    except HsmError:
        fits = False
    if not fits or at != len(answer):
        raise RemoteProtocolError("the HSM's answer does not fit the layout of its command")
    return error, dict(values) if given else values


class _Over(dict[str, Value]):
    """The answer's values, with the request's under them for layouts that ask; as a dictionary it has its own alone."""

    __slots__ = ("_given",)

    def __init__(self, given: Values) -> None:
        super().__init__()
        self._given = given

    def __missing__(self, name: str) -> Value:
        return self._given[name]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._given

    def get(self, name: str, absent: Any = None) -> Any:
        return self[name] if name in self else absent  # noqa: SIM401 - the dictionary's own `get` sees its own alone
