"""What a settings file may say about the keys of links."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from hsm_sim.zones.rules import ZoneRules
from node.settings import Section

Mac = Literal["dialect", "none", "cmac", "retail"]
"""How a link's messages are authenticated; "dialect": by AES-CMAC if its dialect ends in a MAC, else not at all."""


class KeySettings(Section):
    """The section `[keys]`: how keys of links are changed.

    Attributes
    ----------
    exchange_hours
        Business time after which the switch changes a key; 0: only on demand.
    grace_s
        How long the key before is accepted after the peer has been heard under the new one.
    retry_s
        Pause before an offer without an answer is sent again.
    answer_timeout_s
        How long an offer waits for its answer.
    """

    exchange_hours: float = Field(default=0.0, ge=0, le=8_784)
    grace_s: float = Field(default=60.0, gt=0, le=86_400)
    retry_s: float = Field(default=5.0, gt=0)
    answer_timeout_s: float = Field(default=5.0, gt=0)

    def rules(self, *, is_owner: bool, hsm_timeout_s: float) -> ZoneRules:
        """Return what a node's keys are kept by."""
        every = timedelta(hours=self.exchange_hours) if self.exchange_hours else None
        return ZoneRules(is_owner, self.grace_s, self.retry_s, self.answer_timeout_s, hsm_timeout_s, every)
