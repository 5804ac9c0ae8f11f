"""Runs the verbs while the network, the disk, the clock and the operator fail: ``python -m faults --seed 1``.

A round is one run of a verb under faults that its seed decides, a look at what is left, and a second run without
faults. What must hold is in :mod:`faults.verbs`, one module for each verb; ``docs/explanation/what-is-promised.md``
says what is promised to users and which rounds show it. The real command runs, in a process of its own.
"""
