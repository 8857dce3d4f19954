"""TDES DUKPT: one base key, and another key for each transaction of each device.

A transaction key is derived by one step per set bit of the counter, from the highest bit to the lowest. A host that
remembers the keys on the way needs about one step per transaction, because a counter's predecessor on that way (the
counter without its lowest set bit) was itself a transaction before. The keys on the way are kept in a bounded memory,
never outside it.

Source
------
ANSI X9.24-1:2009 as open implementations have it (pydukpt is the oracle in the tests); vectors `dukpt_tdes_*`. The
standard itself was not seen.
"""

from typing import Final

from hsm_sim.core.crypto.ciphers import Tdes
from hsm_sim.core.crypto.ksn import TDES_COUNTER_MASK, TDES_COUNTER_ONES_MAX, TDES_KSN_BYTES, counter_valid
from hsm_sim.core.errors import BAD_DATA, BAD_KEY_LENGTH, HsmError

PIN: Final = "pin"
MAC_REQUEST: Final = "mac-request"
MAC_RESPONSE: Final = "mac-response"
DATA_REQUEST: Final = "data-request"
DATA_RESPONSE: Final = "data-response"
USAGES: Final = (PIN, MAC_REQUEST, MAC_RESPONSE, DATA_REQUEST, DATA_RESPONSE)

FUTURE_KEYS_MAX: Final = 4096
_KEY_BYTES: Final = 16
_HALF_BYTES: Final = 8
_HALF_MASK: Final = 0xC0C0C0C000000000
_KEY_MASK: Final = _HALF_MASK << 64 | _HALF_MASK
_REGISTER_MASK: Final = (1 << 64) - 1
_VARIANTS: Final = {
    usage: int.from_bytes(bytes.fromhex(half * 2), "big")
    for usage, half in (
        (PIN, "00000000000000FF"),
        (MAC_REQUEST, "000000000000FF00"),
        (MAC_RESPONSE, "00000000FF000000"),
        (DATA_REQUEST, "0000000000FF0000"),
        (DATA_RESPONSE, "000000FF00000000"),
    )
}


def _half(left: int, right: int, register: int) -> int:
    block = Tdes(left.to_bytes(_HALF_BYTES, "big")).encrypt((register ^ right).to_bytes(_HALF_BYTES, "big"))
    return int.from_bytes(block, "big") ^ right


def _step(key: bytes, number: int) -> bytes:
    """Return the key of a serial number, from the key of the number without its lowest counter bit."""
    left, right = int.from_bytes(key[:_HALF_BYTES], "big"), int.from_bytes(key[_HALF_BYTES:], "big")
    register = number & _REGISTER_MASK
    new_right = _half(left, right, register)
    new_left = _half(left ^ _HALF_MASK, right ^ _HALF_MASK, register)
    return (new_left << 64 | new_right).to_bytes(_KEY_BYTES, "big")


def _number(ksn: bytes) -> int:
    if len(ksn) != TDES_KSN_BYTES:
        raise HsmError(BAD_DATA)
    number = int.from_bytes(ksn, "big")
    if not counter_valid(number & TDES_COUNTER_MASK, TDES_COUNTER_ONES_MAX):
        raise HsmError(BAD_DATA)
    return number


def transaction_key(initial_key: bytes, ksn: bytes) -> bytes:
    """Return the key of a transaction, as a device that holds its initial key derives it.

    Parameters
    ----------
    initial_key
        bytes[16], the IPEK.
    ksn
        bytes[10]; with counter 0 the initial key itself is returned.

    Returns
    -------
    bytes
        bytes[16]; not used as it is, but through `working_key`.

    Raises
    ------
    HsmError
        "15" if the serial number is not 10 bytes or its counter has more than ten ones.
    """
    number = _number(ksn)
    counter = number & TDES_COUNTER_MASK
    number ^= counter
    key = initial_key
    while counter:
        bit = 1 << (counter.bit_length() - 1)
        counter ^= bit
        number |= bit
        key = _step(key, number)
    return key


def working_key(key: bytes, usage: str) -> bytes:
    """Return the key for one purpose of a transaction: bytes[16].

    Parameters
    ----------
    key
        bytes[16], the transaction's key.
    usage
        One of `USAGES`. A data key is its variant encrypted under itself, so that it does not give the others away.
    """
    variant = (int.from_bytes(key, "big") ^ _VARIANTS[usage]).to_bytes(_KEY_BYTES, "big")
    return Tdes(variant).encrypt(variant) if usage in (DATA_REQUEST, DATA_RESPONSE) else variant


class TdesDukpt:
    """The host's side: a base derivation key, and the keys on the way to its devices' transactions.

    Parameters
    ----------
    bdk
        bytes[16], double length.

    Raises
    ------
    HsmError
        "27" if the key is not double length.
    """

    __slots__ = ("_future", "_last", "_left", "_right")

    def __init__(self, bdk: bytes) -> None:
        if len(bdk) != _KEY_BYTES:
            raise HsmError(BAD_KEY_LENGTH)
        self._left = Tdes(bdk)
        self._right = Tdes((int.from_bytes(bdk, "big") ^ _KEY_MASK).to_bytes(_KEY_BYTES, "big"))
        self._future: dict[int, bytes] = {}
        self._last = (-1, b"")

    def initial_key(self, ksn: bytes) -> bytes:
        """Return a device's initial key (IPEK): bytes[16]. The counter in the serial number does not matter."""
        if len(ksn) != TDES_KSN_BYTES:
            raise HsmError(BAD_DATA)
        return self._initial(int.from_bytes(ksn, "big") & ~TDES_COUNTER_MASK)

    def _initial(self, number: int) -> bytes:
        block = number.to_bytes(TDES_KSN_BYTES, "big")[:_HALF_BYTES]
        return self._left.encrypt(block) + self._right.encrypt(block)

    def transaction_key(self, ksn: bytes) -> bytes:
        """Return the key of a transaction, with the errors of the function of this name: bytes[16]."""
        number = _number(ksn)
        if number == self._last[0]:
            return self._last[1]
        wanted = number
        way = []
        while (key := self._future.get(number)) is None:
            if not number & TDES_COUNTER_MASK:
                key = self._keep(number, self._initial(number))
                break
            way.append(number)
            number &= number - 1
        for number in reversed(way):
            key = _step(key, number)
            if not number & 1:  # an odd counter is on no other counter's way
                self._keep(number, key)
        self._last = (wanted, key)
        return key

    def _keep(self, number: int, key: bytes) -> bytes:
        if len(self._future) >= FUTURE_KEYS_MAX:
            del self._future[next(iter(self._future))]
        self._future[number] = key
        return key

    def working_key(self, ksn: bytes, usage: str) -> bytes:
        """Return the key for one purpose of a transaction: bytes[16]."""
        return working_key(self.transaction_key(ksn), usage)
