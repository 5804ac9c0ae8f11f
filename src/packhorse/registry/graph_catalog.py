"""The catalogue of a source whose images are all known from the start."""

import threading
from collections import defaultdict
from collections.abc import Sequence

from packhorse.base.errors import IntegrityError
from packhorse.oci import graph, manifest
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Node
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream, Extent
from packhorse.oci.reference import Reference
from packhorse.oci.referrer import describe
from packhorse.registry.ports import ImageSource

__all__ = ["GraphCatalog"]


class _Repository:
    """What one repository has; ``content`` is found out when it is first asked for."""

    def __init__(self) -> None:
        self.roots: list[Descriptor] = []
        self.names: dict[str, Descriptor] = {}
        self.content: dict[Digest, Descriptor] | None = None


class GraphCatalog:
    """Answers from memory; implements :class:`packhorse.registry.ports.Catalog`.

    Making one costs the same for each image, however large: which content a repository has is found out from the
    manifests in memory when the repository is first read.
    """

    def __init__(self, source: ImageSource) -> None:
        self.source = source
        self._lock = threading.Lock()
        self._nodes: dict[Digest, Node] = {node.descriptor.digest: node for node in source.graph.nodes}
        self._repositories: dict[str, _Repository] = defaultdict(_Repository)
        self._registries: dict[str, set[str]] = defaultdict(set)
        self._referrers: dict[Digest, list[tuple[Digest, str]]] = defaultdict(list)
        for reference, descriptor in source.images():
            self._add(reference, descriptor)
        for subject, referrer, tag in source.referrers():
            self._referrers[subject].append((referrer.digest, tag))

    def _add(self, reference: Reference, descriptor: Descriptor) -> None:
        repository = self._repositories[reference.name]
        self._registries[reference.repository].add(reference.registry)
        repository.roots.append(descriptor)
        if reference.tag is not None:
            # Two packages in one bundle may pin one tag to two digests: both stay, the tag is the first one's.
            repository.names.setdefault(reference.tag, descriptor)

    @property
    def is_instant(self) -> bool:
        """Whether names are answered at once: they are in memory."""
        return True

    def repositories(self) -> Sequence[str]:
        """Return all names, sorted."""
        return sorted(self._repositories)

    def registries(self, path: str) -> Sequence[str]:
        """Return the registries that have a repository of this path, sorted."""
        return sorted(self._registries.get(path, ()))

    def tags(self, name: str) -> Sequence[str] | None:
        """Return the tags of a repository, sorted; None when there is no such repository."""
        repository = self._repository(name)
        return None if repository is None else sorted(repository.names)

    def manifest(self, name: str, target: str) -> Descriptor | None:
        """Return the manifest that a tag or a digest stands for in a repository."""
        repository = self._repository(name)
        if repository is None:
            return None
        if (found := repository.names.get(target)) is not None:
            return found
        digest = _as_digest(target)
        if digest is None or digest not in self._nodes:
            return None
        return (repository.content or {}).get(digest)

    def blob(self, name: str, digest: Digest) -> Descriptor | None:
        """Return content that a repository has."""
        repository = self._repository(name)
        return None if repository is None else (repository.content or {}).get(digest)

    def referrers(self, name: str, subject: Digest) -> Sequence[Descriptor]:
        """Return what refers to a manifest within a repository, sorted by digest."""
        if self.blob(name, subject) is None:
            return ()
        nodes = (self._nodes.get(digest) for digest, _ in self._referrers.get(subject, ()))
        # What cosign finds by its tag names no subject: it is carried along, and is no referrer.
        found = {node.descriptor.digest: node for node in nodes if node is not None and _is_about(node, subject)}
        return [describe(found[digest]) for digest in sorted(found)]

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Begin to read content from ``offset`` bytes on.

        Raises:
            IntegrityError: The source does not have it.
        """
        return self.source.open(descriptor, offset=offset)

    def locate(self, descriptor: Descriptor) -> Extent | None:
        """Say where content lies; None when this source does not have it, or has it nowhere in a file."""
        return self.source.locate(descriptor)

    def check(self) -> None:
        """Read a manifest from where it lies.

        Raises:
            IntegrityError: It cannot be read, or its bytes are not those that were there at the start.
        """
        descriptor = next((node.descriptor for node in self._nodes.values()), None)
        if descriptor is not None:
            graph.read_verified(self.source, descriptor, max_bytes=manifest.MAX_MANIFEST_BYTES)

    def _repository(self, name: str) -> _Repository | None:
        repository = self._repositories.get(name)
        if repository is not None and repository.content is None:
            with self._lock:
                if repository.content is None:
                    self._fill(repository)
        return repository

    def _fill(self, repository: _Repository) -> None:
        content: dict[Digest, Descriptor] = {}
        roots = list(repository.roots)
        names = dict(repository.names)
        seen: set[Digest] = set()
        while roots:
            found = graph.walk(roots, self._read)
            roots = []
            content.update((blob.digest, blob) for blob in found.blobs if blob.digest not in content)
            for node in found.nodes:
                digest = node.descriptor.digest
                content[digest] = node.descriptor
                if digest not in seen:
                    seen.add(digest)
                    roots += self._referring(digest, names)
        repository.names = names
        repository.content = content

    def _referring(self, subject: Digest, names: dict[str, Descriptor]) -> list[Descriptor]:
        found = []
        for digest, tag in self._referrers.get(subject, ()):
            if (node := self._nodes.get(digest)) is not None:
                found.append(node.descriptor)
                if tag:
                    names.setdefault(tag, node.descriptor)
        return found

    def _read(self, descriptor: Descriptor) -> bytes:
        node = self._nodes.get(descriptor.digest)
        if node is None:
            message = f"manifest {descriptor.digest} is not there"
            raise IntegrityError(message)
        return node.content


def _is_about(node: Node, digest: Digest) -> bool:
    return node.parsed.subject is not None and node.parsed.subject.digest == digest


def _as_digest(text: str) -> Digest | None:
    try:
        return Digest(text)
    except IntegrityError:
        return None
