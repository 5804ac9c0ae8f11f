"""What every implementation of a cluster does alike: in memory, and a real API server."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packhorse.base.errors import ClusterError, ConfigError
from packhorse.kube.errors import FieldConflictError, NotServedError, StaleObjectError
from packhorse.kube.lightkube_cluster import LightkubeCluster
from packhorse.kube.memory_cluster import MemoryCluster
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ApplyOptions, Cluster, ServedKind

NAMESPACE = "contract"
OURS = ApplyOptions()
THEIRS = ApplyOptions(manager="someone-else")


@pytest.fixture(params=["memory", pytest.param("api server", marks=pytest.mark.apiserver)])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    if request.param == "memory":
        yield MemoryCluster(("default", NAMESPACE))
        return
    kubeconfig: Path = request.getfixturevalue("api_kubeconfig")
    with LightkubeCluster.connect([kubeconfig]) as real:
        if real.get(ObjectIdentity("v1", "Namespace", "", NAMESPACE)) is None:
            real.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        yield real
        for kind in (ServedKind("v1", "ConfigMap"), ServedKind("apps/v1", "Deployment")):
            for obj in real.list(kind, namespace=NAMESPACE):
                real.delete(ObjectIdentity.of(obj))


def config(name: str, **data: str) -> KubeObject:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}


def deployment(name: str, containers: list[dict[str, Any]], replicas: int | None = None) -> KubeObject:
    labels = {"app": name}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec if replicas is None else {**spec, "replicas": replicas},
    }


def test_what_is_applied_is_there(cluster: Cluster) -> None:
    applied = cluster.apply(config("a", level="info"), OURS)
    assert applied["data"] == {"level": "info"}
    assert applied["metadata"]["uid"]
    live = cluster.get(ObjectIdentity.of(config("a")))
    assert live is not None
    assert live["data"] == {"level": "info"}


def test_applying_the_same_again_changes_nothing(cluster: Cluster) -> None:
    first = cluster.apply(config("a", level="info"), OURS)
    again = cluster.apply(config("a", level="info"), OURS)
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_a_dry_run_says_what_would_be_and_stores_nothing(cluster: Cluster) -> None:
    identity = ObjectIdentity.of(config("a"))
    tried = cluster.apply(config("a", level="info"), ApplyOptions(dry_run=True))
    assert tried["data"] == {"level": "info"}
    assert cluster.get(identity) is None
    cluster.apply(config("a", level="info"), OURS)
    tried = cluster.apply(config("a", level="warn"), ApplyOptions(dry_run=True))
    live = cluster.get(identity)
    assert live is not None
    assert (tried["data"]["level"], live["data"]["level"]) == ("warn", "info")


def test_a_field_that_is_applied_no_more_goes(cluster: Cluster) -> None:
    cluster.apply(config("a", level="info", other="x"), OURS)
    assert cluster.apply(config("a", level="info"), OURS)["data"] == {"level": "info"}


def test_the_fields_of_others_stay(cluster: Cluster) -> None:
    cluster.apply(config("a", level="info"), OURS)
    cluster.apply(config("a", theirs="x"), THEIRS)
    assert cluster.apply(config("a", level="warn"), OURS)["data"] == {"level": "warn", "theirs": "x"}


def test_a_foreign_field_is_a_conflict_that_names_its_owner(cluster: Cluster) -> None:
    cluster.apply(config("a", level="info"), THEIRS)
    with pytest.raises(FieldConflictError) as caught:
        cluster.apply(config("a", level="warn"), OURS)
    [conflict] = caught.value.conflicts
    assert (conflict.manager, conflict.field) == ("someone-else", ".data.level")
    forced = cluster.apply(config("a", level="warn"), ApplyOptions(force=True))
    assert forced["data"] == {"level": "warn"}
    # Taken over: the one who had it before is in conflict now.
    with pytest.raises(FieldConflictError):
        cluster.apply(config("a", level="info"), THEIRS)


def test_wanting_the_same_value_is_no_conflict(cluster: Cluster) -> None:
    cluster.apply(config("a", level="info"), THEIRS)
    assert cluster.apply(config("a", level="info"), OURS)["data"] == {"level": "info"}


def test_containers_are_merged_by_their_name(cluster: Cluster) -> None:
    api = {"name": "api", "image": "busybox:1"}
    cluster.apply(deployment("web", [api, {"name": "side", "image": "busybox:1"}], replicas=0), OURS)
    cluster.apply(deployment("web", [{"name": "api", "env": [{"name": "LEVEL", "value": "info"}]}]), THEIRS)
    changed = cluster.apply(deployment("web", [{"name": "api", "image": "busybox:2"}], replicas=0), OURS)
    [container] = changed["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "busybox:2"
    assert container["env"] == [{"name": "LEVEL", "value": "info"}]


def test_a_change_of_the_spec_is_a_new_generation(cluster: Cluster) -> None:
    api = {"name": "api", "image": "busybox:1"}
    first = cluster.apply(deployment("web", [api], replicas=0), OURS)
    second = cluster.apply(deployment("web", [{**api, "image": "busybox:2"}], replicas=0), OURS)
    assert second["metadata"]["generation"] == first["metadata"]["generation"] + 1
    assert second["metadata"]["uid"] == first["metadata"]["uid"]


def test_creating_twice_is_refused(cluster: Cluster) -> None:
    cluster.create(config("a", level="info"))
    with pytest.raises(StaleObjectError):
        cluster.create(config("a", level="warn"))


def test_replacing_needs_the_version_that_is_there(cluster: Cluster) -> None:
    first = cluster.create(config("a", level="info"))
    second = cluster.replace({**first, "data": {"level": "warn"}})
    assert second["data"] == {"level": "warn"}
    with pytest.raises(StaleObjectError):
        cluster.replace({**first, "data": {"level": "debug"}})


def test_what_is_deleted_is_gone_and_the_second_time_nothing_happens(cluster: Cluster) -> None:
    cluster.apply(config("a", level="info"), OURS)
    identity = ObjectIdentity.of(config("a"))
    assert cluster.delete(identity) is True
    assert cluster.get(identity) is None
    assert cluster.delete(identity) is False


def test_only_the_very_object_is_deleted(cluster: Cluster) -> None:
    cluster.apply(config("a", level="info"), OURS)
    identity = ObjectIdentity.of(config("a"))
    with pytest.raises(ClusterError):
        cluster.delete(identity, uid="11111111-1111-1111-1111-111111111111")
    live = cluster.get(identity)
    assert live is not None
    assert cluster.delete(identity, uid=live["metadata"]["uid"])


def test_lists_have_the_type_of_each_object_and_honour_labels(cluster: Cluster) -> None:
    for name, tier in (("a", "web"), ("b", "api")):
        obj = config(name)
        obj["metadata"]["labels"] = {"tier": tier}
        cluster.apply(obj, OURS)
    found = cluster.list(ServedKind("v1", "ConfigMap"), namespace=NAMESPACE, labels="tier=api")
    assert [(each["kind"], each["metadata"]["name"]) for each in found] == [("ConfigMap", "b")]
    everywhere = cluster.list(ServedKind("v1", "ConfigMap"))
    assert {"a", "b"} <= {each["metadata"]["name"] for each in everywhere}


def test_scopes_are_known_and_unknown_kinds_named(cluster: Cluster) -> None:
    assert cluster.is_namespaced("v1", "ConfigMap")
    assert cluster.is_namespaced("apps/v1", "Deployment")
    assert not cluster.is_namespaced("v1", "Namespace")
    with pytest.raises(NotServedError, match=r"no kind Foo in contract\.dev/v1"):
        cluster.is_namespaced("contract.dev/v1", "Foo")
    with pytest.raises(NotServedError):
        cluster.get(ObjectIdentity("contract.dev/v1", "Foo", NAMESPACE, "a"))
    assert cluster.delete(ObjectIdentity("contract.dev/v1", "Foo", NAMESPACE, "a")) is False
    kinds = cluster.namespaced_kinds()
    assert ServedKind("v1", "ConfigMap") in kinds
    assert ServedKind("v1", "Namespace") not in kinds


def test_kinds_with_a_status_of_their_own_are_known(cluster: Cluster) -> None:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    status: dict[str, Any] = {"subresources": {"status": {}}}
    for plural, subresources in (("talkers", status), ("mutes", {})):
        kind = plural.capitalize().removesuffix("s")
        spec = {
            "group": "contract.dev",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema, **subresources}],
        }
        identity = ObjectIdentity("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"{plural}.contract.dev")
        definition = {"apiVersion": identity.api_version, "kind": identity.kind, "metadata": {"name": identity.name}}
        cluster.apply({**definition, "spec": spec}, OURS)
    wait_until_served(cluster, "contract.dev/v1", "Talker", "Mute")
    assert cluster.keeps_status("contract.dev/v1", "Talker")
    assert not cluster.keeps_status("contract.dev/v1", "Mute")
    with pytest.raises(NotServedError):
        cluster.keeps_status("contract.dev/v1", "Foo")
    for plural in ("talkers", "mutes"):
        name = f"{plural}.contract.dev"
        cluster.delete(ObjectIdentity("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", name))


def wait_until_served(cluster: Cluster, api_version: str, *kinds: str) -> None:
    """An API server serves a kind a moment after its definition was accepted."""
    deadline = time.monotonic() + 20
    for kind in kinds:
        while True:
            try:
                cluster.is_namespaced(api_version, kind)
                break
            except NotServedError:
                assert time.monotonic() < deadline
                time.sleep(0.1)


def test_events_are_of_the_object_asked_for(cluster: Cluster) -> None:
    live = cluster.apply(config("a"), OURS)
    other = cluster.apply(config("b"), OURS)
    for number, (about, reason) in enumerate(((live, "First"), (other, "Other"), (live, "Second"))):
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{about['metadata']['name']}.{about['metadata']['uid']}.{number}",
                "namespace": NAMESPACE,
            },
            "involvedObject": {
                "kind": "ConfigMap",
                "name": "a",
                "namespace": NAMESPACE,
                "uid": about["metadata"]["uid"],
            },
            "reason": reason,
            "lastTimestamp": f"2026-01-01T00:00:0{number}Z",
        }
        cluster.create(event)
    found = cluster.events(NAMESPACE, live["metadata"]["uid"])
    assert [event["reason"] for event in found] == ["First", "Second"]


def test_a_log_that_is_not_there_is_empty(cluster: Cluster) -> None:
    pod = ObjectIdentity("v1", "Pod", NAMESPACE, "none")
    assert cluster.log_tail(pod, "api", lines=3) == ()


def test_something_that_is_no_object_is_refused(cluster: Cluster) -> None:
    with pytest.raises(ConfigError, match=r"metadata\.name"):
        cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}, OURS)


def test_a_namespace_that_is_not_there_takes_nothing(cluster: Cluster) -> None:
    obj = config("a")
    obj["metadata"]["namespace"] = "nowhere"
    with pytest.raises(ClusterError, match="nowhere"):
        cluster.create(obj)


def test_a_version_is_told(cluster: Cluster) -> None:
    assert cluster.server_version().startswith("v1.")
