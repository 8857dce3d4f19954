"""The codec alone: a 20-field 0100 with DE 55, content checked, against pyiso8583 and iso8583sim in one process."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

import iso8583

from bench.figures import Figure, progress, ratio_of, table
from iso import Dialect, Message, decode, dialect, encode
from iso.generic import decode as decode_slowly
from iso.generic import encode as encode_slowly

ROUNDS = 15
LOOPS = 1500
CHIP = (
    "820239008407A0000000031010950580000080009A032606049C01005F2A0208409F02060000000123459F03060000000000009F0902008C"
    "9F100706011203A0B0C09F1A0208409F2608112233445566778899"[:-2]
    + "9F2701809F3303E0F8C89F34031F03029F3602004300"[:-2]
)
FIELDS = {
    2: "4242424242424242",
    3: "000000",
    4: "000000001999",
    7: "1122131155",
    11: "000001",
    12: "131155",
    13: "1122",
    14: "3012",
    18: "5999",
    22: "051",
    25: "00",
    32: "123456",
    35: "4242424242424242=30122011234567890",
    37: "632613000001",
    41: "TERM0001",
    42: "MERCHANT0000001",
    43: "The Shop Main Street Springfield".ljust(40),
    49: "840",
    52: "0123456789ABCDEF",
    55: CHIP,
}
REQUEST = Message("0100", FIELDS)
PATH = "bytes in memory, no framing; every element checked for content, length and limit; result a Message"


def line(name: str, value: str, peer: str, ratio: str, aim: str, path: str) -> Figure:
    """Return one line of the table; every line here has a peer."""
    return Figure(name, value, path, peer=peer, ratio=ratio, aim=aim)


def timed(function: Callable[[], object], loops: int = LOOPS) -> float:
    """Return microseconds a call."""
    begun = perf_counter()
    for _ in range(loops):
        function()
    return (perf_counter() - begun) / loops * 1e6


def rounds(contenders: dict[str, Callable[[], object]], loops: int = LOOPS) -> dict[str, list[float]]:
    """Time each contender once a round, in turn, so that the machine's moods hit all of them."""
    for function in contenders.values():
        timed(function, 50)
    found: dict[str, list[float]] = {name: [] for name in contenders}
    gc.collect()
    for _ in range(ROUNDS):
        for name, function in contenders.items():
            found[name].append(timed(function, loops))
    return found


def message_for(spoken: Dialect) -> Message:
    """Return the same request in any 1987 dialect, as that dialect gives it back."""
    return decode(encode(REQUEST, spoken), spoken)


def simulator() -> dict[str, Callable[[], object]]:
    """Return iso8583sim's decode and encode of the same message; empty where it is not installed."""
    try:
        from iso8583sim.core.builder import ISO8583Builder
        from iso8583sim.core.parser import ISO8583Parser
        from iso8583sim.core.types import ISO8583Message
    except ImportError:
        return {}
    fields: dict[int, str] = {0: "0100", **FIELDS}
    theirs: Any = ISO8583Message(mti="0100", fields=fields)
    builder, parser = ISO8583Builder(), ISO8583Parser()
    raw = builder.build(theirs)
    return {"sim decode": lambda: parser.parse(raw), "sim encode": lambda: builder.build(theirs)}


def against_others() -> list[Figure]:
    """Compare decoding and encoding with the other implementations."""
    spoken = dialect("ascii87")
    spec = spoken.to_pyiso8583()
    raw = encode(REQUEST, spoken)
    document = iso8583.decode(raw, spec)[0]
    contenders: dict[str, Callable[[], object]] = {
        "decode": lambda: decode(raw, spoken),
        "encode": lambda: encode(REQUEST, spoken),
        "slow decode": lambda: decode_slowly(raw, spoken),
        "slow encode": lambda: encode_slowly(REQUEST, spoken),
        "py decode": lambda: iso8583.decode(raw, spec),
        "py encode": lambda: iso8583.encode(document, spec),
        **simulator(),
    }
    found = rounds(contenders, 500)
    lines = []
    for peer, label in (("py", "pyiso8583"), ("sim", "iso8583sim"), ("slow", "our slow path")):
        for what, aim in (("decode", "7, aim 9"), ("encode", "10, aim 15")):
            if f"{peer} {what}" not in found:
                continue
            ratios = [theirs / ours for ours, theirs in zip(found[what], found[f"{peer} {what}"], strict=True)]
            lines.append(
                line(
                    f"{what}, times as fast as {label}",
                    f"{median(found[what]):.2f} us",
                    f"{median(found[f'{peer} {what}']):.1f} us",
                    ratio_of(ratios),
                    {"py": f"at least {aim}", "sim": "more than pyiso8583"}.get(peer, ""),
                    f"{PATH}; ascii87, {len(FIELDS)} elements, {len(raw)} bytes",
                )
            )
    return lines


def between_dialects() -> list[Figure]:
    """Compare packed and EBCDIC dialects with the ASCII one of the same bitmap form."""
    names = ("net-bin87", "pos-bcd87", "ebcdic87")
    spoken = {name: dialect(name) for name in names}
    given = {name: message_for(spoken[name]) for name in names}
    raw = {name: encode(given[name], spoken[name]) for name in names}
    lines = []
    for what in ("decode", "encode"):
        contenders: dict[str, Callable[[], object]] = {}
        for name in names:
            if what == "decode":
                contenders[name] = lambda name=name: decode(raw[name], spoken[name])  # type: ignore[misc]
            else:
                contenders[name] = lambda name=name: encode(given[name], spoken[name])  # type: ignore[misc]
        found = rounds(contenders)
        for name in names[1:]:
            ratios = [theirs / ours for ours, theirs in zip(found[names[0]], found[name], strict=True)]
            lines.append(
                line(
                    f"{what} {name}, time over ASCII",
                    f"{median(found[name]):.2f} us",
                    f"{names[0]} {median(found[names[0]]):.2f} us",
                    ratio_of(ratios),
                    "at most 1.33",
                    PATH,
                )
            )
    return lines


def random_bitmaps() -> list[Figure]:
    """Compare a peer that never sends the same bitmap twice, and one that sends each three times."""
    chance = Random(8583)
    base = dialect("ascii87")
    choices = [element for element in base.formats if element not in (64, 128)]
    frames = []
    for _ in range(1500):
        elements = sorted(chance.sample(choices, 20))
        fields = {element: _any_value(base, element) for element in elements}
        frames.append(encode_slowly(Message("0100", fields), base))
    thrice = [frame for frame in frames[:1000] for _ in range(3)]
    lines = []
    for label, stream in (("all different", frames), ("each three times", thrice)):
        ours, slow = [], []
        for _ in range(5):
            fresh = dialect("ascii87").relaxed()
            for results, function in ((slow, decode_slowly), (ours, decode)):
                begun = perf_counter()
                for frame in stream:
                    function(frame, fresh)
                results.append((perf_counter() - begun) / len(stream) * 1e6)
        lines.append(
            line(
                f"random bitmaps, {label}: time over the slow path",
                f"{median(ours):.1f} us",
                f"{median(slow):.1f} us",
                ratio_of([mine / theirs for mine, theirs in zip(ours, slow, strict=True)]),
                "at most 2",
                f"{PATH}; ascii87, {len(stream)} messages of 20 random elements, a fresh codec each round",
            )
        )
    return lines


def _any_value(spoken: Dialect, element: int) -> str:
    field = spoken.formats[element]
    size = min(field.size, 20) if field.prefix_bytes else field.size
    if field.kind == "x+n":
        return "C" + "0" * (size - 1)
    return "00" * size if field.kind == "b" else "0" * size


def lengths() -> list[Figure]:
    """Compare time per byte of ever longer frames."""
    spoken = dialect("ascii87")
    longest = [element for element, field in spoken.formats.items() if field.size == 999]
    lines, per_byte = [], {}
    contenders: dict[str, Callable[[], object]] = {}
    sizes: dict[str, int] = {}
    for count in (1, 2, 4, 8):
        message = Message("0100", dict.fromkeys(longest[:count], "A" * 998))
        raw = encode(message, spoken)
        label = f"{len(raw)}"
        sizes[label] = len(raw)
        contenders[label] = lambda raw=raw: decode(raw, spoken)  # type: ignore[misc]
        contenders[f"{label} slow"] = lambda raw=raw: decode_slowly(raw, spoken)  # type: ignore[misc]
    found = rounds(contenders, 300)
    for label, size in sizes.items():
        per_byte[label] = median(found[label]) / size * 1000
        slow = median(found[f"{label} slow"]) / size * 1000
        first = next(iter(per_byte.values()))
        lines.append(
            line(
                f"decode of {size} bytes, time per byte over the shortest",
                f"{per_byte[label]:.2f} ns a byte",
                f"slow path {slow:.2f} ns",
                f"{per_byte[label] / first:.2f}",
                "flat or falling",
                f"{PATH}; elements of 998 bytes",
            )
        )
    return lines


def compiling() -> list[Figure]:
    """Measure what a function costs to make."""
    from iso.compile_read import compile_reader
    from iso.compile_write import compile_writer

    spoken = dialect("ascii87")
    elements = tuple(FIELDS)
    found = rounds(
        {
            "reader": lambda: compile_reader(spoken, elements, 16),
            "writer": lambda: compile_writer(spoken, elements),
            "decode": lambda: decode_slowly(encode(REQUEST, spoken), spoken),
        },
        5,
    )
    return [
        line(
            f"compiling a {name}",
            f"{median(found[name]) / 1000:.2f} ms",
            f"slow decode {median(found['decode']):.1f} us",
            ratio_of([mine / theirs for mine, theirs in zip(found[name], found["decode"], strict=True)]),
            "",
            "once per dialect and bitmap, at its third sighting",
        )
        for name in ("reader", "writer")
    ]


def figures() -> list[Figure]:
    """Measure and return the lines of the table."""
    lines: list[Figure] = []
    for part in (against_others, between_dialects, random_bitmaps, lengths, compiling):
        progress(f"codec: {part.__name__}")
        lines += part()
    return lines


if __name__ == "__main__":
    print(table(figures()))
    sys.exit(0)
