"""A disk that is really full: a small tmpfs, mounted for the test, that gets more room for the second run."""

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from faults.command import Ended, packhorse
from faults.stage import PackageStage
from packhorse.store.collection import Policy
from packhorse.store.directory_collection import collect_directory
from packhorse.store.directory_site import DirectorySite
from packhorse.store.refusals import RoomError
from tests.support.packages import Upstream
from tests.support.pushing import NAME, push_image
from tests.support.serving import running

SMALL, LARGE = "1m", "64m"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageStage]:
    with PackageStage(tmp_path_factory.mktemp("stage")) as stage:
        stage.prepare()
        yield stage


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = _run("mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder))
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield folder
    assert not _run("umount", str(folder)).returncode


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def grow(folder: Path) -> None:
    assert not _run("mount", "-o", f"remount,size={LARGE}", str(folder)).returncode


def fails_for_room(ended: Ended) -> None:
    assert ended.code in range(1, 10), ended.err
    assert "No space left" in ended.err or "is full" in ended.err or "not enough space" in ended.err
    assert "hint: " in ended.err
    assert "Traceback" not in ended.err


def test_lock_on_a_full_disk(stage: PackageStage, small_disk: Path) -> None:
    stage.copy(small_disk, "packhorse.yaml", "probe")
    filler = small_disk / "filler"
    room = os.statvfs(small_disk)
    filler.write_bytes(bytes(room.f_bavail * room.f_frsize))
    fails_for_room(packhorse(["lock", str(small_disk), *stage.mirror], stage.package))
    assert sorted(entry.name for entry in small_disk.iterdir()) == ["filler", "packhorse.yaml", "probe"]
    filler.unlink()
    again = packhorse(["lock", str(small_disk), *stage.mirror], stage.package)
    assert again.code == 0, again.err
    assert (small_disk / "packhorse.lock").read_bytes() == (stage.package / "packhorse.lock").read_bytes()


def test_build_on_a_full_disk(stage: PackageStage, small_disk: Path) -> None:
    output = small_disk / "shop.bundle.tar"
    build = ["build", str(stage.package), *stage.mirror, "--output", str(output)]
    fails_for_room(packhorse(build, stage.package))
    assert not output.exists()
    grow(small_disk)
    again = packhorse(build, stage.package)
    assert again.code == 0, again.err
    assert output.read_bytes() == (stage.package / "shop-1.0.0.bundle.tar").read_bytes()
    assert [entry.name for entry in small_disk.iterdir()] == [output.name]


def test_load_on_a_full_disk(stage: PackageStage, small_disk: Path) -> None:
    load = ["load", str(stage.package / "shop-1.0.0.bundle.tar"), "--store", str(small_disk / "store")]
    fails_for_room(packhorse(load, stage.package))
    grow(small_disk)
    again = packhorse(load, stage.package)
    assert again.code == 0, again.err
    assert not list((small_disk / "store" / "incoming").iterdir())
    for blob in (small_disk / "store" / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


def test_extract_on_a_full_disk(stage: PackageStage, small_disk: Path) -> None:
    bundle = stage.package / "shop-1.0.0.bundle.tar"
    extract = ["extract", str(bundle), "--image", "registry.example/shop/large:1", "--to", str(small_disk / "large")]
    fails_for_room(packhorse(extract, stage.package))
    assert not list(small_disk.iterdir())


def test_collecting_garbage_on_a_full_disk(small_disk: Path) -> None:
    grow(small_disk)
    path = small_disk / "store"
    upstream = Upstream()
    site = DirectorySite.create(path)
    kept = push_image(site, upstream, upstream.manifest(size=50_000), ["kept"])
    for number in range(20):
        push_image(site, upstream, upstream.manifest(size=50_000), [f"{number}"])
        site.delete_tag(NAME, f"{number}")
    site.close()
    fill_up(small_disk)
    site = DirectorySite.create(path)
    fill_up(small_disk)
    with running(site) as server:
        # What needs room is refused, what needs none goes on.
        assert server.ask("/v2/team/app/manifests/new", "PUT").status in {400, 403}
        with pytest.raises(RoomError):
            push_image(site, upstream, upstream.manifest(size=50_000), ["new"])
        assert site.delete_tag(NAME, "kept"), "a deletion has the room that is set aside"
        assert server.ask(f"/v2/team/app/manifests/{kept.digest}").status == 200
        fill_up(small_disk)
        collected = collect_directory(path, Policy(grace_seconds=0.0), time.time() + 1)
        assert collected.manifests == 21
        assert collected.swept.freed_bytes > 500_000
        site.forget_removed()
        (small_disk / "filler-0").unlink()
        push_image(site, upstream, kept, ["again"])
    site.close()


def fill_up(folder: Path) -> None:
    """Write until not a page is left."""
    number = len(list(folder.glob("filler-*")))
    with suppress(OSError), (folder / f"filler-{number}").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(65_536))
    with suppress(OSError), (folder / f"filler-{number}").open("ab", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
