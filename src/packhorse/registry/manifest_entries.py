"""What a repository must have for a manifest, and how the manifest is kept."""

import msgspec

from packhorse.oci import graph, manifest, media_types
from packhorse.oci.digest import Digest
from packhorse.oci.graph import CARRIES, Node
from packhorse.oci.model import Index, Manifest
from packhorse.oci.referrer import describe
from packhorse.registry.ports import Catalog
from packhorse.store.names_changes import Expectation, ManifestEntry

__all__ = ["children", "entry_of", "needed_blobs"]


def entry_of(
    catalog: Catalog, name: str, node: Node, *, tags: tuple[str, ...] = (), expected: Expectation | None = None
) -> ManifestEntry:
    """Describe a manifest that a repository is to have.

    An index may be sparse: which of the manifests below it are there is written down with its names.
    """
    parsed, descriptor = node.parsed, node.descriptor
    needs = needed_blobs(parsed)
    if isinstance(parsed, Index):
        present, whole = _present(catalog, name, parsed)
        # What is said to be there must still be there when the index is written down.
        needs = tuple(digest for digest in children(parsed) if digest in present)
        if not whole:
            descriptor = msgspec.structs.replace(descriptor, annotations={CARRIES: " ".join(sorted(present))})
    subject = parsed.subject
    return ManifestEntry(
        descriptor=descriptor,
        needs=needs,
        tags=tags,
        subject=None if subject is None else subject.digest,
        referrer=None if subject is None else describe(node),
        expected=expected,
    )


def needed_blobs(parsed: Manifest | Index) -> tuple[Digest, ...]:
    """The blobs that a repository must have; foreign layers are fetched from elsewhere."""
    if isinstance(parsed, Index):
        return ()
    parts = manifest.successors(parsed)
    return tuple(part.digest for part in parts if not media_types.is_foreign_layer(part.media_type))


def children(parsed: Manifest | Index) -> tuple[Digest, ...]:
    """The manifests that an index lists."""
    if isinstance(parsed, Manifest):
        return ()
    return tuple(child.digest for child in parsed.manifests if media_types.is_metadata(child.media_type))


def _present(catalog: Catalog, name: str, index: Index) -> tuple[set[Digest], bool]:
    """Return which manifests below an index a repository has, and whether those are all."""
    present: set[Digest] = set()
    whole = True
    waiting: list[Manifest | Index] = [index]
    while waiting:
        for digest in children(waiting.pop()):
            if digest in present:
                continue
            found = catalog.manifest(name, digest)
            if found is None:
                whole = False
                continue
            present.add(digest)
            if media_types.is_index(found.media_type):
                content = graph.read_verified(catalog, found, max_bytes=manifest.MAX_MANIFEST_BYTES)
                waiting.append(manifest.parse(content, found.media_type, str(found.digest)))
    return present, whole
