"""inspect, verify and extract as use cases, on a real bundle."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from packhorse.app.build import build
from packhorse.app.extract import extract_chart, extract_file, extract_image
from packhorse.app.inspect import inspect_bundle
from packhorse.app.verify import verify_bundle
from packhorse.base.errors import IntegrityError, UsageError
from packhorse.base.events import NullReporter
from packhorse.bundle.reader import Bundle
from packhorse.oci.digest import Digest
from tests.support.packages import CHART_ARCHIVE, materials, sample


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle."""
    what, upstream = sample(tmp_path_factory.mktemp("bundle"))
    build(what, materials(upstream), NullReporter())
    return what.output


def damaged(bundle: Path, folder: Path) -> Path:
    """A copy of which one bit of the largest layer is wrong."""
    data = bytearray(bundle.read_bytes())
    with Bundle.open_file(bundle) as opened:
        extent = opened.locate(max(opened.blobs, key=lambda blob: blob.size))
        assert extent is not None
        data[extent.offset + 5] ^= 1
    broken = folder / "broken.tar"
    broken.write_bytes(data)
    return broken


def test_inspect_tells_images_by_platform_and_what_they_share(bundle: Path) -> None:
    summary = inspect_bundle(bundle)
    package = summary.packages[0]
    assert (package.name, package.version, package.components) == ("sample", "1.0.0", ("main",))
    multi = package.images[0]
    assert multi.name == "docker.io/library/multi:1"
    assert [item.platform for item in multi.platforms] == ["linux/amd64", "linux/arm64"]
    assert multi.shared_bytes == 20_000
    assert multi.bytes > multi.shared_bytes
    assert multi.referrers == ("application/vnd.example.signature",)
    assert [chart.name for chart in package.charts] == ["shop"]
    assert [(file.name, file.component) for file in package.files] == [("bin/probe", "main"), ("values.yaml", "main")]
    assert summary.total_bytes == bundle.stat().st_size


def test_inspect_reads_the_front_only(bundle: Path, tmp_path: Path) -> None:
    # A layer is damaged: inspect does not care, verify does.
    broken = damaged(bundle, tmp_path)
    assert inspect_bundle(broken).root == inspect_bundle(bundle).root
    with pytest.raises(IntegrityError) as caught:
        verify_bundle(broken, None, workers=2, reporter=NullReporter())
    assert caught.value.message.startswith("Damaged: 1 of")
    (failure,) = caught.value.failures
    assert "layer" in failure.message
    assert "expected sha256:" in failure.message


def test_verify_tells_what_was_verified(bundle: Path) -> None:
    root = inspect_bundle(bundle).root
    result = verify_bundle(bundle, root, workers=2, reporter=NullReporter())
    assert (result.root, result.root_expected) == (root, True)
    with pytest.raises(IntegrityError, match="another bundle"):
        verify_bundle(bundle, Digest.of(b"x"), workers=2, reporter=NullReporter())


def test_an_image_is_extracted_as_a_layout_with_the_platforms_that_are_there(bundle: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "multi"
    with Bundle.open_file(bundle) as opened:
        extract_image(opened, "multi:1", target)
        entry = next(entry for reference, entry in opened.images() if str(reference) == "docker.io/library/multi:1")
    index = json.loads((target / "index.json").read_text())
    assert index["manifests"][0]["digest"] == entry.digest
    for path in (target / "blobs" / "sha256").iterdir():
        assert Digest.of(path.read_bytes()).hex == path.name
    assert sorted(path.name for path in target.parent.iterdir()) == ["multi"]


def test_a_chart_and_a_file_are_extracted_with_name_and_mode(bundle: Path, tmp_path: Path) -> None:
    with Bundle.open_file(bundle) as opened:
        assert extract_chart(opened, "shop", tmp_path).path == tmp_path / "shop-1.0.0.tgz"
        probe = extract_file(opened, "bin/probe", tmp_path).path
    assert (tmp_path / "shop-1.0.0.tgz").read_bytes() == CHART_ARCHIVE
    assert probe == tmp_path / "probe"
    assert probe.stat().st_mode & 0o777 == 0o755


def test_what_is_not_there_is_said_with_the_nearest_name(bundle: Path, tmp_path: Path) -> None:
    with Bundle.open_file(bundle) as opened:
        with pytest.raises(UsageError, match="no chart 'shpo'") as caught:
            extract_chart(opened, "shpo", tmp_path)
        assert caught.value.hint == "did you mean 'shop'?"
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "x").touch()
        with pytest.raises(UsageError, match="not empty"):
            extract_image(opened, "multi:1", tmp_path / "full")


def test_nothing_is_left_of_a_damaged_image(bundle: Path, tmp_path: Path) -> None:
    broken = damaged(bundle, tmp_path)
    with Bundle.open_file(broken) as opened, pytest.raises(IntegrityError, match="damaged"):
        extract_image(opened, "multi:1", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.tar"]


def test_the_commands_print_trees_and_json(bundle: Path, tmp_path: Path) -> None:
    def packhorse(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "packhorse", *arguments], check=True, capture_output=True, text=True, cwd=tmp_path
        )
        return done.stdout

    text = packhorse("inspect", str(bundle), "--full")
    assert "image docker.io/library/multi:1" in text
    assert "linux/arm64" in text
    data = json.loads(packhorse("inspect", str(bundle), "--output", "json"))
    assert data["schemaVersion"] == 1
    assert data["packages"][0]["images"][0]["platforms"][0]["platform"] == "linux/amd64"
    verified = json.loads(packhorse("verify", str(bundle), "--output", "json", "--root", data["root"]))
    assert verified["root"] == data["root"]
    assert verified["damaged"] == []
    assert "all as they should be" in packhorse("verify", str(bundle))
    assert "Wrote" in packhorse("extract", str(bundle), "--file", "values.yaml", "--to", str(tmp_path))
    assert tarfile.is_tarfile(bundle)


def test_damage_is_data_for_programs(bundle: Path, tmp_path: Path) -> None:
    broken = damaged(bundle, tmp_path)
    command = [sys.executable, "-m", "packhorse", "verify", str(broken)]
    done = subprocess.run([*command, "--output", "json"], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 4
    (blob,) = json.loads(done.stdout)["damaged"]
    assert blob["name"] == "blobs/" + blob["digest"].replace(":", "/")
    assert blob["digest"] in blob["message"]
    assert any("docker.io/library/multi:1" in needing for needing in blob["neededBy"])
    assert blob["digest"] in done.stderr


def test_a_root_that_is_no_digest_is_a_mistake_of_the_command_line(bundle: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "packhorse", "verify", str(bundle), "--root", "sha256:5f1c"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "--root: expected a digest" in done.stderr
