"""The table of host commands: one row says everything about a command's layout, its keys and who may send it.

The engine's parser, the client's encoder, the role check, the reference document and the tests' role walk all come
from `COMMANDS`: a command is added by adding a row, with the function that carries it out, to a family's file. Rows
are default deny: a role that a row does not name gets "68".
"""

from typing import Final

from hsm_sim.core.commands import (
    cards,
    data,
    device,
    dukpt_macs,
    emv,
    keys_checks,
    keys_exchange,
    keys_generation,
    keys_table,
    mac_batches,
    macs,
    pin_lmk,
    pin_offsets,
    pin_translation,
    pin_verification,
    scripts,
    storage,
    vault,
)
from hsm_sim.core.commands.row import Command

FAMILIES: Final[dict[str, tuple[Command, ...]]] = {
    "Device": device.ROWS,
    "Keys": (*keys_generation.ROWS, *keys_exchange.ROWS, *keys_checks.ROWS, *keys_table.ROWS),
    "Card values": cards.ROWS,
    "PINs": (*pin_translation.ROWS, *pin_verification.ROWS, *pin_offsets.ROWS, *pin_lmk.ROWS),
    "MACs": (*macs.ROWS, *dukpt_macs.ROWS, *mac_batches.ROWS),
    "Chip cards": (*emv.ROWS, *scripts.ROWS),
    "Data": data.ROWS,
    "Token vault": vault.ROWS,
    "Storage": storage.ROWS,
}
"""Rows by family, in the order of the reference document."""

COMMANDS: Final[dict[str, Command]] = {row.code: row for rows in FAMILIES.values() for row in rows}
