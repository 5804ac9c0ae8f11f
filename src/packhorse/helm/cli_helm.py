"""Helm by its own program, version 3.14 and newer, 4 included.

Every call gets configuration, cache and data folders of its own that are empty and vanish with it, so that nothing of
the user's Helm (repositories, plugins, credentials) plays a part or is written. Values never stand on the argument
list: they reach Helm as files in memory.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from packhorse.base.errors import ClusterError, ConfigError, NetworkError, PackhorseError
from packhorse.base.program import NO_NETWORK, Outcome, Program, private_folder, secret_files
from packhorse.helm import helm_messages
from packhorse.helm.model import ReleaseResult, ReleaseSpec, Rendering, RenderRequest
from packhorse.helm.release_json import read_release
from packhorse.helm.rendered_text import split_rendered

__all__ = ["CliHelm", "Cluster", "HelmInstaller", "HelmVersion"]

_OLDEST = (3, 14)
_TAKES_OWNERSHIP_SINCE = (3, 17)
_SERVER_SIDE_SINCE = (4, 0)
_QUICK_SECONDS = 60.0
_FETCH_SECONDS = 600.0
_HOOKS_AT_MOST = 20
"""So many hooks may use up their whole time before an installation counts as hung."""


@dataclass(frozen=True, slots=True, order=True)
class HelmVersion:
    """A version of Helm, as far as it matters here."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """How Helm reaches a cluster.

    Attributes:
        kubeconfig: None for what the environment says.
        context: None for the kubeconfig's current one.
    """

    kubeconfig: Path | None = None
    context: str | None = None

    def arguments(self) -> list[str]:
        """Return Helm's flags for it."""
        found = [] if self.kubeconfig is None else ["--kubeconfig", str(self.kubeconfig)]
        return found if self.context is None else [*found, "--kube-context", self.context]


@dataclass(frozen=True)
class CliHelm:
    """Renders charts and fetches them from chart repositories.

    Attributes:
        ca_file: Certificates that chart repositories are held against, in place of the system's.
    """

    program: Program
    ca_file: Path | None = None

    @cached_property
    def version(self) -> HelmVersion:
        """Ask the program which version it is, once.

        Raises:
            ConfigError: It can't be run, is no Helm, or is older than 3.14.
        """
        with _home() as home:
            outcome = self.program.run(
                ["version", "--template", "{{.Version}}"], timeout_seconds=_QUICK_SECONDS, environment=home
            )
        match = re.match(rb"v(\d+)\.(\d+)\.", outcome.stdout.strip())
        if outcome.status or match is None:
            said = outcome.stdout.decode("utf-8", "replace").strip()[:80] or outcome.stderr[:80]
            raise ConfigError(f"{self.program.path} is not Helm: asked for its version, it said {said!r}")
        found = HelmVersion(int(match[1]), int(match[2]))
        if (found.major, found.minor) < _OLDEST:
            raise ConfigError(
                f"{self.program.path} is Helm {found}; 3.14 or newer is needed", hint="install a current Helm"
            )
        return found

    @property
    def description(self) -> str:
        """What renders, for people: ``Helm 4.1``."""
        return f"Helm {self.version}"

    def render(self, request: RenderRequest) -> Rendering:
        """Render as :class:`packhorse.helm.ports.ChartRenderer` has it, with ``helm template``."""
        arguments = ["template", request.release, str(request.chart), "--namespace", request.namespace]
        if request.include_crds:
            arguments.append("--include-crds")
        if request.is_upgrade:
            arguments.append("--is-upgrade")
        if request.kube_version is not None:
            arguments += ["--kube-version", request.kube_version]
        for api_version in request.api_versions:
            arguments += ["--api-versions", api_version]
        outcome = self._run(arguments, request.values, timeout_seconds=_FETCH_SECONDS)
        if outcome.status:
            raise helm_messages.chart_error(f"rendering chart {request.chart.name}", outcome.stderr)
        return Rendering(split_rendered(outcome.stdout.decode("utf-8", "replace")))

    def pull(self, source: str, chart: str, version: str | None, into: Path) -> Path:
        """Download a chart archive, and return where it is.

        Args:
            source: URL of a chart repository, or of a ``.tgz`` itself.
            chart: Name of the chart in the repository.
            version: None for the newest.
            into: An empty folder.

        Raises:
            NetworkError: It could not be fetched.
        """
        wanted = [source] if source.endswith(".tgz") else [chart, "--repo", source]
        arguments = ["pull", *wanted, "--destination", str(into)]
        if version is not None:
            arguments += ["--version", version]
        if self.ca_file is not None:
            arguments += ["--ca-file", str(self.ca_file.resolve())]
        outcome = self._run(arguments, timeout_seconds=_FETCH_SECONDS, network=True)
        archives = sorted(into.glob("*.tgz"))
        if outcome.status or len(archives) != 1:
            raise _fetch_error(f"could not fetch chart {chart} {version or ''} from {source}", outcome)
        return archives[0]

    def _run(
        self,
        arguments: Sequence[str],
        values: Sequence[bytes] = (),
        *,
        timeout_seconds: float,
        network: bool = False,
    ) -> Outcome:
        _ = self.version
        with _home() as home, secret_files(values, Path(home["HOME"])) as (paths, fds):
            proxies = helm_messages.proxies(self.program.environment) if network else NO_NETWORK
            outcome = self.program.run(
                [*arguments, *_values_flags(paths)],
                timeout_seconds=timeout_seconds,
                environment={**home, **proxies},
                pass_fds=fds,
            )
        return helm_messages.without_paths(outcome, paths)


@dataclass(frozen=True)
class HelmInstaller:
    """Installs releases into one cluster; see :class:`packhorse.helm.ports.ReleaseInstaller`.

    The environment reaches Helm whole, apart from Helm's own settings: a kubeconfig may name programs that fetch
    credentials, and they need theirs.
    """

    helm: CliHelm
    cluster: Cluster = field(default_factory=Cluster)

    def install(self, spec: ReleaseSpec) -> ReleaseResult:
        """Run ``helm upgrade --install``."""
        return self._upgrade(spec, [])

    def preview(self, spec: ReleaseSpec) -> ReleaseResult:
        """Run ``helm upgrade --install --dry-run=server``."""
        return self._upgrade(spec, ["--dry-run=server"])

    def uninstall(self, name: str, namespace: str, *, timeout_seconds: int = 300) -> bool:
        """Run ``helm uninstall``."""
        arguments = ["uninstall", name, "--namespace", namespace, "--timeout", f"{timeout_seconds}s"]
        outcome = self._run(arguments, timeout_seconds=_deadline(timeout_seconds))
        if outcome.status and helm_messages.is_not_found(outcome.stderr):
            return False
        if outcome.status:
            raise helm_messages.cluster_error(f"removing release {namespace}/{name}", outcome.stderr)
        return True

    def status(self, name: str, namespace: str) -> ReleaseResult | None:
        """Run ``helm status``."""
        arguments = ["status", name, "--namespace", namespace, "--output", "json"]
        outcome = self._run(arguments, timeout_seconds=_QUICK_SECONDS)
        if outcome.status and helm_messages.is_not_found(outcome.stderr):
            return None
        if outcome.status:
            raise helm_messages.cluster_error(f"reading release {namespace}/{name}", outcome.stderr)
        return read_release(outcome.stdout)

    def _upgrade(self, spec: ReleaseSpec, extra: Sequence[str]) -> ReleaseResult:
        version = self.helm.version
        arguments = ["upgrade", "--install", spec.name, str(spec.chart), "--namespace", spec.namespace]
        # Without this, Helm takes the values of the revision before when it is given none.
        arguments += ["--reset-values", "--timeout", f"{spec.timeout_seconds}s", "--output", "json", *extra]
        if version >= HelmVersion(*_SERVER_SIDE_SINCE):
            arguments.append("--server-side=true")
            # Before, Helm merged on its own side, and overwrote what others had set without asking.
            arguments += ["--force-conflicts"] if spec.force_conflicts else []
        if spec.description:
            arguments += ["--description", spec.description]
        if spec.labels:
            arguments += ["--labels", ",".join(f"{key}={value}" for key, value in sorted(spec.labels.items()))]
        if spec.take_ownership:
            if version < HelmVersion(*_TAKES_OWNERSHIP_SINCE):
                raise ConfigError(f"Helm {version} cannot take over objects; 3.17 or newer can")
            arguments.append("--take-ownership")
        outcome = self._run(arguments, spec.values, timeout_seconds=_deadline(spec.timeout_seconds))
        if outcome.status:
            raise helm_messages.install_error(f"installing release {spec.namespace}/{spec.name}", outcome.stderr)
        return read_release(outcome.stdout)

    def _run(self, arguments: Sequence[str], values: Sequence[bytes] = (), *, timeout_seconds: float) -> Outcome:
        program = self.helm.program
        inherited = {name: text for name, text in program.environment.items() if not name.startswith("HELM_")}
        with _home() as home, secret_files(values, Path(home["HELM_DATA_HOME"])) as (paths, fds):
            own = {name: text for name, text in home.items() if name.startswith("HELM_")}
            try:
                outcome = program.run(
                    [*arguments, *self.cluster.arguments(), *_values_flags(paths)],
                    timeout_seconds=timeout_seconds,
                    environment={**inherited, **own},
                    pass_fds=fds,
                )
            except ConfigError:
                raise
            except PackhorseError as error:
                raise ClusterError(
                    error.message, hint="look at the hooks of the release, and at the cluster"
                ) from error
        return helm_messages.without_paths(outcome, paths)


def _deadline(hook_seconds: int) -> float:
    return _QUICK_SECONDS + _HOOKS_AT_MOST * hook_seconds


def _values_flags(paths: Sequence[str]) -> list[str]:
    return [flag for path in paths for flag in ("--values", path)]


@contextmanager
def _home() -> Iterator[Mapping[str, str]]:
    with private_folder("helm") as folder:
        (folder / "data").mkdir()
        yield {
            "HOME": str(folder),
            "HELM_CACHE_HOME": str(folder / "cache"),
            "HELM_CONFIG_HOME": str(folder / "config"),
            "HELM_DATA_HOME": str(folder / "data"),
            "HELM_PLUGINS": str(folder / "plugins"),
            "HELM_CONTENT_CACHE": str(folder / "cache" / "content"),
            "HELM_REPOSITORY_CACHE": str(folder / "cache" / "repository"),
            "HELM_REPOSITORY_CONFIG": str(folder / "repositories.yaml"),
            "HELM_REGISTRY_CONFIG": str(folder / "registry.json"),
        }


def _fetch_error(what: str, outcome: Outcome) -> NetworkError:
    reason = helm_messages.clean(outcome.stderr) or "Helm gave no archive"
    return NetworkError(f"{what}: {reason}", hint="check the repository's address, the chart's name and its version")
