"""What the gateway of a simulation writes on the wire: one message per step, and what undoes it."""

from __future__ import annotations

from datetime import datetime

from iso import Message
from iso.original import OriginalData
from iso.private import CAPTURE as CAPTURE_TAG
from iso.private import CVV2, ECI, PARTIAL_APPROVAL, TOKEN_CRYPTOGRAM, TRACE_ID, build_private
from iso.replacement import ReplacementAmounts
from iso.stan import local_date, local_time, transmission_time
from tests.sim.orders import CAPTURE, MORE, PAY, REFUND, TELL, Order, Step

MTI = {MORE: "0100", CAPTURE: "0220", REFUND: "0200"}
EXPIRY = "3012"


def step_message(order: Order, step: Step, root: Step, proof: str = "", block: str = "") -> Message:
    """Return the message of a step.

    Parameters
    ----------
    root
        The first step of its payment.
    proof
        Token cryptogram, ATC and unpredictable number; "" for none.
    block
        DE 52; "" for none.
    """
    elements = _elements(order, step)
    if step.kind == REFUND:
        elements |= {3: "200000"}
    if step.kind in (PAY, MORE, TELL):
        elements |= {14: EXPIRY, 22: "810", 25: "59"}
        elements |= {} if order.is_token else {2: order.pan}
    if step.kind in (CAPTURE, TELL):
        elements |= {39: "00"}
    if step.kind in (MORE, CAPTURE, REFUND):
        elements |= {37: root.rrn} if step.names_rrn else {37: root.rrn, 90: _named(root)}
    if block:
        elements |= {22: "051", 25: "00", 52: block}
    elements[48] = build_private(_tags(order, step, proof))
    return Message(step.mti, {element: value for element, value in elements.items() if value})


def reversal(order: Order, step: Step, stan: str, at: datetime) -> Message:
    """Return the 0420 that undoes a step, or leaves of it what is wanted."""
    elements = _elements(order, step)
    elements |= {3: "200000" if step.kind == REFUND else "000000", 37: step.rrn}
    elements |= {7: transmission_time(at), 11: stan, 12: local_time(at), 13: local_date(at), 90: _named(step)}
    if step.wanted_minor:
        elements[95] = ReplacementAmounts(step.wanted_minor).to_de95()
    # Both are the same to an acquirer; a gateway that works through the night uses the advice.
    mti = "0400" if int(stan) % 4 == 0 else "0420"
    return Message(mti, {element: value for element, value in elements.items() if value})


def totals_request(terminal: str, merchant: str, net_minor: int, stan: str, transmitted: str) -> Message:
    """Return the 0500 that states the net amount of a terminal's batch; positive is the cardholders'."""
    net = f"{'D' if net_minor < 0 else 'C'}{abs(net_minor):016d}"
    return Message("0500", {7: transmitted, 11: stan, 41: terminal, 42: merchant, 50: "840", 97: net})


def _elements(order: Order, step: Step) -> dict[int, str]:
    return {
        2: step.token,
        3: "000000",
        4: f"{step.amount_minor:012d}",
        7: step.transmitted,
        11: step.stan,
        12: step.local_time,
        13: step.local_date,
        41: step.terminal,
        42: order.merchant,
        49: "840",
    }


def _named(step: Step) -> str:
    return OriginalData(step.mti, step.stan, step.transmitted).to_de90()


def _tags(order: Order, step: Step, proof: str) -> dict[str, str]:
    tags = {}
    if step.kind == PAY and not order.is_token and not order.pin:
        tags[CVV2] = order.cvc
    if proof:
        tags[TOKEN_CRYPTOGRAM] = proof
        tags[ECI] = "07"
    if order.takes_part and step.kind in (PAY, MORE):
        tags[PARTIAL_APPROVAL] = "1"
    tags[TRACE_ID] = f"trace-{order.number}"
    if step.kind == CAPTURE:
        tags[CAPTURE_TAG] = f"01{step.capture}"
    return tags
