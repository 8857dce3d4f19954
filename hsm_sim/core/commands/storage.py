"""Card numbers at rest outside the vault: fingerprints for look-up, sealing for rows that survive a restart."""

from typing import Final

from hsm_sim.core import indexes
from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.fields import TEXT, Counted, Delimited, Fixed
from hsm_sim.core.commands.row import OWN, Command
from hsm_sim.core.errors import BAD_ACCOUNT, BAD_DATA, HsmError
from hsm_sim.core.roles import ISSUER, SWITCH

FINGERPRINT_LENGTH: Final = 29
_SEALED_LABEL: Final = b"hsm_sim/sealed-pan/v1\x00"
_SEALED_VERSION: Final = "01"
_PAN: Final = Delimited("pan", 12, 19, BAD_ACCOUNT)


def _fingerprint(call: Call) -> Reply:
    return {"fingerprint": call.slot.key(indexes.FINGERPRINT).fingerprint("network", call.text("pan"))}


def sealed_pan(call: Call, pan: str, context: str) -> str:
    """Return a PAN under the slot's data key, bound to a context: fit to be stored."""
    bound = _SEALED_LABEL + context.encode("utf-8")
    sealed = call.slot.key(indexes.DATA).seal(pan.encode("ascii"), bound, call.entropy)
    return _SEALED_VERSION + sealed.hex().upper()


def _seal(call: Call) -> Reply:
    return {"sealed": sealed_pan(call, call.text("pan"), call.text("context"))}


def _open(call: Call) -> Reply:
    text = call.text("sealed")
    if not text.startswith(_SEALED_VERSION) or len(text) % 2 or set(text) - set("0123456789ABCDEF"):
        raise HsmError(BAD_DATA)
    context = _SEALED_LABEL + call.text("context").encode("utf-8")
    return {"pan": call.slot.key(indexes.DATA).open(bytes.fromhex(text[2:]), context).decode("ascii")}


ROWS: Final = (
    Command(
        "ZG",
        "fingerprint of a PAN under the issuer's own key",
        _fingerprint,
        (_PAN,),
        (Fixed("fingerprint", FINGERPRINT_LENGTH, TEXT),),
        frozenset((ISSUER,)),
        source=OWN,
    ),
    Command(
        "ZI",
        "seal a PAN under the switch's data key, bound to a context",
        _seal,
        (_PAN, Counted("context")),
        (Counted("sealed"),),
        frozenset((SWITCH,)),
        source=OWN,
    ),
    Command(
        "ZK",
        "open a sealed PAN in the same context",
        _open,
        (Counted("sealed"), Counted("context")),
        (_PAN,),
        frozenset((SWITCH,)),
        source=OWN,
    ),
)
