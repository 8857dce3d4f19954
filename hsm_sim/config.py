"""Settings of the HSM node: which parties it serves and where, its limits, and the faults it begins with."""

import re
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hsm_sim.core.commands.table import COMMANDS
from hsm_sim.core.faults import HsmFault, HsmFaults
from hsm_sim.core.keys.lmk import AesBlockLmk, Lmk, TdesBlockLmk, VariantLmk
from hsm_sim.core.keys.public import public_lmks
from hsm_sim.core.policy import OPEN_POLICY, Policy
from hsm_sim.core.slots import OPEN_PARTY, VAULT_PARTY, Party
from hsm_sim.core.vault import VaultSettings
from iso.errors import LocalProtocolError

SHARED = "shared"
"""What the port for every party is called among addresses and in errors."""

HEX_TEXT: Final = re.compile(r"[0-9A-Fa-f]+")
_LMK_SHAPES: Final = {"variant": (20, (32,)), "tdes-block": (1, (48,)), "aes-block": (1, (32, 48, 64))}
"""How many keys an LMK of each kind has, and of how many hex digits."""

FRAME_BYTES_MAX = 32_768
"""As long as the largest buffer of the devices; every answer to it still fits two length bytes, also in hex."""


class PartyConfig(BaseModel):
    """One party: its name, its role, and the pipe address of its own host port."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64)
    role: Literal["gateway", "acquirer", "switch", "issuer"]
    address: str = "tcp://127.0.0.1:0"

    def party(self) -> Party:
        """Return the party as the core knows it."""
        return Party(self.name, self.role)


class FaultConfig(BaseModel):
    """One fault, as a table `[[nodes.hsm.faults]]` or the body of `POST /nodes/hsm/faults`.

    The fields are those of `hsm_sim.core.faults.HsmFault`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Literal["delay", "error", "parity", "close", "silence"]
    party: str = Field(default="", max_length=64)
    commands: tuple[str, ...] = ()
    probability: float = Field(default=1.0, ge=0, le=1)
    times: int = Field(default=0, ge=0, le=1_000_000)
    delay_s: float = Field(default=0.0, ge=0, le=3600)
    delay_max_s: float = Field(default=0.0, ge=0, le=3600)
    code: str = Field(default="", pattern=r"^([0-9A-Z]{2})?$")
    seed: str = Field(default="", max_length=64)

    @field_validator("commands")
    @classmethod
    def _are_codes(cls, commands: tuple[str, ...]) -> tuple[str, ...]:
        for command in commands:
            if len(command) != 2 or not command.isascii() or not command.isalnum() or command != command.upper():
                raise ValueError("each command code has two capital letters or digits")
        return commands

    @model_validator(mode="after")
    def _can_happen(self) -> Self:
        try:
            HsmFaults().add(self.fault())
        except LocalProtocolError as error:
            problem = str(error)
        else:
            return self
        raise ValueError(problem)

    def fault(self) -> HsmFault:
        """Return the fault as the core knows it."""
        return HsmFault(**{**self.model_dump(), "commands": frozenset(self.commands)})


class VaultConfig(BaseModel):
    """Sizes and times of the token vault; the fields are those of `hsm_sim.core.vault.VaultSettings`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cards_max: int = Field(default=100_000, ge=1)
    keep_deleted_days: int = Field(default=120, ge=0, le=3650)
    luhn_valid: bool = True
    par_controller: str = Field(default="CRLS", pattern=r"^[0-9A-Z]{4}$")
    batch_rows: int = Field(default=64, ge=1, le=10_000)
    batch_every_s: float = Field(default=0.05, gt=0, le=60)

    def settings(self) -> VaultSettings:
        """Return the settings as the core knows them."""
        return VaultSettings(**self.model_dump())


class PolicyConfig(BaseModel):
    """Security settings of one slot, as a table `[nodes.hsm.policies.NAME]`; what each means: `Policy`.

    What a table leaves out keeps the slot's default: the house's slots are strict, the open one is not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    authorised: bool | None = None
    check_value: str | None = Field(default=None, pattern=r"^([0-9A-F]{16})?$")
    pci_pin: bool | None = None
    single_length: bool | None = None
    encrypted_tables: bool | None = None
    strict_tables: bool | None = None
    pin_length_min: int | None = Field(default=None, ge=4, le=12)
    pin_length_max: int | None = Field(default=None, ge=4, le=12)
    aes_check_ecb: bool | None = None
    commands_disabled: frozenset[str] | None = None
    formats_disabled: frozenset[str] | None = None

    @field_validator("commands_disabled")
    @classmethod
    def _are_commands(cls, codes: frozenset[str] | None) -> frozenset[str] | None:
        unknown = sorted((codes or frozenset()) - COMMANDS.keys())
        if unknown:
            raise ValueError(f"no such command: {unknown[0]}")
        return codes

    def over(self, default: Policy) -> Policy:
        """Return the default with what this table says otherwise."""
        return default._replace(**self.model_dump(exclude_none=True))


class LmkConfig(BaseModel):
    """An LMK of the open port instead of the public test ones, as a table `[[nodes.hsm.lmks]]`. Test keys only.

    Attributes
    ----------
    id
        Two digits: what `%LL` names. The first LMK of the list is the one that a command without `%LL` means.
    kind
        "variant" (20 pairs of 32 hex digits), "tdes-block" (48 hex digits) or "aes-block" (32, 48 or 64).
    keys
        Hex digits.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^\d\d$")
    kind: Literal["variant", "tdes-block", "aes-block"]
    keys: tuple[str, ...] = Field(min_length=1, max_length=20, repr=False)

    @model_validator(mode="after")
    def _have_their_length(self) -> Self:
        count, lengths = _LMK_SHAPES[self.kind]
        if len(self.keys) != count:
            raise ValueError(f"an LMK of kind {self.kind} has {count} keys")
        if any(len(key) not in lengths or not HEX_TEXT.fullmatch(key) for key in self.keys):
            raise ValueError(f"a key of an LMK of kind {self.kind} has {' or '.join(map(str, lengths))} hex digits")
        return self

    def lmk(self, single_length: bool) -> Lmk:
        """Return the LMK."""
        keys = [bytes.fromhex(key) for key in self.keys]
        if self.kind == "variant":
            return VariantLmk(keys, single_length=single_length)
        kind = TdesBlockLmk if self.kind == "tdes-block" else AesBlockLmk
        return kind(keys[0], self.id, single_length=single_length)


class HsmConfig(BaseModel):
    """Settings of one HSM node.

    Attributes
    ----------
    parties
        In a stable order: keys shared with the nth neighbour of a role lie at the nth place. Add new ones at the end.
    open_address
        One more port, on loopback only, that serves any client under the public test LMKs; None: there is none.
    shared_address
        One more port, with mutual TLS only, where the certificate says which party it is; None: there is none.
    header_length
        Characters before each command that are echoed in its answer.
    frame_bytes_max
        Longest command; a longer announcement closes the connection.
    connections_max
        Per party; further ones are closed at once.
    idle_timeout_s, open_idle_timeout_s
        A connection on which nothing came for so long is closed: on the parties' ports, which their owners keep open
        (0: never), and on the open port.
    frame_timeout_s
        A frame that has begun must be whole after so long.
    write_timeout_s
        A peer that does not take an answer for so long is cut off.
    audit
        What the audit log records, see `hsm_sim.core.audit`.
    pin_fails_max, pin_fails_window_s, pin_fails_accounts_max
        After so many wrong PINs within so long an account is answered "39" (0: never); accounts remembered.
    policies
        Security settings by party, and of the open slot under "open".
    lmks
        LMKs of the open port; none: the public test LMKs 00, 01 and 02.
    vault
        Sizes and times of the token vault.
    faults
        What goes wrong from the start.
    power_safe
        Commits survive a power loss, not only a killed process.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    parties: tuple[PartyConfig, ...] = Field(min_length=1)
    open_address: str | None = None
    shared_address: str | None = None
    header_length: int = Field(default=4, ge=1, le=255)
    frame_bytes_max: int = Field(default=FRAME_BYTES_MAX, ge=64, le=FRAME_BYTES_MAX)
    connections_max: int = Field(default=64, ge=1)
    idle_timeout_s: float = Field(default=0.0, ge=0)
    open_idle_timeout_s: float = Field(default=600.0, gt=0)
    frame_timeout_s: float = Field(default=30.0, gt=0)
    write_timeout_s: float = Field(default=10.0, gt=0)
    audit: Literal["security", "all", "off"] = "security"
    pin_fails_max: int = Field(default=10, ge=0, le=1000)
    pin_fails_window_s: float = Field(default=3600.0, gt=0)
    pin_fails_accounts_max: int = Field(default=10_000, ge=1)
    policies: dict[str, PolicyConfig] = Field(default_factory=dict)
    lmks: tuple[LmkConfig, ...] = ()
    vault: VaultConfig = VaultConfig()
    faults: tuple[FaultConfig, ...] = ()
    power_safe: bool = False

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [party.name for party in self.parties]
        reserved = (VAULT_PARTY, OPEN_PARTY, SHARED)
        if len(set(names)) != len(names) or not set(names).isdisjoint(reserved):
            raise ValueError(f"party names must be unique and none may be {' or '.join(map(repr, reserved))}")
        return self

    @model_validator(mode="after")
    def _slots_have_settings_that_fit(self) -> Self:
        strangers = self.policies.keys() - {OPEN_PARTY} - {party.name for party in self.parties}
        if strangers:
            raise ValueError(f"policies: no party is called {min(strangers)!r}")
        for name, policy in self.slot_policies().items():
            if policy.pin_length_min > policy.pin_length_max:
                raise ValueError(f"policies: {name}: pin_length_min must not exceed pin_length_max")
        if len({lmk.id for lmk in self.lmks}) != len(self.lmks):
            raise ValueError("lmks: each id may be used once")
        return self

    def slot_policies(self) -> dict[str, Policy]:
        """Return the security settings of every slot that has settings of its own."""
        return {
            name: config.over(OPEN_POLICY if name == OPEN_PARTY else Policy()) for name, config in self.policies.items()
        }

    def open_lmks(self) -> dict[str, Lmk]:
        """Return the LMKs of the open port by identifier, the default one first."""
        is_single = self.slot_policies().get(OPEN_PARTY, OPEN_POLICY).single_length
        return {lmk.id: lmk.lmk(is_single) for lmk in self.lmks} or public_lmks(is_single)
