"""A point of sale that talks to the acquirer as a gateway does: one connection for each question."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

import anyio

from emulator.peer import Outcome, Peer
from iso import CardrailsError, Message, decode, dialect
from iso.original import OriginalData
from iso.private import build_private
from node.clock import wall_clock
from node.core.link import LinkProfile
from node.pipes import Pipes, closing
from tests.support.waiting import eventually

PAN = "4242424242424242"
ANSWER_S = 10.0
_STANS = count(1)


class Pos:
    """Asks one question at a time and waits for its answer; silence is None."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._speaks = dialect("pos-bcd87")

    def ask(self, message: Message) -> Message | None:
        """Send one message; None if the connection was lost or nobody answered."""
        return anyio.run(self._ask, message)

    def insist(self, message: Message) -> Message:
        """Send a message, and its repeats, until somebody answers for good: a reversal is never refused for good."""
        answers: list[Message] = []
        messages = [message]

        def once() -> bool:
            with suppress(CardrailsError):
                answer = self.ask(messages[-1])
                if answer is not None and not (message.mti_class == "4" and answer.response_code in ("91", "96")):
                    answers.append(answer)
            messages.append(message.with_fields({}, mti=message.mti[:3] + "1"))
            return bool(answers)

        assert eventually(once), f"nobody answers {message.mti}"
        return answers[-1]

    async def _ask(self, message: Message) -> Message | None:
        stream = await Pipes().dial(self._address, 5.0)
        response: Message | None = None
        problem: CardrailsError | None = None
        async with closing(stream), anyio.create_task_group() as tasks:
            peer = Peer(stream, self._speaks, wall_clock, LinkProfile(sign_on=True))
            tasks.start_soon(peer.run)
            try:
                await peer.ready(ANSWER_S)
                done = await peer.exchange(message, ANSWER_S)
            except CardrailsError as error:
                problem = error
            else:
                if done.outcome is Outcome.ANSWERED and done.response is not None:
                    response = decode(done.response, self._speaks)
            tasks.cancel_scope.cancel()
        if problem is not None:
            raise problem
        return response


def purchase(amount: int) -> Message:
    """Return a 0100 of its own for a card of issuer A."""
    return Message(
        "0100",
        {
            2: PAN,
            3: "000000",
            4: f"{amount:012d}",
            **_traced(),
            14: "3412",
            22: "810",
            25: "59",
            41: "RAILS001",
            42: "RAILSCOFFEE0001",
            48: build_private({"01": "737", "13": "killed"}),
            49: "840",
        },
    )


def about(original: Message, mti: str, **changes: str) -> Message:
    """Return a message that names an earlier one."""
    fields: dict[int, str | None] = {element: original.get(element) for element in (2, 3, 4, 41, 42, 49)}
    fields |= {**_traced(), 90: OriginalData("0100", original.stan, original.transmitted).to_de90()}
    fields |= {int(name.removeprefix("de")): value for name, value in changes.items()}
    return Message(mti, {element: value for element, value in fields.items() if value is not None})


def _traced() -> dict[int, str]:
    now = wall_clock()
    return {7: f"{now:%m%d%H%M%S}", 11: f"{next(_STANS):06d}", 12: f"{now:%H%M%S}", 13: f"{now:%m%d}"}
