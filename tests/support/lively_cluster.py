"""A cluster in memory in which things become ready at once, as if its controllers and nodes did their work."""

from typing import Any

from packhorse.kube.fields import count, mapping
from packhorse.kube.memory_cluster import MemoryCluster
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ApplyOptions

__all__ = ["LivelyCluster"]


class LivelyCluster(MemoryCluster):
    """``stuck`` has the names of objects that never become ready."""

    def __init__(self, *namespaces: str) -> None:
        super().__init__(("default", "kube-system", *namespaces))
        self.stuck: set[str] = set()
        self.writes = 0
        self._logs: dict[tuple[str, str], tuple[str, ...]] = {}

    def apply(self, obj: KubeObject, options: ApplyOptions) -> KubeObject:
        applied = super().apply(obj, options)
        if not options.dry_run:
            self.writes += 1
            self.report(applied)
        return applied

    def report(self, obj: KubeObject) -> None:
        status = ready_status(obj)
        if status is not None and obj["metadata"]["name"] not in self.stuck:
            self.set_status(ObjectIdentity.of(obj), status)

    def set_status(self, identity: ObjectIdentity, status: KubeObject) -> None:
        """Report a status, as a controller does; the generation stays."""
        self._objects[identity.key] = {**self._objects[identity.key], "status": status}

    def write_log(self, pod: str, container: str, *lines: str) -> None:
        self._logs[pod, container] = lines

    def log_tail(self, pod: ObjectIdentity, container: str, *, lines: int, previous: bool = False) -> tuple[str, ...]:
        del previous
        return self._logs.get((pod.name, container), ())[-lines:]


def ready_status(obj: KubeObject) -> dict[str, Any] | None:
    generation = obj["metadata"]["generation"]
    replicas = count(mapping(obj.get("spec")), "replicas", 1)
    match obj["kind"]:
        case "Deployment" | "StatefulSet" | "ReplicaSet":
            names = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas", "currentReplicas")
            return {"observedGeneration": generation, **dict.fromkeys(names, replicas)}
        case "Job":
            return {"conditions": [{"type": "Complete", "status": "True"}]}
        case "CustomResourceDefinition":
            return {"conditions": [{"type": "Established", "status": "True"}]}
        case "PersistentVolumeClaim":
            return {"phase": "Bound"}
        case _:
            return None
