from pathlib import Path

import pytest

from bench.editions import Named, blobs_of, write_edition
from bench.stock import Noise, choose, stock_of
from corpus.layout import Layout
from corpus.model import Image
from corpus.sets import SETS
from corpus.workshop import Workshop


def _image(reference: str) -> Image:
    return Image(reference=reference, layers=())


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SETS, "plain", (_image("a/one:1"), _image("a/two:1")))
    monkeypatch.setitem(
        SETS, "versions", (_image("a/two:0"), _image("a/two:1"), _image("a/two:2"), _image("b/x:7"), _image("b/x:8"))
    )


@pytest.mark.usefixtures("sets")
def test_the_newest_of_each_series_is_the_update_of_the_one_before_which_is_in_the_first_edition() -> None:
    stock = stock_of(["plain"], ["versions"])
    assert [image.reference for image in stock.first] == ["a/one:1", "a/two:1", "b/x:7"]
    assert {old: new.reference for old, new in stock.updates.items()} == {"a/two:1": "a/two:2", "b/x:7": "b/x:8"}


@pytest.mark.usefixtures("sets")
def test_without_series_an_update_is_the_image_with_a_layer_more() -> None:
    stock = stock_of(["plain"], [])
    assert {old: new.reference for old, new in stock.updates.items()} == {
        "a/one:1": "a/one:1-next",
        "a/two:1": "a/two:1-next",
    }
    assert [len(image.layers) for image in stock.updates.values()] == [1, 1]


def test_noise_is_the_same_each_time_and_differs_by_seed(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)

    def content(seed: int) -> bytes:
        (entry,) = Noise(seed, 1000).entries("linux/amd64", workshop)
        assert entry.content is not None
        return entry.content.read()

    assert content(1) == content(1)
    assert content(1) != content(2)
    assert Noise(1).identity("linux/amd64", workshop) != Noise(2).identity("linux/amd64", workshop)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(100, ("large",)), (120, ("large", "small")), (60, ("middle", "small")), (1, ("small",))],
)
def test_updates_are_chosen_to_come_close_to_what_is_wanted(wanted: int, expected: tuple[str, ...]) -> None:
    assert choose({"small": 20, "large": 95, "middle": 45}, wanted) == expected


def test_every_program_finds_its_own_input(tmp_path: Path) -> None:
    edition = write_edition("first", [Named("docker.io/library/redis:7", "sha256:ab")], "127.0.0.1:5", tmp_path / "e")
    reference = "127.0.0.1:5/docker.io/library/redis:7"
    assert f"- {reference}\n" in (edition.package / "packhorse.yaml").read_text()
    assert "image: 127.0.0.1:5/docker.io/library/redis@sha256:ab\n" in edition.imgpkg.read_text()
    assert f"name: {reference}\n" in edition.hauler.read_text()
    assert f"- {reference}\n" in (edition.zarf / "zarf.yaml").read_text()


def test_blobs_are_those_of_the_named_images_down_to_their_layers(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path)
    manifest_type = "application/vnd.oci.image.manifest.v1+json"
    config = layout.add_json("application/vnd.oci.image.config.v1+json", {"os": "linux"})
    layer = layout.add_json("application/vnd.oci.image.layer.v1.tar", {"not": "really"})
    absent = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": f"sha256:{'0' * 64}", "size": 9}
    manifest = layout.add_json(manifest_type, {"config": config, "layers": [layer, absent]})
    index_type = "application/vnd.oci.image.index.v1+json"
    index = layout.add_json(index_type, {"manifests": [manifest]})
    other = layout.add_json(manifest_type, {"layers": []})
    name = "org.opencontainers.image.ref.name"
    layout.write_index([{**index, "annotations": {name: "a:1"}}, {**other, "annotations": {name: "b:1"}}])
    assert blobs_of(layout, ["a:1"]) == {blob["digest"]: blob["size"] for blob in (index, manifest, config, layer)}
