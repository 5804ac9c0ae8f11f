"""Building from a registry that misbehaves: what it says, what is kept, and what is asked for again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from packhorse.app.build import build
from packhorse.app.build_model import BuildInput, BuildResult
from packhorse.base.errors import IntegrityError, PackhorseError, RegistryError
from packhorse.base.events import NullReporter
from packhorse.bundle.reader import Bundle
from packhorse.bundle.verify import verify
from packhorse.oci.distribution_client import RegistryClient
from packhorse.oci.media_types import OCI_INDEX, OCI_MANIFEST
from packhorse.oci.mirrors import MirrorTable, parse_mirror
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import ContentSource
from packhorse.oci.reference import Reference
from packhorse.oci.registry_settings import RegistrySettings
from packhorse.oci.retry import Pacing
from packhorse.package.lock import LockedArtifact, LockedImage
from tests.support.packages import SampleMaterials, Upstream, sample
from tests.support.registry import Registry, serving
from tests.support.registry_faults import Action, Fault, answer, corrupt, drop, truncate, with_headers


class RegistryMaterials(SampleMaterials):
    """Materials whose images come from a registry that mirrors all."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client

    def image_source(self, image: LockedImage | LockedArtifact) -> ContentSource:
        """The repository in the image's name."""
        return self._client.repository(Reference.parse(image.name).name)


@dataclass
class Scene:
    """A package whose images are in a registry."""

    what: BuildInput
    upstream: Upstream
    registry: Registry

    def build(self) -> BuildResult:
        """Build with a client that does not wait between tries."""
        mirrors = MirrorTable((parse_mirror(f"*={self.registry.url}"),), (), mirror_only=True)
        with RegistryClient(RegistrySettings(mirrors=mirrors), Pacing(sleep=lambda _seconds: None)) as client:
            return build(self.what, RegistryMaterials(client), NullReporter())

    def fault(self, descriptor: Descriptor, action: Action, times: int = -1) -> None:
        """Let every request for a blob go wrong."""
        self.registry.faults.append(Fault(rf"GET /v2/.*/{descriptor.digest}", action, times))

    def asked_for(self, descriptor: Descriptor) -> int:
        """How often a blob was asked for."""
        return sum(
            descriptor.digest in request.path and "/blobs/" in request.path for request in self.registry.requests
        )

    def check(self) -> None:
        """The bundle must be there, and right."""
        with Bundle.open_file(self.what.output) as bundle:
            assert verify(bundle, workers=1, progress=lambda _blob, _count: None) == []


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    what, upstream = sample(tmp_path)
    with serving() as registry:
        for image in what.config.lock.images:
            repository = Reference.parse(image.name).repository
            for content in upstream.blobs.content.values():
                registry.put_blob(repository, content)
                for media_type in _types(content):
                    registry.put_content(repository, content, media_type)
        yield Scene(what, upstream, registry)


def _types(content: bytes) -> list[str]:
    """What a blob is as a manifest; nothing for layers and configs."""
    keys = {b'"layers":': OCI_MANIFEST, b'"manifests":': OCI_INDEX}
    return [name for key, name in keys.items() if content.startswith(b"{") and key in content]


def test_all_of_it_comes_over_http(scene: Scene) -> None:
    result = scene.build()
    scene.check()
    assert result.fetched_bytes > 20_000
    assert scene.asked_for(scene.upstream.shared) == 1


@pytest.mark.parametrize("action", [answer(503), drop, truncate(5000)])
def test_passing_faults_do_not_show(scene: Scene, action: Action) -> None:
    scene.fault(scene.upstream.shared, action, times=2)
    scene.build()
    scene.check()


@pytest.mark.parametrize(
    ("action", "family", "said"),
    [
        (answer(500), PackhorseError, "500"),
        (answer(404), RegistryError, "does not have it"),
        (corrupt, IntegrityError, "hash to sha256:"),
        (with_headers({"Content-Length": "19999"}), PackhorseError, "19999"),
    ],
)
def test_a_fault_that_stays_names_the_blob_and_keeps_the_rest(
    scene: Scene, action: Action, family: type[PackhorseError], said: str
) -> None:
    scene.fault(scene.upstream.shared, action)
    with pytest.raises(family, match="Could not fetch 1 of") as caught:
        scene.build()
    (failure,) = caught.value.failures
    assert scene.upstream.shared.digest in failure.message
    assert "layer 1 of" in failure.message
    assert said in failure.message
    # Of the images that share it, the one whose manifest came first says where it is fetched.
    repositories = [image.name.partition("@")[0].rpartition(":")[0] for image in scene.what.config.lock.images]
    assert any(f"from {place}" in failure.message for place in (scene.registry.url, *repositories))
    assert not scene.what.output.exists()
    scene.registry.faults.clear()
    scene.registry.requests.clear()
    scene.build()
    scene.check()
    blobs = [request.path for request in scene.registry.requests if "/blobs/" in request.path]
    assert len(blobs) == scene.asked_for(scene.upstream.shared) == 1


def test_a_registry_that_answers_with_another_manifest_is_refused(scene: Scene) -> None:
    image = scene.what.config.lock.images[1]
    scene.registry.faults.append(Fault(rf"GET /v2/.*/manifests/{image.digest}", corrupt, -1))
    with pytest.raises(PackhorseError, match="Could not read the manifests of 1 of 4 images") as caught:
        scene.build()
    assert image.name in caught.value.failures[0].message


def test_several_failures_are_all_listed(scene: Scene) -> None:
    config = next(
        Descriptor(media_type="a/b", digest=digest, size=len(content))
        for digest, content in scene.upstream.blobs.content.items()
        if content.startswith(b'{"architecture":"arm64"')
    )
    for descriptor in (scene.upstream.shared, config):
        scene.fault(descriptor, answer(403))
    with pytest.raises(RegistryError, match="Could not fetch 2 of") as caught:
        scene.build()
    assert len(caught.value.failures) == 2
    assert "config of docker.io/library/multi:1 (arm64)" in "\n".join(each.message for each in caught.value.failures)
