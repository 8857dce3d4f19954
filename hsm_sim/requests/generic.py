"""Any host command by its code: for people at a command line and for commands that the house itself does not use."""

from typing import NamedTuple

from hsm_sim.core.commands.fields import Value
from hsm_sim.core.commands.wire import decode_answer, encode_command


class HostAnswer(NamedTuple):
    """Answer to `HostCommand`: the error code, and the values by name after "00" or a warning."""

    code: str
    values: dict[str, Value]

    def __repr__(self) -> str:
        return f"HostAnswer(code={self.code!r}, values={sorted(self.values)})"


class HostCommand(NamedTuple):
    """One host command with its values by the names of the table.

    Attributes
    ----------
    code
        str[2], a key of `hsm_sim.core.commands.table.COMMANDS`.
    values
        One value per field that is there; "lmk" for `%LL`.
    """

    code: str
    values: dict[str, Value]

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command(self.code, self.values)

    def parse(self, answer: bytes) -> HostAnswer:
        """Return the answer's code and values."""
        return HostAnswer(*decode_answer(self.code, answer, self.values))

    def __repr__(self) -> str:
        return f"HostCommand(code={self.code!r}, values={sorted(self.values)})"
