"""Locking whole packages against a registry on loopback."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from packhorse.app.lock import write_lock
from packhorse.base.errors import ConfigError, NetworkError, PackhorseError, RegistryError, UsageError
from packhorse.oci import media_types
from packhorse.oci.model import Descriptor, Index, Manifest, Platform
from packhorse.package import lock_file
from packhorse.package.lock import Lock
from tests.support.locking import HEAD, Shop
from tests.support.registry import Registry, serving

POD = """apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec: {{containers: [{{name: a, image: "{image}"}}]}}
"""


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as server:
        yield server


@pytest.fixture
def shop(tmp_path: Path, registry: Registry) -> Shop:
    return Shop(tmp_path, registry)


def put_index(
    registry: Registry, repository: str, tag: str, *architectures: str
) -> tuple[Descriptor, list[Descriptor]]:
    children = []
    for architecture in architectures:
        config = registry.put_blob(
            repository,
            f'{{"os":"linux","architecture":"{architecture}"}}'.encode(),
            "application/vnd.oci.image.config.v1+json",
        )
        layer = registry.put_blob(repository, architecture.encode() * 10)
        image = Manifest(schema_version=2, media_type=media_types.OCI_MANIFEST, config=config, layers=(layer,))
        described = registry.put_manifest(repository, image)
        platform = Platform(os="linux", architecture=architecture)
        children.append(msgspec.structs.replace(described, platform=platform))
    index = Index(schema_version=2, media_type=media_types.OCI_INDEX, manifests=tuple(children))
    return registry.put_manifest(repository, index, tag), children


def put_signature(registry: Registry, repository: str, subject: Descriptor, tag: str | None = None) -> Descriptor:
    manifest = Manifest(
        schema_version=2,
        media_type=media_types.OCI_MANIFEST,
        artifact_type="application/vnd.example.signature",
        config=registry.put_blob(repository, b"{}", media_types.OCI_EMPTY),
        layers=(registry.put_blob(repository, f"signs {subject.digest}{tag}".encode()),),
        subject=None if tag else subject.plain(),
    )
    return registry.put_manifest(repository, manifest, tag)


def test_everything_has_its_place_in_the_lock(shop: Shop) -> None:
    index, (amd64, _) = put_index(shop.registry, "example.com/multi", "1", "amd64", "arm64")
    plain = shop.registry.put_image("docker.io/library/redis", "7.2", b"layer")
    shop.define(
        "components:\n"
        "  - {name: front, manifests: [{name: m, files: [pod.yaml]}], images: [redis:7.2]}\n"
        "  - {name: back, manifests: [{name: m, files: [pod.yaml]}]}\n"
    )
    shop.write("pod.yaml", POD.format(name="web", image="example.com/multi:1"))
    result = shop.lock()
    multi, redis = sorted(result.lock.images, key=lambda image: image.name, reverse=True)
    assert (multi.name, multi.digest, multi.media_type, multi.size) == (
        "example.com/multi:1", index.digest, media_types.OCI_INDEX, index.size
    )  # fmt: skip
    assert multi.components == ("back", "front")
    assert multi.platforms == ("linux/amd64",)
    assert [(one.digest, one.platform) for one in multi.manifests] == [(amd64.digest, "linux/amd64")]
    assert [(f.certainty, f.component, f.file, f.object, f.field) for f in multi.found] == [
        ("exact", "back", "pod.yaml", "Pod/web", "spec.containers[0].image"),
        ("exact", "front", "pod.yaml", "Pod/web", "spec.containers[0].image"),
    ]
    assert (redis.name, redis.digest, redis.manifests) == ("docker.io/library/redis:7.2", plain.digest, ())
    assert [(f.certainty, f.file, f.field) for f in redis.found] == [
        ("declared", "packhorse.yaml", "components[0].images[0]")
    ]
    assert [file.path for file in result.lock.files] == ["pod.yaml"]
    assert (result.certainties, result.unused) == (
        {"exact": 1, "declared": 1, "likely": 0}, ("docker.io/library/redis:7.2",)
    )  # fmt: skip
    assert result.resolved == 2
    assert result.blobs == 6
    assert lock_file.loads(lock_file.dumps(result.lock), "lock") == result.lock


def test_the_same_package_gives_the_same_lock(shop: Shop) -> None:
    put_index(shop.registry, "example.com/multi", "1", "amd64")
    shop.define("components: [{name: a, images: [example.com/multi:1]}]\n")
    assert lock_file.dumps(shop.lock().lock) == lock_file.dumps(shop.lock(workers=1).lock)


def test_what_is_locked_stays_until_it_is_asked_for(shop: Shop) -> None:
    put_index(shop.registry, "example.com/one", "1", "amd64")
    two, _ = put_index(shop.registry, "example.com/two", "1", "amd64")
    shop.define("components: [{name: a, images: [example.com/one:1, example.com/two:1]}]\n")
    first = shop.lock().lock
    moved, _ = put_index(shop.registry, "example.com/one", "1", "amd64", "arm64")
    put_index(shop.registry, "example.com/two", "1", "amd64", "s390x")
    shop.registry.requests.clear()
    again = shop.lock(first)
    assert again.lock == first
    assert again.resolved == 0
    assert shop.registry.requests == []
    updated = shop.lock(first, update=("example.com/one:*",))
    assert {image.name: image.digest for image in updated.lock.images} == {
        "example.com/one:1": moved.digest,
        "example.com/two:1": two.digest,
    }
    assert updated.resolved == 1


def test_a_name_to_update_must_be_known(shop: Shop) -> None:
    shop.registry.put_image("docker.io/library/redis", "7.2", b"layer")
    shop.define("components: [{name: a, images: [redis:7.2]}]\n")
    first = shop.lock().lock
    assert shop.lock(first, update=("redis:7.2",)).resolved == 1
    with pytest.raises(UsageError, match="--update redis:7 names no image"):
        shop.lock(first, update=("redis:7",))


def test_another_platform_is_taken_from_the_same_digest(shop: Shop) -> None:
    index, (amd64, arm64) = put_index(shop.registry, "example.com/multi", "1", "amd64", "arm64")
    shop.define("components: [{name: a, images: [example.com/multi:1]}]\n")
    first = shop.lock().lock
    put_index(shop.registry, "example.com/multi", "1", "s390x")
    shop.define("platforms: [linux/arm64, linux/amd64]\ncomponents: [{name: a, images: [example.com/multi:1]}]\n")
    (image,) = shop.lock(first).lock.images
    assert image.digest == index.digest
    assert {one.digest for one in image.manifests} == {amd64.digest, arm64.digest}


def test_an_image_may_have_platforms_of_its_own(shop: Shop) -> None:
    put_index(shop.registry, "example.com/multi", "1", "amd64", "arm64")
    shop.define("components: [{name: a, images: [{name: example.com/multi:1, platforms: [linux/arm64]}]}]\n")
    assert shop.lock().lock.images[0].platforms == ("linux/arm64",)


def test_an_image_of_one_platform_says_what_it_lacks(shop: Shop) -> None:
    shop.registry.put_image("example.com/single", "1", b"layer")
    shop.define("platforms: [linux/amd64, linux/arm64]\ncomponents: [{name: a, images: [example.com/single:1]}]\n")
    result = shop.lock()
    assert result.missing == (("example.com/single:1", ("linux/arm64",)),)
    assert result.lock.images[0].platforms == ("linux/amd64",)
    assert shop.lock(result.lock).resolved == 0


def test_a_digest_in_a_reference_is_what_is_asked_for(shop: Shop) -> None:
    old, _ = put_index(shop.registry, "example.com/multi", "1", "amd64")
    put_index(shop.registry, "example.com/multi", "1", "amd64", "arm64")
    shop.define(f"components: [{{name: a, images: ['example.com/multi:1@{old.digest}']}}]\n")
    (image,) = shop.lock().lock.images
    assert (image.name, image.digest) == (f"example.com/multi:1@{old.digest}", old.digest)


@pytest.mark.parametrize("api", [True, False])
def test_what_is_about_an_image_travels_with_it(shop: Shop, *, api: bool) -> None:
    index, (amd64, arm64) = put_index(shop.registry, "example.com/multi", "1", "amd64", "arm64")
    of_index = put_signature(shop.registry, "example.com/multi", index)
    of_child = put_signature(shop.registry, "example.com/multi", amd64)
    put_signature(shop.registry, "example.com/multi", arm64)
    of_signature = put_signature(shop.registry, "example.com/multi", of_index)
    tag = f"sha256-{index.digest.hex}.sig"
    tagged = put_signature(shop.registry, "example.com/multi", index, tag)
    shop.registry.features.referrers = api
    shop.define("components: [{name: a, images: [example.com/multi:1]}]\n")
    result = shop.lock()
    found = {(one.digest, one.subject, one.tag, one.artifact_type) for one in result.lock.images[0].referrers}
    kind = "application/vnd.example.signature"
    by_tag = {(tagged.digest, index.digest, tag, "")}
    by_api = {
        (of_index.digest, index.digest, "", kind),
        (of_child.digest, amd64.digest, "", kind),
        (of_signature.digest, of_index.digest, "", kind),
    }
    assert found == (by_tag | by_api if api else by_tag)


def test_failures_are_gathered_with_their_places(shop: Shop) -> None:
    shop.registry.put_image("example.com/there", "1", b"layer")
    shop.define(
        "components: [{name: a, images: [example.com/there:1, example.com/gone:1], "
        "manifests: [{name: m, files: [cr.yaml]}]}]\n"
    )
    shop.write("cr.yaml", "apiVersion: e.com/v1\nkind: A\nmetadata: {name: x}\nspec: {image: 'example.com/odd:1'}\n")
    with pytest.raises(RegistryError, match=r"Could not resolve 2 of 3 images\.") as caught:
        shop.lock()
    first, second = sorted(caught.value.failures, key=lambda failure: failure.message)
    assert first.message.startswith("example.com/gone:1 (packhorse.yaml: components[0].images[1]): ")
    assert second.message.startswith("example.com/odd:1 (cr.yaml: A/x spec.image): ")
    assert "discovery.ignore" in str(second.hint)


def test_a_registry_that_is_gone(shop: Shop) -> None:
    shop.define("components: [{name: a, images: [example.com/there:1]}]\n")
    shop.registry.close()
    with pytest.raises(NetworkError, match="Could not resolve 1 of 1 images"):
        shop.lock()


def test_variables_stand_for_their_defaults(shop: Shop) -> None:
    shop.registry.put_image("example.com/app", "2", b"layer")
    shop.define(
        "variables: [{name: tag, default: '2'}, {name: host}, {name: size, type: integer}]\n"
        "components: [{name: a, manifests: [{name: m, files: [pod.yaml]}]}]\n"
    )
    shop.write("pod.yaml", POD.format(name="x", image="example.com/app:${var.tag}"))
    assert [image.name for image in shop.lock().lock.images] == ["example.com/app:2"]
    shop.write("pod.yaml", POD.format(name="x", image="${var.host}/app:${var.tag}"))
    with pytest.raises(ConfigError, match=r"the image depends on host, which has no default"):
        shop.lock()
    shop.write(
        "pod.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {image: 'example.com/${var.host}:1'}\n",
    )
    result = shop.lock()
    assert result.lock.images == ()
    assert [find.found.field for find in result.passed_over] == ["data.image"]


def test_what_is_ignored_is_not_locked(shop: Shop) -> None:
    shop.define(
        "discovery: {ignore: ['docker.io/library/*']}\n"
        "components: [{name: a, manifests: [{name: m, files: [p.yaml]}]}]\n"
    )
    shop.write("p.yaml", POD.format(name="x", image="nginx"))
    assert shop.lock().lock.images == ()


def test_strict_wants_every_likely_image_listed_or_ignored(shop: Shop) -> None:
    shop.registry.put_image("example.com/odd", "1", b"layer")
    shop.write("cr.yaml", "apiVersion: e.com/v1\nkind: A\nmetadata: {name: x}\nspec: {image: 'example.com/odd:1'}\n")
    component = "{name: a, manifests: [{name: m, files: [cr.yaml]}]%s}"
    shop.define(f"components: [{component % ''}]\n")
    result = shop.lock()
    assert [name for name, _ in result.likely] == ["example.com/odd:1"]
    with pytest.raises(ConfigError, match="1 image is only likely") as caught:
        shop.lock(strict=True)
    assert [failure.message for failure in caught.value.failures] == [
        "likely  example.com/odd:1  cr.yaml: A/x spec.image"
    ]
    shop.define(f"components: [{component % ', images: [example.com/odd:1]'}]\n")
    listed = shop.lock(strict=True)
    assert (listed.certainties["declared"], listed.unused) == (1, ())
    shop.define(f"discovery: {{ignore: ['*odd*']}}\ncomponents: [{component % ''}]\n")
    assert shop.lock(strict=True).lock.images == ()


def test_a_reference_that_is_none_names_its_place(shop: Shop) -> None:
    shop.define("components: [{name: a, manifests: [{name: m, files: [p.yaml]}]}]\n")
    shop.write("p.yaml", POD.format(name="x", image="Not/An/Image"))
    with pytest.raises(ConfigError, match=r"p\.yaml: Pod/x spec\.containers\[0\]\.image: not an image reference"):
        shop.lock()


def test_artifacts_are_carried_whole(shop: Shop) -> None:
    artifact = put_signature(shop.registry, "example.com/policies", Descriptor(
        media_type=media_types.OCI_MANIFEST, digest=shop.registry.put_blob("example.com/policies", b"x").digest, size=1
    ), "v1")  # fmt: skip
    shop.define(
        "components:\n"
        "  - {name: a, artifacts: [example.com/policies:v1]}\n"
        "  - {name: b, artifacts: [example.com/policies:v1]}\n"
    )
    (locked,) = shop.lock().lock.artifacts
    assert (locked.name, locked.digest, locked.components) == ("example.com/policies:v1", artifact.digest, ("a", "b"))
    shop.registry.requests.clear()
    assert shop.lock(shop.lock().lock).lock.artifacts == (locked,)


def test_a_missing_artifact_is_named(shop: Shop) -> None:
    shop.define("components: [{name: a, artifacts: [example.com/policies:v1]}]\n")
    with pytest.raises(RegistryError, match=r"artifact example\.com/policies:v1: "):
        shop.lock()


def stale(shop: Shop, known: Lock | None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        shop.check(known)
    assert caught.value.exit_code == 3
    assert caught.value.hint == "packhorse lock"
    return [failure.message for failure in caught.value.failures] or [caught.value.message]


def test_a_check_asks_nobody_and_lists_what_differs(shop: Shop) -> None:
    put_index(shop.registry, "example.com/multi", "1", "amd64", "arm64")
    shop.registry.put_image("example.com/other", "1", b"layer")
    body = "components: [{name: a, manifests: [{name: m, files: [p.yaml]}], files: [{source: f.txt, target: /f}]}]\n"
    shop.define(body)
    shop.write("p.yaml", POD.format(name="x", image="example.com/multi:1"))
    shop.write("f.txt", "one")
    known = shop.lock().lock
    shop.registry.requests.clear()
    shop.check(known)
    shop.write("f.txt", "two")
    assert stale(shop, known) == ["file f.txt has changed"]
    shop.write("f.txt", "one")
    shop.write("p.yaml", POD.format(name="x", image="example.com/other:1"))
    assert stale(shop, known) == [
        "file p.yaml has changed",
        "image example.com/other:1 is not locked: p.yaml: Pod/x spec.containers[0].image",
        "image example.com/multi:1 is locked, and nothing wants it any more",
    ]
    shop.write("p.yaml", POD.format(name="x", image="example.com/multi:1"))
    shop.define(body, HEAD + "platforms: [linux/arm64]\n")
    assert stale(shop, known) == [
        "packhorse.yaml has changed",
        "platforms are linux/arm64; the lock has linux/amd64",
        "image example.com/multi:1 is wanted for linux/arm64; it is locked for linux/amd64",
    ]
    shop.define("components: [{name: a, git: [{name: g, source: 'https://example.com/g'}], artifacts: [e.com/a:1]}]\n")
    assert stale(shop, known) == [
        "packhorse.yaml has changed",
        "file f.txt is gone",
        "file p.yaml is gone",
        "git repository g of component a is new",
        "artifact e.com/a:1 is new",
        "image example.com/multi:1 is locked, and nothing wants it any more",
    ]
    assert shop.registry.requests == []


def test_without_a_lock_there_is_nothing_to_check(shop: Shop) -> None:
    shop.define("components: [{name: a, images: [example.com/multi:1]}]\n")
    assert stale(shop, None) == ["there is no packhorse.lock"]


def test_the_lock_file_is_written_whole_and_only_when_it_differs(tmp_path: Path) -> None:
    path = tmp_path / "packhorse.lock"
    assert write_lock(path, "one\n") is True
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    before = path.stat().st_mtime_ns
    assert write_lock(path, "one\n") is False
    assert path.stat().st_mtime_ns == before
    assert write_lock(path, "two\n") is True
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("two\n", 0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["packhorse.lock"]


@pytest.mark.parametrize("text", ["one\n", "two\n"])
def test_what_a_killed_lock_has_left_is_taken_away(tmp_path: Path, text: str) -> None:
    path = tmp_path / "packhorse.lock"
    write_lock(path, "one\n")
    (tmp_path / ".packhorse.lock.0123").write_text("half")
    write_lock(path, text)
    assert [entry.name for entry in tmp_path.iterdir()] == ["packhorse.lock"]


def test_a_lock_that_is_as_it_should_be_is_made_to_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever gave it its name may have been killed before the name was synced.
    path = tmp_path / "packhorse.lock"
    path.write_text("one\n")
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())))
    assert write_lock(path, "one\n") is False
    assert synced == [str(path), str(tmp_path)]


def test_a_lock_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot write .*nowhere"):
        write_lock(tmp_path / "nowhere" / "packhorse.lock", "x")


def test_a_chart_without_helm_is_refused(shop: Shop) -> None:
    shop.write("chart/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")
    shop.define("components: [{name: a, charts: [{name: c, source: ./chart}]}]\n")
    with pytest.raises(PackhorseError, match="chart c needs Helm to be rendered"):
        shop.lock()
