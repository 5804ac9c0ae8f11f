"""Where the images of a package are read: in registries, or in files named in skopeo's words."""

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import ContentSource, ReferrerSource, Resolver
from packhorse.oci.reference import Reference

__all__ = ["FilePlace", "ImagePlace", "ListedReferrers", "OpenFile", "RegistryPlace", "RegistrySource"]

_SUFFIXES = (".sig", ".att", ".sbom")
"""Of cosign's tags for what is about a manifest: ``sha256-<hex>.sig``."""


class RegistrySource(ContentSource, Resolver, ReferrerSource, Protocol):
    """A repository of a registry."""

    def find(self, target: str) -> Descriptor | None:
        """Return what a tag or digest stands for; None when there is no such name.

        Raises:
            NetworkError, RegistryError: As for :meth:`resolve`.
        """


class ListedReferrers(ContentSource, Protocol):
    """A file that lists itself what is about its images."""

    def referrers(self) -> Iterable[tuple[Digest, Descriptor, str]]:
        """Yield the subject of each referrer, the referrer, and its tag where it has one."""

    def close(self) -> None:
        """Let go of the files."""


OpenFile = Callable[[str], tuple[ListedReferrers, Descriptor]]
"""Opens ``oci:…``, ``oci-archive:…`` or ``docker-archive:…`` and finds the image."""


class ImagePlace(Protocol):
    """One image, and what is about it, where it is read."""

    @property
    def content(self) -> ContentSource:
        """Where the image's blobs are read."""

    def root(self, digest: Digest | None) -> Descriptor:
        """Return the image's manifest or index: of ``digest``, or what its name stands for now."""

    def about(self, subject: Descriptor) -> Iterable[tuple[Descriptor, str]]:
        """Return what refers to a manifest, each with its tag in cosign's form, or an empty text."""


class RegistryPlace(msgspec.Struct, frozen=True):
    """An image in a registry."""

    source: RegistrySource
    reference: Reference

    @property
    def content(self) -> ContentSource:
        """The repository."""
        return self.source

    def root(self, digest: Digest | None) -> Descriptor:
        """Ask the registry."""
        return self.source.resolve(self.reference.target if digest is None else str(digest))

    def about(self, subject: Descriptor) -> Iterable[tuple[Descriptor, str]]:
        """Ask the registry for referrers, and for the tags in cosign's form."""
        found = {referrer.digest: (referrer, "") for referrer in self.source.referrers(subject)}
        for suffix in _SUFFIXES:
            tag = f"{subject.digest.algorithm}-{subject.digest.hex}{suffix}"
            referrer = self.source.find(tag)
            if referrer is not None and media_types.is_metadata(referrer.media_type):
                found[referrer.digest] = (referrer, tag)
        return found.values()


class FilePlace(msgspec.Struct, frozen=True):
    """An image in a file."""

    source: ListedReferrers
    found: Descriptor

    @property
    def content(self) -> ContentSource:
        """The file."""
        return self.source

    def root(self, digest: Digest | None) -> Descriptor:  # noqa: ARG002 - a file has what it has
        """Return the image that the file was opened for."""
        return self.found

    def about(self, subject: Descriptor) -> Iterable[tuple[Descriptor, str]]:
        """Return what the file lists."""
        return [(referrer, tag) for about, referrer, tag in self.source.referrers() if about == subject.digest]
