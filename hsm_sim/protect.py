"""Link MACs by the HSM: the protector that a link of the chassis asks to seal and check its frames.

A frame's MAC is its last eight bytes, over all bytes before them. A read's or a write's frames go to the HSM as one
batch. It keeps no key and no copy of a frame.
"""

from hsm_sim.client import HsmClient
from hsm_sim.core.errors import OK, VERIFICATION_FAILED
from hsm_sim.requests import MakeMac, VerifyMac

MAC_LENGTH = 8


class HsmProtector:
    """Seals and checks the frames of one link.

    Parameters
    ----------
    client
        The HSM, as the link's owner.
    key
        Index of the zone authentication key shared with the peer (`hsm_sim.core.indexes.zak`).
    algorithm, padding
        "6" and "0": AES-CMAC. "3" and "2": the TDES retail MAC, for a key of usage M3.
    timeout_s
        Seconds for one batch.
    """

    def __init__(
        self, client: HsmClient, key: str, *, algorithm: str = "6", padding: str = "0", timeout_s: float = 2.0
    ) -> None:
        self._client = client
        self._key = key
        self._algorithm = algorithm
        self._padding = padding
        self._timeout_s = timeout_s

    async def seal(self, frames: list[bytes]) -> list[bytes] | None:
        """Return the frames with their MACs in place of their last eight bytes; None if the HSM did not make all."""
        bodies = [frame[:-MAC_LENGTH] for frame in frames]
        requests = [MakeMac(self._key, body, self._algorithm, self._padding) for body in bodies]
        sealed = []
        for body, made in zip(bodies, await self._client.call_many(requests, self._timeout_s), strict=True):
            if made is None or made.code != OK:
                return None
            sealed.append(body + bytes.fromhex(made.mac))
        return sealed

    async def verify(self, frames: list[bytes]) -> list[bool] | None:
        """Return for each frame whether its MAC fits; None if the HSM did not check all.

        A frame that is too short to hold a MAC does not fit.
        """
        requests = [
            VerifyMac(self._key, frame[:-MAC_LENGTH], frame[-MAC_LENGTH:].hex().upper(), self._algorithm, self._padding)
            for frame in frames
            if len(frame) > MAC_LENGTH
        ]
        checked = await self._client.call_many(requests, self._timeout_s)
        if any(answer is None or answer.code not in (OK, VERIFICATION_FAILED) for answer in checked):
            return None
        verdicts = iter([answer is not None and answer.code == OK for answer in checked])
        return [len(frame) > MAC_LENGTH and next(verdicts) for frame in frames]
