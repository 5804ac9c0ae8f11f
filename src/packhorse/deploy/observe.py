"""Looking at the cluster for a plan: what is live, and what applying would make of it (dry run on the server)."""

from collections.abc import Collection
from dataclasses import dataclass, field

from packhorse.base.errors import ClusterError, PackhorseError
from packhorse.kube.errors import FieldConflict, FieldConflictError, InvalidObjectError, NotServedError
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import FIELD_MANAGER, ApplyOptions, ObjectStore

__all__ = ["Observation", "observe"]


_NO_DRY_RUN = "does not support dry run"
"""An admission webhook with side effects says so (AdmissionReview, ``sideEffects``): trying tells nothing then."""


@dataclass(frozen=True, slots=True)
class Observation:
    """How one object is, and how it would be."""

    live: KubeObject | None = field(default=None, repr=False)
    after: KubeObject | None = field(default=None, repr=False)
    """The live object with the desired fields applied, defaults included; None where that can't be known yet."""
    conflicts: tuple[FieldConflict, ...] = ()
    served: bool = True
    """Whether the cluster has the kind at all."""
    error: PackhorseError | None = None
    """Why the object would be refused."""
    immutable: bool = False
    """Whether it is refused only because it exists with other values in fields that can't change."""


@dataclass(frozen=True, slots=True)
class _Manner:
    manager: str
    strict: bool
    force: bool


def observe(
    cluster: ObjectStore,
    identity: ObjectIdentity,
    obj: KubeObject,
    closed_namespaces: Collection[str],
    *,
    manager: str = FIELD_MANAGER,
) -> Observation:
    """Look at one object, and try on the server what applying it would do; nothing is stored.

    Args:
        cluster: Where.
        identity: Which object.
        obj: As it shall be.
        closed_namespaces: Namespaces in which nothing can be tried: not there yet, or on their way out.
        manager: For whom. For another than Packhorse itself, unknown fields pass.

    Raises:
        NetworkError: The API server doesn't answer.
        ClusterError: It refuses to let the object be read.
    """
    own = manager == FIELD_MANAGER
    try:
        live = cluster.get(identity)
    except NotServedError:
        return Observation(served=False)
    if identity.namespace in closed_namespaces:
        return Observation()
    return _tried(cluster, obj, live, _Manner(manager, strict=own, force=False))


def _tried(cluster: ObjectStore, obj: KubeObject, live: KubeObject | None, manner: _Manner) -> Observation:
    try:
        return Observation(live, _try(cluster, obj, manner))
    except FieldConflictError as error:
        # Once more with force, to show what it would change.
        forced = _try(cluster, obj, _Manner(manner.manager, manner.strict, force=True))
        return Observation(live, forced, conflicts=error.conflicts)
    except InvalidObjectError as error:
        if _NO_DRY_RUN in error.message:
            return Observation(live)
        return Observation(live, error=error, immutable=live is not None and _is_immutable(error))
    except ClusterError as error:
        return Observation(live, error=error)


def _is_immutable(error: InvalidObjectError) -> bool:
    # StatefulSets have a message of their own for it.
    return "immutable" in error.message or "updates to statefulset spec for fields other than" in error.message


def _try(cluster: ObjectStore, obj: KubeObject, manner: _Manner) -> KubeObject:
    options = ApplyOptions(manager=manner.manager, force=manner.force, dry_run=True, strict=manner.strict)
    return cluster.apply(obj, options)
