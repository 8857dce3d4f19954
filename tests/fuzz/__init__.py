"""Inputs nobody meant: bounded in every run, longer in `make long`."""
