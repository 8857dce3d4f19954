"""Tests of the HSM."""
