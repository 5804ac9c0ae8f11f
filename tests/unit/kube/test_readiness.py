"""Whether live objects are ready, on statuses as controllers write them."""

from typing import Any

import pytest

from packhorse.kube.readiness import HealthState, assess


def obj(api_version: str, kind: str, *, spec: Any = None, status: Any = None, **metadata: Any) -> dict[str, Any]:
    made = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a", "generation": 2, **metadata}}
    return {
        **made,
        **({"spec": spec} if spec is not None else {}),
        **({"status": status} if status is not None else {}),
    }


def condition(kind: str, status: str, reason: str = "", message: str = "") -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, "reason": reason, "message": message}]}


ASKED_CLAIM = obj(
    "v1",
    "PersistentVolumeClaim",
    status={"phase": "Pending"},
    annotations={"volume.kubernetes.io/storage-provisioner": "example.com/disk"},
)
DONE = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
SET = {
    "observedGeneration": 2,
    "replicas": 3,
    "readyReplicas": 3,
    "updatedReplicas": 3,
    "currentRevision": "a",
    "updateRevision": "a",
}
DAEMON = {
    "observedGeneration": 2,
    "desiredNumberScheduled": 2,
    "updatedNumberScheduled": 2,
    "numberReady": 2,
    "numberAvailable": 2,
}
DEADLINE = condition("Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "a-1" has timed out.')

CASES: list[tuple[str, dict[str, Any], HealthState, str]] = [
    ("deployment", obj("apps/v1", "Deployment", spec={"replicas": 3}, status=DONE), "ready", "3 of 3 ready"),
    (
        "deployment of none",
        obj("apps/v1", "Deployment", spec={"replicas": 0}, status={"observedGeneration": 2}),
        "ready",
        "0 of 0 ready",
    ),
    ("deployment, default replicas", obj("apps/v1", "Deployment", spec={}, status={}), "progressing", "0 of 1 updated"),
    (
        "deployment not seen",
        obj("apps/v1", "Deployment", spec={"replicas": 0}, status={}),
        "progressing",
        "its controller has not seen it yet",
    ),
    (
        "deployment, old generation",
        obj("apps/v1", "Deployment", spec={"replicas": 3}, status={**DONE, "observedGeneration": 1}),
        "progressing",
        "the change has not been taken up yet",
    ),
    (
        "deployment updating",
        obj("apps/v1", "Deployment", spec={"replicas": 3}, status={**DONE, "updatedReplicas": 1}),
        "progressing",
        "1 of 3 updated",
    ),
    (
        "deployment with old pods",
        obj("apps/v1", "Deployment", spec={"replicas": 3}, status={**DONE, "replicas": 4}),
        "progressing",
        "1 old still running",
    ),
    (
        "deployment, one unready",
        obj("apps/v1", "Deployment", spec={"replicas": 3}, status={**DONE, "readyReplicas": 2}),
        "progressing",
        "2 of 3 ready",
    ),
    (
        "deployment, one not yet available",
        obj("apps/v1", "Deployment", spec={"replicas": 3}, status={**DONE, "availableReplicas": 2}),
        "progressing",
        "2 of 3 ready",
    ),
    (
        "deployment past its deadline",
        obj("apps/v1", "Deployment", spec={"replicas": 3}, status={**DONE, "readyReplicas": 2, **DEADLINE}),
        "failed",
        'made no progress in time: ReplicaSet "a-1" has timed out.',
    ),
    (
        "deployment without quota",
        obj(
            "apps/v1",
            "Deployment",
            spec={"replicas": 3},
            status={**DONE, **condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")},
        ),
        "progressing",
        "no pods can be made: exceeded quota",
    ),
    ("stateful set", obj("apps/v1", "StatefulSet", spec={"replicas": 3}, status=SET), "ready", "3 of 3 ready"),
    (
        "stateful set, one unready",
        obj("apps/v1", "StatefulSet", spec={"replicas": 3}, status={**SET, "readyReplicas": 2}),
        "progressing",
        "2 of 3 ready",
    ),
    (
        "stateful set scaling down",
        obj("apps/v1", "StatefulSet", spec={"replicas": 2}, status=SET),
        "progressing",
        "1 too many still running",
    ),
    (
        "stateful set updating",
        obj(
            "apps/v1", "StatefulSet", spec={"replicas": 3}, status={**SET, "updateRevision": "b", "updatedReplicas": 1}
        ),
        "progressing",
        "1 of 3 updated",
    ),
    (
        "stateful set with a partition",
        obj(
            "apps/v1",
            "StatefulSet",
            spec={"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
            status={**SET, "updateRevision": "b", "updatedReplicas": 1},
        ),
        "ready",
        "3 of 3 ready",
    ),
    (
        "stateful set with a partition, updating",
        obj(
            "apps/v1",
            "StatefulSet",
            spec={"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
            status={**SET, "updateRevision": "b", "updatedReplicas": 1},
        ),
        "progressing",
        "1 of 2 updated",
    ),
    (
        "stateful set updated by hand",
        obj(
            "apps/v1",
            "StatefulSet",
            spec={"replicas": 3, "updateStrategy": {"type": "OnDelete"}},
            status={**SET, "updateRevision": "b", "updatedReplicas": 0},
        ),
        "ready",
        "3 of 3 ready",
    ),
    (
        "stateful set not seen",
        obj("apps/v1", "StatefulSet", spec={"replicas": 0}, status={}),
        "progressing",
        "its controller has not seen it yet",
    ),
    ("daemon set", obj("apps/v1", "DaemonSet", spec={}, status=DAEMON), "ready", "2 of 2 ready"),
    (
        "daemon set, one unready",
        obj("apps/v1", "DaemonSet", spec={}, status={**DAEMON, "numberReady": 1}),
        "progressing",
        "1 of 2 ready",
    ),
    (
        "daemon set updating",
        obj("apps/v1", "DaemonSet", spec={}, status={**DAEMON, "updatedNumberScheduled": 0}),
        "progressing",
        "0 of 2 updated",
    ),
    (
        "daemon set updated by hand",
        obj(
            "apps/v1",
            "DaemonSet",
            spec={"updateStrategy": {"type": "OnDelete"}},
            status={**DAEMON, "updatedNumberScheduled": 0},
        ),
        "ready",
        "2 of 2 ready",
    ),
    (
        "daemon set without a node",
        obj("apps/v1", "DaemonSet", spec={}, status={"observedGeneration": 2}),
        "ready",
        "0 of 0 ready",
    ),
    ("replica set", obj("apps/v1", "ReplicaSet", spec={"replicas": 3}, status=DONE), "ready", "3 of 3 ready"),
    (
        "replica set short",
        obj("apps/v1", "ReplicaSet", spec={"replicas": 4}, status=DONE),
        "progressing",
        "3 of 4 ready",
    ),
    (
        "replication controller",
        obj("v1", "ReplicationController", spec={"replicas": 2}, status=DONE),
        "progressing",
        "1 too many still running",
    ),
    (
        "job running",
        obj("batch/v1", "Job", spec={"completions": 2}, status={"active": 1, "succeeded": 1}),
        "progressing",
        "1 of 2 done",
    ),
    (
        "job trying again",
        obj("batch/v1", "Job", spec={}, status={"active": 1, "failed": 2}),
        "progressing",
        "0 of 1 done, 2 failed",
    ),
    ("job done", obj("batch/v1", "Job", spec={}, status=condition("Complete", "True")), "ready", "done"),
    (
        "job failed",
        obj(
            "batch/v1",
            "Job",
            spec={},
            status=condition("Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit"),
        ),
        "failed",
        "failed: Job has reached the specified backoff limit",
    ),
    ("job suspended", obj("batch/v1", "Job", spec={"suspend": True}, status={}), "ready", "suspended"),
    ("cron job", obj("batch/v1", "CronJob", spec={}, status={}), "ready", "there"),
    ("pod ready", obj("v1", "Pod", status={"phase": "Running", **condition("Ready", "True")}), "ready", "ready"),
    (
        "pod not ready",
        obj("v1", "Pod", status={"phase": "Running", **condition("Ready", "False")}),
        "progressing",
        "running, not ready",
    ),
    ("pod pending", obj("v1", "Pod", status={"phase": "Pending"}), "progressing", "pending"),
    ("pod done", obj("v1", "Pod", status={"phase": "Succeeded"}), "ready", "done"),
    (
        "pod failed",
        obj("v1", "Pod", status={"phase": "Failed", "reason": "Evicted", "message": "low on disk"}),
        "failed",
        "failed: low on disk",
    ),
    ("claim bound", obj("v1", "PersistentVolumeClaim", status={"phase": "Bound"}), "ready", "bound"),
    ("claim asked for", ASKED_CLAIM, "progressing", "no volume yet"),
    (
        "claim waits",
        obj("v1", "PersistentVolumeClaim", status={"phase": "Pending"}),
        "ready",
        "waits for its first pod",
    ),
    ("claim new", obj("v1", "PersistentVolumeClaim"), "progressing", "no volume yet"),
    ("claim lost", obj("v1", "PersistentVolumeClaim", status={"phase": "Lost"}), "failed", "its volume is lost"),
    ("service", obj("v1", "Service", spec={"type": "ClusterIP"}, status={}), "ready", "there"),
    (
        "load balancer",
        obj("v1", "Service", spec={"type": "LoadBalancer"}, status={"loadBalancer": {}}),
        "progressing",
        "no load balancer gave it an address",
    ),
    (
        "load balancer with an address",
        obj("v1", "Service", spec={"type": "LoadBalancer"}, status={"loadBalancer": {"ingress": [{"ip": "10.0.0.9"}]}}),
        "ready",
        "has an address",
    ),
    (
        "load balancer with external addresses",
        obj("v1", "Service", spec={"type": "LoadBalancer", "externalIPs": ["10.0.0.9"]}, status={}),
        "ready",
        "there",
    ),
    (
        "definition",
        obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", status=condition("Established", "True")),
        "ready",
        "served",
    ),
    ("definition, new", obj("apiextensions.k8s.io/v1", "CustomResourceDefinition"), "progressing", "not served yet"),
    (
        "definition refused",
        obj(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            status=condition("NamesAccepted", "False", "", "plural is in use"),
        ),
        "failed",
        "its names are refused: plural is in use",
    ),
    (
        "API service",
        obj("apiregistration.k8s.io/v1", "APIService", status=condition("Available", "True")),
        "ready",
        "available",
    ),
    (
        "API service away",
        obj("apiregistration.k8s.io/v1", "APIService", status=condition("Available", "False", "MissingEndpoints")),
        "progressing",
        "not available: MissingEndpoints",
    ),
    ("namespace", obj("v1", "Namespace", status={"phase": "Active"}), "ready", "active"),
    ("namespace going", obj("v1", "Namespace", status={"phase": "Terminating"}), "terminating", "is being deleted"),
    (
        "budget",
        obj(
            "policy/v1",
            "PodDisruptionBudget",
            status={"observedGeneration": 2, "currentHealthy": 2, "desiredHealthy": 2},
        ),
        "ready",
        "2 of 2 healthy",
    ),
    (
        "budget short",
        obj(
            "policy/v1",
            "PodDisruptionBudget",
            status={"observedGeneration": 2, "currentHealthy": 1, "desiredHealthy": 2},
        ),
        "progressing",
        "1 of 2 healthy",
    ),
    ("custom resource ready", obj("shop.dev/v1", "Backup", status=condition("Ready", "True")), "ready", "ready"),
    (
        "custom resource not ready",
        obj("shop.dev/v1", "Backup", status=condition("Ready", "False", "NoBucket", "bucket is missing")),
        "progressing",
        "not ready: bucket is missing",
    ),
    (
        "custom resource available",
        obj("shop.dev/v1", "Backup", status=condition("Available", "False", "Starting")),
        "progressing",
        "not available: Starting",
    ),
    (
        "custom resource stalled",
        obj("shop.dev/v1", "Backup", status=condition("Stalled", "True", "", "no such image")),
        "failed",
        "stalled: no such image",
    ),
    (
        "custom resource reconciling",
        obj("shop.dev/v1", "Backup", status=condition("Reconciling", "True", "Progressing")),
        "progressing",
        "reconciling: Progressing",
    ),
    ("custom resource that says nothing", obj("shop.dev/v1", "Backup", spec={}), "ready", "there"),
    (
        "Kubernetes' own out-of-tree kinds",
        obj("gateway.networking.k8s.io/v1", "Gateway", status=condition("Ready", "False")),
        "progressing",
        "not ready",
    ),
    (
        "a kind without a rule",
        obj("networking.k8s.io/v1", "Ingress", status=condition("Ready", "False")),
        "ready",
        "there",
    ),
    (
        "anything being deleted",
        obj("v1", "ConfigMap", deletionTimestamp="2026-01-01T00:00:00Z"),
        "terminating",
        "is being deleted",
    ),
]


@pytest.mark.parametrize(("live", "state", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_health(live: dict[str, Any], state: HealthState, message: str) -> None:
    health = assess(live)
    assert (health.state, health.message) == (state, message)
    assert health.is_ready == (state == "ready")


@pytest.mark.parametrize(
    "status", [None, [], "text", {"conditions": "none"}, {"conditions": [None, 1]}, {"replicas": "x"}]
)
@pytest.mark.parametrize("kind", [("apps/v1", "Deployment"), ("batch/v1", "Job"), ("v1", "Pod"), ("shop.dev/v1", "A")])
def test_a_status_of_any_shape_is_judged(kind: tuple[str, str], status: object) -> None:
    assert assess({"apiVersion": kind[0], "kind": kind[1], "metadata": None, "spec": None, "status": status}).message
