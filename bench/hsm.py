"""The HSM: its operations against psec and pyemv, commands a second, and what its socket costs the ISO path."""

from __future__ import annotations

import warnings
from statistics import median
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import algorithms

from bench import hsm_path, hsm_rate
from bench.codec import rounds
from bench.figures import Figure, progress, ratio_of, table
from bench.hsm_bank import Bank, random_keys
from bench.hsm_commands import commands, payments
from bench.hsm_operations import Pair, cryptograms, translations, values_and_keys

LOOPS: Final = 200


def spare_the_peers() -> None:
    """Let psec and pyemv reach TDES without the deprecation warning that each of their calls pays for as installed."""
    algorithms.TripleDES = TripleDES  # type: ignore[misc]


def timed(pairs: list[Pair]) -> dict[str, tuple[list[float], list[float]]]:
    """Return microseconds of ours and of the peer's, round by round, in turn within each round."""
    found = {}
    for pair in pairs:
        sides = {"ours": pair.ours} if pair.peer is None else {"ours": pair.ours, "peer": pair.peer}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            times = rounds(sides, LOOPS)
        found[pair.name] = (times["ours"], times.get("peer", []))
    return found


def operations() -> list[Figure]:
    """Compare operations and host commands with the peers, as installed and spared their warnings."""
    keys = random_keys()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bare = [*values_and_keys(keys), *translations(keys), *cryptograms(keys)]
        bank = Bank(keys)
        whole = [*commands(bank, keys, {pair.name: pair for pair in bare}), *payments(bank)]
    progress("hsm: operations")
    installed = timed([*bare, *whole])
    spare_the_peers()
    spared = timed(bare)
    return [
        *(_figure(pair, installed[pair.name], spared[pair.name]) for pair in bare),
        *(_figure(pair, installed[pair.name], None) for pair in whole),
    ]


def _figure(
    pair: Pair, times: tuple[list[float], list[float]], spared: tuple[list[float], list[float]] | None
) -> Figure:
    ours, theirs = times
    value, kind = f"{median(ours):.2f} us", "" if spared is not None else "command "
    if not theirs:
        return Figure(f"{kind}{pair.name}", value, pair.path)
    peer, ratio = f"{pair.said} {median(theirs):.1f} us", _ratio(times)
    if spared is not None:
        peer += f", {median(spared[1]):.1f} us without warnings"
        ratio += f"; {median(b / a for a, b in zip(*spared, strict=True)):.2f}"
    return Figure(f"{kind}{pair.name}, times as fast", value, pair.path, peer=peer, ratio=ratio, aim=pair.aim)


def _ratio(times: tuple[list[float], list[float]]) -> str:
    return ratio_of([theirs / ours for ours, theirs in zip(*times, strict=True)])


def figures() -> list[Figure]:
    """Measure and return the lines of the table."""
    return [*operations(), *hsm_rate.figures(), *hsm_path.figures()]


if __name__ == "__main__":
    print(table(figures()))
