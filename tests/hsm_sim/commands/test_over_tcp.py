"""Captured commands and known answers once more, each through a real socket of a running HSM."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from hsm_sim.node import HsmNode
from hsm_sim.store import metadata
from node.journal import MemoryJournal
from node.pipes import Pipes
from tests.hsm_sim.commands import (
    test_cards,
    test_data,
    test_device,
    test_emv,
    test_keys_captured,
    test_macs,
    test_pin_captures,
)
from tests.hsm_sim.nodes import config
from tests.support.hsm import MASTER, Hsm, seeded
from tests.support.nodes import fixed_clock

MODULES = (test_cards, test_data, test_device, test_emv, test_keys_captured, test_macs, test_pin_captures)
HEADER = b"HEAD"


class WiredHsm(Hsm):
    """The HSM of the tests with sockets before it: a connection per party, frames of two length bytes."""

    def __init__(self, addresses: dict[str, str]) -> None:
        super().__init__()
        self._addresses = addresses
        self._sockets: dict[str, socket.socket] = {}

    def frame(self, party: str, frame: bytes) -> bytes:
        """Send one frame with a header; return the answer without it."""
        wire = self._sockets.get(party) or self._dial(party)
        content = HEADER + frame
        wire.sendall(len(content).to_bytes(2, "big") + content)
        answer = self._exactly(wire, int.from_bytes(self._exactly(wire, 2), "big"))
        assert answer[:4] == HEADER
        return answer[4:]

    def close(self) -> None:
        """Hang up."""
        for wire in self._sockets.values():
            wire.close()

    def _dial(self, party: str) -> socket.socket:
        host, _, port = self._addresses[party].rpartition("/")[2].partition(":")
        wire = self._sockets[party] = socket.create_connection((host, int(port)), timeout=10)
        return wire

    def _exactly(self, wire: socket.socket, length: int) -> bytes:
        received = b""
        while len(received) < length:
            part = wire.recv(length - len(received))
            assert part, "the HSM hung up"
            received += part
        return received


@pytest.fixture(scope="module", autouse=True)
def _wired() -> Iterator[None]:
    """Put a running HSM in the place of the tests' engine."""
    settings = config("tcp", open_address="tcp://127.0.0.1:0")
    node = HsmNode(settings, MemoryJournal(metadata), MASTER, fixed_clock(), Pipes(), seeded())
    with start_blocking_portal() as portal:
        running, _ = portal.start_task(_run, node)
        wired = WiredHsm(node.addresses)
        with pytest.MonkeyPatch.context() as patch:
            for module in MODULES:
                patch.setattr(module, "HSM", wired)
            yield
        wired.close()
        running.cancel()


async def _run(node: HsmNode, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    await node.run(task_status=task_status)


class TestCvvOverTcp(test_cards.TestCvv):
    test_as_psec_where_psec_is_right = None  # a property is run once, against the engine


class TestDynamicValuesOverTcp(test_cards.TestDynamicValues):
    pass


class TestKnownDataOverTcp(test_data.TestKnownData):
    pass


class TestHashesOverTcp(test_data.TestHashes):
    pass


class TestDiagnosticsOverTcp(test_device.TestDiagnostics):
    pass


class TestKnownTransactionsOverTcp(test_emv.TestKnownTransactions):
    pass


class TestScriptsOverTcp(test_emv.TestScripts):
    pass


class TestVariantLmkOverTcp(test_keys_captured.TestVariantLmk):
    pass


class TestKeyBlockLmkOverTcp(test_keys_captured.TestKeyBlockLmk):
    pass


class TestKeysOfOthersOverTcp(test_keys_captured.TestKeysOfOthers):
    pass


class TestKnownMacsOverTcp(test_macs.TestKnownMacs):
    test_as_psec = None  # a property is run once, against the engine


class TestTerminalMacsOverTcp(test_macs.TestTerminalMacs):
    pass


class TestPinCapturesOverTcp(test_pin_captures.TestCaptures):
    pass


class TestPinVectorsOverTcp(test_pin_captures.TestVectors):
    pass
