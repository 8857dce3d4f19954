"""psec as the oracle of TR-31 blocks, versions A to D."""

from __future__ import annotations

import warnings

import psec

from hsm_sim.core.keys.blocks import OptionalBlocks
from hsm_sim.core.keys.header import Header


def wrap(protection: bytes, version: str, header: Header, key: bytes, blocks: OptionalBlocks = ()) -> str:
    """Return a TR-31 block made by psec."""
    made = psec.tr31.Header(version, *header)
    for name, data in blocks:
        made.blocks[name] = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(psec.tr31.wrap(protection, made, key))


def unwrap(protection: bytes, block: str) -> tuple[Header, bytes, OptionalBlocks]:
    """Return what psec finds in a TR-31 block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header, key = psec.tr31.unwrap(protection, block)
    found = Header(header.key_usage, header.algorithm, header.mode_of_use, header.version_num, header.exportability)
    return found, key, tuple(header.blocks.items())
