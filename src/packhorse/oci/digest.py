"""Content digests (OCI image-spec, descriptor.md, "Digests")."""

import hashlib
import re
from typing import TYPE_CHECKING, Self

from packhorse.base.errors import IntegrityError

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["Digest"]

_HEX_LENGTHS = {"sha256": 64, "sha512": 128}
_PATTERN = re.compile(r"(sha256|sha512):([0-9a-f]+)", re.ASCII)
_SHORT_HEX = 12


class Digest(str):
    """``algorithm:hex``, known to be well formed from the moment it exists.

    It is a string, so that it sorts, hashes and prints as one; both registered algorithms of the specification are
    understood: ``sha256`` and ``sha512``.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Read ``algorithm:hex``.

        Raises:
            IntegrityError: The algorithm is unknown, or the value has another length or alphabet than it must.
        """
        match = _PATTERN.fullmatch(text)
        if match is None or len(match[2]) != _HEX_LENGTHS[match[1]]:
            message = f"expected a digest such as sha256:<64 hex digits>, found {str(text)[:160]!r}"
            raise IntegrityError(message)
        return super().__new__(cls, text)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        """Hash ``content``."""
        return cls(f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}")

    @property
    def algorithm(self) -> str:
        """``sha256`` or ``sha512``, as :func:`hashlib.new` takes it."""
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        """The value in lower-case hex digits."""
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """The first hex digits with the algorithm and an ellipsis, for people: ``sha256:9b2e04c1aa33…``."""
        return f"{self.algorithm}:{self.hex[:_SHORT_HEX]}…"

    def hasher(self) -> "_Hash":
        """Return a fresh hash object of this digest's algorithm."""
        return hashlib.new(self.algorithm)
