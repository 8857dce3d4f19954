"""One host command as the function that carries it out sees it."""

from typing import Final, NamedTuple, TypeAlias

from hsm_sim.core.commands.fields import Value, Values
from hsm_sim.core.keys.header import Entropy
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.lmk import Lmk
from hsm_sim.core.policy import Policy
from hsm_sim.core.slots import Slot
from hsm_sim.core.vault import Vault
from node.core.turn import Turn


class Warned(NamedTuple):
    """An answer whose error code is a warning: the fields follow all the same, or are left out if there are none."""

    code: str
    values: dict[str, Value]


Reply: TypeAlias = dict[str, Value] | Warned | None
"""Values of the answer; a warning with values; or None: "01", verification failed."""

FAILED: Final = None


class Call:
    """One command: its values, its keys already opened and checked, and what it may use.

    Attributes
    ----------
    slot, lmk
        The party's slot, and the LMK that the command chose (or the slot's default).
    keys
        Opened keys by field name; each was checked against the use that its field names.
    delay_s
        A function that wants its answer to leave later sets this; seconds.
    is_audited
        A function whose command does only sometimes what belongs into the audit log sets this when it did.
    subject
        What the audit log may say about the command beside its code: a token, a check value; never a secret.
    """

    __slots__ = ("delay_s", "entropy", "is_audited", "keys", "lmk", "now", "slot", "subject", "turn", "values", "vault")

    def __init__(
        self,
        slot: Slot,
        lmk: Lmk,
        vault: Vault,
        entropy: Entropy,
        values: Values,
        keys: dict[str, Key],
        now: float,
        turn: Turn,
    ) -> None:
        self.slot = slot
        self.lmk = lmk
        self.vault = vault
        self.entropy = entropy
        self.values = values
        self.keys = keys
        self.now = now
        self.turn = turn
        self.delay_s = 0.0
        self.is_audited = False
        self.subject = ""

    @property
    def policy(self) -> Policy:
        """The slot's settings."""
        return self.slot.policy

    def key(self, name: str = "key") -> Key:
        """Return an opened key by the name of its field."""
        return self.keys[name]

    def text(self, name: str, absent: str = "") -> str:
        """Return a character field, or `absent` if the command does not have it."""
        value = self.values.get(name, absent)
        assert isinstance(value, str), name
        return value

    def number(self, name: str) -> int:
        """Return a decimal field."""
        return int(self.text(name))

    def data(self, name: str = "data") -> bytes:
        """Return a binary field; empty if the command does not have it."""
        value = self.values.get(name, b"")
        assert isinstance(value, bytes), name
        return value

    def has(self, name: str) -> bool:
        """Return whether the command has an optional field."""
        return name in self.values
