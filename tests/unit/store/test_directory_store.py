"""The store of a site: content that is whole or not there, names that keep what they need, several processes."""

import errno
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError, IntegrityError, PackhorseError, RegistryError, UsageError
from packhorse.bundle.sources import BytesSource
from packhorse.oci import graph
from packhorse.oci.blob_streams import BytesStream
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream, ContentSource
from packhorse.store.directory_store import DirectoryStore
from packhorse.store.layout_source import LayoutSource
from tests.support.packages import Upstream

REDIS = "docker.io/library/redis"


@pytest.fixture
def upstream() -> Upstream:
    """Images to fill a store with."""
    return Upstream()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DirectoryStore]:
    """An empty store."""
    store = DirectoryStore.create(tmp_path / "store")
    yield store
    store.close()


def fill(store: DirectoryStore, upstream: Upstream, *, without: Digest | None = None) -> None:
    """Push everything that the upstream has."""
    source = BytesSource(upstream.blobs.content)
    for digest, content in upstream.blobs.content.items():
        if digest != without:
            store.push(Descriptor(media_type="x/y", digest=digest, size=len(content)), source)


class Lying:
    """A source whose bytes are not those that were promised."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BytesStream:
        """Give the wrong bytes."""
        del descriptor
        return BytesStream(self.content, offset)


def files(store: DirectoryStore) -> set[str]:
    """All blobs and temporary files in a store."""
    return {
        str(path.relative_to(store.path))
        for folder in ("blobs", "incoming")
        for path in (store.path / folder).rglob("*")
        if path.is_file()
    }


def test_content_comes_back_as_it_went_in(store: DirectoryStore, upstream: Upstream) -> None:
    blob = upstream.layer(3_000_000)
    assert not store.exists(blob)
    assert store.locate(blob) is None
    store.push(blob, BytesSource(upstream.blobs.content))
    assert store.exists(blob)
    assert graph.read_verified(store, blob, max_bytes=4_000_000) == upstream.blobs.content[blob.digest]
    extent = store.locate(blob)
    assert extent is not None
    assert os.pread(extent.fd, 5, extent.offset) == upstream.blobs.content[blob.digest][:5]


def test_what_is_there_is_not_read_again(store: DirectoryStore, upstream: Upstream) -> None:
    fill(store, upstream)
    store.push(upstream.shared, Lying(b""))


@pytest.mark.parametrize("wrong", [b"", b"short", b"x" * 20_000, b"x" * 20_001, b"x" * 5_000_000])
def test_wrong_bytes_leave_nothing_behind(store: DirectoryStore, upstream: Upstream, wrong: bytes) -> None:
    assert upstream.shared.size == 20_000
    with pytest.raises(IntegrityError, match=upstream.shared.digest):
        store.push(upstream.shared, Lying(wrong))
    assert files(store) == set()


def test_sha512_is_understood(store: DirectoryStore) -> None:
    content = b"long digests too"
    blob = Descriptor(media_type="x/y", digest=Digest.of(content, "sha512"), size=len(content))
    store.push(blob, BytesSource({blob.digest: content}))
    assert files(store) == {f"blobs/sha512/{blob.digest.hex}"}


def test_a_name_gives_its_repository_what_is_below_it(store: DirectoryStore, upstream: Upstream) -> None:
    redis, other = upstream.manifest(), upstream.manifest()
    fill(store, upstream)
    store.tag(redis, f"{REDIS}:7")
    store.tag(other, "quay.io/team/other:1")
    assert store.repositories() == [REDIS, "quay.io/team/other"]
    assert store.registries("library/redis") == ["docker.io"]
    assert store.tags(REDIS) == ["7"]
    assert store.tags("docker.io/library/nothing") is None
    assert store.resolve("redis:7").digest == redis.digest
    assert store.manifest(REDIS, redis.digest) is not None
    assert store.manifest(REDIS, other.digest) is None
    own = graph.walk([other], lambda descriptor: upstream.blobs.content[descriptor.digest]).blobs
    foreign = [blob for blob in own if blob != upstream.shared]
    assert store.blob(REDIS, upstream.shared.digest) is not None
    assert all(store.blob(REDIS, blob.digest) is None for blob in foreign)
    assert all(store.blob("quay.io/team/other", blob.digest) is not None for blob in foreign)
    # A config is content, and no manifest.
    assert store.manifest("quay.io/team/other", own[0].digest) is None


def test_a_name_moves_and_its_old_content_stays(store: DirectoryStore, upstream: Upstream) -> None:
    old, new = upstream.manifest(), upstream.manifest()
    fill(store, upstream)
    store.tag(old, f"{REDIS}:7")
    store.tag(new, f"{REDIS}:7")
    assert store.resolve(f"{REDIS}:7").digest == new.digest
    assert store.resolve(f"{REDIS}@{old.digest}").digest == old.digest


def test_a_sparse_index_keeps_what_is_there_of_it(store: DirectoryStore, upstream: Upstream) -> None:
    arm = upstream.manifest("arm64")
    index = upstream.index(arm, upstream.absent("s390x"))
    fill(store, upstream)
    with pytest.raises(IntegrityError, match="has no"):
        store.tag(index, f"{REDIS}:7")
    sparse = Descriptor(
        media_type=index.media_type, digest=index.digest, size=index.size, annotations={graph.CARRIES: arm.digest}
    )
    store.tag(sparse, f"{REDIS}:7")
    assert store.resolve(f"{REDIS}:7@{index.digest}") == sparse
    assert [entry for _, entry in store.images()] == [sparse]
    assert store.manifest(REDIS, upstream.absent("s390x").digest) is None


def test_a_name_needs_everything_below_it(store: DirectoryStore, upstream: Upstream) -> None:
    image = upstream.manifest()
    fill(store, upstream, without=upstream.shared.digest)
    with pytest.raises(IntegrityError, match=f"lacks 1 blobs below {image.digest}: {upstream.shared.digest}"):
        store.tag(image, f"{REDIS}:7")
    assert store.repositories() == []


def test_names_that_are_not_there_are_refused(store: DirectoryStore) -> None:
    with pytest.raises(RegistryError, match=r"has no docker\.io/library/redis:8"):
        store.resolve("redis:8")
    with pytest.raises(ConfigError, match="not an image reference"):
        store.resolve("Redis")


def test_referrers_belong_to_a_repository(store: DirectoryStore, upstream: Upstream) -> None:
    image = upstream.manifest()
    signature = upstream.signature(image)
    fill(store, upstream)
    store.tag(image, f"{REDIS}:7")
    store.tag(image, "quay.io/copy/redis:7")
    assert store.repositories_with(image.digest) == [REDIS, "quay.io/copy/redis"]
    store.add_referrer(REDIS, image.digest, signature, tag="sha256-abc.sig")
    (listed,) = store.referrers(REDIS, image.digest)
    assert (listed.digest, listed.artifact_type) == (signature.digest, "application/vnd.example.signature")
    assert store.referrers("quay.io/copy/redis", image.digest) == []
    assert store.manifest(REDIS, signature.digest) is not None
    assert store.tags(REDIS) == ["7", "sha256-abc.sig"]


def test_bundles_are_kept_by_their_roots(store: DirectoryStore, upstream: Upstream) -> None:
    first, second = upstream.index(upstream.manifest()), upstream.index(upstream.manifest())
    fill(store, upstream)
    for root in (second, first, second):
        store.add_bundle(root)
    assert [root.digest for root in store.bundles()] == [second.digest, first.digest]
    with pytest.raises(IntegrityError, match="has no"):
        store.add_bundle(upstream.absent("arm64"))


def test_other_tools_find_the_names_in_the_layout(store: DirectoryStore, upstream: Upstream) -> None:
    image = upstream.manifest()
    fill(store, upstream)
    store.tag(image, f"{REDIS}:7")
    store.tag(image, f"quay.io/by/digest@{image.digest}")
    store.write_index()
    layout = LayoutSource.at(str(store.path))
    assert {str(reference) for reference, _ in layout.images()} == {
        f"{REDIS}:7",
        f"quay.io/by/digest@{image.digest}",
    }
    assert len(layout.graph.blobs) == 4


@pytest.mark.peer("skopeo")
@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_reads_the_store(store: DirectoryStore, upstream: Upstream) -> None:
    image = upstream.manifest()
    fill(store, upstream)
    store.tag(image, f"{REDIS}:7")
    store.write_index()
    raw = subprocess.run(
        ["skopeo", "inspect", "--raw", f"oci:{store.path}:{REDIS}:7"], check=True, capture_output=True
    ).stdout
    assert Digest.of(raw) == image.digest


def test_a_store_is_opened_for_reading_by_another_process_and_sees_what_comes(
    store: DirectoryStore, upstream: Upstream
) -> None:
    image = upstream.manifest()
    fill(store, upstream)
    reader = DirectoryStore.open_existing(store.path)
    assert reader.repositories() == []
    store.tag(image, f"{REDIS}:7")
    assert reader.resolve(f"{REDIS}:7").digest == image.digest
    assert graph.read_verified(reader, image, max_bytes=10_000)
    with pytest.raises(PackhorseError, match="cannot be used"):
        reader.tag(image, f"{REDIS}:8")
    reader.close()


def test_a_store_on_a_medium_that_cannot_be_written_is_read(tmp_path: Path, upstream: Upstream) -> None:
    image = upstream.manifest()
    writer = DirectoryStore.create(tmp_path / "store")
    fill(writer, upstream)
    writer.tag(image, f"{REDIS}:7")
    writer.close()
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    bound = subprocess.run(["mount", "--bind", str(tmp_path / "store"), str(mounted)], check=False, capture_output=True)
    if bound.returncode:
        pytest.skip("a read-only medium needs root")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(mounted)], check=True)
        with pytest.raises(OSError, match="Read-only"):
            (mounted / "x").touch()
        reader = DirectoryStore.open_existing(mounted)
        assert reader.resolve(f"{REDIS}:7").digest == image.digest
        assert graph.read_verified(reader, image, max_bytes=10_000)
        reader.close()
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


WRITER = """
import sys
from pathlib import Path
from packhorse.store.directory_store import DirectoryStore
from packhorse.bundle.sources import BytesSource
from tests.unit.store.test_directory_store import fill
from tests.support.packages import Upstream
store = DirectoryStore.create(Path(sys.argv[1]))
upstream = Upstream()
images = [upstream.manifest() for _ in range(20)]
fill(store, upstream)
for number, image in enumerate(images):
    store.tag(image, f"docker.io/team/app{number}:{sys.argv[2]}")
"""


def test_several_processes_write_the_same_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store"
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"v{number}"], stderr=subprocess.PIPE)
        for number in range(3)
    ]
    for process in running:
        _, said = process.communicate(timeout=50)
        assert process.returncode == 0, said.decode()
    store = DirectoryStore.open_existing(path)
    assert len(list(store.images())) == 60
    assert list((path / "incoming").iterdir()) == []
    store.close()


def test_several_threads_read_and_write_at_once(store: DirectoryStore, upstream: Upstream) -> None:
    images = [upstream.manifest() for _ in range(30)]
    fill(store, upstream)
    failures: list[Exception] = []

    def work(mine: list[Descriptor]) -> None:
        try:
            for image in mine:
                store.tag(image, f"docker.io/team/app:{image.digest.hex[:12]}")
                assert store.resolve(f"docker.io/team/app:{image.digest.hex[:12]}").digest == image.digest
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(images[number::3],)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.tags("docker.io/team/app") or ()) == 30


def test_what_killed_writers_left_is_removed_by_the_next_writer(store: DirectoryStore) -> None:
    left, fresh = store.path / "incoming" / "left", store.path / "incoming" / "fresh"
    left.write_bytes(b"half a blob")
    with fresh.open("wb") as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        DirectoryStore.create(store.path).close()
        assert fresh.exists()
    assert not left.exists()
    DirectoryStore.create(store.path).close()
    assert not fresh.exists()


def test_a_writer_in_its_work_is_left_alone_however_the_clock_goes(
    store: DirectoryStore, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Looking(BytesStream):
        """Opens the store again while a blob comes, years later."""

        def readinto(self, buffer: memoryview) -> int:
            now = time.time()
            with monkeypatch.context() as patched:
                patched.setattr(time, "time", lambda: now + 10 * 365 * 86400)
                DirectoryStore.create(store.path).close()
            return super().readinto(buffer)

    class Source(BytesSource):
        def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
            return Looking(upstream.blobs.content[descriptor.digest], offset)

    layer = upstream.layer(1000)
    store.push(layer, Source(upstream.blobs.content))
    assert store.exists(layer)


def test_without_locks_age_tells_what_is_abandoned(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    left, fresh = store.path / "incoming" / "left", store.path / "incoming" / "fresh"
    for path in (left, fresh):
        path.write_bytes(b"half a blob")
    two_days_ago = time.time() - 48 * 3600
    os.utime(left, (two_days_ago, two_days_ago))
    DirectoryStore.create(store.path).close()
    assert fresh.exists()
    assert not left.exists()


def test_no_name_outlasts_content_whose_writer_was_killed_before_the_sync(
    store: DirectoryStore, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = upstream.manifest()
    fill(store, upstream)
    store.close()
    synced: list[str] = []
    fsync = os.fsync

    def seen(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        fsync(fd)

    again = DirectoryStore.create(store.path)
    monkeypatch.setattr(os, "fsync", seen)
    again.tag(image, "docker.io/team/app:1")
    again.tag(image, "docker.io/team/app:2")
    again.close()
    assert synced == [str(store.path / "blobs" / "sha256")]


def test_the_folders_of_a_store_outlast_a_power_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: set[Path] = set()
    fsync = os.fsync

    def seen(fd: int) -> None:
        synced.add(Path(f"/proc/self/fd/{fd}").readlink())
        fsync(fd)

    monkeypatch.setattr(os, "fsync", seen)
    path = tmp_path / "site" / "store"
    for _ in range(2):
        synced.clear()
        DirectoryStore.create(path).close()
        assert {path.parent, path, path / "blobs"} <= synced
    assert tmp_path not in synced


def test_a_folder_that_cannot_be_synced_gives_no_name(
    store: DirectoryStore, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = upstream.manifest()
    fsync = os.fsync
    is_broken = [True]

    def broken(fd: int) -> None:
        if is_broken and Path(f"/proc/self/fd/{fd}").is_dir():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(PackhorseError, match="cannot be written: Input/output error"):
        fill(store, upstream)
    is_broken.clear()
    fill(store, upstream)
    is_broken.append(True)
    with pytest.raises(PackhorseError, match="cannot be written: Input/output error"):
        store.tag(image, "docker.io/team/app:1")
    assert list(store.images()) == []
    is_broken.clear()
    store.tag(image, "docker.io/team/app:1")


@pytest.mark.parametrize(
    "made", [["incoming"], ["incoming", "blobs/sha256"], ["incoming", "blobs/sha512", "oci-layout"]]
)
def test_a_store_that_was_not_finished_is_finished(tmp_path: Path, upstream: Upstream, made: list[str]) -> None:
    for folder in made:
        (tmp_path / folder).mkdir(parents=True)
    if "oci-layout" in made:
        (tmp_path / "oci-layout").rmdir()
        (tmp_path / "oci-layout").write_text("{}")
    image = upstream.manifest()
    store = DirectoryStore.create(tmp_path)
    fill(store, upstream)
    store.tag(image, "docker.io/team/app:1")
    assert store.resolve("docker.io/team/app:1").digest == image.digest
    store.close()


def test_the_layout_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    (tmp_path / "oci-layout").write_text("{}")
    with pytest.raises(ConfigError, match="not empty and no store"):
        DirectoryStore.create(tmp_path)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(ConfigError, match="not empty and no store"):
        DirectoryStore.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    with pytest.raises(ConfigError, match="is no store"):
        DirectoryStore.open_existing(tmp_path)


def test_a_full_disk_is_named_and_leaves_nothing(store: DirectoryStore, upstream: Upstream) -> None:
    blob = upstream.layer(5_000_000)

    class Full:
        def open(self, descriptor: Descriptor, *, offset: int = 0) -> BytesStream:
            del descriptor, offset
            raise OSError(28, "No space left on device")

    source: ContentSource = Full()
    with pytest.raises(PackhorseError, match="No space left") as refused:
        store.push(blob, source)
    assert refused.value.hint is not None
    assert files(store) == set()


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    DirectoryStore.create(tmp_path / "store").close()
    (tmp_path / "store/packhorse.db").write_bytes(b"no database" * 1000)
    with pytest.raises(IntegrityError, match="damaged"):
        DirectoryStore.create(tmp_path / "store")


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    DirectoryStore.create(tmp_path / "store").close()
    connection = sqlite3.connect(tmp_path / "store/packhorse.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for opening in (DirectoryStore.create, DirectoryStore.open_existing):
        with pytest.raises(ConfigError, match="schema version 99"):
            opening(tmp_path / "store")


def test_a_file_where_the_store_shall_be_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="cannot be a store"):
            DirectoryStore.create(path)


def test_a_store_of_the_first_version_is_brought_up_to_date(tmp_path: Path, upstream: Upstream) -> None:
    image = upstream.manifest()
    store = DirectoryStore.create(tmp_path / "store")
    fill(store, upstream)
    store.tag(image, f"{REDIS}:7")
    store.close()
    database = sqlite3.connect(tmp_path / "store" / "packhorse.db")
    database.executescript(
        "ALTER TABLE names DROP COLUMN digest; ALTER TABLE names DROP COLUMN added;"
        "ALTER TABLE members DROP COLUMN added; ALTER TABLE bundles DROP COLUMN added; DROP TABLE pins;"
        "PRAGMA user_version = 1;"
    )
    database.close()
    reader = DirectoryStore.open_existing(tmp_path / "store")
    assert reader.resolve(f"{REDIS}:7").digest == image.digest
    reader.close()
    store = DirectoryStore.create(tmp_path / "store")
    assert store.resolve(f"{REDIS}:7").digest == image.digest
    store.close()
    database = sqlite3.connect(tmp_path / "store" / "packhorse.db")
    assert database.execute("PRAGMA user_version").fetchone() == (3,)
    assert database.execute("SELECT digest FROM names WHERE added > 0").fetchall() == [(image.digest,)]
    assert database.execute("SELECT * FROM pins").fetchall() == []
    assert set(database.execute("SELECT added FROM members").fetchall()) == {(0,)}
    database.close()
