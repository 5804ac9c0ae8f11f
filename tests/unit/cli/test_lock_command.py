"""``packhorse lock`` as it is typed, with Helm where there is one."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.app.lock import LockResult
from packhorse.app.lock_finds import Discovered
from packhorse.base.errors import ConfigError, UsageError
from packhorse.cli import main, programs
from packhorse.cli.console import Console
from packhorse.cli.lock_report import lock_data, lock_lines
from packhorse.oci.digest import Digest
from packhorse.package import lock_file
from packhorse.package.lock import Lock, LockedPackage
from tests.support.layouts import write_layout
from tests.support.locking import HEAD
from tests.support.packages import Upstream
from tests.support.registry import Registry, serving


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as server:
        server.put_image("example.com/app", "1", b"one")
        server.put_image("example.com/odd", "1", b"odd")
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "cr.yaml").write_text(
        "apiVersion: e.com/v1\nkind: A\nmetadata: {name: x}\nspec: {image: 'example.com/odd:1'}\n"
    )
    (tmp_path / "packhorse.yaml").write_text(
        HEAD + "components: [{name: a, images: [example.com/app:1], manifests: [{name: m, files: [cr.yaml]}]}]\n"
    )
    return tmp_path


def run(registry: Registry, *arguments: str) -> int:
    mirror = ["--mirror", f"example.com={registry.url}/example.com", "--mirror-only", "--progress", "none"]
    return main.run(["lock", *arguments, *mirror], Console())


def test_a_lock_is_written_and_told_of(registry: Registry, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(registry) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "Read 1 object.",
        "Found 2 images: 1 declared, 1 likely.",
        "  likely  example.com/odd:1  cr.yaml: A/x spec.image",
        "  unused  example.com/app:1 is listed, and nothing in the package asks for it",
        "Resolved 2 images for linux/amd64: 5 blobs, 829 B.",
        "Wrote packhorse.lock. Next: packhorse build",
    ]
    lock = lock_file.loads((folder / "packhorse.lock").read_bytes(), "packhorse.lock")
    assert [image.name for image in lock.images] == ["example.com/app:1", "example.com/odd:1"]
    assert run(registry, str(folder)) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-2:] == [
        "Kept 2 images as locked.",
        f"Nothing changed in {folder}/packhorse.lock. Next: packhorse build",
    ]


def test_a_chart_that_refuses_an_upgrade_is_told_of() -> None:
    discovered = Discovered((), (), (), not_upgraded=("chart shop: the password is needed\nand more",))
    package = LockedPackage(name="shop", version="1.0.0", digest=Digest.of(b""))
    lock = Lock(api_version="packhorse.dev/v1alpha1", kind="Lock", package=package, platforms=("linux/amd64",))
    result = LockResult(lock, discovered, {"exact": 0, "declared": 0, "likely": 0})
    assert list(lock_lines(result, "Helm 4.1")) == [
        "Found 0 images.",
        "  not as an upgrade  chart shop: the password is needed",
    ]
    assert lock_data(Path("packhorse.lock"), result, changed=True)["notUpgraded"] == discovered.not_upgraded


def test_the_same_for_programs(registry: Registry, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert folder.exists()
    assert run(registry, "--output", "json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["schemaVersion"] == 1
    assert data["certainties"] == {"exact": 0, "declared": 1, "likely": 1}
    assert data["likely"][0]["found"]["field"] == "spec.image"
    assert (data["changed"], data["resolved"], data["unused"]) == (True, 2, ["example.com/app:1"])
    assert run(registry, "--check", "--output", "json") == 0
    assert json.loads(capsys.readouterr().out) == {"schemaVersion": 1, "lock": "packhorse.lock", "stale": False}


def test_checking_writes_nothing(registry: Registry, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(registry) == 0
    assert run(registry, "--check") == 0
    assert capsys.readouterr().out.endswith("packhorse.lock is up to date.\n")
    before = (folder / "packhorse.lock").read_bytes()
    (folder / "cr.yaml").write_text("apiVersion: e.com/v1\nkind: A\nmetadata: {name: x}\n")
    with pytest.raises(ConfigError, match="is stale: 2 things differ") as caught:
        run(registry, "--check")
    assert caught.value.exit_code == 3
    assert (folder / "packhorse.lock").read_bytes() == before


def test_a_failed_lock_leaves_the_old_one(registry: Registry, folder: Path) -> None:
    assert run(registry) == 0
    before = (folder / "packhorse.lock").read_bytes()
    with pytest.raises(ConfigError, match="only likely"):
        run(registry, "--strict")
    with pytest.raises(UsageError, match="names no image"):
        run(registry, "--update", "nothing")
    assert (folder / "packhorse.lock").read_bytes() == before


def test_an_image_from_a_layout(registry: Registry, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    upstream = Upstream()
    amd64 = upstream.manifest("amd64")
    root = upstream.index(amd64, upstream.absent("arm64"))
    signature = upstream.signature(amd64)
    write_layout(folder / "images" / "app", upstream.blobs.content, [("v1", root), ("", signature)])
    definition = HEAD + "components: [{name: a, images: [{name: example.com/own:1, source: 'oci:images/app:v1'}]}]\n"
    (folder / "packhorse.yaml").write_text(definition)
    assert run(registry) == 0
    assert "unused" not in capsys.readouterr().out
    (image,) = lock_file.loads((folder / "packhorse.lock").read_bytes(), "packhorse.lock").images
    assert (image.name, image.source, image.digest) == ("example.com/own:1", "oci:images/app:v1", root.digest)
    assert [one.digest for one in image.manifests] == [amd64.digest]
    assert [(one.digest, one.subject) for one in image.referrers] == [(signature.digest, amd64.digest)]


def test_programs_are_found_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("helm", "kubectl"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.delenv("PACKHORSE_HELM", raising=False)
    monkeypatch.delenv("PACKHORSE_KUBECTL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    helm, kustomize = programs.helm_program(), programs.kustomize_program()
    assert helm is not None
    assert kustomize is not None
    assert (helm.path, kustomize.path) == (tmp_path / "helm", tmp_path / "kubectl")
    assert helm.environment["PATH"] == os.environ["PATH"]
    monkeypatch.setenv("PACKHORSE_HELM", str(tmp_path / "kubectl"))
    named = programs.helm_program()
    assert named is not None
    assert named.path == tmp_path / "kubectl"
    monkeypatch.setenv("PACKHORSE_HELM", str(tmp_path / "gone"))
    with pytest.raises(UsageError, match=r"PACKHORSE_HELM names .*gone, which is no program"):
        programs.helm_program()


def test_without_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PACKHORSE_HELM", raising=False)
    monkeypatch.delenv("PACKHORSE_KUBECTL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = programs.rendering_programs()
    assert (found.repositories, found.kustomize) == (None, None)
    assert found.git.path == Path("git")
