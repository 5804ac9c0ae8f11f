"""Every shape goes into a strict registry byte for byte, and what refers to an image is found there."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from corpus.errors import CorpusError
from corpus.layout import Layout
from corpus.maker import Maker
from corpus.model import Artifact, Attachment, Image, Index, Layer, Recipe
from corpus.registry import push
from corpus.sources import Texts
from corpus.statements import Provenance, Sbom, Signature
from corpus.workshop import Workshop
from tests.support import registry_faults as faults
from tests.support.registry import Registry, serving
from tests.support.registry_faults import Fault

REPOSITORY = "registry.example.com/a/one"
LAYERS = (Texts({"/a": "a"}), Texts({"/b": "b"}))


def image(tag: str, **changes: object) -> Image:
    values: dict[str, object] = {"reference": f"{REPOSITORY}:{tag}", "layers": LAYERS, **changes}
    return Image(**values)  # type: ignore[arg-type]  # a test's shorthand


def shapes() -> Sequence[Recipe]:
    """One of each."""
    one = image("1")
    sbom = Attachment(to=one, statement=Sbom())
    inner = Index(reference="inner", members=(image("x"),))
    foreign = Layer(source=Texts({"/foreign": "f"}), urls=("https://images.example.com/layer",))
    return (
        one,
        image("docker", format="docker", platforms=("linux/amd64", "linux/arm64")),
        image("attested", attestations=(Provenance(),)),
        image("foreign", layers=(foreign, LAYERS[1])),
        Index(reference=f"{REPOSITORY}:nested", members=(inner,)),
        Artifact(reference=f"{REPOSITORY}:artifact", artifact_type="application/x"),
        Attachment(to=one, statement=Signature()),
        sbom,
        Attachment(to=sbom, statement=Signature()),
        Attachment(to=one, statement=Signature(), form="tag"),
    )


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as running:
        yield running


@pytest.fixture
def layout(workshop: Workshop, tmp_path: Path) -> Layout:
    return Maker(workshop).all_in_one(shapes(), tmp_path / "layout")


def held(registry: Registry) -> dict[str, bytes]:
    """All content of the registry by digest."""
    manifests = registry.repository(REPOSITORY).manifests
    return {**registry.blobs, **{str(digest): manifest.content for digest, manifest in manifests.items()}}


def referrers(layout: Layout) -> dict[str, set[str]]:
    """What the layout has, by subject."""
    found: dict[str, set[str]] = {}
    for _, descriptor in layout.named():
        manifest: Any = layout.read_json(str(descriptor["digest"]))
        if "subject" in manifest:
            found.setdefault(manifest["subject"]["digest"], set()).add(str(descriptor["digest"]))
    return found


def test_everything_arrives_as_it_is(registry: Registry, layout: Layout) -> None:
    names = push(layout, registry.url)
    assert len(names) == len(shapes())
    assert held(registry) == {f"sha256:{path.name}": path.read_bytes() for path in layout.blobs()}
    tags = registry.repository(REPOSITORY).tags
    assert {f"{REPOSITORY}:{tag}": str(digest) for tag, digest in tags.items()} == {
        name: descriptor["digest"] for name, descriptor in layout.named() if "@" not in name
    }


def test_a_registry_with_the_api_lists_referrers_itself(registry: Registry, layout: Layout) -> None:
    push(layout, registry.url)
    expected = referrers(layout)
    assert len(expected) == 2
    for subject, digests in expected.items():
        assert {entry["digest"] for entry in registry.referrers_of(REPOSITORY, subject)} == digests


def test_a_registry_without_it_gets_the_list_under_a_tag(registry: Registry, layout: Layout) -> None:
    registry.features.referrers = False
    for _ in range(2):  # the second time changes nothing
        push(layout, registry.url)
        for subject, digests in referrers(layout).items():
            held_index = registry.repository(REPOSITORY).tags[subject.replace(":", "-")]
            content = registry.repository(REPOSITORY).manifests[held_index].content
            entries = msgspec.json.decode(content)["manifests"]
            assert {entry["digest"] for entry in entries} == digests
            assert len(entries) == len(digests)
            assert all(entry["artifactType"] for entry in entries)


def test_what_is_refused_is_named_and_the_rest_is_there(registry: Registry, layout: Layout) -> None:
    registry.faults.append(Fault("PUT .*/manifests/foreign", faults.answer(400, body=b"no foreign layers"), times=-1))
    with pytest.raises(CorpusError) as caught:
        push(layout, registry.url)
    assert f"refused 1 of {len(shapes())}" in str(caught.value)
    assert f"{REPOSITORY}:foreign: " in str(caught.value)
    assert "no foreign layers" in str(caught.value)
    assert "foreign" not in registry.repository(REPOSITORY).tags
    assert {"1", "docker", "nested", "artifact"} <= set(registry.repository(REPOSITORY).tags)
