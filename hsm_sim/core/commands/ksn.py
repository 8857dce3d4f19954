"""The key serial number of DUKPT commands: the field, and the keys that it leads to."""

from typing import Final

from hsm_sim.core.commands.fields import HEX, Value, Values, take, text_of
from hsm_sim.core.commands.keyfields import block_algorithm
from hsm_sim.core.crypto import dukpt_aes, dukpt_tdes, ksn
from hsm_sim.core.errors import BAD_DATA, HsmError
from hsm_sim.core.keys.header import AES
from hsm_sim.core.keys.key import Key
from iso.errors import LocalProtocolError

_AES_DIGITS: Final = 2 * ksn.AES_KSN_BYTES
_TDES_DIGITS: Final = 2 * ksn.TDES_KSN_BYTES
_COUNTER_DIGITS: Final = 5


class KsnField:
    """A key serial number behind its descriptor.

    Parameters
    ----------
    name
        Key of the value.
    descriptor
        Name of the descriptor's field.
    key
        Name of the base key's field: an AES key block, and a descriptor of 24 digits, mean AES DUKPT.
    """

    __slots__ = ("descriptor", "key", "name")

    def __init__(self, name: str = "ksn", descriptor: str = "ksn_descriptor", key: str = "bdk") -> None:
        self.name = name
        self.descriptor = descriptor
        self.key = key

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return f"nH, n by {self.descriptor}; 24H for AES DUKPT"

    def _length(self, values: Values, data: str) -> int:
        descriptor = str(values[self.descriptor])
        digits = sum(int(digit, 16) for digit in descriptor) + _COUNTER_DIGITS
        if digits == _AES_DIGITS or block_algorithm(values, self.key) == AES:
            return _AES_DIGITS
        return ksn.ksn_field_length(descriptor, data)

    def read(self, data: bytes, at: int, values: Values) -> tuple[str, int]:
        """Read as many hex digits as the descriptor says."""
        ahead = data[at : at + _TDES_DIGITS].decode("latin-1")
        length = self._length(values, ahead)
        raw = take(data, at, length)
        if not HEX.issuperset(raw):
            raise HsmError(BAD_DATA)
        return raw.decode("ascii"), at + length

    def write(self, value: Value, values: Values) -> bytes:
        """Write the serial number; it must have the length that its descriptor says."""
        text = text_of(value)
        try:
            fits = self._length(values, text) == len(text) and set(text) <= set("0123456789ABCDEF")
        except HsmError:
            fits = False
        if not fits:
            raise LocalProtocolError(f"HSM field {self.name} takes the hex digits that its descriptor counts")
        return text.encode("ascii")


def tdes_key(bdk: Key, serial: str, usage: str) -> bytes:
    """Return a TDES working key of a transaction, bytes[16].

    Parameters
    ----------
    bdk
        The base key; the devices' keys on the way are kept with it.
    serial
        The field.
    usage
        One of `dukpt_tdes.USAGES`.
    """
    return bdk.keep(dukpt_tdes.TdesDukpt).working_key(ksn.read_ksn(serial), usage)


def aes_key(bdk: Key, serial: str, usage: int) -> bytes:
    """Return an AES working key of a transaction, as long as the base key; `usage` is one of `dukpt_aes.USAGES`."""
    return bdk.keep(dukpt_aes.AesDukpt).working_key(ksn.read_ksn(serial, aes=True), usage)
