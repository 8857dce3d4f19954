"""The core of the switch alone: prepared events in memory, no socket, no journal, no HSM.

`python -m bench.switch_core` prints what a pair costs and where its time goes.
"""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable, Sequence
from datetime import timedelta
from time import process_time

from bench.one_switch import BARE, CARDS
from bench.processes import BenchError
from bench.purchases import Till, for_the_network
from hsm_sim.requests import PanSealed
from iso import Message, decode, dialect, encode
from node.clock import wall_clock
from node.core.events import Answered, Connected, Event, Received
from node.core.link import LinkMachine, LinkProfile
from node.core.turn import Turn
from switch.core.machine import SwitchMachine
from switch.core.routing import RouteTable

TURN = 64
"""Requests a turn."""
TURNS = 60
WARM_UP_TURNS = 5
LINES = 45
ISSUER = "issuer-0"
_SEALED = "S" * 64


def machine() -> SwitchMachine:
    """Return a switch with its two links up."""
    profile = LinkProfile(sign_on=False)
    links = [LinkMachine("acquirer", BARE, profile), LinkMachine(ISSUER, dialect("ascii87"), profile)]
    switch = SwitchMachine(links, RouteTable(dict.fromkeys(CARDS, ISSUER)))
    # Long enough ago for every request to be newer: none may be a copy of one that only a journal remembers.
    turn = Turn(wall_clock() - timedelta(hours=1))
    switch.restore({})
    switch.begin(0.0, turn)
    for link in ("acquirer", ISSUER):
        switch.handle(Connected(link, 1, dialled=link == ISSUER), 0.0, turn)
    return switch


class Core:
    """A switch and what it is asked; counts the processor time of its own turns only."""

    def __init__(self, requests: list[Message]) -> None:
        self._machine = machine()
        self._frames = [encode(message, BARE) for message in requests]
        self._profile: cProfile.Profile | None = None
        self.used_s = 0.0
        self.answered = 0

    def run(self, part: slice, profile: cProfile.Profile | None) -> None:
        """Take a part of the requests through: request, sealed card, answer."""
        self._profile = profile
        speaks, frames = dialect("ascii87"), self._frames[part]
        for start in range(0, len(frames), TURN):
            asked = self._turn([Received("acquirer", 1, frame, True) for frame in frames[start : start + TURN]])
            sealed = [Answered(ask.key, PanSealed("00", _SEALED)) for ask in asked.asks]
            sent = self._turn(sealed)
            answers = [decode(send.payload, speaks).reply("00", {38: "A00001"}) for send in sent.sends]
            answered = self._turn([Received(ISSUER, 1, encode(answer, speaks), True) for answer in answers])
            self.answered += len(answered.sends)

    def _turn(self, events: Sequence[Event]) -> Turn:
        turn = Turn(wall_clock())
        handle: Callable[[Event, float, Turn], None] = self._machine.handle
        if self._profile is not None:
            self._profile.enable()
        before = process_time()
        for event in events:
            handle(event, 1.0, turn)
        self._machine.expire(1.0, turn)
        self._machine.deadline()
        self.used_s += process_time() - before
        if self._profile is not None:
            self._profile.disable()
        return turn


def core_us(profile: cProfile.Profile | None = None) -> float:
    """Return the microseconds of processor time that one pair costs."""
    made = Till("").card_present(TURN * (TURNS + WARM_UP_TURNS))
    messages = [for_the_network(message) for message in made]
    cut = TURN * WARM_UP_TURNS
    core = Core(messages)
    core.run(slice(0, cut), None)
    core.used_s = 0.0
    core.run(slice(cut, None), profile)
    if core.answered != len(messages):
        raise BenchError(f"{len(messages)} requests were answered {core.answered} times")
    return 1e6 * core.used_s / (len(messages) - cut)


def main() -> None:
    profile = cProfile.Profile()
    print(f"{min(core_us() for _ in range(5)):.1f} us a pair")
    core_us(profile)
    pstats.Stats(profile).sort_stats("tottime").print_stats(LINES)


if __name__ == "__main__":
    main()
