"""``packhorse push`` as it is typed."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.base.errors import RegistryError, UsageError
from packhorse.cli import main
from packhorse.cli.console import Console
from packhorse.oci.model import Descriptor
from tests.support.layouts import write_layout
from tests.support.packages import Upstream
from tests.support.registry import Registry, serving
from tests.support.registry_model import Login


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with serving() as running:
        yield running


@pytest.fixture
def image() -> tuple[Upstream, Descriptor]:
    upstream = Upstream()
    return upstream, upstream.manifest(layers=1).plain()


@pytest.fixture
def layout(tmp_path: Path, image: tuple[Upstream, Descriptor]) -> str:
    upstream, manifest = image
    names = [("docker.io/team/app:1", manifest), ("quay.io/x/y:2", manifest)]
    return str(write_layout(tmp_path / "layout", upstream.blobs.content, names))


def run(*arguments: str) -> int:
    return main.run(["push", *arguments, "--progress", "none"], Console())


def test_a_push_is_told_of(registry: Registry, layout: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(layout, registry.host) == 0
    first, *names = capsys.readouterr().out.splitlines()
    assert first.startswith("Pushed 2 images: 3 blobs (")
    assert "2 manifests, 2 tags in " in first
    assert names == [
        f"  docker.io/team/app:1 → {registry.host}/team/app:1",
        f"  quay.io/x/y:2 → {registry.host}/x/y:2",
    ]
    assert run(layout, registry.host) == 0
    assert capsys.readouterr().out.startswith("All 2 images are there already; nothing was sent.")


def test_a_dry_run_shows_exactly_what_would_go(
    registry: Registry, layout: str, image: tuple[Upstream, Descriptor], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(layout, registry.host, "--dry-run") == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("Would send 3 blobs (")
    assert f"2 manifests and 2 tags to {registry.host}. It has 0 blobs (0 B)." in first
    assert len(lines) == 3 + 2 + 2
    upstream, manifest = image
    largest = upstream.shared.digest
    assert lines[0].split() == [
        largest, "20", "KiB", "layer", "1", "of", f"{registry.host}/team/app", "→", f"{registry.host}/team/app",
        "(mounted", "in", "1", "more)",
    ]  # fmt: skip
    assert lines[-1].split() == [manifest.digest, "tag", "→", f"{registry.host}/x/y:2"]
    assert {request.method for request in registry.requests} == {"HEAD"}
    assert run(layout, registry.host) == 0
    capsys.readouterr()
    assert run(layout, registry.host, "--dry-run") == 0
    assert capsys.readouterr().out == f"{registry.host} has all 2 images; nothing would be sent.\n"


def test_a_dry_run_for_programs(
    registry: Registry, layout: str, image: tuple[Upstream, Descriptor], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(layout, f"{registry.host}/p", "--prefix", "m", "--dry-run", "--output", "json") == 0
    data = json.loads(capsys.readouterr().out)
    upstream, manifest = image
    names = [f"{registry.host}/p/m/docker.io/team/app", f"{registry.host}/p/m/quay.io/x/y"]
    assert data["schemaVersion"] == 1
    assert data["images"] == [
        {"name": "docker.io/team/app:1", "becomes": f"{names[0]}:1"},
        {"name": "quay.io/x/y:2", "becomes": f"{names[1]}:2"},
    ]
    assert data["blobs"][0] == {
        "digest": upstream.shared.digest,
        "size": upstream.shared.size,
        "repositories": names,
    }
    assert data["manifests"][1] == {"digest": manifest.digest, "size": manifest.size, "repository": names[1]}
    assert data["tags"][0] == {"name": f"{names[0]}:1", "digest": manifest.digest, "movesFrom": None}
    assert data["blobBytes"] == sum(blob["size"] for blob in data["blobs"])
    assert data["manifestBytes"] == 2 * manifest.size
    assert (data["heldBlobs"], data["heldBytes"]) == (0, 0)
    assert run(layout, registry.host, "--output", "json") == 0
    assert json.loads(capsys.readouterr().out)["seconds"] >= 0


def test_a_tag_that_moves_is_shown(registry: Registry, layout: str, capsys: pytest.CaptureFixture[str]) -> None:
    old = registry.put_image("team/app", "1", b"old")
    assert run(layout, registry.host, "--dry-run") == 0
    assert f"team/app:1 (now {old.digest.short})" in capsys.readouterr().out


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_url_will_do(registry: Registry, layout: str, scheme: str) -> None:
    assert run(layout, f"{scheme}{registry.host}/") == 0
    assert "team/app" in registry.repositories


def test_a_url_without_tls_is_taken_at_its_word(layout: str) -> None:
    # A host that is not this machine would be spoken to over TLS; here it ends as the name does not resolve.
    from packhorse.cli.push_command import _place  # noqa: PLC0415
    from packhorse.cli.registry_options import RegistryOptions  # noqa: PLC0415

    assert layout
    assert _place("http://r.example:5000/a", RegistryOptions(workers=1)) == (
        "r.example:5000/a",
        RegistryOptions(workers=1, plain_http=("r.example:5000",)),
    )
    assert _place("https://r.example/a", RegistryOptions(workers=1))[0] == "r.example/a"


def test_a_login_from_standard_input(registry: Registry, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.login = Login("basic", username="me", password="pass word")
    monkeypatch.setattr("sys.stdin", io.StringIO("pass word\n"))
    assert run(layout, registry.host, "--username", "me", "--password-stdin") == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("wrong\n"))
    with pytest.raises(RegistryError, match="it refuses the login of me"):
        run(layout, registry.host, "--username", "me", "--password-stdin")


@pytest.mark.parametrize("half", [["--username", "me"], ["--password-stdin"]])
def test_half_a_login_is_a_mistake(registry: Registry, layout: str, half: list[str]) -> None:
    with pytest.raises(UsageError, match="go together"):
        run(layout, registry.host, *half)
