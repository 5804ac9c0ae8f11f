"""Waiting until objects are ready or gone, in time that passes only when someone waits."""

from typing import Any

import pytest

from packhorse.base.errors import ClusterError
from packhorse.deploy.health import examine
from packhorse.deploy.waiting import Waiter
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ApplyOptions
from tests.support.lively_cluster import LivelyCluster
from tests.support.notes import NotesReporter
from tests.support.virtual_clock import VirtualClock

API = ObjectIdentity("apps/v1", "Deployment", "shop", "api")


@pytest.fixture
def cluster() -> LivelyCluster:
    made = LivelyCluster("shop")
    made.stuck |= {"api", "db", "migrate"}
    return made


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def reporter() -> NotesReporter:
    return NotesReporter()


@pytest.fixture
def waiter(cluster: LivelyCluster, reporter: NotesReporter, clock: VirtualClock) -> Waiter:
    return Waiter(cluster, reporter, clock)


def put(cluster: LivelyCluster, identity: ObjectIdentity, **fields: Any) -> KubeObject:
    metadata = {"name": identity.name, **({"namespace": identity.namespace} if identity.namespace else {})}
    metadata |= fields.pop("metadata", {})
    obj = {"apiVersion": identity.api_version, "kind": identity.kind, "metadata": metadata, **fields}
    return cluster.apply(obj, ApplyOptions())


def deployment(cluster: LivelyCluster) -> None:
    template = {
        "spec": {"containers": [{"name": "api", "readinessProbe": {"httpGet": {"path": "/healthz", "port": 80}}}]}
    }
    put(cluster, API, spec={"replicas": 3, "selector": {"matchLabels": {"app": "api"}}, "template": template})
    counts = {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 2, "availableReplicas": 2}
    cluster.set_status(API, {"observedGeneration": 1, **counts})


def unready_pod(cluster: LivelyCluster, name: str = "api-7c9f") -> KubeObject:
    probe = {"httpGet": {"path": "/healthz", "port": 80}}
    pod = put(
        cluster,
        ObjectIdentity("v1", "Pod", "shop", name),
        metadata={"labels": {"app": "api"}},
        spec={"containers": [{"name": "api", "image": "a:1", "readinessProbe": probe}]},
    )
    running = {"name": "api", "image": "a:1", "ready": False, "state": {"running": {}}}
    cluster.set_status(ObjectIdentity.of(pod), {"phase": "Running", "containerStatuses": [running]})
    return pod


def warn(cluster: LivelyCluster, about: KubeObject, reason: str, message: str) -> None:
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{about['metadata']['name']}.{reason}", "namespace": "shop"},
            "involvedObject": {"uid": about["metadata"]["uid"]},
            "type": "Warning",
            "reason": reason,
            "message": message,
        }
    )


def test_what_is_ready_is_not_waited_for(
    cluster: LivelyCluster, waiter: Waiter, clock: VirtualClock, reporter: NotesReporter
) -> None:
    identity = ObjectIdentity("v1", "ConfigMap", "shop", "a")
    put(cluster, identity)
    waiter.until_ready([identity], timeout_seconds=60)
    assert (clock.seconds, reporter.notes) == (0, [])


def test_the_wait_says_what_it_waits_for_and_then_that_it_is_ready(
    cluster: LivelyCluster, waiter: Waiter, clock: VirtualClock, reporter: NotesReporter
) -> None:
    deployment(cluster)
    warn(cluster, unready_pod(cluster), "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")

    def recover(seconds: float) -> None:
        if seconds > 20:
            counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 3)
            cluster.set_status(API, {"observedGeneration": 1, **counts})

    clock.on_sleep = recover
    waiter.until_ready([API], timeout_seconds=60)
    assert reporter.notes == [
        "◌ Deployment/api  2 of 3 ready · api-7c9f waits: readiness GET /healthz 503",
        "✓ Deployment/api  3 of 3 ready",
    ]


def test_time_runs_out_with_every_reason(cluster: LivelyCluster, waiter: Waiter, clock: VirtualClock) -> None:
    deployment(cluster)
    warn(cluster, unready_pod(cluster), "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
    cluster.write_log("api-7c9f", "api", "starting", "cannot reach postgres:5432", "")
    with pytest.raises(ClusterError, match="1 object did not become ready within 1 min") as caught:
        waiter.until_ready([API], timeout_seconds=60)
    assert clock.seconds == pytest.approx(60)
    assert caught.value.failures[0].message.splitlines() == [
        "Deployment/api in shop: 2 of 3 ready",
        "  api-7c9f waits: readiness GET /healthz 503",
        "  last log line: cannot reach postgres:5432",
    ]


def test_what_failed_for_good_is_not_waited_for(
    cluster: LivelyCluster, waiter: Waiter, clock: VirtualClock, reporter: NotesReporter
) -> None:
    migrate = ObjectIdentity("batch/v1", "Job", "shop", "migrate")
    put(cluster, migrate)
    cluster.set_status(
        migrate, {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
    )
    with pytest.raises(ClusterError, match="1 object did not become ready") as caught:
        waiter.until_ready([migrate], timeout_seconds=60)
    assert clock.seconds == 0
    assert caught.value.failures[0].message == "Job/migrate in shop: failed: BackoffLimitExceeded"
    assert reporter.failures == ["Job/migrate  failed: BackoffLimitExceeded"]


def test_what_cannot_make_pods_says_so(cluster: LivelyCluster) -> None:
    db = ObjectIdentity("apps/v1", "StatefulSet", "shop", "db")
    live = put(cluster, db, spec={"replicas": 1, "selector": {"matchLabels": {"app": "db"}}})
    warn(cluster, live, "FailedCreate", 'create Pod db-0 failed: pods "db-0" is forbidden:\n exceeded quota')
    finding = examine(cluster, db)
    assert finding.line == (
        "its controller has not seen it yet · StatefulSet says: create Pod db-0 failed: "
        'pods "db-0" is forbidden: exceeded quota'
    )


def test_pods_on_their_way_out_say_nothing(cluster: LivelyCluster) -> None:
    deployment(cluster)
    old = unready_pod(cluster, "api-old")
    warn(cluster, old, "Unhealthy", "Readiness probe failed: no response")
    cluster.replace(
        {**old, "metadata": {**old["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": ""}}
    )
    assert examine(cluster, API).troubles == ()


def test_a_claim_that_is_bound_on_first_use_is_ready(cluster: LivelyCluster) -> None:
    claim = ObjectIdentity("v1", "PersistentVolumeClaim", "shop", "db")
    put(cluster, claim, spec={"storageClassName": "local"})
    assert examine(cluster, claim).health.state == "progressing"
    put(
        cluster,
        ObjectIdentity("storage.k8s.io/v1", "StorageClass", "", "local"),
        volumeBindingMode="WaitForFirstConsumer",
    )
    assert examine(cluster, claim).health.message == "bound when a pod uses it"


@pytest.mark.parametrize("identity", [API, ObjectIdentity("gone.dev/v1", "Thing", "shop", "a")])
def test_what_is_missing_is_missing(cluster: LivelyCluster, identity: ObjectIdentity) -> None:
    assert examine(cluster, identity).health.state == "missing"


def test_the_check_can_end_the_wait(cluster: LivelyCluster, waiter: Waiter) -> None:
    deployment(cluster)

    def lost() -> None:
        raise ClusterError("lost the lock")

    with pytest.raises(ClusterError, match="lost the lock"):
        waiter.until_ready([API], timeout_seconds=60, check=lost)


def test_waiting_until_it_is_gone(cluster: LivelyCluster, waiter: Waiter, clock: VirtualClock) -> None:
    identity = ObjectIdentity("v1", "ConfigMap", "shop", "a")
    live = put(cluster, identity)

    def delete_late(seconds: float) -> None:
        if seconds >= 5:
            cluster.delete(identity)

    clock.on_sleep = delete_late
    waiter.until_gone([(identity, live["metadata"]["uid"])], timeout_seconds=60)
    assert 5 <= clock.seconds < 7


def test_another_object_of_the_same_name_does_not_count(
    cluster: LivelyCluster, waiter: Waiter, clock: VirtualClock
) -> None:
    identity = ObjectIdentity("v1", "ConfigMap", "shop", "a")
    put(cluster, identity)
    waiter.until_gone([(identity, "the one before")], timeout_seconds=60)
    waiter.until_gone([(ObjectIdentity("gone.dev/v1", "Thing", "shop", "a"), "")], timeout_seconds=60)
    assert clock.seconds == 0


def test_what_does_not_go_says_what_holds_it(cluster: LivelyCluster, waiter: Waiter) -> None:
    identity = ObjectIdentity("v1", "ConfigMap", "shop", "a")
    put(cluster, identity, metadata={"finalizers": ["shop.dev/backup"]})
    with pytest.raises(ClusterError, match="1 object did not go within 1 min") as caught:
        waiter.until_gone([(identity, "")], timeout_seconds=60)
    assert caught.value.failures[0].message == "ConfigMap/a in shop is still there, held by shop.dev/backup"


def test_without_a_probe_it_must_stay_ready(
    cluster: LivelyCluster, waiter: Waiter, clock: VirtualClock, reporter: NotesReporter
) -> None:
    put(
        cluster,
        API,
        spec={"replicas": 1, "selector": {"matchLabels": {"app": "api"}}, "template": {"spec": {"containers": [{}]}}},
    )
    up = {
        "observedGeneration": 1,
        **dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1),
    }

    def crash_twice(seconds: float) -> None:
        # It runs for two seconds at a time, until from the eighteenth second on it stays.
        runs = seconds > 18 or int(seconds) % 6 < 2
        cluster.set_status(API, {**up, "readyReplicas": int(runs), "availableReplicas": int(runs)})

    clock.on_sleep = crash_twice
    waiter.until_ready([API], timeout_seconds=60)
    assert clock.seconds == pytest.approx(23.2)
    assert reporter.notes[-1] == "✓ Deployment/api  1 of 1 ready"


def test_after_a_failure_for_good_the_others_get_little_more(
    cluster: LivelyCluster, waiter: Waiter, clock: VirtualClock
) -> None:
    deployment(cluster)
    migrate = ObjectIdentity("batch/v1", "Job", "shop", "migrate")
    put(cluster, migrate)
    cluster.set_status(migrate, {"conditions": [{"type": "Failed", "status": "True", "message": "gave up"}]})
    with pytest.raises(ClusterError, match="2 objects did not become ready within 30 s") as caught:
        waiter.until_ready([API, migrate], timeout_seconds=600)
    assert [failure.message.splitlines()[0] for failure in caught.value.failures] == [
        "Job/migrate in shop: failed: gave up",
        "Deployment/api in shop: 2 of 3 ready",
    ]
    assert clock.seconds == pytest.approx(30)


class TestCustomResources:
    """What an operator has been given just now is not ready because nothing has been said about it yet."""

    CACHE = ObjectIdentity("shop.dev/v1", "Cache", "shop", "sessions")

    def define(self, cluster: LivelyCluster, **version: Any) -> None:
        names = {"kind": "Cache", "plural": "caches"}
        spec = {"group": "shop.dev", "scope": "Namespaced", "names": names, "versions": [{"name": "v1", **version}]}
        put(
            cluster,
            ObjectIdentity("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "caches.shop.dev"),
            spec=spec,
        )
        put(cluster, self.CACHE)

    def test_a_controller_is_given_time_to_say_the_first_word(
        self, cluster: LivelyCluster, waiter: Waiter, clock: VirtualClock, reporter: NotesReporter
    ) -> None:
        self.define(cluster, subresources={"status": {}})

        def reconcile(seconds: float) -> None:
            ready = "True" if seconds > 20 else "False"
            if seconds > 8:
                cluster.set_status(self.CACHE, {"conditions": [{"type": "Ready", "status": ready, "message": "Works"}]})

        clock.on_sleep = reconcile
        waiter.until_ready([self.CACHE], timeout_seconds=60, changed=[self.CACHE])
        assert clock.seconds > 20
        assert reporter.notes == [
            "◌ Cache/sessions  its controller has not said anything yet",
            "◌ Cache/sessions  not ready: Works",
            "✓ Cache/sessions  ready",
        ]

    def test_one_that_says_nothing_is_there_for_all_that_is_known(
        self, cluster: LivelyCluster, waiter: Waiter, clock: VirtualClock
    ) -> None:
        self.define(cluster, subresources={"status": {}})
        waiter.until_ready([self.CACHE], timeout_seconds=60, changed=[self.CACHE])
        assert 15 <= clock.seconds < 17

    def test_no_word_is_awaited_of_a_kind_without_a_status(
        self, cluster: LivelyCluster, waiter: Waiter, clock: VirtualClock
    ) -> None:
        self.define(cluster)
        waiter.until_ready([self.CACHE], timeout_seconds=60, changed=[self.CACHE])
        assert clock.seconds == 0

    def test_no_word_is_awaited_of_what_was_not_changed(
        self, cluster: LivelyCluster, waiter: Waiter, clock: VirtualClock
    ) -> None:
        self.define(cluster, subresources={"status": {}})
        waiter.until_ready([self.CACHE], timeout_seconds=60)
        assert clock.seconds == 0
