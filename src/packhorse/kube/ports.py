"""What the rooms above need of a cluster, as small Protocols. Implementations are safe to use from several threads.

Besides the errors that are named, every method raises :class:`NetworkError` when the API server can't be reached or
doesn't answer in time, and :class:`ClusterError` when it refuses (no right to do it, admission, an internal error).
"""

from dataclasses import dataclass
from typing import Protocol

from packhorse.kube.object_identity import KubeObject, ObjectIdentity

__all__ = [
    "FIELD_MANAGER",
    "ApplyOptions",
    "Cluster",
    "Discovery",
    "EventReader",
    "LogReader",
    "ObjectReader",
    "ObjectStore",
    "ObjectWriter",
    "ServedKind",
]

FIELD_MANAGER = "packhorse"
"""The field manager of everything that Packhorse applies itself."""


@dataclass(frozen=True, slots=True)
class ServedKind:
    """A kind that the API serves and that can be listed."""

    api_version: str
    kind: str


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How to apply: for whom, and how much to insist."""

    manager: str = FIELD_MANAGER
    force: bool = False
    """Take over fields that other managers own."""
    dry_run: bool = False
    """Go through defaulting, validation and admission, and store nothing."""
    strict: bool = True
    """Refuse fields that the kind doesn't have, and duplicates."""


class Discovery(Protocol):
    """What the API serves. Answers are remembered; that a kind is missing never is."""

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of this kind live in namespaces.

        Raises:
            NotServedError: The API has no such kind.
        """

    def keeps_status(self, api_version: str, kind: str) -> bool:
        """Whether objects of this kind have a status that is written apart, as controllers do.

        Raises:
            NotServedError: The API has no such kind.
        """

    def namespaced_kinds(self) -> tuple[ServedKind, ...]:
        """List every kind whose objects live in namespaces and can be listed, each in its preferred version."""

    def server_version(self) -> str:
        """Return the API server's version: ``v1.34.4``."""


class ObjectReader(Protocol):
    """Reads objects of any kind."""

    def get(self, identity: ObjectIdentity) -> KubeObject | None:
        """Return the object, or None when there is none.

        Raises:
            NotServedError: The API has no such kind.
        """

    def list(self, kind: ServedKind, *, namespace: str = "", labels: str = "") -> tuple[KubeObject, ...]:
        """Return all objects of a kind, in any order.

        Args:
            kind: What to list.
            namespace: Only of this namespace; empty for all of them.
            labels: A label selector, as ``app=shop,tier in (web)``.

        Raises:
            NotServedError: The API has no such kind.
        """


class ObjectWriter(Protocol):
    """Changes objects of any kind. Every write names the namespace in ``metadata`` where the kind has one."""

    def apply(self, obj: KubeObject, options: ApplyOptions) -> KubeObject:
        """Make the object have these fields (server-side apply), and return it as it is then; idempotent.

        Raises:
            FieldConflictError: Other managers own some of the fields, and ``options.force`` is not set.
            InvalidObjectError: It's not valid, or changes what may not change.
            NotServedError: The API has no such kind.
        """

    def create(self, obj: KubeObject) -> KubeObject:
        """Create the object; atomic.

        Raises:
            StaleObjectError: There is one of this name.
        """

    def replace(self, obj: KubeObject) -> KubeObject:
        """Replace the object; atomic, and only if it is still at the ``metadata.resourceVersion`` given.

        Raises:
            StaleObjectError: It changed since, or is gone.
        """

    def delete(self, identity: ObjectIdentity, *, uid: str = "") -> bool:
        """Ask for the object's deletion, its dependents in the background; False when there was none.

        Args:
            identity: What to delete.
            uid: Delete only this very object, not one of the same name that came after it.
        """


class ObjectStore(ObjectReader, ObjectWriter, Protocol):
    """Reads and changes objects."""


class EventReader(Protocol):
    """Reads what happened to an object."""

    def events(self, namespace: str, uid: str) -> tuple[KubeObject, ...]:
        """Return the events about the object with this ``metadata.uid``, the newest last."""


class LogReader(Protocol):
    """Reads what containers wrote."""

    def log_tail(self, pod: ObjectIdentity, container: str, *, lines: int, previous: bool = False) -> tuple[str, ...]:
        """Return the last lines of a container's log; empty when there is none to be had.

        Args:
            pod: The pod.
            container: Its name.
            lines: How many at most.
            previous: Of the run before the last restart.
        """


class Cluster(Discovery, ObjectReader, ObjectWriter, EventReader, LogReader, Protocol):
    """All of it."""
