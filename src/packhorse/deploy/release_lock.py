"""One deployment of a release at a time: a Lease in ``packhorse-system`` (coordination.k8s.io).

Who holds it renews it while it works. A holder that was killed is found out: on the same machine at once, by its
process id and start; from another one when it has not renewed the lease for a while.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self

from packhorse.base.errors import ClusterError, PackhorseError
from packhorse.base.units import format_duration
from packhorse.deploy.record_store import RECORD_NAMESPACE
from packhorse.kube.errors import StaleObjectError
from packhorse.kube.fields import mapping
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ObjectStore

__all__ = ["LockHolder", "ReleaseLock"]

_LEASE_SECONDS = 60
_RENEW_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who deploys."""

    identity: str
    """``user@machine/process``: for people, and to tell one holder from another."""
    is_gone: Callable[[str], bool]
    """Whether the holder of this identity was a process of this very machine that is no more."""


class ReleaseLock:
    """The lock of one release; a context manager."""

    def __init__(
        self, cluster: ObjectStore, name: str, holder: LockHolder, now: Callable[[], float], *, steal: bool = False
    ) -> None:
        """Prepare the lock.

        Args:
            cluster: Where it is.
            name: The release.
            holder: Who asks.
            now: Seconds since 1970, UTC.
            steal: Take it from whoever holds it.
        """
        self._cluster = cluster
        self._identity = ObjectIdentity("coordination.k8s.io/v1", "Lease", RECORD_NAMESPACE, f"packhorse.lock.{name}")
        self._release = name
        self._holder = holder
        self._now = now
        self._steal = steal
        self._version = ""
        self._lost = ""
        self._done = threading.Event()
        self._renewer = threading.Thread(target=self._renew, name="release-lock", daemon=True)

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            ClusterError: Someone else holds it.
        """
        self._take()
        self._renewer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it."""
        self._done.set()
        self._renewer.join()
        live = self._cluster.get(self._identity)
        if live is not None and _holder(live) == self._holder.identity:
            self._cluster.delete(self._identity, uid=str(live["metadata"].get("uid", "")))

    def look(self) -> Literal["free", "abandoned", "held"]:
        """See who holds it: nobody, somebody who is no more, or somebody who may be at work."""
        live = self._cluster.get(self._identity)
        if live is None:
            return "free"
        return "abandoned" if self._may_take(live) else "held"

    def check(self) -> None:
        """Make sure that the lock is still held.

        Raises:
            ClusterError: Someone took it.
        """
        if self._lost:
            raise ClusterError(
                f"this deployment of {self._release} lost its lock: {self._lost}; it stopped where it was",
                hint="look at packhorse status, and deploy again when the other deployment is done",
            )

    def _take(self) -> None:
        live = self._cluster.get(self._identity)
        try:
            if live is None:
                self._version = _version(self._cluster.create(self._lease(None)))
                return
            if not self._may_take(live):
                age = self._now() - _renewed(live)
                raise ClusterError(
                    f"{_holder(live)} is deploying {self._release} now (last sign of life "
                    f"{format_duration(max(age, 0))} ago)",
                    hint="wait for it to end; if it was stopped for good: --steal-lock",
                )
            self._version = _version(self._cluster.replace(self._lease(_version(live))))
        except StaleObjectError as error:
            raise ClusterError(
                f"another deployment of {self._release} began at the same moment", hint="try again when it has ended"
            ) from error

    def _may_take(self, live: KubeObject) -> bool:
        holder = _holder(live)
        expired = self._now() - _renewed(live) > _LEASE_SECONDS
        return self._steal or not holder or expired or self._holder.is_gone(holder)

    def _renew(self) -> None:
        while not self._lost and not self._done.wait(_RENEW_SECONDS):
            try:
                self._renew_once()
            except PackhorseError:
                # The API server may be away for a moment; the lease lasts for several tries.
                continue

    def _renew_once(self) -> None:
        try:
            self._version = _version(self._cluster.replace(self._lease(self._version)))
        except StaleObjectError:
            live = self._cluster.get(self._identity)
            if live is None or _holder(live) != self._holder.identity:
                self._lost = f"{_holder(live) if live is not None else 'someone'} took it"
            else:
                self._version = _version(live)

    def _lease(self, version: str | None) -> KubeObject:
        now = datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "apiVersion": self._identity.api_version,
            "kind": self._identity.kind,
            "metadata": {
                "name": self._identity.name,
                "namespace": self._identity.namespace,
                "labels": {"app.kubernetes.io/managed-by": "packhorse"},
                **({"resourceVersion": version} if version else {}),
            },
            "spec": {
                "holderIdentity": self._holder.identity,
                "leaseDurationSeconds": _LEASE_SECONDS,
                "acquireTime": now,
                "renewTime": now,
            },
        }


def _holder(lease: KubeObject) -> str:
    return str(mapping(lease.get("spec")).get("holderIdentity") or "")


def _version(lease: KubeObject) -> str:
    return str(mapping(lease.get("metadata")).get("resourceVersion", ""))


def _renewed(lease: KubeObject) -> float:
    text = str(mapping(lease.get("spec")).get("renewTime") or "")
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
