"""A content store in memory: for tests, and for content that is made on the spot."""

import threading

from packhorse.base.errors import IntegrityError, RegistryError
from packhorse.oci import manifest, media_types, referrer
from packhorse.oci.blob_streams import BytesStream
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Node, read_verified
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream, ContentSource

__all__ = ["MemoryStore"]


class MemoryStore:
    """Holds everything in memory; implements all ports of :mod:`packhorse.oci.ports` but for places in files."""

    def __init__(self) -> None:
        self._content: dict[Digest, bytes] = {}
        self._described: dict[Digest, Descriptor] = {}
        self._tags: dict[str, Digest] = {}
        self._lock = threading.Lock()

    def add(self, content: bytes, media_type: str) -> Descriptor:
        """Put content in, and return its descriptor."""
        descriptor = Descriptor(media_type=media_type, digest=Digest.of(content), size=len(content))
        self._keep(descriptor, content)
        return descriptor

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Begin to read; see :class:`~packhorse.oci.ports.ContentSource`."""
        content = self._content.get(descriptor.digest)
        if content is None:
            raise IntegrityError(f"{descriptor.digest} is not in this store")
        return BytesStream(content, offset)

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest stands for; see :class:`~packhorse.oci.ports.Resolver`."""
        found = self.find(target)
        if found is None:
            raise RegistryError(f"{target!r} is not a name in this store")
        return found

    def find(self, target: str) -> Descriptor | None:
        """Return what a tag or digest stands for; None when it stands for nothing."""
        with self._lock:
            digest = Digest(target) if ":" in target else self._tags.get(target)
            return None if digest is None else self._described.get(digest)

    def referrers(self, subject: Descriptor) -> tuple[Descriptor, ...]:
        """List the manifests about this one; see :class:`~packhorse.oci.ports.ReferrerSource`."""
        found = []
        with self._lock:
            held = sorted(self._described.items())
        for digest, descriptor in held:
            if media_types.is_metadata(descriptor.media_type):
                node = manifest.parse(self._content[digest], descriptor.media_type, digest.short)
                if node.subject is not None and node.subject.digest == subject.digest:
                    found.append(referrer.describe(Node(descriptor, self._content[digest], node)))
        return referrer.listed(found)

    def exists(self, descriptor: Descriptor) -> bool:
        """Whether this content is here."""
        return descriptor.digest in self._content

    def push(self, descriptor: Descriptor, source: ContentSource) -> None:
        """Take content over; see :class:`~packhorse.oci.ports.ContentTarget`."""
        if not self.exists(descriptor):
            self._keep(descriptor, read_verified(source, descriptor, max_bytes=descriptor.size))

    def tag(self, descriptor: Descriptor, name: str) -> None:
        """Make ``name`` stand for a manifest that is here."""
        if not self.exists(descriptor):
            raise IntegrityError(f"{descriptor.digest} is not in this store, and can't be tagged {name!r}")
        with self._lock:
            self._tags[name] = descriptor.digest

    def _keep(self, descriptor: Descriptor, content: bytes) -> None:
        with self._lock:
            self._content[descriptor.digest] = content
            self._described[descriptor.digest] = descriptor.plain()
