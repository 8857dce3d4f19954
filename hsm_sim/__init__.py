"""A software HSM: keys, card verification values, MACs and the token vault, reached by host commands.

The only place of the house that holds keys, CVVs and card numbers. Everybody else sends it typed requests
(`hsm_sim.requests`) through a client (`hsm_sim.client`) and sees key blocks, check values and network tokens.
It is an emulator for test cards: not certified, and never to be given a real PAN.
"""
