"""One training step in several libraries: the same work, timed in the same way.

`workloads` says what the work is, `*_steps` does it in one library each, `measure` times one of
them in its own process, `rounds` runs the processes in turn, `report` makes tables of what they
say, and `verify` compares the parameters that they end with.
"""
