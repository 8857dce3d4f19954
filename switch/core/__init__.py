"""The decisions of the switch: states, routing, legs, reversals, and the machine that joins them. Pure."""
