"""What of an image is carried: platforms, attestations, nested indexes, and what must be refused."""

from collections.abc import Mapping

import msgspec
import pytest

from packhorse.app.image_choice import Choice, choose
from packhorse.base.errors import ConfigError, IntegrityError
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.graph import CARRIES
from packhorse.oci.model import SCHEMA_VERSION, Descriptor, Index, Manifest, Platform, canonical_json
from tests.support.packages import CONFIG, Upstream


def platform_of(descriptor: Descriptor, text: str) -> Descriptor:
    return msgspec.structs.replace(descriptor, platform=Platform.parse(text))


def attestation(upstream: Upstream, subject: Descriptor) -> Descriptor:
    """As BuildKit writes one."""
    manifest = upstream.manifest("unknown")
    annotations = {
        "vnd.docker.reference.digest": str(subject.digest),
        "vnd.docker.reference.type": "attestation-manifest",
    }
    return msgspec.structs.replace(platform_of(manifest, "unknown/unknown"), annotations=annotations)


def run(upstream: Upstream, root: Descriptor, *wanted: str) -> Choice:
    return choose(root, wanted, lambda descriptor: upstream.blobs.content[descriptor.digest])


def carried(choice: Choice) -> Mapping[Digest, str]:
    return {manifest.digest: manifest.platform for manifest in choice.manifests}


def single(upstream: Upstream, config: Mapping[str, str]) -> Descriptor:
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        media_type=media_types.OCI_MANIFEST,
        config=upstream.blobs.add(CONFIG, canonical_json(config)),
        layers=(),
    )
    return upstream.blobs.add_manifest(manifest)


def test_only_the_wanted_platforms_and_what_is_about_them() -> None:
    upstream = Upstream()
    amd64, arm64 = upstream.manifest("amd64"), upstream.manifest("arm64")
    about_amd64, about_arm64 = attestation(upstream, amd64), attestation(upstream, arm64)
    root = upstream.index(amd64, arm64, about_amd64, about_arm64, upstream.absent("s390x"))
    choice = run(upstream, root, "linux/amd64")
    assert choice.platforms == ("linux/amd64",)
    assert carried(choice) == {amd64.digest: "linux/amd64", about_amd64.digest: ""}
    both = run(upstream, root, "linux/arm64", "linux/amd64")
    assert both.platforms == ("linux/amd64", "linux/arm64")
    assert len(both.manifests) == 4


def test_variants_count_as_one_platform() -> None:
    upstream = Upstream()
    arm64 = platform_of(upstream.manifest("arm64"), "linux/arm64/v8")
    arm7, arm6 = (platform_of(upstream.manifest("arm"), f"linux/arm/{variant}") for variant in ("v7", "v6"))
    root = upstream.index(arm6, arm7, arm64)
    assert carried(run(upstream, root, "linux/arm64")) == {arm64.digest: "linux/arm64/v8"}
    assert carried(run(upstream, root, "linux/arm")) == {arm7.digest: "linux/arm/v7"}
    assert carried(run(upstream, root, "linux/arm/v6")) == {arm6.digest: "linux/arm/v6"}


def test_a_missing_platform_names_what_there_is() -> None:
    upstream = Upstream()
    root = upstream.index(upstream.manifest("amd64"), upstream.manifest("arm64"))
    with pytest.raises(ConfigError, match="there is nothing for linux/s390x; there is linux/amd64, linux/arm64"):
        run(upstream, root, "linux/amd64", "linux/s390x")


def test_indexes_in_indexes() -> None:
    upstream = Upstream()
    amd64, arm64, other = upstream.manifest("amd64"), upstream.manifest("arm64"), upstream.manifest("s390x")
    inner = upstream.index(amd64, upstream.index(arm64))
    deepest = Digest.of(canonical_json(Index(schema_version=2, media_type=media_types.OCI_INDEX, manifests=(arm64,))))
    root = upstream.index(inner, upstream.index(other))
    assert carried(run(upstream, root, "linux/amd64")) == {amd64.digest: "linux/amd64", inner.digest: ""}
    assert set(carried(run(upstream, root, "linux/arm64"))) == {arm64.digest, inner.digest, deepest}


def test_indexes_that_never_end_are_refused() -> None:
    upstream = Upstream()
    root = upstream.manifest("amd64")
    for _ in range(14):
        root = upstream.index(root)
    with pytest.raises(IntegrityError, match="more than 12 deep"):
        run(upstream, root, "linux/amd64")


def test_a_platform_that_only_the_config_tells() -> None:
    upstream = Upstream()
    unnamed = msgspec.structs.replace(upstream.manifest("arm64"), platform=None)
    root = upstream.index(upstream.manifest("amd64"), unnamed)
    assert carried(run(upstream, root, "linux/arm64")) == {unnamed.digest: "linux/arm64"}


def test_an_artifact_beside_images_is_carried() -> None:
    upstream = Upstream()
    amd64, artifact = upstream.manifest("amd64"), upstream.signature(upstream.manifest("arm64"))
    root = upstream.index(amd64, artifact)
    assert set(carried(run(upstream, root, "linux/amd64"))) == {amd64.digest, artifact.digest}


def test_an_index_of_artifacts_is_for_no_platform() -> None:
    upstream = Upstream()
    artifact = upstream.signature(upstream.manifest())
    inner = upstream.index(artifact)
    choice = run(upstream, upstream.index(inner), "linux/amd64")
    assert choice.platforms == ()
    assert set(carried(choice)) == {artifact.digest, inner.digest}


def test_an_image_of_one_platform() -> None:
    upstream = Upstream()
    root = single(upstream, {"os": "linux", "architecture": "arm64", "variant": "v8"})
    assert run(upstream, root, "linux/arm64") == Choice(("linux/arm64",))
    assert run(upstream, root, "linux/amd64", "linux/arm64") == Choice(("linux/arm64",), missing=("linux/amd64",))
    with pytest.raises(ConfigError, match="there is nothing for linux/amd64; there is linux/arm64/v8"):
        run(upstream, root, "linux/amd64")


@pytest.mark.parametrize("config", [{}, {"os": "linux"}, {"architecture": "amd64", "os": ""}])
def test_an_image_that_does_not_say_is_for_all(config: dict[str, str]) -> None:
    upstream = Upstream()
    assert run(upstream, single(upstream, config), "linux/amd64") == Choice(("linux/amd64",))


def test_versions_of_windows_come_together() -> None:
    upstream = Upstream()
    versions = [
        msgspec.structs.replace(
            upstream.manifest("amd64"), platform=Platform(os="windows", architecture="amd64", os_version=version)
        )
        for version in ("10.0.1", "10.0.2")
    ]
    root = upstream.index(*versions, upstream.manifest("amd64"))
    assert set(carried(run(upstream, root, "windows/amd64"))) == {version.digest for version in versions}


def test_a_layout_that_lacks_platforms_offers_the_others() -> None:
    upstream = Upstream()
    amd64 = upstream.manifest("amd64")
    root = upstream.index(amd64, upstream.absent("arm64"), upstream.index(upstream.absent("s390x")))
    sparse = msgspec.structs.replace(root, annotations={CARRIES: str(amd64.digest)})
    assert set(carried(run(upstream, sparse, "linux/amd64"))) == {amd64.digest}
    with pytest.raises(ConfigError, match="there is nothing for linux/arm64; there is linux/amd64"):
        run(upstream, sparse, "linux/arm64")
