"""The way of a package's cargo, step by step: locked and built where registries are, served and run where none is.

Everything is done by the ``packhorse`` command, in the place where a person would type it. What is known at the site is
the bundle's file and its root digest.
"""

import functools
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml

from corpus.layout import Layout
from corpus.registry import hosts, push
from e2e.cluster.cluster import Cluster
from e2e.cluster.internet import Internet
from e2e.cluster.kube_api import Json
from e2e.cluster.process import Daemon, wait_until
from e2e.workplace import Workplace

__all__ = ["EXAMPLES", "PROJECT", "Author", "Cargo", "Site", "make_images"]

PROJECT = Path(__file__).resolve().parents[1]
EXAMPLES = PROJECT / "examples"
_SERVE_SECONDS = 20


@dataclass(frozen=True)
class Cargo:
    """What one version of a package became."""

    bundle: Path
    root: str
    lock: Path
    """As it was when the bundle was built."""

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each image, by its name."""
        return {image["name"]: image["digest"] for image in yaml.safe_load(self.lock.read_text())["images"]}


def make_images(name: str, folder: Path) -> Layout:
    """Make the images of a set of the corpus into a folder below ``folder``, which is a home meanwhile."""
    place = Workplace("the workshop", PROJECT, lambda *argv: [str(word) for word in argv], {"HOME": str(folder)})
    place.run(sys.executable, "-m", "corpus", name, "--out", folder / name)
    return Layout(folder / name)


@dataclass(frozen=True)
class Author:
    """The connected side: a folder with the package, and registries with the images that it takes."""

    desk: Workplace
    internet: Internet

    @classmethod
    def with_example(cls, internet: Internet, example: str, folder: Path) -> Self:
        """Sit down before a copy of an example."""
        shutil.copytree(EXAMPLES / example, folder / example)
        return cls(Workplace("the connected side", folder / example, internet.command), internet)

    def publish(self, layout: Layout) -> None:
        """Put images where the registries of the internet would have them."""
        self.internet.call(functools.partial(push, layout, f"http://{self.internet.registry}"))

    def build(self, layout: Layout, bundle: str) -> Cargo:
        """Lock and build the package as it is now; ``layout`` has the names of the registries that are asked."""
        registry = self.internet.registry
        mirrors = ["--mirror-only", *(f"--mirror={host}=http://{registry}/{host}" for host in hosts(layout))]
        self.desk.packhorse("lock", "--strict", *mirrors)
        said = self.desk.packhorse("build", *mirrors)
        lock = self.desk.folder / f"{bundle}.lock"
        shutil.copyfile(self.desk.folder / "packhorse.lock", lock)
        return Cargo(self.desk.folder / bundle, said.split()[-1], lock)


@dataclass(frozen=True)
class Site:
    """The far side: a workstation and a node, and of the connected side nothing but what was carried over."""

    cluster: Cluster
    desk: Workplace
    node: Workplace

    @classmethod
    @contextmanager
    def behind_the_gap(
        cls, cluster: Cluster, folder: Path, hidden: Sequence[Path], namespaces: Sequence[str]
    ) -> Iterator[Self]:
        """Open a site in which ``hidden`` is not to be seen; afterwards node and cluster are as nobody had set them up.

        Args:
            cluster: Whose site it is.
            folder: Where its workstation keeps files.
            hidden: Folders of the connected side.
            namespaces: What is deployed into the cluster, and goes at the end.
        """
        own = [EXAMPLES, PROJECT / "corpus", PROJECT / ".cache" / "corpus"]
        desk = Workplace(
            "the site", folder, cluster.site_command, {"KUBECONFIG": str(cluster.kubeconfig)}, [*own, *hidden]
        )
        node = Workplace("the node", folder, cluster.node_command)
        yield cls(cluster, desk, node)
        # Also when a story broke off in the middle: the next one finds a node that nobody has set up.
        node.packhorse("node", "mirror", "--remove")
        for namespace in namespaces:
            cluster.remove_namespace(namespace)
        cluster.forget_images()

    @property
    def registry(self) -> str:
        """Where the site serves its images."""
        return f"{self.cluster.node_address}:5000"

    def carry(self, cargo: Cargo) -> Path:
        """Bring a bundle over, on a medium that cannot be written to."""
        carried = self.desk.folder / cargo.bundle.name
        shutil.copyfile(cargo.bundle, carried)
        carried.chmod(0o444)
        return carried

    @contextmanager
    def serving(self, bundle: Path) -> Iterator[Daemon]:
        """Serve a bundle meanwhile."""
        server = self.desk.start("serve", "serve", bundle, "--listen", self.registry)
        try:
            wait_until(
                lambda: self.registry in server.log.read_text(),
                "packhorse serve",
                timeout_seconds=_SERVE_SECONDS,
                watching=[server],
            )
            yield server
        finally:
            server.kill()

    def mirror(self) -> None:
        """Point the node at the site's registry, and see it proved that it asks nobody else."""
        proof = self.node.packhorse("node", "mirror", "--registry", f"http://{self.registry}", "--output", "json")
        assert json.loads(proof)["probe"]["outcome"] == "proven"

    def deploy(self, bundle: Path, *arguments: str) -> Json:
        """Deploy, and return what the verb says in JSON."""
        result: Json = json.loads(self.desk.packhorse("deploy", bundle, *arguments, "--output", "json"))
        return result

    def status(self, release: str) -> Json:
        """A release that must be healthy, as ``status`` has it."""
        found = json.loads(self.desk.packhorse("status", release, "--output", "json"))
        (only,) = found["releases"]
        assert found["healthy"], only
        return dict(only)

    def list(self, namespace: str, collection: str) -> list[Json]:
        """List the objects of one kind in a namespace: ``api/v1 pods``."""
        group, _, plural = collection.partition(" ")
        found = self.cluster.get(f"/{group}/namespaces/{namespace}/{plural}") or {}
        items: list[Json] = found.get("items", [])
        return items
