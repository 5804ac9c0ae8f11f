"""Whether a live object is ready, judged by its own fields alone. Pure: one rule for each kind.

The rules are those of kstatus (sigs.k8s.io/cli-utils, ``pkg/kstatus/README.md``), which kubectl, Helm 4 and Flux
follow too, with two differences that a deployment needs: a Job is ready when it has completed, not when it has begun;
and a custom resource counts by its ``Ready``, else its ``Available`` condition, whatever else it reports.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from packhorse.kube.fields import count, mapping, status_condition
from packhorse.kube.object_identity import KubeObject, api_group

__all__ = ["Health", "HealthState", "assess", "awaits_status"]

_NOT_SEEN = "its controller has not seen it yet"

HealthState = Literal["ready", "progressing", "failed", "terminating", "missing"]
"""``failed`` is said only where waiting longer can't help. ``missing`` is for callers that found no object."""


@dataclass(frozen=True, slots=True)
class Health:
    """How an object is."""

    state: HealthState
    message: str
    """What is so, in a few words: ``2 of 3 ready``, ``done``, ``no address yet``."""

    @property
    def is_ready(self) -> bool:
        """Whether nothing needs to be waited for."""
        return self.state == "ready"


def assess(obj: KubeObject) -> Health:
    """Judge a live object by the rule of its kind; one that nothing can be said of is ready because it is there."""
    if mapping(obj.get("metadata")).get("deletionTimestamp"):
        return Health("terminating", "is being deleted")
    generic = _generic(obj)
    if generic is not None:
        return generic
    group, kind = api_group(str(obj.get("apiVersion", ""))), str(obj.get("kind", ""))
    rule = _RULES.get((group, kind))
    if rule is not None:
        return rule(obj)
    return _custom_resource(obj) if _is_custom(group) else Health("ready", "there")


def awaits_status(obj: KubeObject) -> bool:
    """Whether an object is of a custom kind, and nothing has been said of it yet."""
    return _is_custom(api_group(str(obj.get("apiVersion", "")))) and not _status(obj)


def _generic(obj: KubeObject) -> Health | None:
    """Apply what kstatus reads of any kind: a generation not yet observed, ``Stalled`` and ``Reconciling``."""
    observed = _status(obj).get("observedGeneration")
    generation = mapping(obj.get("metadata")).get("generation")
    if isinstance(observed, int) and isinstance(generation, int) and observed < generation:
        return Health("progressing", "the change has not been taken up yet")
    stalled = status_condition(obj, "Stalled")
    if stalled.get("status") == "True":
        return Health("failed", _because("stalled", stalled))
    reconciling = status_condition(obj, "Reconciling")
    if reconciling.get("status") == "True":
        return Health("progressing", _because("reconciling", reconciling))
    return None


def _deployment(obj: KubeObject) -> Health:
    progressing = status_condition(obj, "Progressing")
    failure = status_condition(obj, "ReplicaFailure")
    wanted, status = count(_spec(obj), "replicas", 1), _status(obj)
    ready = min(count(status, "readyReplicas"), count(status, "availableReplicas"))
    updated, total = count(status, "updatedReplicas"), count(status, "replicas")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Health("failed", _because("made no progress in time", progressing))
    return _progress(
        (failure.get("status") == "True", _because("no pods can be made", failure)),
        (updated < wanted, f"{updated} of {wanted} updated"),
        (total > updated, f"{total - updated} old still running"),
        (ready < wanted, f"{ready} of {wanted} ready"),
        ("observedGeneration" not in status, _NOT_SEEN),
        ready=f"{ready} of {wanted} ready",
    )


def _stateful_set(obj: KubeObject) -> Health:
    spec, status = _spec(obj), _status(obj)
    wanted = count(spec, "replicas", 1)
    strategy = mapping(spec.get("updateStrategy"))
    by_hand = strategy.get("type") == "OnDelete"
    # With a partition only the pods above it are updated, and the revisions stay different for good.
    partition = count(mapping(strategy.get("rollingUpdate")), "partition")
    to_update = max(wanted - partition, 0)
    ready, total, updated = (count(status, name) for name in ("readyReplicas", "replicas", "updatedReplicas"))
    revisions_differ = status.get("currentRevision") != status.get("updateRevision")
    return _progress(
        ("observedGeneration" not in status, _NOT_SEEN),
        (total > wanted, f"{total - wanted} too many still running"),
        (ready < wanted, f"{ready} of {wanted} ready"),
        (not by_hand and partition > 0 and updated < to_update, f"{updated} of {to_update} updated"),
        (not by_hand and partition == 0 and revisions_differ, f"{updated} of {wanted} updated"),
        ready=f"{ready} of {wanted} ready",
    )


def _daemon_set(obj: KubeObject) -> Health:
    status = _status(obj)
    wanted = count(status, "desiredNumberScheduled")
    by_hand = mapping(_spec(obj).get("updateStrategy")).get("type") == "OnDelete"
    updated = count(status, "updatedNumberScheduled")
    ready = min(count(status, "numberReady"), count(status, "numberAvailable"))
    return _progress(
        ("observedGeneration" not in status, _NOT_SEEN),
        (not by_hand and updated < wanted, f"{updated} of {wanted} updated"),
        (ready < wanted, f"{ready} of {wanted} ready"),
        ready=f"{ready} of {wanted} ready",
    )


def _replica_set(obj: KubeObject) -> Health:
    failure = status_condition(obj, "ReplicaFailure")
    wanted, status = count(_spec(obj), "replicas", 1), _status(obj)
    ready = min(count(status, "readyReplicas"), count(status, "availableReplicas"))
    total = count(status, "replicas")
    return _progress(
        (failure.get("status") == "True", _because("no pods can be made", failure)),
        ("observedGeneration" not in status, _NOT_SEEN),
        (total > wanted, f"{total - wanted} too many still running"),
        (ready < wanted, f"{ready} of {wanted} ready"),
        ready=f"{ready} of {wanted} ready",
    )


def _job(obj: KubeObject) -> Health:
    failed = status_condition(obj, "Failed")
    if failed.get("status") == "True":
        return Health("failed", _because("failed", failed))
    if status_condition(obj, "Complete").get("status") == "True":
        return Health("ready", "done")
    if _spec(obj).get("suspend") is True:
        return Health("ready", "suspended")
    spec, status = _spec(obj), _status(obj)
    wanted = count(spec, "completions", count(spec, "parallelism", 1))
    done, tries = count(status, "succeeded"), count(status, "failed")
    return Health("progressing", f"{done} of {wanted} done" + (f", {tries} failed" if tries else ""))


def _pod(obj: KubeObject) -> Health:
    phase = _status(obj).get("phase")
    if phase == "Succeeded":
        return Health("ready", "done")
    if phase == "Failed":
        return Health("failed", _because("failed", _status(obj)))
    ready = status_condition(obj, "Ready")
    if ready.get("status") == "True":
        return Health("ready", "ready")
    return Health("progressing", "running, not ready" if phase == "Running" else "pending")


_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
"""Annotation of a claim for which a provisioner was asked (Kubernetes, "Well-Known Labels, Annotations and Taints")."""


def _volume_claim(obj: KubeObject) -> Health:
    phase = _status(obj).get("phase")
    if phase == "Bound":
        return Health("ready", "bound")
    if phase == "Lost":
        return Health("failed", "its volume is lost")
    if phase == "Pending" and _PROVISIONER not in mapping(mapping(obj.get("metadata")).get("annotations")):
        # Nobody was asked for a volume yet: the class waits for the first pod (WaitForFirstConsumer), which may be that
        # of a CronJob and hours away. A pod that needs the volume now is not ready without it.
        return Health("ready", "waits for its first pod")
    return Health("progressing", "no volume yet")


def _service(obj: KubeObject) -> Health:
    if _spec(obj).get("type") != "LoadBalancer" or _spec(obj).get("externalIPs"):
        return Health("ready", "there")
    given = mapping(_status(obj).get("loadBalancer")).get("ingress")
    return Health("ready", "has an address") if given else Health("progressing", "no load balancer gave it an address")


def _custom_resource_definition(obj: KubeObject) -> Health:
    names = status_condition(obj, "NamesAccepted")
    if names.get("status") == "False":
        return Health("failed", _because("its names are refused", names))
    established = status_condition(obj, "Established").get("status") == "True"
    return Health("ready", "served") if established else Health("progressing", "not served yet")


def _api_service(obj: KubeObject) -> Health:
    available = status_condition(obj, "Available")
    if available.get("status") == "True":
        return Health("ready", "available")
    return Health("progressing", _because("not available", available))


def _namespace(obj: KubeObject) -> Health:
    phase = _status(obj).get("phase")
    return Health("terminating", "is being deleted") if phase == "Terminating" else Health("ready", "active")


def _disruption_budget(obj: KubeObject) -> Health:
    status = _status(obj)
    healthy, wanted = count(status, "currentHealthy"), count(status, "desiredHealthy")
    return _progress(
        ("observedGeneration" not in status, _NOT_SEEN),
        (healthy < wanted, f"{healthy} of {wanted} healthy"),
        ready=f"{healthy} of {wanted} healthy",
    )


def _always(_obj: KubeObject) -> Health:
    return Health("ready", "there")


def _custom_resource(obj: KubeObject) -> Health:
    for name in ("Ready", "Available"):
        condition = status_condition(obj, name)
        if not condition:
            continue
        if condition.get("status") == "True":
            return Health("ready", name.lower())
        return Health("progressing", _because(f"not {name.lower()}", condition))
    return Health("ready", "there")


_RULES: dict[tuple[str, str], Callable[[KubeObject], Health]] = {
    ("", "Namespace"): _namespace,
    ("", "PersistentVolumeClaim"): _volume_claim,
    ("", "Pod"): _pod,
    ("", "ReplicationController"): _replica_set,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _custom_resource_definition,
    ("apiregistration.k8s.io", "APIService"): _api_service,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "CronJob"): _always,
    ("batch", "Job"): _job,
    ("policy", "PodDisruptionBudget"): _disruption_budget,
}


def _is_custom(group: str) -> bool:
    """Whether a group is none of Kubernetes' own, which are short names or end in ``.k8s.io``."""
    return "." in group and not (group.endswith(".k8s.io") and group.count(".") == 2)  # noqa: PLR2004 - x.k8s.io


def _progress(*checks: tuple[bool, str], ready: str) -> Health:
    """Return the first thing that is still to come, or that the object is ready."""
    waiting = next((message for applies, message in checks if applies), None)
    return Health("ready", ready) if waiting is None else Health("progressing", waiting)


def _because(what: str, condition: KubeObject) -> str:
    """Return ``what``, with a condition's message, else its reason, behind it."""
    why = str(condition.get("message") or condition.get("reason") or "").strip()
    return f"{what}: {why}" if why else what


def _spec(obj: KubeObject) -> KubeObject:
    return mapping(obj.get("spec"))


def _status(obj: KubeObject) -> KubeObject:
    return mapping(obj.get("status"))
