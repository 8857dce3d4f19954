"""Every key field of every command refuses keys that are for something else."""

from __future__ import annotations

from functools import cache

import pytest

from hsm_sim.core.commands.keyfields import KeyField
from hsm_sim.core.commands.row import Command
from hsm_sim.core.commands.table import COMMANDS
from hsm_sim.core.commands.wire import decode_command, encode_command
from hsm_sim.core.errors import HsmError
from hsm_sim.core.keys.header import Header
from hsm_sim.core.keys.types import check_attributes
from hsm_sim.core.policy import Policy
from hsm_sim.requests.keys import MakeKey
from tests.support.hsm import OF_ROLE, PARTIES, Hsm
from tests.support.layouts import samples

OTHERS = ("D0", "C0", "K1", "P0", "E0", "V1", "M6")
ALGORITHMS = {"T2": "T", "A3": "A"}
OPPOSITE = {"G": "V", "V": "G", "E": "D", "D": "E"}
KEY_FIELDS = [(code, field.name) for code, row in sorted(COMMANDS.items()) for field in row.keys]


@cache
def _house() -> Hsm:
    return Hsm(policies={party.name: Policy(authorised=True) for party in PARTIES})


@cache
def _key(party: str, usage: str, mode: str) -> str:
    """Return a key of the party's own, or "" if no algorithm goes with usage and mode."""
    for name, algorithm in ALGORITHMS.items():
        try:
            check_attributes(Header(usage, algorithm, mode))
        except HsmError:
            continue
        return _house().ask(party, MakeKey(usage, name, mode)).key
    return ""


def _party(row: Command) -> str:
    return next(name for role, name in OF_ROLE.items() if role in row.roles)


def _fitting(party: str, usages: tuple[str, ...]) -> str:
    return next(key for usage in usages if len(usage) == 2 and (key := _key(party, usage, "N")))


def _sample_with(row: Command, party: str, field: KeyField, key: str) -> tuple[bytes, tuple[str, ...], str]:
    """Build a command whose other keys fit; return it with what the field accepts."""
    for _, values in samples(row, {}):
        if field.name not in values:
            continue
        uses = {other.name: other.use_for(values) for other in row.keys if other.name in values}
        keys = {name: _fitting(party, use.usages) for name, use in uses.items() if use is not None}
        chosen = uses[field.name]
        assert chosen is not None
        for command, again in samples(row, {**keys, field.name: key}):
            if again.keys() == values.keys() and again[field.name] == key:
                return command, chosen.usages, chosen.mode
    raise AssertionError(f"no sample of {row.code} reaches {field.name}: tests.support.layouts needs a choice")


@pytest.mark.parametrize(("code", "name"), KEY_FIELDS)
class TestKeyFields:
    """Usage and mode of use are checked before anything is done with a key."""

    def test_a_key_for_another_purpose_is_refused(self, code: str, name: str) -> None:
        row, party = COMMANDS[code], _party(COMMANDS[code])
        field = next(field for field in row.keys if field.name == name)
        refused = 0

        for usage in OTHERS:
            command, usages, _ = _sample_with(row, party, field, _key(party, usage, "N"))
            if usage not in usages:
                assert _house().frame(party, command)[2:4] == b"A6"
                refused += 1

        assert refused >= 3

    def test_a_key_for_the_other_direction_is_refused(self, code: str, name: str) -> None:
        row, party = COMMANDS[code], _party(COMMANDS[code])
        field = next(field for field in row.keys if field.name == name)
        _, usages, mode = _sample_with(row, party, field, "K000")
        if mode not in OPPOSITE:
            return

        keys = [key for usage in usages if len(usage) == 2 and (key := _key(party, usage, OPPOSITE[mode]))]

        assert keys
        for key in keys:
            command, _, _ = _sample_with(row, party, field, key)
            assert _house().frame(party, command)[2:4] == b"A8"


class TestSamples:
    """A command that the table can write is one that it can read back."""

    @pytest.mark.parametrize("code", sorted(COMMANDS))
    def test_round_trip(self, code: str) -> None:
        row = COMMANDS[code]

        for command, values in samples(row, {}):
            assert decode_command(row, command, 2)[0] == values
            assert decode_command(row, encode_command(code, values), 2)[0] == values
