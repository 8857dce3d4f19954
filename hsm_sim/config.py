"""Settings of the HSM node: which parties it serves and where."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hsm_sim.core.slots import VAULT_PARTY, Party


class PartyConfig(BaseModel):
    """One party: its name, its role, and the pipe address of its own host port."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64)
    role: Literal["gateway", "acquirer", "switch", "issuer"]
    address: str = "tcp://127.0.0.1:0"

    def party(self) -> Party:
        """Return the party as the core knows it."""
        return Party(self.name, self.role)


class HsmConfig(BaseModel):
    """Settings of one HSM node.

    Attributes
    ----------
    parties
        In a stable order: keys shared with the nth neighbour of a role lie at the nth place. Add new ones at the end.
    header_length
        Characters before each command that are echoed in its answer.
    frame_bytes_max
        Longest command; a longer announcement closes the connection.
    connections_max
        Per party; further ones are closed at once.
    power_safe
        Commits survive a power loss, not only a killed process.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    parties: tuple[PartyConfig, ...] = Field(min_length=1)
    header_length: int = Field(default=4, ge=4, le=255)
    frame_bytes_max: int = Field(default=32_768, ge=64, le=65_535)
    connections_max: int = Field(default=64, ge=1)
    power_safe: bool = False

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [party.name for party in self.parties]
        if len(set(names)) != len(names) or VAULT_PARTY in names:
            raise ValueError(f"party names must be unique and none may be {VAULT_PARTY!r}")
        return self
