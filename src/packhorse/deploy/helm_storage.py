"""The records that Helm keeps of its releases, as far as an interrupted deployment needs them put right.

Helm stores each revision in a Secret of type ``helm.sh/release.v1`` whose labels have its status and version, and whose
``release`` is JSON, compressed, in Base64 (Helm, ``pkg/storage/driver/secrets.go`` and ``util.go``). A Helm that was
killed leaves a revision ``pending-…``, and every later operation is refused because of it.
"""

import base64
import gzip
import json
from dataclasses import dataclass
from typing import Any

from packhorse.base.errors import ClusterError
from packhorse.kube.fields import labels, mapping
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ObjectReader, ObjectStore, ServedKind

__all__ = ["HelmHistory", "helm_history", "put_right"]

_SECRETS = ServedKind("v1", "Secret")
_TYPE = "helm.sh/release.v1"


@dataclass(frozen=True, slots=True)
class HelmHistory:
    """The statuses of a Helm release's revisions, the newest first."""

    statuses: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether there is such a release."""
        return bool(self.statuses)

    @property
    def is_pending(self) -> bool:
        """Whether an operation is under way, or was when its Helm was killed."""
        return self.exists and self.statuses[0].startswith("pending-")

    @property
    def never_worked(self) -> bool:
        """Whether no revision was ever installed to its end."""
        return not {"deployed", "superseded"} & set(self.statuses)


def helm_history(cluster: ObjectReader, name: str, namespace: str) -> HelmHistory:
    """Read the statuses of a release's revisions."""
    return HelmHistory(tuple(str(labels(each).get("status", "")) for each in _records(cluster, name, namespace)))


def put_right(cluster: ObjectStore, name: str, namespace: str) -> None:
    """Make Helm go on with a release that was interrupted or whose first installation failed.

    A release that never worked is forgotten, so that it is installed again with all its hooks: as an upgrade, the hooks
    for installations would be left out. Its objects stay, and the installation takes them over. Else a revision that is
    pending counts as failed from now on.

    Raises:
        ClusterError: Helm's record can't be read.
    """
    records = _records(cluster, name, namespace)
    history = helm_history(cluster, name, namespace)
    if history.never_worked:
        for record in records:
            cluster.delete(ObjectIdentity.of(record))
    elif history.is_pending:
        cluster.replace(_failed(records[0]))


def _records(cluster: ObjectReader, name: str, namespace: str) -> list[KubeObject]:
    found = cluster.list(_SECRETS, namespace=namespace, labels=f"owner=helm,name={name}")
    return sorted((each for each in found if each.get("type") == _TYPE), key=_revision, reverse=True)


def _revision(record: KubeObject) -> int:
    version = str(labels(record).get("version", ""))
    return int(version) if version.isdigit() else 0


def _failed(record: KubeObject) -> KubeObject:
    release = _decode(record)
    release["info"] = {**mapping(release.get("info")), "status": "failed", "description": "was interrupted"}
    metadata = {**record["metadata"], "labels": {**labels(record), "status": "failed"}}
    return {**record, "metadata": metadata, "data": {**mapping(record.get("data")), "release": _encode(release)}}


def _decode(record: KubeObject) -> dict[str, Any]:
    try:
        inner = base64.b64decode(base64.b64decode(str(mapping(record.get("data")).get("release", ""))))
        release = json.loads(gzip.decompress(inner))
    except (ValueError, OSError, EOFError) as error:
        raise ClusterError(f"Helm's record {ObjectIdentity.of(record).title} can't be read: {error}") from error
    if not isinstance(release, dict):
        raise ClusterError(f"Helm's record {ObjectIdentity.of(record).title} holds no release")
    return release


def _encode(release: dict[str, Any]) -> str:
    inner = base64.b64encode(gzip.compress(json.dumps(release).encode()))
    return base64.b64encode(inner).decode()
