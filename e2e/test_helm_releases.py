"""Releases by the helm program against a real API: what the deploy engine stands on."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster.api_server import ApiServer
from packhorse.base.errors import ClusterError, ConfigError
from packhorse.base.program import Program
from packhorse.helm.chart_archive import pack
from packhorse.helm.cli_helm import CliHelm, Cluster, HelmInstaller
from packhorse.helm.model import ReleaseSpec

FILES = {
    "Chart.yaml": b"apiVersion: v2\nname: shop\nversion: 1.0.0\nappVersion: '7'\n",
    "values.yaml": b"word: first\n",
    "templates/config.yaml": b"""apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-config}
data: {word: {{ .Values.word | quote }}, namespaces: {{ len (lookup "v1" "Namespace" "" "").items | quote }}}
""",
    "templates/hook.yaml": b"""apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-hook, annotations: {helm.sh/hook: post-install}}
""",
    "templates/NOTES.txt": b"Thank you for {{ .Values.word }}.",
}
CONFIG = "/api/v1/namespaces/default/configmaps/shop-config"


@pytest.fixture(scope="module")
def server(bin_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with ApiServer(bin_dir, tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def installer(server: ApiServer, tmp_path: Path) -> HelmInstaller:
    helm = shutil.which("helm")
    assert helm is not None
    program = Program(Path(helm), {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home")})
    return HelmInstaller(CliHelm(program), Cluster(server.kubeconfig))


@pytest.fixture
def release(installer: HelmInstaller, tmp_path: Path) -> Iterator[ReleaseSpec]:
    chart = tmp_path / "shop.tgz"
    chart.write_bytes(pack("shop", FILES))
    yield ReleaseSpec(name="shop", namespace="default", chart=chart, labels={"packhorse": "test"}, timeout_seconds=30)
    installer.uninstall("shop", "default")


def changed(release: ReleaseSpec, **settings: object) -> ReleaseSpec:
    fields = {name: getattr(release, name) for name in ReleaseSpec.__slots__}
    return ReleaseSpec(**{**fields, **settings})


def test_a_release_comes_changes_and_goes(server: ApiServer, installer: HelmInstaller, release: ReleaseSpec) -> None:
    assert installer.status("shop", "default") is None
    first = installer.install(changed(release, values=(b"word: second\n", b"word: third\n"), description="by test"))
    assert (first.revision, first.status, first.chart, first.chart_version, first.app_version) == (
        1, "deployed", "shop", "1.0.0", "7"
    )  # fmt: skip
    assert first.notes == "Thank you for third."
    assert "shop-config" in first.manifest
    assert len(first.hooks) == 1
    config = server.api.get(CONFIG)
    assert config is not None
    assert config["data"] == {"word": "third", "namespaces": "4"}
    assert {field["operation"] for field in config["metadata"]["managedFields"]} == {"Apply"}
    second = installer.install(release)
    assert second.revision == 2
    config = server.api.get(CONFIG)
    assert config is not None
    assert config["data"]["word"] == "first", "values of the revision before must not linger"
    found = installer.status("shop", "default")
    assert found is not None
    assert (found.revision, found.manifest) == (2, second.manifest)
    assert installer.uninstall("shop", "default") is True
    assert server.api.get(CONFIG) is None
    assert installer.status("shop", "default") is None
    assert installer.uninstall("shop", "default") is False


def test_a_preview_sees_the_cluster_and_changes_nothing(
    server: ApiServer, installer: HelmInstaller, release: ReleaseSpec
) -> None:
    preview = installer.preview(release)
    assert 'namespaces: "4"' in preview.manifest
    assert server.api.get(CONFIG) is None
    assert installer.status("shop", "default") is None


def test_a_refused_object_fails_the_revision(installer: HelmInstaller, release: ReleaseSpec, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tgz"
    template = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_A_Name}\n"
    broken.write_bytes(pack("shop", {**FILES, "templates/config.yaml": template}))
    with pytest.raises(ClusterError, match=r"installing release default/shop: .*Not_A_Name"):
        installer.install(changed(release, chart=broken))
    found = installer.status("shop", "default")
    assert found is not None
    assert found.status == "failed"
    assert installer.install(release).status == "deployed"


def test_a_chart_that_fails_touches_nothing(installer: HelmInstaller, release: ReleaseSpec, tmp_path: Path) -> None:
    failing = tmp_path / "failing.tgz"
    failing.write_bytes(pack("shop", {**FILES, "templates/a.yaml": b'{{ fail "set the word" }}'}))
    with pytest.raises(ConfigError, match="set the word"):
        installer.install(changed(release, chart=failing))
    assert installer.status("shop", "default") is None


def test_objects_of_somebody_else_are_taken_over_only_when_asked(
    server: ApiServer, installer: HelmInstaller, release: ReleaseSpec
) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop-config"}, "data": {"other": "x"}}
    server.api.apply("/api/v1/namespaces/default/configmaps", theirs)
    with pytest.raises(ClusterError, match=r"cannot be imported|exists"):
        installer.install(release)
    assert installer.install(changed(release, take_ownership=True)).status == "deployed"


def test_a_namespace_that_is_not_there(installer: HelmInstaller, release: ReleaseSpec) -> None:
    with pytest.raises(ClusterError, match='namespaces "nowhere" not found'):
        installer.install(changed(release, namespace="nowhere"))


def test_a_cluster_that_is_not_there(installer: HelmInstaller, tmp_path: Path) -> None:
    gone = tmp_path / "kubeconfig"
    gone.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:9'}}]\nusers: [{name: a, user: {}}]\n"
    )
    with pytest.raises(ClusterError, match="unreachable") as caught:
        HelmInstaller(installer.helm, Cluster(gone)).status("shop", "default")
    assert "check the kubeconfig" in str(caught.value.hint)


def test_nothing_is_left_in_the_users_home(installer: HelmInstaller, release: ReleaseSpec, tmp_path: Path) -> None:
    installer.install(release)
    left = {path.name for path in (tmp_path / "home").rglob("*") if "helm" in str(path)}
    assert left == set()
