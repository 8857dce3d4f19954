"""Tests of the host commands, one file per family."""
