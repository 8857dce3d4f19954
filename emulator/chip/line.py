"""A terminal's line to its acquirer: one question at a time, and what is owed until it is answered.

Before a request leaves, its reversal is in the till's file; the answer takes it out again. Where no answer comes the
reversal is sent until one does: in this run, or at the start of the next. A sale that the terminal has approved itself
is sent and repeated in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import anyio

from emulator.chip.files import read_card
from emulator.chip.till import Duty, concluded
from emulator.chip.till_file import Kept
from emulator.peer import Exchange, Outcome, Peer
from iso import CardrailsError, Dialect, Message, decode
from iso.translate import to_1987
from node.core.link import LinkProfile
from node.pipes import PipeError, Pipes, closing

AGAIN = frozenset({"09", "19", "68", "90", "91", "92", "96"})
"""DE 39 after which what is owed is sent again. Source: shared facts, iso8583 3.7."""


class Where(NamedTuple):
    """The acquirer: a pipe URL, what is spoken there, if it wants a sign-on, and how long it may take to answer."""

    address: str
    dialect: Dialect
    signs_on: bool = True
    timeout_s: float = 30.0
    connect_timeout_s: float = 5.0


class Heard(NamedTuple):
    """What became of a message: its answer in the 1987 form, or why there is none."""

    outcome: Outcome
    answer: Message | None = None

    def __repr__(self) -> str:
        return f"Heard({self.outcome.value!r}, {self.answer!r})"


class Line:
    """The line of one terminal.

    Parameters
    ----------
    kept
        The terminal; written before each send.
    attempts_max
        Sends of each thing that is owed, in one run.
    """

    def __init__(self, kept: Kept, where: Where, now: Callable[[], datetime], attempts_max: int = 3) -> None:
        self.kept = kept
        self.where = where
        self.attempts_max = attempts_max
        self._now = now

    async def ask(self, request: Message, undo: Message | None) -> Heard:
        """Send a request; what it may have begun is undone if nobody says what became of it.

        Parameters
        ----------
        undo
            Its reversal, with a STAN of its own; None for what moves nothing.
        """
        kept = self.kept
        if undo is not None:
            kept.till = kept.till.owing(Duty(undo))
        kept.write()
        heard = await self._exchange(request)
        if undo is not None and heard.outcome in (Outcome.ANSWERED, Outcome.NOT_SENT):
            kept.till = kept.till.settled(undo)
            kept.write()
        return heard

    async def settle(self) -> list[Heard]:
        """Send everything that is owed, oldest first, until it is answered or has been sent often enough for now."""
        said = []
        for owed in self.kept.till.duties:
            duty, heard = owed, Heard(Outcome.NOT_SENT)
            for _ in range(self.attempts_max):
                message = self._sending(duty)
                self.kept.till = self.kept.till.tried(duty)
                self.kept.write()
                duty = duty._replace(attempts=duty.attempts + 1)
                heard = await self._exchange(message)
                if heard.answer is not None and heard.answer.response_code not in AGAIN:
                    self.kept.till = concluded(self.kept.till, duty, heard.answer)
                    self.kept.write()
                    break
            said.append(heard)
        return said

    def _sending(self, duty: Duty) -> Message:
        message = duty.next_message()
        return message.with_fields({2: read_card(Path(duty.card)).pan}) if duty.card else message

    async def _exchange(self, message: Message) -> Heard:
        where, problem = self.where, ""
        try:
            stream = await Pipes().dial(where.address, where.connect_timeout_s)
        except PipeError:
            return Heard(Outcome.NOT_SENT)
        exchange: Exchange | None = None
        async with closing(stream), anyio.create_task_group() as tasks:
            profile = LinkProfile(sign_on=where.signs_on, sign_on_timeout_s=where.timeout_s)
            peer = Peer(stream, where.dialect, self._now, profile)
            tasks.start_soon(peer.run)
            try:
                await peer.ready(where.timeout_s)
                exchange = await peer.exchange(message, where.timeout_s)
            except CardrailsError as error:
                problem = str(error)
            tasks.cancel_scope.cancel()
        if problem:
            raise CardrailsError(problem)
        assert exchange is not None
        if exchange.response is None:
            return Heard(exchange.outcome)
        answer = decode(exchange.response, where.dialect)
        return Heard(Outcome.ANSWERED, to_1987(answer) if where.dialect.version == "1993" else answer)
