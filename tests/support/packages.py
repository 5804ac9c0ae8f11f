"""Synthetic packages for tests: real manifests of random layers, and the lock that lists them."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from packhorse.app.build_model import BuildInput
from packhorse.bundle.content import Blobs, PackageConfig
from packhorse.bundle.sources import BytesSource
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import SCHEMA_VERSION, Descriptor, Index, Manifest, Platform, canonical_json
from packhorse.oci.ports import ContentSource
from packhorse.package.lock import (
    Lock,
    LockedArtifact,
    LockedChart,
    LockedFile,
    LockedGit,
    LockedImage,
    LockedManifest,
    LockedPackage,
    LockedReferrer,
    LockedRendering,
)
from packhorse.package.model import ChartEntry, Component, FileEntry, Metadata, Package

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
CHART_ARCHIVE = b"stands for a chart archive"
DEFINITION = b"# stands for packhorse.yaml\n"


@dataclass
class Upstream:
    """Images as a registry would have them, made from a seed."""

    seed: int = 0
    blobs: Blobs = field(default_factory=Blobs)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.shared = self.layer(20_000)

    def layer(self, size: int) -> Descriptor:
        """A layer of random bytes."""
        return self.blobs.add(LAYER, self._random.randbytes(size))

    def manifest(self, architecture: str = "amd64", *, layers: int = 2, size: int = 5000) -> Descriptor:
        """An image for one platform: the shared layer, and some of its own."""
        own = [self.layer(self._random.randrange(1, size)) for _ in range(layers)]
        config = {"architecture": architecture, "os": "linux", "config": {"Labels": {"n": str(self._random.random())}}}
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            media_type=media_types.OCI_MANIFEST,
            config=self.blobs.add(CONFIG, canonical_json(config)),
            layers=(self.shared, *own),
        )
        described = self.blobs.add_manifest(manifest)
        return msgspec.structs.replace(described, platform=Platform(architecture=architecture, os="linux"))

    def index(self, *children: Descriptor) -> Descriptor:
        """An index of manifests."""
        return self.blobs.add_manifest(
            Index(schema_version=SCHEMA_VERSION, media_type=media_types.OCI_INDEX, manifests=children)
        )

    def absent(self, architecture: str) -> Descriptor:
        """A manifest that an index lists and nobody has."""
        return Descriptor(
            media_type=media_types.OCI_MANIFEST,
            digest=Digest.of(architecture.encode()),
            size=500,
            platform=Platform(architecture=architecture, os="linux"),
        )

    def signature(self, subject: Descriptor) -> Descriptor:
        """A referrer of a manifest."""
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            media_type=media_types.OCI_MANIFEST,
            artifact_type="application/vnd.example.signature",
            config=self.blobs.add(media_types.OCI_EMPTY, b"{}"),
            layers=(self.layer(100),),
            subject=subject.plain(),
        )
        return self.blobs.add_manifest(manifest)


@dataclass
class SampleMaterials:
    """Materials for a build whose images come from one upstream."""

    source: ContentSource

    def image_source(self, image: LockedImage | LockedArtifact) -> ContentSource:
        """The same for all."""
        del image
        return self.source

    def chart_source(self, chart: LockedChart) -> ContentSource:
        """The same for all."""
        del chart
        return self.source

    def chart_archive(self, chart: LockedChart) -> bytes:
        """The one archive."""
        assert chart.digest == Digest.of(CHART_ARCHIVE)
        return CHART_ARCHIVE

    def chart_metadata(self, archive: bytes) -> dict[str, object]:
        """What the one archive stands for."""
        assert archive == CHART_ARCHIVE
        return {"name": "shop", "version": "1.0.0", "apiVersion": "v2"}

    def rendering(self, rendering: LockedRendering) -> bytes:
        """Objects that name their kustomization."""
        return rendering_of(rendering.name)

    def git_bundle(self, repository: LockedGit) -> bytes:
        """Bytes that name their commit."""
        return repository.commit.encode()


def rendering_of(name: str) -> bytes:
    """What the sample kustomizations build to."""
    return f"kind: ConfigMap\nmetadata: {{name: {name}}}\n".encode()


def sample(folder: Path, *, seed: int = 0, images: int = 3) -> tuple[BuildInput, Upstream]:
    """Make a package with an index of which two of three platforms are carried, plain images, a chart and files."""
    upstream = Upstream(seed)
    amd64, arm64 = upstream.manifest("amd64"), upstream.manifest("arm64")
    index = upstream.index(amd64, arm64, upstream.absent("s390x"))
    signature = upstream.signature(amd64)
    multi = LockedImage(
        name="docker.io/library/multi:1",
        digest=index.digest,
        media_type=index.media_type,
        size=index.size,
        components=("main",),
        manifests=(
            LockedManifest(digest=amd64.digest, platform="linux/amd64"),
            LockedManifest(digest=arm64.digest, platform="linux/arm64"),
        ),
        referrers=(
            LockedReferrer(
                digest=signature.digest,
                media_type=signature.media_type,
                size=signature.size,
                subject=amd64.digest,
                artifact_type="application/vnd.example.signature",
            ),
        ),
    )
    plain = [
        LockedImage(
            name=f"registry.example/team/app{number}:1",
            digest=image.digest,
            media_type=image.media_type,
            size=image.size,
            components=("main",),
        )
        for number, image in ((number, upstream.manifest()) for number in range(images))
    ]
    (folder / "values.yaml").write_bytes(b"replicas: 2\n")
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "probe").write_bytes(b"#!/bin/sh\n")
    config = PackageConfig(definition=_definition(), lock=_lock((multi, *plain), folder))
    return BuildInput(folder, DEFINITION, config, folder / "sample.bundle.tar", workers=3), upstream


def materials(upstream: Upstream) -> SampleMaterials:
    """Materials that read from an upstream."""
    return SampleMaterials(BytesSource(upstream.blobs.content))


def _definition() -> Package:
    component = Component(
        name="main",
        charts=(ChartEntry(name="shop", source="./charts/shop", values=("values.yaml",)),),
        files=(FileEntry(source="bin/probe", target="/usr/local/bin/probe", mode="0755"),),
    )
    return Package(
        api_version="packhorse.dev/v1alpha1",
        kind="Package",
        metadata=Metadata(name="sample", version="1.0.0"),
        components=(component,),
    )


def _lock(images: tuple[LockedImage, ...], folder: Path) -> Lock:
    chart = LockedChart(
        component="main",
        name="shop",
        chart="shop",
        version="1.0.0",
        source="./charts/shop",
        digest=Digest.of(CHART_ARCHIVE),
        size=len(CHART_ARCHIVE),
    )
    rendered = rendering_of("site")
    rendering = LockedRendering(
        component="main", name="site", path="overlays/site", digest=Digest.of(rendered), size=len(rendered)
    )
    return Lock(
        api_version="packhorse.dev/v1alpha1",
        kind="Lock",
        package=LockedPackage(name="sample", version="1.0.0", digest=Digest.of(DEFINITION)),
        platforms=("linux/amd64", "linux/arm64"),
        images=images,
        charts=(chart,),
        kustomizations=(rendering,),
        files=tuple(_file(folder, path) for path in ("bin/probe", "values.yaml")),
        git=(LockedGit(component="main", name="site", source="./site", ref="main", commit="0" * 40),),
    )


def _file(folder: Path, path: str) -> LockedFile:
    data = (folder / path).read_bytes()
    return LockedFile(path=path, digest=Digest.of(data), size=len(data))
