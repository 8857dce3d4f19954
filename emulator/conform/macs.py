"""MACs of a conformance run under a key that the tester has: a test key in a file.

A host of one's own needs no HSM here; where the key is in an HSM, `hsm_sim.protect.HsmProtector` does the same work.
"""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from pathlib import Path
from typing import Literal

from hsm_sim.core.crypto.ciphers import CardKey, pad
from hsm_sim.core.crypto.macs import cmac, keyed_cmac, mac_algorithm_3
from hsm_sim.protect import MAC_LENGTH
from iso import ConfigError

Algorithm = Literal["cmac", "retail"]
_LENGTHS: dict[Algorithm, tuple[int, ...]] = {"cmac": (16, 24, 32), "retail": (16,)}


class KeyProtector:
    """Seals and checks frames as `node.link.Protector` does, with a clear test key.

    Parameters
    ----------
    key
        "cmac": an AES key, bytes[16], [24] or [32]; "retail": a double-length TDES key, bytes[16].
    algorithm
        AES-CMAC, or ISO 9797-1 algorithm 3 with padding method 2; of both the leftmost 8 bytes.
    """

    def __init__(self, key: bytes, algorithm: Algorithm) -> None:
        self._mac = _mac_of(key, algorithm)

    async def seal(self, frames: list[bytes]) -> list[bytes] | None:
        """Return the frames with their MACs in place of their last eight bytes."""
        return [frame[:-MAC_LENGTH] + self._mac(frame[:-MAC_LENGTH]) for frame in frames]

    async def verify(self, frames: list[bytes]) -> list[int] | None:
        """Return 1 for each frame whose MAC fits, 0 for the others."""
        return [int(compare_digest(frame[-MAC_LENGTH:], self._mac(frame[:-MAC_LENGTH]))) for frame in frames]

    def __repr__(self) -> str:
        return "KeyProtector(***)"


def _mac_of(key: bytes, algorithm: Algorithm) -> Callable[[bytes], bytes]:
    if algorithm == "cmac":
        keyed = keyed_cmac(key)
        return lambda body: cmac(keyed, body)[:MAC_LENGTH]
    card_key = CardKey(key)
    return lambda body: mac_algorithm_3(card_key, pad(body, "2"))


def read_key(file: Path, algorithm: Algorithm, option: str) -> bytes:
    """Read a clear test key: hexadecimal digits, spaces do not matter.

    Raises
    ------
    ConfigError
        The file cannot be read, or holds no key of a length that the algorithm takes. Nothing of it is shown.
    """
    lengths = " or ".join(str(2 * length) for length in _LENGTHS[algorithm])
    try:
        key = bytes.fromhex(file.read_text("ascii"))
    except (OSError, ValueError):
        key = b""
    if len(key) in _LENGTHS[algorithm]:
        return key
    raise ConfigError("command line", option, str(file), f"a file with {lengths} hexadecimal digits")
