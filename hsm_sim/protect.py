"""Link MACs by the HSM: the protector that a link of the chassis asks to seal and check its frames.

A frame's MAC is its last eight bytes, over all bytes before them. A read's or a write's frames go to the HSM as one
batch. It keeps no key and no copy of a frame.
"""

from collections.abc import Sequence
from typing import NamedTuple

from hsm_sim.client import HsmClient
from hsm_sim.core.errors import KEY_NOT_AVAILABLE, OK, VERIFICATION_FAILED
from hsm_sim.requests import MakeMac, VerifyMac

MAC_LENGTH = 8
_DOES_NOT_FIT = (VERIFICATION_FAILED, KEY_NOT_AVAILABLE)


class MacMethod(NamedTuple):
    """How a MAC is made: "algorithm" and "padding" of the host commands M6 and M8."""

    algorithm: str
    padding: str


MAC_METHODS = {"cmac": MacMethod("6", "0"), "retail": MacMethod("3", "2")}
"""AES-CMAC, for a key of usage M6; the TDES retail MAC, for a key of usage M3."""


class MacKeys:
    """Where the MAC keys of one link lie now; whoever changes keys writes it, the protector reads it.

    Attributes
    ----------
    sealing
        Place of the key that makes MACs.
    accepted
        Places of the keys that a MAC may fit, the likeliest first, each with its generation.
    """

    __slots__ = ("accepted", "sealing")

    def __init__(self, place: str) -> None:
        self.sealing = place
        self.accepted: tuple[tuple[str, int], ...] = ((place, 1),)


class HsmProtector:
    """Seals and checks the frames of one link.

    Parameters
    ----------
    client
        The HSM, as the link's owner.
    key
        Index of the zone authentication key shared with the peer (`hsm_sim.core.indexes.zak`), or the keys of a link
        on which they change.
    algorithm, padding
        One of `MAC_METHODS`.
    timeout_s
        Seconds for one batch.
    """

    def __init__(
        self, client: HsmClient, key: str | MacKeys, *, algorithm: str = "6", padding: str = "0", timeout_s: float = 2.0
    ) -> None:
        self._client = client
        self._keys = key if isinstance(key, MacKeys) else MacKeys(key)
        self._algorithm = algorithm
        self._padding = padding
        self._timeout_s = timeout_s

    async def seal(self, frames: list[bytes]) -> list[bytes] | None:
        """Return the frames with their MACs in place of their last eight bytes; None if the HSM did not make all."""
        key = self._keys.sealing
        bodies = [frame[:-MAC_LENGTH] for frame in frames]
        requests = [MakeMac(key, body, self._algorithm, self._padding) for body in bodies]
        sealed = []
        for body, made in zip(bodies, await self._client.call_many(requests, self._timeout_s), strict=True):
            if made is None or made.code != OK:
                return None
            sealed.append(body + bytes.fromhex(made.mac))
        return sealed

    async def verify(self, frames: list[bytes]) -> list[int] | None:
        """Return for each frame the generation of the key that its MAC fits, 0 for none.

        A frame that is too short to hold a MAC fits none. A second key is tried only while there is one.

        Returns
        -------
        list[int] | None
            None if the HSM did not check all.
        """
        verdicts = [0] * len(frames)
        open_ = [number for number, frame in enumerate(frames) if len(frame) > MAC_LENGTH]
        for key, generation in self._keys.accepted:
            if not open_:
                break
            codes = await self._checked(key, [frames[number] for number in open_])
            if codes is None:
                return None
            for number, code in zip(open_, codes, strict=True):
                if code == OK:
                    verdicts[number] = generation
            open_ = [number for number in open_ if not verdicts[number]]
        return verdicts

    async def _checked(self, key: str, frames: Sequence[bytes]) -> list[str] | None:
        requests = [
            VerifyMac(key, frame[:-MAC_LENGTH], frame[-MAC_LENGTH:].hex().upper(), self._algorithm, self._padding)
            for frame in frames
        ]
        codes = []
        for answer in await self._client.call_many(requests, self._timeout_s):
            # A key that is not there fits nothing only where another one may: a link without its key is not checked.
            is_known = answer is not None and (answer.code == OK or answer.code in _DOES_NOT_FIT)
            if answer is None or not is_known or (answer.code == KEY_NOT_AVAILABLE and key == self._keys.sealing):
                return None
            codes.append(answer.code)
        return codes
