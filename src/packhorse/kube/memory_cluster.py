"""A cluster in memory, for tests and for planning without one: server-side apply with owners, nothing runs in it.

It keeps to the contract of :class:`packhorse.kube.ports.Cluster`, and to what that needs of server-side apply: fields
have managers, a manager's fields that it applies no more are removed, and a foreign field is a conflict. Three things
are simpler than in an API server: there is no defaulting or validation of kinds; lists of objects that all have a
``name`` are merged by it, all other lists are replaced as a whole; and deletion is immediate.
"""

import copy
import itertools
import threading
from collections.abc import Iterable

from packhorse.kube.custom_kinds import defined_kinds, kinds_with_status
from packhorse.kube.errors import FieldConflictError, NotServedError, StaleObjectError
from packhorse.kube.field_ownership import FieldPath, find_conflicts, leaves, put, remove
from packhorse.kube.fields import labels as labels_of
from packhorse.kube.fields import mapping, objects
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ApplyOptions, ServedKind

__all__ = ["BUILT_IN_KINDS", "MemoryCluster"]

_CLUSTER_KINDS: dict[str, tuple[str, ...]] = {
    "v1": ("Namespace", "Node", "PersistentVolume"),
    "admissionregistration.k8s.io/v1": (
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    ),
    "apiextensions.k8s.io/v1": ("CustomResourceDefinition",),
    "apiregistration.k8s.io/v1": ("APIService",),
    "certificates.k8s.io/v1": ("CertificateSigningRequest",),
    "networking.k8s.io/v1": ("IngressClass",),
    "node.k8s.io/v1": ("RuntimeClass",),
    "rbac.authorization.k8s.io/v1": ("ClusterRole", "ClusterRoleBinding"),
    "scheduling.k8s.io/v1": ("PriorityClass",),
    "storage.k8s.io/v1": ("CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"),
}
_NAMESPACED_KINDS: dict[str, tuple[str, ...]] = {
    "v1": (
        "ConfigMap",
        "Endpoints",
        "Event",
        "LimitRange",
        "PersistentVolumeClaim",
        "Pod",
        "PodTemplate",
        "ReplicationController",
        "ResourceQuota",
        "Secret",
        "Service",
        "ServiceAccount",
    ),
    "apps/v1": ("ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"),
    "autoscaling/v1": ("HorizontalPodAutoscaler",),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "batch/v1": ("CronJob", "Job"),
    "coordination.k8s.io/v1": ("Lease",),
    "discovery.k8s.io/v1": ("EndpointSlice",),
    "networking.k8s.io/v1": ("Ingress", "NetworkPolicy"),
    "policy/v1": ("PodDisruptionBudget",),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding"),
    "storage.k8s.io/v1": ("CSIStorageCapacity",),
}


def _scopes() -> dict[tuple[str, str], bool]:
    tables = ((_CLUSTER_KINDS, False), (_NAMESPACED_KINDS, True))
    return {(version, kind): inside for table, inside in tables for version, kinds in table.items() for kind in kinds}


BUILT_IN_KINDS: dict[tuple[str, str], bool] = _scopes()
"""By ``apiVersion`` and kind: whether a kind that every current Kubernetes has lives in namespaces."""


class MemoryCluster:
    """Implements :class:`packhorse.kube.ports.Cluster`."""

    def __init__(self, namespaces: Iterable[str] = ("default", "kube-system")) -> None:
        """Begin with these namespaces and nothing in them."""
        self._lock = threading.RLock()
        self._objects: dict[tuple[str, str, str, str], KubeObject] = {}
        self._owners: dict[tuple[str, str, str, str], dict[str, set[FieldPath]]] = {}
        self._numbers = itertools.count(1)
        for name in namespaces:
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def server_version(self) -> str:
        """Return the version whose kinds it knows."""
        return "v1.34.0"

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of this kind live in namespaces; custom kinds are known from their definitions."""
        built_in = BUILT_IN_KINDS.get((api_version, kind))
        if built_in is not None:
            return built_in
        custom = defined_kinds(self._definitions()).get((api_version, kind))
        if custom is not None:
            return custom
        raise NotServedError(f"the cluster has no kind {kind} in {api_version}")

    def keeps_status(self, api_version: str, kind: str) -> bool:
        """Whether objects of this kind have a status; all built-in kinds have, as far as anybody asks."""
        self.is_namespaced(api_version, kind)
        return (api_version, kind) in BUILT_IN_KINDS or (api_version, kind) in kinds_with_status(self._definitions())

    def namespaced_kinds(self) -> tuple[ServedKind, ...]:
        """List every kind that lives in namespaces."""
        kinds = {**BUILT_IN_KINDS, **defined_kinds(self._definitions())}
        return tuple(ServedKind(*kind) for kind, inside in kinds.items() if inside)

    def get(self, identity: ObjectIdentity) -> KubeObject | None:
        """Return the object, or None."""
        self.is_namespaced(identity.api_version, identity.kind)
        with self._lock:
            return copy.deepcopy(self._objects.get(identity.key))

    def list(self, kind: ServedKind, *, namespace: str = "", labels: str = "") -> tuple[KubeObject, ...]:
        """Return all objects of a kind; of label selectors it knows ``name=value`` terms."""
        self.is_namespaced(kind.api_version, kind.kind)
        wanted = dict(term.split("=", 1) for term in labels.split(",")) if labels else {}
        probe = ObjectIdentity(kind.api_version, kind.kind, "", "")
        with self._lock:
            return tuple(
                copy.deepcopy(obj)
                for key, obj in sorted(self._objects.items())
                if key[:2] == probe.key[:2]
                and (not namespace or key[2] == namespace)
                and wanted.items() <= labels_of(obj).items()
            )

    def apply(self, obj: KubeObject, options: ApplyOptions) -> KubeObject:
        """Apply with ownership of fields."""
        identity = self._checked(obj)
        with self._lock:
            live = self._objects.get(identity.key)
            owners = copy.deepcopy(self._owners.get(identity.key, {}))
            wanted = {path: value for path, value in leaves(_content(obj)) if path}
            merged = copy.deepcopy(live) if live is not None else _skeleton(obj)
            conflicts = find_conflicts(merged, owners, wanted, options.manager)
            if conflicts and not options.force:
                owned = "; ".join(f"{each.manager} owns {each.field}" for each in conflicts)
                raise FieldConflictError(f"cannot apply {identity.title}: {owned}", conflicts)
            # Names last: an item can't be found any more when its name is gone.
            dropped = owners.get(options.manager, set()) - wanted.keys()
            for path in sorted(dropped, key=lambda path: (path[-1] == "name", path)):
                if not any(path in paths for manager, paths in owners.items() if manager != options.manager):
                    remove(merged, path)
            for path, value in wanted.items():
                put(merged, path, value)
            for manager, paths in owners.items():
                if manager != options.manager:
                    paths -= {path for path in paths if path in wanted and options.force}
            owners[options.manager] = set(wanted)
            return self._store(identity, merged, owners, dry_run=options.dry_run)

    def create(self, obj: KubeObject) -> KubeObject:
        """Create the object."""
        identity = self._checked(obj)
        with self._lock:
            if identity.key in self._objects:
                raise StaleObjectError(f"cannot create {identity.title}: it exists")
            return self._store(identity, copy.deepcopy(obj), {"create": set()})

    def replace(self, obj: KubeObject) -> KubeObject:
        """Replace the object if its version is still the same."""
        identity = self._checked(obj)
        with self._lock:
            live = self._objects.get(identity.key)
            version = mapping(obj.get("metadata")).get("resourceVersion")
            if live is None or (version and version != live["metadata"]["resourceVersion"]):
                raise StaleObjectError(f"cannot update {identity.title}: it has changed")
            return self._store(identity, copy.deepcopy(obj), self._owners.get(identity.key, {}))

    def delete(self, identity: ObjectIdentity, *, uid: str = "") -> bool:
        """Delete at once, with what is in it if it's a namespace, and what it owns."""
        with self._lock:
            live = self._objects.get(identity.key)
            if live is None:
                return False
            if uid and live["metadata"]["uid"] != uid:
                raise StaleObjectError(f"cannot delete {identity.title}: it is another one by now")
            del self._objects[identity.key]
            self._owners.pop(identity.key, None)
            dependents = [
                ObjectIdentity.of(other)
                for key, other in self._objects.items()
                if (identity.kind == "Namespace" and key[2] == identity.name)
                or any(
                    owner.get("uid") == live["metadata"]["uid"]
                    for owner in objects(mapping(other.get("metadata")).get("ownerReferences"))
                )
            ]
        for dependent in dependents:
            self.delete(dependent)
        return True

    def events(self, namespace: str, uid: str) -> tuple[KubeObject, ...]:
        """Return the events about an object, in the order in which they were created."""
        found = self.list(ServedKind("v1", "Event"), namespace=namespace)
        about = [event for event in found if mapping(event.get("involvedObject")).get("uid") == uid]
        return tuple(sorted(about, key=lambda event: int(event["metadata"]["resourceVersion"])))

    def log_tail(self, pod: ObjectIdentity, container: str, *, lines: int, previous: bool = False) -> tuple[str, ...]:
        """Return nothing: nothing runs here."""
        del pod, container, lines, previous
        return ()

    def _definitions(self) -> tuple[KubeObject, ...]:
        return self.list(ServedKind("apiextensions.k8s.io/v1", "CustomResourceDefinition"))

    def _checked(self, obj: KubeObject) -> ObjectIdentity:
        identity = ObjectIdentity.of(obj)
        if not self.is_namespaced(identity.api_version, identity.kind):
            return identity.inside("")
        if ("", "Namespace", "", identity.namespace) not in self._objects:
            raise StaleObjectError(f"cannot write {identity.title}: there is no namespace {identity.namespace!r}")
        return identity

    def _store(
        self, identity: ObjectIdentity, obj: KubeObject, owners: dict[str, set[FieldPath]], *, dry_run: bool = False
    ) -> KubeObject:
        live = self._objects.get(identity.key)
        before = mapping(live.get("metadata")) if live is not None else {}
        same = live is not None and _content(live) == _content(obj)
        metadata = dict(mapping(obj.get("metadata")))
        metadata["uid"] = before.get("uid") or f"uid-{next(self._numbers)}"
        metadata["generation"] = before.get("generation", 0) + (0 if same else 1)
        metadata["resourceVersion"] = before.get("resourceVersion") if same else str(next(self._numbers))
        stored = {**obj, "metadata": metadata}
        if not dry_run:
            self._objects[identity.key] = stored
            self._owners[identity.key] = owners
        return copy.deepcopy(stored)


def _skeleton(obj: KubeObject) -> KubeObject:
    identity = ObjectIdentity.of(obj)
    inside = {"namespace": identity.namespace} if identity.namespace else {}
    return {
        "apiVersion": identity.api_version,
        "kind": identity.kind,
        "metadata": {"name": identity.name, **inside},
    }


def _content(obj: KubeObject) -> KubeObject:
    named = {"name", "namespace", "uid", "resourceVersion", "generation", "managedFields", "creationTimestamp"}
    metadata = {key: value for key, value in mapping(obj.get("metadata")).items() if key not in named}
    rest = {key: value for key, value in obj.items() if key not in {"apiVersion", "kind", "metadata", "status"}}
    return {**rest, **({"metadata": metadata} if metadata else {})}
