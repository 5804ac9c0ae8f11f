"""Catalogues and the names under which clients find things in them."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from packhorse.app.serve import Conflict, find_conflicts, open_catalogs
from packhorse.base.errors import ConfigError, IntegrityError, UsageError
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.registry.api import PullApi
from packhorse.registry.asks import Ask
from packhorse.registry.graph_catalog import GraphCatalog
from packhorse.registry.names import Ambiguous, find_repository
from packhorse.registry.routes import parse_route
from packhorse.registry.union_catalog import UnionCatalog
from packhorse.store.directory_store import DirectoryStore
from packhorse.store.layout_source import LayoutSource
from tests.support.layouts import tar_folder, write_layout
from tests.support.packages import Upstream


def catalog_of(folder: Path, upstream: Upstream, *names: tuple[str, Descriptor]) -> GraphCatalog:
    """A catalogue of images from a layout."""
    return GraphCatalog(LayoutSource.at(str(write_layout(folder, upstream.blobs.content, names))))


@pytest.fixture
def catalog(tmp_path: Path) -> GraphCatalog:
    """Images of one path from two registries, and one from a registry with a port."""
    upstream = Upstream()
    return catalog_of(
        tmp_path / "layout",
        upstream,
        ("docker.io/library/redis:7", upstream.manifest()),
        ("docker.io/team/app:1", upstream.manifest()),
        ("quay.io/team/app:1", upstream.manifest()),
        ("registry.corp:5000/team/tool:1", upstream.manifest()),
        ("localhost:5000/team/local:1", upstream.manifest()),
    )


@pytest.mark.parametrize(
    ("path", "namespace", "expected"),
    [
        ("library/redis", "docker.io", "docker.io/library/redis"),
        ("library/redis", "index.docker.io", "docker.io/library/redis"),
        ("redis", "docker.io", "docker.io/library/redis"),
        ("redis", None, None),
        ("docker.io/redis", None, "docker.io/library/redis"),
        ("team/app", "quay.io", "quay.io/team/app"),
        ("quay.io/team/app", None, "quay.io/team/app"),
        ("team/app", None, Ambiguous(("docker.io/team/app", "quay.io/team/app"))),
        ("team/app", "", Ambiguous(("docker.io/team/app", "quay.io/team/app"))),
        ("team/tool", "registry.corp:5000", "registry.corp:5000/team/tool"),
        ("registry.corp:5000/team/tool", None, "registry.corp:5000/team/tool"),
        ("registry.corp_5000/team/tool", None, "registry.corp:5000/team/tool"),
        ("team/tool", "registry.corp", None),
        ("team/tool", None, "registry.corp:5000/team/tool"),
        ("localhost:5000/team/local", None, "localhost:5000/team/local"),
        ("team/local", "LOCALHOST:5000", "localhost:5000/team/local"),
        ("team/app", "ghcr.io", None),
        ("ghcr.io/team/app", None, None),
        ("", None, None),
    ],
)
def test_a_client_is_understood(
    catalog: GraphCatalog, path: str, namespace: str | None, expected: str | Ambiguous | None
) -> None:
    assert find_repository(path, namespace, catalog) == expected


def test_an_ambiguous_name_is_refused_with_the_way_out(catalog: GraphCatalog) -> None:
    path = "/v2/team/app/manifests/1"
    answer = PullApi(catalog).answer(parse_route(path), Ask(path))
    assert answer.status == 404
    assert isinstance(answer.body, bytes)
    message = json.loads(answer.body)["errors"][0]["message"]
    assert "docker.io/team/app and quay.io/team/app" in message
    assert message.endswith("ask for one as docker.io/team/app")


def test_a_repository_has_no_more_than_its_images_lead_to(tmp_path: Path) -> None:
    upstream = Upstream()
    image, other = upstream.manifest(), upstream.manifest()
    signature = upstream.signature(image)
    timestamp = upstream.signature(signature)
    catalog = catalog_of(
        tmp_path / "layout",
        upstream,
        ("docker.io/a/a:1", image),
        ("docker.io/b/b:1", other),
        ("", signature),
        ("", timestamp),
    )
    name = "docker.io/a/a"
    assert catalog.manifest(name, "1") is not None
    assert catalog.manifest(name, "2") is None
    assert catalog.manifest(name, other.digest) is None
    assert catalog.manifest("docker.io/c/c", "1") is None
    assert catalog.blob(name, upstream.layer(5).digest) is None
    assert [item.digest for item in catalog.referrers(name, image.digest)] == [signature.digest]
    assert [item.digest for item in catalog.referrers(name, signature.digest)] == [timestamp.digest]
    assert catalog.manifest(name, timestamp.digest) is not None
    assert catalog.referrers("docker.io/b/b", image.digest) == ()
    assert catalog.manifest("docker.io/b/b", signature.digest) is None


def test_a_signature_that_is_found_by_its_tag_is_no_referrer(tmp_path: Path) -> None:
    upstream = Upstream()
    image, tagged = upstream.manifest(), upstream.manifest()
    signature = upstream.signature(image)
    tag = f"sha256-{image.digest.hex}.sig"

    class Bundle(LayoutSource):
        """Lists what cosign found by its tag, as a bundle does."""

        def referrers(self) -> Iterator[tuple[Digest, Descriptor, str]]:
            yield from super().referrers()
            yield image.digest, tagged, tag

    names = (("docker.io/a/a:1", image), ("", signature), ("", tagged))
    catalog = GraphCatalog(Bundle.at(str(write_layout(tmp_path / "layout", upstream.blobs.content, names))))
    assert [item.digest for item in catalog.referrers("docker.io/a/a", image.digest)] == [signature.digest]
    found = catalog.manifest("docker.io/a/a", tag)
    assert found is not None
    assert found.digest == tagged.digest


def test_one_tag_for_two_manifests_is_the_first_ones(tmp_path: Path) -> None:
    upstream = Upstream()
    first, second = upstream.manifest(), upstream.manifest()
    catalog = catalog_of(tmp_path / "layout", upstream, ("docker.io/a/a:1", first), ("docker.io/a/a:1", second))
    found = catalog.manifest("docker.io/a/a", "1")
    assert found is not None
    assert found.digest == first.digest
    assert catalog.manifest("docker.io/a/a", second.digest) is not None


def test_several_sources_are_one(tmp_path: Path) -> None:
    upstream = Upstream()
    old, new, other = upstream.manifest(), upstream.manifest(), upstream.manifest()
    signature = upstream.signature(old)
    first = catalog_of(tmp_path / "1", upstream, ("docker.io/a/a:1", new), ("docker.io/b/b:1", other))
    second = catalog_of(
        tmp_path / "2",
        upstream,
        ("docker.io/a/a:1", old),
        ("quay.io/a/a:2", old),
        ("docker.io/a/a:0", old),
        ("", signature),
    )
    union = UnionCatalog([first, second])
    assert union.repositories() == ["docker.io/a/a", "docker.io/b/b", "quay.io/a/a"]
    assert union.registries("a/a") == ["docker.io", "quay.io"]
    assert union.tags("docker.io/a/a") == ["0", "1"]
    assert union.tags("docker.io/c/c") is None
    found = union.manifest("docker.io/a/a", "1")
    assert found is not None
    assert found.digest == new.digest
    assert union.manifest("docker.io/a/a", old.digest) is not None
    assert union.blob("docker.io/b/b", old.digest) is None
    assert [item.digest for item in union.referrers("docker.io/a/a", old.digest)] == [signature.digest]
    extent = union.locate(other)
    assert extent is not None
    assert extent.length == other.size
    with union.open(other) as stream:
        assert stream.readinto(memoryview(bytearray(5))) == 5
    absent = upstream.absent("arm64")
    assert union.locate(absent) is None
    with pytest.raises(IntegrityError):
        union.open(absent)
    assert find_conflicts([first, second]) == (Conflict("docker.io/a/a:1", new.digest, old.digest),)
    assert find_conflicts([first]) == ()


def test_every_kind_of_source_can_be_served(tmp_path: Path) -> None:
    upstream = Upstream()
    image = upstream.manifest()
    folder = write_layout(tmp_path / "layout", upstream.blobs.content, [("docker.io/a/a:1", image)])
    archive = tar_folder(folder, tmp_path / "layout.tar")
    store = DirectoryStore.create(tmp_path / "store")
    source = LayoutSource.at(str(folder))
    for blob in (*source.graph.blobs, image):
        store.push(blob, source)
    store.tag(image, "docker.io/a/a:1")
    store.close()
    texts = [str(folder), f"oci:{folder}", f"oci-archive:{archive}", str(tmp_path / "store")]
    with ExitStack() as opened:
        for catalog in open_catalogs(texts, opened):
            found = catalog.manifest("docker.io/a/a", "1")
            assert found is not None
            assert found.digest == image.digest


def test_what_cannot_be_served_is_refused(tmp_path: Path) -> None:
    upstream = Upstream()
    folder = write_layout(tmp_path / "layout", upstream.blobs.content, [("7", upstream.manifest())])
    (tmp_path / "empty").mkdir()
    for text, kind, error in (
        (str(folder), ConfigError, "no image with a full name"),
        (str(tmp_path / "empty"), UsageError, "neither a store nor an OCI layout"),
        (str(tmp_path / "nothing"), UsageError, "can't open"),
        (f"oci-archive:{tmp_path}/nothing", ConfigError, "there is no file"),
    ):
        with ExitStack() as opened, pytest.raises(kind, match=error):
            open_catalogs([text], opened)
