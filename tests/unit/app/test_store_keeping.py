"""``packhorse store`` from the command line, the rules of a site, pins of a cluster, and what a server does beside."""

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from packhorse.app.build import build
from packhorse.app.load import load, open_cargo, plan_load
from packhorse.app.retention_file import parse_retention
from packhorse.app.store_pins import used_by_releases
from packhorse.app.store_upkeep import StoreSettings, StoreUpkeep
from packhorse.base.errors import ConfigError
from packhorse.base.events import NullReporter
from packhorse.cli import main as cli
from packhorse.cli.console import Console
from packhorse.deploy.record import RecordedObject, ReleaseRecord
from packhorse.deploy.record_store import RecordStore
from packhorse.kube.memory_cluster import MemoryCluster
from packhorse.store.collection import Policy
from packhorse.store.directory_site import DirectorySite
from packhorse.store.retention import Keep, PackageRule, RepositoryRule, Retention
from tests.support.packages import Upstream, materials, sample
from tests.support.pushing import NAME, push_blob, push_image

RULES = b"""\
apiVersion: packhorse.dev/v1alpha1
kind: Retention
untagged: 7d
repositories:
  - match: ["packhorse.internal/*"]
    tags: ["nightly-*"]
    keep: {newest: 2, youngerThan: 36h}
packages:
  - match: [shop]
    keep: {newest: 1}
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[DirectorySite]:
    """An empty store that takes pushes."""
    store = DirectorySite.create(tmp_path / "store")
    yield store
    store.close()


@dataclass
class Shell:
    """Runs commands, and keeps what they print."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object, code: int = 0) -> str:
        """Run a command that ends with this code, and return what it prints."""
        ended = cli.guarded([*map(str, arguments), "--progress", "none"], Console())
        printed = self.capsys.readouterr()
        assert ended == code, printed.err
        return printed.out if code == 0 else printed.err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Shell:
    """Runs commands."""
    return Shell(capsys)


def loaded(site: DirectorySite, folder: Path, seed: int) -> Upstream:
    """Build a bundle of other images each time, and load it."""
    folder.mkdir()
    what, upstream = sample(folder, seed=seed)
    build(what, materials(upstream), NullReporter())
    with ExitStack() as opened:
        plan = plan_load(open_cargo(str(what.output), opened), site, workers=1)
        load(plan, site, workers=1, reporter=NullReporter())
    return upstream


def age(site: DirectorySite, seconds: float) -> None:
    """Let all that is known of the store be older."""
    with closing(sqlite3.connect(site.path / "packhorse.db")) as database, database:
        database.execute("UPDATE members SET added = added - ?", (seconds,))
        database.execute("UPDATE names SET added = added - ?", (seconds,))
        database.execute("UPDATE bundles SET added = added - ?", (seconds,))


def test_the_rules_of_a_site() -> None:
    assert parse_retention(RULES, "retention.yaml") == Retention(
        (RepositoryRule(("packhorse.internal/*",), ("nightly-*",), Keep(2, 36 * 3600.0)),),
        (PackageRule(("shop",), Keep(1)),),
        7 * 86_400.0,
    )
    assert parse_retention(RULES.replace(b"7d", b"keep"), "").untagged_seconds is None


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        (b"untagged: 7d", b"untagged: 7 weeks", "rules:3:11: expected a duration such as"),
        (b"36h", b"soon", "rules:7:36: expected a duration such as"),
        (b"newest: 2", b"newest: -1", "rules:7:20"),
        (b"tags:", b"tag:", 'rules:6:5: unknown key "tag"'),
        (b"kind: Retention", b"kind: Package", "rules:2:7"),
    ],
)
def test_mistakes_in_the_rules_are_shown_in_place(before: bytes, after: bytes, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_retention(RULES.replace(before, after), "rules")
    assert where in caught.value.message


def test_collecting_from_the_command_line(site: DirectorySite, run: Shell) -> None:
    upstream = Upstream()
    push_image(site, upstream, upstream.manifest(), ["1"])
    push_blob(site, bytes(5000))
    age(site, 10)
    for path in (site.path / "blobs" / "sha256").iterdir():
        os.utime(path, (0, 0))
    said = run("store", "gc", site.path, "--grace", "1s", "--dry-run")
    assert "Would remove 0 tags, 0 manifests and 1 blob: 4.9 KiB would be freed." in said
    told = json.loads(run("store", "gc", site.path, "--grace", "1s", "--output", "json"))
    assert (told["blobs"], told["removedFiles"], told["freedBytes"], told["dryRun"]) == (1, 1, 5000, False)
    assert "Removed 0 tags, 0 manifests and 0 blobs: 0 B freed." in run("store", "gc", site.path)


def test_the_newest_bundle_of_a_package_stays_and_older_ones_go_with_their_names(
    site: DirectorySite, tmp_path: Path, run: Shell
) -> None:
    loaded(site, tmp_path / "one", 1)
    age(site, 86_400)
    for path in (site.path / "blobs" / "sha256").iterdir():
        os.utime(path, (0, 0))
    first = {path.name for path in (site.path / "blobs" / "sha256").iterdir()}
    upstream = loaded(site, tmp_path / "two", 2)
    (old, new) = site.bundles()
    rules = tmp_path / "retention.yaml"
    package = json.loads(run("store", "inventory", site.path, "--output", "json"))["bundles"][0]["packages"][0]
    rules.write_bytes(RULES.replace(b"match: [shop]", f"match: [{package.split()[0]}]".encode()))
    arguments = ("store", "gc", site.path, "--grace", "1h", "--retention", rules, "--output", "json")
    site.set_pins("drill", {old.digest: "in use"})
    assert json.loads(run(*arguments))["packages"] == []
    site.set_pins("drill", {})
    told = json.loads(run(*arguments, "--dry-run"))
    assert site.bundles() == [old, new]
    assert json.loads(run(*arguments)) == {**told, "dryRun": False}
    assert told["packages"] == [package]
    assert told["removedFiles"] > 3
    assert site.bundles() == [new]
    left = {path.name for path in (site.path / "blobs" / "sha256").iterdir()}
    assert {digest.hex for digest in upstream.blobs.content} <= left
    assert len(first & left) < len(first)


def test_an_inventory_tells_what_there_is(site: DirectorySite, run: Shell) -> None:
    upstream = Upstream()
    image = push_image(site, upstream, upstream.manifest(), ["1", "2"])
    site.begin_upload(NAME, "sha256")
    site.set_pins("drill", {image.digest: f"{NAME}:1"})
    told = json.loads(run("store", "inventory", site.path, "--output", "json"))
    (repository,) = told["repositories"]
    assert (repository["name"], repository["tags"], repository["manifests"]) == (NAME, ["1", "2"], 1)
    assert repository["bytes"] == told["bytes"]
    assert (told["uploads"], told["unnamedFiles"]) == (1, 0)
    assert told["pins"] == [{"owner": "drill", "digest": image.digest, "reference": f"{NAME}:1"}]
    said = run("store", "inventory", site.path)
    assert f"{NAME}  2 tags  1 manifest" in said
    assert "1 upload (0 B) not finished" in said


def test_pinning_by_name(site: DirectorySite, run: Shell) -> None:
    upstream = Upstream()
    image = push_image(site, upstream, upstream.manifest(), ["1"])
    assert "drill: 1 digest pinned." in run("store", "pin", site.path, f"{NAME}:1", "--as", "drill")
    assert site.pins() == [("drill", image.digest, f"{NAME}:1")]
    assert "drill: 1 digest pinned no more." in run("store", "unpin", site.path, "drill")
    assert site.pins() == []
    for wrong in (["pin", f"{NAME}:9", "--as", "x"], ["unpin", "x"], ["pin"], ["pin", f"{NAME}:1"]):
        run("store", wrong[0], site.path, *wrong[1:], code=2)


def test_what_a_deployed_release_uses_is_pinned(site: DirectorySite) -> None:
    upstream = Upstream()
    named, run_by_operator, unused = (upstream.manifest() for _ in range(3))
    push_image(site, upstream, named, ["1"])
    push_image(site, upstream, run_by_operator, ["op"], "docker.io/library/op")
    push_image(site, upstream, unused, ["unused"])
    cluster = MemoryCluster()
    records = RecordStore(cluster)
    records.ensure_namespace()
    root = push_blob(site, b"stands for the root of a bundle")
    deployment = RecordedObject(api_version="apps/v1", kind="Deployment", name="api", namespace="shop")
    record = ReleaseRecord("shop", "1.4.0", 1, "deployed", str(root), objects=(deployment,))
    records.create(record)
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    container = {"name": "c", "image": "10.0.0.5:5000/team/app:1"}
    cluster.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "api", "namespace": "shop"},
            "spec": {"template": {"spec": {"containers": [container]}}},
        }
    )
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "made-by-an-operator", "namespace": "shop"},
            "spec": {"containers": [{"name": "c", "image": "op:gone-meanwhile"}]},
            "status": {"containerStatuses": [{"imageID": f"docker.io/library/op@{run_by_operator.digest}"}]},
        }
    )
    found = used_by_releases(cluster, site)
    assert set(found["shop"]) == {root, named.digest, run_by_operator.digest}
    records.update(replace_status(record))
    assert set(used_by_releases(cluster, site)["shop"]) == {root, named.digest, run_by_operator.digest}


def replace_status(record: ReleaseRecord) -> ReleaseRecord:
    """The same release in the middle of its removal."""
    return record.with_status("removing")


def test_a_server_looks_after_its_store(site: DirectorySite) -> None:
    push_blob(site, b"nobody names me")
    site.begin_upload(NAME, "sha256")
    settings = StoreSettings(upload_seconds=0.05, collect_every_seconds=0.05, policy=Policy(grace_seconds=0.0))
    end = time.monotonic() + 20
    with StoreUpkeep(site, settings, look_seconds=0.05):
        while time.monotonic() < end and (site.usage().uploads or any((site.path / "blobs/sha256").iterdir())):
            time.sleep(0.02)
    assert site.usage().uploads == 0
    assert not list((site.path / "blobs" / "sha256").iterdir())
    assert site.repositories() == []


def test_options_about_room_go_with_a_store(run: Shell) -> None:
    assert "--max-size goes with --push-to" in run("serve", "x.tar", "--max-size", "1GiB", code=2)
    pushes = ("serve", "--push-to", "s", "--anonymous-push")
    assert "go with --gc-every" in run(*pushes, "--gc-grace", "1h", code=2)
    assert "expected a size such as 200GiB" in run(*pushes, "--max-size", "many", code=2)
