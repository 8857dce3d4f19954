"""One row of the command table, and the letters that its layouts are made of."""

from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Final

from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.fields import Field
from hsm_sim.core.commands.groups import Marked, Part, Plan, fields_of
from hsm_sim.core.commands.keyfields import KeyField
from hsm_sim.core.errors import OK

CAPTURED: Final = "layout from captures of several open implementations"
ONE_SOURCE: Final = "layout from one open source"
OWN: Final = "our own command"


def answer_code(code: str) -> str:
    """Return the answer's code: the command's second character plus one.

    Examples
    --------
    >>> answer_code("M6"), answer_code("CA")
    ('M7', 'CB')
    """
    return code[0] + chr(ord(code[1]) + 1)


class Command:
    """Everything about one host command: its layout, who may send it, what carries it out.

    Parameters
    ----------
    code
        str[2], the command code.
    about
        What it does, for the documents.
    perform
        Carries it out: gets the parsed `Call`, returns the answer's values, a warning, or None for "01"; raises
        `HsmError` for every other refusal. It records rows only when nothing can refuse any more.
    fields, answer
        Layouts of the request's and of the answer's data.
    roles
        Roles that may send it; every other one gets "68".
    options
        Marked parts that may follow the fields in any order, beside `%LL`.
    warnings
        Error codes after which the answer's fields follow all the same.
    is_authorised
        Whether it needs the authorised state ("17").
    is_audited
        Whether the audit log records it whenever it succeeds, too; `Call.is_audited` is for a single time.
    counts_pin
        Whether its "01" is a wrong PIN: after too many the account gets "39". The account is the value "account".
    source
        What its layout rests on.
    codes
        Error codes that mean something of their own in this command: code -> meaning, for the documents.
    """

    def __init__(
        self,
        code: str,
        about: str,
        perform: Callable[[Call], Reply],
        fields: tuple[Part, ...],
        answer: tuple[Part, ...],
        roles: frozenset[str],
        *,
        options: tuple[Marked, ...] = (),
        warnings: tuple[str, ...] = (),
        is_authorised: bool = False,
        is_audited: bool = False,
        counts_pin: bool = False,
        source: str = CAPTURED,
        codes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.code = code
        self.about = about
        self.perform = perform
        self.fields = fields
        self.answer = answer
        self.roles = roles
        self.options = options
        self.warnings = warnings
        self.is_authorised = is_authorised
        self.is_audited = is_audited
        self.counts_pin = counts_pin
        self.source = source
        self.codes = codes
        self.request_plan = Plan(fields)
        self.answer_plan = Plan(answer)
        self.raw_code = code.encode("ascii")
        self.raw_answer_code = answer_code(code).encode("ascii")
        self.accepted = self.raw_answer_code + OK.encode("ascii")

    @cached_property
    def keys(self) -> tuple[KeyField, ...]:
        """The key fields that name a key under the LMK, the optional ones too."""
        return tuple(
            field
            for field in fields_of((*self.fields, *self.options))
            if isinstance(field, KeyField) and field.use is not None
        )

    @cached_property
    def answer_fields(self) -> tuple[Field, ...]:
        """Every field of the answer, the optional ones too."""
        return tuple(fields_of(self.answer))

    def __repr__(self) -> str:
        return f"Command({self.code!r})"
