"""Building: the same bytes always, going on after a kill, single failures, and what other programs make of it."""

import dataclasses
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from packhorse.app.build import build
from packhorse.base.errors import ConfigError, IntegrityError, NetworkError, UsageError
from packhorse.base.events import NullReporter
from packhorse.bundle.content import PackageConfig
from packhorse.bundle.part_file import PartFile
from packhorse.bundle.reader import Bundle
from packhorse.bundle.sources import BytesSource
from packhorse.bundle.verify import verify
from packhorse.oci.digest import Digest
from packhorse.oci.manifest import parse, successors
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream
from tests.support.packages import DEFINITION, SampleMaterials, Upstream, materials, sample


def sha256(path: Path) -> str:
    """Hash a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class CountingSource(BytesSource):
    """Counts what is asked of it, and fails where it is told to."""

    def __init__(self, content: dict[Digest, bytes], failing: frozenset[Digest] = frozenset()) -> None:
        super().__init__(content)
        self.opened: Counter[Digest] = Counter()
        self.failing = failing

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Count, fail, or open."""
        self.opened[descriptor.digest] += 1
        if descriptor.digest in self.failing:
            message = "connection reset"
            raise NetworkError(message)
        return super().open(descriptor, offset=offset)


def test_concurrency_and_place_do_not_change_a_byte(tmp_path: Path) -> None:
    digests = set()
    for number, workers in enumerate((1, 2, 7)):
        folder = tmp_path / str(number)
        folder.mkdir()
        what, upstream = sample(folder)
        build(dataclasses.replace(what, workers=workers), materials(upstream), NullReporter())
        digests.add(sha256(what.output))
    assert len(digests) == 1


def test_the_bundle_has_what_the_lock_lists_and_nothing_else(tmp_path: Path) -> None:
    what, upstream = sample(tmp_path)
    result = build(what, materials(upstream), NullReporter())
    with Bundle.open_file(what.output) as bundle:
        assert bundle.root.digest == result.root
        assert verify(bundle, workers=2, progress=lambda _blob, _count: None) == []
        names = [str(reference) for reference, _ in bundle.images()]
        assert names == sorted(image.name for image in what.config.lock.images)
        assert bundle.packages[0].lock == what.config.lock
        assert bundle.packages[0].definition == what.config.definition
        assert set(bundle.packages[0].files()) >= {"packhorse.yaml", "bin/probe", "values.yaml"}
        assert bundle.read(bundle.packages[0].files()["packhorse.yaml"]) == DEFINITION
    # The shared layer, once for each manifest but the first, and the empty config of the two artifacts.
    assert result.shared_bytes == 20_000 * len(what.config.lock.images) + len(b"{}")
    assert not PartFile(what.output).part.exists()
    assert not PartFile(what.output).journal.exists()


def test_building_again_fetches_no_layer_and_changes_nothing(tmp_path: Path) -> None:
    what, upstream = sample(tmp_path)
    build(what, materials(upstream), NullReporter())
    before = what.output.stat().st_mtime_ns
    source = CountingSource(upstream.blobs.content)
    again = build(what, SampleMaterials(source), NullReporter())
    assert again.unchanged
    assert again.fetched_bytes == 0
    assert what.output.stat().st_mtime_ns == before
    assert not source.opened


def test_a_damaged_bundle_under_the_final_name_is_mended(tmp_path: Path) -> None:
    what, upstream = sample(tmp_path)
    build(what, materials(upstream), NullReporter())
    good = sha256(what.output)
    data = bytearray(what.output.read_bytes())
    data[-2000] ^= 1
    what.output.write_bytes(data)
    assert not build(what, materials(upstream), NullReporter()).unchanged
    assert sha256(what.output) == good


def test_one_missing_blob_fails_the_run_but_the_rest_is_kept(tmp_path: Path) -> None:
    what, upstream = sample(tmp_path)
    victim = upstream.shared.digest
    failing = CountingSource(upstream.blobs.content, frozenset({victim}))
    with pytest.raises(NetworkError) as caught:
        build(what, SampleMaterials(failing), NullReporter())
    assert "Could not fetch 1 of" in caught.value.message
    assert len(caught.value.failures) == 1
    assert str(victim) in caught.value.failures[0].message
    assert "layer 1 of docker.io/library/multi:1 (amd64)" in caught.value.failures[0].message
    assert not what.output.exists()
    source = CountingSource(upstream.blobs.content)
    build(what, SampleMaterials(source), NullReporter())
    assert dict(source.opened) == {victim: 1}


def test_a_blob_that_several_sources_have_is_taken_from_the_next_when_one_fails(tmp_path: Path) -> None:
    what, upstream = sample(tmp_path)
    build(what, materials(upstream), NullReporter())
    data = bytearray(what.output.read_bytes())
    with Bundle.open_file(what.output) as bundle:
        extent = bundle.locate(upstream.shared)
        assert extent is not None
        data[extent.offset] ^= 1
    what.output.write_bytes(data)
    source = CountingSource(upstream.blobs.content)
    build(what, SampleMaterials(source), NullReporter())
    assert dict(source.opened) == {upstream.shared.digest: 1}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:-1], "bytes of"),
        (lambda data: data + b"x", "more than"),
        (lambda data: b"x" + data[1:], "hash to"),
    ],
)
def test_wrong_bytes_are_refused_with_what_was_expected(
    tmp_path: Path, change: Callable[[bytes], bytes], said: str
) -> None:
    what, upstream = sample(tmp_path)
    content = dict(upstream.blobs.content)
    content[upstream.shared.digest] = change(content[upstream.shared.digest])
    with pytest.raises(IntegrityError) as caught:
        build(what, SampleMaterials(BytesSource(content)), NullReporter())
    assert said in caught.value.failures[0].message
    assert upstream.shared.digest in caught.value.failures[0].message
    assert not what.output.exists()


def test_another_lock_takes_over_what_an_earlier_run_left(tmp_path: Path) -> None:
    what, upstream = sample(tmp_path)
    victim = upstream.shared.digest
    with pytest.raises(NetworkError):
        build(what, SampleMaterials(CountingSource(upstream.blobs.content, frozenset({victim}))), NullReporter())
    lock = what.config.lock
    fewer = dataclasses.replace(
        what,
        config=PackageConfig(
            definition=what.config.definition, lock=msgspec.structs.replace(lock, images=lock.images[:2])
        ),
    )
    source = CountingSource(upstream.blobs.content)
    build(fewer, SampleMaterials(source), NullReporter())
    assert dict(source.opened) == {victim: 1}
    with Bundle.open_file(what.output) as bundle:
        assert verify(bundle, workers=1, progress=lambda _blob, _count: None) == []


def test_the_next_version_takes_from_the_one_before_what_it_has(tmp_path: Path) -> None:
    what, upstream = sample(tmp_path)
    build(what, materials(upstream), NullReporter())
    lock = what.config.lock
    added = upstream.manifest(size=3000)
    image = msgspec.structs.replace(lock.images[1], name="registry.example/new:1", digest=added.digest, size=added.size)
    config = PackageConfig(
        definition=what.config.definition, lock=msgspec.structs.replace(lock, images=(*lock.images, image))
    )
    source = CountingSource(upstream.blobs.content)
    following = dataclasses.replace(what, config=config, output=tmp_path / "next.tar", reuse=(what.output,))
    result = build(following, SampleMaterials(source), NullReporter())
    assert set(source.opened) == {added.digest, *_blobs_of(upstream, added)} - {upstream.shared.digest}
    assert result.reused_bytes > 20_000
    with Bundle.open_file(following.output) as bundle:
        assert verify(bundle, workers=1, progress=lambda _blob, _count: None) == []


def _blobs_of(upstream: Upstream, image: Descriptor) -> set[Digest]:
    node = parse(upstream.blobs.content[image.digest], image.media_type, "it")
    return {part.digest for part in successors(node)}


def test_a_stale_lock_is_refused(tmp_path: Path) -> None:
    what, upstream = sample(tmp_path)
    with pytest.raises(ConfigError, match="stale"):
        build(dataclasses.replace(what, definition_text=b"changed"), materials(upstream), NullReporter())


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    what, upstream = sample(tmp_path)
    (tmp_path / "values.yaml").write_bytes(b"replicas: 3\n")
    (tmp_path / "bin" / "probe").unlink()
    source = CountingSource(upstream.blobs.content)
    with pytest.raises(ConfigError, match="stale") as caught:
        build(what, SampleMaterials(source), NullReporter())
    assert [failure.message.partition(" ")[0] for failure in caught.value.failures] == [
        "packhorse.lock:",
        "values.yaml",
    ]
    assert caught.value.hint == "packhorse lock"
    assert not source.opened


def test_too_little_space_is_said_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    what, upstream = sample(tmp_path)
    real = os.fstatvfs

    def full(fd: int) -> os.statvfs_result:
        values = list(real(fd))
        values[4] = 0
        return os.statvfs_result(values)

    monkeypatch.setattr(os, "fstatvfs", full)
    before = set(tmp_path.iterdir())
    with pytest.raises(UsageError, match="not enough space"):
        build(what, materials(upstream), NullReporter())
    assert set(tmp_path.iterdir()) == before


_CHILD = """
import sys
from pathlib import Path
from tests.support.packages import SampleMaterials, sample
from packhorse.app.build import build
from packhorse.base.events import NullReporter
from tests.unit.bundle.test_build import SlowSource
what, upstream = sample(Path(sys.argv[1]), images=6)
build(what, SampleMaterials(SlowSource(upstream.blobs.content)), NullReporter())
"""


class SlowSource(BytesSource):
    """Says on stdout that a blob begins, so that a test can kill the process there."""

    def open(self, descriptor: Descriptor, *, offset: int = 0) -> BlobStream:
        """Tell, then open."""
        print(descriptor.digest, flush=True)  # noqa: T201 - the parent reads it
        return super().open(descriptor, offset=offset)


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_instant_the_next_run_goes_on(tmp_path: Path, seed: int) -> None:
    lines = random.Random(seed).randrange(1, 40)
    root = Path(__file__).parents[3]
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(tmp_path)], stdout=subprocess.PIPE, cwd=root, text=True)
    assert child.stdout is not None
    seen = [child.stdout.readline() for _ in range(lines)]
    child.send_signal(signal.SIGKILL)
    child.stdout.close()
    child.wait()
    what, upstream = sample(tmp_path, images=6)
    finished = what.output.exists()
    source = CountingSource(upstream.blobs.content)
    build(what, SampleMaterials(source), NullReporter())
    with Bundle.open_file(what.output) as bundle:
        assert verify(bundle, workers=1, progress=lambda _blob, _count: None) == []
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    clean, upstream = sample(fresh, images=6)
    build(clean, materials(upstream), NullReporter())
    assert sha256(clean.output) == sha256(what.output)
    assert seen
    if finished:
        assert not source.opened


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_skopeo_reads_every_image_of_the_bundle(tmp_path: Path) -> None:
    what, upstream = sample(tmp_path)
    build(what, materials(upstream), NullReporter())
    for image in what.config.lock.images:
        done = subprocess.run(
            ["skopeo", "inspect", "--raw", f"oci-archive:{what.output}:{image.name}"],
            check=True,
            capture_output=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        assert Digest.of(done.stdout) == image.digest
