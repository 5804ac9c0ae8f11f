"""What every store that takes pushes promises (``packhorse.registry.ports.SiteStore``), held against all of them."""

import hashlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from packhorse.base.errors import IntegrityError
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.graph import read_verified
from packhorse.oci.model import Descriptor
from packhorse.registry.ports import SiteStore
from packhorse.store.directory_site import DirectorySite
from packhorse.store.names_changes import Expectation, ManifestEntry
from packhorse.store.refusals import BusyError, ConditionError, MissingPartError, OffsetError, WrongDigestError
from tests.support.memory_site import MemoryContent, MemorySite

NAME = "packhorse.internal/team/app"
OTHER = "packhorse.internal/team/other"
ARTIFACT = "application/vnd.example.thing"


@dataclass(frozen=True)
class Subject:
    """A store, empty at first, and how another process would open the same one."""

    store: SiteStore
    again: Callable[[], SiteStore]


def _memory(_opened: ExitStack, _folder: Path) -> Subject:
    shared = MemoryContent()
    return Subject(MemorySite(shared), lambda: MemorySite(shared))


def _directory(opened: ExitStack, folder: Path) -> Subject:
    def again() -> DirectorySite:
        store = DirectorySite.create(folder / "store")
        opened.callback(store.close)
        return store

    return Subject(again(), again)


@pytest.fixture(
    params=[
        pytest.param(_memory, id="memory"),
        pytest.param(_directory, id="directory"),
    ]
)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    """One store after the other."""
    with ExitStack() as opened:
        yield request.param(opened, tmp_path)


@pytest.fixture
def store(subject: Subject) -> SiteStore:
    """The store alone."""
    return subject.store


def some_bytes(size: int, seed: int = 0) -> bytes:
    """Bytes that look like a compressed layer."""
    return random.Random(seed).randbytes(size)


def send(store: SiteStore, upload: str, *blocks: bytes, offset: int | None = None, name: str = NAME) -> int:
    """Add bytes to an upload, and return how many it has then."""
    sink = store.append(name, upload, offset)
    assert sink is not None
    try:
        sink.write(blocks)
        return sink.received
    finally:
        sink.close()


def push(store: SiteStore, content: bytes, algorithm: str = "sha256", name: str = NAME) -> Digest:
    """Push a blob, as one request would."""
    digest = Digest.of(content, algorithm)
    upload = store.begin_upload(name, algorithm)
    send(store, upload, content, offset=0, name=name)
    assert store.finish_upload(name, upload, digest) is not None
    return digest


def read(store: SiteStore, name: str, digest: Digest) -> bytes:
    """Read content as the server would: through a repository that has it."""
    descriptor = store.blob(name, digest)
    assert descriptor is not None
    assert descriptor.digest == digest
    return read_verified(store, descriptor, max_bytes=1 << 30)


def entry_of(
    content: bytes,
    *tags: str,
    needs: Sequence[Digest] = (),
    expected: Expectation | None = None,
    algorithm: str = "sha256",
) -> ManifestEntry:
    """A manifest to put; a store does not look into its bytes."""
    descriptor = Descriptor(
        media_type=media_types.OCI_MANIFEST, digest=Digest.of(content, algorithm), size=len(content)
    )
    return ManifestEntry(descriptor, tuple(needs), tags, expected=expected)


def referring_entry(content: bytes, subject: Digest, artifact_type: str = ARTIFACT) -> ManifestEntry:
    """A manifest that refers to another one."""
    digest = Digest.of(content)
    referrer = Descriptor(
        media_type=media_types.OCI_MANIFEST,
        digest=digest,
        size=len(content),
        artifact_type=artifact_type,
        annotations={"org.example": "kept"},
    )
    return ManifestEntry(referrer.plain(), subject=subject, referrer=referrer)


# --- uploads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_001])
def test_a_blob_comes_back_as_it_went_in(store: SiteStore, size: int, algorithm: str) -> None:
    content = some_bytes(size)
    digest = Digest.of(content, algorithm)
    upload = store.begin_upload(NAME, algorithm)
    assert send(store, upload, content[: size // 3], content[size // 3 :]) == size
    descriptor = store.finish_upload(NAME, upload, digest)
    assert descriptor is not None
    assert (descriptor.digest, descriptor.size) == (digest, size)
    assert read(store, NAME, digest) == content


def test_a_blob_is_read_from_any_place(store: SiteStore) -> None:
    content = some_bytes(100_000)
    descriptor = store.blob(NAME, push(store, content))
    assert descriptor is not None
    for offset in (0, 1, 50_000, 99_999, 100_000):
        buffer = memoryview(bytearray(200_000))
        with store.open(descriptor, offset=offset) as stream:
            filled = 0
            while count := stream.readinto(buffer[filled:]):
                filled += count
        assert bytes(buffer[:filled]) == content[offset:]


def test_a_place_in_a_file_holds_the_blob(store: SiteStore) -> None:
    content = some_bytes(10_000)
    descriptor = store.blob(NAME, push(store, content))
    assert descriptor is not None
    extent = store.locate(descriptor)
    # A store may have its content nowhere in a file.
    if extent is not None:
        with open(extent.fd, "rb", closefd=False) as file:
            file.seek(extent.offset)
            assert file.read(extent.length) == content


def test_chunks_are_added_in_order(store: SiteStore) -> None:
    content = some_bytes(30_000)
    upload = store.begin_upload(NAME, "sha256")
    assert store.received(NAME, upload) == 0
    for start in range(0, 30_000, 10_000):
        assert send(store, upload, content[start : start + 10_000], offset=start) == start + 10_000
        assert store.received(NAME, upload) == start + 10_000
    assert store.finish_upload(NAME, upload, Digest.of(content)) is not None
    assert store.received(NAME, upload) is None
    assert read(store, NAME, Digest.of(content)) == content


def test_bytes_without_a_place_go_to_the_end(store: SiteStore) -> None:
    upload = store.begin_upload(NAME, "sha256")
    send(store, upload, b"one", offset=0)
    assert send(store, upload, b"two") == 6
    assert store.finish_upload(NAME, upload, Digest.of(b"onetwo")) is not None


@pytest.mark.parametrize("offset", [0, 2, 4, 1000])
def test_a_chunk_at_the_wrong_place_is_refused_and_changes_nothing(store: SiteStore, offset: int) -> None:
    upload = store.begin_upload(NAME, "sha256")
    send(store, upload, b"abc", offset=0)
    with pytest.raises(OffsetError) as refused:
        store.append(NAME, upload, offset)
    assert refused.value.received == 3
    assert store.received(NAME, upload) == 3
    send(store, upload, b"def", offset=3)
    assert store.finish_upload(NAME, upload, Digest.of(b"abcdef")) is not None


def test_a_chunk_of_nothing_is_one(store: SiteStore) -> None:
    upload = store.begin_upload(NAME, "sha256")
    assert send(store, upload, offset=0) == 0
    assert send(store, upload, b"", offset=0) == 0
    assert store.finish_upload(NAME, upload, Digest.of(b"")) is not None
    assert read(store, NAME, Digest.of(b"")) == b""


def test_one_request_at_a_time_adds_to_an_upload(store: SiteStore) -> None:
    upload = store.begin_upload(NAME, "sha256")
    sink = store.append(NAME, upload, None)
    assert sink is not None
    sink.write([b"abc"])
    with pytest.raises(BusyError):
        store.append(NAME, upload, None)
    with pytest.raises(BusyError):
        store.finish_upload(NAME, upload, Digest.of(b"abc"))
    assert store.blob(NAME, Digest.of(b"abc")) is None
    sink.close()
    sink.close()
    assert store.finish_upload(NAME, upload, Digest.of(b"abc")) is not None


def test_what_came_before_a_client_went_away_is_kept(store: SiteStore) -> None:
    upload = store.begin_upload(NAME, "sha256")
    sink = store.append(NAME, upload, 0)
    assert sink is not None
    sink.write([b"half"])
    sink.close()
    assert store.received(NAME, upload) == 4
    assert send(store, upload, b" done", offset=4) == 9
    assert store.finish_upload(NAME, upload, Digest.of(b"half done")) is not None


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_bytes_of_another_digest_are_not_kept(store: SiteStore, algorithm: str) -> None:
    upload = store.begin_upload(NAME, algorithm)
    send(store, upload, b"something")
    wrong = Digest.of(b"something else", algorithm)
    with pytest.raises(WrongDigestError):
        store.finish_upload(NAME, upload, wrong)
    for digest in (wrong, Digest.of(b"something", algorithm)):
        assert store.blob(NAME, digest) is None
    assert store.received(NAME, upload) is None
    assert store.finish_upload(NAME, upload, wrong) is None


def test_an_upload_is_finished_by_another_algorithm_than_it_was_begun_with(store: SiteStore) -> None:
    content = some_bytes(70_000)
    for begun, asked in (("sha256", "sha512"), ("sha512", "sha256")):
        upload = store.begin_upload(NAME, begun)
        send(store, upload, content)
        digest = Digest.of(content, asked)
        assert store.finish_upload(NAME, upload, digest) is not None
        assert read(store, NAME, digest) == content
    assert store.blob(NAME, Digest.of(content)) != store.blob(NAME, Digest.of(content, "sha512"))


def test_a_cancelled_upload_is_gone(store: SiteStore) -> None:
    upload = store.begin_upload(NAME, "sha256")
    send(store, upload, b"abc")
    assert store.cancel_upload(NAME, upload)
    assert not store.cancel_upload(NAME, upload)
    assert store.received(NAME, upload) is None
    assert store.append(NAME, upload, None) is None
    assert store.finish_upload(NAME, upload, Digest.of(b"abc")) is None
    assert store.blob(NAME, Digest.of(b"abc")) is None


def test_a_finished_upload_is_gone(store: SiteStore) -> None:
    upload = store.begin_upload(NAME, "sha256")
    send(store, upload, b"abc")
    assert store.finish_upload(NAME, upload, Digest.of(b"abc")) is not None
    assert store.append(NAME, upload, None) is None
    assert not store.cancel_upload(NAME, upload)
    assert store.finish_upload(NAME, upload, Digest.of(b"abc")) is None
    assert read(store, NAME, Digest.of(b"abc")) == b"abc"


@pytest.mark.parametrize(
    "upload", ["", ".", "..", "../x", "a/b", "0" * 32, "0" * 31 + "\n", "A" * 32, "x" * 5000, "a\0b", "\udcff"]
)
def test_an_upload_that_was_never_begun(store: SiteStore, upload: str) -> None:
    assert store.received(NAME, upload) is None
    assert store.append(NAME, upload, None) is None
    assert store.finish_upload(NAME, upload, Digest.of(b"")) is None
    assert not store.cancel_upload(NAME, upload)


def test_an_upload_belongs_to_its_repository(store: SiteStore) -> None:
    upload = store.begin_upload(NAME, "sha256")
    send(store, upload, b"mine")
    assert store.received(OTHER, upload) is None
    assert store.append(OTHER, upload, None) is None
    assert store.finish_upload(OTHER, upload, Digest.of(b"mine")) is None
    assert not store.cancel_upload(OTHER, upload)
    assert store.finish_upload(NAME, upload, Digest.of(b"mine")) is not None


def test_uploads_have_ids_that_nobody_has_had(store: SiteStore) -> None:
    assert len({store.begin_upload(NAME, "sha256") for _ in range(200)}) == 200


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_another_process_goes_on_with_an_upload(subject: Subject, algorithm: str) -> None:
    content = some_bytes(200_000)
    upload = subject.store.begin_upload(NAME, algorithm)
    send(subject.store, upload, content[:70_000], offset=0)
    second = subject.again()
    assert second.received(NAME, upload) == 70_000
    send(second, upload, content[70_000:140_000], offset=70_000)
    third = subject.again()
    # The first has hashed a part of it, and must not take what it knows for the whole.
    send(subject.store, upload, content[140_000:], offset=140_000)
    digest = Digest.of(content, algorithm)
    assert third.finish_upload(NAME, upload, digest) is not None
    for store in (subject.store, second, third):
        assert read(store, NAME, digest) == content
        assert store.received(NAME, upload) is None


# --- visibility -------------------------------------------------------------------------------------------------------


def test_nothing_is_seen_of_a_blob_before_it_is_whole(subject: Subject) -> None:
    content = some_bytes(50_000)
    digest = Digest.of(content)
    upload = subject.store.begin_upload(NAME, "sha256")
    send(subject.store, upload, content)
    for store in (subject.store, subject.again()):
        assert store.blob(NAME, digest) is None
        assert store.repositories() == []
        assert store.tags(NAME) is None
        with pytest.raises(IntegrityError):
            store.open(Descriptor(media_type="x", digest=digest, size=len(content)))
    subject.store.finish_upload(NAME, upload, digest)
    assert read(subject.again(), NAME, digest) == content


@pytest.mark.parametrize("repositories", [(NAME, NAME), (NAME, OTHER)])
def test_two_push_one_blob_at_once(subject: Subject, repositories: tuple[str, str]) -> None:
    content = some_bytes(400_000)
    digest = Digest.of(content)
    stores = (subject.store, subject.again())
    both = threading.Barrier(2)
    failures: list[BaseException] = []

    def work(store: SiteStore, name: str) -> None:
        try:
            for _ in range(5):
                upload = store.begin_upload(name, "sha256")
                both.wait(20)
                send(store, upload, content[:200_000], name=name)
                send(store, upload, content[200_000:], name=name)
                both.wait(20)
                assert store.finish_upload(name, upload, digest) is not None
                assert read(store, name, digest) == content
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)
            both.abort()

    threads = [threading.Thread(target=work, args=pair) for pair in zip(stores, repositories, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for name in repositories:
        assert read(subject.store, name, digest) == content


def test_a_blob_that_is_there_stays_while_it_is_pushed_again_and_read(store: SiteStore) -> None:
    content = some_bytes(200_000)
    descriptor = store.blob(NAME, push(store, content))
    assert descriptor is not None
    hasher, buffer = hashlib.sha256(), memoryview(bytearray(50_000))
    with store.open(descriptor) as stream:
        hasher.update(buffer[: stream.readinto(buffer)])
        push(store, content)
        while count := stream.readinto(buffer):
            hasher.update(buffer[:count])
    assert hasher.hexdigest() == descriptor.digest.hex


# --- membership -------------------------------------------------------------------------------------------------------


def test_nobody_reads_through_a_repository_that_does_not_have_it(store: SiteStore) -> None:
    digest = push(store, b"secret")
    push(store, b"another", name=OTHER)
    store.put_manifest(NAME, entry_of(b"{}", "v1", needs=[digest]), b"{}")
    assert store.blob(OTHER, digest) is None
    assert store.blob(OTHER, Digest.of(b"{}")) is None
    assert store.manifest(OTHER, Digest.of(b"{}")) is None
    assert store.manifest(OTHER, "v1") is None
    assert store.blob("packhorse.internal/team", digest) is None
    assert store.blob("docker.io/team/app", digest) is None
    with pytest.raises(MissingPartError) as missing:
        store.put_manifest(OTHER, entry_of(b"{ }", "v1", needs=[digest]), b"{ }")
    assert missing.value.digest == digest
    assert store.manifest(OTHER, "v1") is None


def test_a_mount_lets_another_repository_have_a_blob(store: SiteStore) -> None:
    content = some_bytes(1000)
    digest = push(store, content)
    mounted = store.mount(OTHER, digest, NAME)
    assert mounted is not None
    assert (mounted.digest, mounted.size) == (digest, 1000)
    assert read(store, OTHER, digest) == content
    assert store.delete_blob(NAME, digest)
    assert read(store, OTHER, digest) == content
    assert store.blob(NAME, digest) is None


def test_nothing_is_mounted_from_a_repository_that_does_not_have_it(store: SiteStore) -> None:
    digest = push(store, b"secret")
    absent = Digest.of(b"absent")
    assert store.mount(OTHER, absent, NAME) is None
    assert store.mount(OTHER, digest, "packhorse.internal/team/none") is None
    assert store.mount(OTHER, digest, OTHER) is None
    assert store.blob(OTHER, digest) is None
    assert store.tags(OTHER) is None


def test_names_have_their_registry(store: SiteStore) -> None:
    names = ["docker.io/library/redis", "quay.io/library/redis", "registry.example:5000/library/redis"]
    digests = {name: push(store, name.encode(), name=name) for name in names}
    for name, digest in digests.items():
        store.put_manifest(name, entry_of(name.encode() + b"{}", "7", needs=[digest]), name.encode() + b"{}")
    assert list(store.repositories()) == names
    assert list(store.registries("library/redis")) == ["docker.io", "quay.io", "registry.example:5000"]
    assert list(store.registries("redis")) == []
    assert list(store.registries("docker.io/library/redis")) == []
    for name, digest in digests.items():
        assert [other for other in names if store.blob(other, digest) is not None] == [name]
        found = store.manifest(name, "7")
        assert found is not None
        assert found.digest == Digest.of(name.encode() + b"{}")


# --- manifests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_manifest_has_its_exact_bytes(store: SiteStore, algorithm: str) -> None:
    content = b'{ "schemaVersion" : 2,\r\n\t"x": "\xc3\xa4" }  \n'
    entry = entry_of(content, "v1", algorithm=algorithm)
    store.put_manifest(NAME, entry, content)
    for target in ("v1", entry.descriptor.digest):
        found = store.manifest(NAME, target)
        assert found is not None
        assert (found.digest, found.size, found.media_type) == (
            entry.descriptor.digest,
            len(content),
            media_types.OCI_MANIFEST,
        )
        assert read_verified(store, found, max_bytes=len(content)) == content
    # Manifests are content, too.
    assert read(store, NAME, entry.descriptor.digest) == content


def test_a_manifest_without_the_blobs_that_it_needs_is_refused(store: SiteStore) -> None:
    here, absent = push(store, b"here"), Digest.of(b"absent")
    with pytest.raises(MissingPartError) as missing:
        store.put_manifest(NAME, entry_of(b"{}", "v1", needs=[here, absent]), b"{}")
    assert missing.value.digest == absent
    assert store.manifest(NAME, "v1") is None
    assert store.manifest(NAME, Digest.of(b"{}")) is None
    assert store.tags(NAME) == []


def test_a_refused_manifest_leaves_no_repository(store: SiteStore) -> None:
    with pytest.raises(MissingPartError):
        store.put_manifest(NAME, entry_of(b"{}", "v1", needs=[Digest.of(b"absent")]), b"{}")
    assert store.tags(NAME) is None
    assert store.repositories() == []


def test_a_manifest_may_need_what_is_a_manifest_already(store: SiteStore) -> None:
    store.put_manifest(NAME, entry_of(b"{}"), b"{}")
    store.put_manifest(NAME, entry_of(b"{ }", needs=[Digest.of(b"{}")]), b"{ }")
    assert store.manifest(NAME, Digest.of(b"{ }")) is not None


def test_a_tag_moves(store: SiteStore) -> None:
    one, two = entry_of(b"one", "v1", "latest"), entry_of(b"two", "latest")
    store.put_manifest(NAME, one, b"one")
    store.put_manifest(NAME, two, b"two")
    for target, entry in (("v1", one), ("latest", two), (one.descriptor.digest, one), (two.descriptor.digest, two)):
        found = store.manifest(NAME, target)
        assert found is not None
        assert found.digest == entry.descriptor.digest
    assert store.tags(NAME) == ["latest", "v1"]


def test_many_tags_at_once(store: SiteStore) -> None:
    tags = [f"v{number}" for number in range(20)]
    store.put_manifest(NAME, entry_of(b"{}", *tags), b"{}")
    assert store.tags(NAME) == sorted(tags)


def test_tags_are_sorted_as_bytes_are(store: SiteStore) -> None:
    tags = ["b", "a", "B", "A", "_", "10", "9", "a.b", "a-b", "a_b"]
    store.put_manifest(NAME, entry_of(b"{}", *tags), b"{}")
    assert store.tags(NAME) == sorted(tags)


def test_a_manifest_without_a_tag_makes_a_repository_without_tags(store: SiteStore) -> None:
    store.put_manifest(NAME, entry_of(b"{}"), b"{}")
    assert store.tags(NAME) == []
    assert store.repositories() == [NAME]


def test_putting_a_manifest_twice_is_once(store: SiteStore) -> None:
    for _ in range(2):
        store.put_manifest(NAME, entry_of(b"{}", "v1"), b"{}")
    assert store.tags(NAME) == ["v1"]


@pytest.mark.parametrize(
    ("expected", "holds_when_absent", "holds_when_there"),
    [
        (Expectation(), True, False),
        (Expectation(anything=True), False, True),
        (Expectation(frozenset({Digest.of(b"one")})), False, True),
        (Expectation(frozenset({Digest.of(b"other"), Digest.of(b"one")})), False, True),
        (Expectation(frozenset({Digest.of(b"other")})), False, False),
    ],
)
def test_a_tag_is_written_only_where_it_stands_for_what_was_expected(
    store: SiteStore, expected: Expectation, *, holds_when_absent: bool, holds_when_there: bool
) -> None:
    for holds, tag in ((holds_when_absent, "absent"), (holds_when_there, "there")):
        store.put_manifest(NAME, entry_of(b"one", "there"), b"one")
        content = f"new for {tag}".encode()
        if holds:
            store.put_manifest(NAME, entry_of(content, tag, expected=expected), content)
            found = store.manifest(NAME, tag)
            assert found is not None
            assert found.digest == Digest.of(content)
        else:
            with pytest.raises(ConditionError):
                store.put_manifest(NAME, entry_of(content, tag, expected=expected), content)
            assert store.manifest(NAME, Digest.of(content)) is None


def test_of_two_who_expect_the_same_one_writes(subject: Subject) -> None:
    start, outcomes = threading.Barrier(2), []

    def work(store: SiteStore, content: bytes) -> None:
        start.wait(20)
        try:
            store.put_manifest(NAME, entry_of(content, "v1", expected=Expectation()), content)
            outcomes.append(content)
        except ConditionError:
            outcomes.append(b"refused")

    stores = (subject.store, subject.again())
    threads = [
        threading.Thread(target=work, args=(store, f"from {number}".encode())) for number, store in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = subject.store.manifest(NAME, "v1")
    assert found is not None
    assert outcomes.count(b"refused") == 1
    assert found.digest in {Digest.of(outcome) for outcome in outcomes}


def test_what_is_there_of_a_sparse_index_is_kept_with_its_tag(store: SiteStore) -> None:
    annotated = Descriptor(
        media_type=media_types.OCI_INDEX, digest=Digest.of(b"{}"), size=2, annotations={"carries": "two of three"}
    )
    store.put_manifest(NAME, ManifestEntry(annotated, tags=("v1",)), b"{}")
    assert store.manifest(NAME, "v1") == annotated
    assert store.manifest(NAME, annotated.digest) == annotated.plain()


# --- referrers --------------------------------------------------------------------------------------------------------


def test_referrers_are_listed_by_digest_with_what_they_say(store: SiteStore) -> None:
    subject = Digest.of(b"about this")
    entries = [referring_entry(f"referrer {number}".encode(), subject) for number in range(5)]
    for number, entry in enumerate(entries):
        store.put_manifest(NAME, entry, f"referrer {number}".encode())
    expected = sorted((entry.referrer for entry in entries if entry.referrer), key=lambda found: found.digest)
    assert list(store.referrers(NAME, subject)) == expected
    assert list(store.referrers(OTHER, subject)) == []
    assert list(store.referrers(NAME, Digest.of(b"something else"))) == []


def test_a_subject_need_not_be_there_and_may_come_later(store: SiteStore) -> None:
    entry = referring_entry(b"referrer", Digest.of(b"subject"))
    store.put_manifest(NAME, entry, b"referrer")
    assert list(store.referrers(NAME, Digest.of(b"subject"))) == [entry.referrer]
    store.put_manifest(NAME, entry_of(b"subject", "v1"), b"subject")
    store.put_manifest(NAME, entry, b"referrer")
    assert list(store.referrers(NAME, Digest.of(b"subject"))) == [entry.referrer]


def test_a_referrer_goes_with_its_manifest_and_not_with_its_subject(store: SiteStore) -> None:
    subject = Digest.of(b"subject")
    store.put_manifest(NAME, entry_of(b"subject", "v1"), b"subject")
    entries = [referring_entry(content, subject) for content in (b"one", b"two")]
    store.put_manifest(NAME, entries[0], b"one")
    store.put_manifest(NAME, entries[1], b"two")
    assert store.delete_manifest(NAME, Digest.of(b"one"))
    assert list(store.referrers(NAME, subject)) == [entries[1].referrer]
    assert store.delete_manifest(NAME, subject)
    assert list(store.referrers(NAME, subject)) == [entries[1].referrer]


# --- deletions --------------------------------------------------------------------------------------------------------


def test_deleting_a_tag_leaves_what_it_stood_for(store: SiteStore) -> None:
    entry = entry_of(b"{}", "v1", "v2")
    store.put_manifest(NAME, entry, b"{}")
    assert store.delete_tag(NAME, "v1")
    assert not store.delete_tag(NAME, "v1")
    assert store.tags(NAME) == ["v2"]
    assert store.manifest(NAME, "v1") is None
    assert store.manifest(NAME, "v2") == entry.descriptor
    assert store.delete_tag(NAME, "v2")
    assert store.manifest(NAME, entry.descriptor.digest) == entry.descriptor
    assert store.tags(NAME) == []


def test_deleting_a_manifest_takes_its_tags_and_not_its_blobs(store: SiteStore) -> None:
    layer = push(store, b"layer")
    store.put_manifest(NAME, entry_of(b"{}", "v1", "v2", needs=[layer]), b"{}")
    store.put_manifest(NAME, entry_of(b"{ }", "v3", needs=[layer]), b"{ }")
    assert store.delete_manifest(NAME, Digest.of(b"{}"))
    assert not store.delete_manifest(NAME, Digest.of(b"{}"))
    assert store.tags(NAME) == ["v3"]
    for target in ("v1", "v2", Digest.of(b"{}")):
        assert store.manifest(NAME, target) is None
    assert store.blob(NAME, Digest.of(b"{}")) is None
    assert read(store, NAME, layer) == b"layer"


def test_a_manifest_that_was_deleted_may_be_put_again(store: SiteStore) -> None:
    entry = entry_of(b"{}", "v1")
    for _ in range(2):
        store.put_manifest(NAME, entry, b"{}")
        assert store.delete_manifest(NAME, entry.descriptor.digest)
    store.put_manifest(NAME, entry, b"{}")
    assert read(store, NAME, entry.descriptor.digest) == b"{}"


def test_deleting_a_blob(store: SiteStore) -> None:
    digest = push(store, b"layer")
    push(store, b"layer", name=OTHER)
    assert store.delete_blob(NAME, digest)
    assert not store.delete_blob(NAME, digest)
    assert store.blob(NAME, digest) is None
    assert read(store, OTHER, digest) == b"layer"
    push(store, b"layer")
    assert read(store, NAME, digest) == b"layer"


def test_a_manifest_is_not_deleted_as_a_blob_nor_a_blob_as_a_manifest(store: SiteStore) -> None:
    digest = push(store, b"layer")
    store.put_manifest(NAME, entry_of(b"{}", "v1"), b"{}")
    assert not store.delete_blob(NAME, Digest.of(b"{}"))
    assert not store.delete_manifest(NAME, digest)
    assert store.manifest(NAME, "v1") is not None
    assert read(store, NAME, digest) == b"layer"


def test_deleting_where_there_is_nothing(store: SiteStore) -> None:
    assert not store.delete_tag(NAME, "v1")
    assert not store.delete_manifest(NAME, Digest.of(b"{}"))
    assert not store.delete_blob(NAME, Digest.of(b"{}"))
    assert store.tags(NAME) is None
    assert store.repositories() == []


def test_what_was_acknowledged_is_there_for_the_next_process(subject: Subject) -> None:
    layer = push(subject.store, b"layer")
    entry = entry_of(b"{}", "v1", needs=[layer])
    subject.store.put_manifest(NAME, entry, b"{}")
    referrer = referring_entry(b"referrer", entry.descriptor.digest)
    subject.store.put_manifest(NAME, referrer, b"referrer")
    second = subject.again()
    assert read(second, NAME, layer) == b"layer"
    assert second.manifest(NAME, "v1") == entry.descriptor
    assert list(second.referrers(NAME, entry.descriptor.digest)) == [referrer.referrer]
    assert second.delete_tag(NAME, "v1")
    assert subject.store.manifest(NAME, "v1") is None
