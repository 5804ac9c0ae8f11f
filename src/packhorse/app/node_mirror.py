"""``node mirror``: point a node's container runtime at the site's registry, and prove that nothing leads past it."""

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from packhorse.base.errors import ClusterError, IntegrityError, NetworkError, UsageError
from packhorse.oci.distribution_failures import TransportFailure
from packhorse.oci.distribution_transport import Request, Transport
from packhorse.oci.model import decode_json
from packhorse.oci.registry_settings import RegistrySettings
from packhorse.oci.retry import Pacing
from packhorse.registry.api import PROBE_REGISTRY
from packhorse.registry.nodes import findings
from packhorse.registry.nodes.apply import apply, read_file
from packhorse.registry.nodes.hosts_toml import DEFAULT_FOLDER, HOSTS_FILE
from packhorse.registry.nodes.model import Mirror, NodePlan, Runtime
from packhorse.registry.nodes.plan import NodePaths, plan_mirror, plan_removal
from packhorse.registry.nodes.probe import Commands, Outcome, ProbeResult, ProbeTarget, probe
from packhorse.registry.nodes.registries_conf import check_upstream

__all__ = ["MirrorRequest", "Proof", "SiteRegistry", "detect_runtime", "plan", "prove", "write"]

_MAX_ANSWER_BYTES = 32 * 1024 * 1024
_NEEDS_LOGIN = (401, 403)
_VERSION = re.compile(r"\bv?(\d+)\.(\d+)\.\d+")
_PORT = re.compile(r"_(\d{1,5})$")
_NAMES_OF_CONTAINERD = ("/run/containerd/containerd.sock", "/etc/containerd")


@dataclass(frozen=True, slots=True)
class MirrorRequest:
    """What the person wants of a node."""

    paths: NodePaths
    mirror: Mirror | None
    upstreams: tuple[str, ...] = ()
    remove: bool = False
    force: bool = False
    socket: str | None = None
    """Where containerd or CRI-O listens; its usual place where it is left out."""
    ca_file: Path | None = None
    """Where the mirror's certificates come from."""
    runtime_config: Path | None = None
    """The file that containerd was started with; its usual one where it is left out."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What speaks against the mirror being the only source, and what the runtime itself did."""

    findings: tuple[str, ...]
    probe: ProbeResult | None
    """None when the runtime was not asked."""


class _Repositories(msgspec.Struct):
    repositories: list[str]


class _Seen(msgspec.Struct):
    seen: int


class SiteRegistry:
    """The mirror over HTTP, as this node reaches it."""

    def __init__(self, mirror: Mirror, ca_file: Path | None = None) -> None:
        """Prepare to connect; nothing is sent yet.

        Args:
            mirror: Where it is.
            ca_file: Certificates, in PEM, that sign the registry's.
        """
        self._url = mirror.url
        self._headers = {} if mirror.authorization is None else {"Authorization": mirror.authorization}
        # It is on the site: a proxy that leads out of it has no part in this.
        self._transport = Transport(RegistrySettings(ca_file=ca_file), Pacing())

    def upstreams(self) -> tuple[str, ...]:
        """Return the registry hosts that the mirror has images of, in the order of the alphabet.

        Raises:
            NetworkError: It cannot be reached.
        """
        found: set[str] = set()
        path = "/v2/_catalog?n=1000"
        while path:
            body, link = self._get(path)
            names = decode_json(body, _Repositories, f"{self._url}{path}").repositories
            found.update(_PORT.sub(r":\1", name.partition("/")[0]) for name in names)
            path = link.partition("<")[2].partition(">")[0]
        return tuple(sorted(host for host in found if "." in host or ":" in host or host == "localhost"))

    def probes_seen(self, name: str) -> int | None:
        """Return how often the probe's repository was asked for; None when the mirror does not keep count."""
        try:
            body, _ = self._get(f"/probe/{name}")
            return decode_json(body, _Seen, f"{self._url}/probe").seen
        except (NetworkError, IntegrityError):
            return None

    def check(self) -> None:
        """Make sure that a registry answers.

        Raises:
            NetworkError: None does.
        """
        self._get("/v2/")

    def _get(self, path: str) -> tuple[bytes, str]:
        try:
            answer = self._transport.send(Request("GET", self._url + path, self._headers))
            body = answer.read(_MAX_ANSWER_BYTES)
        except TransportFailure as error:
            message = f"the registry {self._url} does not answer: {error}"
            raise NetworkError(message, hint="is packhorse serve running, and is the address right?") from error
        if answer.status in _NEEDS_LOGIN:
            message = f"{self._url}{path} needs a login, or refuses the one it got"
            raise NetworkError(message, hint="give the node one with --login USER, or let everybody pull")
        if answer.status != 200:  # noqa: PLR2004 - the one answer that counts
            message = f"{self._url}{path} answered {answer.status}; expected a registry there"
            raise NetworkError(message)
        return body, answer.headers.get("Link", "")


def detect_runtime(root: Path, find: Callable[[str], str | None]) -> Runtime:
    """Find out which runtime a node has, from its folders.

    Raises:
        UsageError: None is known.
    """

    def has(path: str) -> bool:
        return (root / path.lstrip("/")).exists()

    for runtime, folders in (
        (Runtime.RKE2, ("/etc/rancher/rke2", "/var/lib/rancher/rke2")),
        (Runtime.K3S, ("/etc/rancher/k3s", "/var/lib/rancher/k3s")),
        (Runtime.CRIO, ("/etc/crio",)),
        (Runtime.CONTAINERD, _NAMES_OF_CONTAINERD),
    ):
        if any(has(folder) for folder in folders):
            return runtime
    if root == Path("/") and find("podman"):
        return Runtime.PODMAN
    message = f"no container runtime was found under {root}"
    raise UsageError(message, hint="name it: --runtime containerd, k3s, rke2, crio or podman")


def plan(request: MirrorRequest) -> NodePlan:
    """Plan what changes on the node; nothing is written.

    Raises:
        ConfigError: There is a file that is not ours.
        NetworkError: The list of upstreams is needed, and the mirror does not answer.
        UsageError: The request makes no sense.
    """
    if request.remove:
        return plan_removal(request.paths, read_file)
    mirror = _required(request.mirror)
    return plan_mirror(request.paths, mirror, _upstreams(request, mirror), read_file, force=request.force)


def write(planned: NodePlan) -> None:
    """Carry out a plan.

    Raises:
        PackhorseError: A file cannot be written.
    """
    apply(planned)


def check_registry(request: MirrorRequest) -> None:
    """Make sure that the mirror answers, before anything is written.

    Raises:
        NetworkError: It does not.
    """
    SiteRegistry(_required(request.mirror), request.ca_file).check()


def prove(request: MirrorRequest, commands: Commands, *, ask_runtime: bool, ask_registry: bool = True) -> Proof:
    """Look for a way around the mirror in the node's files, and ask the runtime itself.

    Args:
        request: What the node was set up with.
        commands: The node's programs.
        ask_runtime: Whether to ask the runtime; it must have read its files by now.
        ask_registry: Whether the mirror must answer; a node may be set up before its registry runs.

    Raises:
        NetworkError: The mirror does not answer.
        ClusterError: There is a way around the mirror, or the runtime does not ask it.
    """
    mirror = _required(request.mirror)
    registry = SiteRegistry(mirror, request.ca_file)
    if ask_registry:
        registry.check()
    found = tuple(_findings(request, mirror, commands))
    result = None
    if ask_runtime:
        name = f"p-{secrets.token_hex(8)}"
        target = ProbeTarget(request.paths.runtime, request.paths.folder, request.socket)
        result = probe(target, name, commands, registry)
    failures = [ClusterError(line) for line in found]
    if result is not None and result.outcome not in (Outcome.PROVEN, Outcome.NO_RUNTIME):
        failures.append(ClusterError(_refutation(result, mirror)))
    if failures:
        message = f"This node does not pull from {mirror.url} alone."
        raise ClusterError.summarise(message, failures)
    return Proof(found, result)


def _refutation(result: ProbeResult, mirror: Mirror) -> str:
    said = "\n".join(f"  {line}" for line in result.said.splitlines())
    what = {
        Outcome.WENT_OUT: "the runtime goes past the mirror: it tried to reach the registry that the image names",
        Outcome.NOT_ASKED: f"the runtime did not ask {mirror.url}",
        Outcome.PULLED: "the runtime says that it pulled an image which does not exist",
    }[result.outcome]
    return f"{what}; {' '.join(result.command)} said:\n{said}"


def _required(mirror: Mirror | None) -> Mirror:
    if mirror is None:
        message = "the registry must be named"
        raise UsageError(message, hint="--registry https://HOST:5000")
    return mirror


def _upstreams(request: MirrorRequest, mirror: Mirror) -> tuple[str, ...]:
    named = tuple(check_upstream(upstream) for upstream in request.upstreams)
    if named or request.paths.runtime not in (Runtime.CRIO, Runtime.PODMAN):
        return named
    return SiteRegistry(mirror, request.ca_file).upstreams()


def _findings(request: MirrorRequest, mirror: Mirror, commands: Commands) -> Iterator[str]:
    paths = request.paths
    if paths.runtime is Runtime.CONTAINERD:
        yield from findings.check_host_folders(_host_files(paths), mirror)
        config, version = _containerd_config(request, commands)
        if config is not None:
            yield from findings.check_containerd_config(config, version, paths.folder)
    elif paths.runtime in (Runtime.CRIO, Runtime.PODMAN):
        files = _registries_files(paths)
        upstreams = (*_upstreams(request, mirror), PROBE_REGISTRY)
        yield from findings.check_registries_conf(files, str(paths.here(paths.settings)), upstreams, mirror)


def _host_files(paths: NodePaths) -> dict[str, bytes]:
    folder = paths.here(paths.folder)
    if not folder.is_dir():
        return {}
    return {
        entry.name: content
        for entry in folder.iterdir()
        if entry.name != DEFAULT_FOLDER and (content := read_file(entry / HOSTS_FILE)) is not None
    }


def _containerd_config(request: MirrorRequest, commands: Commands) -> tuple[str | None, tuple[int, int] | None]:
    """Return containerd's settings and version, as far as they can be found out."""
    paths = request.paths
    file = paths.here(request.runtime_config or Path("/etc/containerd/config.toml"))
    program = commands.find("containerd") if paths.root == Path("/") else None
    if program is not None:
        dumped = commands.run([program, "--config", str(file), "config", "dump"])
        version = _VERSION.search(commands.run([program, "--version"]).output)
        if dumped.code == 0:
            return dumped.output, (int(version[1]), int(version[2])) if version else None
    content = read_file(file)
    return (content.decode("utf-8", "replace") if content is not None else None), None


def _registries_files(paths: NodePaths) -> Sequence[tuple[str, bytes]]:
    folder = paths.here(paths.folder)
    drop_ins = sorted((folder / "registries.conf.d").glob("*.conf"))
    files = [(str(path), read_file(path)) for path in (folder / "registries.conf", *drop_ins)]
    return [(name, content) for name, content in files if content is not None]
