"""In which order kinds are applied, so that what others refer to is there first. Removal goes the other way. Pure.

Helm has an order of kinds of its own for the objects inside a chart (``pkg/release/util/kind_sorter.go``); this one is
for plain objects, and says where among them the charts of the same component come.
"""

from packhorse.kube.object_identity import ObjectIdentity

__all__ = ["CHARTS", "CUSTOM", "FIRST", "rank"]

_GROUPS: tuple[tuple[str, ...], ...] = (
    ("Namespace", "PriorityClass", "CustomResourceDefinition"),
    ("ResourceQuota", "LimitRange", "NetworkPolicy", "RuntimeClass", "StorageClass", "IngressClass"),
    ("ServiceAccount", "Secret", "ConfigMap"),
    ("PersistentVolume", "PersistentVolumeClaim"),
    ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
)
_AFTER_CHARTS: tuple[tuple[str, ...], ...] = (
    ("Service",),
    ("DaemonSet", "Pod", "ReplicationController", "ReplicaSet", "Deployment", "StatefulSet"),
    ("HorizontalPodAutoscaler", "PodDisruptionBudget"),
    ("Job", "CronJob"),
    ("Ingress",),
)
_LAST = ("APIService", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")

FIRST = 0
"""Rank of the kinds that must be ready before anything else is applied."""
CHARTS = len(_GROUPS)
"""Rank of a component's charts: their objects find accounts, settings and claims, and bring kinds of their own."""
CUSTOM = CHARTS + len(_AFTER_CHARTS) + 1
"""Rank of custom resources, and of everything that is not listed."""

_RANKS = {kind: place for place, kinds in enumerate(_GROUPS) for kind in kinds}
_RANKS |= {kind: CHARTS + 1 + place for place, kinds in enumerate(_AFTER_CHARTS) for kind in kinds}
_RANKS |= dict.fromkeys(_LAST, CUSTOM + 1)


def rank(identity: ObjectIdentity) -> int:
    """Return the place of an object's kind: lower ones are applied first. Kinds not listed are custom resources."""
    return _RANKS.get(identity.kind, CUSTOM)
