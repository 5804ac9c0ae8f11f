"""Walking a graph: breadth first, sparse where it is said, verified, and bounded."""

import msgspec
import pytest

from packhorse.base.errors import IntegrityError
from packhorse.bundle.sources import BytesSource
from packhorse.oci import media_types
from packhorse.oci.graph import CARRIES, Graph, carried_by, read_verified, walk
from packhorse.oci.manifest import MAX_MANIFEST_BYTES
from packhorse.oci.model import SCHEMA_VERSION, Descriptor, Index, Manifest
from tests.support.packages import Upstream


def walked(upstream: Upstream, *roots: Descriptor) -> Graph:
    """Walk what an upstream has."""
    source = BytesSource(upstream.blobs.content)
    return walk(roots, lambda descriptor: read_verified(source, descriptor, max_bytes=MAX_MANIFEST_BYTES))


def carrying(descriptor: Descriptor, *children: Descriptor) -> Descriptor:
    """The descriptor of an index of which only these children are there."""
    return msgspec.structs.replace(descriptor, annotations={CARRIES: " ".join(child.digest for child in children)})


def test_breadth_first_each_once() -> None:
    upstream = Upstream()
    one, two = upstream.manifest("amd64"), upstream.manifest("arm64")
    inner = upstream.index(one)
    outer = upstream.index(inner, two, one)
    graph = walked(upstream, outer)
    assert [node.descriptor.digest for node in graph.nodes] == [x.digest for x in (outer, inner, two, one)]
    assert len({blob.digest for blob in graph.blobs}) == len(graph.blobs) == 1 + 2 * 3
    assert graph.configs() < {blob.digest for blob in graph.blobs}


def test_only_what_is_carried_is_walked_and_two_ways_in_add_up() -> None:
    upstream = Upstream()
    one, two = upstream.manifest("amd64"), upstream.manifest("arm64")
    index = upstream.index(one, two, upstream.absent("s390x"))
    digests = [node.descriptor.digest for node in walked(upstream, carrying(index, one)).nodes]
    assert digests == [index.digest, one.digest]
    both = walked(upstream, carrying(index, one), carrying(index, two))
    assert {node.descriptor.digest for node in both.nodes} == {index.digest, one.digest, two.digest}
    with pytest.raises(IntegrityError, match="is not here"):
        walked(upstream, index)


def test_what_is_carried_holds_for_everything_below() -> None:
    upstream = Upstream()
    one, two = upstream.manifest("amd64"), upstream.manifest("arm64")
    inner = upstream.index(one, two)
    outer = upstream.index(inner)
    graph = walked(upstream, carrying(outer, inner, two))
    assert [node.descriptor.digest for node in graph.nodes] == [outer.digest, inner.digest, two.digest]


def test_foreign_layers_and_subjects_are_not_followed() -> None:
    upstream = Upstream()
    foreign = Descriptor(
        media_type="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        digest=upstream.absent("x").digest,
        size=9,
    )
    node = Manifest(
        schema_version=SCHEMA_VERSION,
        media_type=media_types.OCI_MANIFEST,
        config=upstream.shared,
        layers=(foreign,),
        subject=upstream.absent("y"),
    )
    graph = walked(upstream, upstream.blobs.add_manifest(node))
    assert [blob.digest for blob in graph.blobs] == [upstream.shared.digest]


def test_a_blob_that_an_index_lists_is_a_blob() -> None:
    upstream = Upstream()
    graph = walked(upstream, upstream.index(upstream.shared))
    assert [blob.digest for blob in graph.blobs] == [upstream.shared.digest]


def test_an_index_that_leads_to_itself_by_lying_is_refused() -> None:
    # No index can hold its own digest; a source that answers with another content is found by hashing.
    upstream = Upstream()
    index = upstream.index()
    inner = upstream.index(index)
    upstream.blobs.content[index.digest] = upstream.blobs.content[inner.digest]
    with pytest.raises(IntegrityError, match="expected"):
        walked(upstream, inner)


@pytest.mark.parametrize(("change", "said"), [(b"", "gave 0 bytes"), (b"x" * 10, "hash to"), (b"x" * 11, "gave more")])
def test_reading_verifies_size_and_digest(change: bytes, said: str) -> None:
    upstream = Upstream()
    blob = upstream.blobs.add("a/b", b"0123456789")
    upstream.blobs.content[blob.digest] = change
    with pytest.raises(IntegrityError, match=said):
        read_verified(BytesSource(upstream.blobs.content), blob, max_bytes=100)


def test_reading_stops_at_what_is_allowed() -> None:
    upstream = Upstream()
    blob = upstream.blobs.add("a/b", b"0123456789")
    with pytest.raises(IntegrityError, match="at most 9"):
        read_verified(BytesSource(upstream.blobs.content), blob, max_bytes=9)


def test_the_annotation_must_have_digests() -> None:
    plain = Upstream().shared
    assert carried_by(plain) is None
    assert carried_by(msgspec.structs.replace(plain, annotations={CARRIES: ""})) == frozenset()
    with pytest.raises(IntegrityError):
        carried_by(msgspec.structs.replace(plain, annotations={CARRIES: "sha256:00"}))


def test_one_digest_with_two_sizes_or_types_is_refused() -> None:
    upstream = Upstream()
    image = upstream.manifest()
    for liar, said in (
        (msgspec.structs.replace(image, size=image.size + 1), "two sizes"),
        (msgspec.structs.replace(image, media_type=media_types.DOCKER_MANIFEST), "two types"),
    ):
        node = Index(schema_version=SCHEMA_VERSION, media_type=media_types.OCI_INDEX, manifests=(image, liar))
        with pytest.raises(IntegrityError, match=said):
            walked(upstream, upstream.blobs.add_manifest(node))
