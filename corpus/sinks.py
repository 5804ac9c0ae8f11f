"""What layers are written to."""

from hashlib import sha256
from typing import Protocol

__all__ = ["HashingSink", "Sink"]


class Sink(Protocol):
    """Takes bytes; closing it finishes what it writes to the sink below, which stays open."""

    def write(self, data: bytes, /) -> int:
        """Take all of ``data`` and give its length."""

    def close(self) -> None:
        """Finish."""


class HashingSink:
    """Counts and hashes what passes through it to the sink below."""

    def __init__(self, below: Sink) -> None:
        self._below = below
        self._hash = sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """The digest of all that passed, as ``sha256:…``."""
        return f"sha256:{self._hash.hexdigest()}"

    def write(self, data: bytes, /) -> int:
        """Pass on ``data``."""
        self._hash.update(data)
        self.size += len(data)
        return self._below.write(data)

    def close(self) -> None:
        """Do nothing: there is nothing to finish."""

    def flush(self) -> None:
        """Do nothing: nothing is held back. Compressors call it."""
