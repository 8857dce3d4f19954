"""Benchmarks: ratios against a peer or a limit, measured in one run, each with the path that it took.

`python -m bench` prints every figure, `python -m bench.NAME` one of them. Machines change speed by the minute, so
contenders take turns within a run and the median of the per-round ratios counts; absolute numbers are context. No
benchmark is a test: nothing fails for being slow, but a wrong answer stops the run.
"""
