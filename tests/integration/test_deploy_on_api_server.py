"""The verbs on a real API server, with real bundles and real Helm; without a node, so Deployments have no replicas."""

import base64
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packhorse.base.errors import ClusterError
from packhorse.cli.console import Console
from packhorse.cli.main import run
from packhorse.kube.lightkube_cluster import LightkubeCluster
from packhorse.kube.object_identity import ObjectIdentity
from packhorse.kube.ports import ApplyOptions, ServedKind
from tests.support.api_server import program_folder
from tests.support.deployable import MemoryContent, definition, pack_chart, seal_package

pytestmark = pytest.mark.apiserver

PASSWORD = "correct horse battery"
WEB = """
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {domain: "${var.domain}"}
---
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: "${var.password}"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "nginx:1.27", env: [{name: LOG_LEVEL, value: info}]}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: themes.shop.dev}
spec:
  group: shop.dev
  names: {kind: Theme, plural: themes, singular: theme}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: shop.dev/v1
kind: Theme
metadata: {name: dark}
spec: {colour: black}
"""
TEMPLATE = """apiVersion: v1
kind: ConfigMap
metadata: {name: api}
data: {level: {{ .Values.level }}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  replicas: 0
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: "busybox:1.36"}]}
"""
VARIABLES = ({"name": "domain", "default": "shop.local"}, {"name": "password", "sensitive": True})


class Shell:
    """Runs verbs against the server and gives what they print."""

    def __init__(self, kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.kubeconfig = kubeconfig
        self._capsys = capsys
        self.exit_code = 0

    def __call__(self, *arguments: object) -> str:
        words = [*map(str, arguments), "--kubeconfig", str(self.kubeconfig)]
        self.exit_code = run(words, Console(progress="plain"))
        return self._capsys.readouterr().out

    def json(self, *arguments: object) -> Any:
        return json.loads(self(*arguments, "--output", "json"))


@pytest.fixture
def shell(
    request: pytest.FixtureRequest,
    api_kubeconfig: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shell]:
    helm = shutil.which("helm") or str(program_folder() / "helm")
    if not os.access(helm, os.X_OK):
        pytest.skip("no helm; make tools fetches it")
    monkeypatch.setenv("PACKHORSE_HELM", helm)
    monkeypatch.setenv("PACKHORSE_VAR_PASSWORD", PASSWORD)
    made = Shell(api_kubeconfig, capsys)
    # One of somebody else's stays, which saves each test the wait until it is gone.
    if "life" not in request.node.name:
        make_namespace(api_kubeconfig, "packhorse-system")
    yield made
    made("remove", "shop", "--yes", "--delete-crds", "--delete-data")


@pytest.fixture
def cluster(api_kubeconfig: Path) -> Iterator[LightkubeCluster]:
    with LightkubeCluster.connect([api_kubeconfig]) as connected:
        yield connected


def make_namespace(kubeconfig: Path, name: str) -> None:
    with LightkubeCluster.connect([kubeconfig]) as cluster:
        if cluster.get(ObjectIdentity("v1", "Namespace", "", name)) is None:
            cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def bundle(
    folder: Path,
    *,
    version: str = "1.4.0",
    web: str = WEB,
    level: str = "info",
    namespace: str = "shop",
    template: str = TEMPLATE,
    timeout_seconds: int = 300,
) -> Path:
    chart = {
        "name": "api",
        "source": "chart",
        "namespace": namespace,
        "values": ["values.yaml"],
        "timeoutSeconds": timeout_seconds,
    }
    components = (
        {"name": "web", "manifests": [{"name": "web", "files": ["web.yaml"], "namespace": namespace}]},
        {"name": "api", "dependsOn": ["web"], "charts": [chart]},
    )
    archive = pack_chart("api", {"templates/all.yaml": template})
    content = MemoryContent(
        definition(*components, version=version, variables=VARIABLES),
        {"web.yaml": web, "values.yaml": f"level: {level}\n"},
        {("api", "api"): archive},
    )
    return seal_package(folder / f"shop-{version}.bundle.tar", content)


def test_the_whole_life_of_a_release(shell: Shell, cluster: LightkubeCluster, tmp_path: Path) -> None:
    first = bundle(tmp_path)
    namespaces = {each["metadata"]["name"] for each in cluster.list(ServedKind("v1", "Namespace"))}
    planned = shell("plan", first)
    assert planned.splitlines()[0] == "Release shop 1.4.0, revision 1, namespace shop (now: not there)"
    assert "  + Deployment/api" in planned
    assert cluster.get(ObjectIdentity("v1", "Namespace", "", "shop")) is None

    assert shell("deploy", first).startswith("Deployed shop 1.4.0 as revision 1 in ")
    secret = cluster.get(ObjectIdentity("v1", "Secret", "shop", "db"))
    assert secret is not None
    assert secret["data"] == {"password": "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5"}
    assert shell("deploy", first) == (
        "Nothing to do: shop 1.4.0 is deployed as revision 1, all 8 objects are as they should be.\n"
    )
    assert shell("plan", first).startswith("Nothing to do: ")

    status = shell.json("status", "shop")
    assert status["healthy"] is True
    assert {each["state"] for each in status["releases"][0]["objects"]} == {"ready"}

    second = bundle(tmp_path, version="1.5.0", web=WEB.replace("value: info", "value: warn"), level="debug")
    planned = shell("plan", second)
    assert planned.splitlines() == [
        "Release shop 1.5.0, revision 2, namespace shop (now: 1.4.0)",
        "  ~ Deployment/web   env LOG_LEVEL info → warn",
        "  ~ ConfigMap/api    data.level info → debug",
        "  = 6 objects unchanged",
        "All 2 images came with the package.",
        f"Next: packhorse deploy {second}",
    ]
    assert shell("deploy", second).startswith("Deployed shop 1.5.0 as revision 2 in ")

    removed = shell("remove", "shop", "--yes")
    assert removed.startswith("Removed shop 1.5.0 in ")
    assert "CustomResourceDefinition/themes.shop.dev  stays" in removed
    assert {each["metadata"]["name"] for each in cluster.list(ServedKind("v1", "Namespace"))} == namespaces
    assert shell("remove", "shop", "--yes") == "Nothing to do: there is no release shop in this cluster.\n"
    cluster.delete(ObjectIdentity("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "themes.shop.dev"))


def test_drift_and_conflicts_are_shown_with_their_owner(
    shell: Shell, cluster: LightkubeCluster, tmp_path: Path
) -> None:
    first = bundle(tmp_path)
    shell("deploy", first)
    for name in ("web", "api"):
        cluster.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "namespace": "shop"},
                "spec": {"revisionHistoryLimit": 3, "replicas": 0, "minReadySeconds": 5},
            },
            ApplyOptions(manager="autopilot", force=True),
        )
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "api", "namespace": "shop"},
            "data": {"level": "x"},
        },
        ApplyOptions(manager="autopilot", force=True),
    )
    with pytest.raises(ClusterError, match="1 problem") as caught:
        shell("deploy", first)
    assert caught.value.failures[0].message == "ConfigMap/api in shop: autopilot owns .data.level"
    plan = shell.json("plan", first, "--force-conflicts")
    changed = {(each["kind"], each["name"]): each["changes"] for each in plan["actions"] if each["action"] == "change"}
    assert changed == {
        ("ConfigMap", "api"): [{"path": "data.level", "before": "x", "after": "info", "sensitive": False}]
    }
    shell("deploy", first, "--force-conflicts")
    live = cluster.get(ObjectIdentity("v1", "ConfigMap", "shop", "api"))
    assert live is not None
    assert live["data"] == {"level": "info"}


def test_a_mistake_in_a_manifest_is_found_before_anything_is_changed(
    shell: Shell, cluster: LightkubeCluster, tmp_path: Path
) -> None:
    make_namespace(shell.kubeconfig, "mistakes")
    wrong = bundle(tmp_path, namespace="mistakes", web=WEB.replace("replicas: 0", "replicsa: 0"))
    with pytest.raises(ClusterError) as caught:
        shell("deploy", wrong)
    assert "web.yaml" in caught.value.failures[0].message
    assert "replicsa" in caught.value.failures[0].message
    assert cluster.get(ObjectIdentity("v1", "ConfigMap", "mistakes", "web")) is None


def test_what_does_not_become_ready_says_why_and_status_agrees(shell: Shell, tmp_path: Path) -> None:
    waiting = bundle(tmp_path, web=WEB.replace("replicas: 0", "replicas: 1"))
    with pytest.raises(ClusterError, match="1 object did not become ready") as caught:
        shell("deploy", waiting, "--timeout", "2")
    assert caught.value.failures[0].message.startswith("Deployment/web in shop: 0 of 1 ")
    shell("status", "shop")
    assert shell.exit_code == ClusterError.exit_code
    # The second version puts it right, and goes on from what is there.
    assert "as revision 2" in shell("deploy", bundle(tmp_path, version="1.4.1"))
    status = shell.json("status", "shop")
    assert status["releases"][0]["revision"] == 2


def test_an_unknown_kind_is_refused(shell: Shell, tmp_path: Path) -> None:
    unknown = bundle(tmp_path, web="{apiVersion: nobody.dev/v1, kind: Thing, metadata: {name: a}}")
    with pytest.raises(ClusterError) as caught:
        shell("plan", unknown)
    assert "nothing in the package brings it" in caught.value.failures[0].message


def test_a_job_that_changed_runs_again(shell: Shell, cluster: LightkubeCluster, tmp_path: Path) -> None:
    job = """
apiVersion: batch/v1
kind: Job
metadata: {name: import}
spec:
  suspend: true
  template: {spec: {restartPolicy: Never, containers: [{name: import, image: "busybox:1.36", args: ["ARG"]}]}}
"""
    shell("deploy", bundle(tmp_path, web=job.replace("ARG", "one")))
    identity = ObjectIdentity("batch/v1", "Job", "shop", "import")
    first = cluster.get(identity)
    planned = shell.json("plan", bundle(tmp_path, version="1.5.0", web=job.replace("ARG", "two")))
    assert [each["action"] for each in planned["actions"] if each["kind"] == "Job"] == ["replace"]
    shell("deploy", bundle(tmp_path, version="1.5.0", web=job.replace("ARG", "two")))
    second = cluster.get(identity)
    assert first is not None
    assert second is not None
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert second["spec"]["template"]["spec"]["containers"][0]["args"] == ["two"]


HOOK = """---
apiVersion: batch/v1
kind: Job
metadata: {name: prepare, annotations: {helm.sh/hook: pre-install}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: prepare, image: "busybox:1.36"}]}}}
"""


def test_a_hook_that_does_not_end_is_explained_and_runs_again(
    shell: Shell, cluster: LightkubeCluster, tmp_path: Path
) -> None:
    # There is no node, so the hook waits until Helm gives up.
    with pytest.raises(ClusterError) as caught:
        shell("deploy", bundle(tmp_path, template=TEMPLATE + HOOK, timeout_seconds=3))
    assert "prepare" in str([failure.message for failure in caught.value.failures])
    history = cluster.list(ServedKind("v1", "Secret"), namespace="shop", labels="owner=helm,name=api")
    assert [each["metadata"]["labels"]["status"] for each in history] == ["failed"]
    plan = shell.json("plan", bundle(tmp_path, template=TEMPLATE + HOOK, timeout_seconds=3))
    assert [(each["kind"], each["note"]) for each in plan["actions"] if each["note"]] == [
        ("Job", "hook pre-install"),
    ]
    # A version without the hook is installed, not upgraded: Helm's own record of what never worked is gone.
    assert "as revision 2" in shell("deploy", bundle(tmp_path, version="1.4.1"))
    [secret] = cluster.list(ServedKind("v1", "Secret"), namespace="shop", labels="owner=helm,name=api")
    assert secret["metadata"]["labels"] | {"modifiedAt": ""} == {
        "modifiedAt": "",
        "name": "api",
        "owner": "helm",
        "status": "deployed",
        "version": "1",
    }


def test_a_helm_that_was_killed_in_an_upgrade_is_gone_on_from(
    shell: Shell, cluster: LightkubeCluster, tmp_path: Path
) -> None:
    shell("deploy", bundle(tmp_path))
    leave_pending(cluster)
    assert "as revision 2" in shell("deploy", bundle(tmp_path, version="1.4.1", level="debug"))
    history = cluster.list(ServedKind("v1", "Secret"), namespace="shop", labels="owner=helm,name=api")
    assert {each["metadata"]["labels"]["version"]: each["metadata"]["labels"]["status"] for each in history} == {
        "1": "superseded",
        "2": "failed",
        "3": "deployed",
    }
    live = cluster.get(ObjectIdentity("v1", "ConfigMap", "shop", "api"))
    assert live is not None
    assert live["data"] == {"level": "debug"}


def leave_pending(cluster: LightkubeCluster) -> None:
    """Leave Helm's records as one leaves them that is killed while it upgrades."""
    [secret] = cluster.list(ServedKind("v1", "Secret"), namespace="shop", labels="owner=helm,name=api")
    release = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    release["version"] = 2
    release["info"]["status"] = "pending-upgrade"
    inner = base64.b64encode(gzip.compress(json.dumps(release).encode()))
    labels = {**secret["metadata"]["labels"], "version": "2", "status": "pending-upgrade"}
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": secret["type"],
            "metadata": {"name": "sh.helm.release.v1.api.v2", "namespace": "shop", "labels": labels},
            "data": {"release": base64.b64encode(inner).decode()},
        }
    )


def test_a_password_that_a_chart_makes_up_is_made_once(shell: Shell, cluster: LightkubeCluster, tmp_path: Path) -> None:
    random = """---
apiVersion: v1
kind: Secret
metadata: {name: made-up}
data: {password: {{ randAlphaNum 16 | b64enc }}}
"""
    shell("deploy", bundle(tmp_path, template=TEMPLATE + random))
    identity = ObjectIdentity("v1", "Secret", "shop", "made-up")
    first = cluster.get(identity)
    assert shell("deploy", bundle(tmp_path, template=TEMPLATE + random)).startswith("Nothing to do")
    assert cluster.get(identity) == first


def test_a_deployment_that_was_killed_is_gone_on_from_at_once(
    shell: Shell, cluster: LightkubeCluster, tmp_path: Path
) -> None:
    # It waits for a pod that no node will ever run, and is killed while it does.
    waiting = bundle(tmp_path, web=WEB.replace("replicas: 0", "replicas: 1"))
    packhorse = Path(sys.executable).with_name("packhorse")
    killed = subprocess.Popen(
        [packhorse, "deploy", waiting, "--kubeconfig", shell.kubeconfig], stderr=subprocess.PIPE, text=True
    )
    assert killed.stderr is not None
    with killed.stderr:
        assert any("Deployment/web" in line for line in killed.stderr)
        with pytest.raises(ClusterError, match="is deploying shop now"):
            shell("deploy", waiting)
        killed.kill()
        killed.wait()
    lease = ObjectIdentity("coordination.k8s.io/v1", "Lease", "packhorse-system", "packhorse.lock.shop")
    assert cluster.get(lease) is not None
    assert shell.json("status", "shop")["releases"][0]["status"] == "deploying"
    assert "as revision 2" in shell("deploy", bundle(tmp_path, version="1.4.1"))
    assert cluster.get(lease) is None
    records = cluster.list(
        ServedKind("v1", "Secret"), namespace="packhorse-system", labels="packhorse.dev/release=shop"
    )
    assert {each["metadata"]["labels"]["packhorse.dev/status"] for each in records} == {"failed", "deployed"}
