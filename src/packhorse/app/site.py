"""The cluster that a verb works on, with Helm beside it; opened from what the command line says, closed at the end."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from packhorse.base.program import Program
from packhorse.deploy.charts import ChartFolder
from packhorse.deploy.ports import Clock
from packhorse.helm.cli_helm import CliHelm, HelmInstaller
from packhorse.helm.cli_helm import Cluster as HelmCluster
from packhorse.helm.ports import ChartRenderer, ReleaseInstaller
from packhorse.kube.lightkube_cluster import LightkubeCluster
from packhorse.kube.memory_cluster import MemoryCluster
from packhorse.kube.ports import Cluster
from packhorse.oci.registry_settings import ProxySettings

__all__ = ["ClusterAccess", "OfflineAccess", "Site", "SystemClock", "open_site"]


@dataclass(frozen=True, slots=True)
class OfflineAccess:
    """No cluster: only what is needed to render."""

    helm: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of this process; Helm gets what it needs of it."""


@dataclass(frozen=True, slots=True)
class ClusterAccess(OfflineAccess):
    """How a cluster is reached."""

    kubeconfig: tuple[Path, ...] = ()
    """As ``KUBECONFIG`` lists them."""
    context: str | None = None
    proxies: ProxySettings = field(default_factory=ProxySettings)
    """What the API server is asked through. Helm reads the environment itself, and comes to the same."""


class SystemClock:
    """Real time; see :class:`packhorse.deploy.ports.Clock`."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Site:
    """A cluster and Helm."""

    cluster: Cluster
    renderer: ChartRenderer
    installer: ReleaseInstaller | None
    """None without a cluster."""
    charts: ChartFolder
    clock: Clock = field(default_factory=SystemClock)


@contextmanager
def open_site(access: OfflineAccess) -> Iterator[Site]:
    """Open what ``access`` describes: a cluster, or an empty one in memory where there is none.

    Raises:
        ConfigError: The kubeconfig can't be used.
    """
    helm = CliHelm(Program(access.helm, access.environment))
    with tempfile.TemporaryDirectory(prefix="packhorse-charts-", ignore_cleanup_errors=True) as folder:
        charts = ChartFolder(Path(folder))
        if not isinstance(access, ClusterAccess):
            yield Site(MemoryCluster(), helm, None, charts)
            return
        # One file is named to Helm; several reach it as they are in the environment.
        single = access.kubeconfig[0] if len(access.kubeconfig) == 1 else None
        installer = HelmInstaller(helm, HelmCluster(single, access.context))
        with LightkubeCluster.connect(access.kubeconfig, access.context, proxies=access.proxies) as cluster:
            yield Site(cluster, helm, installer, charts)
