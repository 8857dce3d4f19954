"""Conformance: a suite of steps is played against a host, ours or a foreign one, and every difference is explained.

`suite` is what a suite may say, `ends` are the connections it is played on, `runner` plays it, `report` tells what
happened. Nothing here knows the house: a foreign host is tested with the same bytes.
"""
