"""Everything that the corpus has, carried from one registry to another: nothing lost, and no byte changed.

What is expected comes from the corpus, which shares no code with Packhorse: every manifest, blob, tag and referrer.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from corpus.errors import CorpusError
from corpus.everything import Made, make_all, platforms_of
from corpus.maker import Maker
from corpus.model import Artifact, Attachment
from corpus.registry import hosts, push
from corpus.sets import SETS
from corpus.workshop import Workshop
from e2e.cluster.process import wait_until
from e2e.fidelity import Expected, Reader
from e2e.registries import answers, docker_registry, free_address, olareg
from e2e.workplace import Workplace

pytestmark = pytest.mark.timeout(1800)

_PROJECT = Path(__file__).resolve().parents[1]
_WORKSHOP = Workshop(_PROJECT / ".cache" / "corpus")


_REGISTRIES = {"docker-registry": docker_registry, "olareg": olareg}


@dataclass(frozen=True)
class Road:
    """What is carried, and between which registries."""

    made: list[Made]
    source: str
    target: str

    @property
    def expected(self) -> Expected:
        """All of it."""
        found = Expected()
        for one in self.made:
            found.add(one.layout)
        return found


_EVERYTHING = pytest.param(("docker-registry", "olareg", ("library", "shapes", "series")), id="everything")
_SHAPES = pytest.param(("olareg", "docker-registry", ("shapes",)), id="shapes-from-olareg")


@pytest.fixture(scope="module", params=[_EVERYTHING, _SHAPES])
def road(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """Two registries, the first with everything in it."""
    source, target, sets = request.param
    made = make_all(Maker(_WORKSHOP), {name: SETS[name] for name in sets})
    folder = tmp_path_factory.mktemp("road")
    with (
        _REGISTRIES[source](folder / "source", free_address()) as near,
        _REGISTRIES[target](folder / "target", free_address()) as far,
    ):
        for one in made:
            push(one.layout, f"http://{near}")
        yield Road(made, near, far)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def desk(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A package of all of it, locked and built. It is gigabytes: nothing of it is left."""
    folder = tmp_path_factory.mktemp("desk")
    place = Workplace("the desk", folder, lambda *argv: [str(word) for word in argv])
    (folder / "packhorse.yaml").write_text(yaml.safe_dump(definition_of(road.made), sort_keys=False))
    upstream = sorted({host for one in road.made for host in hosts(one.layout)})
    mirrors = ["--mirror-only", *(f"--mirror={host}=http://{road.source}/{host}" for host in upstream)]
    place.packhorse("lock", *mirrors)
    place.packhorse("build", "--output", "all.tar", *mirrors)
    yield place
    shutil.rmtree(folder)


def definition_of(made: Sequence[Made]) -> dict[str, Any]:
    """Write a package with every image for all its platforms, and every artifact."""
    images: dict[str, list[str]] = {}
    artifacts = []
    for one in made:
        if isinstance(one.recipe, Artifact):
            artifacts.append(one.recipe.reference)
        elif not isinstance(one.recipe, Attachment):
            images[one.recipe.reference] = [re.sub(r"\(.*?\)", "", name) for name in platforms_of(one.recipe)]
    entries = [{"name": name, "platforms": platforms} for name, platforms in images.items()]
    return {
        "apiVersion": "packhorse.dev/v1alpha1",
        "kind": "Package",
        "metadata": {"name": "corpus", "version": "1.0.0"},
        "components": [{"name": "all", "images": entries, "artifacts": artifacts}],
    }


def test_the_registry_that_it_comes_from_has_all_of_it(road: Road) -> None:
    with Reader(road.source) as reader:
        reader.check(road.expected)


def test_the_bundle_verifies(desk: Workplace) -> None:
    assert "as they should be" in desk.packhorse("verify", "all.tar")


def test_what_is_served_from_the_bundle_is_what_the_corpus_made(desk: Workplace, road: Road) -> None:
    served = free_address()
    server = desk.start("serve", "serve", desk.folder / "all.tar", "--listen", served)
    try:
        wait_until(lambda: answers(served), "packhorse serve", timeout_seconds=30, watching=[server])
        with Reader(served) as reader:
            reader.check(road.expected)
    finally:
        server.kill()


def test_what_is_pushed_from_the_bundle_is_what_the_corpus_made(desk: Workplace, road: Road) -> None:
    desk.packhorse("push", "all.tar", road.target, "--prefix", "far", "--plain-http", road.target)
    with Reader(road.target, "far") as reader:
        reader.check(road.expected)
    again = desk.packhorse("push", "all.tar", road.target, "--prefix", "far", "--plain-http", road.target)
    assert "nothing" in again.lower()


@pytest.mark.parametrize("road", [_SHAPES], indirect=True)
def test_what_is_loaded_and_pushed_from_a_store_is_what_the_corpus_made(desk: Workplace, road: Road) -> None:
    desk.packhorse("load", "all.tar", "--store", "store")
    desk.packhorse("push", "store", road.target, "--prefix", "stored", "--plain-http", road.target)
    with Reader(road.target, "stored") as reader:
        reader.check(road.expected)


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[str]:
    """Debian's registry as it comes: it takes no foreign layers."""
    with docker_registry(tmp_path / "strict", free_address(), foreign=False) as address:
        yield address


def test_the_corpus_names_what_is_refused_and_pushes_the_rest(strict: str, tmp_path: Path) -> None:
    layout = Maker(_WORKSHOP).all_in_one(windows_and_another(), tmp_path / "layout")
    with pytest.raises(CorpusError) as caught:
        push(layout, f"http://{strict}")
    assert "refused 1 of 2" in str(caught.value)
    assert "registry.example.com/shapes/windows:oci" in str(caught.value)
    with Reader(strict) as reader:
        assert reader.digest_of("registry.example.com/shapes/oci-manifest", "manifests/1")[0] == 200


def test_packhorse_names_the_image_and_the_reason(strict: str, tmp_path: Path) -> None:
    Maker(_WORKSHOP).all_in_one(windows_and_another(), tmp_path / "images")
    place = Workplace("the desk", tmp_path, lambda *argv: [str(word) for word in argv])
    command = ("push", "oci:images", strict, "--plain-http", strict)
    said = place.verb(*command, exit_code=6).stderr
    assert "shapes/windows" in said
    assert "foreign layer, which nodes fetch from https://images.example.com/" in said
    with Reader(strict) as reader:
        assert reader.digest_of("shapes/oci-manifest", "manifests/1")[0] == 200


def windows_and_another() -> list[Any]:
    """Two recipes: an image with a foreign layer, and a plain one."""
    wanted = ("registry.example.com/shapes/windows:oci", "registry.example.com/shapes/oci-manifest:1")
    return [recipe for recipe in SETS["shapes"] if recipe.reference in wanted]
