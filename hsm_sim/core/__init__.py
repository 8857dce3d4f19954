"""The pure half of the HSM: cryptography, key handles, the token vault and the command engine.

No clock, randomness, socket, database or log: time, entropy and the turn that records rows are handed in.
"""
