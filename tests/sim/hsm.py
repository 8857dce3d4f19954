"""The HSM in a simulation: the real engine over a memory journal; its answers come late, never, or after a crash."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from node.core.events import Answered
from tests.sim.node import SimNode
from tests.sim.world import World
from tests.support.hsm import Hsm

LOST_QUESTION, LOST_ANSWER, RESTART = 0.004, 0.004, 0.001
DELAY_S = (0.0005, 0.02)


class SimHsm:
    """Answers the questions of the nodes. `is_silent` makes it hear nothing."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.hsm = Hsm(seed=str(world.random.random()))
        self.is_silent = False

    def ask(self, node: SimNode, key: Hashable, request: Any, timeout_s: float) -> None:
        """Take a question; it is answered once, with None if the HSM does not answer in time."""
        question = _Question(node, key)
        self.world.after(timeout_s, lambda: question.answer(None))
        if self.is_silent or self.world.happens(LOST_QUESTION):
            return
        self.world.after(self.world.between(*DELAY_S), lambda: self._perform(question, request))

    def _perform(self, question: _Question, request: Any) -> None:
        if self.world.happens(RESTART):
            self.hsm.restart()
        self.hsm.now, self.hsm.at = self.world.now, self.world.at()
        answer = self.hsm.ask(question.node.name, request)
        if not self.world.happens(LOST_ANSWER):
            self.world.after(self.world.between(*DELAY_S), lambda: question.answer(answer))


class _Question:
    __slots__ = ("is_answered", "key", "life", "node")

    def __init__(self, node: SimNode, key: Hashable) -> None:
        self.node = node
        self.key = key
        self.life = node.life
        self.is_answered = False

    def answer(self, value: Any) -> None:
        if not self.is_answered and self.node.is_up and self.node.life == self.life:
            self.is_answered = True
            self.node.put(Answered(self.key, value))
