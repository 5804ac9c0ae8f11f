"""``deploy``: whatever ends it, the next one finishes, and nothing is there twice.

Between the command and a real API server stands a proxy that speaks plain HTTP to the command and to its Helm, and TLS
to the server. Holds after each round: success means that every object is as the package says; after the second run it
is so in any case, one record of the release says ``deployed`` and none that it is being deployed, Helm has one deployed
revision of the chart, the lock is gone, and each workload has one set of pods.
"""

import json
from pathlib import Path
from random import Random

import msgspec

from faults import messages, trouble
from faults.bed import Bed
from faults.command import Ended, packhorse
from faults.proxy import misdeeds
from faults.proxy.misdeeds import ANSWERS
from faults.proxy.server import Proxy
from faults.rounds import Broken, Round
from faults.trouble import Trouble
from packhorse.package.model import Package
from tests.support.deployable import MemoryContent, pack_chart, seal_package

__all__ = ["DeployRounds"]

_SYSTEM = "packhorse-system"
_USUAL_SECONDS = 1.5
_EVERY_FOURTH = 4
_ITEMS = (_SYSTEM, r"(Deployment|ConfigMap|Secret|Service|Namespace|Lease)\b", r"the API|/api", "chart api")
_WEB = """
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {colour: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: secret}
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
      containers: [{name: web, image: "nginx:1.27", readinessProbe: {httpGet: {port: 80}}}]
"""
_CHART = """apiVersion: v1
kind: ConfigMap
metadata: {name: api}
data: {level: {{ .Values.level }}}
"""
_EXPECTED = (
    ("/api/v1/namespaces/{}/configmaps/web", ("data", {"colour": "blue"})),
    ("/api/v1/namespaces/{}/secrets/db", ("data", {"password": "c2VjcmV0"})),
    ("/api/v1/namespaces/{}/services/web", ("kind", "Service")),
    ("/apis/apps/v1/namespaces/{}/deployments/web", ("kind", "Deployment")),
    ("/api/v1/namespaces/{}/configmaps/api", ("data", {"level": "info"})),
)


class DeployRounds:
    """Rounds of ``packhorse deploy``."""

    def __init__(self, folder: Path, bed: Bed) -> None:
        self._bed = bed
        self._proxy = Proxy(bed.url, misdeeds.MISDEEDS, trust=bed.trust(), tls=None)
        self._kubeconfig = folder / "kubeconfig"
        self._kubeconfig.write_text(json.dumps(_kubeconfig(self._proxy.url)))

    def play(self, turn: Round) -> str:
        """Deploy with faults, look, deploy without."""
        random = turn.random()
        name = f"s{turn.seed}r{turn.number}"
        with_chart = random.random() < 0.5  # noqa: PLR2004 - as often as not
        bundle = _bundle(turn.folder, name, with_chart=with_chart)
        harm = self._trouble(turn, random, bundle)
        seen = self._proxy.begin(harm.schedule)
        ended = self._run(turn.folder, bundle, harm)
        if ended.code == 0:
            self._check_objects(name, with_chart=with_chart)
        messages.check(ended, (name, *_ITEMS), disk=bool(harm.disk.rules))
        self._proxy.begin()
        messages.must_succeed(self._run(turn.folder, bundle), "the second run")
        self._check_objects(name, with_chart=with_chart)
        self._check_records(name)
        if with_chart:
            self._check_helm(name)
        if turn.number % _EVERY_FOURTH == 0:
            third = self._run(turn.folder, bundle)
            if third.code or "Nothing to do" not in third.out:
                raise Broken(f"the third run has something to do\n{third.out}{third.err}")
        harmed = sum(1 for each in seen if each.kind)
        return f"{harm.describe()}: exit {ended.code}, {harmed} of {len(seen)} requests harmed"

    def close(self) -> None:
        """Let go of the proxy; the API server goes with the last round of all."""
        self._proxy.close()

    def _trouble(self, turn: Round, random: Random, bundle: Path) -> Trouble:
        schedule = trouble.network(random, turn.key, ANSWERS)
        disk = trouble.disk_at(turn.folder)
        match random.randrange(8):
            case 0 | 1 | 2:
                ending = trouble.endings(random, _USUAL_SECONDS, alone=True)
                return Trouble(disk, *trouble.at_request(random, ending, 60))
            case 3:
                return Trouble(trouble.disk_at(turn.folder, jumps=trouble.clock_jumps(random)), schedule)
            case 4:
                rules = trouble.reading_disk(random, bundle.name, bundle.stat().st_size)
                return Trouble(trouble.disk_at(turn.folder, rules))
            case _:
                return Trouble(disk, schedule)

    def _run(self, folder: Path, bundle: Path, harm: Trouble | None = None) -> Ended:
        arguments = ["deploy", str(bundle), "--kubeconfig", str(self._kubeconfig), "--timeout", "60"]
        if harm is None:
            return packhorse(arguments, folder)
        return packhorse(arguments, folder, harm.disk, harm.ending)

    def _check_objects(self, name: str, *, with_chart: bool) -> None:
        for path, (field, value) in _EXPECTED if with_chart else _EXPECTED[:-1]:
            found = self._bed.api.get(path.format(name))
            if found is None or found.get(field) != value:
                raise Broken(f"{path.format(name)} is not as the package says: {found}")
        sets = self._bed.api.request("GET", f"/apis/apps/v1/namespaces/{name}/replicasets")["items"]
        if len(sets) > 1:
            raise Broken(f"the workload has {len(sets)} sets of pods")

    def _check_records(self, name: str) -> None:
        labels = f"labelSelector=packhorse.dev%2Frelease%3D{name}"
        secrets = self._bed.api.request("GET", f"/api/v1/namespaces/{_SYSTEM}/secrets?{labels}")["items"]
        states = [secret["metadata"]["labels"]["packhorse.dev/status"] for secret in secrets]
        if states.count("deployed") != 1 or "deploying" in states:
            raise Broken(f"the records of the release say {states}")
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{_SYSTEM}/leases/packhorse.lock.{name}"
        if (found := self._bed.api.get(lease)) is not None:
            raise Broken(f"the lock of the release is still there: {found['metadata']} {found['spec']}")

    def _check_helm(self, name: str) -> None:
        path = f"/api/v1/namespaces/{name}/secrets?labelSelector=owner%3Dhelm%2Cname%3Dapi"
        states = [each["metadata"]["labels"]["status"] for each in self._bed.api.request("GET", path)["items"]]
        if states.count("deployed") != 1 or any(state.startswith("pending") for state in states):
            raise Broken(f"Helm's records say {states}")


def _bundle(folder: Path, name: str, *, with_chart: bool) -> Path:
    web = {"name": "web", "manifests": [{"name": "web", "files": ["web.yaml"], "namespace": name}]}
    chart = {"name": "api", "source": "chart", "namespace": name, "values": ["values.yaml"], "timeoutSeconds": 60}
    definition = msgspec.convert(
        {
            "apiVersion": "packhorse.dev/v1alpha1",
            "kind": "Package",
            "metadata": {"name": name, "version": "1.0.0"},
            "components": [web, *([{"name": "api", "dependsOn": ["web"], "charts": [chart]}] if with_chart else [])],
        },
        Package,
    )
    archive = {("api", "api"): pack_chart("api", {"templates/all.yaml": _CHART})} if with_chart else {}
    content = MemoryContent(definition, {"web.yaml": _WEB, "values.yaml": "level: info\n"}, archive)
    return seal_package(folder / f"{name}.bundle.tar", content)


def _kubeconfig(url: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bed", "cluster": {"server": url}}],
        "users": [{"name": "proxy", "user": {}}],
        "contexts": [{"name": "bed", "context": {"cluster": "bed", "user": "proxy"}}],
        "current-context": "bed",
    }
