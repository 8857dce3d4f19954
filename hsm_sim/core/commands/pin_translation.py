"""Translating PIN blocks from key to key: CA, CC, G0, CI."""

from itertools import product
from typing import Final

from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.fields import HEX, Fixed, Values
from hsm_sim.core.commands.groups import Marked, Part, When
from hsm_sim.core.commands.keyfields import (
    BDK_1,
    BDK_2,
    BDK_3,
    BDK_4,
    TPK,
    ZPK,
    KeyField,
    KeyUse,
    block_usage,
)
from hsm_sim.core.commands.ksn import KsnField
from hsm_sim.core.commands.pin_fields import Account, DigitRun, Flag, KnownBlock, PinBlock
from hsm_sim.core.commands.pin_work import (
    account_for,
    cipher_of,
    dukpt_cipher,
    maximum,
)
from hsm_sim.core.commands.row import Command
from hsm_sim.core.crypto.pinblocks import CODES, ISO_0, ISO_4, PLUS, account_field, leftmost_account_field
from hsm_sim.core.crypto.translation import PinCipher, check_translation, translate_pin, translation_allowed
from hsm_sim.core.errors import BAD_ACCOUNT, BAD_PIN_LENGTH, DESTINATION_PARITY, PIN_BLOCK_DISABLED, HsmError
from hsm_sim.core.roles import ACQUIRERS, NETWORK

_FLAGS: Final = "*~"
_BDK_OF_USAGE: Final = {"B0": BDK_1, "41": BDK_2, "42": BDK_3, "43": BDK_4}
_ZPK: Final = ZPK.to("E")
_ACCOUNT_DIGITS: Final = 12
_ALLOWED: Final = frozenset(
    (source, destination, same_account, pci)
    for source, destination in product(CODES, repeat=2)
    for same_account, pci in product((False, True), repeat=2)
    if translation_allowed(source, destination, same_account=same_account, pci=pci)
)
"""The rules, worked out once."""


def _bdk_use(values: Values, side: str) -> KeyUse | None:
    """Return the kind of base key that a flag or a key block announces, if either does."""
    flag = values.get(f"{side}_flag")
    if flag:
        return BDK_2 if flag == "~" else BDK_1
    return _BDK_OF_USAGE.get(block_usage(values, side))


def _source_use(values: Values) -> KeyUse:
    return _bdk_use(values, "source") or BDK_1


def _destination_use(values: Values) -> KeyUse:
    return _bdk_use(values, "destination") or _ZPK


def _destination_bare(values: Values) -> int:
    return 32 if values.get("destination_flag") else 16


def _to_dukpt(values: Values) -> bool:
    return _bdk_use(values, "destination") is not None


def _translated(call: Call, source: PinCipher, destination: PinCipher, source_code: str, longest: int = 12) -> Reply:
    policy, destination_code = call.policy, call.text("destination_format")
    same_account, destination_account = True, account_for(call, destination_code)
    if "destination_account" in call.values:
        same_account, destination_account = _other_account(call, destination_code)
    if policy.formats_disabled and not policy.formats_disabled.isdisjoint((source_code, destination_code)):
        raise HsmError(PIN_BLOCK_DISABLED)
    if (source_code, destination_code, same_account, policy.pci_pin) not in _ALLOWED:
        check_translation(source_code, destination_code, same_account=same_account, pci=policy.pci_pin)
    length, block = translate_pin(
        source,
        destination,
        bytes.fromhex(call.text("block")),
        source_code,
        destination_code,
        account_for(call, source_code),
        destination_account,
        call.entropy,
    )
    if length > longest or not policy.pin_length_min <= length <= policy.pin_length_max:
        raise HsmError(BAD_PIN_LENGTH)
    return {"length": f"{length:02d}", "block": block.hex().upper(), "format": destination_code}


def _other_account(call: Call, code: str) -> tuple[bool, str]:
    """Return whether G0's destination account is the source's, and what the destination format takes of it."""
    given = call.text("destination_account")
    field = given if len(given) == _ACCOUNT_DIGITS else account_field(given)
    is_same = field == call.text("account") and call.text("pan", given) in (given, field)
    if code == ISO_4:
        if len(given) == _ACCOUNT_DIGITS:
            raise HsmError(BAD_ACCOUNT)
        return is_same, given
    return is_same, leftmost_account_field(given) if code == PLUS and field != given else field


def _from_terminal(call: Call) -> Reply:
    destination = call.key("destination")
    is_dukpt = call.has("destination_ksn")
    target = dukpt_cipher(destination, call.text("destination_ksn")) if is_dukpt else cipher_of(destination)
    return _translated(call, cipher_of(call.key("source")), target, call.text("source_format"), longest=maximum(call))


def _between_zones(call: Call) -> Reply:
    source, destination = cipher_of(call.keys["source"]), cipher_of(call.keys["destination"])
    return _translated(call, source, destination, call.text("source_format"), longest=maximum(call))


def _from_dukpt(call: Call) -> Reply:
    destination = call.key("destination")
    is_dukpt = call.has("destination_ksn")
    source = dukpt_cipher(call.key("source"), call.text("ksn"))
    target = dukpt_cipher(destination, call.text("destination_ksn")) if is_dukpt else cipher_of(destination)
    return _translated(call, source, target, call.text("source_format"))


def _from_old_dukpt(call: Call) -> Reply:
    source = dukpt_cipher(call.key("source"), call.text("ksn"))
    return _translated(call, source, cipher_of(call.key("destination")), ISO_0)


_TO_DUKPT: Final = When(
    _to_dukpt,
    "the destination is a base key",
    Fixed("destination_descriptor", 3, HEX),
    KsnField("destination_ksn", "destination_descriptor", "destination"),
)
_BLOCK: Final[tuple[Part, ...]] = (
    PinBlock(),
    Fixed("source_format", 2),
    Fixed("destination_format", 2),
    Account("source_format", "destination_format"),
)
_ANSWER: Final = (Fixed("length", 2), KnownBlock(behind=2), Fixed("format", 2))
_DESTINATION: Final = KeyField("destination", _destination_use, bare=_destination_bare, parity=DESTINATION_PARITY)

ROWS: Final = (
    Command(
        "CA",
        "translate a PIN block from a terminal's key to a zone's, or to a DUKPT key: `*` a type 1 base key, `~` type 2 "
        "(a key block says so by itself). The answer begins with the PIN's length",
        _from_terminal,
        (
            KeyField("source", TPK),
            Flag("destination_flag", _FLAGS),
            _DESTINATION,
            _TO_DUKPT,
            Fixed("maximum", 2),
            *_BLOCK,
        ),
        _ANSWER,
        ACQUIRERS,
    ),
    Command(
        "CC",
        "translate a PIN block from one zone's key to another's",
        _between_zones,
        (
            KeyField("source", ZPK.to("D")),
            KeyField("destination", _ZPK, parity=DESTINATION_PARITY),
            Fixed("maximum", 2),
            *_BLOCK,
        ),
        _ANSWER,
        NETWORK,
    ),
    Command(
        "G0",
        "translate a PIN block from a DUKPT key to a zone's key or to another DUKPT key, also to another account",
        _from_dukpt,
        (
            Flag("source_flag", _FLAGS),
            KeyField("source", _source_use, bare=32),
            Flag("destination_flag", _FLAGS),
            _DESTINATION,
            Fixed("descriptor", 3, HEX),
            KsnField("ksn", "descriptor", "source"),
            _TO_DUKPT,
            *_BLOCK[:-1],
            Account("source_format", "destination_format", destination=True),
        ),
        _ANSWER,
        ACQUIRERS,
        options=(Marked(b";", DigitRun("destination_account", 12, 19)),),
        source="layout from captures of several open implementations; the destination account from one of them, that "
        "it may be a whole PAN is our reading; AES DUKPT (format 48) was not captured",
    ),
    Command(
        "CI",
        "translate a PIN block of format 01 from a DUKPT key to a zone's key",
        _from_old_dukpt,
        (
            KeyField("source", BDK_1, bare=32),
            KeyField("destination", _ZPK, parity=DESTINATION_PARITY),
            Fixed("descriptor", 3, HEX),
            Fixed("ksn", 20, HEX),
            Fixed("block", 16, HEX),
            Fixed("destination_format", 2),
            Account("destination_format"),
        ),
        _ANSWER,
        ACQUIRERS,
        source="layout from one open source; with TDES DUKPT, because single DES is refused",
    ),
)
