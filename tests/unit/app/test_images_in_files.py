"""Images that lie in files of the package: locked, checked, and refused when they are others than before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError
from packhorse.oci.digest import Digest
from packhorse.oci.graph import read_verified
from tests.support.layouts import write_layout
from tests.support.locking import Shop
from tests.support.packages import Upstream
from tests.support.registry import Registry, serving


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as server:
        yield server


@pytest.fixture
def shop(tmp_path: Path, registry: Registry) -> Shop:
    return Shop(tmp_path, registry)


def put(shop: Shop, seed: int) -> Digest:
    upstream = Upstream(seed)
    root = upstream.manifest("amd64")
    write_layout(shop.folder / "images" / "app", upstream.blobs.content, [("v1", root)])
    return root.digest


def define(shop: Shop, source: str, name: str = "example.com/own:1") -> None:
    shop.define(f"components: [{{name: a, images: [{{name: '{name}', source: '{source}'}}]}}]\n")


def test_a_file_is_looked_at_each_time(shop: Shop) -> None:
    first = put(shop, 1)
    define(shop, "oci:images/app:v1")
    locked = shop.lock().lock
    assert (locked.images[0].digest, locked.images[0].source) == (first, "oci:images/app:v1")
    second = put(shop, 2)
    assert shop.lock(locked).lock.images[0].digest == second != first
    assert shop.registry.requests == []


def test_another_place_makes_a_lock_stale(shop: Shop) -> None:
    put(shop, 1)
    define(shop, "oci:images/app:v1")
    locked = shop.lock().lock
    define(shop, "oci:images/app")
    with pytest.raises(ConfigError) as caught:
        shop.check(locked)
    assert [failure.message for failure in caught.value.failures] == [
        "packhorse.yaml has changed",
        "image example.com/own:1 comes from oci:images/app now",
    ]


def test_a_file_must_have_what_the_name_says(shop: Shop) -> None:
    digest = put(shop, 1)
    define(shop, "oci:images/app:v1", f"example.com/own@{digest}")
    assert shop.lock().lock.images[0].digest == digest
    other = Digest.of(b"other")
    define(shop, "oci:images/app:v1", f"example.com/own@{other}")
    with pytest.raises(ConfigError) as caught:
        shop.lock()
    assert f"expected {other}, found {digest}" in caught.value.failures[0].message


def test_the_build_reads_it_and_refuses_another(shop: Shop) -> None:
    put(shop, 1)
    define(shop, "oci:images/app:v1")
    (image,) = shop.lock().lock.images
    with shop.opened(None, {}) as (_, workspace):
        source = workspace.materials.image_source(image)
        assert source is workspace.materials.image_source(image)
        found = workspace.registries.file(image.source)[1]
        assert Digest.of(read_verified(source, found, max_bytes=10_000)) == image.digest
    put(shop, 2)
    with (
        shop.opened(None, {}) as (_, workspace),
        pytest.raises(ConfigError, match=r"stale: oci:images/app:v1 has another"),
    ):
        workspace.materials.image_source(image)


def test_one_image_comes_from_one_place(shop: Shop) -> None:
    put(shop, 1)
    shop.define(
        "components:\n"
        "  - {name: a, images: [{name: 'example.com/own:1', source: 'oci:images/app:v1'}]}\n"
        "  - {name: b, images: ['example.com/own:1']}\n"
    )
    with pytest.raises(ConfigError, match="with different sources or platforms"):
        shop.lock()
