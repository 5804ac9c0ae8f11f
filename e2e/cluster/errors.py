"""What goes wrong with the test bed itself, as opposed to what is tested on it."""

__all__ = ["BedError"]


class BedError(Exception):
    """The bed could not be built, started or taken down; the message has the end of the log that tells why."""
