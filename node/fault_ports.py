"""What the control port does with a node's faults; each kind of node has faults of its own kind."""

from __future__ import annotations

from typing import Any, Literal, Protocol, Self

from pydantic import BaseModel, Field, model_validator

from node.core.faults import Action, Fault, Faults
from node.core.faults.fault import problem_of
from node.settings import Section

_DEFAULT = Fault._field_defaults


class FaultPort(Protocol):
    """The faults of one node."""

    model: type[BaseModel]
    """Body of `POST /nodes/{name}/faults`."""

    def add(self, wanted: Any) -> dict[str, Any]:
        """Arm what a body of `model` asks for and say it back; `LocalProtocolError` if it cannot be armed."""

    def listed(self) -> list[dict[str, Any]]:
        """Return what is armed, each with the times that are left."""

    def fired(self) -> list[dict[str, Any]]:
        """Return what struck, in order."""

    def clear(self) -> None:
        """Disarm all."""


class FaultRequest(Section):
    """Body of `POST /nodes/{name}/faults` for a node with links; the fields are those of `node.core.faults.Fault`."""

    link: str = Field(default="", max_length=64)
    direction: Literal["in", "out"]
    mti: str = Field(default="", pattern=r"^(\d{4})?$")
    action: Action
    times: int = _DEFAULT["times"]
    match: str = Field(default="", max_length=4_000)
    nth: int = _DEFAULT["nth"]
    probability: float = _DEFAULT["probability"]
    seed: str = Field(default="", max_length=64)
    delay_s: float = _DEFAULT["delay_s"]
    delay_max_s: float = _DEFAULT["delay_max_s"]
    sigma: float = _DEFAULT["sigma"]
    in_order: bool = _DEFAULT["in_order"]
    keep: int = _DEFAULT["keep"]
    behind: int = _DEFAULT["behind"]
    copies: int = _DEFAULT["copies"]
    value: str = Field(default="", max_length=16_384)

    @model_validator(mode="after")
    def _can_happen(self) -> Self:
        if problem := problem_of(self.fault()):
            raise ValueError(problem)
        return self

    def fault(self) -> Fault:
        """Return the fault as the core knows it."""
        return Fault(**self.model_dump(include=set(Fault._fields)))


class LinkFaults:
    """Faults of a node's links; see `FaultPort`."""

    model: type[BaseModel] = FaultRequest

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def add(self, wanted: Any) -> dict[str, Any]:
        """Arm a fault."""
        fault = wanted.fault()
        self._faults.add(fault)
        shown: dict[str, Any] = fault.shown()
        return shown

    def listed(self) -> list[dict[str, Any]]:
        """Return what is armed; card numbers in it are masked."""
        return [fault.shown() for fault in self._faults.listed()]

    def fired(self) -> list[dict[str, Any]]:
        """Return what struck, in order."""
        return [fired._asdict() for fired in self._faults.fired]

    def clear(self) -> None:
        """Disarm all."""
        self._faults.clear()
