"""Key blocks as text: the header, its optional blocks, and the encrypted key behind them.

TR-31 and Thales blocks have the same shape: version, length, usage, algorithm, mode of use, key version,
exportability, count of optional blocks, two characters that TR-31 reserves and Thales uses for the LMK identifier;
then the optional blocks, the encrypted payload (key length in bits, key, padding) and the authenticator in hex.
Everything is read strictly: a block that could be read in two ways is refused. Errors never show a block.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from hsm_sim.core.errors import BAD_KEY_BLOCK, BAD_KEY_SCHEME, HsmError
from hsm_sim.core.keys.bindings import Binding
from hsm_sim.core.keys.header import Entropy, Header

OptionalBlocks: TypeAlias = tuple[tuple[str, str], ...]
"""(id, data) in order, each kept as it came; the padding block `PB` is not among them."""

HEADER_LENGTH: Final = 16
BLOCK_LENGTH_MAX: Final = 9999
_HEX: Final = frozenset("0123456789ABCDEF")
_NAMES: Final = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LETTERS: Final = _NAMES | frozenset("abcdefghijklmnopqrstuvwxyz")
_ALGORITHMS: Final = frozenset("ADEHRST")
_EXPORTABILITIES: Final = frozenset("ENS")
_SHORT_MAX: Final = 0xFF
_HIDDEN_LENGTH: Final = {"T": 24, "D": 24, "A": 32, "H": 32}
"""Hidden keys are padded to the longest of their algorithm, so that the block's length tells nothing."""


class Opened(NamedTuple):
    """What a key block held. The material is clear: only `hsm_sim.core.keys` may see one."""

    header: Header
    material: bytes
    blocks: OptionalBlocks

    def __repr__(self) -> str:
        return f"Opened({self.header!r})"


class KeyBlocks:
    """Wraps and unwraps the key blocks of one family under one protection key.

    Parameters
    ----------
    key
        The protection key (an LMK or a ZMK), clear.
    bindings
        The family's versions that this key can do, the preferred one first.
    hidden
        Versions that hide the length of the key unless told otherwise.
    identifier
        str[2], characters 14 and 15 of the blocks that are made.
    """

    __slots__ = ("_bindings", "_hidden", "_identifier", "_key", "_made")

    def __init__(
        self, key: bytes, bindings: Mapping[str, type[Binding]], hidden: frozenset[str], identifier: str
    ) -> None:
        self._key = key
        self._bindings = bindings
        self._hidden = hidden
        self._identifier = identifier
        self._made: dict[str, Binding] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(versions={''.join(self._bindings)})"

    def wrap(
        self,
        key: bytes,
        header: Header,
        entropy: Entropy,
        blocks: OptionalBlocks = (),
        version: str = "",
        hide: bool | None = None,
    ) -> str:
        """Return the key block: header, optional blocks, then encrypted key and authenticator in hex.

        Parameters
        ----------
        key
            The clear key.
        header
            What it is for; the usage is a key block usage, str[2].
        entropy
            Fills the payload behind the key.
        blocks
            Optional blocks to carry.
        version
            One of the family's; "" for its preferred one.
        hide
            Whether the block's length hides the key's; None for what the version usually does.

        Raises
        ------
        HsmError
            "26": a version that this protection key cannot do. "83": a header that does not fit a key block (a key
            type of a variant LMK, for instance), or too much for one.
        """
        version = version or next(iter(self._bindings))
        binding = self._binding(version, BAD_KEY_SCHEME)
        _check(header, self._identifier)
        hide = version in self._hidden if hide is None else hide
        hidden = 2 + max(len(key), _HIDDEN_LENGTH.get(header.algorithm, 0) if hide else 0)
        total = hidden + -hidden % binding.unit
        plain = (len(key) * 8).to_bytes(2, "big") + key + entropy(total - 2 - len(key))
        count, optional = _write_optional(blocks, binding.block)
        length = HEADER_LENGTH + len(optional) + 2 * (total + binding.mac_length)
        if length > BLOCK_LENGTH_MAX or count > 99:
            raise HsmError(BAD_KEY_BLOCK)
        head = (
            f"{version}{length:04d}{header.usage}{header.algorithm}{header.mode}{header.version}"
            f"{header.exportability}{count:02d}{self._identifier}{optional}"
        )
        return head + binding.seal(head.encode("ascii"), plain).hex().upper()

    def unwrap(self, block: str) -> Opened:
        """Return what a block holds.

        Raises
        ------
        HsmError
            "83" if it is not a well-formed block of this family and of the length that it announces; "A4" if it does
            not authenticate: it was changed or was wrapped under another key.
        """
        binding = self._binding(block[:1], BAD_KEY_BLOCK)
        header, blocks, end = _read_header(block)
        digits = block[end:]
        length = len(digits) // 2 - binding.mac_length
        if len(digits) % 2 or length < 3 or length % binding.unit or not _HEX.issuperset(digits):
            raise HsmError(BAD_KEY_BLOCK)
        plain = binding.open(block[:end].encode("ascii"), bytes.fromhex(digits))
        bits = int.from_bytes(plain[:2], "big")
        if bits % 8 or not 0 < bits // 8 <= len(plain) - 2:
            raise HsmError(BAD_KEY_BLOCK)
        return Opened(header, plain[2 : 2 + bits // 8], blocks)

    def _binding(self, version: str, refusal: str) -> Binding:
        made = self._made.get(version)
        if made is None:
            maker = self._bindings.get(version)
            if maker is None:
                raise HsmError(refusal)
            made = self._made[version] = maker(self._key)
        return made


def _check(header: Header, identifier: str) -> None:
    """Refuse a header that has no place in a key block."""
    well_formed = (
        len(header.usage) == 2
        and _NAMES.issuperset(header.usage)
        and header.algorithm in _ALGORITHMS
        and len(header.mode) == 1
        and header.mode in _NAMES
        and len(header.version) == 2
        and _LETTERS.issuperset(header.version)
        and header.exportability in _EXPORTABILITIES
        and len(identifier) == 2
        and _NAMES.issuperset(identifier)
    )
    if not well_formed:
        raise HsmError(BAD_KEY_BLOCK)


def _read_header(block: str) -> tuple[Header, OptionalBlocks, int]:
    """Return header, optional blocks and the offset of the encrypted key."""
    length, count = block[1:5], block[12:14]
    if not (
        block.isascii()
        and len(length) == 4
        and length.isdigit()
        and int(length) == len(block)
        and len(count) == 2
        and count.isdigit()
    ):
        raise HsmError(BAD_KEY_BLOCK)
    header = Header(block[5:7], block[7], block[8], block[9:11], block[11])
    _check(header, block[14:16])
    blocks, at = [], HEADER_LENGTH
    for _ in range(int(count)):
        name, start, at = _optional(block, at)
        if name != "PB":
            blocks.append((name, block[start:at]))
    return header, tuple(blocks), at


def _optional(block: str, at: int) -> tuple[str, int, int]:
    """Return name, start of the data and end of the optional block at an offset."""
    name, start = block[at : at + 2], at + 4
    length = _number(block[at + 2 : at + 4], 2)
    if length == 0:
        digits = 2 * _number(block[at + 4 : at + 6], 2)
        start = at + 6 + digits
        length = _number(block[at + 6 : start], digits)
    end = at + length
    if len(name) != 2 or not _NAMES.issuperset(name) or not start <= end <= len(block):
        raise HsmError(BAD_KEY_BLOCK)
    if not block[start:end].isprintable():
        raise HsmError(BAD_KEY_BLOCK)
    return name, start, end


def _number(text: str, digits: int) -> int:
    if not digits or len(text) != digits or not _HEX.issuperset(text):
        raise HsmError(BAD_KEY_BLOCK)
    return int(text, 16)


def _write_optional(blocks: OptionalBlocks, unit: int) -> tuple[int, str]:
    """Return count and text of the optional blocks, padded to whole units as the versions demand."""
    written, count = "", len(blocks)
    for name, data in blocks:
        if len(name) != 2 or not _NAMES.issuperset(name) or not (data.isascii() and data.isprintable()):
            raise HsmError(BAD_KEY_BLOCK)
        length = len(data) + 4
        written += f"{name}{length:02X}{data}" if length <= _SHORT_MAX else f"{name}0002{length + 6:04X}{data}"
    if len(written) % unit:
        fill = -(len(written) + 4) % unit
        written += f"PB{fill + 4:02X}" + "0" * fill
        count += 1
    return count, written
