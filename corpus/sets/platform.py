"""The monitoring of ``examples/platform``: programs of the Prometheus project, built from their Go modules.

Prometheus is built with the discovery of Kubernetes alone (that of clouds is most of its dependencies), and none has
its web pages, which are no part of the modules.
"""

from dataclasses import dataclass

from corpus.model import ContainerConfig, Image
from corpus.sets.bases import labels, user
from corpus.sources import GoProgram

__all__ = ["IMAGES"]

_PROJECT = "github.com/prometheus"
_VERSION_FLAG = f"{_PROJECT}/common/version.Version"


@dataclass(frozen=True, slots=True)
class _Release:
    """A program of the project."""

    name: str
    version: str
    module_version: str
    """Prometheus itself has another number as a module."""
    port: int
    package: str = ""
    """Where the program is in its module."""
    tags: tuple[str, ...] = ()
    data: str = "/"

    def image(self) -> Image:
        program = GoProgram(
            package=f"{_PROJECT}/{self.name}{self.package}",
            target=f"/bin/{self.name}",
            module=f"{_PROJECT}/{self.name}",
            version=self.module_version,
            link_flags=("-s", "-w", "-X", f"{_VERSION_FLAG}={self.version}"),
            tags=self.tags,
        )
        owned = () if self.data == "/" else (self.data,)
        return Image(
            reference=f"quay.io/prometheus/{self.name.replace('_', '-')}:v{self.version}",
            layers=(program, user("prometheus", 65532, self.data, *owned)),
            config=ContainerConfig(
                entrypoint=(program.target,),
                user="65532:65532",
                working_directory=self.data,
                ports=(f"{self.port}/tcp",),
                labels=labels(self.name, self.version, "Apache-2.0"),
            ),
        )


IMAGES = (
    _Release(
        "prometheus",
        "3.13.5",
        "v0.313.5",
        9090,
        package="/cmd/prometheus",
        tags=("remove_all_sd", "enable_kubernetes_sd"),
        data="/prometheus",
    ).image(),
    _Release("alertmanager", "0.31.1", "v0.31.1", 9093, package="/cmd/alertmanager", data="/alertmanager").image(),
    _Release("node_exporter", "1.12.1", "v1.12.1", 9100).image(),
)
