"""Deploying whole packages to a cluster in memory."""

import base64
import gzip
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from packhorse.base.errors import ClusterError, PackhorseError, PolicyError
from packhorse.deploy.apply import ApplySettings
from packhorse.deploy.model import ChartAction
from packhorse.deploy.planner import Choice
from packhorse.deploy.record_store import RecordStore
from packhorse.deploy.release_lock import LockHolder, ReleaseLock
from packhorse.helm.model import ReleaseSpec
from packhorse.kube.fields import labels
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ApplyOptions, ServedKind
from tests.support.deployable import MemoryContent, definition, pack_chart
from tests.support.deploying import TestSite

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
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "nginx:1.27", env: [{name: LOG_LEVEL, value: info}]}]
"""
WEB_MANIFEST = {"name": "web", "files": ["web.yaml"], "namespace": "shop"}
VARIABLES = ({"name": "domain", "default": "shop.local"}, {"name": "password", "sensitive": True})
PASSWORD = "correct horse battery"
CHART_TEMPLATE = """apiVersion: v1
kind: ConfigMap
metadata: {name: api}
data: {level: "@level@"}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
spec: {template: {spec: {containers: [{name: m, image: "busybox:1.36"}], restartPolicy: Never}}}
"""


@pytest.fixture
def site(tmp_path: Path) -> TestSite:
    return TestSite(tmp_path)


def web_package(text: str = WEB, *, version: str = "1.4.0", root: str = "1", **more: Any) -> MemoryContent:
    component = {"name": "web", "manifests": [WEB_MANIFEST], **more}
    package = definition(component, version=version, variables=VARIABLES)
    return MemoryContent(package, {"web.yaml": text}, root_digest="sha256:" + root * 64)


def chart_package(template: str = CHART_TEMPLATE, values: str = "level: info") -> MemoryContent:
    chart = {"name": "api", "source": "chart", "namespace": "shop", "values": ["values.yaml"]}
    archive = pack_chart("api", {"templates/all.yaml": template})
    package = definition({"name": "api", "charts": [chart]})
    return MemoryContent(package, {"values.yaml": values}, {("api", "api"): archive})


def identity(kind: str, name: str, namespace: str = "shop") -> ObjectIdentity:
    versions = {"Deployment": "apps/v1", "Job": "batch/v1"}
    return ObjectIdentity(versions.get(kind, "v1"), kind, namespace, name)


def test_the_first_deployment_makes_everything_in_its_order(site: TestSite) -> None:
    result = site.deploy(web_package(), password=PASSWORD)
    assert [str(action.identity) for action in result.plan.object_actions] == [
        "Namespace/shop",
        "ConfigMap/web",
        "Secret/db",
        "Deployment/web",
    ]
    assert {action.kind for action in result.plan.object_actions} == {"create"}
    assert result.record.revision == 1
    assert result.record.status == "deployed"
    live = site.cluster.get(identity("ConfigMap", "web"))
    assert live is not None
    assert live["data"] == {"domain": "shop.local"}
    assert live["metadata"]["annotations"] == {"packhorse.dev/release": "shop"}


def test_the_second_deployment_of_the_same_does_nothing(site: TestSite) -> None:
    site.deploy(web_package(), password=PASSWORD)
    writes = site.cluster.writes
    result = site.deploy(web_package(), password=PASSWORD)
    assert not result.changed
    assert result.record.revision == 1
    assert result.objects == 3
    assert site.cluster.writes == writes
    assert len(RecordStore(site.cluster).history("shop")) == 1


def test_only_what_differs_is_written(site: TestSite) -> None:
    site.deploy(web_package(), password=PASSWORD)
    writes = site.cluster.writes
    changed = web_package(WEB.replace("nginx:1.27", "nginx:1.28"), version="1.5.0", root="2")
    result = site.deploy(changed, choice=Choice(allow_missing_images=True), password=PASSWORD)
    work = [action for action in result.plan.object_actions if action.is_work]
    assert [str(action.identity) for action in work] == ["Deployment/web"]
    [change] = work[0].changes
    assert change.path == "spec.template.spec.containers[web].image"
    assert (change.before, change.after) == ("nginx:1.27", "nginx:1.28")
    assert site.cluster.writes == writes + 1
    assert [(record.revision, record.status) for record in RecordStore(site.cluster).history("shop")] == [
        (2, "deployed"),
        (1, "superseded"),
    ]


def test_what_left_the_package_is_removed(site: TestSite) -> None:
    site.deploy(web_package(), password=PASSWORD)
    without_config = WEB.split("---\n", 1)[1]
    result = site.deploy(web_package(without_config, version="1.5.0", root="2"), password=PASSWORD)
    removed = [action for action in result.plan.object_actions if action.kind == "remove"]
    assert [(str(action.identity), action.note) for action in removed] == [("ConfigMap/web", "left the package")]
    assert site.cluster.get(identity("ConfigMap", "web")) is None
    # It is not in the record any more, so nothing looks for it again.
    assert not site.plan(web_package(without_config, version="1.5.0", root="2"), password=PASSWORD).plan.has_work


def test_a_new_version_of_the_same_objects_is_recorded(site: TestSite) -> None:
    site.deploy(web_package(), password=PASSWORD)
    result = site.deploy(web_package(version="1.4.1", root="2"), password=PASSWORD)
    assert result.changed
    assert (result.record.version, result.record.revision) == ("1.4.1", 2)
    assert not result.plan.has_work


def test_no_secret_is_in_plan_record_or_notes(site: TestSite) -> None:
    text = WEB.replace("value: info", 'value: "postgres://shop:${var.password}@db"')
    site.deploy(web_package(text), password=PASSWORD)
    result = site.deploy(web_package(text, root="2"), password="another secret")
    kinds = {str(action.identity): action for action in result.plan.object_actions if action.is_work}
    assert set(kinds) == {"Secret/db", "Deployment/web"}
    assert all(change.sensitive for action in kinds.values() for change in action.changes)
    assert PASSWORD not in repr(result)
    assert "another secret" not in repr(result)
    assert "postgres://" not in repr(result)
    secrets = site.cluster.list(ServedKind("v1", "Secret"), namespace="packhorse-system")
    plain = [gzip.decompress(base64.b64decode(secret["data"]["release"])).decode() for secret in secrets]
    assert len(plain) == 2
    assert not any(PASSWORD in text or "another secret" in text for text in plain)
    [first, second] = sorted(RecordStore(site.cluster).history("shop"), key=lambda record: record.revision)
    assert first.variables == {"domain": "shop.local"}
    assert set(first.hidden_variables) == {"password"}
    assert first.hidden_variables != second.hidden_variables
    assert first.salt == second.salt


def test_images_that_did_not_come_with_the_package_are_named(site: TestSite) -> None:
    package = web_package(WEB.replace("nginx:1.27", "registry.example/acme/web:9"))
    with pytest.raises(PolicyError) as caught:
        site.deploy(package, password=PASSWORD)
    [failure] = caught.value.failures
    assert "registry.example/acme/web:9" in failure.message
    assert "--allow-missing-images" in str(failure.hint)
    assert site.cluster.get(identity("ConfigMap", "web")) is None
    assert site.deploy(package, choice=Choice(allow_missing_images=True), password=PASSWORD).changed


def test_fields_of_others_stop_it_unless_forced(site: TestSite) -> None:
    site.deploy(web_package(), password=PASSWORD)
    live = site.cluster.get(identity("Deployment", "web"))
    assert live is not None
    scaled = {**{key: live[key] for key in ("apiVersion", "kind")}, "metadata": {"name": "web", "namespace": "shop"}}
    scaled["spec"] = {"replicas": 5}
    site.cluster.apply(scaled, ApplyOptions(manager="autoscaler", force=True))
    with pytest.raises(ClusterError, match="1 problem") as caught:
        site.deploy(web_package(), password=PASSWORD)
    assert "autoscaler owns .spec.replicas" in caught.value.failures[0].message
    site.deploy(web_package(), settings=ApplySettings(force_conflicts=True), password=PASSWORD)
    live = site.cluster.get(identity("Deployment", "web"))
    assert live is not None
    assert live["spec"]["replicas"] == 2


def test_what_was_there_before_is_adopted_and_said(site: TestSite) -> None:
    site.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    site.cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop"}},
        ApplyOptions(manager="kubectl"),
    )
    result = site.deploy(web_package(), password=PASSWORD)
    action = next(each for each in result.plan.object_actions if str(each.identity) == "ConfigMap/web")
    assert (action.kind, action.adopted, action.note) == ("change", True, "was there before")
    [recorded] = [each for each in result.record.objects if each.name == "web" and each.kind == "ConfigMap"]
    assert recorded.adopted
    assert "shop" not in result.record.namespaces
    # It stays adopted, though it has the release's mark now.
    again = site.deploy(web_package(root="2"), password=PASSWORD)
    assert [each.name for each in again.record.objects if each.adopted] == ["web"]


def test_an_object_of_another_release_is_not_taken(site: TestSite) -> None:
    site.deploy(web_package(), password=PASSWORD)
    package = web_package()
    other = msgspec.structs.replace(
        package.definition, metadata=msgspec.structs.replace(package.definition.metadata, name="other")
    )
    with pytest.raises(ClusterError, match="3 problems") as caught:
        site.deploy(replace(package, definition=other), password=PASSWORD)
    assert caught.value.failures[0].message == "ConfigMap/web in shop belongs to the release shop"


def test_what_never_gets_ready_is_named_and_goes_on_next_time(site: TestSite) -> None:
    site.cluster.stuck.add("web")
    with pytest.raises(ClusterError, match="1 object did not become ready within 1 min") as caught:
        site.deploy(web_package(), password=PASSWORD)
    assert "Deployment/web in shop: 0 of 2 updated" in caught.value.failures[0].message
    [record] = RecordStore(site.cluster).history("shop")
    assert record.status == "failed"
    assert "did not become ready" in record.message
    site.cluster.stuck.clear()
    live = site.cluster.get(identity("Deployment", "web"))
    assert live is not None
    site.cluster.report(live)
    result = site.deploy(web_package(), password=PASSWORD)
    assert (result.record.revision, result.record.status) == (2, "deployed")
    assert not result.plan.has_work


def test_objects_of_a_failed_revision_are_not_forgotten(site: TestSite) -> None:
    site.cluster.stuck.add("web")
    with pytest.raises(ClusterError):
        site.deploy(web_package(), password=PASSWORD)
    site.cluster.stuck.clear()
    without_config = WEB.split("---\n", 1)[1]
    live = site.cluster.get(identity("Deployment", "web"))
    assert live is not None
    site.cluster.report(live)
    result = site.deploy(web_package(without_config, root="2"), password=PASSWORD)
    assert [str(action.identity) for action in result.plan.object_actions if action.kind == "remove"] == [
        "ConfigMap/web"
    ]


def test_two_deployments_at_once_are_refused(site: TestSite) -> None:
    site.cluster.stuck.add("web")
    refusals: list[PackhorseError] = []

    def second(_seconds: float) -> None:
        other = TestSite(site.folder, site.cluster, holder_clock)
        try:
            other.deploy(web_package(), holder=LockHolder("other@there/2", lambda _identity: False), password=PASSWORD)
        except ClusterError as error:
            refusals.append(error)

    holder_clock = type(site.clock)()
    site.clock.on_sleep = second
    with pytest.raises(ClusterError, match="did not become ready"):
        site.deploy(web_package(), settings=ApplySettings(timeout_seconds=1), password=PASSWORD)
    assert "test@here/1 is deploying shop now" in refusals[0].message
    assert "--steal-lock" in str(refusals[0].hint)


def test_the_lock_is_let_go_of(site: TestSite) -> None:
    site.deploy(web_package(), password=PASSWORD)
    assert site.cluster.list(ServedKind("coordination.k8s.io/v1", "Lease")) == ()


class Killed(BaseException):
    """The process is no more."""


@pytest.mark.parametrize("calls", range(8))
def test_what_was_left_after_the_record_is_done_by_the_next(
    site: TestSite, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """A deployment that is killed after its record says "deployed" leaves its lock, and older records, as they were."""
    site.deploy(web_package(), password=PASSWORD)
    left = [calls]
    finished: list[str] = []

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if finished and not left[0]:
                raise Killed
            left[0] -= bool(finished)
            return real(*arguments, **options)

        return call

    def dying_replace(obj: KubeObject) -> KubeObject:
        replaced: KubeObject = real_replace(obj)
        finished.extend(obj["metadata"]["name"] for _ in [0] if labels(obj).get("packhorse.dev/status") == "deployed")
        return replaced

    for name in ("get", "list", "delete", "create"):
        monkeypatch.setattr(site.cluster, name, dying(getattr(site.cluster, name)))
    real_replace = dying(site.cluster.replace)
    monkeypatch.setattr(site.cluster, "replace", dying_replace)
    dead = LockHolder("test@here/gone", lambda _identity: False)
    with suppress(Killed):
        site.deploy(web_package(root="2"), password=PASSWORD, holder=dead)
    assert finished == ["packhorse.release.shop.v2"]
    monkeypatch.undo()
    alive = LockHolder("test@here/2", lambda identity: identity == dead.identity)
    assert not site.deploy(web_package(root="2"), password=PASSWORD, holder=alive).changed
    assert site.cluster.list(ServedKind("coordination.k8s.io/v1", "Lease")) == ()
    assert [record.status for record in RecordStore(site.cluster).history("shop")] == ["deployed", "superseded"]


def test_the_lock_of_one_who_is_at_work_is_let_alone(site: TestSite) -> None:
    site.deploy(web_package(), password=PASSWORD)
    busy = ReleaseLock(site.cluster, "shop", LockHolder("other@there/2", lambda _identity: False), site.clock.now)
    with busy:
        assert not site.deploy(web_package(), password=PASSWORD).changed
        assert len(site.cluster.list(ServedKind("coordination.k8s.io/v1", "Lease"))) == 1


def test_optional_components_stay_chosen_until_left_out(site: TestSite) -> None:
    debug = {"name": "debug", "optional": True, "manifests": [{"name": "d", "files": ["d.yaml"], "namespace": "shop"}]}
    package = definition({"name": "web", "manifests": [WEB_MANIFEST]}, debug, variables=VARIABLES)
    files = {"web.yaml": WEB, "d.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: debug}}"}
    content = MemoryContent(package, files)
    assert site.deploy(content, password=PASSWORD).record.components == ("web",)
    chosen = site.deploy(content, choice=Choice(chosen=("debug",)), password=PASSWORD)
    assert chosen.record.components == ("web", "debug")
    assert not site.deploy(content, password=PASSWORD).changed
    left = site.deploy(content, choice=Choice(without=("debug",)), password=PASSWORD)
    assert [str(action.identity) for action in left.plan.object_actions if action.kind == "remove"] == [
        "ConfigMap/debug"
    ]


class TestCharts:
    def test_a_chart_is_installed_once(self, site: TestSite) -> None:
        result = site.deploy(chart_package())
        [chart] = [step for step in result.plan.steps if isinstance(step, ChartAction)]
        assert (chart.kind, chart.release, chart.namespace) == ("create", "api", "shop")
        assert [(str(hook.identity), hook.note) for hook in chart.hooks] == [("Job/migrate", "hook pre-install")]
        assert len(site.helm.installs) == 1
        again = site.deploy(chart_package())
        assert not again.changed
        assert len(site.helm.installs) == 1

    def test_new_values_upgrade_it(self, site: TestSite) -> None:
        site.deploy(chart_package())
        result = site.deploy(chart_package(values="level: warn"))
        [chart] = [step for step in result.plan.steps if isinstance(step, ChartAction)]
        assert chart.kind == "change"
        [change] = chart.objects[0].changes
        assert (change.path, change.before, change.after) == ("data.level", "info", "warn")
        assert [hook.note for hook in chart.hooks] == ["hook pre-upgrade"]
        assert len(site.helm.installs) == 2

    def test_drift_is_put_right(self, site: TestSite) -> None:
        site.deploy(chart_package())
        site.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "api", "namespace": "shop"},
                "data": {"level": "debug"},
            },
            ApplyOptions(manager="kubectl", force=True),
        )
        planned = site.plan(chart_package())
        [chart] = [step for step in planned.plan.steps if isinstance(step, ChartAction)]
        assert chart.kind == "change"
        assert [str(conflict.manager) for conflict in chart.objects[0].conflicts] == ["kubectl"]

    def test_a_chart_that_left_is_uninstalled(self, site: TestSite) -> None:
        site.deploy(chart_package())
        result = site.deploy(web_package(root="2"), password=PASSWORD)
        [chart] = [step for step in result.plan.steps if isinstance(step, ChartAction)]
        assert chart.kind == "remove"
        assert site.helm.status("api", "shop") is None
        assert site.cluster.get(identity("ConfigMap", "api")) is None

    def test_a_failed_chart_is_installed_again(self, site: TestSite) -> None:
        site.helm.fail = ClusterError("the hook failed")
        with pytest.raises(ClusterError, match="the hook failed"):
            site.deploy(chart_package())
        site.helm.fail = None
        planned = site.plan(chart_package())
        [chart] = [step for step in planned.plan.steps if isinstance(step, ChartAction)]
        # As an upgrade, Helm would leave out the hooks that are for installations only.
        assert (chart.kind, [hook.note for hook in chart.hooks]) == ("create", ["hook pre-install"])
        assert site.deploy(chart_package()).record.status == "deployed"
        assert site.helm.upgrades == [False, False]

    def test_helm_killed_in_an_installation_is_put_right(self, site: TestSite) -> None:
        site.helm.killed = True
        with pytest.raises(KeyboardInterrupt):
            site.deploy(chart_package())
        [record] = RecordStore(site.cluster).history("shop")
        assert (record.status, record.message) == ("failed", "KeyboardInterrupt")
        site.helm.killed = False
        assert site.deploy(chart_package()).record.status == "deployed"
        assert site.helm.upgrades == [False]

    def test_helm_killed_in_an_upgrade_is_put_right(self, site: TestSite) -> None:
        site.deploy(chart_package())
        site.helm.killed = True
        with pytest.raises(KeyboardInterrupt):
            site.deploy(chart_package(values="level: warn"))
        site.helm.killed = False
        result = site.deploy(chart_package(values="level: warn"))
        assert site.helm.upgrades == [False, True]
        assert result.record.status == "deployed"
        status = site.helm.status("api", "shop")
        assert status is not None
        assert (status.revision, status.status) == (3, "deployed")

    def test_an_operation_of_somebody_else_is_left_alone(self, site: TestSite) -> None:
        site.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        content = chart_package()
        path = site.folder / "api.tgz"
        path.write_bytes(content.chart_archive("api", "api"))
        site.helm.killed = True
        with pytest.raises(KeyboardInterrupt):
            site.helm.install(ReleaseSpec("api", "shop", path))
        site.helm.killed = False
        with pytest.raises(ClusterError, match="another program is installing the Helm release shop/api"):
            site.deploy(content)

    def test_secret_values_reach_helm_and_nobody_else(self, site: TestSite) -> None:
        chart = {"name": "api", "source": "chart", "namespace": "shop", "values": ["values.yaml"]}
        package = definition({"name": "api", "charts": [chart]}, variables=VARIABLES)
        archive = pack_chart("api", {"templates/all.yaml": CHART_TEMPLATE})
        content = MemoryContent(package, {"values.yaml": 'level: "${var.password}"'}, {("api", "api"): archive})
        site.deploy(content, password=PASSWORD)
        assert PASSWORD.encode() in site.helm.installs[0].values[0]
        result = site.deploy(content, password="another secret")
        assert PASSWORD not in repr(result)
        assert "another secret" not in repr(result)
        [change] = [change for action in result.plan.object_actions for change in action.changes]
        assert change.sensitive
