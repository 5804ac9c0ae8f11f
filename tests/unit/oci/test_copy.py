"""The copy of graphs: what is decided, in which order it is done, and how it goes on after failures."""

import threading

import msgspec
import pytest

from packhorse.base.errors import IntegrityError, NetworkError, PackhorseError, RegistryError
from packhorse.base.events import NullReporter
from packhorse.bundle.sources import BytesSource
from packhorse.oci.copy import Destination, Root, carry_out, copy_graph, plan_copy
from packhorse.oci.copy_plan import Held, decide
from packhorse.oci.digest import Digest
from packhorse.oci.graph import CARRIES, read_verified, walk
from packhorse.oci.manifest import MAX_MANIFEST_BYTES
from packhorse.oci.memory_store import MemoryStore
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream, ContentSource
from tests.support.packages import Upstream


class Target(MemoryStore):
    """A memory store that remembers the order, and refuses what it is told to refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.asked: list[Digest] = []
        self.refuses: dict[Digest | str, PackhorseError] = {}
        self._guard = threading.Lock()

    def exists(self, descriptor: Descriptor) -> bool:
        self.asked.append(descriptor.digest)
        return super().exists(descriptor)

    def push(self, descriptor: Descriptor, source: ContentSource) -> None:
        with self._guard:
            self.log.append(descriptor.digest)
        if descriptor.digest in self.refuses:
            raise self.refuses[descriptor.digest]
        super().push(descriptor, source)

    def tag(self, descriptor: Descriptor, name: str) -> None:
        self.log.append(name)
        if name in self.refuses:
            raise self.refuses[name]
        super().tag(descriptor, name)


class Recorder(NullReporter):
    """Adds up what is reported."""

    def __init__(self) -> None:
        self.started_keys: list[str] = []
        self.ended: dict[str, str] = {}
        self.bytes: dict[str, int] = {}
        self.phases: list[str] = []

    def phase(self, title: str, *, items: int | None = None, total_bytes: int | None = None) -> None:
        del items, total_bytes
        self.phases.append(title)

    def started(self, key: str, title: str, *, total_bytes: int | None = None) -> None:
        assert title
        del total_bytes
        self.started_keys.append(key)

    def advanced(self, key: str, delta_bytes: int) -> None:
        self.bytes[key] = self.bytes.get(key, 0) + delta_bytes

    def finished(self, key: str) -> None:
        self.ended[key] = "finished"

    def failed(self, key: str, message: str) -> None:
        assert message
        self.ended[key] = "failed"


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def target() -> Target:
    return Target()


def source_of(upstream: Upstream) -> BytesSource:
    """All that an upstream has."""
    return BytesSource(upstream.blobs.content)


def copy(upstream: Upstream, target: Target, *roots: Root, workers: int = 1) -> Recorder:
    """Copy, and return what was reported."""
    recorder = Recorder()
    copy_graph(source_of(upstream), target, roots, workers=workers, reporter=recorder)
    return recorder


def test_blobs_largest_first_then_manifests_upwards_then_tags(upstream: Upstream, target: Target) -> None:
    one, two = upstream.manifest("amd64"), upstream.manifest("arm64")
    inner = upstream.index(one)
    outer = upstream.index(inner, two)
    recorder = copy(upstream, target, Root(outer, ("v1", "latest")))
    sizes = {digest: len(content) for digest, content in upstream.blobs.content.items()}
    position = {name: number for number, name in enumerate(target.log)}
    manifests = [one.digest, two.digest, inner.digest, outer.digest]
    blobs = [digest for digest in target.log if digest in sizes and digest not in manifests]
    assert [sizes[Digest(digest)] for digest in blobs] == sorted((sizes[Digest(d)] for d in blobs), reverse=True)
    assert max(position[digest] for digest in blobs) < min(position[digest] for digest in manifests)
    assert position[one.digest] < position[inner.digest] < position[outer.digest] > position[two.digest]
    assert target.log[-2:] == ["v1", "latest"]
    assert target.resolve("latest").digest == outer.digest
    assert recorder.phases == ["Sending", "Writing manifests", "Tagging"]
    assert set(recorder.ended) == set(recorder.started_keys)
    assert set(recorder.ended.values()) == {"finished"}
    assert {key: count for key, count in recorder.bytes.items() if count} == {d: sizes[Digest(d)] for d in blobs}


def test_doing_it_again_does_nothing_and_asks_little(upstream: Upstream, target: Target) -> None:
    index = upstream.index(upstream.manifest("amd64"), upstream.manifest("arm64"))
    copy(upstream, target, Root(index, ("v1",)))
    target.log.clear()
    target.asked.clear()
    prepared = plan_copy(source_of(upstream), [Destination("x", target, (Root(index, ("v1",)),))], workers=2)
    assert prepared.plan.is_empty
    # The index is known by its tag.
    assert len(target.asked) == 2
    result = carry_out(prepared, workers=2, reporter=NullReporter())
    assert (result.blobs, result.manifests, result.tags) == (0, 0, 0)
    assert target.log == []


def test_only_what_is_missing_goes(upstream: Upstream, target: Target) -> None:
    old, new = upstream.manifest(), upstream.manifest()
    copy(upstream, target, Root(old))
    target.log.clear()
    copy(upstream, target, Root(new, ("v2",)))
    assert upstream.shared.digest not in target.log
    assert target.log[-2:] == [new.digest, "v2"]


def test_a_sparse_index_takes_along_what_it_carries(upstream: Upstream, target: Target) -> None:
    amd64, absent = upstream.manifest("amd64"), upstream.absent("s390x")
    index = upstream.index(amd64, absent)
    sparse = msgspec.structs.replace(index, annotations={CARRIES: amd64.digest})
    copy(upstream, target, Root(sparse, ("v1",)))
    assert target.resolve("v1") == index.plain()
    assert target.exists(amd64)
    assert not target.exists(absent)


def test_a_referrer_comes_after_its_subject(upstream: Upstream, target: Target) -> None:
    image = upstream.manifest()
    signature = upstream.signature(image)
    copy(upstream, target, Root(signature), Root(image))
    assert target.log.index(image.digest) < target.log.index(signature.digest)
    assert [each.digest for each in target.referrers(image)] == [signature.digest]


def test_a_tag_that_is_right_is_left_alone_and_one_that_moves_is_told(upstream: Upstream, target: Target) -> None:
    one, two = upstream.manifest(), upstream.manifest()
    copy(upstream, target, Root(one, ("a", "b")))
    destination = Destination("x", target, (Root(one, ("a",)), Root(two, ("b", "c"))))
    plan = plan_copy(source_of(upstream), [destination], workers=1).plan
    assert [(step.tag, step.moves_from) for step in plan.tags] == [("b", one.digest), ("c", None)]


def test_a_blob_goes_to_all_who_want_it_in_one_step(upstream: Upstream) -> None:
    targets = [Target(), Target()]
    images = [upstream.manifest(), upstream.manifest()]
    destinations = [
        Destination(f"r{number}", target, (Root(image),))
        for number, (target, image) in enumerate(zip(targets, images, strict=True))
    ]
    prepared = plan_copy(source_of(upstream), destinations, workers=2)
    shared = next(step for step in prepared.plan.blobs if step.descriptor.digest == upstream.shared.digest)
    assert shared.destinations == (0, 1)
    assert prepared.labels[upstream.shared.digest] == "layer 1 of r0"
    result = carry_out(prepared, workers=2, reporter=NullReporter())
    assert result.blob_bytes == sum(step.descriptor.size for step in prepared.plan.blobs)
    assert all(target.exists(upstream.shared) for target in targets)


# --- failures -------------------------------------------------------------------------------------------------------


def failing_copy(upstream: Upstream, target: Target, *roots: Root) -> PackhorseError:
    """A copy that cannot do all."""
    with pytest.raises(PackhorseError) as caught:
        copy(upstream, target, *roots, workers=2)
    return caught.value


def test_one_failure_leaves_out_what_needs_it_and_nothing_else(upstream: Upstream, target: Target) -> None:
    good, bad = upstream.manifest("amd64"), upstream.manifest("arm64")
    index = upstream.index(good, bad)
    layer = walk_layers(upstream, bad)[-1]
    target.refuses[layer.digest] = RegistryError("no room", hint="make room")
    error = failing_copy(upstream, target, Root(index, ("v1",)), Root(good, ("good",)))
    assert isinstance(error, RegistryError)
    assert error.message == (
        "Could not copy everything: 1 failure in 12 steps. Left out, for they need what failed: 3 manifests and tags."
    )
    assert [failure.message for failure in error.failures] == [
        f"{layer.digest} (layer 3, {len(upstream.blobs.content[layer.digest]) / 1024:.1f} KiB)\n  no room"
    ]
    assert error.hint == "make room"
    assert target.resolve("good").digest == good.digest
    assert target.find("v1") is None
    assert not target.exists(bad)
    assert not target.exists(index)
    # Mended, the same copy brings the rest.
    target.refuses.clear()
    target.log.clear()
    copy(upstream, target, Root(index, ("v1",)), Root(good, ("good",)))
    assert target.log == [layer.digest, bad.digest, index.digest, "v1"]


def walk_layers(upstream: Upstream, image: Descriptor) -> tuple[Descriptor, ...]:
    """The config and layers of an image."""
    source = source_of(upstream)
    return walk([image], lambda each: read_verified(source, each, max_bytes=MAX_MANIFEST_BYTES)).blobs


def test_all_failures_are_listed_and_the_first_gives_the_family(upstream: Upstream, target: Target) -> None:
    image = upstream.manifest()
    blobs = walk_layers(upstream, image)
    for number, blob in enumerate(sorted(blobs, key=lambda each: -each.size)):
        target.refuses[blob.digest] = NetworkError(f"failure {number}") if number == 0 else RegistryError("later")
    error = failing_copy(upstream, target, Root(image))
    assert len(error.failures) == len(blobs)
    assert error.exit_code in {NetworkError.exit_code, RegistryError.exit_code}
    assert error.hint == "run the same command again: what is there is not sent again"


def test_a_manifest_or_a_tag_that_is_refused(upstream: Upstream, target: Target) -> None:
    one, two = upstream.manifest(), upstream.manifest()
    target.refuses[one.digest] = RegistryError("no manifest")
    target.refuses["two"] = RegistryError("no tag")
    error = failing_copy(upstream, target, Root(one, ("one",)), Root(two, ("two", "also")))
    assert sorted(failure.message.partition("\n")[2].strip() for failure in error.failures) == ["no manifest", "no tag"]
    assert target.find("one") is None


def test_a_source_that_lies_is_not_read_for_the_next_destination(upstream: Upstream) -> None:
    class Source(BytesSource):
        opened: list[Digest] = []  # noqa: RUF012  one for the test

        def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
            self.opened.append(descriptor.digest)
            return super().open(descriptor, offset=offset)

    image = upstream.manifest()
    content = dict(upstream.blobs.content)
    content[upstream.shared.digest] = b"x" + content[upstream.shared.digest][1:]
    source = Source(content)
    destinations = [Destination(name, Target(), (Root(image, ("v",)),)) for name in ("a", "b")]
    prepared = plan_copy(source, destinations, workers=1)
    with pytest.raises(IntegrityError) as caught:
        carry_out(prepared, workers=1, reporter=NullReporter())
    assert len(caught.value.failures) == 1
    assert source.opened.count(upstream.shared.digest) == 1
    assert all(target.target.find("v") is None for target in destinations if isinstance(target.target, Target))


def test_a_destination_that_cannot_be_asked_ends_it_before_anything_is_sent(upstream: Upstream, target: Target) -> None:
    class Deaf(Target):
        def exists(self, descriptor: Descriptor) -> bool:
            raise NetworkError(f"cannot ask for {descriptor.digest.short}")

    destinations = [Destination(name, Deaf(), (Root(upstream.manifest()),)) for name in ("a", "b", "c")]
    with pytest.raises(NetworkError, match=r"Could not see what is there already\.\ncannot ask for") as caught:
        plan_copy(source_of(upstream), destinations, workers=2)
    assert target.log == []
    # Said once, though each was asked.
    assert caught.value.failures == ()
    assert caught.value.message.count("cannot ask for") == 1


def test_progress_of_a_blob_that_is_read_twice_counts_once(upstream: Upstream) -> None:
    class Clumsy(Target):
        def push(self, descriptor: Descriptor, source: ContentSource) -> None:
            with source.open(descriptor) as stream:
                stream.readinto(memoryview(bytearray(5)))
            super().push(descriptor, source)

    image = upstream.manifest()
    recorder = copy(upstream, Clumsy(), Root(image))
    assert recorder.bytes[upstream.shared.digest] == upstream.shared.size


# --- deciding -------------------------------------------------------------------------------------------------------


def test_deciding_is_pure_arithmetic(upstream: Upstream) -> None:
    image = upstream.manifest()
    source = source_of(upstream)
    graph = walk([image], lambda each: read_verified(source, each, max_bytes=MAX_MANIFEST_BYTES))
    everything = frozenset({image.digest, *(blob.digest for blob in graph.blobs)})
    nothing = decide([graph], [[Root(image, ("v",))]], [Held()])
    assert (len(nothing.blobs), nothing.held_blobs, len(nothing.manifests), len(nothing.tags)) == (4, 0, 1, 1)
    assert nothing.blob_bytes == sum(blob.size for blob in graph.blobs)
    assert nothing.manifest_bytes == image.size
    all_there = decide([graph], [[Root(image, ("v",))]], [Held(everything, {"v": image.digest})])
    assert all_there.is_empty
    assert (all_there.held_blobs, all_there.held_manifests) == (4, 1)
    assert all_there.held_bytes == nothing.blob_bytes
    assert decide([], [], []).is_empty
