"""Link MACs by the HSM: the protector that a link of the chassis asks to seal and check its frames.

A frame's MAC is its last eight bytes, over all bytes before them. A read's or a write's frames go to the HSM as one
command. It keeps no key and no copy of a frame.
"""

from typing import NamedTuple

from hsm_sim.client import HsmClient
from hsm_sim.core.errors import KEY_NOT_AVAILABLE, OK, VERIFICATION_FAILED
from hsm_sim.requests import MakeMacs, VerifyMacs
from hsm_sim.requests.mac_batches import MAC_LENGTH, batches

__all__ = ["MAC_LENGTH", "MAC_METHODS", "HsmProtector", "MacKeys", "MacMethod"]

_CHECKED = (OK, VERIFICATION_FAILED)


class MacMethod(NamedTuple):
    """How a MAC is made: "algorithm" and "padding" of the host commands, as in M6."""

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
        key, method = self._keys.sealing, (self._algorithm, self._padding)
        bodies = [frame[:-MAC_LENGTH] for frame in frames]
        requests = [MakeMacs(key, some, *method) for some in batches(bodies)]
        macs: list[bytes] = []
        for made in await self._client.call_many(requests, self._timeout_s):
            if made is None or made.code != OK:
                return None
            macs += made.macs
        return [body + mac for body, mac in zip(bodies, macs, strict=True)]

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
            fit = await self._checked(key, [frames[number] for number in open_])
            if fit is None:
                return None
            for number, fits in zip(open_, fit, strict=True):
                if fits:
                    verdicts[number] = generation
            open_ = [number for number in open_ if not verdicts[number]]
        return verdicts

    async def _checked(self, key: str, frames: list[bytes]) -> list[bool] | None:
        method = (self._algorithm, self._padding)
        requests = [VerifyMacs(key, some, *method) for some in batches(frames)]
        fit: list[bool] = []
        for request, answer in zip(requests, await self._client.call_many(requests, self._timeout_s), strict=True):
            if answer is not None and answer.code in _CHECKED:
                fit += answer.verdicts
            elif answer is not None and answer.code == KEY_NOT_AVAILABLE and key != self._keys.sealing:
                # A key that is not there fits nothing where another one may: a link without its key is not checked.
                fit += [False] * len(request.messages)
            else:
                return None
        return fit
