"""What a client is told of an image that is not here, though a known package names it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from packhorse.app.build import build
from packhorse.app.load import load as load_cargo
from packhorse.app.load import open_cargo, plan_load
from packhorse.app.serve import Sources, known_images, open_sources
from packhorse.base.events import NullReporter
from packhorse.oci.digest import Digest
from packhorse.store.directory_site import DirectorySite
from tests.support.packages import materials, sample
from tests.support.serving import Server, running

MULTI = "docker.io/library/multi"
S390X = Digest.of(b"s390x")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    what, upstream = sample(tmp_path_factory.mktemp("package"))
    build(what, materials(upstream), NullReporter())
    return what.output


@contextmanager
def serving(sources: Sources) -> Iterator[Server]:
    with ExitStack() as opened:
        catalog, catalogs = open_sources(sources, opened)
        yield opened.enter_context(running(catalog, tell=known_images(catalogs).tell))


def told(server: Server, path: str) -> str:
    reply = server.ask(path)
    assert reply.status == 404
    return str(json.loads(reply.body)["errors"][0]["message"])


def test_a_platform_that_the_package_leaves_out(bundle: Path) -> None:
    with serving(Sources((str(bundle),))) as server:
        assert told(server, f"/v2/{MULTI}/manifests/{S390X}") == (
            f"{MULTI} has no manifest {S390X} here; package sample 1.0.0 ({bundle.name}) carries {MULTI}:1 without it:"
            " it is of another platform"
        )
        assert told(server, f"/v2/{MULTI}/manifests/2") == f"{MULTI} has no manifest 2 here"


@pytest.mark.parametrize("path", [f"/v2/{MULTI}/manifests/1", "/v2/library/multi/manifests/1?ns=docker.io"])
def test_what_was_loaded_once_and_taken_away(bundle: Path, tmp_path: Path, path: str) -> None:
    store = DirectorySite.create(tmp_path / "store")
    with ExitStack() as opened:
        cargo = open_cargo(str(bundle), opened)
        load_cargo(plan_load(cargo, store, workers=1), store, workers=1, reporter=NullReporter())
    store.delete_tag(MULTI, "1")
    store.close()
    with serving(Sources((), str(tmp_path / "store"))) as server:
        assert told(server, path) == (
            f"{MULTI} has no manifest 1 here; package sample 1.0.0 has it by its lock:"
            " load its bundle, or serve it here"
        )


def test_nothing_is_told_of_what_nobody_knows(bundle: Path) -> None:
    with serving(Sources((str(bundle),))) as server:
        assert told(server, "/v2/library/nginx/manifests/1?ns=docker.io") == (
            "there is no repository docker.io/library/nginx here"
        )
