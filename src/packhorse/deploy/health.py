"""How live objects are, and for those that aren't ready, why: their pods, their events, the last line of a log."""

from collections.abc import Sequence
from dataclasses import dataclass

from packhorse.base.errors import ClusterError
from packhorse.kube.errors import NotServedError
from packhorse.kube.fields import mapping, objects
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.pod_trouble import ContainerTrouble, pod_trouble
from packhorse.kube.ports import Cluster, ServedKind
from packhorse.kube.readiness import Health, assess, awaits_status
from packhorse.kube.workloads import pod_selector, pod_templates

__all__ = ["Finding", "examine"]

_PODS = ServedKind("v1", "Pod")
_CLAIMS = "PersistentVolumeClaim"
_MOST_TROUBLES = 3
_LONGEST_LOG_LINE = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """How one object is."""

    identity: ObjectIdentity
    health: Health
    troubles: tuple[str, ...] = ()
    """What keeps it from being ready: ``api-7c9f waits: readiness GET /healthz 503``."""
    log: str = ""
    """The last line that a container in trouble wrote."""
    is_probed: bool = True
    """Whether its readiness is checked by a probe. Else it counts as ready whenever its program runs at all."""

    awaits_status: bool = False
    """Whether it is ready only because its controller has written no status yet."""

    @property
    def line(self) -> str:
        """The state with the first reason."""
        return " · ".join([self.health.message, *self.troubles[:1]])

    @property
    def text(self) -> str:
        """All that is known, as the lines of an error."""
        lines = [f"{self.identity.title}: {self.health.message}", *(f"  {each}" for each in self.troubles)]
        return "\n".join([*lines, f"  last log line: {self.log}"] if self.log else lines)


def examine(cluster: Cluster, identity: ObjectIdentity, *, with_log: bool = False) -> Finding:
    """Look at one object, and at its pods when it isn't ready.

    Args:
        cluster: Where.
        identity: Which object.
        with_log: Whether to read the log of a container in trouble too.

    Raises:
        NetworkError: The API server doesn't answer.
        ClusterError: It refuses to let the object be read.
    """
    try:
        live = cluster.get(identity)
    except NotServedError:
        live = None
    if live is None:
        return Finding(identity, Health("missing", "is not there"))
    health = assess(live)
    if health.is_ready:
        unsaid = awaits_status(live) and cluster.keeps_status(identity.api_version, identity.kind)
        return Finding(identity, health, is_probed=_is_probed(live), awaits_status=unsaid)
    if identity.kind == _CLAIMS and _waits_for_consumer(cluster, live):
        return Finding(identity, Health("ready", "bound when a pod uses it"))
    found = _pod_troubles(cluster, identity, live)
    if not found:
        return Finding(identity, health, _own_events(cluster, identity, live))
    pod, trouble = found[0]
    log = _last_line(cluster, pod, trouble) if with_log else ""
    troubles = tuple(f"{pod.name} waits: {trouble.message}" for pod, trouble in found[:_MOST_TROUBLES])
    return Finding(identity, health, troubles, log)


def _pod_troubles(
    cluster: Cluster, identity: ObjectIdentity, live: KubeObject
) -> Sequence[tuple[ObjectIdentity, ContainerTrouble]]:
    if identity.kind == "Pod":
        pods: tuple[KubeObject, ...] = (live,)
    else:
        selector = pod_selector(live)
        pods = cluster.list(_PODS, namespace=identity.namespace, labels=selector) if selector else ()
    found = []
    for pod in sorted(pods, key=_age, reverse=True):
        # Pods of an old revision that are on their way out say nothing about the new one.
        if mapping(pod.get("metadata")).get("deletionTimestamp"):
            continue
        trouble = pod_trouble(pod) or pod_trouble(pod, _events(cluster, pod))
        if trouble is not None:
            found.append((ObjectIdentity.of(pod), pod_trouble(pod, _events(cluster, pod)) or trouble))
        if len(found) == _MOST_TROUBLES:
            break
    return found


def _own_events(cluster: Cluster, identity: ObjectIdentity, live: KubeObject) -> tuple[str, ...]:
    """Return the newest warning about the object itself, for those that get no pods made at all."""
    warnings = [event for event in _events(cluster, live) if event.get("type") == "Warning"]
    if not warnings:
        return ()
    message = " ".join(str(warnings[-1].get("message", "")).split())
    return (f"{identity.kind} says: {message[:_LONGEST_LOG_LINE]}",)


def _events(cluster: Cluster, obj: KubeObject) -> tuple[KubeObject, ...]:
    metadata = mapping(obj.get("metadata"))
    try:
        return cluster.events(str(metadata.get("namespace") or ""), str(metadata.get("uid") or ""))
    except ClusterError:
        # Not every user may read events; what there is besides is told without them.
        return ()


def _last_line(cluster: Cluster, pod: ObjectIdentity, trouble: ContainerTrouble) -> str:
    if not trouble.container:
        return ""
    for previous in (True, False) if trouble.crashed else (False,):
        lines = cluster.log_tail(pod, trouble.container, lines=5, previous=previous)
        text = next((line.strip() for line in reversed(lines) if line.strip()), "")
        if text:
            return text[:_LONGEST_LOG_LINE]
    return ""


def _waits_for_consumer(cluster: Cluster, claim: KubeObject) -> bool:
    """Whether a claim gets its volume only when a pod uses it (StorageClass, ``volumeBindingMode``)."""
    name = mapping(claim.get("spec")).get("storageClassName")
    if not isinstance(name, str) or not name:
        return False
    storage_class = cluster.get(ObjectIdentity("storage.k8s.io/v1", "StorageClass", "", name))
    return storage_class is not None and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"


def _is_probed(live: KubeObject) -> bool:
    if pod_selector(live) is None or live.get("kind") == "Job" or mapping(live.get("spec")).get("replicas") == 0:
        return True
    containers = [each for template in pod_templates(live) for each in objects(template.spec.get("containers"))]
    return all("readinessProbe" in container for container in containers)


def _age(pod: KubeObject) -> str:
    return str(mapping(pod.get("metadata")).get("creationTimestamp", ""))
