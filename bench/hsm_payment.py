"""What the HSM does for one authorisation, command by command, in one process: no socket and no commit.

`python -m bench.hsm_payment` prints, in microseconds: the client's bytes, the engine's work (reading the command is a
part of it), and the client's reading of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import process_time
from typing import Any, Final, NamedTuple

import psec

from bench.hsm_bank import Bank, Keys, random_keys
from bench.hsm_commands import test_pans
from bench.hsm_operations import PAN, PIN, PVKI, block_under
from hsm_sim.core import indexes
from hsm_sim.core.commands.table import COMMANDS
from hsm_sim.core.commands.wire import decode_command
from hsm_sim.core.crypto.pinblocks import ISO_0
from hsm_sim.core.roles import SWITCH
from hsm_sim.requests import (
    Detokenise,
    Fingerprint,
    MakeCryptogram,
    MakeCvv,
    MakeMac,
    MakeMacs,
    Request,
    SealPan,
    StoreCard,
    VerifyCvv,
    VerifyMac,
    VerifyMacs,
    VerifyPinPvv,
)

FRAME: Final = bytes(range(200))
BATCH: Final = 16
TOKENS: Final = 200
ROUNDS: Final = 7
CALLS: Final = 2000
_HEADER: Final = b"0000"


class Case(NamedTuple):
    """One command of an authorisation: as whom it is asked, the requests in turn, and how many frames each serves."""

    name: str
    party: str
    requests: Sequence[Request[Any]]
    serves: int = 1


class Cost(NamedTuple):
    """Microseconds of processor time: the client's bytes, the engine and its reading, the client's reading."""

    written: float
    engine: float
    read: float
    answered: float


def cases(bank: Bank, keys: Keys) -> list[Case]:
    """Return the commands of an authorisation in the order of its path."""
    zak = indexes.zak(SWITCH)
    made, mac = bank.ask("acquirer", MakeMacs(zak, [FRAME] * BATCH), MakeMac(zak, FRAME))
    sealed = [FRAME + one for one in made.macs]
    (cvv,) = bank.ask("a", MakeCvv(indexes.CVK, PAN, "3012", "000"))
    pvv = psec.pin.generate_visa_pvv(keys.pvk, PVKI, PIN, PAN)
    block = block_under(keys.other_zpk).hex().upper()
    return [
        Case("M6 a frame's MAC, alone", "acquirer", [MakeMac(zak, FRAME)]),
        Case("M8 a frame's MAC checked, alone", "acquirer", [VerifyMac(zak, FRAME, mac.mac)]),
        Case(f"ZQ MACs, {BATCH} at once, each", "acquirer", [MakeMacs(zak, [FRAME] * BATCH)], BATCH),
        Case(f"ZS MACs checked, {BATCH} at once, each", "acquirer", [VerifyMacs(zak, sealed)], BATCH),
        Case("ZE open a token", "switch", _openings(bank)),
        Case("ZI seal a card number", "switch", [SealPan(PAN, "400001/603212345678")]),
        Case("ZG fingerprint", "a", [Fingerprint(PAN)]),
        Case("CY verify a CVV2", "a", [VerifyCvv(indexes.CVK, PAN, "3012", "000", cvv.cvv)]),
        Case("EC verify a PIN by its PVV", "a", [_pin_check(block, pvv)]),
    ]


def _pin_check(block: str, pvv: str) -> VerifyPinPvv:
    return VerifyPinPvv(indexes.zpk(SWITCH), indexes.PVK, block, ISO_0, PAN, PVKI, pvv)


def _openings(bank: Bank) -> list[Request[Any]]:
    """Return first uses, as many as are measured, each for a payment of its own."""
    tokens = [
        card.token for card in bank.ask("gateway", *[StoreCard(pan, "3012", "", "b") for pan in test_pans(TOKENS)])
    ]
    asked = [MakeCryptogram(token, 1999, "840", "SHOP") for token in tokens]
    found: list[Request[Any]] = []
    while len(found) <= CALLS * ROUNDS:
        for token, made in zip(tokens, bank.ask("gateway", *asked), strict=True):
            proof = (made.cryptogram, made.atc, made.un)
            found.append(Detokenise(token, f"400001/{len(found):012d}", *proof, 1999, "840", "SHOP"))
    return found


def cost_of(bank: Bank, case: Case) -> Cost:
    """Measure one command, by the frames that it serves."""
    request = case.requests[0]
    frame = _HEADER + request.encode()
    row = COMMANDS[frame[4:6].decode("ascii")]
    send = bank.sender(case.party, *[one.encode() for one in case.requests])
    answer = bank.answer(case.party, frame)
    parts = (request.encode, send, lambda: decode_command(row, frame, 6), lambda: request.parse(answer))
    return Cost(*[_best(part) / case.serves for part in parts])


def _best(what: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        before = process_time()
        for _ in range(CALLS):
            what()
        best = min(best, process_time() - before)
    return 1e6 * best / CALLS


def main() -> None:
    keys = random_keys()
    bank = Bank(keys)
    print(f"{'':40}{'client':>9}{'engine':>9}{'(reads)':>9}{'client':>9}{'all':>9}")
    for case in cases(bank, keys):
        cost = cost_of(bank, case)
        whole = cost.written + cost.engine + cost.answered
        print(f"{case.name:40}{cost.written:9.2f}{cost.engine:9.2f}{cost.read:9.2f}{cost.answered:9.2f}{whole:9.2f}")


if __name__ == "__main__":
    main()
