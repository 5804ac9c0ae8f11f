"""The main job, as the tutorial tells it: lock and build where registries are, run where none is.

Everything is done by the ``packhorse`` command, in the place where a person would type it. What is known at the site is
the bundle's file, its root digest and the password of the database.
"""

import base64
import contextlib
import gzip
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from corpus.layout import Layout
from e2e.cluster.cluster import Cluster
from e2e.cluster.internet import Internet
from e2e.cluster.kube_api import Json
from e2e.cluster.process import wait_until
from e2e.completeness import check_completeness, run_scheduled_jobs
from e2e.journey import EXAMPLES, Author, Cargo, Site, make_images
from e2e.services import ask

_NAMESPACE = "shop"
_PASSWORD = "correct-horse-battery-staple"
# What people wait for, and no more: the machine may be busy.
_APPLICATION_SECONDS = 120
_IMAGES = {
    "1.0.0": {
        "docker.io/library/busybox:1.35",
        "docker.io/library/postgres:15",
        "docker.io/library/redis:7",
        "registry.example.com/shop/api:1.0.0",
        "registry.example.com/shop/backup:1.0.0",
        "registry.example.com/shop/web:1.0.0",
    },
}
_IMAGES["1.1.0"] = {
    image.replace("shop/api:1.0.0", "shop/api:1.1.0").replace("shop/web:1.0.0", "shop/web:1.1.0")
    for image in _IMAGES["1.0.0"]
}


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Layout]:
    """The images of both versions, made of Debian's packages."""
    folder = tmp_path_factory.mktemp("corpus")
    return {version: make_images(name, folder) for version, name in (("1.0.0", "shop"), ("1.1.0", "shop-1.1"))}


@pytest.fixture(scope="module")
def connected(internet: Internet, layouts: dict[str, Layout], tmp_path_factory: pytest.TempPathFactory) -> Author:
    """The author's desk: a copy of the package, and registries with its images."""
    author = Author.with_example(internet, "shop", tmp_path_factory.mktemp("connected"))
    for layout in layouts.values():
        author.publish(layout)
    return author


@pytest.fixture(scope="module")
def cargo(connected: Author, layouts: dict[str, Layout]) -> dict[str, Cargo]:
    """Both versions, locked and built one after the other in the same folder, as an author does."""
    first = connected.build(layouts["1.0.0"], "shop-1.0.0.bundle.tar")
    shutil.copytree(EXAMPLES / "shop-1.1", connected.desk.folder, dirs_exist_ok=True)
    return {"1.0.0": first, "1.1.0": connected.build(layouts["1.1.0"], "shop-1.1.0.bundle.tar")}


class Shop(Site):
    """A site whose business is the shop."""

    def deploy_shop(self, bundle: Path) -> Json:
        """Deploy, with the password of the database from a file."""
        return self.deploy(bundle, "--set-file", "database_password=password")

    def ask(self, path: str) -> str:
        """Ask the shop's web front, as a browser in the site does."""
        return ask(self.cluster, _NAMESPACE, "web", path)

    def objects(self, collection: str) -> list[Json]:
        """List the objects of one kind in the shop's namespace: ``api/v1 pods``."""
        return self.list(_NAMESPACE, collection)


@pytest.fixture(scope="module")
def site(
    cluster: Cluster,
    internet: Internet,
    connected: Author,
    layouts: dict[str, Layout],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shop]:
    """The far side, where nothing of the connected side's files is to be seen."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "password").write_text(_PASSWORD)
    hidden = [internet.state, connected.desk.folder, *(layout.folder for layout in layouts.values())]
    with Shop.behind_the_gap(cluster, folder, hidden, [_NAMESPACE]) as site:
        yield site


@contextmanager
def watched_command_lines(secret: str) -> Iterator[list[str]]:
    """Look at the command lines of all processes meanwhile; those with ``secret`` in them are in the list."""
    found: list[str] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):  # the process has ended
                    found.extend(line for line in [path.read_text(errors="replace")] if secret in line)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def places_of_password(cluster: Cluster) -> set[str]:
    """The ConfigMaps and Secrets that have the password in clear, but for the records that Helm keeps of values."""
    found = set()
    for plural in ("configmaps", "secrets"):
        for item in (cluster.get(f"/api/v1/{plural}") or {})["items"]:
            if item.get("type") == "helm.sh/release.v1":
                continue
            values = [base64.b64decode(value) for value in item.get("data", {}).values()] if plural == "secrets" else []
            texts = [json.dumps(item).encode(), *values, *map(unpacked, values)]
            if any(_PASSWORD.encode() in text for text in texts):
                found.add(f"{item['metadata']['namespace']}/{item['metadata']['name']}")
    return found


def unpacked(data: bytes) -> bytes:
    """What is in a gzip stream, and nothing for other data."""
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else b""


def versions(site: Shop) -> dict[str, str]:
    """The version of every object in the shop's namespace that a deployment could change."""
    kinds = ("api/v1 services", "api/v1 secrets", "api/v1 configmaps", "apps/v1 deployments", "apps/v1 statefulsets")
    return {
        f"{kind}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for kind in kinds
        for item in site.objects(kind)
    }


def digests_of_running(site: Shop) -> dict[str, str]:
    """The digest of the image of each container that runs, by the name that its pod's author wrote."""
    found = {}
    for pod in site.objects("api/v1 pods"):
        written = {each["name"]: each["image"] for each in pod["spec"]["containers"]}
        for status in pod["status"].get("containerStatuses", ()):
            found[written[status["name"]]] = status["imageID"].partition("@")[2]
    return found


def test_the_lock_has_every_image_with_the_digest_it_was_made_with(
    cargo: dict[str, Cargo], layouts: dict[str, Layout]
) -> None:
    for version, made in cargo.items():
        assert made.digests.keys() == _IMAGES[version]
        assert made.digests == {name: descriptor["digest"] for name, descriptor in layouts[version].named()}


def test_the_site_has_nothing_of_the_connected_side(site: Shop, connected: Author, internet: Internet) -> None:
    for folder in (connected.desk.folder, internet.state, EXAMPLES):
        assert any(folder.iterdir())
        assert site.desk.run("ls", "-A", folder).stdout == ""


def test_a_bundle_that_was_changed_on_its_way_is_refused(site: Shop, cargo: dict[str, Cargo]) -> None:
    made = cargo["1.0.0"]
    carried = site.desk.folder / "damaged.tar"
    shutil.copyfile(made.bundle, carried)
    with carried.open("r+b") as file:
        file.seek(-2_000_000, 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    site.desk.packhorse("verify", carried, "--root", made.root, exit_code=4)
    carried.unlink()


def test_the_shop_runs_where_no_registry_can_be_reached(site: Shop, cargo: dict[str, Cargo]) -> None:
    before = site.cluster.escape_attempts()
    first, second = (site.carry(made) for made in cargo.values())
    site.desk.packhorse("verify", first, "--root", cargo["1.0.0"].root)
    with site.serving(first):
        site.mirror()
        with watched_command_lines(_PASSWORD) as seen:
            said = site.desk.packhorse("plan", first, "--set-file", "database_password=password")
            assert site.deploy_shop(first)["changed"]
        assert seen == []
        assert _PASSWORD not in said
        assert places_of_password(site.cluster) == {"shop/postgres"}
        check_first_version(site, cargo["1.0.0"])
        run_scheduled_jobs(site.cluster, _NAMESPACE)
        check_completeness(site.cluster, cargo["1.0.0"].lock)
        check_that_nothing_changes(site, first)
        check_that_everything_is_pulled_again(site, cargo["1.0.0"])
    with site.serving(second):
        check_upgrade(site, second, cargo["1.1.0"])
    check_removal(site)
    assert site.cluster.escape_attempts() == before


def check_first_version(site: Shop, cargo: Cargo) -> None:
    """The application answers, made of exactly the images that the lock names."""
    assert site.status("shop")["version"] == "1.0.0"
    answer = json.loads(site.ask("/api/items"))
    assert [item["name"] for item in answer["items"]] == ["saddle", "halter", "pannier"]
    assert json.loads(site.ask("/api/version"))["version"] == "1.0.0"
    assert "<title>" in site.ask("/")
    running = digests_of_running(site)
    assert running == {name: cargo.digests[name] for name in running}
    assert {name.rpartition(":")[0].rpartition("/")[2] for name in running} >= {"postgres", "redis", "api", "web"}


def check_that_nothing_changes(site: Shop, bundle: Path) -> None:
    """A second deployment of the same changes nothing, and says so."""
    before = versions(site)
    assert not site.deploy_shop(bundle)["changed"]
    said = site.desk.verb("deploy", bundle, "--set-file", "database_password=password")
    assert "Nothing to do" in said.stdout + said.stderr
    assert versions(site) == before


def check_that_everything_is_pulled_again(site: Shop, cargo: Cargo) -> None:
    """With no image left and containerd started anew, a new pod gets its images from the bundle again."""
    cluster = site.cluster
    cluster.forget_images()
    assert cluster.pulled_images() == {}
    cluster.restart_containerd()
    old = {pod["metadata"]["uid"] for pod in site.objects("api/v1 pods") if pod["metadata"]["name"].startswith("api-")}
    for pod in site.objects("api/v1 pods"):
        if pod["metadata"]["uid"] in old:
            cluster.delete(f"/api/v1/namespaces/{_NAMESPACE}/pods/{pod['metadata']['name']}")

    def is_renewed() -> bool:
        api = [pod for pod in site.objects("api/v1 pods") if pod["metadata"]["name"].startswith("api-")]
        ready = [status.get("ready") for pod in api for status in pod["status"].get("containerStatuses", ())]
        return bool(ready) and all(ready) and not old & {pod["metadata"]["uid"] for pod in api}

    wait_until(is_renewed, "new pods of the backend", timeout_seconds=_APPLICATION_SECONDS)
    image = "registry.example.com/shop/api:1.0.0"
    assert cluster.pulled_images()[image] == cargo.digests[image]
    assert json.loads(site.ask("/api/version"))["version"] == "1.0.0"


def check_upgrade(site: Shop, bundle: Path, cargo: Cargo) -> None:
    """The next version replaces what changed, and nothing else; the data is still there."""
    hits = json.loads(site.ask("/api/items"))["hits"]
    (database,) = [pod for pod in site.objects("api/v1 pods") if pod["metadata"]["name"] == "postgres-0"]
    site.desk.packhorse("verify", bundle, "--root", cargo.root)
    assert site.deploy_shop(bundle)["changed"]
    assert site.status("shop")["version"] == "1.1.0"
    assert json.loads(site.ask("/api/version"))["version"] == "1.1.0"
    answer = json.loads(site.ask("/api/items"))
    assert answer["hits"] > hits
    assert all(item["price"] for item in answer["items"])
    after = {pod["metadata"]["uid"]: pod for pod in site.objects("api/v1 pods")}
    assert database["metadata"]["uid"] in after
    assert site.objects("api/v1 limitranges") == []
    assert [item["metadata"]["name"] for item in site.objects("api/v1 resourcequotas")] == ["shop"]


def check_removal(site: Shop) -> None:
    """What was made goes, but for the data."""
    site.desk.packhorse("remove", _NAMESPACE, "--yes")
    kinds = ("apps/v1 deployments", "apps/v1 statefulsets", "api/v1 services", "batch/v1 cronjobs", "api/v1 secrets")
    left = [f"{kind}/{item['metadata']['name']}" for kind in kinds for item in site.objects(kind)]
    wait_until(lambda: not site.objects("api/v1 pods"), "the pods to go", timeout_seconds=_APPLICATION_SECONDS)
    assert left == []
    kept = {item["metadata"]["name"] for item in site.objects("api/v1 persistentvolumeclaims")}
    assert kept == {"backups", "data-postgres-0"}
    assert json.loads(site.desk.packhorse("status", "--output", "json"))["releases"] == []
    site.node.packhorse("node", "mirror", "--remove")
    assert site.node.run("ls", "/etc/containerd/certs.d").stdout == ""
