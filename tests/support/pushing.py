"""Pushes into a store, as the server makes them, without a server."""

from collections.abc import Sequence

from packhorse.oci import manifest, media_types
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Node
from packhorse.oci.model import Descriptor, Index
from packhorse.registry.manifest_entries import entry_of
from packhorse.registry.ports import SiteStore
from packhorse.store.names_changes import ManifestEntry
from tests.support.packages import Upstream

NAME = "packhorse.internal/team/app"


def push_blob(store: SiteStore, content: bytes, name: str = NAME) -> Digest:
    """Push a blob in one go."""
    digest = Digest.of(content)
    upload = store.begin_upload(name, "sha256")
    sink = store.append(name, upload, 0)
    assert sink is not None
    try:
        sink.write([content])
    finally:
        sink.close()
    assert store.finish_upload(name, upload, digest) is not None
    return digest


def push_image(
    store: SiteStore, upstream: Upstream, image: Descriptor, tags: Sequence[str] = (), name: str = NAME
) -> Descriptor:
    """Push an image, or an index with those of its images that there are, from the parts up."""
    content = upstream.blobs.content[image.digest]
    parsed = manifest.parse(content, image.media_type, "an image")
    for part in manifest.successors(parsed):
        if part.digest not in upstream.blobs.content:
            continue
        if isinstance(parsed, Index) and media_types.is_metadata(part.media_type):
            push_image(store, upstream, part, name=name)
        else:
            push_blob(store, upstream.blobs.content[part.digest], name)
    store.put_manifest(name, *entry(store, upstream, image, *tags, name=name))
    return image


def entry(
    store: SiteStore, upstream: Upstream, image: Descriptor, *tags: str, name: str = NAME
) -> tuple[ManifestEntry, bytes]:
    """Decide how a manifest is kept, as of now; and its bytes."""
    content = upstream.blobs.content[image.digest]
    node = Node(image.plain(), content, manifest.parse(content, image.media_type, "an image"))
    return entry_of(store, name, node, tags=tags), content


def parts_of(upstream: Upstream, image: Descriptor) -> set[Digest]:
    """The digests of everything that an image has, itself included."""
    parsed = manifest.parse(upstream.blobs.content[image.digest], image.media_type, "an image")
    found = {image.digest}
    for part in manifest.successors(parsed):
        if part.digest not in upstream.blobs.content:
            continue
        found |= parts_of(upstream, part) if media_types.is_metadata(part.media_type) else {part.digest}
    return found
