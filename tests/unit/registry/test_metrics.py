"""The figures of a server that is used: counted right, in bounded series, valid."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse import __version__
from packhorse.registry.watching import Watched
from packhorse.store.directory_site import DirectorySite
from tests.support.client_pushing import push
from tests.support.exposition import families, samples
from tests.support.packages import Upstream
from tests.support.serving import Server, running


@pytest.fixture
def site(tmp_path: Path) -> Iterator[DirectorySite]:
    store = DirectorySite.create(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture
def server(site: DirectorySite) -> Iterator[Server]:
    watched = Watched(
        sources={"/srv/store": site},
        conflicts=lambda: 3,
        certificate_not_after=lambda: 1_800_000_000.5,
    )
    with running(site, watched=watched) as server:
        yield server


def metrics(server: Server) -> dict[str, float]:
    return samples(server.ask("/metrics").body.decode())


def test_requests_bytes_and_times_are_counted(server: Server) -> None:
    upstream = Upstream()
    image = upstream.manifest(layers=1, size=5000)
    push(server, "team/app", upstream, image, "1")
    for _ in range(3):
        assert server.ask("/v2/team/app/manifests/1").status == 200
    found = metrics(server)
    assert (
        found['packhorse_registry_requests_total{operation="manifest",method="PUT",status="201"}'] == 2
    )  # by digest, by tag
    assert found['packhorse_registry_requests_total{operation="manifest",method="GET",status="200"}'] == 3
    assert found['packhorse_registry_request_duration_seconds_count{operation="manifest",method="GET"}'] == 3
    assert 0 < found['packhorse_registry_request_duration_seconds_sum{operation="manifest",method="GET"}'] < 60
    assert (
        found["packhorse_registry_received_bytes_total"] == sum(map(len, upstream.blobs.content.values())) + image.size
    )
    assert found["packhorse_registry_sent_bytes_total"] >= 3 * image.size
    assert found['packhorse_registry_manifest_cache_requests_total{result="miss"}'] == 1
    assert found['packhorse_registry_manifest_cache_requests_total{result="hit"}'] == 2


def test_the_store_is_measured(site: DirectorySite, server: Server) -> None:
    upstream = Upstream()
    image = upstream.manifest()
    # What two repositories have is there once.
    push(server, "team/app", upstream, image, "1")
    push(server, "team/copy", upstream, image, "1")
    upload = site.begin_upload("packhorse.internal/team/app", "sha256")
    sink = site.append("packhorse.internal/team/app", upload, 0)
    assert sink is not None
    sink.write([b"0123456789"])
    sink.close()
    found = metrics(server)
    assert found["packhorse_registry_store_blobs"] == len(upstream.blobs.content)
    assert found["packhorse_registry_store_bytes"] == sum(map(len, upstream.blobs.content.values()))
    assert found["packhorse_registry_store_repositories"] == 2
    assert found["packhorse_registry_store_free_bytes"] == pytest.approx(shutil.disk_usage(site.path).free, rel=0.2)
    assert found["packhorse_registry_uploads_open"] == 1
    assert found["packhorse_registry_uploads_bytes"] == 10


def test_what_the_starter_knows_is_shown(server: Server) -> None:
    found = metrics(server)
    assert found["packhorse_registry_conflicting_tags"] == 3
    assert found["packhorse_registry_suspect_sources"] == 0
    assert found["packhorse_registry_certificate_not_after_timestamp_seconds"] == 1_800_000_000.5
    assert found['packhorse_registry_source_ready{source="/srv/store"}'] == 1
    assert found[f'packhorse_build_info{{version="{__version__}"}}'] == 1
    assert found["process_resident_memory_bytes"] > 10_000_000
    assert found["process_open_fds"] > 3


def test_no_client_can_make_series_of_its_own(server: Server) -> None:
    for path in ("/", "/x", "/v2/a/manifests/1", "/v2/b/manifests/2", "/probe/one", "/probe/two", "/ui/a", "/ui/b"):
        server.ask(path)
    before = set(metrics(server))
    for number in range(30):
        server.ask(f"/{number}")
        server.ask(f"/v2/r{number}/manifests/{number}")
        server.ask(f"/ui/r{number}")
        server.ask(f"/probe/p{number}")
    server.ask("/v2/", "BREW")
    server.ask("/v2/", "PROPFIND")
    after = set(metrics(server))
    new = {key.partition("{")[2] for key in after - before if "_bucket" not in key}
    assert new == {
        'operation="metrics",method="GET",status="200"}',
        'operation="metrics",method="GET"}',
        'operation="base",method="other",status="405"}',
        'operation="base",method="other"}',
    }


def test_every_family_is_documented(server: Server) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "metrics.md").read_text()
    found = families(server.ask("/metrics").body.decode())
    assert {name for name in found if f"| `{name}` | {found[name]} |" not in page} == set()
