"""The chassis of every node: driver loop, journal, pipes, clock, control port, settings, telemetry.

`node.core` is pure and decides; the other modules perform what it decided. Nothing here knows what a card, a bank or a
key is: rooms above put their own machines, handlers and ports into this chassis.
"""
