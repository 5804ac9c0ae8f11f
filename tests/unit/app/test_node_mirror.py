"""``node mirror`` from end to end, with a real registry and runtimes that are played."""

import http.client
import json
import re
import socket
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from packhorse.app.node_mirror import MirrorRequest, SiteRegistry, detect_runtime, plan, prove, write
from packhorse.base.errors import ClusterError, ConfigError, NetworkError, UsageError
from packhorse.cli.node_command import command
from packhorse.registry.graph_catalog import GraphCatalog
from packhorse.registry.listener import TlsFiles
from packhorse.registry.nodes.model import Mirror, Runtime
from packhorse.registry.nodes.plan import NodePaths
from packhorse.registry.nodes.probe import Completed, Outcome, ProbeTarget, pull_command
from tests.support.serving import Served, running, served, tls_files

__all__ = ["served", "tls_files"]

_IMAGE = re.compile(r"(?P<registry>[^/]+)/(?P<repository>.+):latest")


def head(address: str, path: str) -> int:
    """Ask an address for a path; 0 where nothing answers."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("HEAD", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


@dataclass
class PlayedContainerd:
    """Does what containerd does with ``certs.d``, and says what containerd 2 says: the mirror's answer alone."""

    programs: tuple[str, ...] = ("ctr",)
    config: str = ""
    ignores_files: bool = False
    commands: list[Sequence[str]] = field(default_factory=list)

    def find(self, name: str) -> str | None:
        """Say that a program is there."""
        return f"/usr/bin/{name}" if name in self.programs else None

    def run(self, command: Sequence[str]) -> Completed:
        """Pull, or show the configuration."""
        self.commands.append(command)
        if "config" in command:
            return Completed(0, self.config)
        if "--version" in command:
            return Completed(0, "containerd github.com/containerd/containerd/v2 2.2.9 abc")
        match = _IMAGE.fullmatch(command[-1])
        assert match is not None
        folder = Path(command[command.index("--hosts-dir") + 1])
        settings = {} if self.ignores_files else tomllib.loads((folder / "_default/hosts.toml").read_text())
        targets = [urlsplit(host).netloc for host in settings.get("host", {})]
        targets.append(urlsplit(settings.get("server", "")).netloc or match["registry"])
        path = f"/v2/{match['repository']}/manifests/latest?ns={match['registry']}"
        answers = [head(target, path) for target in targets]
        return Completed(1, "not found") if 404 in answers else Completed(1, "failed to do request")


@dataclass
class PlayedPodman:
    """Goes to the mirrors in turn, then says what it was told to."""

    says: str
    mirror: str | None = None

    def find(self, name: str) -> str | None:
        """Say that Podman is there."""
        return "/usr/bin/podman" if name == "podman" else None

    def run(self, command: Sequence[str]) -> Completed:
        """Pull through the mirror."""
        registry, _, path = command[-1].removesuffix(":latest").partition("/")
        if self.mirror is not None:
            assert head(self.mirror, f"/v2/{registry}/{path}/manifests/latest") == 404
        return Completed(125, self.says)


Ask = Callable[..., MirrorRequest]


@pytest.fixture
def ask(served: Served, tmp_path: Path) -> Ask:
    """Make a request for a node whose files are below ``tmp_path``."""

    def ask(runtime: Runtime = Runtime.CONTAINERD, url: str | None = None) -> MirrorRequest:
        paths = NodePaths(runtime, tmp_path / "conf")
        mirror = Mirror.parse(url or served.server.url)
        # The configuration of a containerd that happens to be on this machine is none of ours.
        return MirrorRequest(paths, mirror, runtime_config=tmp_path / "config.toml")

    return ask


def reads(request: MirrorRequest) -> str:
    """A configuration of containerd that reads the request's folder."""
    return f"[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '{request.paths.folder}'\n"


def test_a_node_that_is_set_up_is_proven(ask: Ask) -> None:
    request = ask()
    write(plan(request))
    commands = PlayedContainerd(("ctr", "containerd"), reads(request))
    proof = prove(request, commands, ask_runtime=True)
    assert proof.findings == ()
    assert proof.probe is not None
    assert proof.probe.outcome is Outcome.PROVEN
    assert proof.probe.command[0] == "/usr/bin/ctr"


def test_a_way_around_is_seen_though_the_runtime_hides_it(ask: Ask, served: Served) -> None:
    request = ask()
    write(plan(request))
    # Without `server` the registry that the image names is asked last, and all that is said is "not found".
    hosts = request.paths.settings
    hosts.write_text(f'[host."{served.server.url}"]\n')
    with pytest.raises(ClusterError, match="does not pull from") as refused:
        prove(request, PlayedContainerd(), ask_runtime=True)
    (failure,) = refused.value.failures
    assert "goes past the mirror" in failure.message
    assert "not found" in failure.message


def test_a_runtime_that_ignores_the_files_is_seen(ask: Ask) -> None:
    request = ask()
    write(plan(request))
    with pytest.raises(ClusterError) as refused:
        prove(request, PlayedContainerd(ignores_files=True), ask_runtime=True)
    assert "goes past the mirror" in refused.value.failures[0].message


def test_what_the_files_say_counts_without_the_runtime(ask: Ask) -> None:
    request = ask()
    write(plan(request))
    other = request.paths.folder / "docker.io" / "hosts.toml"
    other.parent.mkdir()
    other.write_text('server = "https://registry-1.docker.io"\n')
    commands = PlayedContainerd(("containerd",), "")
    with pytest.raises(ClusterError) as refused:
        prove(request, commands, ask_runtime=False)
    assert [failure.message.split()[0] for failure in refused.value.failures] == ["docker.io/hosts.toml", "containerd"]
    other.unlink()
    commands.config = reads(request)
    proof = prove(request, commands, ask_runtime=False)
    assert proof.probe is None


def test_without_a_program_the_runtime_is_not_asked(ask: Ask) -> None:
    request = ask()
    write(plan(request))
    proof = prove(request, PlayedContainerd(()), ask_runtime=True)
    assert proof.probe is not None
    assert proof.probe.outcome is Outcome.NO_RUNTIME


def test_podman_is_judged_by_what_it_says_and_what_the_mirror_saw(ask: Ask, served: Served) -> None:
    request = ask(Runtime.PODMAN)
    planned = plan(request)
    # The upstreams are those that the registry has images of.
    assert planned.notes == ("podman knows no mirror for everything; it has one for: docker.io, registry.example",)
    write(planned)
    mirror = f"{served.server.host}:{served.server.port}"
    blocked = 'registry packhorse-probe.invalid is blocked in "/etc/containers/registries.conf.d"'
    proof = prove(request, PlayedPodman(blocked, mirror), ask_runtime=True)
    assert proof.probe is not None
    assert proof.probe.outcome is Outcome.PROVEN
    out = "Get https://packhorse-probe.invalid/v2/: dial tcp: lookup packhorse-probe.invalid: no such host"
    for played, said in (
        (PlayedPodman(out, mirror), "goes past the mirror"),
        (PlayedPodman(blocked), "did not ask"),
    ):
        with pytest.raises(ClusterError) as refused:
            prove(request, played, ask_runtime=True)
        assert said in refused.value.failures[0].message


def test_a_drop_in_that_counts_more_is_found(ask: Ask) -> None:
    request = ask(Runtime.CRIO)
    write(plan(request))
    later = request.paths.folder / "registries.conf.d" / "99-site.conf"
    later.write_text('[[registry]]\nprefix = "docker.io"\nlocation = "proxy.corp"\n')
    with pytest.raises(ClusterError) as refused:
        prove(request, PlayedContainerd(()), ask_runtime=False)
    assert "99-site.conf has an entry for docker.io" in refused.value.failures[0].message


def test_a_registry_that_does_not_answer_is_named(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    request = ask(url=f"http://127.0.0.1:{port}")
    with pytest.raises(NetworkError, match=f"127.0.0.1:{port} does not answer"):
        prove(request, PlayedContainerd(), ask_runtime=False)


def test_a_node_may_be_set_up_before_its_registry_runs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    arguments = ["mirror", "--config-dir", str(tmp_path), "--runtime", "k3s", "--registry", f"http://127.0.0.1:{port}"]
    with pytest.raises(NetworkError, match="does not answer"):
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []
    done = CliRunner().invoke(command, [*arguments, "--no-probe"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "registries.yaml").exists()


def test_another_server_is_not_taken_for_a_registry(served: Served) -> None:
    registry = SiteRegistry(Mirror.parse(served.server.url))
    with pytest.raises(NetworkError, match="answered 404"):
        registry._get("/elsewhere")
    assert registry.probes_seen("x/y") == 0


def test_certificates_of_the_site_are_trusted(served: Served, tls_files: TlsFiles, tmp_path: Path) -> None:
    with running(GraphCatalog(served.bundle), tls_files) as server:
        mirror = Mirror.parse(server.url, tls_files.certificate.read_bytes())
        SiteRegistry(mirror, tls_files.certificate).check()
        with pytest.raises(NetworkError, match="certificate"):
            SiteRegistry(mirror).check()
    (tmp_path / "ca.crt").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"ca\.crt"):
        SiteRegistry(mirror, tmp_path / "ca.crt").check()


@pytest.mark.parametrize(
    ("runtime", "programs", "expected"),
    [
        (Runtime.CONTAINERD, {"crictl"}, ["crictl", "--runtime-endpoint", "unix:///run/containerd/containerd.sock"]),
        (Runtime.CRIO, {"crictl"}, ["crictl", "--runtime-endpoint", "unix:///var/run/crio/crio.sock"]),
        (Runtime.K3S, {"k3s"}, ["k3s", "crictl", "pull"]),
        (Runtime.RKE2, {"crictl"}, ["crictl", "--config"]),
        (Runtime.PODMAN, {"podman"}, ["podman", "pull"]),
    ],
)
def test_each_runtime_is_asked_with_its_own_program(runtime: Runtime, programs: set[str], expected: list[str]) -> None:
    target = ProbeTarget(runtime, Path("/certs.d"))
    command_line = pull_command(target, "image", lambda name: name if name in programs else None)
    assert command_line is not None
    assert command_line[: len(expected)] == expected
    assert command_line[-1] == "image"
    assert pull_command(target, "image", lambda _: None) is None


@pytest.mark.parametrize(
    ("folder", "runtime"),
    [
        ("etc/rancher/rke2", Runtime.RKE2),
        ("var/lib/rancher/k3s", Runtime.K3S),
        ("etc/crio", Runtime.CRIO),
        ("etc/containerd", Runtime.CONTAINERD),
    ],
)
def test_a_runtime_is_known_by_its_folder(tmp_path: Path, folder: str, runtime: Runtime) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/containerd").mkdir(parents=True, exist_ok=True)
    assert detect_runtime(tmp_path, lambda _: None) is runtime


def test_no_runtime_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no container runtime"):
        detect_runtime(tmp_path, lambda _: None)


# --- The verb --------------------------------------------------------------------------------------------------------


def test_the_verb_shows_writes_and_takes_away(served: Served, tmp_path: Path) -> None:
    (tmp_path / "etc/containerd").mkdir(parents=True)
    hosts = tmp_path / "etc/containerd/certs.d/_default/hosts.toml"
    base = ["mirror", "--root", str(tmp_path), "--runtime", "containerd"]
    setting = [*base, "--registry", served.server.url]
    shown = CliRunner().invoke(command, [*setting, "--dry-run"])
    assert shown.exit_code == 0
    assert f'+server = "{served.server.url}"' in shown.stdout
    assert "Nothing was written." in shown.stdout
    assert not hosts.exists()
    # The node's containerd has no configuration here that could be read, so nothing is said about it.
    done = CliRunner().invoke(command, setting)
    assert done.exit_code == 0, done.output
    assert hosts.exists()
    assert "The runtime was not asked" in done.stdout
    again = CliRunner().invoke(command, [*setting, "--output", "json"])
    told = json.loads(again.stdout)
    assert [change["action"] for change in told["changes"]] == ["keep"]
    removed = CliRunner().invoke(command, [*base, "--remove"])
    assert removed.exit_code == 0, removed.output
    assert not hosts.exists()


def test_what_was_written_is_told_though_the_verdict_is_bad(served: Served, tmp_path: Path) -> None:
    other = tmp_path / "etc/containerd/certs.d/quay.io/hosts.toml"
    other.parent.mkdir(parents=True)
    other.write_text('server = "https://quay.io"\n')
    setting = ["mirror", "--root", str(tmp_path), "--runtime", "containerd", "--registry", served.server.url]
    told = CliRunner().invoke(command, [*setting, "--output", "json"])
    assert isinstance(told.exception, ClusterError)
    assert [change["action"] for change in json.loads(told.stdout)["changes"]] == ["create"]
    CliRunner().invoke(command, ["mirror", "--root", str(tmp_path), "--runtime", "containerd", "--remove"])
    said = CliRunner().invoke(command, setting)
    assert isinstance(said.exception, ClusterError)
    assert said.stdout.endswith("Changed 1 file.\n")


def test_k3s_must_start_again_before_it_is_asked(served: Served, tmp_path: Path) -> None:
    arguments = ["mirror", "--registry", served.server.url, "--runtime", "k3s", "--config-dir", str(tmp_path)]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    assert "Next: systemctl restart k3s" in done.stdout
    assert "The runtime was not asked" in done.stdout


def test_the_registry_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be named"):
        CliRunner().invoke(command, ["mirror", "--root", str(tmp_path)], catch_exceptions=False)
    with pytest.raises(UsageError, match="cannot be read"):
        CliRunner().invoke(
            command,
            ["mirror", "--registry", "https://a", "--runtime", "k3s", "--ca-file", str(tmp_path / "none")],
            catch_exceptions=False,
        )
    (tmp_path / "ca").write_text("no certificate")
    with pytest.raises(UsageError, match="no certificate in PEM"):
        CliRunner().invoke(
            command,
            ["mirror", "--registry", "https://a", "--runtime", "k3s", "--ca-file", str(tmp_path / "ca")],
            catch_exceptions=False,
        )


def test_the_verb_says_what_changed_in_plain_words(tmp_path: Path) -> None:
    node = ["mirror", "--runtime", "containerd", "--root", str(tmp_path)]
    shown = CliRunner().invoke(command, [*node, "--registry", "http://10.0.0.5:5000", "--dry-run"])
    assert "1 file would change. Nothing was written." in shown.output
    assert not any(tmp_path.iterdir())
    removed = CliRunner().invoke(command, [*node, "--remove"])
    assert removed.exit_code == 0
    assert removed.output == "containerd has nothing that this command wrote; nothing to remove.\n"
