"""The peers: which of them are here, and how each does what Packhorse does.

crane and regctl are built from their Go modules when there is a Go toolchain; skopeo comes from the distribution;
imgpkg, oras, hauler and zarf take part when they are on PATH.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.scene import Scene
from e2e.cluster.errors import BedError
from e2e.readers import MODULES, ensure_go_program

__all__ = ["Peer", "find_peers"]

Commands = Callable[[Scene], list[list[str]]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A program, and its command lines for a job; a job that it cannot do is None."""

    name: str
    program: str
    version: tuple[str, ...]
    pull: Commands | None = None
    """All images of the scene into files under the scene's output folder."""
    push: Commands | None = None
    """What :attr:`pull` made, into the second registry."""


def find_peers() -> list[Peer]:
    """Return the peers that can run here, building those that are Go modules once."""
    for name in MODULES:
        try:
            folder = ensure_go_program(name).parent
        except BedError as error:
            print(f"{name} takes no part: {error}")
        else:
            os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return [peer for peer in _PEERS if shutil.which(peer.program)]


def _skopeo_pull(scene: Scene) -> list[list[str]]:
    return [
        ["skopeo", "copy", "--quiet", "--all", "--preserve-digests", "--src-tls-verify=false",
         f"docker://{scene.source}/{image}", f"oci-archive:{scene.out}/skopeo-{number}.tar:{image}"]
        for number, image in enumerate(scene.images)
    ]  # fmt: skip


def _skopeo_push(scene: Scene) -> list[list[str]]:
    return [
        ["skopeo", "copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false",
         f"oci-archive:{scene.out}/skopeo-{number}.tar:{image}", f"docker://{scene.target}/{image}"]
        for number, image in enumerate(scene.images)
    ]  # fmt: skip


def _crane_pull(scene: Scene) -> list[list[str]]:
    references = [f"{scene.source}/{image}" for image in scene.images]
    return [["crane", "pull", "--insecure", "--format=oci", *references, f"{scene.out}/crane"]]


def _regctl_pull(scene: Scene) -> list[list[str]]:
    return [
        ["regctl", *_regctl_hosts(scene), "image", "copy", f"{scene.source}/{image}",
         f"ocidir://{scene.out}/regctl:{number}"]
        for number, image in enumerate(scene.images)
    ]  # fmt: skip


def _regctl_push(scene: Scene) -> list[list[str]]:
    return [
        ["regctl", *_regctl_hosts(scene), "image", "copy", f"ocidir://{scene.out}/regctl:{number}",
         f"{scene.target}/{image}"]
        for number, image in enumerate(scene.images)
    ]  # fmt: skip


def _regctl_hosts(scene: Scene) -> Sequence[str]:
    return [f"--host=reg={host},tls=disabled" for host in (scene.source, scene.target)]


def _imgpkg_pull(scene: Scene) -> list[list[str]]:
    return [["imgpkg", "copy", "--lock", f"{scene.folder}/images.yml", "--to-tar", f"{scene.out}/imgpkg.tar"]]


def _imgpkg_push(scene: Scene) -> list[list[str]]:
    return [["imgpkg", "copy", "--tar", f"{scene.out}/imgpkg.tar", "--to-repo", f"{scene.target}/imgpkg/all"]]


def _hauler_pull(scene: Scene) -> list[list[str]]:
    store = f"{scene.out}/hauler"
    return [
        ["hauler", "store", "sync", "--store", store, "--filename", f"{scene.folder}/hauler.yaml"],
        ["hauler", "store", "save", "--store", store, "--filename", f"{scene.out}/haul.tar.zst"],
    ]


def _hauler_push(scene: Scene) -> list[list[str]]:
    store = f"{scene.out}/hauler-loaded"
    return [
        ["hauler", "store", "load", "--store", store, "--filename", f"{scene.out}/haul.tar.zst"],
        ["hauler", "store", "copy", "--store", store, "--plain-http", f"registry://{scene.target}"],
    ]


_PEERS = (
    Peer("imgpkg", "imgpkg", ("imgpkg", "version"), _imgpkg_pull, _imgpkg_push),
    Peer("crane", "crane", ("crane", "version"), _crane_pull),
    Peer("regctl", "regctl", ("regctl", "version", "--format", "{{.VCSTag}}"), _regctl_pull, _regctl_push),
    Peer("hauler", "hauler", ("hauler", "version"), _hauler_pull, _hauler_push),
    Peer("skopeo", "skopeo", ("skopeo", "--version"), _skopeo_pull, _skopeo_push),
)
