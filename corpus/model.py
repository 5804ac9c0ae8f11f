"""What a recipe is: an image as layers of sources, with the configuration of its container."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from corpus.entries import Entry
from corpus.workshop import Workshop

__all__ = ["ContainerConfig", "Format", "Image", "Source"]

Format = Literal["oci", "docker"]


class Source(Protocol):
    """Where the files of one layer come from. Implementations are frozen dataclasses under ``corpus.sources``."""

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        """Say what decides about the layer's content on ``platform`` (``os/architecture``), as JSON values.

        Equal identities mean equal bytes: exact versions and hashes belong here. May ask a package index.
        """

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        """Yield the layer's files in a fixed order, fetching packages where the cache lacks them."""


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
class Image:
    """One recipe.

    More than one platform makes an index; one platform makes a plain manifest.
    """

    reference: str
    """As in Docker and in full: ``docker.io/library/redis:7``."""
    layers: tuple[Source, ...]
    """From the lowest to the uppermost. Equal sources in two recipes are one blob."""
    config: ContainerConfig = field(default_factory=ContainerConfig)
    platforms: tuple[str, ...] = ("linux/amd64",)
    format: Format = "oci"
    compression: str = "gzip"
