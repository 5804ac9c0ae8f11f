"""Carrying out plans: patience with what only needs a moment, and what happens between plan and act."""

from pathlib import Path

import pytest

from packhorse.base.errors import ClusterError
from packhorse.deploy.desired import RELEASE_ANNOTATION
from packhorse.deploy.planner import Choice
from packhorse.kube.errors import InvalidObjectError, NotServedError
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ApplyOptions, ServedKind
from tests.support.deployable import MemoryContent, definition, pack_chart
from tests.support.deploying import TestSite
from tests.support.lively_cluster import LivelyCluster

CONFIG = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"
DEFINITION = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: themes.shop.dev}
spec: {group: shop.dev, scope: Namespaced, names: {kind: Theme, plural: themes}, versions: [{name: v1}]}
"""


class Sluggish(LivelyCluster):
    """Refuses the first real applies of a kind."""

    def __init__(self, kind: str, errors: list[ClusterError]) -> None:
        super().__init__()
        self._kind = kind
        self._errors = errors

    def apply(self, obj: KubeObject, options: ApplyOptions) -> KubeObject:
        if obj["kind"] == self._kind and not options.dry_run and self._errors:
            raise self._errors.pop(0)
        return super().apply(obj, options)


def content(text: str) -> MemoryContent:
    package = definition({"name": "web", "manifests": [{"name": "web", "files": ["web.yaml"], "namespace": "shop"}]})
    return MemoryContent(package, {"web.yaml": text})


@pytest.mark.parametrize(
    "error",
    [NotServedError("no kind yet"), ClusterError('failed calling webhook "a": connection refused')],
)
def test_what_only_needs_a_moment_is_waited_for(tmp_path: Path, error: ClusterError) -> None:
    site = TestSite(tmp_path, Sluggish("ConfigMap", [error, error]))
    site.deploy(content(CONFIG))
    assert site.clock.seconds == pytest.approx(1.0)
    assert site.cluster.get(ObjectIdentity("v1", "ConfigMap", "shop", "a")) is not None


def test_but_not_for_ever(tmp_path: Path) -> None:
    site = TestSite(tmp_path, Sluggish("ConfigMap", [NotServedError("no kind yet")] * 1000))
    with pytest.raises(NotServedError):
        site.deploy(content(CONFIG))
    assert site.clock.seconds == pytest.approx(30.0)


def test_a_refusal_is_not_waited_for(tmp_path: Path) -> None:
    site = TestSite(tmp_path, Sluggish("ConfigMap", [ClusterError("exceeded quota")]))
    with pytest.raises(ClusterError, match="exceeded quota"):
        site.deploy(content(CONFIG))
    assert site.clock.seconds == 0


def test_definitions_are_served_before_what_needs_them(tmp_path: Path) -> None:
    site = TestSite(tmp_path)
    theme = "{apiVersion: shop.dev/v1, kind: Theme, metadata: {name: dark}}"
    result = site.deploy(content(f"{theme}\n---\n{DEFINITION}"))
    assert [str(action.identity) for action in result.plan.object_actions] == [
        "Namespace/shop",
        "CustomResourceDefinition/themes.shop.dev",
        "Theme/dark",
    ]
    assert site.cluster.list(ServedKind("shop.dev/v1", "Theme"))


def test_a_job_that_changed_is_deleted_and_made_again(tmp_path: Path) -> None:
    site = TestSite(tmp_path, _ImmutableJobs())
    job = "{apiVersion: batch/v1, kind: Job, metadata: {name: import}, spec: {template: {args: NUMBER}}}"
    site.deploy(content(job.replace("NUMBER", "one")))
    identity = ObjectIdentity("batch/v1", "Job", "shop", "import")
    first = site.cluster.get(identity)
    site.deploy(content(job.replace("NUMBER", "two")))
    second = site.cluster.get(identity)
    assert first is not None
    assert second is not None
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


class _ImmutableJobs(LivelyCluster):
    def apply(self, obj: KubeObject, options: ApplyOptions) -> KubeObject:
        live = self.get(ObjectIdentity.of(obj)) if obj["kind"] == "Job" else None
        if live is not None and live["spec"] != obj["spec"]:
            raise InvalidObjectError("spec.template: field is immutable")
        return super().apply(obj, options)


def test_what_another_deployment_did_between_plan_and_lock_is_planned_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = LivelyCluster()
    first, second = TestSite(tmp_path, cluster), TestSite(tmp_path, cluster)
    real = cluster.create

    def overtaken(obj: KubeObject) -> KubeObject:
        # The other deployment runs from beginning to end just before this one takes the lock.
        if obj["kind"] == "Lease":
            monkeypatch.setattr(cluster, "create", real)
            second.deploy(content(CONFIG))
        return real(obj)

    monkeypatch.setattr(cluster, "create", overtaken)
    result = first.deploy(content(CONFIG))
    assert not result.changed
    assert result.record.revision == 1


class TestChartKinds:
    """Charts whose kinds the cluster doesn't have yet."""

    TEMPLATE = "apiVersion: shop.dev/v1\nkind: Theme\nmetadata: {name: dark}\n"

    def chart(self, files: dict[str, str], *, manifests: str = "") -> MemoryContent:
        component = {
            "name": "web",
            "charts": [{"name": "themes", "source": "chart", "namespace": "shop"}],
            "manifests": [{"name": "web", "files": ["web.yaml"]}] if manifests else [],
        }
        return MemoryContent(
            definition(component), {"web.yaml": manifests}, {("web", "themes"): pack_chart("themes", files)}
        )

    def test_they_may_come_with_the_chart(self, tmp_path: Path) -> None:
        site = TestSite(tmp_path)
        site.helm.knows_kinds = True
        content = self.chart({"crds/theme.yaml": DEFINITION, "templates/dark.yaml": self.TEMPLATE})
        result = site.deploy(content)
        [chart] = result.record.charts
        assert [each.name for each in chart.definitions] == ["themes.shop.dev"]
        assert site.cluster.list(ServedKind("shop.dev/v1", "Theme"))

    def test_they_may_come_with_the_package(self, tmp_path: Path) -> None:
        site = TestSite(tmp_path)
        site.helm.knows_kinds = True
        site.deploy(self.chart({"templates/dark.yaml": self.TEMPLATE}, manifests=DEFINITION))
        [theme] = site.cluster.list(ServedKind("shop.dev/v1", "Theme"))
        assert RELEASE_ANNOTATION not in theme["metadata"]["annotations"]

    def test_or_it_is_refused(self, tmp_path: Path) -> None:
        site = TestSite(tmp_path)
        site.helm.knows_kinds = True
        with pytest.raises(ClusterError, match="no matches for kind"):
            site.deploy(self.chart({"templates/dark.yaml": self.TEMPLATE}))

    def test_what_left_a_chart_is_shown(self, tmp_path: Path) -> None:
        site = TestSite(tmp_path)
        kept = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept, annotations: {helm.sh/resource-policy: keep}}\n"
        gone = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: gone}\n"
        stays = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stays}\n"
        site.deploy(self.chart({"templates/a.yaml": f"{kept}---\n{gone}---\n{stays}"}))
        planned = site.plan(self.chart({"templates/a.yaml": stays}), choice=Choice())
        assert [(str(each.identity), each.kind, each.note) for each in planned.plan.object_actions] == [
            ("ConfigMap/stays", "unchanged", ""),
            ("ConfigMap/kept", "keep", "left the chart; stays, the chart says so"),
            ("ConfigMap/gone", "remove", "left the chart"),
        ]
