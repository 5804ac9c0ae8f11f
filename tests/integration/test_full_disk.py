"""A disk that is really full: a small tmpfs, mounted for the test, that gets more room for the second run."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.command import Ended, packhorse
from faults.stage import PackageStage

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
