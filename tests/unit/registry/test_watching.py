"""Health and readiness: what is not ready says why, and what hangs holds up nobody."""

import json
import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.app.build import build
from packhorse.base.events import NullReporter
from packhorse.bundle.reader import Bundle
from packhorse.registry import watching
from packhorse.registry.graph_catalog import GraphCatalog
from packhorse.registry.watching import Watched
from packhorse.store.directory_site import DirectorySite
from packhorse.store.directory_store import DirectoryStore
from tests.support.packages import materials, sample
from tests.support.serving import Server, running


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_CHECK_FRESH_SECONDS", 0.0)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[DirectorySite]:
    store = DirectorySite.create(tmp_path / "store")
    yield store
    store.close()


def ready(server: Server) -> tuple[int, dict[str, str | None]]:
    reply = server.ask("/readyz")
    body = json.loads(reply.body)
    assert body["ready"] == (reply.status == 200) == all(each["ready"] for each in body["sources"])
    assert reply.headers["Cache-Control"] == "no-store"
    return reply.status, {each["name"]: each.get("reason") for each in body["sources"]}


def test_a_store_that_can_be_written_is_ready_and_nothing_is_left(site: DirectorySite) -> None:
    with running(site, watched=Watched(sources={"store": site})) as server:
        assert ready(server) == (200, {"store": None})
    assert list((site.path / "incoming").iterdir()) == []


def test_a_store_that_cannot_be_written_is_not_ready_but_lives_and_serves(site: DirectorySite) -> None:
    with running(site, watched=Watched(sources={"store": site})) as server:
        shutil.rmtree(site.path / "incoming")
        status, reasons = ready(server)
        assert status == 503
        assert "No such file" in str(reasons["store"])
        assert server.ask("/healthz").status == 200
        assert server.ask("/v2/").status == 200
        assert 'packhorse_registry_source_ready{source="store"} 0' in server.ask("/metrics").body.decode()
        (site.path / "incoming").mkdir()
        assert ready(server) == (200, {"store": None})


def test_a_store_that_is_only_read_needs_no_writing(site: DirectorySite) -> None:
    store = DirectoryStore.open_existing(site.path)
    shutil.rmtree(site.path / "incoming")
    with running(store) as server:
        assert ready(server) == (200, {"catalog": None})
        shutil.rmtree(site.path / "blobs")
        assert ready(server)[0] == 503
    store.close()


def test_a_bundle_that_is_gone_bad_is_not_ready_and_the_others_are(tmp_path: Path, site: DirectorySite) -> None:
    what, upstream = sample(tmp_path)
    build(what, materials(upstream), NullReporter())
    with Bundle.open_file(what.output) as bundle:
        catalog = GraphCatalog(bundle)
        with running(catalog, watched=Watched(sources={"a.tar": catalog, "store": site})) as server:
            assert ready(server) == (200, {"a.tar": None, "store": None})
            with what.output.open("r+b") as file:
                file.truncate(1000)
            status, reasons = ready(server)
            assert status == 503
            assert reasons["store"] is None
            assert "more bytes should be there" in str(reasons["a.tar"])


class Hanging(DirectorySite):
    """A store on a disk that does not answer."""

    free = threading.Event()

    def check(self) -> None:
        assert self.free.wait(20)


def test_a_source_that_hangs_is_not_ready_and_holds_up_nobody(
    tmp_path: Path, site: DirectorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_PATIENCE_SECONDS", 0.05)
    hanging = Hanging.create(tmp_path / "dead")
    with running(site, watched=Watched(sources={"dead": hanging, "store": site})) as server:
        for _ in range(3):
            status, reasons = ready(server)
            assert status == 503
            assert str(reasons["dead"]).startswith("no answer within")
            assert reasons["store"] is None
        hanging.free.set()
        assert ready(server)[0] == 200
    hanging.close()


def test_a_store_that_cannot_be_measured_leaves_the_other_figures(
    site: DirectorySite, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("packhorse"), "propagate", True)
    with running(site) as server:
        shutil.rmtree(site.path)
        reply = server.ask("/metrics")
    assert reply.status == 200
    assert b"packhorse_registry_store_bytes" not in reply.body
    assert b"packhorse_registry_requests_total" in reply.body
    assert "cannot tell how full the store is" in caplog.text
