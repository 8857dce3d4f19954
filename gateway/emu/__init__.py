"""`/emu/v1`: the native face of the gateway, JSON for engineers: what crossed the wires, and how the house is run."""
