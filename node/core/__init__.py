"""The pure half of the chassis: turns, stepped conversations, link, session, SAF and duty machines, faults.

Nothing in this package reads a clock, draws a random number, opens a socket or a database, or logs.
"""
