"""OCI layouts, OCI archives and Docker archives, read in place."""

import gzip
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError, IntegrityError, RegistryError
from packhorse.oci import graph, media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import ContentSource
from packhorse.store.archive_source import open_archive
from packhorse.store.docker_archive import DockerArchive
from packhorse.store.layout_source import LayoutSource
from packhorse.store.open_source import FileName, is_file_source, open_source, parse_source
from tests.support.layouts import docker_config, layer_tar, link, tar_entries, tar_folder, write_layout
from tests.support.packages import Upstream


def read(source: ContentSource, descriptor: Descriptor) -> bytes:
    """Read content, and verify it."""
    return graph.read_verified(source, descriptor, max_bytes=1 << 20)


def read_all(source: ContentSource, root: Descriptor) -> graph.Graph:
    """Read and verify everything below a manifest."""
    found = graph.walk([root], lambda descriptor: read(source, descriptor))
    for blob in found.blobs:
        read(source, blob)
    return found


@pytest.fixture
def layout(tmp_path: Path) -> tuple[Path, Upstream, Descriptor, Descriptor]:
    """A layout with an image under a tag and one under a full name, whose index lacks a platform."""
    upstream = Upstream()
    plain = upstream.manifest()
    index = upstream.index(upstream.manifest("arm64"), upstream.absent("s390x"))
    names = [("1", plain), ("docker.io/library/multi:2", index)]
    return write_layout(tmp_path / "layout", upstream.blobs.content, names), upstream, plain, index


# --- Names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oci:dir", FileName("oci", "dir")),
        ("oci:/a/b:1.2", FileName("oci", "/a/b", "1.2")),
        ("oci-archive:a.tar:docker.io/library/x:1", FileName("oci-archive", "a.tar", "docker.io/library/x:1")),
        ("docker-archive:a.tar:@0", FileName("docker-archive", "a.tar", "@0")),
    ],
)
def test_skopeos_words_are_read_as_skopeo_reads_them(text: str, expected: FileName) -> None:
    assert is_file_source(text)
    assert parse_source(text) == expected


@pytest.mark.parametrize("text", ["docker://a/b", "redis:7", "oci", "oci:", "oci-archive::1", "dir:/x"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected oci:PATH"):
        parse_source(text)


# --- Layouts ---------------------------------------------------------------------------------------------------------


def test_a_layout_is_read_from_a_folder_and_from_a_tar(
    layout: tuple[Path, Upstream, Descriptor, Descriptor], tmp_path: Path
) -> None:
    folder, _, plain, _ = layout
    archive = tar_folder(folder, tmp_path / "layout.tar")
    for text in (f"oci:{folder}:1", f"oci-archive:{archive}:1", f"oci-archive:{archive}:@0", f"oci:{folder}:@0"):
        source, found = open_source(text)
        assert found.digest == plain.digest
        assert len(read_all(source, found).blobs) == 4
        source.close()


def test_blobs_lie_where_the_source_says(layout: tuple[Path, Upstream, Descriptor, Descriptor], tmp_path: Path) -> None:
    folder, upstream, _, _ = layout
    for source in (LayoutSource.at(str(folder)), open_archive(str(tar_folder(folder, tmp_path / "layout.tar")))):
        extent = source.locate(upstream.shared)
        assert extent is not None
        content = upstream.blobs.content[upstream.shared.digest]
        assert os.pread(extent.fd, extent.length, extent.offset) == content
        with source.open(upstream.shared, offset=100) as stream:
            buffer = bytearray(10)
            assert stream.readinto(memoryview(buffer)) == 10
            assert buffer == content[100:110]
        assert source.locate(upstream.absent("s390x")) is None
        with pytest.raises(IntegrityError, match="has no blob"):
            source.open(upstream.absent("s390x"))


def test_an_index_says_what_is_there_of_it(layout: tuple[Path, Upstream, Descriptor, Descriptor]) -> None:
    folder, _, _, index = layout
    source = LayoutSource.at(str(folder))
    (reference, entry), *others = source.images()
    assert (str(reference), entry.digest, others) == ("docker.io/library/multi:2", index.digest, [])
    carried = graph.carried_by(entry)
    assert carried is not None
    assert len(carried) == 1
    assert len(read_all(source, entry).nodes) == 2
    assert len(source.graph.nodes) == 3


def test_an_unnamed_image_is_found_when_it_is_the_only_one(tmp_path: Path) -> None:
    upstream = Upstream()
    image = upstream.manifest()
    one = write_layout(tmp_path / "one", upstream.blobs.content, [("", image), ("latest", image)])
    assert open_source(f"oci:{one}")[1].digest == image.digest
    two = write_layout(tmp_path / "two", upstream.blobs.content, [("a", image), ("b", upstream.manifest())])
    with pytest.raises(ConfigError, match="2 images") as refused:
        open_source(f"oci:{two}")
    assert refused.value.hint == "names there: a, b"
    with pytest.raises(RegistryError, match="has no 'c'"):
        open_source(f"oci:{two}:c")
    with pytest.raises(RegistryError, match="none at position 2"):
        open_source(f"oci:{two}:@2")
    assert open_source(f"oci:{two}:{image.digest}")[1].digest == image.digest


def test_a_name_for_two_images_is_refused(tmp_path: Path) -> None:
    upstream = Upstream()
    names = [("a", upstream.manifest()), ("a", upstream.manifest())]
    folder = write_layout(tmp_path / "layout", upstream.blobs.content, names)
    with pytest.raises(RegistryError, match="2 different manifests"):
        open_source(f"oci:{folder}:a")


def test_a_link_in_the_place_of_a_blob_is_not_followed(
    layout: tuple[Path, Upstream, Descriptor, Descriptor], tmp_path: Path
) -> None:
    folder, upstream, _, _ = layout
    blob = folder / "blobs/sha256" / upstream.shared.digest.hex
    blob.rename(tmp_path / "elsewhere")
    blob.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="plain file"):
        LayoutSource.at(str(folder)).locate(upstream.shared)
    blob.unlink()
    os.mkfifo(blob)
    with pytest.raises(IntegrityError, match="plain file"):
        LayoutSource.at(str(folder)).locate(upstream.shared)
    (folder / "blobs").rename(tmp_path / "blobs")
    (folder / "blobs").symlink_to(tmp_path / "blobs")
    with pytest.raises(IntegrityError, match="as a folder"):
        LayoutSource.at(str(folder)).locate(upstream.shared)


def test_a_blob_of_another_size_is_refused(layout: tuple[Path, Upstream, Descriptor, Descriptor]) -> None:
    folder, upstream, _, _ = layout
    with (folder / "blobs/sha256" / upstream.shared.digest.hex).open("ab") as file:
        file.write(b"more")
    with pytest.raises(IntegrityError, match="its file has 20004"):
        LayoutSource.at(str(folder)).locate(upstream.shared)


def test_many_blobs_do_not_exhaust_the_descriptors(tmp_path: Path) -> None:
    upstream = Upstream()
    blobs = [upstream.layer(10) for _ in range(400)]
    source = LayoutSource.at(str(write_layout(tmp_path / "layout", upstream.blobs.content, [])))
    first = source.locate(blobs[0])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for blob in blobs:
        assert source.locate(blob) is not None
    assert len(list(Path("/proc/self/fd").iterdir())) - before < 200
    # Who still holds an extent can still read it.
    assert first is not None
    assert os.pread(first.fd, 10, first.offset) == upstream.blobs.content[blobs[0].digest]
    source.close()


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("oci-layout", None, "no oci-layout"),
        ("oci-layout", b'{"imageLayoutVersion":"2.0.0"}', "version 1.0.0"),
        ("oci-layout", b"{", "not what it must be"),
        ("index.json", None, "no index.json"),
        ("index.json", b'{"schemaVersion":2}', "not what it must be"),
    ],
)
def test_what_is_no_layout_is_refused(
    layout: tuple[Path, Upstream, Descriptor, Descriptor], name: str, content: bytes | None, error: str
) -> None:
    path = layout[0] / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises((ConfigError, IntegrityError), match=error):
        LayoutSource.at(str(layout[0]))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere cannot be opened as a folder"):
        open_source(f"oci:{tmp_path}/nowhere")
    with pytest.raises(ConfigError, match="there is no file"):
        open_source(f"oci-archive:{tmp_path}/nowhere")


# --- Docker archives -------------------------------------------------------------------------------------------------

LAYERS = [layer_tar(1), layer_tar(2)]
CONFIG = docker_config(LAYERS)
CONFIG_NAME = f"{Digest.of(CONFIG).hex}.json"


def image_list(*entries: dict[str, object]) -> bytes:
    """A ``manifest.json``."""
    return json.dumps(list(entries)).encode()


def entry(*layers: str, config: str = CONFIG_NAME, tags: list[str] | None = None) -> dict[str, object]:
    """One image of a ``manifest.json``."""
    return {"Config": config, "RepoTags": ["demo:1"] if tags is None else tags, "Layers": list(layers)}


def test_a_docker_archive_gets_the_same_manifest_everywhere(tmp_path: Path) -> None:
    files = [("a/layer.tar", LAYERS[0]), ("b/layer.tar", LAYERS[1]), (CONFIG_NAME, CONFIG)]
    manifest = ("manifest.json", image_list(entry("a/layer.tar", "b/layer.tar")))
    one = tar_entries(tmp_path / "one.tar", [*files, manifest])
    two = tar_entries(tmp_path / "two.tar", [manifest, *reversed(files)], format=tarfile.GNU_FORMAT)
    digests = set()
    for path in (one, two):
        source, found = open_source(f"docker-archive:{path}")
        assert found.media_type == media_types.DOCKER_MANIFEST
        (node,) = read_all(source, found).nodes
        assert json.loads(node.content)["schemaVersion"] == 2
        digests.add(found.digest)
        for name in ("demo:1", "docker.io/library/demo:1", "@0"):
            assert open_source(f"docker-archive:{path}:{name}")[1] == found
    assert len(digests) == 1


def test_layers_may_be_links_to_other_layers(tmp_path: Path) -> None:
    path = tar_entries(
        tmp_path / "linked.tar",
        [
            ("a/layer.tar", LAYERS[0]),
            (link("b/layer.tar", "../c.tar"), b""),
            (link("d.tar", "c.tar", tarfile.LNKTYPE), b""),
            ("c.tar", LAYERS[1]),
            (CONFIG_NAME, CONFIG),
            ("manifest.json", image_list(entry("a/layer.tar", "b/layer.tar"), entry("a/layer.tar", "d.tar"))),
        ],
    )
    source = DockerArchive(str(path))
    assert source.at(0) == source.at(1)
    assert len(read_all(source, source.at(0)).blobs) == 3


@pytest.mark.parametrize("target", ["../../etc/passwd", "/etc/passwd", "b/layer.tar", "nothing"])
def test_links_that_lead_nowhere_are_refused(tmp_path: Path, target: str) -> None:
    path = tar_entries(
        tmp_path / "linked.tar",
        [
            ("a/layer.tar", LAYERS[0]),
            (link("b/layer.tar", target), b""),
            (CONFIG_NAME, CONFIG),
            ("manifest.json", image_list(entry("a/layer.tar", "b/layer.tar"))),
        ],
    )
    with pytest.raises(IntegrityError, match="no file in the archive"):
        DockerArchive(str(path))


def test_compressed_layers_keep_their_bytes(tmp_path: Path) -> None:
    compressed = [gzip.compress(layer) for layer in LAYERS]
    names = [f"blobs/sha256/{Digest.of(compressed[0]).hex}", "b/layer.tar"]
    path = tar_entries(
        tmp_path / "compressed.tar",
        [
            *zip(names, compressed, strict=True),
            (CONFIG_NAME, CONFIG),
            ("manifest.json", image_list(entry(*names))),
        ],
    )
    source = DockerArchive(str(path))
    found = read_all(source, source.only())
    assert [blob.media_type for blob in found.blobs[1:]] == ["application/vnd.docker.image.rootfs.diff.tar.gzip"] * 2


def test_an_embedded_layout_gives_the_image_its_own_digest(tmp_path: Path) -> None:
    upstream = Upstream()
    layers = [upstream.blobs.add("application/vnd.oci.image.layer.v1.tar", layer) for layer in LAYERS]
    config = upstream.blobs.add("application/vnd.oci.image.config.v1+json", CONFIG)
    content = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": {"mediaType": config.media_type, "digest": config.digest, "size": config.size},
            "layers": [{"mediaType": x.media_type, "digest": x.digest, "size": x.size} for x in layers],
        },
        indent=3,
    ).encode()
    original = upstream.blobs.add(media_types.OCI_MANIFEST, content)
    folder = write_layout(tmp_path / "layout", upstream.blobs.content, [("1", original)])
    blob_names = [f"blobs/sha256/{layer.digest.hex}" for layer in layers]
    (folder / "manifest.json").write_bytes(image_list(entry(*blob_names, config=f"blobs/sha256/{config.digest.hex}")))
    source, found = open_source(f"docker-archive:{tar_folder(folder, tmp_path / 'saved.tar')}:demo:1")
    assert found.digest == original.digest
    assert read_all(source, found).nodes[0].content == content


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ([("x", b"")], "has no manifest.json"),
        ([("manifest.json", b"[]")], "0 images"),
        ([("manifest.json", image_list(entry("a", "b"))), (CONFIG_NAME, CONFIG)], "'a', which is no file"),
        ([("manifest.json", image_list(entry())), (CONFIG_NAME, CONFIG)], "has 2 layers, manifest.json gives it 0"),
        ([("manifest.json", image_list(entry(config="../../x")))], "no file in the archive"),
        ([("manifest.json", b'[{"Config": 1}]')], "not what it must be"),
        ([("manifest.json", image_list(entry())), (CONFIG_NAME, b"{}")], "not what it must be"),
    ],
)
def test_what_is_no_docker_archive_is_refused(tmp_path: Path, files: list[tuple[str, bytes]], error: str) -> None:
    path = tar_entries(tmp_path / "bad.tar", files)
    with pytest.raises((ConfigError, IntegrityError), match=error):
        DockerArchive(str(path)).only()


def test_an_image_that_is_not_in_it_is_named_with_those_that_are(tmp_path: Path) -> None:
    files = [("a", LAYERS[0]), ("b", LAYERS[1]), (CONFIG_NAME, CONFIG)]
    path = tar_entries(tmp_path / "saved.tar", [*files, ("manifest.json", image_list(entry("a", "b")))])
    with pytest.raises(RegistryError, match="has no 'demo:2'") as refused:
        open_source(f"docker-archive:{path}:demo:2")
    assert refused.value.hint == "images there: docker.io/library/demo:1"


@pytest.mark.peer("skopeo")
@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_what_skopeo_writes_is_read(tmp_path: Path) -> None:
    upstream = Upstream()
    layers = [upstream.blobs.add("application/vnd.oci.image.layer.v1.tar", layer) for layer in LAYERS]
    config = upstream.blobs.add("application/vnd.oci.image.config.v1+json", CONFIG)
    content = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": {"mediaType": config.media_type, "digest": config.digest, "size": config.size},
            "layers": [{"mediaType": x.media_type, "digest": x.digest, "size": x.size} for x in layers],
        }
    ).encode()
    image = upstream.blobs.add(media_types.OCI_MANIFEST, content)
    folder = write_layout(tmp_path / "layout", upstream.blobs.content, [("1", image)])
    for target in ("oci-archive:" + str(tmp_path / "oci.tar") + ":1", f"docker-archive:{tmp_path}/docker.tar:demo:1"):
        subprocess.run(["skopeo", "copy", f"oci:{folder}:1", target], check=True, capture_output=True)
        source, found = open_source(target)
        read_back = [read(source, blob) for blob in read_all(source, found).blobs[1:]]
        # skopeo compresses the layers of an OCI archive on its own account.
        assert [gzip.decompress(x) if x.startswith(b"\x1f\x8b") else x for x in read_back] == LAYERS
