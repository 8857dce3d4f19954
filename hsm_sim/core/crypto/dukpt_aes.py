"""AES DUKPT: as TDES DUKPT, but every key comes from one derivation function over a 16-byte description of itself.

The description names the purpose, the algorithm and the length of the derived key, so that keys of different kinds
never coincide. A working key may be of a kind other than the base key, but not stronger.

Source
------
ANSI X9.24-3:2017 as an open implementation cites it (openemv/dukpt) and as its published test vectors confirm
(`dukpt_aes_*`). The standard itself was not seen. Working keys for HMAC rest on the algorithm table alone.
"""

from typing import Final, NamedTuple

from hsm_sim.core.crypto.ciphers import AES_BLOCK, Aes
from hsm_sim.core.crypto.ksn import AES_COUNTER_MASK, AES_COUNTER_ONES_MAX, AES_KSN_BYTES, counter_valid
from hsm_sim.core.errors import BAD_DATA, BAD_KEY_LENGTH, HsmError

KEY_ENCRYPTION: Final = 0x0002
PIN_ENCRYPTION: Final = 0x1000
MAC_GENERATION: Final = 0x2000
MAC_VERIFICATION: Final = 0x2001
MAC_BOTH: Final = 0x2002
DATA_ENCRYPTION: Final = 0x3000
DATA_DECRYPTION: Final = 0x3001
DATA_BOTH: Final = 0x3002
_KEY_DERIVATION: Final = 0x8000
_INITIAL_KEY: Final = 0x8001
USAGES: Final = frozenset(
    (
        KEY_ENCRYPTION,
        PIN_ENCRYPTION,
        MAC_GENERATION,
        MAC_VERIFICATION,
        MAC_BOTH,
        DATA_ENCRYPTION,
        DATA_DECRYPTION,
        DATA_BOTH,
    )
)

FUTURE_KEYS_MAX: Final = 4096
IKID_BYTES: Final = 8
_VERSION: Final = 1


class Kind(NamedTuple):
    """What a derived key is: the algorithm's indicator, its length in bytes, and its strength in bits."""

    indicator: int
    length_bytes: int
    strength_bits: int


TDES2: Final = Kind(0x0000, 16, 80)
TDES3: Final = Kind(0x0001, 24, 112)
AES128: Final = Kind(0x0002, 16, 128)
AES192: Final = Kind(0x0003, 24, 192)
AES256: Final = Kind(0x0004, 32, 256)
HMAC128: Final = Kind(0x0005, 16, 128)
HMAC192: Final = Kind(0x0005, 24, 192)
HMAC256: Final = Kind(0x0005, 32, 256)
_AES_KINDS: Final = {kind.length_bytes: kind for kind in (AES128, AES192, AES256)}


def _derive(key: bytes, usage: int, kind: Kind, rest: bytes) -> bytes:
    head = usage.to_bytes(2, "big") + kind.indicator.to_bytes(2, "big") + (kind.length_bytes * 8).to_bytes(2, "big")
    blocks = -(-kind.length_bytes // AES_BLOCK)
    return Aes(key).encrypt(b"".join(bytes((_VERSION, number + 1)) + head + rest for number in range(blocks)))[
        : kind.length_bytes
    ]


def _kind_of(key: bytes) -> Kind:
    kind = _AES_KINDS.get(len(key))
    if kind is None:
        raise HsmError(BAD_KEY_LENGTH)
    return kind


def _number(ksn: bytes) -> int:
    if len(ksn) != AES_KSN_BYTES:
        raise HsmError(BAD_DATA)
    number = int.from_bytes(ksn, "big")
    if not counter_valid(number & AES_COUNTER_MASK, AES_COUNTER_ONES_MAX):
        raise HsmError(BAD_DATA)
    return number


def _right_half(number: int) -> bytes:
    """Return what a derivation takes of a serial number: the right half of the initial key's id, and the counter."""
    return (number & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")


def initial_key(bdk: bytes, ikid: bytes) -> bytes:
    """Return a device's initial key, as long as the base key.

    Parameters
    ----------
    bdk
        bytes[16], bytes[24] or bytes[32].
    ikid
        bytes[8], initial key id: the left 8 bytes of the serial number.

    Raises
    ------
    HsmError
        "27" base key length, "15" id length.
    """
    kind = _kind_of(bdk)
    if len(ikid) != IKID_BYTES:
        raise HsmError(BAD_DATA)
    return _derive(bdk, _INITIAL_KEY, kind, ikid)


def transaction_key(device_key: bytes, ksn: bytes) -> bytes:
    """Return the derivation key of a transaction, as a device that holds its initial key derives it.

    Parameters
    ----------
    device_key
        The initial key.
    ksn
        bytes[12]; with counter 0 the initial key itself is returned.

    Raises
    ------
    HsmError
        "15" if the serial number is not 12 bytes or its counter has more than sixteen ones; "27" key length.
    """
    number = _number(ksn)
    kind = _kind_of(device_key)
    counter = number & AES_COUNTER_MASK
    number ^= counter
    key = device_key
    while counter:
        bit = 1 << (counter.bit_length() - 1)
        counter ^= bit
        number |= bit
        key = _derive(key, _KEY_DERIVATION, kind, _right_half(number))
    return key


def working_key(key: bytes, ksn: bytes, usage: int, kind: Kind | None = None) -> bytes:
    """Return the key for one purpose of a transaction.

    Parameters
    ----------
    key
        The transaction's derivation key.
    ksn
        bytes[12].
    usage
        One of `USAGES`.
    kind
        What the working key is; by default AES, as long as `key`.

    Returns
    -------
    bytes
        `kind.length_bytes` bytes.

    Raises
    ------
    HsmError
        "27" if the working key would be stronger than the key that it comes from; "15" unknown usage.
    """
    own = _kind_of(key)
    kind = kind or own
    if usage not in USAGES:
        raise HsmError(BAD_DATA)
    if kind.strength_bits > own.strength_bits:
        raise HsmError(BAD_KEY_LENGTH)
    return _derive(key, usage, kind, _right_half(_number(ksn)))


class AesDukpt:
    """The host's side: a base derivation key, and the keys on the way to its devices' transactions.

    Parameters
    ----------
    bdk
        bytes[16], bytes[24] or bytes[32].

    Raises
    ------
    HsmError
        "27" for another length.
    """

    __slots__ = ("_bdk", "_future", "_kind", "_last")

    def __init__(self, bdk: bytes) -> None:
        self._kind = _kind_of(bdk)
        self._bdk = bdk
        self._future: dict[int, bytes] = {}
        self._last = (-1, b"")

    def initial_key(self, ksn: bytes) -> bytes:
        """Return a device's initial key. The counter in the serial number (bytes[12]) does not matter."""
        return initial_key(self._bdk, ksn[:IKID_BYTES])

    def transaction_key(self, ksn: bytes) -> bytes:
        """Return the derivation key of a transaction, with the errors of the function of this name."""
        number = _number(ksn)
        if number == self._last[0]:
            return self._last[1]
        wanted = number
        way = []
        while (key := self._future.get(number)) is None:
            if not number & AES_COUNTER_MASK:
                key = self._keep(number, initial_key(self._bdk, ksn[:IKID_BYTES]))
                break
            way.append(number)
            number &= number - 1
        for number in reversed(way):
            key = _derive(key, _KEY_DERIVATION, self._kind, _right_half(number))
            if not number & 1:  # an odd counter is on no other counter's way
                self._keep(number, key)
        self._last = (wanted, key)
        return key

    def _keep(self, number: int, key: bytes) -> bytes:
        if len(self._future) >= FUTURE_KEYS_MAX:
            del self._future[next(iter(self._future))]
        self._future[number] = key
        return key

    def working_key(self, ksn: bytes, usage: int, kind: Kind | None = None) -> bytes:
        """Return the key for one purpose of a transaction, with the errors of the function of this name."""
        return working_key(self.transaction_key(ksn), ksn, usage, kind)
