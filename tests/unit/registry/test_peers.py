"""What other programs make of the server."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from packhorse.oci.digest import Digest
from packhorse.registry.api import PROBE_REGISTRY, PROBE_REPOSITORY
from packhorse.registry.nodes.model import Mirror
from packhorse.registry.nodes.registries_conf import render_registries_conf
from tests.support.serving import Served

pytestmark = [
    pytest.mark.peer("skopeo"),
    pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed"),
]


def skopeo(*arguments: str) -> bytes:
    """Run skopeo, and return what it prints."""
    return subprocess.run(["skopeo", *arguments], check=True, capture_output=True).stdout


def test_skopeo_pulls_every_image_with_its_digest(served: Served, tmp_path: Path) -> None:
    address = f"{served.server.host}:{served.server.port}"
    for number, (name, entry) in enumerate(served.bundle.images()):
        for repository in (name.repository, name.name):
            image = f"docker://{address}/{repository}:{name.tag}"
            raw = skopeo("inspect", "--tls-verify=false", "--raw", image)
            assert Digest.of(raw) == entry.digest
            folder = tmp_path / f"{number}-{repository.replace('/', '-')}"
            # The layers of these images are random bytes, so they are compared, never unpacked.
            skopeo("copy", "--src-tls-verify=false", "--override-arch=amd64", image, f"dir:{folder}")
            manifest = json.loads((folder / "manifest.json").read_bytes())
            for part in (manifest["config"], *manifest["layers"]):
                content = (folder / part["digest"].removeprefix("sha256:")).read_bytes()
                assert Digest.of(content) == part["digest"]


def test_skopeo_lists_the_tags(served: Served) -> None:
    address = f"{served.server.host}:{served.server.port}"
    listed = json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{address}/docker.io/library/multi"))
    assert listed["Tags"] == ["1"]


def test_the_library_of_podman_and_crio_pulls_from_the_mirror_and_from_nowhere_else(
    served: Served, tmp_path: Path
) -> None:
    settings = tmp_path / "registries.conf"
    settings.write_bytes(render_registries_conf(Mirror.parse(served.server.url), ["docker.io"]))
    ask = ("--registries-conf", str(settings), "inspect", "--raw")
    image = next(entry for name, entry in served.bundle.images() if name.repository == "library/multi")
    assert Digest.of(skopeo(*ask, "docker://docker.io/library/multi:1")) == image.digest
    probe = f"{PROBE_REGISTRY}/{PROBE_REPOSITORY}/p-skopeo:latest"
    for missing in ("docker.io/library/nothing:1", probe):
        refused = subprocess.run(["skopeo", *ask, f"docker://{missing}"], check=False, capture_output=True, text=True)
        assert refused.returncode != 0
        assert f"registry {missing.partition('/')[0]} is blocked" in refused.stderr
        assert "dial" not in refused.stderr
    assert json.loads(served.ask("/probe/p-skopeo").body)["seen"] == 1
