"""Whatever the table of commands lets a peer write, the HSM answers it: drawn frames, and the longest ones."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest
from trio.testing import MockClock

from hsm_sim.config import FRAME_BYTES_MAX
from hsm_sim.core.commands.fields import Block
from hsm_sim.core.commands.row import Command, answer_code
from hsm_sim.core.commands.table import COMMANDS
from hsm_sim.core.errors import CODES
from hsm_sim.core.roles import OPEN
from hsm_sim.core.slots import OPEN_PARTY
from hsm_sim.ports import FRAMED_MAX, FRAMING, framed
from iso import framing
from node.pipes import Pipes
from tests.hsm_sim.drawn import Drawing, blocks_of
from tests.hsm_sim.nodes import hsm_node, serving
from tests.support.hsm import PARTIES, Hsm

FRAMES = 150
LONGEST = 8
UNREADABLE = {"15", "80"}
BLOCKS = {f"{row.code}-{block.name}": (row, block) for row in COMMANDS.values() for block in blocks_of(row)}
HEADER = b"HEAD"


def drawings(row: Command, hsm: Hsm) -> dict[str, Drawing]:
    """Return what draws a command, by the name of a party of each role that may send it."""
    names = {party.role: party.name for party in PARTIES} | {OPEN: OPEN_PARTY}
    senders = sorted(names[role] for role in row.roles)
    token = hsm.stored().token
    return {name: Drawing(Random(row.code + name), hsm.engine._slots[name], [token]) for name in senders}


def longest_of(drawing: Drawing, row: Command, block: Block) -> list[bytes]:
    """Return commands that have the block, as long as it may be; not every drawn one has it."""
    drawn = (drawing.longest(row, block) for _ in range(1000))
    return list(islice((command for command in drawn if command is not None), LONGEST))


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


class TestTheEngine:
    """Each frame is answered with a documented code, and each answer fits a frame."""

    @pytest.mark.parametrize("row", COMMANDS.values(), ids=COMMANDS)
    def test_drawn_frames(self, row: Command) -> None:
        hsm, codes = Hsm(), set()

        for party, drawing in drawings(row, hsm).items():
            for _ in range(FRAMES):
                answer = hsm.frame(party, drawing.command(row))
                assert answer[:2].decode() == answer_code(row.code)
                codes.add(answer[2:4].decode())

        assert codes <= CODES.keys() | row.codes.keys()
        assert codes - UNREADABLE, "nothing that was drawn could be read"

    @pytest.mark.parametrize("name", BLOCKS)
    def test_the_longest_frame_of_each_block(self, name: str) -> None:
        row, block = BLOCKS[name]
        hsm, count = Hsm(), 0

        for party, drawing in drawings(row, hsm).items():
            for command in longest_of(drawing, row, block):
                answer = hsm.frame(party, command)
                assert answer[:2].decode() == answer_code(row.code)
                assert len(HEADER + command) <= FRAME_BYTES_MAX
                assert len(HEADER + answer) <= FRAMED_MAX
                count += 1

        assert count, "no drawn command has the block"


@pytest.mark.trio
class TestThePorts:
    """Over a port each frame has its answer, in order, and the process goes on."""

    async def test_drawn_and_longest_frames(self, mock_clock: MockClock) -> None:
        pipes, sent = Pipes(), 0

        async with serving(hsm_node(pipes, open_address=f"memory://hsm-{OPEN_PARTY}")):
            for row in COMMANDS.values():
                for party, drawing in drawings(row, Hsm()).items():
                    commands = [drawing.command(row) for _ in range(3)]
                    for block in blocks_of(row):
                        commands += longest_of(drawing, row, block)
                    answers = await exchanged(pipes, party, commands)
                    assert [answer[:6] for answer in answers] == [
                        b"%04d" % number + answer_code(row.code).encode() for number in range(len(commands))
                    ]
                    sent += len(commands)

        assert sent > 3 * len(COMMANDS)


async def exchanged(pipes: Pipes, party: str, commands: list[bytes]) -> list[bytes]:
    """Send commands over one connection, each with its number as header; return what is answered."""
    decoder = framing(FRAMING).decoder(limit_bytes=FRAMED_MAX)
    answers: list[bytes] = []
    async with await pipes.dial(f"memory://hsm-{party}") as stream:
        for number, command in enumerate(commands):
            await stream.send(framed(b"%04d" % number + command))
            while len(answers) <= number:
                answers += decoder.feed(await stream.receive())
    return answers
