"""Loading bundles and archives into a store, and reading the store like a bundle."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from packhorse.app.build import build
from packhorse.app.load import LoadResult, NoStore, load, open_cargo, plan_load
from packhorse.base.errors import IntegrityError, UsageError
from packhorse.base.events import NullReporter
from packhorse.bundle.reader import Bundle
from packhorse.cli.load_command import command
from packhorse.oci import graph
from packhorse.registry.graph_catalog import GraphCatalog
from packhorse.store.directory_store import DirectoryStore
from tests.support.layouts import docker_config, layer_tar, tar_entries, write_layout
from tests.support.packages import Upstream, materials, sample


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A sample bundle."""
    folder = tmp_path / "package"
    folder.mkdir()
    what, upstream = sample(folder)
    build(what, materials(upstream), NullReporter())
    return what.output


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DirectoryStore]:
    """An empty store."""
    with closing(DirectoryStore.create(tmp_path / "store")) as store:
        yield store


def load_one(text: str | Path, store: DirectoryStore) -> LoadResult:
    """Load one thing."""
    with ExitStack() as opened:
        plan = plan_load(open_cargo(str(text), opened), store, workers=2)
        return load(plan, store, workers=2, reporter=NullReporter())


def test_a_store_answers_like_the_bundle_it_was_loaded_from(bundle: Path, store: DirectoryStore) -> None:
    load_one(bundle, store)
    with Bundle.open_file(bundle) as opened:
        catalog = GraphCatalog(opened)
        assert store.repositories() == list(catalog.repositories())
        assert store.bundles() == [opened.root]
        for name in catalog.repositories():
            assert store.tags(name) == catalog.tags(name)
            for node in opened.graph.nodes:
                digest = node.descriptor.digest
                known = catalog.manifest(name, digest)
                found = store.manifest(name, digest)
                assert (found is None) == (known is None)
                assert list(store.referrers(name, digest)) == list(catalog.referrers(name, digest))
            for blob in opened.graph.blobs:
                assert (store.blob(name, blob.digest) is None) == (catalog.blob(name, blob.digest) is None)
                if store.blob(name, blob.digest) is not None:
                    read = graph.read_verified(store, blob, max_bytes=1 << 20)
                    assert read == graph.read_verified(opened, blob, max_bytes=1 << 20)


def test_everything_of_the_bundle_is_kept_not_only_its_images(bundle: Path, store: DirectoryStore) -> None:
    load_one(bundle, store)
    with Bundle.open_file(bundle) as opened:
        for descriptor in opened.blobs:
            assert store.exists(descriptor)


def test_loading_again_copies_nothing(bundle: Path, store: DirectoryStore) -> None:
    first = load_one(bundle, store)
    again = load_one(bundle, store)
    assert (first.held_blobs, again.blobs) == (0, 0)
    assert again.held_bytes == first.blob_bytes
    assert again.images == first.images
    assert len(store.bundles()) == 1


def test_a_damaged_bundle_gives_no_names(bundle: Path, store: DirectoryStore) -> None:
    with Bundle.open_file(bundle) as opened:
        blob = max(opened.graph.blobs, key=lambda blob: blob.size)
        extent = opened.locate(blob)
        assert extent is not None
        offset = extent.offset
    with bundle.open("r+b") as file:
        file.seek(offset + 5)
        file.write(b"\xff\x00\xff")
    with pytest.raises(IntegrityError) as refused:
        load_one(bundle, store)
    assert [blob.digest in failure.message for failure in refused.value.failures] == [True]
    assert store.repositories() == []
    assert store.bundles() == []
    assert not store.exists(blob)


def test_referrers_of_referrers_reach_every_repository(store: DirectoryStore, tmp_path: Path) -> None:
    upstream = Upstream()
    image = upstream.manifest()
    signature = upstream.signature(image)
    timestamp = upstream.signature(signature)
    names = [("docker.io/a/a:1", image), ("", timestamp), ("", signature)]
    load_one(write_layout(tmp_path / "one", upstream.blobs.content, names), store)
    assert [item.digest for item in store.referrers("docker.io/a/a", signature.digest)] == [timestamp.digest]
    names[0] = ("quay.io/b/b:1", image)
    load_one(write_layout(tmp_path / "two", upstream.blobs.content, names), store)
    assert [item.digest for item in store.referrers("quay.io/b/b", signature.digest)] == [timestamp.digest]


def test_what_docker_saved_is_loaded_by_its_names(store: DirectoryStore, tmp_path: Path) -> None:
    layer = layer_tar(1)
    images = [{"Config": "c.json", "RepoTags": ["demo:1", "quay.io/x/demo:2"], "Layers": ["l.tar"]}]
    files = [("c.json", docker_config([layer])), ("l.tar", layer), ("manifest.json", json.dumps(images).encode())]
    load_one(f"docker-archive:{tar_entries(tmp_path / 'saved.tar', files)}", store)
    assert [str(reference) for reference, _ in store.images()] == ["docker.io/library/demo:1", "quay.io/x/demo:2"]


def test_what_has_no_names_is_refused(tmp_path: Path) -> None:
    upstream = Upstream()
    folder = write_layout(tmp_path / "layout", upstream.blobs.content, [("latest", upstream.manifest())])
    with ExitStack() as opened, pytest.raises(UsageError, match="no image with a full name"):
        open_cargo(f"oci:{folder}", opened)
    (tmp_path / "empty").mkdir()
    with ExitStack() as opened, pytest.raises(UsageError, match="neither a bundle nor an OCI layout"):
        open_cargo(str(tmp_path / "empty"), opened)


def test_a_plan_needs_no_store(bundle: Path) -> None:
    with ExitStack() as opened:
        plan = plan_load(open_cargo(str(bundle), opened), NoStore(), workers=1)
        assert plan.copy.plan.held_blobs == 0
        assert len(plan.names) == 4


KILLED = """
import os, signal, sys
from packhorse.cli.main import entry
from packhorse.store import directory_store
from packhorse.store.directory_store import DirectoryStore
left = int(sys.argv.pop(1))
rename = directory_store.Path.rename
def counted(self, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
directory_store.Path.rename = counted
entry()
"""


@pytest.mark.parametrize("renames", [1, 5, 11])
def test_a_load_that_was_killed_goes_on(bundle: Path, tmp_path: Path, renames: int) -> None:
    path = tmp_path / "store"
    # One thread, so that no other rename is under way when it is killed.
    arguments = ["load", str(bundle), "--store", str(path), "--workers", "1"]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(renames), *arguments], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    with closing(DirectoryStore.create(path)) as store, Bundle.open_file(bundle) as opened:
        assert store.repositories() == []
        # The first rename is that of oci-layout, each other one makes a blob visible.
        there = [blob for blob in opened.graph.blobs if store.exists(blob)]
        assert len(there) == renames - 1
        again = load_one(bundle, store)
        assert again.held_blobs == len(there)
        assert again.held_blobs + again.blobs == len(opened.graph.blobs)
        assert len(store.repositories()) == 4


def test_the_verb_tells_what_it_did(bundle: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "store")
    planned = CliRunner().invoke(command, [str(bundle), "--store", path, "--dry-run"])
    assert planned.exit_code == 0
    assert "would copy" in planned.output
    assert not Path(path).exists()
    done = CliRunner().invoke(command, [str(bundle), "--store", path])
    assert done.stdout.startswith("Loaded 4 images: ")
    assert f"Next: packhorse serve {path}" in done.stdout
    told = json.loads(CliRunner().invoke(command, [str(bundle), "--store", path, "--output", "json"]).stdout)
    assert (told["schemaVersion"], told["loaded"], told["bundles"][0]["blobs"]) == (1, True, 0)
    again = CliRunner().invoke(command, [str(bundle), "--store", path, "--dry-run"])
    assert "would copy 0 blobs" in again.output
