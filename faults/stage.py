"""What rounds are played with: a registry with images, and a package that lists them, locked and built once."""

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import yaml

from faults.command import Ended, packhorse
from faults.disk import Disk
from faults.messages import must_succeed
from faults.proxy import misdeeds, server
from faults.proxy.server import Proxy
from packhorse.oci.model import Descriptor
from tests.support.packages import Upstream
from tests.support.registry import Registry

__all__ = ["HOST", "IMAGES", "PackageStage", "put_images"]

HOST = "registry.example"
IMAGES = ("multi", "signed", "plain", "large")
_LAYER_BYTES = 300_000
_LARGE_LAYER_BYTES = 2_500_000
_FILE_BYTES = 150_000


def put_images(registry: Registry, seed: int = 0) -> Upstream:
    """Put the images into a registry, under ``registry.example/shop/NAME:1``."""
    upstream = Upstream(seed)
    amd64 = upstream.manifest("amd64", size=_LAYER_BYTES)
    arm64 = upstream.manifest("arm64", size=_LAYER_BYTES)
    index = upstream.index(amd64, arm64, upstream.absent("s390x"))
    signed = upstream.manifest(size=_LAYER_BYTES)
    signature = upstream.signature(signed)
    plain = upstream.manifest(layers=4, size=_LAYER_BYTES)
    large = upstream.manifest(layers=1, size=_LARGE_LAYER_BYTES)
    roots = {"multi": (index, amd64, arm64), "signed": (signed, signature), "plain": (plain,), "large": (large,)}
    for name, nodes in roots.items():
        repository = f"{HOST}/shop/{name}"
        for place, node in enumerate(nodes):
            content = upstream.blobs.content[node.digest]
            registry.put_content(repository, content, node.media_type, None if place else "1")
        registry.repository(repository).blobs.update(map(str, upstream.blobs.content))
    registry.blobs.update({str(digest): content for digest, content in upstream.blobs.content.items()})
    return upstream


class PackageStage:
    """A registry behind a faulty proxy, and a package; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.registry = Registry()
        self._stack.callback(self.registry.close)
        self.upstream = put_images(self.registry)
        self.proxy: Proxy = self._stack.enter_context(server.running(self.registry.url, misdeeds.MISDEEDS))
        self.package = folder / "package"
        self._write_package()

    @property
    def mirror(self) -> tuple[str, ...]:
        """The options that lead to the registry."""
        return ("--mirror", f"{HOST}={self.proxy.url}/{HOST}", "--mirror-only")

    def lock(self, package: Path, *more: str, disk: Disk | None = None) -> Ended:
        """Lock a package."""
        return packhorse(["lock", str(package), *self.mirror, *more], package, disk)

    def prepare(self) -> Path:
        """Lock the package and build it, without faults; return the bundle."""
        self.proxy.begin()
        must_succeed(self.lock(self.package), "the first lock")
        must_succeed(packhorse(["build", str(self.package), *self.mirror], self.package), "the first build")
        return self.package / "shop-1.0.0.bundle.tar"

    def copy(self, folder: Path, *names: str) -> Path:
        """Copy some files of the package into an empty folder."""
        for name in names:
            shutil.copyfile(self.package / name, folder / name)
        return folder

    def close(self) -> None:
        """Stop both servers."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _write_package(self) -> None:
        self.package.mkdir(parents=True)
        component = {
            "name": "main",
            "images": [f"{HOST}/shop/{name}:1" for name in IMAGES],
            "files": [{"source": "probe", "target": "/usr/local/bin/probe", "mode": "0755"}],
        }
        definition = {
            "apiVersion": "packhorse.dev/v1alpha1",
            "kind": "Package",
            "metadata": {"name": "shop", "version": "1.0.0"},
            "platforms": ["linux/amd64", "linux/arm64"],
            "components": [component],
        }
        (self.package / "packhorse.yaml").write_text(yaml.safe_dump(definition, sort_keys=False))
        layer: Descriptor = self.upstream.layer(_FILE_BYTES)
        (self.package / "probe").write_bytes(self.upstream.blobs.content[layer.digest])
