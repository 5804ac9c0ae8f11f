import gzip
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from corpus import entries
from corpus.entries import Entry
from corpus.errors import CorpusError
from corpus.layout import Layout
from corpus.maker import Maker
from corpus.model import ContainerConfig, Image
from corpus.sources import Folders, Links, Texts, Together, Tree
from corpus.workshop import Workshop

BOTH = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True)
class PerPlatform:
    """One file that says which platform it is for."""

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        del workshop
        return {"for": platform}

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        workshop.tell(f"packed {platform}")
        yield entries.file("platform", platform.encode())


BASE = Together((Folders(("/tmp",), mode=0o1777), Links({"/bin": "usr/bin"}), Texts({"/etc/os-release": "ID=none\n"})))


def image(name: str = "registry.example.com/a/one:1", **changes: object) -> Image:
    config = ContainerConfig(entrypoint=("/app",), user="65532", labels={"b": "2", "a": "1"}, ports=("80/tcp",))
    values: dict[str, object] = {"reference": name, "layers": (BASE, PerPlatform()), "config": config, **changes}
    return Image(**values)  # type: ignore[arg-type]  # a test's shorthand


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def manifest_of(layout: Layout) -> dict[str, object]:
    ((_, descriptor),) = layout.named()
    return layout.read_json(str(descriptor["digest"]))


def test_made_twice_from_nothing_gives_the_same_bytes(tmp_path: Path) -> None:
    recipe = image(platforms=BOTH)
    made = [Maker(Workshop(tmp_path / name, lambda _: None)).make(recipe).folder for name in ("first", "second")]
    assert files_of(made[0]) == files_of(made[1])
    assert made[0].name == made[1].name


def test_every_blob_is_what_its_name_says_and_reachable(workshop: Workshop) -> None:
    layout = Maker(workshop).make(image(platforms=BOTH))
    blobs = {path.name for path in (layout.folder / "blobs/sha256").iterdir()}
    assert blobs == {sha256(data).hexdigest() for data in files_of(layout.folder / "blobs/sha256").values()}
    seen: set[str] = set()
    waiting = [descriptor for _, descriptor in layout.named()]
    while waiting:
        descriptor = waiting.pop()
        digest = str(descriptor["digest"])
        seen.add(digest.removeprefix("sha256:"))
        assert layout.blob(digest).stat().st_size == descriptor["size"]
        if "manifest" in str(descriptor["mediaType"]) or "index" in str(descriptor["mediaType"]):
            value = layout.read_json(digest)
            waiting += [*value.get("manifests", []), *value.get("layers", [])]  # type: ignore[misc]
            waiting += [value["config"]] if "config" in value else []  # type: ignore[list-item]
    assert seen == blobs


def test_the_second_time_nothing_is_packed(workshop: Workshop, told: list[str]) -> None:
    first = Maker(workshop).make(image())
    assert "packed linux/amd64" in told
    told.clear()
    assert Maker(workshop).make(image()) == first
    assert told == []


def test_another_name_is_another_image_of_the_same_layers(workshop: Workshop, told: list[str], tmp_path: Path) -> None:
    made = Maker(workshop).all_in_one([image(), image("registry.example.com/a/two:1")], tmp_path / "out")
    assert [name for name, _ in made.named()] == ["registry.example.com/a/one:1", "registry.example.com/a/two:1"]
    assert told.count("packed linux/amd64") == 1
    # Two layers, and one manifest and one configuration for both: only the names differ.
    assert len(list((made.folder / "blobs/sha256").iterdir())) == 4


def test_a_layout_made_over_another_has_only_what_is_new(workshop: Workshop, tmp_path: Path) -> None:
    maker = Maker(workshop)
    maker.all_in_one([image(layers=(Texts({"/old": "old"}),))], tmp_path / "out")
    again = maker.all_in_one([image()], tmp_path / "out")
    assert files_of(again.folder) == files_of(maker.all_in_one([image()], tmp_path / "fresh").folder)


def test_spoiling_a_layout_does_not_spoil_the_cache(workshop: Workshop, tmp_path: Path) -> None:
    maker = Maker(workshop)
    before = files_of(maker.make(image()).folder)
    for path in (maker.all_in_one([image()], tmp_path / "out").folder / "blobs/sha256").iterdir():
        path.write_bytes(b"spoilt")
    assert files_of(maker.make(image()).folder) == before


def test_configuration_and_layers_agree(workshop: Workshop) -> None:
    layout = Maker(workshop).make(image())
    manifest = manifest_of(layout)
    config = layout.read_json(manifest["config"]["digest"])  # type: ignore[index]
    assert config["config"] == {
        "User": "65532",
        "ExposedPorts": {"80/tcp": {}},
        "Entrypoint": ["/app"],
        "Labels": {"a": "1", "b": "2"},
    }
    layers: list[dict[str, str]] = manifest["layers"]  # type: ignore[assignment]
    unpacked = [gzip.decompress(layout.blob(layer["digest"]).read_bytes()) for layer in layers]
    assert config["rootfs"] == {
        "type": "layers",
        "diff_ids": [f"sha256:{sha256(data).hexdigest()}" for data in unpacked],
    }
    assert len(config["history"]) == len(layers)  # type: ignore[arg-type]


def test_two_platforms_make_an_index_of_different_images(workshop: Workshop) -> None:
    layout = Maker(workshop).make(image(platforms=BOTH))
    index = manifest_of(layout)
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    listed: list[dict[str, object]] = index["manifests"]  # type: ignore[assignment]
    assert [entry["platform"] for entry in listed] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
    ]
    assert listed[0]["digest"] != listed[1]["digest"]


def test_docker_schema_2_has_dockers_media_types(workshop: Workshop) -> None:
    manifest = manifest_of(Maker(workshop).make(image(format="docker")))
    assert manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert manifest["config"]["mediaType"] == "application/vnd.docker.container.image.v1+json"  # type: ignore[index]
    types = {layer["mediaType"] for layer in manifest["layers"]}  # type: ignore[attr-defined]
    assert types == {"application/vnd.docker.image.rootfs.diff.tar.gzip"}


def test_a_layer_can_stay_uncompressed(workshop: Workshop) -> None:
    layout = Maker(workshop).make(image(compression="none"))
    layer = manifest_of(layout)["layers"][0]  # type: ignore[index]
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar"
    with tarfile.open(layout.blob(layer["digest"])) as archive:
        assert archive.getnames() == ["tmp", "bin", "etc", "etc/os-release"]


def test_an_unknown_compression_is_refused(workshop: Workshop) -> None:
    with pytest.raises(CorpusError, match='found "lzma"'):
        Maker(workshop).make(image(compression="lzma"))


def test_a_changed_file_makes_another_image(workshop: Workshop, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "page").write_text("one")
    recipe = image(layers=(Tree(tree, "/srv"),))
    first = Maker(workshop).make(recipe)
    (tree / "sub" / "page").write_text("two")
    second = Maker(workshop).make(recipe)
    assert first.folder != second.folder
    layer = manifest_of(second)["layers"][0]  # type: ignore[index]
    with tarfile.open(second.blob(layer["digest"])) as archive:
        content = archive.extractfile("srv/sub/page")
        assert content is not None
        assert content.read() == b"two"


def test_times_and_private_modes_of_a_checkout_decide_nothing(tmp_path: Path) -> None:
    made = []
    for name, mode, when in (("first", 0o600, 1_000_000_000), ("second", 0o664, 2_000_000_000)):
        tree = tmp_path / name / "tree"
        tree.mkdir(parents=True)
        (tree / "page").write_text("same")
        (tree / "page").chmod(mode)
        os.utime(tree / "page", (when, when))
        workshop = Workshop(tmp_path / name / "cache", lambda _: None)
        made.append(files_of(Maker(workshop).make(image(layers=(Tree(tree, "/srv"),))).folder))
    assert made[0] == made[1]


def test_gzip_has_neither_a_time_nor_a_name(workshop: Workshop) -> None:
    layout = Maker(workshop).make(image())
    layer = manifest_of(layout)["layers"][0]  # type: ignore[index]
    # RFC 1952, section 2.3: magic, deflate, no flags, time zero.
    assert layout.blob(layer["digest"]).read_bytes()[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


def test_an_empty_tree_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="Expected files in"):
        Maker(workshop).make(image(layers=(Tree(tmp_path / "nothing", "/srv"),)))


def test_a_failure_leaves_nothing_behind(workshop: Workshop) -> None:
    @dataclass(frozen=True)
    class Failing(PerPlatform):
        def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
            yield from super().entries(platform, workshop)
            raise CorpusError("half-way")

    with pytest.raises(CorpusError, match="half-way"):
        Maker(workshop).make(image(layers=(Failing(),)))
    assert files_of(workshop.cache) == {}


@pytest.mark.peer("skopeo")
@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_reads_the_layout(workshop: Workshop, tmp_path: Path) -> None:
    layout = Maker(workshop).all_in_one([image(platforms=BOTH)], tmp_path / "out")
    source = f"oci:{layout.folder}:registry.example.com/a/one:1"
    copied = tmp_path / "copied"
    subprocess.run(["skopeo", "copy", "--all", "--quiet", source, f"oci:{copied}:one"], check=True)
    said = subprocess.run(["skopeo", "inspect", source], check=True, capture_output=True).stdout
    inspected = json.loads(said)
    ((_, descriptor),) = layout.named()
    assert inspected["Digest"] == descriptor["digest"]
    assert inspected["Labels"] == {"a": "1", "b": "2"}
    assert files_of(copied / "blobs") == files_of(layout.folder / "blobs")
