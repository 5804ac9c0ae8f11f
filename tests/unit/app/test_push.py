"""Pushing bundles, stores and layouts into a registry: under which names, and what goes along."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from packhorse.app.build import build
from packhorse.app.push import open_source, plan_push, push
from packhorse.app.push_names import PushTarget, name_images
from packhorse.base.errors import ConfigError, IntegrityError, RegistryError, UsageError
from packhorse.base.events import NullReporter
from packhorse.bundle.reader import Bundle
from packhorse.bundle.sources import BytesSource
from packhorse.oci.copy import CopyResult, Root, copy_graph
from packhorse.oci.distribution_client import RegistryClient
from packhorse.oci.manifest import successors
from packhorse.oci.model import Descriptor
from packhorse.oci.reference import Reference
from packhorse.oci.registry_settings import RegistrySettings
from packhorse.oci.retry import Pacing, RetryPolicy
from packhorse.store.directory_store import DirectoryStore
from tests.support import registry_faults as faults
from tests.support.docker_registry import PROGRAM, docker_registry
from tests.support.layouts import write_layout
from tests.support.packages import Upstream, materials, sample
from tests.support.registry import Registry, serving
from tests.support.registry_faults import Fault


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with an index of which two of three platforms are carried, a signature, and three images."""
    what, upstream = sample(tmp_path_factory.mktemp("sample"))
    build(what, materials(upstream), NullReporter())
    return what.output


def pushed(source: Path | str, target: str, prefix: str | None = None, *, unwrap: bool = False) -> CopyResult:
    """Push all of a source."""
    settings = RegistrySettings(retry=RetryPolicy(tries=2))
    with ExitStack() as opened:
        cargo = open_source(str(source), opened)
        client = opened.enter_context(RegistryClient(settings, Pacing(sleep=lambda _: None)))
        plan = plan_push(cargo, PushTarget.parse(target, prefix), client, workers=3, unwrap=unwrap)
        return push(plan, workers=3, reporter=NullReporter()).copied


def tags(registry: Registry) -> dict[str, str]:
    """Everything that has a name, as ``repository:tag``."""
    return {
        f"{name}:{tag}": digest
        for name, held in sorted(registry.repositories.items())
        for tag, digest in sorted(held.tags.items())
    }


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "prefix", "reference", "expected"),
    [
        ("r.example:5000", None, "docker.io/library/redis:7", "r.example:5000/library/redis"),
        ("r.example/project", None, "docker.io/library/redis:7", "r.example/project/library/redis"),
        ("r.example/a/b/", None, "ghcr.io/x/y:1", "r.example/a/b/x/y"),
        ("r.example", "mirror", "docker.io/library/redis:7", "r.example/mirror/docker.io/library/redis"),
        ("r.example/p", "team/mirror", "quay.io:8443/x/y:1", "r.example/p/team/mirror/quay.io-8443/x/y"),
        ("r.example", "/m/", "localhost:5000/x:1", "r.example/m/localhost-5000/x"),
        ("r.example", "m", "[::1]:5000/x:1", "r.example/m/1-5000/x"),
        ("localhost", None, "docker.io/a/b:1", "localhost/a/b"),
    ],
)
def test_names(target: str, prefix: str | None, reference: str, expected: str) -> None:
    name = PushTarget.parse(target, prefix).repository(Reference.parse(reference))
    assert name == expected
    assert Reference.parse(name).name == expected


@pytest.mark.parametrize(
    "target", ["", "UPPER CASE", "r.example/UPPER", "r.example/a//b", "http://r.example", "noregistry"]
)
def test_what_is_no_target(target: str) -> None:
    with pytest.raises(UsageError, match="is not a registry to push to"):
        PushTarget.parse(target)


def named(*names: str) -> list[tuple[Reference, Descriptor]]:
    """Images of these names, each of its own content."""
    upstream = Upstream()
    return [(Reference.parse(name), upstream.manifest()) for name in names]


def test_two_upstreams_that_would_meet_are_refused() -> None:
    images = named("docker.io/team/app:1", "quay.io/team/app:1")
    with pytest.raises(UsageError, match=r"both would become r\.example/team/app:1") as caught:
        name_images(images, PushTarget("r.example"))
    assert caught.value.hint is not None
    assert "--prefix" in caught.value.hint
    assert len(name_images(images, PushTarget("r.example", prefix="m"))) == 2


def test_two_upstreams_with_the_same_content_may_meet() -> None:
    ((_, image),) = named("docker.io/team/app:1")
    images = [(Reference.parse(name), image) for name in ("docker.io/team/app:1", "quay.io/team/app:1")]
    assert len(name_images(images, PushTarget("r.example"))["r.example/team/app"]) == 2


def test_of_two_pins_of_one_tag_the_first_has_it() -> None:
    roots = name_images(named("docker.io/team/app:1", "docker.io/team/app:1"), PushTarget("r.example"))
    assert [root.root.tags for root in roots["r.example/team/app"]] == [("1",), ()]


def test_an_image_without_a_tag_goes_without_one() -> None:
    (reference, image), *_ = named("docker.io/team/app:1")
    untagged = Reference(reference.registry, reference.repository, digest=image.digest)
    (root,) = name_images([(untagged, image)], PushTarget("r.example"))["r.example/team/app"]
    assert root.root.tags == ()


# --- sources --------------------------------------------------------------------------------------------------------


def test_a_bundle_with_its_sparse_index_and_signature(bundle: Path, registry: Registry) -> None:
    result = pushed(bundle, registry.host)
    assert sorted(tags(registry)) == ["library/multi:1", "team/app0:1", "team/app1:1", "team/app2:1"]
    with Bundle.open_file(bundle) as opened:
        images = {str(reference): entry for reference, entry in opened.images()}
        (subject, signature, _), *_ = opened.referrers()
    multi = registry.repository("library/multi")
    assert multi.tags["1"] == images["docker.io/library/multi:1"].digest
    # The index, two of its three platforms, and the signature of one.
    assert len(multi.manifests) == 4
    assert [entry["digest"] for entry in registry.referrers_of("library/multi", subject)] == [signature.digest]
    assert result.tags == 4


def test_a_second_push_sends_nothing(bundle: Path, registry: Registry) -> None:
    first = pushed(bundle, registry.host)
    registry.requests.clear()
    second = pushed(bundle, registry.host)
    assert (second.blobs, second.manifests, second.tags) == (0, 0, 0)
    assert second.held_blobs == first.blobs
    assert {request.method for request in registry.requests} == {"HEAD"}
    # One question for each manifest; those that have a tag are asked for by it.
    assert len(registry.requests) == 7


def test_layers_that_images_share_are_sent_once(bundle: Path, registry: Registry) -> None:
    pushed(bundle, registry.host)
    puts = [request.path for request in registry.asked("PUT .*/blobs/")]
    assert len({path.partition("digest=")[2] for path in puts}) == len(puts)
    assert [request.status for request in registry.asked("POST .*mount=")] == [201] * 3


def test_below_a_prefix(bundle: Path, registry: Registry) -> None:
    pushed(bundle, f"{registry.host}/project", "mirror")
    assert "project/mirror/docker.io/library/multi:1" in tags(registry)
    assert "project/mirror/registry.example/team/app0:1" in tags(registry)


def test_a_push_that_broke_goes_on(bundle: Path, registry: Registry) -> None:
    with Bundle.open_file(bundle) as opened:
        image = next(entry for reference, entry in opened.images() if reference.repository == "team/app0")
        node = opened.node(image.digest)
    assert node is not None
    own = [layer.digest for layer in successors(node.parsed)[2:]]
    registry.faults += [Fault(f"PUT .*digest={digest}", faults.answer(507), times=-1) for digest in own]
    with pytest.raises(RegistryError, match="Could not copy everything: 2 failures") as caught:
        pushed(bundle, registry.host)
    assert {failure.message.partition(" ")[0] for failure in caught.value.failures} == set(own)
    held = len(registry.blobs)
    assert "team/app0:1" not in tags(registry)
    assert len(tags(registry)) == 3
    registry.faults.clear()
    registry.requests.clear()
    result = pushed(bundle, registry.host)
    assert (result.blobs, result.held_blobs, result.manifests, result.tags) == (2, held, 1, 1)
    assert len(registry.asked("PUT .*/blobs/")) == 2
    assert len(tags(registry)) == 4


def test_a_store_with_referrers(tmp_path: Path, registry: Registry) -> None:
    upstream = Upstream()
    image = upstream.manifest()
    signature = upstream.signature(image)
    store = DirectoryStore.create(tmp_path / "store")
    source = BytesSource(upstream.blobs.content)
    name = "docker.io/team/app"
    roots = [Root(image.plain(), (f"{name}:1",)), Root(signature)]
    copy_graph(source, store, roots, workers=1, reporter=NullReporter())
    store.add_referrer(name, image.digest, signature, tag=f"sha256-{image.digest.hex}.sig")
    store.close()
    pushed(tmp_path / "store", registry.host)
    assert sorted(tags(registry)) == ["team/app:1", f"team/app:sha256-{image.digest.hex}.sig"]
    assert len(registry.referrers_of("team/app", image.digest)) == 1


def test_a_layout_and_its_archive_form(tmp_path: Path, registry: Registry) -> None:
    upstream = Upstream()
    image = upstream.manifest()
    layout = write_layout(tmp_path / "layout", upstream.blobs.content, [("docker.io/team/app:1", image.plain())])
    pushed(layout, registry.host)
    assert tags(registry) == {"team/app:1": image.digest}
    assert pushed(f"oci:{layout}", registry.host).blobs == 0


def test_a_source_without_names(tmp_path: Path, registry: Registry) -> None:
    upstream = Upstream()
    layout = write_layout(tmp_path / "layout", upstream.blobs.content, [("", upstream.manifest().plain())])
    with pytest.raises(ConfigError, match="no image with a full name"):
        pushed(layout, registry.host)


@pytest.mark.parametrize("source", ["/nowhere/x.bundle.tar", "oci:/nowhere"])
def test_a_source_that_is_not_there(registry: Registry, source: str) -> None:
    with pytest.raises((UsageError, ConfigError)):
        pushed(source, registry.host)


def test_a_damaged_bundle_leaves_out_what_is_damaged(bundle: Path, tmp_path: Path, registry: Registry) -> None:
    with Bundle.open_file(bundle) as opened:
        blob = max(opened.blobs, key=lambda each: each.size)
        member = opened.member(blob.digest)
    assert member is not None
    damaged = tmp_path / "damaged.bundle.tar"
    content = bytearray(bundle.read_bytes())
    content[member.offset + 5] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(IntegrityError, match="Could not copy everything") as caught:
        pushed(damaged, registry.host)
    assert blob.digest in caught.value.failures[0].message
    assert blob.digest not in registry.blobs
    for held in registry.repositories.values():
        assert blob.digest not in held.blobs


def test_unwrapping_leaves_an_index_with_several_images_as_it_is(bundle: Path, registry: Registry) -> None:
    pushed(bundle, registry.host, unwrap=True)
    assert len(registry.repository("library/multi").manifests) == 4


def single_platform(folder: Path) -> tuple[Path, Upstream, Descriptor, Descriptor]:
    """A layout with an index of which one image is there."""
    upstream = Upstream()
    amd64 = upstream.manifest("amd64")
    index = upstream.index(amd64, upstream.absent("s390x"))
    layout = write_layout(folder / "layout", upstream.blobs.content, [("docker.io/team/app:1", index)])
    return layout, upstream, index, amd64


def test_unwrapping_pushes_the_one_image_that_is_there(tmp_path: Path, registry: Registry) -> None:
    layout, _, index, amd64 = single_platform(tmp_path)
    pushed(layout, registry.host)
    assert tags(registry) == {"team/app:1": index.digest}
    pushed(layout, registry.host, unwrap=True)
    assert tags(registry) == {"team/app:1": amd64.digest}


def test_a_pin_to_an_index_that_was_unwrapped_is_lost_and_told(tmp_path: Path, registry: Registry) -> None:
    upstream = Upstream()
    amd64 = upstream.manifest("amd64")
    index = upstream.index(amd64, upstream.absent("s390x"))
    pin = f"docker.io/team/app:1@{index.digest}"
    layout = write_layout(tmp_path / "layout", upstream.blobs.content, [(pin, index)])
    settings = RegistrySettings(retry=RetryPolicy(tries=2))
    for unwrap, becomes, lost in ((False, index.digest, []), (True, amd64.digest, [pin])):
        with ExitStack() as opened:
            cargo = open_source(str(layout), opened)
            client = opened.enter_context(RegistryClient(settings))
            plan = plan_push(cargo, PushTarget.parse(registry.host), client, workers=1, unwrap=unwrap)
        assert [name for _, name in plan.names] == [f"{registry.host}/team/app:1@{becomes}"]
        assert [str(reference) for reference in plan.lost_pins] == lost


@pytest.mark.peer("docker-registry")
@pytest.mark.skipif(PROGRAM is None, reason="docker-registry is not on PATH")
def test_the_registry_that_debian_has(bundle: Path, tmp_path: Path) -> None:
    layout, _, _, amd64 = single_platform(tmp_path)
    with docker_registry(tmp_path) as host, RegistryClient(RegistrySettings()) as client:
        # It wants all of an index or none.
        with pytest.raises(RegistryError) as refused:
            pushed(layout, host)
        assert "MANIFEST" in refused.value.failures[0].message
        assert refused.value.hint is not None
        assert "--unwrap-indexes" in refused.value.hint
        pushed(layout, host, unwrap=True)
        assert client.repository(f"{host}/team/app").resolve("1") == amd64.plain()
        assert pushed(layout, host, unwrap=True).blobs == 0
        with pytest.raises(RegistryError) as caught:
            pushed(bundle, f"{host}/other")
        assert len(caught.value.failures) == 1
        with Bundle.open_file(bundle) as opened:
            (subject, signature, _), *_ = opened.referrers()
        # It keeps no lists of referrers: the tag that stands in for them is written.
        listed = client.repository(f"{host}/other/library/multi").referrers(
            Descriptor(media_type="x", digest=subject, size=0)
        )
        assert [each.digest for each in listed] == [signature.digest]
