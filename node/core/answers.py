"""What of a response a link writes: what it echoes, and less and less of one that its dialect cannot express."""

from __future__ import annotations

from iso import Message
from iso.echo import ECHO_PROFILES, HOUSE

LESS_AND_LESS = ((), (7, 11, 32, 37, 41, 70), (7, 11))
"""What of a response is tried: all of it, what identifies it, and the least that matches it with its request."""


def narrowed(response: Message, echo: str) -> Message:
    """Take out of a response what the house echoes and a link with this echo profile does not."""
    if echo == HOUSE.name:
        return response
    kept = ECHO_PROFILES[echo].elements(response.mti)
    return response.with_fields({element: None for element in HOUSE.elements(response.mti) if element not in kept})


def cut_down(message: Message, elements: tuple[int, ...]) -> Message:
    """Return a malfunction (96) that says no more than which request it answers."""
    return Message(message.mti, {**message.only(elements), 39: "96"}, header=message.header)
