"""The use cases: each verb of the product as a function that wires the rooms below and returns what was done.

Nothing here draws, prints or reads the command line; progress goes to a :class:`packhorse.base.events.Reporter`.
"""
