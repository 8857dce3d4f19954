"""What a settings file may say about links: every rule of a session and every limit of a link, under one name each."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from iso import Dialect
from node.core.profile import LinkProfile
from node.link import LinkConfig
from node.settings import Section

_PROFILE = LinkProfile._field_defaults
_LINK = LinkConfig._field_defaults

_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]


class LinkSettings(Section):
    """The section `[links]`. What each value means: `LinkProfile` and `LinkConfig`, whose defaults these are."""

    sign_on: bool = _PROFILE["sign_on"]
    sign_on_timeout_s: _Seconds = _PROFILE["sign_on_timeout_s"]
    sign_on_wait_s: _Seconds = _PROFILE["sign_on_wait_s"]
    echo_idle_s: _Seconds = _PROFILE["echo_idle_s"]
    echo_timeout_s: _Seconds = _PROFILE["echo_timeout_s"]
    echoes_missed_max: _Count = _PROFILE["echoes_missed_max"]
    in_flight_max: _Count = _PROFILE["in_flight_max"]
    match_terminal: bool = _PROFILE["match_terminal"]
    remembered_max: int = Field(default=_PROFILE["remembered_max"], ge=0)
    echo: Literal["house", "no-pan", "minimal"] = _PROFILE["echo"]

    connections: _Count = _LINK["connections"]
    connections_max: _Count = _LINK["connections_max"]
    redial_first_s: _Seconds = _LINK["redial_first_s"]
    redial_max_s: _Seconds = _LINK["redial_max_s"]
    redial_stable_s: _Seconds = _LINK["redial_stable_s"]
    frame_max_bytes: int = Field(default=_LINK["frame_max_bytes"], ge=256)
    outbox_max: _Count = _LINK["outbox_max"]
    outbox_max_bytes: _Count = _LINK["outbox_max_bytes"]

    @model_validator(mode="after")
    def _limits_can_be_kept(self) -> Self:
        for small, large in (
            ("connections", "connections_max"),
            ("redial_first_s", "redial_max_s"),
            ("frame_max_bytes", "outbox_max_bytes"),
        ):
            least, most = getattr(self, small), getattr(self, large)
            if least > most:
                raise ValueError(f"{small} ({least}) must not exceed {large} ({most})")
        return self

    def profile(self) -> LinkProfile:
        """Return what a link's machine is built with."""
        return LinkProfile(**self.model_dump(include=set(LinkProfile._fields)))

    def config(self, name: str, role: Literal["dial", "listen"], address: str, dialect: Dialect) -> LinkConfig:
        """Return what a link's shell is built with."""
        return LinkConfig(name, role, address, dialect, **self.model_dump(include=set(LinkConfig._fields)))
