"""What can go wrong in a measurement."""

__all__ = ["BenchError"]


class BenchError(Exception):
    """A program that is measured failed, or something that is needed for it is missing; the message says which."""
