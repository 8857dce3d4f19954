"""Tests of hsm_sim.core.keys."""
