"""A bundle in the hands of somebody who has no Packhorse: skopeo, regctl and crane read it, Helm pulls from it."""

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from bench.peers.install import ensure_go_program
from corpus.maker import Maker
from corpus.sets import SETS
from corpus.workshop import Workshop
from e2e.cluster.process import Daemon, wait_until

_PROJECT = Path(__file__).resolve().parents[1]
_PACKHORSE = Path(sys.executable).with_name("packhorse")
_TOOLS = _PROJECT / ".cache" / "tools" / "bin"
_REGISTRY = "127.0.0.1:45017"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notice board, built."""
    folder = tmp_path_factory.mktemp("readers") / "package"
    shutil.copytree(_PROJECT / "examples" / "demo", folder, ignore=shutil.ignore_patterns("images"))
    Maker(Workshop(_PROJECT / ".cache" / "corpus")).all_in_one(SETS["demo"], folder / "images")
    for verb in ("lock", "build"):
        run(_PACKHORSE, verb, folder)
    return folder / "noticeboard-1.0.0.bundle.tar"


@pytest.fixture(scope="module")
def images(bundle: Path) -> dict[str, str]:
    """Names and digests, as the bundle tells them."""
    packages = json.loads(run(_PACKHORSE, "inspect", bundle, "--output", "json"))["packages"]
    return {image["name"]: image["digest"] for image in packages[0]["images"]}


def run(*command: str | Path, folder: Path | None = None) -> str:
    """Run a program to its end, and return what it printed."""
    done = subprocess.run(list(command), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_skopeo_inspects_and_copies_every_image(bundle: Path, images: dict[str, str], tmp_path: Path) -> None:
    for name, digest in images.items():
        run("skopeo", "copy", "--quiet", "--all", "--preserve-digests", f"oci-archive:{bundle}:{name}", "oci:out:1",
            folder=tmp_path)  # fmt: skip
        index = json.loads((tmp_path / "out" / "index.json").read_text())
        assert digest in {entry["digest"] for entry in index["manifests"]}
        assert json.loads(run("skopeo", "inspect", f"oci-archive:{bundle}:{name}"))["Layers"]


def test_regctl_imports_every_image(bundle: Path, images: dict[str, str], tmp_path: Path) -> None:
    regctl = ensure_go_program("regctl")
    for number, (name, digest) in enumerate(images.items()):
        run(regctl, "image", "import", f"ocidir://{tmp_path}/out:{number}", bundle, "--name", name)
        assert run(regctl, "manifest", "head", f"ocidir://{tmp_path}/out:{number}").strip() == digest


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """A registry of others, empty, on loopback."""
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {"addr": _REGISTRY, "secret": "readers"},
    }
    (folder / "registry.yml").write_text(yaml.safe_dump(settings))
    server = Daemon("registry", ["docker-registry", "serve", str(folder / "registry.yml")], folder / "registry.log")
    try:
        wait_until(lambda: _answers(_REGISTRY), "the registry to answer", timeout_seconds=20, watching=[server])
        yield _REGISTRY
    finally:
        server.kill()


def _answers(address: str) -> bool:
    return subprocess.run(["curl", "-sf", f"http://{address}/v2/"], capture_output=True, check=False).returncode == 0


def test_crane_pushes_the_unpacked_layout_and_reads_the_images_back(
    bundle: Path, images: dict[str, str], tmp_path: Path
) -> None:
    crane = ensure_go_program("crane")
    with tarfile.open(bundle) as tar:
        tar.extractall(tmp_path / "layout", filter="data")
    with registry(tmp_path) as address:
        run(crane, "push", "--insecure", "--index", tmp_path / "layout", f"{address}/all:1")
        for digest in images.values():
            assert run(crane, "digest", "--insecure", f"{address}/all@{digest}").strip() == digest
            run(crane, "validate", "--insecure", "--remote", f"{address}/all@{digest}")


def test_helm_pulls_a_chart_that_was_pushed(bundle: Path, tmp_path: Path) -> None:
    with registry(tmp_path) as address:
        copy = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci-archive:{bundle}:charts/noticeboard"]
        run(*copy, f"docker://{address}/charts/noticeboard:1.0.0")
        run(_TOOLS / "helm", "pull", "--plain-http", f"oci://{address}/charts/noticeboard", "--version", "1.0.0",
            folder=tmp_path)  # fmt: skip
        assert "name: noticeboard" in run(_TOOLS / "helm", "show", "chart", "noticeboard-1.0.0.tgz", folder=tmp_path)
