"""What the registry needs of what it serves."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from packhorse.oci.digest import Digest
from packhorse.oci.graph import Graph
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import ContentSource, LocatedSource
from packhorse.oci.reference import Reference

__all__ = ["Catalog", "ImageSource"]


class Catalog(ContentSource, LocatedSource, Protocol):
    """Names, which repository has what, and the content.

    A *name* is a repository with its registry, ``docker.io/library/redis``; a *path* is one without it. Every method
    is thread-safe, and all but the reading of content answer within a millisecond: they are called on the event loop.
    """

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
