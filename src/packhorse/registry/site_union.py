"""Several catalogues as one of which a store takes pushes.

What is pushed may lean on what is sealed: a client that is told that a layer is there does not send it. So before a
manifest is kept, what it needs of other catalogues is copied into the store, and stays when a bundle is taken away.
"""

import logging
from collections.abc import Sequence

import msgspec

from packhorse.base.errors import IntegrityError
from packhorse.base.units import MIB
from packhorse.oci import graph, manifest
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Node
from packhorse.oci.model import Descriptor
from packhorse.registry.manifest_entries import children, entry_of, needed_blobs
from packhorse.registry.ports import BlobSink, Catalog, RoomKeeper, SiteStore, Touchable
from packhorse.registry.union_catalog import UnionCatalog
from packhorse.store.names_changes import ManifestEntry, check_expectation
from packhorse.store.refusals import SealedError, WrongDigestError

__all__ = ["SiteUnion"]

_log = logging.getLogger(__name__)

_PIECE = MIB


class SiteUnion(UnionCatalog):
    """Implements :class:`packhorse.registry.ports.SiteStore`: reads all catalogues, writes one store."""

    def __init__(self, catalogs: Sequence[Catalog], store: SiteStore) -> None:
        """Put them together.

        Args:
            catalogs: All of them, ``store`` too; where two give one tag to two manifests, the first one counts.
            store: Which of them takes pushes.
        """
        super().__init__(catalogs)
        place = next(number for number, each in enumerate(catalogs) if each is store)
        self._before = UnionCatalog(catalogs[:place])
        self._others = UnionCatalog([*catalogs[:place], *catalogs[place + 1 :]])
        self._store = store

    # --- uploads --------------------------------------------------------------------------------------------------

    def begin_upload(self, name: str, algorithm: str) -> str:
        """Begin an upload; see :class:`packhorse.registry.ports.SiteStore` for this and all methods below."""
        return self._store.begin_upload(name, algorithm)

    def received(self, name: str, upload: str) -> int | None:
        """Return how many bytes an upload has."""
        return self._store.received(name, upload)

    def append(self, name: str, upload: str, offset: int | None) -> BlobSink | None:
        """Begin to add bytes to an upload."""
        return self._store.append(name, upload, offset)

    def finish_upload(self, name: str, upload: str, digest: Digest) -> Descriptor | None:
        """Keep an upload as a blob."""
        return self._store.finish_upload(name, upload, digest)

    def cancel_upload(self, name: str, upload: str) -> bool:
        """Forget an upload."""
        return self._store.cancel_upload(name, upload)

    def mount(self, name: str, digest: Digest, source: str) -> Descriptor | None:
        """Let a repository have another one's blob; one that is in another catalogue is copied."""
        mounted = self._store.mount(name, digest, source)
        if mounted is None and (found := self._others.blob(source, digest)) is not None:
            return self._adopt_blob(name, found)
        return mounted

    def check_room(self, count: int) -> None:
        """Look whether there is room; see :class:`packhorse.registry.ports.RoomKeeper`."""
        if isinstance(self._store, RoomKeeper):
            self._store.check_room(count)

    def touch(self, name: str, digest: Digest) -> bool:
        """Let a blob count as new; see :class:`packhorse.registry.ports.Touchable`. What is sealed stays anyhow."""
        if isinstance(self._store, Touchable) and self._store.touch(name, digest):
            return True
        return self.blob(name, digest) is not None

    # --- names ----------------------------------------------------------------------------------------------------

    def put_manifest(self, name: str, entry: ManifestEntry, content: bytes) -> None:
        """Keep a manifest, and copy what it needs of other catalogues.

        Raises:
            SealedError: An earlier catalogue gives one of the tags to something else, and would hide it.
        """
        for tag in entry.tags:
            sealed = self._before.manifest(name, tag)
            if sealed is not None and sealed.digest != entry.descriptor.digest:
                message = f"{name}:{tag} is {sealed.digest.short} in a source that comes before the store"
                raise SealedError(message, hint="give another tag, or name the store first")
            self._tell_of_hiding(name, tag, entry.descriptor.digest)
        if entry.expected is not None and entry.tags and self._store.manifest(name, entry.tags[0]) is None:
            # What the client saw came from another catalogue, of which the store knows nothing.
            found = self._others.manifest(name, entry.tags[0])
            check_expectation(entry.expected, None if found is None else found.digest, entry.tags[0])
            if found is not None:
                entry = msgspec.structs.replace(entry, expected=None)
        parsed = manifest.parse(content, entry.descriptor.media_type, f"{name}@{entry.descriptor.digest}")
        self._adopt_parts(name, Node(entry.descriptor, content, parsed))
        self._store.put_manifest(name, entry, content)

    def delete_tag(self, name: str, tag: str) -> bool:
        """Take a tag of the store away.

        Raises:
            SealedError: Only another catalogue has it.
        """
        return self._store.delete_tag(name, tag) or self._refuse(self._others.manifest(name, tag))

    def delete_manifest(self, name: str, digest: Digest) -> bool:
        """Take a manifest of the store away; raises as :meth:`delete_tag`."""
        return self._store.delete_manifest(name, digest) or self._refuse(self._others.manifest(name, digest))

    def delete_blob(self, name: str, digest: Digest) -> bool:
        """Take a blob of the store away; raises as :meth:`delete_tag`."""
        return self._store.delete_blob(name, digest) or self._refuse(self._others.blob(name, digest))

    @staticmethod
    def _refuse(found: Descriptor | None) -> bool:
        if found is not None:
            raise SealedError(f"{found.digest} lies in a source that is only read")
        return False

    def _tell_of_hiding(self, name: str, tag: str, digest: Digest) -> None:
        hidden = self._others.manifest(name, tag)
        if hidden is not None and hidden.digest != digest:
            _log.warning("%s:%s was pushed as %s, and hides %s of another source", name, tag, digest, hidden.digest)

    def _adopt_parts(self, name: str, node: Node) -> None:
        for digest in needed_blobs(node.parsed):
            if self._store.blob(name, digest) is None and (found := self._others.blob(name, digest)) is not None:
                self._adopt_blob(name, found)
        for digest in children(node.parsed):
            if self._store.manifest(name, digest) is None and (child := self._others.manifest(name, digest)):
                content = graph.read_verified(self._others, child, max_bytes=manifest.MAX_MANIFEST_BYTES)
                parsed = manifest.parse(content, child.media_type, f"{name}@{digest}")
                below = Node(child.plain(), content, parsed)
                self._adopt_parts(name, below)
                self._store.put_manifest(name, entry_of(self._store, name, below), content)

    def _adopt_blob(self, name: str, blob: Descriptor) -> Descriptor:
        upload = self._store.begin_upload(name, blob.digest.algorithm)
        sink = self._store.append(name, upload, 0)
        try:
            if sink is not None:
                self._copy(blob, sink)
        finally:
            if sink is not None:
                sink.close()
        try:
            kept = self._store.finish_upload(name, upload, blob.digest)
        except WrongDigestError as error:
            # It is not the client's bytes that are wrong.
            message = f"{blob.digest} is damaged in the source that it was to be copied from: {error.message}"
            raise IntegrityError(message, hint="packhorse verify tells what else is damaged") from error
        if kept is None:
            message = f"{blob.digest} could not be copied into the store: its upload is gone"
            raise IntegrityError(message)
        return kept

    def _copy(self, blob: Descriptor, sink: BlobSink) -> None:
        buffer = memoryview(bytearray(_PIECE))
        with self._others.open(blob) as stream:
            while count := stream.readinto(buffer):
                sink.write([bytes(buffer[:count])])
