"""TR-31 version D key blocks: a key with its header, encrypted and authenticated as one under an AES key.

The header (usage, algorithm, mode of use, exportability) is authenticated with the key, so a key cannot be given
another purpose by whoever carries it. These functions see clear keys: only `hsm_sim.core.keys` calls them.

Source
------
TR-31:2018 / ISO 20038 as open implementations have it; vectors `tr31_unwrap_D` (A.7.4 and a payShield 10K).
"""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from hsm_sim.core.crypto import cmac, keyed_cmac, same
from hsm_sim.core.errors import BAD_KEY_BLOCK, KEY_BLOCK_FORGED, HsmError

Entropy: TypeAlias = Callable[[int], bytes]
"""`entropy(n)` returns n random bytes. The core draws none itself."""

HEADER_LENGTH: Final = 16
MAC_LENGTH: Final = 16
_ENCRYPTION: Final = b"\x00\x00"
_AUTHENTICATION: Final = b"\x00\x01"
_ALGORITHM_OF_LENGTH: Final = {16: b"\x00\x02", 24: b"\x00\x03", 32: b"\x00\x04"}
_HIDDEN_LENGTH: Final = {"T": 24, "A": 32, "H": 32}
"""Keys are padded to the longest of their algorithm, so that the block's length tells nothing."""


class Header(NamedTuple):
    """What a key block says about its key.

    Attributes
    ----------
    usage
        str[2], TR-31 key usage, for example C0 (card verification) or M6 (AES-CMAC).
    algorithm
        str[1]: A AES, T TDES, H HMAC.
    mode
        str[1], mode of use: B both directions, C generate and verify, G, V, E, D, X derive, N no restriction.
    version
        str[2], key version number.
    exportability
        str[1]: E exportable under a trusted key, N not exportable, S sensitive.
    """

    usage: str
    algorithm: str
    mode: str
    version: str = "00"
    exportability: str = "N"


def _derive(key: bytes, purpose: bytes) -> bytes:
    """Derive the block's encryption or authentication key by CMAC in counter mode."""
    algorithm = _ALGORITHM_OF_LENGTH[len(key)]
    bits = (len(key) * 8).to_bytes(2, "big")
    keyed = keyed_cmac(key)
    blocks = -(-len(key) // 16)
    stream = b"".join(cmac(keyed, bytes((n,)) + purpose + b"\x00" + algorithm + bits) for n in range(1, blocks + 1))
    return stream[: len(key)]


class Protection:
    """A key block protection key (an LMK or a ZMK) with its two derived keys.

    Parameters
    ----------
    key
        bytes[16], bytes[24] or bytes[32], AES.
    """

    __slots__ = ("_authentication", "_encryption")

    def __init__(self, key: bytes) -> None:
        self._encryption = AES(_derive(key, _ENCRYPTION))
        self._authentication = keyed_cmac(_derive(key, _AUTHENTICATION))

    def wrap(self, key: bytes, header: Header, entropy: Entropy) -> str:
        """Return the key block: ASCII header, then encrypted key and authenticator in hex."""
        hidden = 2 + max(len(key), _HIDDEN_LENGTH[header.algorithm])
        total = hidden + -hidden % 16
        plain = (len(key) * 8).to_bytes(2, "big") + key + entropy(total - 2 - len(key))
        length = HEADER_LENGTH + 2 * (total + MAC_LENGTH)
        head = f"D{length:04d}{header.usage}{header.algorithm}{header.mode}{header.version}{header.exportability}0000"
        mac = cmac(self._authentication, head.encode("ascii") + plain)
        encryptor = Cipher(self._encryption, modes.CBC(mac)).encryptor()
        return head + (encryptor.update(plain) + mac).hex().upper()

    def unwrap(self, block: str) -> tuple[Header, bytes]:
        """Return header and clear key of a block without optional blocks.

        Raises
        ------
        HsmError
            "83" if it is not a version D block of the length that it announces, or has optional blocks (none of
            ours has); "A4" if it does not authenticate: it was changed or was wrapped under another key.
        """
        header, body = _parse(block)
        mac = body[-MAC_LENGTH:]
        decryptor = Cipher(self._encryption, modes.CBC(mac)).decryptor()
        plain = decryptor.update(body[:-MAC_LENGTH])
        if not same(cmac(self._authentication, block[:HEADER_LENGTH].encode("ascii") + plain), mac):
            raise HsmError(KEY_BLOCK_FORGED)
        bits = int.from_bytes(plain[:2], "big")
        if bits % 8 or not 0 < bits // 8 <= len(plain) - 2:
            raise HsmError(BAD_KEY_BLOCK)
        return header, plain[2 : 2 + bits // 8]


def _parse(block: str) -> tuple[Header, bytes]:
    """Split a block into its header and its binary part (encrypted key and authenticator)."""
    digits = block[HEADER_LENGTH:]
    well_formed = (
        block.isascii()
        and block[:1] == "D"
        and block[1:5].isdigit()
        and int(block[1:5]) == len(block)
        and block[12:16] == "0000"
        and len(digits) >= 2 * (16 + MAC_LENGTH)
        and len(digits) % 32 == 0
        and not set(digits) - set("0123456789ABCDEFabcdef")
    )
    if not well_formed:
        raise HsmError(BAD_KEY_BLOCK)
    header = Header(block[5:7], block[7], block[8], block[9:11], block[11])
    return header, bytes.fromhex(digits)
