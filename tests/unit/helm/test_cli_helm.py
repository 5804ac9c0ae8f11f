"""The helm program: how it is called, and what becomes of what it says. Stand-ins are shell scripts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from packhorse.base.errors import ClusterError, ConfigError, NetworkError, PackhorseError
from packhorse.base.program import Program
from packhorse.helm import helm_messages
from packhorse.helm.cli_helm import CliHelm, Cluster, HelmInstaller
from packhorse.helm.model import ReleaseSpec, RenderRequest
from packhorse.helm.release_json import read_release

RELEASE = """{"name":"shop","namespace":"front","version":3,"info":{"status":"deployed","description":"d","notes":"n"},
"chart":{"metadata":{"name":"shop","version":"1.2.3","appVersion":"7"}},"manifest":"kind: A",
"hooks":[{"manifest":"kind: B"}]}"""

Script = Callable[..., CliHelm]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """A stand-in for helm that records how it was called and says what it is told to."""

    def make(stdout: str = "", stderr: str = "", status: int = 0, version: str = "v4.1.4") -> CliHelm:
        path = tmp_path / "helm"
        (tmp_path / "out").write_text(stdout, encoding="utf-8")
        (tmp_path / "err").write_text(stderr, encoding="utf-8")
        path.write_text(
            f"""#!/bin/bash
            if [ "$1" = version ]; then echo -n {version}; exit; fi
            cd {tmp_path}
            printf '%s\\n' "$@" > arguments
            env | sort > environment
            seen=
            for word in "$@"; do [ "$seen" = --values ] && cat "$word" >> values; seen=$word; done
            for word in "$@"; do
                [ "$seen" = --destination ] && [ -e archive ] && cp archive "$word/a-1.tgz"
                seen=$word
            done
            cp "$HELM_REPOSITORY_CONFIG" repositories 2>/dev/null
            cat out; cat err >&2; exit {status}
            """,
            encoding="utf-8",
        )
        path.chmod(0o755)
        environment = {
            "PATH": "/usr/bin:/bin",
            "HELM_NAMESPACE": "leak",
            "HOME": "/home/me",
            "HTTPS_PROXY": "http://p:1",
        }
        return CliHelm(Program(path, environment))

    return make


def recorded(tmp_path: Path, name: str) -> str:
    return (tmp_path / name).read_text(encoding="utf-8")


REQUEST = RenderRequest(
    release="shop",
    namespace="front",
    chart=Path("/charts/shop.tgz"),
    values=(b"password: hunter2", b"a: 1"),
    kube_version="v1.34.0",
    api_versions=("a/v1", "b/v1"),
    is_upgrade=True,
)


def test_rendering_passes_values_beside_the_arguments(script: Script, tmp_path: Path) -> None:
    rendering = script("---\n# Source: shop/templates/a.yaml\nkind: A\n").render(REQUEST)
    assert [(d.source, d.text) for d in rendering.documents] == [
        ("shop/templates/a.yaml", "# Source: shop/templates/a.yaml\nkind: A\n")
    ]
    arguments = recorded(tmp_path, "arguments").split("\n")
    assert arguments[:3] == ["template", "shop", "/charts/shop.tgz"]
    assert {"--include-crds", "--is-upgrade", "--kube-version", "v1.34.0", "a/v1", "b/v1"} <= set(arguments)
    assert "hunter2" not in recorded(tmp_path, "arguments") + recorded(tmp_path, "environment")
    assert recorded(tmp_path, "values") == "password: hunter2a: 1"


def test_nothing_of_the_user_reaches_a_rendering(script: Script, tmp_path: Path) -> None:
    script().render(REQUEST)
    environment = dict(line.split("=", 1) for line in recorded(tmp_path, "environment").splitlines())
    assert environment["HOME"] != "/home/me"
    assert "HELM_NAMESPACE" not in environment
    assert environment["HTTPS_PROXY"] == "http://127.0.0.1:9"
    for name in ("HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME", "HELM_PLUGINS", "HELM_REGISTRY_CONFIG"):
        assert environment[name].startswith(environment["HOME"])
    assert not Path(environment["HOME"]).exists()


@pytest.mark.parametrize(
    ("version", "message"),
    [("v3.13.9", "is Helm 3.13; 3.14 or newer is needed"), ("v2.17.0", "is Helm 2.17"), ("hello", "is not Helm")],
)
def test_an_old_helm_is_refused(script: Script, version: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        script(version=version).render(REQUEST)


def test_a_missing_helm_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot run .*nowhere: No such file"):
        _ = CliHelm(Program(tmp_path / "nowhere")).version


def test_a_helm_that_hangs_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "helm"
    path.write_text("#!/bin/sh\nexec sleep 100\n")
    path.chmod(0o755)
    with pytest.raises(PackhorseError, match="helm version did not end within 0 s"):
        Program(path, {"PATH": "/usr/bin:/bin"}).run(["version"], timeout_seconds=0.2, environment={})


def test_values_are_named_by_number_in_messages(script: Script, tmp_path: Path) -> None:
    failing = script(status=1)
    path = tmp_path / "helm"
    path.write_text(path.read_text().replace("cat err >&2", 'echo "Error: failed to parse ${@: -1}: bad" >&2'))
    with pytest.raises(ConfigError, match=r"rendering chart shop\.tgz: failed to parse values file 2: bad$"):
        failing.render(REQUEST)


def test_a_chart_is_pulled_with_the_users_proxy(script: Script, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"x")
    into = tmp_path / "into"
    into.mkdir()
    helm = replace(script(), ca_file=Path("/ca.pem"))
    found = helm.pull("https://charts.example", "shop", "1.2.3", into)
    assert found.read_bytes() == b"x"
    arguments = recorded(tmp_path, "arguments").split("\n")
    assert arguments[:4] == ["pull", "shop", "--repo", "https://charts.example"]
    assert {"1.2.3", "/ca.pem"} <= set(arguments)
    assert "HTTPS_PROXY=http://p:1" in recorded(tmp_path, "environment")


def test_an_archive_is_pulled_by_its_url(script: Script, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"x")
    (tmp_path / "into").mkdir()
    script().pull("https://charts.example/shop-1.tgz", "shop", None, tmp_path / "into")
    assert recorded(tmp_path, "arguments").split("\n")[:3] == [
        "pull",
        "https://charts.example/shop-1.tgz",
        "--destination",
    ]


def test_a_chart_that_cannot_be_pulled(script: Script, tmp_path: Path) -> None:
    helm = script(stderr="Error: chart not found", status=1)
    with pytest.raises(
        NetworkError, match=r"could not fetch chart shop 1\.0\.0 from https://charts\.example: chart not"
    ):
        helm.pull("https://charts.example", "shop", "1.0.0", tmp_path)


SPEC = ReleaseSpec(
    name="shop",
    namespace="front",
    chart=Path("/charts/shop.tgz"),
    values=(b"password: hunter2",),
    timeout_seconds=60,
    description="by test",
    labels={"b": "2", "a": "1"},
)


def test_installing(script: Script, tmp_path: Path) -> None:
    installer = HelmInstaller(script(RELEASE), Cluster(Path("/kube/config"), "site"))
    release = installer.install(SPEC)
    assert (release.revision, release.status, release.chart_version, release.hooks) == (
        3,
        "deployed",
        "1.2.3",
        ("kind: B",),
    )
    arguments = recorded(tmp_path, "arguments").split("\n")
    assert arguments[:4] == ["upgrade", "--install", "shop", "/charts/shop.tgz"]
    for flag in ("--reset-values", "60s", "--server-side=true", "by test", "a=1,b=2", "/kube/config", "site"):
        assert flag in arguments
    assert not {"--wait", "--dry-run=server", "--take-ownership"} & set(arguments)
    assert "hunter2" not in recorded(tmp_path, "arguments")
    assert recorded(tmp_path, "values") == "password: hunter2"


def test_an_installation_has_the_users_surroundings_but_not_their_helm(script: Script, tmp_path: Path) -> None:
    HelmInstaller(script(RELEASE)).install(SPEC)
    environment = dict(line.split("=", 1) for line in recorded(tmp_path, "environment").splitlines())
    assert environment["HOME"] == "/home/me"
    assert environment["HTTPS_PROXY"] == "http://p:1"
    assert "HELM_NAMESPACE" not in environment
    assert not environment["HELM_CONFIG_HOME"].startswith("/home/me")


def test_a_preview_changes_nothing(script: Script, tmp_path: Path) -> None:
    HelmInstaller(script(RELEASE)).preview(SPEC)
    assert "--dry-run=server" in recorded(tmp_path, "arguments").split("\n")


def test_helm_3_knows_no_server_side(script: Script, tmp_path: Path) -> None:
    HelmInstaller(script(RELEASE, version="v3.18.2")).install(SPEC)
    assert "--server-side" not in recorded(tmp_path, "arguments")


def test_ownership_needs_helm_3_17(script: Script, tmp_path: Path) -> None:
    spec = ReleaseSpec(name="a", namespace="b", chart=Path("c"), take_ownership=True)
    HelmInstaller(script(RELEASE, version="v3.17.0")).install(spec)
    assert "--take-ownership" in recorded(tmp_path, "arguments")
    with pytest.raises(ConfigError, match=r"Helm 3\.16 cannot take over objects"):
        HelmInstaller(script(RELEASE, version="v3.16.0")).install(spec)


def test_a_release_that_is_not_there(script: Script) -> None:
    installer = HelmInstaller(script(stderr="Error: release: not found", status=1))
    assert installer.status("shop", "front") is None
    assert installer.uninstall("shop", "front") is False


def test_a_release_that_is_there(script: Script, tmp_path: Path) -> None:
    installer = HelmInstaller(script(RELEASE))
    found = installer.status("shop", "front")
    assert found is not None
    assert found.namespace == "front"
    assert installer.uninstall("shop", "front", timeout_seconds=9) is True
    assert recorded(tmp_path, "arguments").split("\n")[:6] == [
        "uninstall",
        "shop",
        "--namespace",
        "front",
        "--timeout",
        "9s",
    ]


@pytest.mark.parametrize(
    ("stderr", "family", "hint"),
    [
        ("Error: kubernetes cluster unreachable: dial tcp", ClusterError, "check the kubeconfig"),
        ("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", ClusterError, "roll"),
        ("Error: INSTALLATION FAILED: conflict occurred while applying object", ClusterError, "another program set"),
        ("Error: pre-install hooks failed: job failed", ClusterError, None),
        ("Error: execution error at (shop/templates/a.yaml:1:3): the domain must be set", ConfigError, None),
        ("Error: values don't meet the specifications of the schema(s)", ConfigError, None),
    ],
)
def test_whose_fault_it_is(script: Script, stderr: str, family: type[PackhorseError], hint: str | None) -> None:
    with pytest.raises(family) as caught:
        HelmInstaller(script(stderr=stderr, status=1)).install(SPEC)
    assert type(caught.value) is family
    assert "installing release front/shop: " in caught.value.message
    assert "Error:" not in caught.value.message
    assert (caught.value.hint is None) == (hint is None)
    assert hint is None or hint in str(caught.value.hint)


@pytest.mark.parametrize("call", [lambda i: i.status("a", "b"), lambda i: i.uninstall("a", "b")])
def test_a_cluster_that_refuses(script: Script, call: Callable[[HelmInstaller], object]) -> None:
    with pytest.raises(ClusterError, match="forbidden"):
        call(HelmInstaller(script(stderr="Error: secrets is forbidden", status=1)))


def test_an_answer_that_is_no_release() -> None:
    with pytest.raises(ClusterError, match="expected a release in JSON"):
        read_release(b"WARNING: hello")


def test_noise_is_left_out() -> None:
    said = "WARNING: group-readable.\nlevel=WARN msg=x\nError: no\n\nUse --debug flag to x\n"
    assert helm_messages.clean(said) == "no"


def test_a_schema_on_another_host_is_named() -> None:
    error = helm_messages.chart_error(
        "rendering", 'Error: "https://x.example/s.json": proxyconnect 127.0.0.1:9: refused'
    )
    assert "wants to read https://x.example/s.json" in error.message
    assert "put what it refers to into the chart" in str(error.hint)
