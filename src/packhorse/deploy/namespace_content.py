"""What is in a namespace, besides what Kubernetes itself puts into each and what belongs to something else in it."""

from packhorse.base.errors import ClusterError
from packhorse.kube.fields import labels, mapping
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import Cluster

__all__ = ["namespace_content"]

_ALWAYS_THERE = frozenset({("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")})
_DERIVED_KINDS = frozenset({"Endpoints", "EndpointSlice", "Event", "ControllerRevision", "PodMetrics"})
_TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 - the name of a type
_HELM_TYPE = "helm.sh/release.v1"


def namespace_content(cluster: Cluster, namespace: str) -> tuple[ObjectIdentity, ...]:
    """List everything in a namespace that someone put there.

    Raises:
        NetworkError: The API server doesn't answer.
    """
    found: dict[tuple[str, str, str, str], ObjectIdentity] = {}
    for kind in cluster.namespaced_kinds():
        if kind.kind in _DERIVED_KINDS:
            continue
        try:
            items = cluster.list(kind, namespace=namespace)
        except ClusterError:
            # An aggregated API whose server is away can't be listed; the namespace controller would wait for it too.
            continue
        for obj in items:
            identity = ObjectIdentity.of(obj)
            if not _is_derived(obj, identity):
                found[identity.key] = identity
    return tuple(found.values())


def _is_derived(obj: KubeObject, identity: ObjectIdentity) -> bool:
    metadata = mapping(obj.get("metadata"))
    is_helm_record = obj.get("type") == _HELM_TYPE and labels(obj).get("owner") == "helm"
    return (
        (identity.kind, identity.name) in _ALWAYS_THERE
        or bool(metadata.get("ownerReferences"))
        or bool(metadata.get("deletionTimestamp"))
        or obj.get("type") == _TOKEN_TYPE
        or is_helm_record
    )
