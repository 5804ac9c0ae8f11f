"""What the registry needs of what it serves."""

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from packhorse.oci.digest import Digest
from packhorse.oci.graph import Graph
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import ContentSource, LocatedSource
from packhorse.oci.reference import Reference
from packhorse.store.names_changes import ManifestEntry
from packhorse.store.usage import Usage

__all__ = [
    "BlobSink",
    "Catalog",
    "Checked",
    "ImageSource",
    "RoomKeeper",
    "SiteStore",
    "StoreMeter",
    "Touchable",
]


class Catalog(ContentSource, LocatedSource, Protocol):
    """Names, which repository has what, and the content.

    A *name* is a repository with its registry, ``docker.io/library/redis``; a *path* is one without it. Every method
    is thread-safe.
    """

    @property
    def is_instant(self) -> bool:
        """Whether names are answered within a millisecond, so that they may be asked for on the event loop."""

    def repositories(self) -> Sequence[str]:
        """Return all names, sorted."""

    def registries(self, path: str) -> Sequence[str]:
        """Return the registries that have a repository of this path, sorted."""

    def tags(self, name: str) -> Sequence[str] | None:
        """Return the tags of a repository, sorted; None when there is no such repository."""

    def manifest(self, name: str, target: str) -> Descriptor | None:
        """Return the manifest that a tag or a digest stands for in a repository."""

    def blob(self, name: str, digest: Digest) -> Descriptor | None:
        """Return content that a repository has; manifests are content too."""

    def referrers(self, name: str, subject: Digest) -> Sequence[Descriptor]:
        """Return what refers to a manifest within a repository, sorted by digest, as a registry lists it."""


class ImageSource(ContentSource, LocatedSource, Protocol):
    """Images with their names and manifests, all known from the start: a bundle, a layout, an archive."""

    @property
    def graph(self) -> Graph:
        """All manifests that are there, read and verified."""

    def images(self) -> Iterable[tuple[Reference, Descriptor]]:
        """Yield each name with its manifest; a sparse index with what is there of it (``graph.CARRIES``)."""

    def referrers(self) -> Iterable[tuple[Digest, Descriptor, str]]:
        """Yield the subject's digest, the referrer, and the referrer's tag or an empty string."""


class BlobSink(Protocol):
    """Takes the bytes of one request into an upload. Used by one thread at a time, and closed whatever happens."""

    @property
    def received(self) -> int:
        """How many bytes the upload has."""

    def write(self, blocks: Sequence[bytes]) -> None:
        """Add bytes at the end.

        Raises:
            RoomError: There is no room for them.
            PackhorseError, OSError: They can't be written.
        """

    def close(self) -> None:
        """Let go of the upload, which keeps what it has."""


@runtime_checkable
class SiteStore(Catalog, Protocol):
    """A catalogue that takes pushes. What a method has returned from is there for good; before, nobody sees it.

    Names are full, as in :class:`Catalog`. All methods may wait for a disk or a network.
    """

    def begin_upload(self, name: str, algorithm: str) -> str:
        """Begin to take a blob into a repository, and return the upload's id.

        Args:
            name: The repository, which need not be there yet.
            algorithm: Which digest the blob will probably be asked for by: ``sha256`` or ``sha512``.

        Raises:
            RoomError: There is no room.
        """

    def received(self, name: str, upload: str) -> int | None:
        """Return how many bytes an upload of a repository has; None when there is no such upload."""

    def append(self, name: str, upload: str, offset: int | None) -> BlobSink | None:
        """Begin to add bytes to an upload; None when there is no such upload.

        Args:
            name: The repository.
            upload: The upload's id.
            offset: Where the bytes belong; None for the end.

        Raises:
            OffsetError: They do not follow those that are there.
            BusyError: Another request is adding bytes.
        """

    def finish_upload(self, name: str, upload: str, digest: Digest) -> Descriptor | None:
        """Keep an upload as a blob of the repository; None when there is no such upload.

        Raises:
            WrongDigestError: Its bytes hash to something else; it is gone then.
            BusyError: A request is adding bytes.
        """

    def cancel_upload(self, name: str, upload: str) -> bool:
        """Forget an upload; False when there is no such upload."""

    def mount(self, name: str, digest: Digest, source: str) -> Descriptor | None:
        """Let a repository have a blob that another one has; None when that one does not have it."""

    def put_manifest(self, name: str, entry: ManifestEntry, content: bytes) -> None:
        """Keep a manifest in a repository, which need not be there yet, and let tags stand for it.

        Raises:
            MissingPartError: The repository lacks a blob of ``entry.needs``.
            ConditionError: The tag stands for something else than ``entry.expected``.
            RoomError: There is no room.
        """

    def delete_tag(self, name: str, tag: str) -> bool:
        """Take a tag away, but not what it stands for; False when there is none."""

    def delete_manifest(self, name: str, digest: Digest) -> bool:
        """Take a manifest and its tags away from a repository; False when it does not have it."""

    def delete_blob(self, name: str, digest: Digest) -> bool:
        """Take a blob away from a repository; False when it does not have it."""


@runtime_checkable
class RoomKeeper(Protocol):
    """A store that knows beforehand whether there is room."""

    def check_room(self, count: int) -> None:
        """Look whether there is room for so many bytes more.

        Raises:
            RoomError: There is none; the message says how much is missing.
        """


@runtime_checkable
class Checked(Protocol):
    """A catalogue that can tell whether it works. May wait for a disk or a network; thread-safe."""

    def check(self) -> None:
        """Read something and, where pushes are taken, write something that is gone again afterwards.

        Raises:
            PackhorseError, OSError: It cannot be read or written.
        """


@runtime_checkable
class Touchable(Protocol):
    """A store whose garbage is collected by age, so that what is asked for must be told from what is forgotten."""

    def touch(self, name: str, digest: Digest) -> bool:
        """Let a blob of a repository count as new: a client that is about to push was told that it is there.

        Returns:
            Whether it is still there.
        """


@runtime_checkable
class StoreMeter(Protocol):
    """A catalogue that can tell how much it holds. May wait for a disk or a network; thread-safe."""

    def usage(self) -> Usage:
        """Count what is there.

        Raises:
            PackhorseError, OSError: It cannot be read.
        """
