"""Release records in the cluster, as Secrets of the namespace ``packhorse-system``.

One Secret for each revision, ``packhorse.release.NAME.vREVISION`` of type ``packhorse.dev/release``; labels repeat the
name, the revision and the status, so that they can be found with kubectl. Creating and replacing are atomic, which is
what keeps two deployments from writing the same revision.
"""

import base64
import binascii

from packhorse.base.errors import ClusterError, IntegrityError
from packhorse.deploy.record import ReleaseRecord, decode_record, encode_record
from packhorse.kube.errors import StaleObjectError
from packhorse.kube.fields import labels, mapping
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ObjectStore, ServedKind

__all__ = ["CREATED_BY", "RECORD_NAMESPACE", "RecordStore"]

RECORD_NAMESPACE = "packhorse-system"
CREATED_BY = "packhorse.dev/created-by"
"""Label of namespaces that Packhorse made."""

_KEPT_REVISIONS = 10
_TYPE = "packhorse.dev/release"
_RELEASE = "packhorse.dev/release"
_REVISION = "packhorse.dev/revision"
_STATUS = "packhorse.dev/status"
_MANAGED_BY = "app.kubernetes.io/managed-by"
_KEY = "release"
_SECRETS = ServedKind("v1", "Secret")


class RecordStore:
    """All release records of one cluster."""

    def __init__(self, cluster: ObjectStore) -> None:
        self._cluster = cluster

    def ensure_namespace(self) -> None:
        """Create the namespace of the records, if it is not there.

        Raises:
            ClusterError: It is just being deleted.
        """
        identity = ObjectIdentity("v1", "Namespace", "", RECORD_NAMESPACE)
        live = self._cluster.get(identity)
        if live is not None and mapping(live.get("metadata")).get("deletionTimestamp"):
            raise ClusterError(f"{identity} is being deleted", hint="try again when it is gone")
        if live is not None:
            return
        metadata = {"name": RECORD_NAMESPACE, "labels": {CREATED_BY: "packhorse", _MANAGED_BY: "packhorse"}}
        try:
            self._cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        except StaleObjectError:
            return

    def releases(self) -> tuple[ReleaseRecord, ...]:
        """Return the newest record of every release, by name."""
        newest: dict[str, ReleaseRecord] = {}
        for record in self._read(f"{_MANAGED_BY}=packhorse"):
            known = newest.get(record.name)
            if known is None or record.revision > known.revision:
                newest[record.name] = record
        return tuple(newest[name] for name in sorted(newest))

    def history(self, name: str) -> tuple[ReleaseRecord, ...]:
        """Return all records of a release, the newest first."""
        found = self._read(f"{_MANAGED_BY}=packhorse,{_RELEASE}={name}")
        return tuple(sorted(found, key=lambda record: record.revision, reverse=True))

    def create(self, record: ReleaseRecord) -> None:
        """Write the record of a new revision.

        Raises:
            ClusterError: Another deployment wrote this revision first.
        """
        try:
            self._cluster.create(_secret(record))
        except StaleObjectError as error:
            raise ClusterError(
                f"revision {record.revision} of {record.name} was made by another deployment meanwhile",
                hint="look at packhorse status, then plan again",
            ) from error

    def update(self, record: ReleaseRecord) -> None:
        """Write the record of a revision again, whatever it says now; nothing is done when it is gone."""
        live = self._cluster.get(_identity(record))
        if live is None:
            return
        secret = _secret(record)
        secret["metadata"]["resourceVersion"] = mapping(live.get("metadata")).get("resourceVersion")
        self._cluster.replace(secret)

    def supersede(self, newest: ReleaseRecord) -> None:
        """Say in every older record that it is not what runs, and prune them; the last acts of a deployment."""
        for older in self.history(newest.name):
            if older.revision < newest.revision and older.claims_to_run:
                self.update(older.with_status("superseded" if older.status == "deployed" else "failed"))
        self.prune(newest.name)

    def prune(self, name: str) -> None:
        """Delete the oldest records, so that ten are left; the newest that went well is never among them."""
        records = self.history(name)
        good = next((record for record in records if record.status == "deployed"), None)
        for record in records[_KEPT_REVISIONS:]:
            if record is not good:
                self.delete(record)

    def delete(self, record: ReleaseRecord) -> None:
        """Delete the record of one revision."""
        self._cluster.delete(_identity(record))

    def _read(self, selector: str) -> list[ReleaseRecord]:
        secrets = self._cluster.list(_SECRETS, namespace=RECORD_NAMESPACE, labels=selector)
        return [_record(secret) for secret in secrets if secret.get("type") == _TYPE]


def _identity(record: ReleaseRecord) -> ObjectIdentity:
    name = f"packhorse.release.{record.name}.v{record.revision}"
    return ObjectIdentity("v1", "Secret", RECORD_NAMESPACE, name)


def _secret(record: ReleaseRecord) -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": _TYPE,
        "metadata": {
            "name": _identity(record).name,
            "namespace": RECORD_NAMESPACE,
            "labels": {
                _MANAGED_BY: "packhorse",
                _RELEASE: record.name,
                _REVISION: str(record.revision),
                _STATUS: record.status,
            },
        },
        "data": {_KEY: base64.b64encode(encode_record(record)).decode()},
    }


def _record(secret: KubeObject) -> ReleaseRecord:
    where = str(mapping(secret.get("metadata")).get("name"))
    try:
        content = base64.b64decode(str(mapping(secret.get("data")).get(_KEY, "")), validate=True)
    except binascii.Error as error:
        raise IntegrityError(f"the release record {where} cannot be read: {error}") from error
    record = decode_record(content, where)
    if labels(secret).get(_RELEASE) != record.name:
        raise IntegrityError(f"the release record {where} says that it is of {record.name!r}: its label says otherwise")
    return record
