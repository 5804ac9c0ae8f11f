"""The main job, as the tutorial tells it: lock and build where registries are, run where none is.

Everything is done by the ``packhorse`` command, in the place where a person would type it. What is known at the site is
the bundle's file, its root digest and the password of the database.
"""

import base64
import contextlib
import functools
import gzip
import http.client
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from corpus.layout import Layout
from corpus.registry import hosts, push
from e2e.cluster.cluster import Cluster
from e2e.cluster.internet import Internet
from e2e.cluster.kube_api import Json
from e2e.cluster.process import Daemon, wait_until
from e2e.workplace import Workplace

_PROJECT = Path(__file__).resolve().parents[1]
_EXAMPLES = _PROJECT / "examples"
_NAMESPACE = "shop"
_PASSWORD = "correct-horse-battery-staple"
# What people wait for, and no more: the machine may be busy.
_APPLICATION_SECONDS = 120
_NO_BACKEND = {http.client.BAD_GATEWAY, http.client.SERVICE_UNAVAILABLE, http.client.GATEWAY_TIMEOUT}
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


@dataclass(frozen=True)
class Cargo:
    """What one version of the package became."""

    bundle: Path
    root: str
    digests: dict[str, str]


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Layout]:
    """The images of both versions, made of Debian's packages."""
    folder = tmp_path_factory.mktemp("corpus")
    made = {}
    place = Workplace("the workshop", _PROJECT, lambda *argv: [str(word) for word in argv], {"HOME": str(folder)})
    for version, name in (("1.0.0", "shop"), ("1.1.0", "shop-1.1")):
        place.run(sys.executable, "-m", "corpus", name, "--out", folder / name)
        made[version] = Layout(folder / name)
    return made


@pytest.fixture(scope="module")
def connected(internet: Internet, layouts: dict[str, Layout], tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The author's desk: a copy of the package, and registries with its images."""
    for layout in layouts.values():
        internet.call(functools.partial(push, layout, f"http://{internet.registry}"))
    folder = tmp_path_factory.mktemp("connected")
    shutil.copytree(_EXAMPLES / "shop", folder / "shop")
    return Workplace("the connected side", folder / "shop", internet.command)


@pytest.fixture(scope="module")
def cargo(connected: Workplace, internet: Internet, layouts: dict[str, Layout]) -> dict[str, Cargo]:
    """Both versions, locked and built one after the other in the same folder, as an author does."""
    made = {}
    for version, layout in layouts.items():
        if version != "1.0.0":
            shutil.copytree(_EXAMPLES / "shop-1.1", connected.folder, dirs_exist_ok=True)
        mirrors = ["--mirror-only", *(f"--mirror={host}=http://{internet.registry}/{host}" for host in hosts(layout))]
        connected.packhorse("lock", "--strict", *mirrors)
        said = connected.packhorse("build", *mirrors)
        bundle = connected.folder / f"shop-{version}.bundle.tar"
        locked = yaml.safe_load((connected.folder / "packhorse.lock").read_text())
        digests = {image["name"]: image["digest"] for image in locked["images"]}
        made[version] = Cargo(bundle, said.split()[-1], digests)
    return made


@dataclass(frozen=True)
class Site:
    """The far side: a workstation and a node, and of the connected side nothing but what was carried over."""

    cluster: Cluster
    desk: Workplace
    node: Workplace

    def carry(self, cargo: Cargo) -> Path:
        """Bring a bundle over, on a medium that cannot be written to."""
        carried = self.desk.folder / cargo.bundle.name
        shutil.copyfile(cargo.bundle, carried)
        carried.chmod(0o444)
        return carried

    @property
    def registry(self) -> str:
        """Where the site serves its images."""
        return f"{self.cluster.node_address}:5000"

    @contextmanager
    def serving(self, bundle: Path) -> Iterator[Daemon]:
        """Serve a bundle meanwhile."""
        server = self.desk.start("serve", "serve", bundle, "--listen", self.registry)
        try:
            wait_until(
                lambda: self.registry in server.log.read_text(),
                "packhorse serve",
                timeout_seconds=20,
                watching=[server],
            )
            yield server
        finally:
            server.kill()

    def deploy(self, bundle: Path) -> Json:
        """Deploy, and return what the verb says in JSON."""
        password = ("--set-file", "database_password=password")
        result: Json = json.loads(self.desk.packhorse("deploy", bundle, *password, "--output", "json"))
        return result

    def status(self) -> Json:
        """The release, as ``status`` has it."""
        found = json.loads(self.desk.packhorse("status", _NAMESPACE, "--output", "json"))
        (release,) = found["releases"]
        assert found["healthy"], release
        return dict(release)

    def ask(self, path: str) -> str:
        """Ask the shop's web front, as a browser in the site does."""
        service = self.cluster.get(f"/api/v1/namespaces/{_NAMESPACE}/services/web") or {}
        address = service["spec"]["clusterIP"]

        def fetch() -> str | None:
            connection = http.client.HTTPConnection(address, 80, timeout=10)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                # A ready pod is known to every node's proxy a moment later; until then the front finds no backend.
                if answer.status in _NO_BACKEND:
                    return None
                assert answer.status == http.client.OK, answer.read()
                return answer.read().decode()
            finally:
                connection.close()

        return wait_until(
            lambda: self.cluster.call(lambda _: fetch()), f"an answer to {path}", timeout_seconds=_APPLICATION_SECONDS
        )

    def list(self, collection: str) -> list[Json]:
        """List the objects of one kind in the shop's namespace: ``api/v1 pods``."""
        group, _, plural = collection.partition(" ")
        found = self.cluster.get(f"/{group}/namespaces/{_NAMESPACE}/{plural}") or {}
        items: list[Json] = found.get("items", [])
        return items


@pytest.fixture(scope="module")
def site(
    cluster: Cluster,
    internet: Internet,
    connected: Workplace,
    layouts: dict[str, Layout],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """The far side, where nothing of the connected side's files is to be seen."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "password").write_text(_PASSWORD)
    hidden = [_EXAMPLES, _PROJECT / "corpus", _PROJECT / ".cache" / "corpus", internet.state, connected.folder]
    hidden += [layout.folder for layout in layouts.values()]
    environment = {"KUBECONFIG": str(cluster.kubeconfig)}
    desk = Workplace("the site", folder, cluster.site_command, environment, hidden)
    node = Workplace("the node", folder, cluster.node_command)
    yield Site(cluster, desk, node)
    # Also when a story broke off in the middle: the next one finds a node that nobody has set up.
    node.packhorse("node", "mirror", "--remove")
    cluster.remove_namespace(_NAMESPACE)
    cluster.forget_images()


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


def versions(site: Site) -> dict[str, str]:
    """The version of every object in the shop's namespace that a deployment could change."""
    kinds = ("api/v1 services", "api/v1 secrets", "api/v1 configmaps", "apps/v1 deployments", "apps/v1 statefulsets")
    return {
        f"{kind}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for kind in kinds
        for item in site.list(kind)
    }


def digests_of_running(site: Site) -> dict[str, str]:
    """The digest of the image of each container that runs, by the name that its pod's author wrote."""
    found = {}
    for pod in site.list("api/v1 pods"):
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


def test_the_site_has_nothing_of_the_connected_side(site: Site, connected: Workplace, internet: Internet) -> None:
    for folder in (connected.folder, internet.state, _EXAMPLES):
        assert any(folder.iterdir())
        assert site.desk.run("ls", "-A", folder).stdout == ""


def test_a_bundle_that_was_changed_on_its_way_is_refused(site: Site, cargo: dict[str, Cargo]) -> None:
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


def test_the_shop_runs_where_no_registry_can_be_reached(site: Site, cargo: dict[str, Cargo]) -> None:
    before = site.cluster.escape_attempts()
    first, second = (site.carry(made) for made in cargo.values())
    site.desk.packhorse("verify", first, "--root", cargo["1.0.0"].root)
    with site.serving(first):
        proof = site.node.packhorse("node", "mirror", "--registry", f"http://{site.registry}", "--output", "json")
        assert json.loads(proof)["probe"]["outcome"] == "proven"
        with watched_command_lines(_PASSWORD) as seen:
            said = site.desk.packhorse("plan", first, "--set-file", "database_password=password")
            assert site.deploy(first)["changed"]
        assert seen == []
        assert _PASSWORD not in said
        assert places_of_password(site.cluster) == {"shop/postgres"}
        check_first_version(site, cargo["1.0.0"])
        check_that_nothing_changes(site, first)
        check_that_everything_is_pulled_again(site, cargo["1.0.0"])
    with site.serving(second):
        check_upgrade(site, second, cargo["1.1.0"])
    check_removal(site)
    assert site.cluster.escape_attempts() == before


def check_first_version(site: Site, cargo: Cargo) -> None:
    """The application answers, made of exactly the images that the lock names."""
    assert site.status()["version"] == "1.0.0"
    answer = json.loads(site.ask("/api/items"))
    assert [item["name"] for item in answer["items"]] == ["saddle", "halter", "pannier"]
    assert json.loads(site.ask("/api/version"))["version"] == "1.0.0"
    assert "<title>" in site.ask("/")
    running = digests_of_running(site)
    assert running == {name: cargo.digests[name] for name in running}
    assert {name.rpartition(":")[0].rpartition("/")[2] for name in running} >= {"postgres", "redis", "api", "web"}


def check_that_nothing_changes(site: Site, bundle: Path) -> None:
    """A second deployment of the same changes nothing, and says so."""
    before = versions(site)
    assert not site.deploy(bundle)["changed"]
    said = site.desk.verb("deploy", bundle, "--set-file", "database_password=password")
    assert "Nothing to do" in said.stdout + said.stderr
    assert versions(site) == before


def check_that_everything_is_pulled_again(site: Site, cargo: Cargo) -> None:
    """With no image left and containerd started anew, a new pod gets its images from the bundle again."""
    cluster = site.cluster
    cluster.forget_images()
    assert cluster.pulled_images() == {}
    cluster.restart_containerd()
    old = {pod["metadata"]["uid"] for pod in site.list("api/v1 pods") if pod["metadata"]["name"].startswith("api-")}
    for pod in site.list("api/v1 pods"):
        if pod["metadata"]["uid"] in old:
            cluster.delete(f"/api/v1/namespaces/{_NAMESPACE}/pods/{pod['metadata']['name']}")

    def is_renewed() -> bool:
        api = [pod for pod in site.list("api/v1 pods") if pod["metadata"]["name"].startswith("api-")]
        ready = [status.get("ready") for pod in api for status in pod["status"].get("containerStatuses", ())]
        return bool(ready) and all(ready) and not old & {pod["metadata"]["uid"] for pod in api}

    wait_until(is_renewed, "new pods of the backend", timeout_seconds=_APPLICATION_SECONDS)
    image = "registry.example.com/shop/api:1.0.0"
    assert cluster.pulled_images()[image] == cargo.digests[image]
    assert json.loads(site.ask("/api/version"))["version"] == "1.0.0"


def check_upgrade(site: Site, bundle: Path, cargo: Cargo) -> None:
    """The next version replaces what changed, and nothing else; the data is still there."""
    hits = json.loads(site.ask("/api/items"))["hits"]
    (database,) = [pod for pod in site.list("api/v1 pods") if pod["metadata"]["name"] == "postgres-0"]
    site.desk.packhorse("verify", bundle, "--root", cargo.root)
    assert site.deploy(bundle)["changed"]
    assert site.status()["version"] == "1.1.0"
    assert json.loads(site.ask("/api/version"))["version"] == "1.1.0"
    answer = json.loads(site.ask("/api/items"))
    assert answer["hits"] > hits
    assert all(item["price"] for item in answer["items"])
    after = {pod["metadata"]["uid"]: pod for pod in site.list("api/v1 pods")}
    assert database["metadata"]["uid"] in after
    assert site.list("api/v1 limitranges") == []
    assert [item["metadata"]["name"] for item in site.list("api/v1 resourcequotas")] == ["shop"]


def check_removal(site: Site) -> None:
    """What was made goes, but for the data."""
    site.desk.packhorse("remove", _NAMESPACE, "--yes")
    kinds = ("apps/v1 deployments", "apps/v1 statefulsets", "api/v1 services", "batch/v1 cronjobs", "api/v1 secrets")
    left = [f"{kind}/{item['metadata']['name']}" for kind in kinds for item in site.list(kind)]
    wait_until(lambda: not site.list("api/v1 pods"), "the pods to go", timeout_seconds=_APPLICATION_SECONDS)
    assert left == []
    kept = {item["metadata"]["name"] for item in site.list("api/v1 persistentvolumeclaims")}
    assert kept == {"backups", "data-postgres-0"}
    assert json.loads(site.desk.packhorse("status", "--output", "json"))["releases"] == []
    site.node.packhorse("node", "mirror", "--remove")
    assert site.node.run("ls", "/etc/containerd/certs.d").stdout == ""
