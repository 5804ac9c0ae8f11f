"""What is measured on: real images in a registry on loopback, a second one to push to, and a folder for results."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from bench.measure import BenchError
from corpus.layout import Layout
from corpus.maker import Maker
from corpus.registry import push
from corpus.sets import SETS
from corpus.workshop import Workshop

__all__ = ["Scene", "open_scene"]

_READY_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Scene:
    """Where everything is. Hosts are ``127.0.0.1:PORT``; images are ``upstream-host/path:tag`` below them."""

    folder: Path
    source: str
    target: str
    images: tuple[str, ...]
    digests: tuple[str, ...]

    @property
    def out(self) -> Path:
        """Where programs write; emptied before each run that is measured."""
        return self.folder / "out"

    @property
    def package(self) -> Path:
        """A package that lists all images."""
        return self.folder / "package"

    @property
    def bundle(self) -> Path:
        """What Packhorse builds of it."""
        return self.out / "bench.bundle.tar"

    def clear(self, *beginnings: str) -> None:
        """Remove what is in :attr:`out` and has a name that begins so."""
        self.out.mkdir(exist_ok=True)
        for path in list(self.out.iterdir()):
            if path.name.startswith(beginnings):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def clear_target(self) -> None:
        """Empty the registry that is pushed to."""
        shutil.rmtree(self.folder / "target", ignore_errors=True)


@contextmanager
def open_scene(folder: Path, cache: Path, sets: list[str]) -> Iterator[Scene]:
    """Make the images, start both registries, fill the first, and write what each program reads.

    Raises:
        BenchError: There is no registry program, or it does not start.
    """
    if shutil.which("docker-registry") is None:
        raise BenchError("expected the program docker-registry (Debian: apt-get install docker-registry)")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    layouts = [Maker(Workshop(cache)).all_in_one(SETS[name], folder / "layouts" / name) for name in sets]
    with _registry(folder, "source") as source, _registry(folder, "target") as target:
        named = {name: digest for layout in layouts for name, digest in _push(layout, source).items()}
        scene = Scene(folder, source, target, tuple(named), tuple(named.values()))
        _write_inputs(scene)
        yield scene


def _push(layout: Layout, registry: str) -> dict[str, str]:
    push(layout, f"http://{registry}")
    return {name: str(descriptor["digest"]) for name, descriptor in layout.named()}


@contextmanager
def _registry(folder: Path, name: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    settings = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / name)}, "delete": {"enabled": True}},
        "http": {"addr": address, "secret": "bench"},
    }
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(settings))
    with (folder / f"{name}.log").open("wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", str(path)], stdout=log, stderr=log)
    try:
        _wait(address, server)
        yield address
    finally:
        server.kill()
        server.wait()


def _wait(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(f"http://{address}/v2/", timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise BenchError(f"docker-registry did not answer at {address}")


def _write_inputs(scene: Scene) -> None:
    references = [f"{scene.source}/{image}" for image in scene.images]
    scene.package.mkdir()
    definition = {
        "apiVersion": "packhorse.dev/v1alpha1",
        "kind": "Package",
        "metadata": {"name": "bench", "version": "1.0.0"},
        "platforms": ["linux/amd64", "linux/arm64"],
        "components": [{"name": "bench", "images": references}],
    }
    (scene.package / "packhorse.yaml").write_text(yaml.safe_dump(definition, sort_keys=False))
    pinned = [
        {"image": f"{reference.rpartition(':')[0]}@{digest}"}
        for reference, digest in zip(references, scene.digests, strict=True)
    ]
    lock = {"apiVersion": "imgpkg.carvel.dev/v1alpha1", "kind": "ImagesLock", "images": pinned}
    (scene.folder / "images.yml").write_text(yaml.safe_dump(lock))
    haul = {
        "apiVersion": "content.hauler.cattle.io/v1",
        "kind": "Images",
        "metadata": {"name": "bench"},
        "spec": {"images": [{"name": reference} for reference in references]},
    }
    (scene.folder / "hauler.yaml").write_text(yaml.safe_dump(haul))
