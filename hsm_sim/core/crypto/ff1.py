"""FF1, format-preserving encryption: digits in, as many digits out.

It is for small secrets that must keep their shape. A small domain can be searched: the revision of the standard makes
a million values the least, and so does the default here; a caller who goes below must say so and know why.
"""

from collections.abc import Sequence
from typing import Final

from hsm_sim.core.crypto.ciphers import AES_BLOCK, Aes, xor

ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_ROUNDS: Final = 10
_RADIX_MAX: Final = 1 << 16
_SHAPES_MAX: Final = 256


class _Shape:
    """What depends on radix, length and tweak length only, for one key."""

    __slots__ = ("first", "length", "moduli", "padding", "stream", "width")

    def __init__(self, cipher: Aes, radix: int, length: int, tweak_length: int) -> None:
        left = length // 2
        right = length - left
        self.length = length
        self.moduli: tuple[int, int] = (radix**left, radix**right)
        self.width = ((self.moduli[1] - 1).bit_length() + 7) // 8
        self.stream = 4 * ((self.width + 3) // 4) + 4
        self.padding = bytes((-tweak_length - self.width - 1) % AES_BLOCK)
        self.first = cipher.encrypt(
            b"\x01\x02\x01"
            + radix.to_bytes(3, "big")
            + bytes((_ROUNDS, left % 256))
            + length.to_bytes(4, "big")
            + tweak_length.to_bytes(4, "big")
        )


class Ff1:
    """FF1 under one key.

    Parameters
    ----------
    key
        AES, bytes[16], bytes[24] or bytes[32].

    Source
    ------
    NIST SP 800-38G, algorithms 7 and 8, and the minimum domain of its revision 1; vectors `ff1_encrypt`.
    """

    __slots__ = ("_cipher", "_shapes")

    def __init__(self, key: bytes) -> None:
        self._cipher = Aes(key)
        self._shapes: dict[tuple[int, int, int], _Shape] = {}

    def encrypt(self, tweak: bytes, text: str, radix: int = 10, minimum_domain: int = 1_000_000) -> str:
        """Encrypt digits.

        Parameters
        ----------
        tweak
            Public, any bytes: the same text has another cipher text under another tweak.
        text
            At least two digits of `ALPHABET[:radix]`.
        radix
            2 to 36.
        minimum_domain
            Refuse if there are fewer texts of this length. Pass a smaller one only where searching the whole domain
            is no threat.

        Returns
        -------
        str
            As long as `text`.

        Raises
        ------
        ValueError
            Unknown radix, a digit that is not in it, or a domain that is too small.
        """
        value = self._parsed(text, radix)
        shape = self._shape(radix, len(text), len(tweak), minimum_domain)
        return _written(self._forward(shape, tweak, value), radix, len(text))

    def decrypt(self, tweak: bytes, text: str, radix: int = 10, minimum_domain: int = 1_000_000) -> str:
        """Undo `encrypt` with the same arguments."""
        value = self._parsed(text, radix)
        shape = self._shape(radix, len(text), len(tweak), minimum_domain)
        return _written(self._backward(shape, tweak, value), radix, len(text))

    def encrypt_numerals(
        self, tweak: bytes, numerals: Sequence[int], radix: int, minimum_domain: int = 1_000_000
    ) -> list[int]:
        """Encrypt numbers of 0 to radix - 1, for alphabets of up to 65,536 characters; otherwise as `encrypt`."""
        shape = self._shape(radix, len(numerals), len(tweak), minimum_domain)
        return _numerals(self._forward(shape, tweak, _value(numerals, radix)), radix, len(numerals))

    def decrypt_numerals(
        self, tweak: bytes, numerals: Sequence[int], radix: int, minimum_domain: int = 1_000_000
    ) -> list[int]:
        """Undo `encrypt_numerals` with the same arguments."""
        shape = self._shape(radix, len(numerals), len(tweak), minimum_domain)
        return _numerals(self._backward(shape, tweak, _value(numerals, radix)), radix, len(numerals))

    def _parsed(self, text: str, radix: int) -> int:
        if not 2 <= radix <= len(ALPHABET):
            raise ValueError("unknown radix")
        if not text or text.strip(ALPHABET[:radix]):
            raise ValueError("not a text of this radix")
        return int(text, radix)

    def _shape(self, radix: int, length: int, tweak_length: int, minimum_domain: int) -> _Shape:
        if not 2 <= radix <= _RADIX_MAX or length < 2 or radix**length < minimum_domain:
            raise ValueError("the domain is too small")
        found = self._shapes.get((radix, length, tweak_length))
        if found is None:
            if len(self._shapes) >= _SHAPES_MAX:
                self._shapes.clear()
            found = _Shape(self._cipher, radix, length, tweak_length)
            self._shapes[radix, length, tweak_length] = found
        return found

    def _forward(self, shape: _Shape, tweak: bytes, value: int) -> int:
        left, right = divmod(value, shape.moduli[1])
        for number in range(_ROUNDS):
            mixed = (left + self._mask(shape, tweak, number, right)) % shape.moduli[number % 2]
            left, right = right, mixed
        return left * shape.moduli[1] + right

    def _backward(self, shape: _Shape, tweak: bytes, value: int) -> int:
        left, right = divmod(value, shape.moduli[1])
        for number in reversed(range(_ROUNDS)):
            mixed = (right - self._mask(shape, tweak, number, left)) % shape.moduli[number % 2]
            left, right = mixed, left
        return left * shape.moduli[1] + right

    def _mask(self, shape: _Shape, tweak: bytes, number: int, half: int) -> int:
        blocks = tweak + shape.padding + bytes((number,)) + half.to_bytes(shape.width, "big")
        state = shape.first
        for start in range(0, len(blocks), AES_BLOCK):
            state = self._cipher.encrypt(xor(state, blocks[start : start + AES_BLOCK]))
        stream = state
        for counter in range(1, (shape.stream + AES_BLOCK - 1) // AES_BLOCK):
            stream += self._cipher.encrypt(xor(state, counter.to_bytes(AES_BLOCK, "big")))
        return int.from_bytes(stream[: shape.stream], "big")


def encrypt(key: bytes, tweak: bytes, text: str, radix: int = 10, minimum_domain: int = 1_000_000) -> str:
    """Encrypt digits under a key that is used once; see `Ff1.encrypt`."""
    return Ff1(key).encrypt(tweak, text, radix, minimum_domain)


def decrypt(key: bytes, tweak: bytes, text: str, radix: int = 10, minimum_domain: int = 1_000_000) -> str:
    """Decrypt digits under a key that is used once; see `Ff1.decrypt`."""
    return Ff1(key).decrypt(tweak, text, radix, minimum_domain)


def _value(numerals: Sequence[int], radix: int) -> int:
    value = 0
    for numeral in numerals:
        if not 0 <= numeral < radix:
            raise ValueError("not a numeral of this radix")
        value = value * radix + numeral
    return value


def _numerals(value: int, radix: int, length: int) -> list[int]:
    numerals = []
    for _ in range(length):
        value, numeral = divmod(value, radix)
        numerals.append(numeral)
    numerals.reverse()
    return numerals


def _written(value: int, radix: int, length: int) -> str:
    if radix == 10:
        return str(value).rjust(length, "0")
    return "".join(ALPHABET[numeral] for numeral in _numerals(value, radix, length))
