"""What every content store promises (``packhorse.oci.ports``), held against all of them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from packhorse.base.errors import IntegrityError, NetworkError, PackhorseError, RegistryError
from packhorse.base.events import NullReporter
from packhorse.bundle.sources import BytesSource
from packhorse.oci import media_types
from packhorse.oci.blob_streams import BytesStream
from packhorse.oci.copy import Root, copy_graph
from packhorse.oci.digest import Digest
from packhorse.oci.distribution_client import RegistryClient
from packhorse.oci.graph import read_verified
from packhorse.oci.memory_store import MemoryStore
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream, ContentSource, ContentTarget, Resolver
from packhorse.oci.registry_settings import RegistrySettings
from packhorse.store.directory_store import DirectoryStore
from tests.support.docker_registry import PROGRAM, docker_registry
from tests.support.packages import LAYER, Upstream
from tests.support.registry import serving

NAME = "registry.example/team/app"


class Store(ContentSource, ContentTarget, Resolver, Protocol):
    """A store with all that is tested here."""


@dataclass(frozen=True)
class Subject:
    """A store, empty at first, and how it writes the name of a tag."""

    store: Store
    name: Callable[[str], str]


def _memory(_opened: ExitStack, _folder: Path) -> Subject:
    return Subject(MemoryStore(), str)


def _directory(opened: ExitStack, folder: Path) -> Subject:
    store = DirectoryStore.create(folder / "store")
    opened.callback(store.close)
    return Subject(store, lambda tag: f"{NAME}:{tag}")


def _registry(opened: ExitStack, _folder: Path) -> Subject:
    return _client(opened, opened.enter_context(serving()).host)


def _docker_registry(opened: ExitStack, folder: Path) -> Subject:
    if PROGRAM is None:
        pytest.skip("docker-registry is not on PATH")
    return _client(opened, opened.enter_context(docker_registry(folder)))


def _client(opened: ExitStack, host: str) -> Subject:
    client = opened.enter_context(RegistryClient(RegistrySettings()))
    return Subject(client.repository(f"{host}/team/app", direct=True), str)


@pytest.fixture(
    params=[
        pytest.param(_memory, id="memory"),
        pytest.param(_directory, id="directory"),
        pytest.param(_registry, id="registry"),
        pytest.param(_docker_registry, id="docker-registry", marks=pytest.mark.peer("docker-registry")),
    ]
)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    """One store after the other."""
    with ExitStack() as opened:
        yield request.param(opened, tmp_path)


@pytest.fixture
def upstream() -> Upstream:
    """Content to put in."""
    return Upstream()


def source_of(upstream: Upstream) -> ContentSource:
    """All that an upstream has."""
    return BytesSource(upstream.blobs.content)


class Lying:
    """A source whose bytes are not those that were promised, or that breaks."""

    def __init__(self, content: bytes, error: PackhorseError | None = None) -> None:
        self._content = content
        self._error = error

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Begin to lie."""
        del descriptor
        return _LyingStream(self._content, offset, self._error)


class _LyingStream(BytesStream):
    def __init__(self, content: bytes, offset: int, error: PackhorseError | None) -> None:
        super().__init__(content, offset)
        self._error = error

    def readinto(self, buffer: memoryview) -> int:
        count = super().readinto(buffer)
        if not count and self._error is not None:
            raise self._error
        return count


def read_all(stream: BlobStream, block: int) -> bytes:
    """Read to the end in blocks."""
    found, buffer = bytearray(), memoryview(bytearray(block))
    with stream:
        while count := stream.readinto(buffer):
            assert 0 < count <= block
            found += buffer[:count]
        assert stream.readinto(buffer) == 0
    return bytes(found)


# --- content --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_001])
def test_content_comes_back_as_it_went_in(subject: Subject, upstream: Upstream, size: int) -> None:
    blob = upstream.layer(size)
    content = upstream.blobs.content[blob.digest]
    assert not subject.store.exists(blob)
    subject.store.push(blob, source_of(upstream))
    assert subject.store.exists(blob)
    assert read_all(subject.store.open(blob), 1_000_003) == content
    assert read_all(subject.store.open(blob, offset=size // 2), 70_000) == content[size // 2 :]
    assert read_all(subject.store.open(blob, offset=size), 10) == b""


def test_twice_is_once(subject: Subject, upstream: Upstream) -> None:
    blob = upstream.layer(100_000)
    subject.store.push(blob, source_of(upstream))
    # The second time the source is not even looked at.
    subject.store.push(blob, Lying(b"", NetworkError("must not be read")))
    assert read_verified(subject.store, blob, max_bytes=blob.size) == upstream.blobs.content[blob.digest]


def test_what_is_not_there(subject: Subject) -> None:
    absent = Descriptor(media_type=LAYER, digest=Digest.of(b"absent"), size=6)
    assert not subject.store.exists(absent)
    with pytest.raises((IntegrityError, RegistryError)):
        subject.store.open(absent)


@pytest.mark.parametrize("damage", ["short", "long", "flipped", "empty"])
def test_wrong_bytes_are_refused_and_not_kept(subject: Subject, upstream: Upstream, damage: str) -> None:
    blob = upstream.layer(200_000)
    content = upstream.blobs.content[blob.digest]
    lies = {
        "short": content[:-1],
        "long": content + b"x",
        "flipped": content[:100] + bytes([content[100] ^ 1]) + content[101:],
        "empty": b"",
    }
    with pytest.raises(IntegrityError):
        subject.store.push(blob, Lying(lies[damage]))
    assert not subject.store.exists(blob)
    subject.store.push(blob, source_of(upstream))
    assert subject.store.exists(blob)


def test_a_source_that_breaks_leaves_nothing(subject: Subject, upstream: Upstream) -> None:
    blob = upstream.layer(200_000)
    broken = Lying(upstream.blobs.content[blob.digest][:150_000], NetworkError("the source broke"))
    with pytest.raises(NetworkError, match="the source broke"):
        subject.store.push(blob, broken)
    assert not subject.store.exists(blob)


def test_a_stream_may_be_left_at_any_point(subject: Subject, upstream: Upstream) -> None:
    blob = upstream.layer(2_000_000)
    subject.store.push(blob, source_of(upstream))
    for _ in range(5):
        with subject.store.open(blob) as stream:
            assert stream.readinto(memoryview(bytearray(10))) > 0
    assert read_verified(subject.store, blob, max_bytes=blob.size) == upstream.blobs.content[blob.digest]


def test_many_threads_put_the_same_in_and_read_it(subject: Subject, upstream: Upstream) -> None:
    blobs = [upstream.layer(300_000 + number) for number in range(3)]
    start, failures = threading.Barrier(6), []

    def work() -> None:
        start.wait()
        try:
            for blob in blobs:
                subject.store.push(blob, source_of(upstream))
                assert read_verified(subject.store, blob, max_bytes=blob.size) == upstream.blobs.content[blob.digest]
        except (PackhorseError, AssertionError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# --- names ----------------------------------------------------------------------------------------------------------


def put(subject: Subject, upstream: Upstream, root: Descriptor, *tags: str) -> None:
    """Copy a graph in."""
    names = tuple(subject.name(tag) for tag in tags)
    copy_graph(source_of(upstream), subject.store, [Root(root, names)], workers=3, reporter=NullReporter())


def test_a_tag_stands_for_a_manifest_and_may_move(subject: Subject, upstream: Upstream) -> None:
    one, two = upstream.manifest().plain(), upstream.manifest().plain()
    put(subject, upstream, one, "v1", "latest")
    assert subject.store.resolve(subject.name("latest")).plain() == one
    put(subject, upstream, two, "latest")
    assert subject.store.resolve(subject.name("latest")).plain() == two
    assert subject.store.resolve(subject.name("v1")).plain() == one


def test_an_unknown_name(subject: Subject, upstream: Upstream) -> None:
    put(subject, upstream, upstream.manifest().plain(), "v1")
    with pytest.raises(RegistryError):
        subject.store.resolve(subject.name("v2"))


def test_a_tag_for_nothing_is_refused(subject: Subject) -> None:
    absent = Descriptor(media_type=media_types.OCI_MANIFEST, digest=Digest.of(b"absent"), size=6)
    with pytest.raises((IntegrityError, RegistryError)):
        subject.store.tag(absent, subject.name("v1"))
    with pytest.raises(RegistryError):
        subject.store.resolve(subject.name("v1"))


# --- graphs ---------------------------------------------------------------------------------------------------------


def test_a_graph_goes_in_and_out_unchanged(subject: Subject, upstream: Upstream) -> None:
    index = upstream.index(upstream.manifest("amd64"), upstream.manifest("arm64"))
    put(subject, upstream, index, "v1")
    back = MemoryStore()
    found = subject.store.resolve(subject.name("v1")).plain()
    assert found == index
    result = copy_graph(subject.store, back, [Root(found)], workers=3, reporter=NullReporter())
    assert (result.manifests, result.held_blobs) == (3, 0)
    assert all(
        read_verified(back, Descriptor(media_type="x", digest=digest, size=len(content)), max_bytes=len(content))
        == content
        for digest, content in upstream.blobs.content.items()
    )
