"""A seeded simulation of the house without an event loop: the real machines under a hostile network.

`world` is time and chance, `network` joins nodes by wires that break, `node` drives one machine and lets it crash at
every point, `gateway` stands in for the shops, `house` puts the six nodes together, `audit` checks the promises.
"""
