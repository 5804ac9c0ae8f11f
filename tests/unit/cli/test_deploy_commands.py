"""What plan, deploy, status and remove print, on a cluster in memory with real bundle files."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from packhorse.app import deploy, plan, remove, status
from packhorse.app.site import OfflineAccess, Site
from packhorse.base.errors import ClusterError, ConfigError, UsageError
from packhorse.cli.cluster_options import ClusterOptions, user_name
from packhorse.cli.console import Console
from packhorse.cli.main import run
from packhorse.kube.object_identity import ObjectIdentity
from packhorse.kube.ports import ApplyOptions
from tests.support.deployable import MemoryContent, definition, pack_chart, seal_package
from tests.support.deploying import TestSite

PASSWORD = "correct horse battery"
WEB = """
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {domain: "${var.domain}", theme: "dark"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: old-theme}
---
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: "${var.password}"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  template:
    spec: {containers: [{name: web, image: "nginx:1.27", env: [{name: LOG_LEVEL, value: info}]}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: postgres}
spec:
  replicas: 1
  template: {spec: {containers: [{name: postgres, image: "busybox:1.36"}]}}
"""
CHART = """apiVersion: v1
kind: ConfigMap
metadata: {name: api}
data: {level: "@level@"}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
"""
VARIABLES = ({"name": "domain", "default": "shop.local"}, {"name": "password", "sensitive": True})
IMAGES = ("docker.io/library/nginx:1.27", "docker.io/library/nginx:1.28", "docker.io/library/busybox:1.36")


class Shell:
    """Runs verbs and gives what they print to stdout; ``err`` has the rest."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.exit_code = 0
        self.err = ""

    def __call__(self, *arguments: object) -> str:
        self.exit_code = run(list(map(str, arguments)), Console(progress="plain"))
        out, self.err = self._capsys.readouterr()
        return out

    def json(self, *arguments: object) -> Any:
        return json.loads(self(*arguments, "--output", "json"))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestSite:
    folder = tmp_path / "charts"
    folder.mkdir()
    made = TestSite(folder)

    @contextmanager
    def opened(_access: OfflineAccess) -> Iterator[Site]:
        yield made.site

    for module in (plan, deploy, status, remove):
        monkeypatch.setattr(module, "open_site", opened)
    monkeypatch.setenv("PACKHORSE_VAR_PASSWORD", PASSWORD)
    return made


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def bundle(folder: Path, web: str = WEB, *, version: str = "1.3.2", level: str = "info") -> Path:
    chart = {"name": "api", "source": "chart", "namespace": "shop", "values": ["values.yaml"]}
    package = definition(
        {"name": "web", "manifests": [{"name": "web", "files": ["web.yaml"], "namespace": "shop"}]},
        {"name": "api", "dependsOn": ["web"], "charts": [chart]},
        version=version,
        variables=VARIABLES,
    )
    content = MemoryContent(
        package,
        {"web.yaml": web, "values.yaml": f"level: {level}"},
        {("api", "api"): pack_chart("api", {"templates/all.yaml": CHART})},
        images=tuple(carried(name) for name in IMAGES),
    )
    return seal_package(folder / f"shop-{version}.bundle.tar", content)


def carried(name: str) -> Any:
    return MemoryContent(definition({"name": "x"})).images[0].__class__(name)


def newer(folder: Path) -> Path:
    changed = (
        WEB.replace("nginx:1.27", "nginx:1.28")
        .replace("value: info", "value: warn")
        .replace("replicas: 1", "replicas: 3")
    )
    documents = changed.split("---\n")
    kept = [each for each in documents if "old-theme" not in each]
    kept.append("{apiVersion: v1, kind: Service, metadata: {name: web}}\n")
    return bundle(folder, "---\n".join(kept), version="1.4.0", level="debug")


def test_a_first_plan(shell: Shell, site: TestSite, tmp_path: Path) -> None:
    path = bundle(tmp_path)
    assert shell("plan", path).splitlines() == [
        "Release shop 1.3.2, revision 1, namespace shop (now: not there)",
        "  + Namespace/shop",
        "  + ConfigMap/web",
        "  + ConfigMap/old-theme",
        "  + Secret/db",
        "  + Deployment/web",
        "  + StatefulSet/postgres",
        "  + Job/migrate            hook pre-install",
        "  + ConfigMap/api",
        "All 2 images came with the package.",
        f"Next: packhorse deploy {path}",
    ]
    assert site.cluster.writes == 0


def test_the_plan_of_an_upgrade(shell: Shell, site: TestSite, tmp_path: Path) -> None:
    shell("deploy", bundle(tmp_path))
    assert site.cluster.writes > 0
    path = newer(tmp_path)
    assert shell("plan", path).splitlines() == [
        "Release shop 1.4.0, revision 2, namespace shop (now: 1.3.2)",
        "  + Service/web",
        "  ~ Deployment/web         image 1.27 → 1.28 · env LOG_LEVEL info → warn",
        "  ~ StatefulSet/postgres   replicas 1 → 3",
        "  + Job/migrate            hook pre-upgrade",
        "  ~ ConfigMap/api          data.level info → debug",
        "  - ConfigMap/old-theme    left the package",
        "  = 2 objects unchanged",
        "All 2 images came with the package.",
        f"Next: packhorse deploy {path}",
    ]


def test_a_restart_is_announced(shell: Shell, site: TestSite, tmp_path: Path) -> None:
    shell("deploy", bundle(tmp_path))
    changed = bundle(tmp_path, WEB.replace("busybox:1.36", "nginx:1.28"), version="1.4.0")
    [line] = [line for line in shell("plan", changed).splitlines() if "postgres" in line]
    assert line == "  ~ StatefulSet/postgres   image busybox:1.36 → nginx:1.28   restarts 1 pod"
    assert site.cluster.writes


def test_the_plan_for_programs(shell: Shell, site: TestSite, tmp_path: Path) -> None:
    shell("deploy", bundle(tmp_path))
    told = shell.json("plan", newer(tmp_path))
    assert told["schemaVersion"] == 1
    assert (told["release"], told["version"], told["revision"], told["hasWork"]) == ("shop", "1.4.0", 2, True)
    assert told["deployed"]["version"] == "1.3.2"
    assert told["charts"] == [
        {"action": "change", "component": "api", "name": "api", "release": "api", "namespace": "shop"}
    ]
    [web] = [each for each in told["actions"] if each["kind"] == "Deployment"]
    assert (web["action"], web["component"], web["chart"], web["namespace"]) == ("change", "web", None, "shop")
    assert {
        "path": "spec.template.spec.containers[web].image",
        "before": "nginx:1.27",
        "after": "nginx:1.28",
        "sensitive": False,
    } in web["changes"]
    assert site.helm.installs


def test_secrets_are_in_no_output(
    shell: Shell, site: TestSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bundle(tmp_path)
    printed = shell("plan", path) + shell("deploy", path)
    monkeypatch.setenv("PACKHORSE_VAR_PASSWORD", "another secret")
    printed += shell("plan", path) + shell("plan", path, "--output", "json") + shell("deploy", path, "--output", "json")
    printed += shell.err + shell("status", "--output", "json")
    assert "data.password (changed, sensitive)" in printed
    assert PASSWORD not in printed
    assert "another secret" not in printed
    assert "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5" not in printed
    assert site.cluster.get(ObjectIdentity("v1", "Secret", "shop", "db")) is not None


def test_a_sensitive_value_is_not_taken_from_the_command_line(shell: Shell, site: TestSite, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="everybody on this machine can read a command line"):
        shell("deploy", bundle(tmp_path), "--set", "password=x")
    assert site.cluster.writes == 0


def test_a_variable_without_a_value_is_asked_for_by_name(
    shell: Shell, site: TestSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PACKHORSE_VAR_PASSWORD")
    with pytest.raises(ConfigError, match="1 variable has no value: password"):
        shell("plan", bundle(tmp_path))
    assert site.cluster.writes == 0


def test_deploying_and_deploying_again(shell: Shell, site: TestSite, tmp_path: Path) -> None:
    path = bundle(tmp_path)
    first = shell("deploy", path)
    assert first.splitlines()[0].startswith("Deployed shop 1.3.2 as revision 1 in ")
    assert first.splitlines()[1] == "Next: packhorse status shop"
    settled = "Nothing to do: shop 1.3.2 is deployed as revision 1, all 6 objects are as they should be.\n"
    assert shell("deploy", path) == settled
    assert shell("plan", path) == settled
    assert shell.json("deploy", path)["changed"] is False
    assert len(site.helm.installs) == 1


def test_a_dry_run_is_a_plan(shell: Shell, site: TestSite, tmp_path: Path) -> None:
    assert shell("deploy", bundle(tmp_path), "--dry-run").startswith("Release shop 1.3.2, revision 1")
    assert site.cluster.writes == 0


def test_a_conflict_is_shown_with_its_owner(shell: Shell, site: TestSite, tmp_path: Path) -> None:
    shell("deploy", bundle(tmp_path))
    metadata = {"name": "web", "namespace": "shop"}
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"theme": "light"}}
    site.cluster.apply(theirs, ApplyOptions(manager="kubectl-edit", force=True))
    with pytest.raises(ClusterError, match=r"1 problem\. Nothing was changed") as caught:
        shell("plan", bundle(tmp_path))
    assert caught.value.failures[0].hint == "--force-conflicts takes it over"
    out = shell("plan", bundle(tmp_path), "--force-conflicts")
    assert "  ~ ConfigMap/web   data.theme light → dark" in out
    assert "  ! ConfigMap/web in shop: kubectl-edit owns .data.theme" in out


def test_nothing_is_deployed(shell: Shell, site: TestSite) -> None:
    assert shell("status") == "Nothing is deployed here.\n"
    assert shell.exit_code == 0
    assert shell.json("status") == {"schemaVersion": 1, "healthy": True, "releases": []}
    with pytest.raises(UsageError, match="there is no release 'shop'"):
        shell("status", "shop")
    assert site.cluster.writes == 0


def test_status_names_what_is_not_ready(shell: Shell, site: TestSite, tmp_path: Path) -> None:
    shell("deploy", bundle(tmp_path))
    healthy = shell("status")
    assert healthy.startswith("shop 1.3.2  revision 1  deployed 2026-")
    assert healthy.endswith("all 6 objects ready\n")
    web = ObjectIdentity("apps/v1", "Deployment", "shop", "web")
    site.cluster.set_status(web, {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1})
    site.cluster.delete(ObjectIdentity("v1", "ConfigMap", "shop", "old-theme"))
    lines = shell("status").splitlines()
    assert shell.exit_code == 8
    assert lines[0].endswith("2 of 6 objects not ready")
    assert lines[1:] == [
        "  ✗ ConfigMap/old-theme in shop  is not there",
        "  ◌ Deployment/web in shop       0 of 2 ready",
    ]
    assert len(shell("status", "shop").splitlines()) == 7
    told = shell.json("status", "shop")
    assert told["healthy"] is False
    [release] = told["releases"]
    assert {each["name"]: each["state"] for each in release["objects"]} == {
        "web": "progressing",
        "old-theme": "missing",
        "db": "ready",
        "postgres": "ready",
        "api": "ready",
    }
    assert release["variables"] == {"domain": "shop.local"}


def test_status_tells_of_a_failed_deployment(shell: Shell, site: TestSite, tmp_path: Path) -> None:
    site.cluster.stuck.add("web")
    with pytest.raises(ClusterError, match="did not become ready"):
        shell("deploy", bundle(tmp_path), "--timeout", "5")
    lines = shell("status").splitlines()
    assert "FAILED" in lines[0]
    assert lines[1] == "  ✗ 1 object did not become ready within 5.0 s"


def test_removing_needs_a_yes(shell: Shell, site: TestSite, tmp_path: Path) -> None:
    shell("deploy", bundle(tmp_path))
    with pytest.raises(UsageError, match="nobody can be asked"):
        shell("remove", "shop")
    assert shell("remove", "shop", "--dry-run").splitlines() == [
        "Release shop 1.3.2, revision 1, namespace shop: goes",
        "  - ConfigMap/api",
        "  - StatefulSet/postgres",
        "  - Deployment/web",
        "  - Secret/db",
        "  - ConfigMap/old-theme",
        "  - ConfigMap/web",
        "  - Namespace/shop",
    ]
    assert shell("remove", "shop", "--yes").startswith("Removed shop 1.3.2 in ")
    assert shell("remove", "shop", "--yes") == "Nothing to do: there is no release shop in this cluster.\n"
    assert shell.json("remove", "shop", "--yes") == {"schemaVersion": 1, "removed": False, "seconds": 0.0, "plan": None}
    assert site.cluster.get(ObjectIdentity("v1", "Namespace", "", "shop")) is None


def test_what_stays_is_named(shell: Shell, site: TestSite, tmp_path: Path) -> None:
    claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: uploads}}"
    shell("deploy", bundle(tmp_path, claim))
    removed = shell("remove", "shop", "--yes").splitlines()
    assert removed[1:] == [
        "  · PersistentVolumeClaim/uploads in shop  stays with its data; --delete-data removes it",
        "  · Namespace/shop  stays, it has PersistentVolumeClaim/uploads",
    ]
    assert site.cluster.get(ObjectIdentity("v1", "Namespace", "", "shop")) is not None


@pytest.mark.parametrize(
    ("option", "environment", "files"),
    [
        (None, {"KUBECONFIG": "/a/one:/b/two"}, ["/a/one", "/b/two"]),
        (None, {"KUBECONFIG": "/a/one:"}, ["/a/one"]),
        (Path("/c/three"), {"KUBECONFIG": "/a/one"}, ["/c/three"]),
        (None, {}, [str(Path("~/.kube/config").expanduser())]),
    ],
)
def test_where_the_kubeconfig_is(option: Path | None, environment: dict[str, str], files: list[str]) -> None:
    access = ClusterOptions(option, "site").access(environment)
    assert [str(path) for path in access.kubeconfig] == files
    assert access.context == "site"


def test_proxies_are_those_that_helm_takes_too() -> None:
    environment = {"HTTPS_PROXY": "http://proxy:3128", "no_proxy": ".site", "ALL_PROXY": "http://other"}
    proxies = ClusterOptions().access(environment).proxies
    assert (proxies.http, proxies.https, proxies.no_proxy) == (None, "http://proxy:3128", (".site",))


def test_whom_the_lock_names() -> None:
    assert user_name({"LOGNAME": "ada", "USER": "root"}) == "ada"
    assert user_name({"USER": "root"}) == "root"
    assert user_name({}) == str(os.getuid())


def test_which_helm_is_used() -> None:
    assert ClusterOptions().access({"PACKHORSE_HELM": "/opt/helm"}).helm == Path("/opt/helm")
    assert ClusterOptions.offline({"PATH": "/nowhere"}).helm == Path("helm")


def test_a_plan_without_a_cluster(shell: Shell, tmp_path: Path) -> None:
    package = definition({"name": "web", "manifests": [{"name": "web", "files": ["web.yaml"], "namespace": "shop"}]})
    content = MemoryContent(package, {"web.yaml": "{apiVersion: nobody.dev/v1, kind: Thing, metadata: {name: a}}"})
    path = seal_package(tmp_path / "b.tar", content)
    assert shell("plan", path, "--offline").splitlines() == [
        "Release shop 1.4.0, revision 1, namespace shop (planned without a cluster: everything would be new)",
        "  + Namespace/shop",
        "  + Thing/a",
    ]
