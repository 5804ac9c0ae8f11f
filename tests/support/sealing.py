"""Tars that are laid out as bundles are, whatever their tree says: what a hostile sender could make."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from packhorse.bundle import content
from packhorse.bundle.content import Blobs
from packhorse.bundle.tar_layout import BLOCK, Entry, header_for, place
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import SCHEMA_VERSION, Descriptor, Index, canonical_json


def seal(path: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write a tar with these files in this order."""
    position = 0
    with path.open("wb") as file:
        for name, data in files:
            entry = Entry(name, len(data))
            member = place(entry, position)
            file.seek(member.header_at)
            file.write(header_for(entry) + data)
            position = member.end
        file.truncate(position + 2 * BLOCK)


def seal_tree(path: Path, blobs: Blobs, root: Descriptor, order: Iterable[Digest]) -> None:
    """Write a bundle whose ``index.json`` lists ``root`` alone, with these blobs after it."""
    index = canonical_json(
        Index(schema_version=SCHEMA_VERSION, media_type=media_types.OCI_INDEX, manifests=(root.plain(),))
    )
    files = [(content.LAYOUT_FILE, content.LAYOUT_CONTENT), (content.INDEX_FILE, index)]
    files += [(content.blob_name(digest), blobs.content[digest]) for digest in order]
    seal(path, files)


def bundle_index(blobs: Blobs, *children: Descriptor) -> Descriptor:
    """A root index over any children."""
    node = Index(
        schema_version=SCHEMA_VERSION,
        media_type=media_types.OCI_INDEX,
        artifact_type=content.BUNDLE_TYPE,
        manifests=children,
    )
    return blobs.add_manifest(node)


def nested(blobs: Blobs, depth: int) -> tuple[Descriptor, list[Digest]]:
    """A root over ``depth`` indexes that each list the next; returned with the order of the tar."""
    child = blobs.add_manifest(Index(schema_version=SCHEMA_VERSION, media_type=media_types.OCI_INDEX, manifests=()))
    order = [child.digest]
    for _ in range(depth):
        child = blobs.add_manifest(
            Index(schema_version=SCHEMA_VERSION, media_type=media_types.OCI_INDEX, manifests=(child,))
        )
        order.append(child.digest)
    root = bundle_index(blobs, child)
    return root, [root.digest, *reversed(order)]


def raw(blobs: Blobs, media_type: str, text: bytes, artifact_type: str | None = None) -> Descriptor:
    """A blob of any text that claims to be a manifest."""
    return msgspec.structs.replace(blobs.add(media_type, text), artifact_type=artifact_type)
