"""The files of each runtime: what is written, merged, shown, kept, and taken away again."""

import base64
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from packhorse.base.errors import ConfigError, PackhorseError, UsageError
from packhorse.registry.nodes import findings, registries_yaml
from packhorse.registry.nodes.apply import apply, read_file
from packhorse.registry.nodes.model import Mirror, NodePlan, Runtime
from packhorse.registry.nodes.plan import NodePaths, plan_mirror, plan_removal

CA = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
PLAIN = Mirror.parse("http://10.0.0.5:5000")
TLS = Mirror.parse("https://mirror.site:5000", CA)
UPSTREAMS = ("docker.io", "registry.example:5000")


def snapshot(root: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def plan(root: Path, runtime: Runtime, mirror: Mirror = TLS, *, force: bool = False) -> NodePlan:
    """Plan a mirror for a node whose file system is ``root``."""
    return plan_mirror(NodePaths.usual(runtime, root=root), mirror, UPSTREAMS, read_file, force=force)


def remove(root: Path, runtime: Runtime) -> None:
    """Take the mirror away."""
    apply(plan_removal(NodePaths.usual(runtime, root=root), read_file))


# --- All runtimes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", Runtime)
@pytest.mark.parametrize("mirror", [PLAIN, TLS])
def test_what_is_written_is_taken_away_again(tmp_path: Path, runtime: Runtime, mirror: Mirror) -> None:
    made = plan(tmp_path, runtime, mirror)
    assert snapshot(tmp_path) == {}
    assert made.pending
    apply(made)
    assert snapshot(tmp_path)
    assert not plan(tmp_path, runtime, mirror).pending
    remove(tmp_path, runtime)
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("runtime", Runtime)
def test_another_address_takes_the_place_of_the_first(tmp_path: Path, runtime: Runtime) -> None:
    apply(plan(tmp_path, runtime, PLAIN))
    apply(plan(tmp_path, runtime, TLS))
    written = b"".join(snapshot(tmp_path).values())
    assert b"10.0.0.5" not in written
    assert b"mirror.site:5000" in written
    remove(tmp_path, runtime)
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("runtime", [Runtime.CONTAINERD, Runtime.CRIO, Runtime.PODMAN])
def test_a_file_of_somebody_else_is_kept_unless_forced(tmp_path: Path, runtime: Runtime) -> None:
    paths = NodePaths.usual(runtime, root=tmp_path)
    file = paths.here(paths.settings)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"# mine\n")
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="written by somebody else"):
        plan(tmp_path, runtime)
    apply(plan(tmp_path, runtime, force=True))
    assert file.with_name(file.name + ".before-packhorse").read_bytes() == b"# mine\n"
    assert file.stat().st_mode & 0o777 == 0o600
    apply(plan(tmp_path, runtime, PLAIN))
    remove(tmp_path, runtime)
    assert file.read_bytes() == b"# mine\n"
    assert not file.with_name(file.name + ".before-packhorse").exists()


def test_removing_where_nothing_is_does_nothing(tmp_path: Path) -> None:
    for runtime in Runtime:
        assert not plan_removal(NodePaths.usual(runtime, root=tmp_path), read_file).pending


def test_a_file_that_changed_since_the_plan_is_left_alone(tmp_path: Path) -> None:
    made = plan(tmp_path, Runtime.CONTAINERD, PLAIN)
    made.pending[0].path.parent.mkdir(parents=True)
    made.pending[0].path.write_bytes(b"somebody was faster")
    with pytest.raises(PackhorseError, match="changed by somebody else"):
        apply(made)
    assert made.pending[0].path.read_bytes() == b"somebody was faster"


def test_the_difference_reads_like_one(tmp_path: Path) -> None:
    made = plan(tmp_path, Runtime.CONTAINERD, PLAIN)
    diff = made.pending[0].diff()
    assert diff.startswith(f"--- /dev/null\n+++ {tmp_path}/etc/containerd/certs.d/_default/hosts.toml\n@@")
    assert '+server = "http://10.0.0.5:5000"\n' in diff
    assert made.pending[0].action == "create"
    apply(made)
    again = plan(tmp_path, Runtime.CONTAINERD, TLS).pending[-1]
    assert again.action == "change"
    assert '-server = "http://10.0.0.5:5000"\n+server = "https://mirror.site:5000"\n' in again.diff()


@pytest.mark.parametrize(
    "text",
    ["", "ftp://x", "https://", "https://a/b", "https://a?x", "https://u@a", "https://a:99999", 'http://a"b', "a b"],
)
def test_what_is_no_registry_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Mirror.parse(text)


def test_a_registry_without_a_scheme_is_https() -> None:
    assert Mirror.parse("mirror.site:5000").url == "https://mirror.site:5000"
    assert Mirror.parse("http://[fd00::1]:5000").host == "[fd00::1]:5000"
    with pytest.raises(UsageError, match="plain http"):
        Mirror.parse("http://mirror.site", CA)


# --- containerd ------------------------------------------------------------------------------------------------------


def test_containerd_has_no_other_server_than_the_mirror(tmp_path: Path) -> None:
    apply(plan(tmp_path, Runtime.CONTAINERD))
    folder = tmp_path / "etc/containerd/certs.d/_default"
    settings = tomllib.loads((folder / "hosts.toml").read_text())
    assert settings == {
        "server": "https://mirror.site:5000",
        "capabilities": ["pull", "resolve"],
        "ca": "/etc/containerd/certs.d/_default/packhorse-ca.crt",
        "host": {},
    }
    assert (folder / "packhorse-ca.crt").read_bytes() == CA


def test_other_folders_of_containerd_stay(tmp_path: Path) -> None:
    other = tmp_path / "etc/containerd/certs.d/docker.io/hosts.toml"
    other.parent.mkdir(parents=True)
    other.write_text("x = 1\n")
    apply(plan(tmp_path, Runtime.CONTAINERD))
    remove(tmp_path, Runtime.CONTAINERD)
    assert snapshot(tmp_path) == {"etc/containerd/certs.d/docker.io/hosts.toml": b"x = 1\n"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'server = "https://mirror.site:5000"\n[host]\n', None),
        (b'server = "mirror.site:5000"\n[host."https://mirror.site:5000"]\n', None),
        (
            b'server = "https://registry-1.docker.io"\n[host."https://mirror.site:5000"]\n',
            "leads to https://registry-1",
        ),
        (b'[host."https://mirror.site:5000"]\n', "names no server, so docker.io itself is asked last"),
        (b'[host."https://elsewhere"]\n', "leads to https://elsewhere"),
        (b'server = "https://mirror.site:50"\n', "leads to https://mirror.site:50"),
        (b"server = \n", "is no TOML"),
        (b"\xff", "is no TOML"),
        (b"", "names no server"),
    ],
)
def test_folders_that_go_before_the_default_are_looked_into(content: bytes, said: str | None) -> None:
    found = list(findings.check_host_folders({"docker.io": content}, TLS))
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


V1 = '[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = {}\n'
V2 = "[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = {}\n"


@pytest.mark.parametrize(
    ("config", "version", "said"),
    [
        (V1.format('"/etc/containerd/certs.d"'), (1, 6), None),
        (V2.format('"/a:/etc/containerd/certs.d"'), (2, 0), None),
        (V2.format('""'), (2, 2), None),
        ("", (2, 3), None),
        (V1.format('""'), (1, 7), "it is not set"),
        (V2.format('""'), (2, 1), "it is not set"),
        ("", None, "it is not set"),
        (V1.format('"/other"'), (2, 2), "it is '/other'"),
        (V1.format('"/etc/containerd/certs.d"') + "mirrors = {x = 1}\n", (1, 6), "registry.mirrors"),
        ("plugins = 3\n", None, "it is not set"),
        ("x = [", None, "no TOML"),
    ],
)
def test_containerd_must_read_the_folder(config: str, version: tuple[int, int] | None, said: str | None) -> None:
    found = list(findings.check_containerd_config(config, version, Path("/etc/containerd/certs.d")))
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


# --- k3s and RKE2 ----------------------------------------------------------------------------------------------------

SITE = b"""# our registries
mirrors:
    # for the build machines
    registry.corp:
        endpoint:
            - "https://registry.corp:8443"   # keep
configs:
  registry.corp:8443:
    auth: {username: u, password: p}
"""


def test_k3s_keeps_what_the_site_has(tmp_path: Path) -> None:
    folder = tmp_path / "etc/rancher/k3s"
    folder.mkdir(parents=True)
    (folder / "registries.yaml").write_bytes(SITE)
    apply(plan(tmp_path, Runtime.K3S))
    text = (folder / "registries.yaml").read_text()
    assert all(line in text.splitlines() for line in SITE.decode().splitlines())
    assert yaml.safe_load(text) == {
        "mirrors": {
            "*": {"endpoint": ["https://mirror.site:5000"]},
            "registry.corp": {"endpoint": ["https://registry.corp:8443"]},
        },
        "configs": {
            "mirror.site:5000": {"tls": {"ca_file": "/etc/rancher/k3s/packhorse-ca.crt"}},
            "registry.corp:8443": {"auth": {"username": "u", "password": "p"}},
        },
    }
    # Without this, containerd goes on to the upstream.
    drop_in = yaml.safe_load((folder / "config.yaml.d/50-packhorse-mirror.yaml").read_text())
    assert drop_in == {"disable-default-registry-endpoint": True}
    remove(tmp_path, Runtime.K3S)
    assert snapshot(tmp_path) == {"etc/rancher/k3s/registries.yaml": SITE}


@pytest.mark.parametrize(
    "present",
    [
        b"",
        b"# only a comment\n",
        b"mirrors:\n",
        b"mirrors: # none yet\n",
        b"configs:\n  x: {}\n",
        b"mirrors:\n  a: {}",
        b"---\n",
    ],
)
def test_the_mirror_can_be_added_to_any_plain_file(present: bytes) -> None:
    added = registries_yaml.add_mirror(present, TLS, "/ca", "f", force=False)
    value = yaml.safe_load(added)
    assert value["mirrors"]["*"] == {"endpoint": ["https://mirror.site:5000"]}
    assert value["configs"]["mirror.site:5000"] == {"tls": {"ca_file": "/ca"}}
    assert registries_yaml.add_mirror(added, TLS, "/ca", "f", force=False) == added
    back = registries_yaml.remove_mirror(added)
    assert (back or b"").strip() == present.strip()


@pytest.mark.parametrize(
    ("present", "error"),
    [
        (b'mirrors: {"*": {endpoint: [https://other]}}\n', "has '*' in mirrors already"),
        (b"mirrors: {a: {}}\n", "nothing can be added to"),
        (b"configs:\n  mirror.site:5000: {}\n", "has 'mirror.site:5000' in configs already"),
    ],
)
def test_what_cannot_be_added_to_is_written_anew_only_by_force(present: bytes, error: str, tmp_path: Path) -> None:
    folder = tmp_path / "etc/rancher/rke2"
    folder.mkdir(parents=True)
    (folder / "registries.yaml").write_bytes(present)
    with pytest.raises(ConfigError) as refused:
        plan(tmp_path, Runtime.RKE2)
    assert error in refused.value.message
    apply(plan(tmp_path, Runtime.RKE2, force=True))
    value = yaml.safe_load((folder / "registries.yaml").read_text())
    assert value["mirrors"]["*"] == {"endpoint": ["https://mirror.site:5000"]}
    assert set(yaml.safe_load(present).get("mirrors") or {}) <= set(value["mirrors"])
    remove(tmp_path, Runtime.RKE2)
    assert snapshot(tmp_path) == {"etc/rancher/rke2/registries.yaml": present}


@pytest.mark.parametrize("present", [b"mirrors: [1]\n", b"- a\n", b"a: {\n", b"mirrors: x\n", b"\xff\xfe\n"])
def test_what_is_no_registries_file_is_refused(present: bytes) -> None:
    with pytest.raises(ConfigError):
        registries_yaml.add_mirror(present, TLS, None, "f", force=False)


_KEYS = st.text("abcdefgh.:0123456789-", min_size=1, max_size=12)
_VALUES = st.dictionaries(_KEYS, st.fixed_dictionaries({"endpoint": st.lists(_KEYS, max_size=3)}), max_size=4)


@given(
    mirrors=st.none() | _VALUES,
    configs=st.none() | _VALUES,
    indent=st.integers(2, 6),
    flow=st.booleans(),
    comment=st.booleans(),
)
def test_nothing_of_the_site_is_ever_lost(
    *, mirrors: Any, configs: Any, indent: int, flow: bool, comment: bool
) -> None:
    value = {key: part for key, part in (("mirrors", mirrors), ("configs", configs)) if part is not None}
    text = yaml.safe_dump(value, indent=indent, default_flow_style=flow) if value else ""
    present = (("# a comment\n" if comment else "") + text).encode()
    try:
        added = registries_yaml.add_mirror(present, TLS, "/ca", "f", force=False)
    except ConfigError:
        # A form that lines cannot be added to; then nothing is written at all.
        return
    merged = yaml.safe_load(added)
    assert merged["mirrors"].pop("*") == {"endpoint": ["https://mirror.site:5000"]}
    assert merged["configs"].pop("mirror.site:5000")
    assert merged == {"mirrors": mirrors or {}, "configs": configs or {}}
    assert (registries_yaml.remove_mirror(added) or b"").strip() == present.strip()


# --- CRI-O and Podman ------------------------------------------------------------------------------------------------


def test_podman_has_a_mirror_for_each_upstream_and_no_upstream(tmp_path: Path) -> None:
    apply(plan(tmp_path, Runtime.PODMAN, PLAIN))
    entries = tomllib.loads((tmp_path / "etc/containers/registries.conf.d/50-packhorse.conf").read_text())["registry"]
    assert [entry["prefix"] for entry in entries] == ["docker.io", "packhorse-probe.invalid", "registry.example:5000"]
    assert all(entry["blocked"] and entry["location"] == entry["prefix"] for entry in entries)
    assert [entry["mirror"] for entry in entries] == [
        [{"location": f"10.0.0.5:5000/{path}", "insecure": True}]
        for path in ("docker.io", "packhorse-probe.invalid", "registry.example_5000")
    ]


def test_crio_finds_the_certificates_by_the_host(tmp_path: Path) -> None:
    apply(plan(tmp_path, Runtime.CRIO))
    assert (tmp_path / "etc/containers/certs.d/mirror.site:5000/packhorse-ca.crt").read_bytes() == CA


@pytest.mark.parametrize(
    ("name", "entry", "counts"),
    [
        ("10-site.conf", 'prefix = "docker.io"\nlocation = "proxy.corp"', False),
        ("99-site.conf", 'prefix = "docker.io"\nlocation = "proxy.corp"', True),
        ("10-site.conf", 'prefix = "docker.io/library"\nlocation = "proxy.corp"', True),
        ("10-site.conf", 'location = "docker.io/library"\nblocked = true', False),
        ("99-site.conf", 'prefix = "docker.io"\nblocked = true\n[[registry.mirror]]\nlocation = "proxy.corp"', True),
        ("99-site.conf", 'prefix = "quay.io"', False),
    ],
)
def test_entries_that_count_more_are_found(name: str, entry: str, *, counts: bool) -> None:
    ours = "50-packhorse.conf"
    files = sorted([(ours, b""), (name, f"[[registry]]\n{entry}\n".encode())])
    found = list(findings.check_registries_conf(files, ours, ["docker.io"], TLS))
    assert bool(found) == counts
    assert not found or name in found[0]


def test_a_login_of_containerd_is_its_owners_and_not_shown(tmp_path: Path) -> None:
    mirror = Mirror.parse("https://registry.site.example:5000", b"PEM", ("node", "Sesame"))
    planned = plan_mirror(NodePaths.usual(Runtime.CONTAINERD, root=tmp_path), mirror, (), read_file)
    apply(planned)
    written = tmp_path / "etc/containerd/certs.d/_default/hosts.toml"
    parsed = tomllib.loads(written.read_text())
    assert parsed["header"] == {"Authorization": "Basic " + base64.b64encode(b"node:Sesame").decode()}
    assert written.stat().st_mode & 0o777 == 0o600
    again = Mirror.parse("https://registry.site.example:5000", b"PEM", ("node", "Other"))
    change = plan_mirror(NodePaths.usual(Runtime.CONTAINERD, root=tmp_path), again, (), read_file).pending[0]
    assert "only a password changes" in change.diff()
    for shown in (planned.changes[1].diff(), change.diff(), repr(mirror)):
        assert base64.b64encode(b"node:Sesame").decode() not in shown
        assert "Sesame" not in shown


@pytest.mark.parametrize("runtime", [Runtime.K3S, Runtime.RKE2])
def test_a_login_of_k3s_is_its_owners_and_not_shown(tmp_path: Path, runtime: Runtime) -> None:
    mirror = Mirror.parse("https://registry.site.example:5000", None, ("node", "Sesame"))
    planned = plan_mirror(NodePaths.usual(runtime, root=tmp_path), mirror, (), read_file)
    apply(planned)
    written = planned.changes[0].path
    parsed = yaml.safe_load(written.read_text())
    assert parsed["configs"] == {"registry.site.example:5000": {"auth": {"username": "node", "password": "Sesame"}}}
    assert written.stat().st_mode & 0o777 == 0o600
    assert "Sesame" not in planned.changes[0].diff()


@pytest.mark.parametrize("runtime", [Runtime.CRIO, Runtime.PODMAN])
def test_a_login_of_runtimes_that_keep_it_elsewhere_is_refused(tmp_path: Path, runtime: Runtime) -> None:
    mirror = Mirror.parse("https://registry.site.example:5000", None, ("node", "Sesame"))
    with pytest.raises(UsageError, match="keeps its logins itself"):
        plan_mirror(NodePaths.usual(runtime, root=tmp_path), mirror, ("quay.io",), read_file)
