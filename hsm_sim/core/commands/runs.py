"""Choices in a row, taken as one: what stood there before is known."""

from collections.abc import Callable, Hashable, Sequence
from operator import itemgetter

from hsm_sim.core.commands.fields import Choice, Value, Values


class Run:
    """Fields of fixed texts that follow each other: one slice and one look-up for all of them.

    Parameters
    ----------
    choices
        The fields, one or more.

    Attributes
    ----------
    length
        Characters of all of them.
    known
        What was read before, by its bytes; only what was good is remembered, so it stays small.
    of
        Takes the choices out of values.
    written
        What was written before, by what `of` took.
    """

    __slots__ = ("_choices", "known", "length", "of", "written")

    def __init__(self, choices: Sequence[Choice]) -> None:
        self._choices = choices
        self.length = sum(choice.length for choice in choices)
        self.known: dict[bytes, dict[str, Value]] = {}
        self.of: Callable[[Values], Hashable] = itemgetter(*[choice.name for choice in choices])
        self.written: dict[Hashable, bytes] = {}

    def parse(self, data: bytes, at: int, values: dict[str, Value]) -> int:
        """Read the choices; return the offset behind them."""
        end = at + self.length
        raw = data[at:end]
        known = self.known.get(raw)
        if known is None:
            known = {}
            for choice in self._choices:
                known[choice.name], at = choice.read(data, at, values)
            self.known[raw] = known
        values.update(known)
        return end

    def encode(self, values: Values) -> bytes:
        """Write the choices."""
        chosen = self.of(values)
        written = self.written.get(chosen)
        if written is None:
            written = b"".join([choice.write(values[choice.name], values) for choice in self._choices])
            self.written[chosen] = written
        return written
