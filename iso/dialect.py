"""A dialect: one network's way of writing ISO 8583, as immutable data.

A dialect knows the formats of its elements, how MTI and bitmap are written, which header and framing go around a
message and whether a MAC ends it. Code never asks *which* dialect it has: what differs between networks is looked up
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import iso.ebcdic  # noqa: F401  cp1047 becomes a codec
from iso.compiled import CompiledCodec
from iso.errors import ConfigError
from iso.formats import FieldFormat
from iso.meanings import MEANINGS, Meaning
from iso.mti import VERSION_DIGITS
from iso.wire import Reader, Writer, make_reader, make_writer

if TYPE_CHECKING:
    from iso.subfields.node import Layout

__all__ = ["APPROVED_CODES", "Dialect"]

_HEADER_BYTES = {"none": 0, "tpdu": 5, "base1": 22}
_THIRD_BITMAPS = ("none", "after-second", "element-65")

APPROVED_CODES = {
    "1987": frozenset({"00", "08", "10", "11", "16"}),
    "1993": frozenset({"000", "001", "002", "003", "400", "500", "800"}),
    "2003": frozenset({"0000"}),
}
"""DE 39 values that mean yes, by version; a dialect may say otherwise."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dialect:
    """One network's way of writing messages.

    Attributes
    ----------
    name
        The name that topologies and commands use.
    version
        "1987", "1993", "2003", "national" or "private": the first digit of every MTI.
    formats
        Element number to format; an element that is not here is refused.
    mti_encoding, bitmap_encoding
        "b" (packed, 8 bytes) or a Python codec (4 characters, 16 hexadecimal characters).
    framing
        Name of the length prefix around a message; see `iso.framing`.
    header
        "none", "tpdu" (5 bytes: id, destination, source), "base1" (22 bytes, with the length of header and message in
        bytes 3 and 4, written anew by each encode) or "fixed" (`header_bytes` bytes, kept as they are).
    header_bytes
        Length of the header.
    default_header
        Upper-case hex, used where a message has no header of its own.
    mac
        Every message ends in DE 64 or DE 128. The codec reserves it, the link seals and checks it.
    approved_codes
        DE 39 values that mean yes.
    names
        Element number to name, for people.
    third_bitmap
        "none" (element 65 is refused), "after-second" (bit 65 announces eight more bytes of bitmap right behind the
        second) or "element-65" (they stand where element 65 would). The elements are then 2..192.
    lenient
        What does not decode is tried once more with a bitmap of 16 bytes whose bit 1 is clear although elements above
        64 are present: a form that one widely copied specification writes. It is read, never written.
    meanings
        (element, part) to code to words; see `meaning`.
    layouts
        Element number to how it is divided, where that differs from the version's common layout; see `layout`.
    codec
        The compiled functions of this dialect; `iso.codec` fills it.
    readers, writers
        The codec's functions, built from `formats`.
    """

    name: str
    version: str
    formats: Mapping[int, FieldFormat]
    mti_encoding: str = "ascii"
    bitmap_encoding: str = "b"
    framing: str = "len2-be"
    header: str = "none"
    header_bytes: int = 0
    default_header: str = ""
    mac: bool = False
    approved_codes: frozenset[str] = frozenset()
    names: Mapping[int, str] = field(default_factory=dict)
    third_bitmap: str = "none"
    lenient: bool = False
    meanings: Mapping[int, Meaning] = field(default_factory=dict)
    layouts: Mapping[int, Layout] = field(default_factory=dict)
    codec: CompiledCodec = field(init=False, default_factory=CompiledCodec)
    readers: Mapping[int, Reader] = field(init=False)
    writers: Mapping[int, Writer] = field(init=False)

    def __post_init__(self) -> None:
        if self.version not in VERSION_DIGITS:
            raise ConfigError(f"dialect {self.name}", "version", self.version, f"one of {', '.join(VERSION_DIGITS)}")
        if self.header in _HEADER_BYTES:
            object.__setattr__(self, "header_bytes", _HEADER_BYTES[self.header])
        elif self.header != "fixed":
            raise ConfigError(f"dialect {self.name}", "header", self.header, "none, tpdu, base1 or fixed")
        object.__setattr__(self, "default_header", self.default_header.upper() or "00" * self.header_bytes)
        if len(self.default_header) != 2 * self.header_bytes or self.default_header.strip("0123456789ABCDEF"):
            rule = f"{self.header_bytes} bytes in hexadecimal"
            raise ConfigError(f"dialect {self.name}", "default_header", self.default_header, rule)
        self._check_bitmaps()
        approved = self.approved_codes or APPROVED_CODES.get(self.version, frozenset())
        meanings = self.meanings or MEANINGS.get(self.version, {})
        formats = {element: self.formats[element] for element in sorted(self.formats)}
        readers: dict[int, Reader] = {}
        writers: dict[int, Writer] = {}
        for encoding in (self.mti_encoding, self.bitmap_encoding):
            self._check_encoding("MTI or bitmap", encoding)
        for element, what in formats.items():
            self._check_encoding(str(element), what.encoding)
            self._check_encoding(str(element), what.prefix_encoding)
            readers[element], writers[element] = make_reader(element, what), make_writer(element, what)
        object.__setattr__(self, "formats", MappingProxyType(formats))
        object.__setattr__(self, "names", MappingProxyType(dict(self.names)))
        object.__setattr__(self, "meanings", MappingProxyType(dict(meanings)))
        object.__setattr__(self, "layouts", MappingProxyType(dict(self.layouts)))
        object.__setattr__(self, "approved_codes", frozenset(approved))
        object.__setattr__(self, "readers", MappingProxyType(readers))
        object.__setattr__(self, "writers", MappingProxyType(writers))

    def _check_bitmaps(self) -> None:
        source = f"dialect {self.name}"
        if self.third_bitmap not in _THIRD_BITMAPS:
            raise ConfigError(source, "third_bitmap", self.third_bitmap, f"one of {', '.join(_THIRD_BITMAPS)}")
        if self.third_bitmap != "none" and (self.mac or 65 in self.formats):
            raise ConfigError(source, "third_bitmap", self.third_bitmap, "no MAC, and element 65 is not an element")
        last = 128 if self.third_bitmap == "none" else 192
        for element in self.formats:
            if not 2 <= element <= last:
                raise ConfigError(source, "elements", element, f"an element from 2 to {last}")

    def _check_encoding(self, key: str, encoding: str) -> None:
        if encoding in ("b", "bcd"):
            return
        try:
            "0123456789".encode(encoding)
        except (LookupError, TypeError, UnicodeError):
            raise ConfigError(f"dialect {self.name}", key, encoding, "b, bcd, or a text encoding of Python") from None

    def __repr__(self) -> str:
        return f"Dialect({self.name!r}, {self.version})"

    @property
    def version_digit(self) -> str:
        """str[1], the first digit of every MTI of this dialect."""
        return VERSION_DIGITS[self.version]

    @property
    def bitmap_at(self) -> int:
        """Where the first bitmap begins: behind header and MTI."""
        return self.header_bytes + (2 if self.mti_encoding == "b" else 4)

    def is_approved(self, code: str) -> bool:
        """Say whether DE 39 = `code` means yes in this dialect."""
        return code in self.approved_codes

    def meaning(self, element: int, value: str) -> str | None:
        """Say in words what a coded element means in this dialect.

        Parameters
        ----------
        element
            Its number; most elements are not codes and have no meanings.
        value
            As decoded.

        Returns
        -------
        str | None
            The words, parts of a composed code joined by "; "; None where the dialect says nothing about this value.
            Never contains anything but words of the dialect's tables and, for amounts, the amount.

        Examples
        --------
        >>> from iso.dialects import dialect
        >>> dialect("ascii87").meaning(3, "312000"), dialect("ascii87").meaning(39, "51")
        ('balance inquiry; from cheque or current; to default account', 'insufficient funds')
        """
        known = self.meanings.get(element)
        return known(value) if known else None

    def layout(self, element: int) -> Layout | None:
        """Say how an element is divided in this dialect: its own layout, else the version's; None if it is not."""
        # Imported here: most who hold a dialect never look inside an element.
        from iso.subfields.standard import layout_of

        return self.layouts.get(element) or layout_of(element, self.version)

    def relaxed(self) -> Dialect:
        """Give the same dialect with `lenient` switched on."""
        return replace(self, lenient=True)

    @classmethod
    def from_pyiso8583(
        cls,
        spec: Mapping[str, Mapping[str, Any]],
        *,
        name: str,
        version: str = "1987",
        framing: str = "len2-be",
        header: str = "none",
    ) -> Dialect:
        """Make a dialect of a pyiso8583 specification.

        Such a specification says how elements are written but not what may be in them, so content is not checked: only
        the character set, the lengths and the pads are. Bitmaps beyond the secondary are not supported.

        Parameters
        ----------
        spec
            The dictionary that `iso8583.decode` takes.
        name
            The dialect's name.
        version
            See `Dialect.version`.
        framing
            See `Dialect.framing`.
        header
            "none" or "tpdu" for a header that `spec` does not know; a fixed "h" in `spec` is kept as it is.

        Returns
        -------
        Dialect

        Raises
        ------
        ConfigError
            The specification lacks a key, uses an unknown encoding, or needs a header of variable length.
        """
        source = f"dialect {name}"
        if missing := [key for key in ("h", "t", "p") if key not in spec]:
            raise ConfigError(source, missing[0], None, "a pyiso8583 specification has this key")
        header_bytes = spec["h"].get("max_len", 0)
        if header_bytes:
            if spec["h"].get("len_type", 0) or header != "none":
                raise ConfigError(source, "h", header_bytes, "one header, of fixed length")
            header = "fixed"
        bitmap = spec["p"].get("data_enc", "b")
        if spec.get("1", spec["p"]).get("data_enc", "b") != bitmap:
            raise ConfigError(source, "1", bitmap, "both bitmaps are written alike")
        elements = [int(key) for key in spec if key.isdigit() and 2 <= int(key) <= 128 and key != "65"]
        return cls(
            name=name,
            version=version,
            formats={element: _from_spec(source, element, spec[str(element)]) for element in elements},
            mti_encoding=spec["t"].get("data_enc", "ascii"),
            bitmap_encoding=bitmap,
            framing=framing,
            header=header,
            header_bytes=header_bytes,
            names={element: str(spec[str(element)].get("desc", "")) for element in elements},
        )

    def to_pyiso8583(self) -> dict[str, dict[str, Any]]:
        """Say the same as a pyiso8583 specification.

        Returns
        -------
        dict
            For `iso8583.decode` and `iso8583.encode`. Left out: elements with a sign before packed digits, which
            pyiso8583 cannot express; content kinds, which it does not check; and framing, which is not its business.
        """
        spec: dict[str, dict[str, Any]] = {
            "h": _spec_row("b", self.header_bytes, "Header"),
            "t": _spec_row(self.mti_encoding, 4, "MTI"),
        }
        for key in ("p", "1"):
            spec[key] = _spec_row(self.bitmap_encoding, 8 if self.bitmap_encoding == "b" else 16, "Bitmap")
        for element, what in self.formats.items():
            if what.kind == "x+n" and what.encoding == "b":
                continue
            row = _spec_row(what.encoding, what.size, self.names.get(element, ""))
            row["len_type"], row["len_enc"] = what.prefix_bytes, what.prefix_encoding
            row["len_count"] = "nibbles" if what.nibbles else "bytes"
            row["left_pad"], row["right_pad"] = what.left_pad, what.right_pad
            spec[str(element)] = row
        return spec


def _spec_row(encoding: str, size: int, description: str) -> dict[str, Any]:
    return {"data_enc": encoding, "len_enc": "ascii", "len_type": 0, "max_len": size, "desc": description}


def _from_spec(source: str, element: int, row: Mapping[str, Any]) -> FieldFormat:
    try:
        encoding = row["data_enc"]
        return FieldFormat(
            kind="b" if encoding == "b" else "text",
            size=int(row["max_len"]),
            prefix_bytes=int(row["len_type"]),
            prefix_encoding=row["len_enc"],
            encoding=encoding,
            nibbles=row.get("len_count", "bytes") == "nibbles",
            left_pad=str(row.get("left_pad", ""))[:1].upper(),
            right_pad=str(row.get("right_pad", ""))[:1].upper(),
        )
    except (KeyError, TypeError, ValueError) as error:
        rule = f"a pyiso8583 field needs a usable {error.args[0] if error.args else 'value'}"
    raise ConfigError(source, str(element), "field", rule)
