"""What the copy of a graph needs of a content store, as small Protocols; one store implements those that it can.

All methods may be called from several threads at once.
"""

from typing import Protocol, Self, runtime_checkable

from packhorse.oci.model import Descriptor

__all__ = [
    "BlobStream",
    "ContentSource",
    "ContentTarget",
    "Extent",
    "LocatedSource",
    "NamedSource",
    "ReferrerSource",
    "Resolver",
]


class BlobStream(Protocol):
    """The bytes of one blob, read once from front to back; used as a context manager and by one thread."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill the front of ``buffer`` and return how many bytes; 0 at the end.

        Raises:
            NetworkError: The connection broke; what was read before is good to keep.
            IntegrityError: The source itself sees that the bytes are wrong.
        """

    def close(self) -> None:
        """Let go of the file or connection, whether or not it was read to the end."""

    def __enter__(self) -> Self:
        """Return the stream itself."""

    def __exit__(self, *exc_info: object) -> None:
        """Close."""


class ContentSource(Protocol):
    """Where blobs and manifests come from. It verifies nothing: whoever reads, hashes."""

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Begin to read a blob or a manifest from ``offset`` bytes on.

        Raises:
            IntegrityError: The source does not have it.
            NetworkError: The source can't be reached.
            RegistryError: The source refuses.
        """


class Resolver(Protocol):
    """A source that knows names."""

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest stands for, with the type and size that the source gives.

        Raises:
            RegistryError: There is no such name.
        """


class ReferrerSource(Protocol):
    """A source that knows what refers to a manifest (distribution-spec, "Listing Referrers")."""

    def referrers(self, subject: Descriptor) -> tuple[Descriptor, ...]:
        """Return the manifests whose ``subject`` is this one, sorted by digest; empty when there are none."""


class ContentTarget(Protocol):
    """Where blobs and manifests go. Children are pushed before their parents."""

    def exists(self, descriptor: Descriptor) -> bool:
        """Whether the target holds this content already."""

    def push(self, descriptor: Descriptor, source: ContentSource) -> None:
        """Store the content of ``descriptor``, read from ``source``. Doing it twice does nothing the second time.

        The bytes are hashed on their way; the content is visible under its digest whole and verified, or not at all.

        Raises:
            IntegrityError: The source's bytes are not those of the descriptor.
            NetworkError, RegistryError: As the target's transport has it.
        """

    def tag(self, descriptor: Descriptor, name: str) -> None:
        """Make ``name`` stand for a manifest that the target holds; atomic, the last one wins."""


class Extent(Protocol):
    """A run of bytes in an open file."""

    @property
    def fd(self) -> int:
        """A file descriptor that stays open as long as this extent is held; for ``pread`` or ``sendfile``."""

    @property
    def offset(self) -> int:
        """Where the run begins, in bytes from the start of the file."""

    @property
    def length(self) -> int:
        """How many bytes."""


@runtime_checkable
class NamedSource(Protocol):
    """A source that people know by a name: a repository of a registry."""

    @property
    def name(self) -> str:
        """The name, as a person would write it."""


@runtime_checkable
class LocatedSource(Protocol):
    """A source whose blobs lie as they are in files, so that the kernel can send them."""

    def locate(self, descriptor: Descriptor) -> Extent | None:
        """Say where a blob lies; None when this source does not have it."""
