"""Sealed images and a store that takes pushes, behind one address: what is pushed, found, hidden and refused."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from packhorse.app.serve import Sources, open_sources
from packhorse.base.errors import RegistryError, UsageError
from packhorse.oci import graph
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.registry.names import writable_name
from packhorse.registry.ports import Catalog
from packhorse.store.directory_site import DirectorySite
from tests.support.client_pushing import push
from tests.support.layouts import write_layout
from tests.support.packages import Upstream
from tests.support.serving import Server, running

REDIS = "docker.io/library/redis"


class Bed:
    """A layout with one image, and an empty store."""

    def __init__(self, folder: Path) -> None:
        self.upstream = Upstream()
        self.amd64, self.arm64 = self.upstream.manifest("amd64"), self.upstream.manifest("arm64")
        self.sealed = self.upstream.index(self.amd64, self.arm64)
        self.layout = write_layout(folder / "layout", self.upstream.blobs.content, [(f"{REDIS}:7", self.sealed)])
        self.store = folder / "store"

    @contextmanager
    def serving(self, *read: Path) -> Iterator[tuple[Server, Catalog]]:
        with ExitStack() as opened:
            catalog, _ = open_sources(Sources(tuple(map(str, read)), str(self.store)), opened)
            yield opened.enter_context(running(catalog)), catalog


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(tmp_path)


def check_whole(catalog: Catalog, name: str, tag: str, image: Descriptor) -> None:
    found = catalog.manifest(name, tag)
    assert found is not None
    assert found.digest == image.digest
    walked = graph.walk([found], lambda each: graph.read_verified(catalog, each, max_bytes=10**6))
    for blob in walked.blobs:
        assert catalog.blob(name, blob.digest) is not None
        assert graph.read_verified(catalog, blob, max_bytes=10**6)


def test_what_is_pushed_is_the_sites_own(bed: Bed) -> None:
    image = bed.upstream.manifest()
    with bed.serving(bed.layout) as (server, catalog):
        push(server, "team/app", bed.upstream, image, "1", "latest")
        check_whole(catalog, "packhorse.internal/team/app", "1", image)
        assert server.ask("/v2/team/app/manifests/latest").headers["Docker-Content-Digest"] == image.digest
        own = f"{server.host}:{server.port}"
        assert server.ask(f"/v2/team/app/manifests/1?ns={own}").status == 200
        names = json.loads(server.ask("/v2/_catalog").body)["repositories"]
        assert names == [REDIS, "team/app"]


def test_a_store_alone_keeps_what_was_pushed(bed: Bed) -> None:
    image = bed.upstream.index(bed.amd64, bed.arm64)
    with bed.serving() as (server, _):
        push(server, "quay.io/team/app", bed.upstream, image, "1")
    with bed.serving() as (server, catalog):
        check_whole(catalog, "quay.io/team/app", "1", image)
        assert server.ask("/v2/team/app/manifests/1?ns=quay.io").status == 200


def test_what_leans_on_a_sealed_image_stays_when_that_is_gone(bed: Bed) -> None:
    other = bed.upstream.index(bed.sealed, bed.arm64)
    with bed.serving(bed.layout) as (server, catalog):
        # The client is told that all but the new index is there already.
        push(server, REDIS, bed.upstream, other, "8")
        check_whole(catalog, REDIS, "8", other)
    with bed.serving() as (_, catalog):
        check_whole(catalog, REDIS, "8", other)
        assert catalog.manifest(REDIS, "7") is None


def test_a_mount_from_a_sealed_image_copies(bed: Bed) -> None:
    layer = graph.walk([bed.amd64], lambda each: bed.upstream.blobs.content[each.digest]).blobs[-1]
    with bed.serving(bed.layout) as (server, _):
        reply = server.ask(f"/v2/team/app/blobs/uploads/?mount={layer.digest}&from={REDIS}", "POST")
        assert (reply.status, reply.headers["Location"]) == (201, f"/v2/team/app/blobs/{layer.digest}")
    with bed.serving() as (server, _):
        assert server.ask(f"/v2/team/app/blobs/{layer.digest}").body == bed.upstream.blobs.content[layer.digest]


def test_a_push_comes_before_what_is_sealed(bed: Bed) -> None:
    newer = bed.upstream.manifest()
    with bed.serving(bed.layout) as (server, _):
        push(server, REDIS, bed.upstream, newer, "7")
        assert server.ask(f"/v2/{REDIS}/manifests/7").headers["Docker-Content-Digest"] == newer.digest
        assert server.ask(f"/v2/{REDIS}/manifests/7", "DELETE").status == 202
        assert server.ask(f"/v2/{REDIS}/manifests/7").headers["Docker-Content-Digest"] == bed.sealed.digest
        reply = server.ask(f"/v2/{REDIS}/manifests/7", "DELETE")
        assert (reply.status, json.loads(reply.body)["errors"][0]["code"]) == (403, "DENIED")


def test_a_push_that_would_be_hidden_is_refused(bed: Bed) -> None:
    bed.store.mkdir()
    with bed.serving(bed.layout, bed.store) as (server, catalog):
        with pytest.raises(RegistryError) as caught:
            push(server, REDIS, bed.upstream, bed.upstream.manifest(), "7")
        assert "comes before the store" in caught.value.failures[0].message
        push(server, REDIS, bed.upstream, bed.sealed, "7", "stable")
        check_whole(catalog, REDIS, "stable", bed.sealed)


def test_damage_in_a_sealed_image_is_not_the_clients_fault(bed: Bed) -> None:
    layer = graph.walk([bed.amd64], lambda each: bed.upstream.blobs.content[each.digest]).blobs[-1]
    path = bed.layout / "blobs" / "sha256" / layer.digest.hex
    path.write_bytes(bytes(layer.size))
    with bed.serving(bed.layout) as (server, _):
        reply = server.ask(f"/v2/team/app/blobs/uploads/?mount={layer.digest}&from={REDIS}", "POST")
        assert reply.status == 500
        assert server.ask(f"/v2/team/app/blobs/{layer.digest}").status == 404
        assert server.ask(f"/v2/{REDIS}/manifests/7").status == 200


@pytest.mark.parametrize(
    ("path", "namespace", "expected"),
    [
        ("team/app", None, "packhorse.internal/team/app"),
        ("app", None, "packhorse.internal/app"),
        ("docker.io/redis", None, REDIS),
        ("redis", "index.docker.io", REDIS),
        ("quay.io/team/app", None, "quay.io/team/app"),
        ("registry.corp_5000/team/app", None, "registry.corp:5000/team/app"),
        ("registry.corp:5000/team/app", None, "registry.corp:5000/team/app"),
        ("team_1/app", None, "packhorse.internal/team_1/app"),
    ],
)
def test_names_that_are_written(bed: Bed, path: str, namespace: str | None, expected: str) -> None:
    store = DirectorySite.create(bed.store)
    assert writable_name(path, namespace, store) == expected
    store.close()


def test_what_is_written_under_a_short_name_is_what_is_read(bed: Bed) -> None:
    other = bed.upstream.manifest()
    with bed.serving(bed.layout) as (server, catalog):
        push(server, "library/redis", bed.upstream, other, "8")
        check_whole(catalog, REDIS, "8", other)
        assert server.ask("/v2/library/redis/manifests/7").headers["Docker-Content-Digest"] == bed.sealed.digest


def test_a_store_that_is_none_is_refused(bed: Bed) -> None:
    with pytest.raises((UsageError, Exception), match="no store"), ExitStack() as opened:
        open_sources(Sources((), str(bed.layout)), opened)


def test_a_digest_is_found_under_its_own_name_only(bed: Bed) -> None:
    image = bed.upstream.manifest()
    with bed.serving(bed.layout) as (server, _):
        push(server, "team/app", bed.upstream, image, "1")
        assert server.ask(f"/v2/team/other/manifests/{image.digest}").status == 404
        assert server.ask(f"/v2/team/app/manifests/{bed.amd64.digest}").status == 404
        assert server.ask(f"/v2/team/app/manifests/{Digest.of(b'x')}").status == 404
