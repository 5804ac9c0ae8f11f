"""Taking a release away from a cluster in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from packhorse.app import remove
from packhorse.app.remove import RemoveOptions, RemoveResult, removal_plan, remove_release
from packhorse.app.site import ClusterAccess, OfflineAccess, Site
from packhorse.deploy.model import ObjectAction
from packhorse.deploy.record_store import RecordStore
from packhorse.deploy.removal import RemovalChoice
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ApplyOptions, ServedKind
from tests.support.deployable import MemoryContent, definition, pack_chart
from tests.support.deploying import HOLDER, TestSite

ACCESS = ClusterAccess(Path("helm"))
STATEFUL = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: "nginx:1.27"}]}}
  volumeClaimTemplates: [{metadata: {name: data}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: uploads}
"""
CUSTOM = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: backups.shop.dev}
spec:
  group: shop.dev
  scope: Namespaced
  names: {kind: Backup, plural: backups}
  versions: [{name: v1, served: true, storage: true}]
---
apiVersion: shop.dev/v1
kind: Backup
metadata: {name: nightly}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: operator}
spec: {replicas: 1}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestSite:
    made = TestSite(tmp_path)

    @contextmanager
    def opened(_access: OfflineAccess) -> Iterator[Site]:
        yield made.site

    monkeypatch.setattr(remove, "open_site", opened)
    return made


def package(text: str, *, namespace: str = "shop") -> MemoryContent:
    manifest = {"name": "all", "files": ["all.yaml"], "namespace": namespace}
    return MemoryContent(definition({"name": "all", "manifests": [manifest]}), {"all.yaml": text})


def removed(site: TestSite, **choice: bool) -> RemoveResult:
    options = RemoveOptions(HOLDER, RemovalChoice(**choice), timeout_seconds=30)
    return remove_release("shop", ACCESS, options, site.reporter)


def everything(site: TestSite) -> set[str]:
    kinds = (*site.cluster.namespaced_kinds(), ServedKind("v1", "Namespace"))
    return {ObjectIdentity.of(obj).title for kind in kinds for obj in site.cluster.list(kind)}


def object_in(namespace: str, kind: str, name: str) -> KubeObject:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def test_everything_that_was_made_goes(site: TestSite) -> None:
    before = everything(site)
    site.deploy(package("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"))
    result = removed(site)
    assert result.plan is not None
    assert [str(action.identity) for action in result.plan.object_actions] == ["ConfigMap/a", "Namespace/shop"]
    assert everything(site) == before


def test_the_second_time_nothing_happens(site: TestSite) -> None:
    site.deploy(package("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"))
    removed(site)
    assert removed(site) == RemoveResult(None)
    assert removal_plan("shop", ACCESS, RemovalChoice()) is None


def test_data_stays_and_is_named(site: TestSite) -> None:
    site.deploy(package(STATEFUL))
    site.cluster.apply(object_in("shop", "PersistentVolumeClaim", "data-db-0"), ApplyOptions(manager="controller"))
    site.cluster.apply(object_in("shop", "PersistentVolumeClaim", "data-dbx-0"), ApplyOptions(manager="other"))
    result = removed(site)
    assert result.plan is not None
    kept = {action.identity.title: action.note for action in result.plan.object_actions if action.kind == "keep"}
    assert kept == {
        "PersistentVolumeClaim/uploads in shop": "stays with its data; --delete-data removes it",
        "PersistentVolumeClaim/data-db-0 in shop": "data of StatefulSet/db stays; --delete-data removes it",
        "Namespace/shop": "stays, it has PersistentVolumeClaim/data-db-0 and 2 more",
    }
    assert "ConfigMap/settings in shop" not in everything(site)
    assert "PersistentVolumeClaim/data-db-0 in shop" in everything(site)


def test_data_goes_when_asked_for_but_not_that_of_others(site: TestSite) -> None:
    site.deploy(package(STATEFUL))
    site.cluster.apply(object_in("shop", "PersistentVolumeClaim", "data-db-0"), ApplyOptions(manager="controller"))
    site.cluster.apply(object_in("shop", "PersistentVolumeClaim", "data-dbx-0"), ApplyOptions(manager="other"))
    removed(site, data=True)
    assert {title for title in everything(site) if "shop" in title} == {
        "Namespace/shop",
        "PersistentVolumeClaim/data-dbx-0 in shop",
    }


def test_what_was_there_before_stays(site: TestSite) -> None:
    site.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    site.cluster.apply(object_in("shop", "ConfigMap", "a"), ApplyOptions(manager="kubectl"))
    site.deploy(package("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: y}}"))
    removed(site)
    assert {"ConfigMap/a in shop", "Namespace/shop"} <= everything(site)


def test_a_namespace_with_something_else_in_it_stays(site: TestSite) -> None:
    site.deploy(package("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"))
    site.cluster.apply(object_in("shop", "ConfigMap", "theirs"), ApplyOptions(manager="kubectl"))
    removed(site)
    assert {"Namespace/shop", "ConfigMap/theirs in shop"} <= everything(site)
    assert "Namespace/packhorse-system" not in everything(site)


def test_custom_resources_go_before_their_operator_and_definitions_stay(site: TestSite) -> None:
    site.deploy(package(CUSTOM))
    result = removed(site)
    assert result.plan is not None
    stages = [
        [str(step.identity) for step in stage.steps if isinstance(step, ObjectAction)] for stage in result.plan.stages
    ]
    assert stages == [
        ["Backup/nightly"],
        ["Deployment/operator", "CustomResourceDefinition/backups.shop.dev"],
        ["Namespace/shop"],
    ]
    definition_identity = ObjectIdentity("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "backups.shop.dev")
    assert site.cluster.get(definition_identity) is not None
    site.deploy(package(CUSTOM))
    removed(site, definitions=True)
    assert site.cluster.get(definition_identity) is None


def test_charts_are_uninstalled_with_what_helm_leaves_behind(site: TestSite) -> None:
    template = """apiVersion: v1
kind: ConfigMap
metadata: {name: api}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {helm.sh/hook: pre-install}}
"""
    chart = {"name": "api", "source": "chart", "namespace": "shop"}
    archive = pack_chart("api", {"templates/all.yaml": template})
    site.deploy(MemoryContent(definition({"name": "api", "charts": [chart]}), {}, {("api", "api"): archive}))
    hook = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "namespace": "shop"}}
    site.cluster.apply(hook, ApplyOptions(manager="helm"))
    removed(site)
    assert site.helm.status("api", "shop") is None
    assert not {title for title in everything(site) if "shop" in title}


def test_an_interrupted_removal_goes_on(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site.deploy(package(STATEFUL))
    real = site.cluster.delete

    def broken(identity: ObjectIdentity, *, uid: str = "") -> bool:
        if identity.kind == "ConfigMap":
            raise KeyboardInterrupt
        return real(identity, uid=uid)

    monkeypatch.setattr(site.cluster, "delete", broken)
    with pytest.raises(KeyboardInterrupt):
        removed(site)
    [record] = RecordStore(site.cluster).history("shop")
    assert record.status == "removing"
    monkeypatch.setattr(site.cluster, "delete", real)
    assert removed(site).plan is not None
    assert RecordStore(site.cluster).history("shop") == ()
