"""What each host command does: one function per row of the command table.

A function gets the parsed call and returns the answer's values, or None for "01, verification failed"; it raises
`HsmError` for every other refusal. It records rows only when nothing can refuse any more.
"""

from collections.abc import Callable
from typing import Final

from hsm_sim.core import indexes
from hsm_sim.core.crypto import same
from hsm_sim.core.errors import BAD_DATA, BAD_LENGTH, HsmError
from hsm_sim.core.fields import Value, Values
from hsm_sim.core.keyblock import Entropy
from hsm_sim.core.keys import Key
from hsm_sim.core.slots import Slot
from hsm_sim.core.vault import Proof, Purchase, Vault
from node.core.turn import Turn

FIRMWARE: Final = "0007-E000"
_SEALED_LABEL: Final = b"hsm_sim/sealed-pan/v1\x00"
_SEALED_VERSION: Final = "01"


class Call:
    """One command as its function sees it."""

    __slots__ = ("_key", "entropy", "now", "slot", "turn", "values", "vault")

    def __init__(
        self, slot: Slot, vault: Vault, entropy: Entropy, values: Values, key: Key | None, now: float, turn: Turn
    ) -> None:
        self.slot = slot
        self.vault = vault
        self.entropy = entropy
        self.values = values
        self._key = key
        self.now = now
        self.turn = turn

    @property
    def key(self) -> Key:
        """The key that the command names, already checked against the row's usages and mode."""
        assert self._key is not None, "the command has no key field"
        return self._key

    def text(self, name: str) -> str:
        """Return a character field."""
        value = self.values[name]
        assert isinstance(value, str), name
        return value

    def data(self) -> bytes:
        """Return the binary field."""
        value = self.values["data"]
        assert isinstance(value, bytes)
        return value

    def purchase(self) -> Purchase:
        """Return what a cryptogram is bound to."""
        return Purchase(self.text("amount"), self.text("currency"), self.text("merchant"))


Answer = dict[str, Value] | None


def _diagnostics(call: Call) -> Answer:
    return {"lmk_check": call.slot.lmk_check, "firmware": FIRMWARE}


def _echo(call: Call) -> Answer:
    return {"data": call.data()}


def _random(call: Call) -> Answer:
    length = int(call.text("length"))
    if not 1 <= length <= 256:
        raise HsmError(BAD_LENGTH)
    return {"data": call.entropy(length)}


def _make_cvv(call: Call) -> Answer:
    return {"cvv": call.key.cvv(call.text("pan"), call.text("expiry"), call.text("service_code"))}


def _verify_cvv(call: Call) -> Answer:
    expected = call.key.cvv(call.text("pan"), call.text("expiry"), call.text("service_code"), mode="V")
    return {} if same(expected, call.text("cvv")) else None


def _mac(call: Call, mode: str) -> str:
    """Return the MAC that an M6 or M8 asks for: 8H or 16H. Only whole messages and key-block keys are served."""
    if call.text("mode") != "0" or call.text("input") not in "012" or call.text("size") not in "01":
        raise HsmError(BAD_DATA)
    if call.text("key_type") != "FFF":
        raise HsmError(BAD_DATA)
    mac = call.key.mac(call.text("algorithm"), call.text("padding"), call.data(), mode).hex().upper()
    return mac if call.text("size") == "1" else mac[:8]


def _make_mac(call: Call) -> Answer:
    return {"size": call.text("size"), "mac": _mac(call, "G")}


def _verify_mac(call: Call) -> Answer:
    return {} if same(_mac(call, "V"), call.text("mac")) else None


def _store_card(call: Call) -> Answer:
    token, fingerprint = call.vault.store(
        call.text("pan"), call.text("expiry"), call.text("cvc"), call.text("requestor"), call.now, call.turn
    )
    return {"token": token, "fingerprint": fingerprint}


def _make_cryptogram(call: Call) -> Answer:
    return call.vault.issue(call.text("token"), call.purchase(), call.turn)._asdict()


def _detokenise(call: Call) -> Answer:
    token, reference = call.text("token"), call.text("reference")
    if call.text("cryptogram"):
        proof = Proof(call.text("cryptogram"), call.text("atc"), call.text("un"))
        pan, expiry, cvv2 = call.vault.spend(token, reference, proof, call.purchase(), call.turn)
        return {"pan": pan, "expiry": expiry, "cvv2": cvv2}
    pan, expiry = call.vault.follow(token, reference)
    return {"pan": pan, "expiry": expiry, "cvv2": ""}


def _fingerprint(call: Call) -> Answer:
    return {"fingerprint": call.slot.key(indexes.FINGERPRINT).fingerprint("network", call.text("pan"))}


def _seal(call: Call) -> Answer:
    context = _SEALED_LABEL + call.text("context").encode("utf-8")
    sealed = call.slot.key(indexes.DATA).seal(call.text("pan").encode("ascii"), context, call.entropy)
    return {"sealed": _SEALED_VERSION + sealed.hex().upper()}


def _open(call: Call) -> Answer:
    text = call.text("sealed")
    if not text.startswith(_SEALED_VERSION) or len(text) % 2 or set(text) - set("0123456789ABCDEF"):
        raise HsmError(BAD_DATA)
    context = _SEALED_LABEL + call.text("context").encode("utf-8")
    return {"pan": call.slot.key(indexes.DATA).open(bytes.fromhex(text[2:]), context).decode("ascii")}


OPERATIONS: Final[dict[str, Callable[[Call], Answer]]] = {
    "NC": _diagnostics,
    "B2": _echo,
    "N0": _random,
    "CW": _make_cvv,
    "CY": _verify_cvv,
    "M6": _make_mac,
    "M8": _verify_mac,
    "ZA": _store_card,
    "ZC": _make_cryptogram,
    "ZE": _detokenise,
    "ZG": _fingerprint,
    "ZI": _seal,
    "ZK": _open,
}
