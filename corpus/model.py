"""What a recipe is: images of layers, indexes of images, artifacts, and what is attached to any of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from corpus.entries import Entry
from corpus.layout import Descriptor, Layout
from corpus.workshop import Workshop

__all__ = [
    "Artifact",
    "Attachment",
    "ContainerConfig",
    "Form",
    "Format",
    "Image",
    "Index",
    "Layer",
    "Recipe",
    "Source",
    "Statement",
    "Subject",
]

Format = Literal["oci", "docker"]

Form = Literal["referrer", "tag"]
"""How something is attached: by its ``subject`` (image-spec 1.1), or by cosign's older tag ``sha256-<hex>.sig``."""


class Source(Protocol):
    """Where the files of one layer come from. Implementations are frozen dataclasses under ``corpus.sources``."""

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        """Say what decides about the layer's content on ``platform`` (``os/architecture``), as JSON values.

        Equal identities mean equal bytes: exact versions and hashes belong here. May ask a package index.
        """

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        """Yield the layer's files in a fixed order, fetching packages where the cache lacks them."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A manifest or index that something is said about, in the layout that has it."""

    reference: str
    descriptor: Descriptor
    layout: Layout


class Statement(Protocol):
    """Something said about an image. Implementations are frozen dataclasses under ``corpus.statements``."""

    @property
    def artifact_type(self) -> str:
        """Of the manifest that carries it as a referrer."""

    @property
    def media_type(self) -> str:
        """Of its bytes, as a layer."""

    @property
    def predicate_type(self) -> str:
        """Of the in-toto statement that it can be the predicate of; empty where it can be none."""

    @property
    def suffix(self) -> str:
        """Of cosign's tag: ``sig``, ``sbom`` or ``att``."""

    def identity(self) -> Mapping[str, object]:
        """Say what decides about its content beside the subject, as JSON values."""

    def content(self, subject: Subject) -> bytes:
        """Say it: the same subject gives the same bytes."""

    def annotations(self, content: bytes) -> Mapping[str, str]:
        """Give the annotations of its layer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerConfig:
    """How a container of the image runs: the fields of the OCI image configuration that real images set."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    user: str = ""
    working_directory: str = ""
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""

    def as_json(self) -> dict[str, object]:
        """Give the ``config`` object of the OCI image specification, without what is not set."""
        values: dict[str, object] = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in self.ports},
            "Env": list(self.environment),
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "Volumes": {volume: {} for volume in self.volumes},
            "WorkingDir": self.working_directory,
            "Labels": dict(sorted(self.labels.items())),
            "StopSignal": self.stop_signal,
        }
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A source with something of its own to say about how it is packed."""

    source: Source
    compression: str = ""
    """Instead of the image's."""
    urls: tuple[str, ...] = ()
    """Where a runtime fetches it from: a *foreign* layer, that no registry and no layout has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """One image.

    More than one platform makes an index; one platform makes a plain manifest.
    """

    reference: str
    """As in Docker and in full: ``docker.io/library/redis:7``."""
    layers: tuple[Source | Layer, ...]
    """From the lowest to the uppermost. Equal sources in two recipes are one blob."""
    config: ContainerConfig = field(default_factory=ContainerConfig)
    platforms: tuple[str, ...] = ("linux/amd64",)
    """``os/architecture[/variant]``; a version of the system stands in brackets, as ``windows(10.0.20348)/amd64``."""
    format: Format = "oci"
    compression: str = "gzip"
    attestations: tuple[Statement, ...] = ()
    """Listed in an index beside the image, as BuildKit does it: even one platform makes an index then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """Images and indexes in one index."""

    reference: str
    members: tuple["Image | Index", ...]
    """Their references are names for people only: what is listed has none."""
    format: Format = "oci"


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A manifest that is no image (image-spec 1.1), of small texts; without any it has the empty descriptor."""

    reference: str
    artifact_type: str
    media_type: str = "text/plain"
    texts: Mapping[str, str] = field(default_factory=dict)
    """Title → content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """A statement about what another recipe makes, in the same repository."""

    to: "Recipe"
    statement: Statement
    form: Form = "referrer"

    @property
    def reference(self) -> str:
        """The reference of what it is about; its own name has a digest, which is known when it is made."""
        return self.to.reference


Recipe: TypeAlias = Image | Index | Artifact | Attachment
