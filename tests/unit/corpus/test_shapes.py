import json
from collections.abc import Sequence

import pytest

from corpus.errors import CorpusError
from corpus.everything import make_all, platforms_of, table
from corpus.layers import jobs_of
from corpus.layout import Descriptor, Layout, listed
from corpus.maker import Maker
from corpus.manifests import platform_of
from corpus.model import Artifact, Attachment, Image, Index, Layer, Recipe
from corpus.sources import Texts
from corpus.statements import Signature
from corpus.workshop import Workshop

A, B = Texts({"/a": "a"}), Texts({"/b": "b"})
URL = "https://images.example.com/base.tar.gz"


def image(name: str = "one:1", **changes: object) -> Image:
    values: dict[str, object] = {"reference": f"registry.example.com/a/{name}", "layers": (A, B), **changes}
    return Image(**values)  # type: ignore[arg-type]  # a test's shorthand


def top(layout: Layout) -> dict[str, object]:
    return layout.read_json(str(layout.only()["digest"]))


def whole(layout: Layout) -> bool:
    """Whether everything that is named is there, and nothing else."""
    waiting: list[Descriptor] = [layout.only()]
    seen = set()
    while waiting:
        descriptor = waiting.pop()
        digest = str(descriptor["digest"])
        seen.add(digest.removeprefix("sha256:"))
        if layout.blob(digest).stat().st_size != descriptor["size"]:
            return False
        if any(word in str(descriptor["mediaType"]) for word in ("manifest", "index")):
            value = layout.read_json(digest)
            waiting += [*listed(value, "manifests"), *listed(value, "config")]
            waiting += [layer for layer in listed(value, "layers") if "urls" not in layer]
    return seen == {path.name for path in layout.blobs()}


def test_an_index_lists_its_images_with_their_platforms(workshop: Workshop) -> None:
    members = (image("x:1"), image("x:2", platforms=("linux/arm64",), format="docker"))
    layout = Maker(workshop).make(Index(reference="registry.example.com/a/both:1", members=members))
    assert [entry["platform"] for entry in listed(top(layout), "manifests")] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
    ]
    assert [str(entry["mediaType"]).split(".")[1] for entry in listed(top(layout), "manifests")] == ["oci", "docker"]
    assert whole(layout)


def test_an_index_in_an_index_has_no_platform_and_is_whole(workshop: Workshop) -> None:
    inner = Index(reference="inner", members=(image("x:1", platforms=("linux/amd64", "linux/arm64")), image("y:1")))
    layout = Maker(workshop).make(Index(reference="registry.example.com/a/outer:1", members=(inner,)))
    (entry,) = listed(top(layout), "manifests")
    assert set(entry) == {"mediaType", "digest", "size"}
    several, one = listed(layout.read_json(str(entry["digest"])), "manifests")
    assert "platform" not in several
    assert one["platform"] == {"architecture": "amd64", "os": "linux"}
    assert whole(layout)


def test_an_artifact_without_layers_has_the_empty_descriptor(workshop: Workshop) -> None:
    layout = Maker(workshop).make(Artifact(reference="registry.example.com/a/marker:1", artifact_type="application/x"))
    manifest = top(layout)
    assert manifest["artifactType"] == "application/x"
    assert [manifest["config"]] == manifest["layers"]
    assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"  # type: ignore[index]
    assert whole(layout)


def test_an_artifact_has_its_texts_as_titled_layers(workshop: Workshop) -> None:
    texts = {"b.rego": "package b\n", "a.rego": "package a\n"}
    layout = Maker(workshop).make(
        Artifact(reference="registry.example.com/a/p:1", artifact_type="application/x", texts=texts)
    )
    found = {
        layer["annotations"]["org.opencontainers.image.title"]: layout.blob(str(layer["digest"])).read_text()  # type: ignore[index]
        for layer in listed(top(layout), "layers")
    }
    assert found == texts
    assert whole(layout)


@pytest.mark.parametrize(("kind", "word"), [("docker", ".foreign."), ("oci", ".nondistributable.")])
def test_a_foreign_layer_is_described_with_its_address_and_is_not_there(
    workshop: Workshop, kind: str, word: str
) -> None:
    recipe = image(format=kind, layers=(Layer(source=A, urls=(URL,)), B), platforms=("windows(10.0.1.2)/amd64",))
    layout = Maker(workshop).make(recipe)
    foreign, own = listed(top(layout), "layers")
    assert foreign["urls"] == [URL]
    assert word in str(foreign["mediaType"])
    assert str(foreign["mediaType"]).endswith("gzip")
    assert not layout.blob(str(foreign["digest"])).exists()
    assert "urls" not in own
    assert word not in str(own["mediaType"])
    config = layout.read_json(top(layout)["config"]["digest"])  # type: ignore[index]
    assert (config["os"], config["os.version"]) == ("windows", "10.0.1.2")
    assert len(config["rootfs"]["diff_ids"]) == 2  # type: ignore[index]
    assert whole(layout)


def test_layers_of_one_image_can_be_compressed_differently(workshop: Workshop) -> None:
    layout = Maker(workshop).make(image(layers=(Layer(source=A, compression="none"), B)))
    types = [str(layer["mediaType"]) for layer in listed(top(layout), "layers")]
    assert types == ["application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip"]


def test_docker_has_no_name_for_zstd() -> None:
    assert [job.compression for job in jobs_of(image(compression="zstd"), "linux/amd64")] == ["zstd", "zstd"]


def test_a_way_that_dockers_format_does_not_know_is_refused(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace  # noqa: PLC0415

    from corpus import compression  # noqa: PLC0415

    nameless = replace(compression.by_name("none"), name="nameless", docker_suffix=None)
    monkeypatch.setitem(compression._ALL, "nameless", nameless)
    with pytest.raises(CorpusError, match=r"Docker's schema 2 knows, found nameless in registry\.example\.com"):
        Maker(workshop).make(image(format="docker", compression="nameless"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", {"architecture": "amd64", "os": "linux"}),
        ("linux/arm/v7", {"architecture": "arm", "os": "linux", "variant": "v7"}),
        (
            "windows(10.0.20348.2762)/amd64",
            {"architecture": "amd64", "os": "windows", "os.version": "10.0.20348.2762"},
        ),
    ],
)
def test_platforms_are_read(text: str, expected: dict[str, object]) -> None:
    assert platform_of(text) == expected


def test_a_platform_of_one_word_is_refused() -> None:
    with pytest.raises(ValueError, match='found "linux"'):
        platform_of("linux")


class TestTable:
    @pytest.fixture
    def sets(self) -> dict[str, Sequence[Recipe]]:
        inner = Index(reference="inner", members=(image("x:1"),))
        return {
            "first": (image(), Attachment(to=image(), statement=Signature())),
            "second": (
                image(),
                Index(reference="registry.example.com/a/nest:1", members=(inner,)),
                Artifact(reference="registry.example.com/a/art:1", artifact_type="application/x"),
            ),
        }

    def test_has_a_line_per_recipe_and_totals_of_unique_blobs(
        self, workshop: Workshop, sets: dict[str, Sequence[Recipe]]
    ) -> None:
        made = make_all(Maker(workshop), sets)
        lines = list(table(made))
        assert len(lines) == 2 + 5 + 1
        blobs = {path.name for one in made for path in one.layout.blobs()}
        assert lines[-1].startswith(f"All together: 5 recipes, {len(blobs)} blobs, ")
        rows = [" ".join(line.split()) for line in lines if line.startswith("  ")]
        assert rows[0] == "registry.example.com/a/one:1 linux/amd64 2 0.0 gzip oci"
        assert rows[1] == "signature of registry.example.com/a/one:1 - 1 0.0 - referrer"
        assert rows[3] == "registry.example.com/a/nest:1 linux/amd64 2 0.0 gzip oci, nested"
        assert rows[4] == "registry.example.com/a/art:1 - 1 0.0 - artifact"

    def test_the_second_time_nothing_is_made(
        self, workshop: Workshop, told: list[str], sets: dict[str, Sequence[Recipe]]
    ) -> None:
        first = list(table(make_all(Maker(workshop), sets)))
        assert told
        told.clear()
        assert list(table(make_all(Maker(workshop), sets))) == first
        assert told == []


def test_what_is_made_does_not_depend_on_how_many_work_at_it(workshop: Workshop) -> None:
    recipes = [image(f"n{number}:1", layers=(A, Texts({"/n": str(number)}))) for number in range(20)]
    made = Maker(workshop).all(recipes)
    assert [json.loads((layout.folder / "index.json").read_bytes()) for layout in made] == [
        json.loads((Maker(workshop).make(recipe).folder / "index.json").read_bytes()) for recipe in recipes
    ]


def test_the_platforms_of_an_index_are_those_of_its_images() -> None:
    members = (image(platforms=("linux/amd64", "linux/arm64")), image(platforms=("linux/arm64", "linux/s390x")))
    assert platforms_of(Index(reference="r", members=members)) == ["linux/amd64", "linux/arm64", "linux/s390x"]
