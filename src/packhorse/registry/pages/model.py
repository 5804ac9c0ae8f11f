"""What a page shows, without how."""

from collections.abc import Mapping, Sequence

import msgspec

from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor

__all__ = ["Listed", "Piece", "Referring", "RepositoryRow", "Summary", "TagRow", "listed"]


class Piece(msgspec.Struct, frozen=True):
    """One manifest that an index lists."""

    descriptor: Descriptor
    platform: str
    size: int | None
    """All bytes that a pull of it takes; None when it is not here."""


class Summary(msgspec.Struct, frozen=True):
    """What a manifest says.

    Attributes:
        kind: ``image``, ``image for several platforms``, ``Helm chart``, ``artifact``, for people.
        platforms: Each once, sorted.
        sizes: Of everything below it that is here, and of itself: the bytes of each.
        layers: Of a manifest that is no index.
        pieces: Of an index.
        annotations: As it has them.
        artifact_type: What it says of itself, or its config's type.
        subject: What it is about.
    """

    kind: str
    platforms: tuple[str, ...]
    sizes: Mapping[Digest, int]
    layers: tuple[Descriptor, ...] = ()
    pieces: tuple[Piece, ...] = ()
    annotations: Mapping[str, str] = {}
    artifact_type: str = ""
    subject: Digest | None = None

    @property
    def size(self) -> int:
        """All bytes that are here of it, each once."""
        return sum(self.sizes.values())


class Referring(msgspec.Struct, frozen=True):
    """A signature, an SBOM or something else that is about a manifest."""

    kind: str
    artifact_type: str
    digest: Digest
    size: int


class RepositoryRow(msgspec.Struct, frozen=True):
    """A repository in the list of all."""

    name: str
    tags: int


class TagRow(msgspec.Struct, frozen=True):
    """A tag in the list of a repository; no summary where its manifest cannot be read."""

    tag: str
    descriptor: Descriptor
    summary: Summary | None
    referring: int


class Listed(msgspec.Struct, frozen=True):
    """A part of a list.

    Attributes:
        total: How many entries the whole list has.
        first: The number of the first entry that is shown, from 1.
        following: What to ask for to see what comes next; None at the end.
    """

    total: int
    first: int
    following: str | None


def listed(items: Sequence[str], after: str, size: int) -> tuple[Sequence[str], Listed]:
    """Cut the part that comes after an entry out of a sorted list."""
    begin = next((number for number, item in enumerate(items) if item > after), len(items)) if after else 0
    part = items[begin : begin + size]
    following = part[-1] if part and begin + size < len(items) else None
    return part, Listed(len(items), begin + 1, following)
