"""A small package that has a part of every kind, and needs no network to be locked and built."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from e2e.cluster.images import ProgramImage, write_archive

__all__ = ["BUNDLE", "IMAGE", "RELEASE", "write_package"]

RELEASE = "quiet"
BUNDLE = f"{RELEASE}-1.0.0.bundle.tar"
IMAGE = "docker.io/library/tool:1"
_ARCHIVE = "tool.tar"

_FILES = {
    "packhorse.yaml": f"""\
apiVersion: packhorse.dev/v1alpha1
kind: Package
metadata: {{name: {RELEASE}, version: 1.0.0}}
components:
  - name: everything
    images: [{{name: '{IMAGE}', source: 'oci-archive:{_ARCHIVE}'}}]
    charts: [{{name: web, source: charts/web}}]
    manifests: [{{name: plain, files: [plain.yaml], namespace: default}}]
    kustomizations: [{{name: built, path: built, namespace: default}}]
    files: [{{source: probe.sh, target: /usr/local/bin/probe, mode: 0755}}]
    git: [{{name: source, source: source}}]
""",
    "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "charts/web/templates/web.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n",
    "plain.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\n",
    "built/kustomization.yaml": "resources: [object.yaml]\n",
    "built/object.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: built}\n",
    "probe.sh": "#!/bin/sh\nexit 0\n",
}


def write_package(folder: Path, program: Path) -> Path:
    """Write the package into a new folder, with ``program``, a static executable, for its image."""
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    write_archive(folder / _ARCHIVE, [ProgramImage(IMAGE, program)])
    _make_repository(folder / "source")
    return folder


def _make_repository(folder: Path) -> None:
    own: Mapping[str, str] = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "quiet@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    folder.mkdir()
    (folder / "README").write_text("quiet\n")
    for arguments in (("init", "--quiet"), ("add", "README"), ("commit", "--quiet", "--message=first")):
        subprocess.run(["git", *arguments], cwd=folder, env=own, check=True, capture_output=True)
