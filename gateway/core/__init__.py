"""The pure half of the gateway: forms, parameters, states, mappings, messages and shapes.

Nothing in this package reads a clock, draws a random number, opens a socket or a database, or logs.
"""
