"""The record that a release leaves in the cluster: what was deployed, and every object that it made. Pure.

Nothing in it is secret: of sensitive variables, and of chart values, it has salted hashes that only tell whether
something changed. How it becomes a Secret is in :mod:`packhorse.deploy.record_store`.
"""

import gzip
import hashlib
import hmac
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from packhorse.base.errors import IntegrityError
from packhorse.base.json_decoder import decode_as
from packhorse.deploy.model import RecordSummary
from packhorse.kube.object_identity import ObjectIdentity

__all__ = [
    "RecordedChart",
    "RecordedObject",
    "ReleaseRecord",
    "ReleaseStatus",
    "decode_record",
    "encode_record",
    "known_charts",
    "known_objects",
    "salted_digest",
]

ReleaseStatus = Literal["deploying", "deployed", "failed", "superseded", "removing"]

_HASH_ROUNDS = 100_000
"""Of PBKDF2: what it costs to try one guess at a weak password that someone with the record wants to find."""
_MAX_RECORD_BYTES = 32 * 1024 * 1024


class _Part(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """What the parts share. Keys that a newer version added are passed over."""


class RecordedObject(_Part, frozen=True):
    """An object that the release applied itself, or a hook or definition that Helm leaves behind for it."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    component: str = ""
    adopted: bool = False
    """It was there before; removal leaves it."""
    hidden: tuple[str, ...] = ()
    """Paths of fields that hold sensitive values, so that a later plan doesn't show them."""

    @property
    def identity(self) -> ObjectIdentity:
        """Which object it is."""
        return ObjectIdentity(self.api_version, self.kind, self.namespace, self.name)

    @classmethod
    def of(
        cls, identity: ObjectIdentity, component: str, *, adopted: bool = False, hidden: tuple[str, ...] = ()
    ) -> "RecordedObject":
        """Record an object."""
        return cls(
            api_version=identity.api_version,
            kind=identity.kind,
            name=identity.name,
            namespace=identity.namespace,
            component=component,
            adopted=adopted,
            hidden=hidden,
        )


class RecordedChart(_Part, frozen=True):
    """A Helm release that belongs to the release."""

    component: str
    chart: str
    release: str
    namespace: str
    objects: tuple[RecordedObject, ...] = ()
    """What Helm installed, hooks left out."""
    inputs_digest: str = ""
    """Salted digest of archive and values, as last installed; empty when the installation did not end well."""
    hooks: tuple[RecordedObject, ...] = ()
    """Hooks, which Helm does not remove with the release."""
    definitions: tuple[RecordedObject, ...] = ()
    """What its ``crds/`` brought, which Helm never removes."""


class ReleaseRecord(_Part, frozen=True):
    """One revision of a release."""

    name: str
    version: str
    revision: int
    status: ReleaseStatus
    root_digest: str
    schema: int = 1
    components: tuple[str, ...] = ()
    objects: tuple[RecordedObject, ...] = ()
    charts: tuple[RecordedChart, ...] = ()
    namespaces: tuple[str, ...] = ()
    """Namespaces that the release made."""
    variables: dict[str, Any] = {}
    """Values of the variables that are not sensitive."""
    hidden_variables: dict[str, str] = {}
    """Salted digests of those that are."""
    salt: str = ""
    """In hexadecimal; the same for all revisions of a release."""
    started: float = 0.0
    """Seconds since 1970, UTC; so is ``ended``."""
    ended: float = 0.0
    message: str = ""
    """Why it failed."""

    @property
    def summary(self) -> RecordSummary:
        """What a plan shows of it."""
        return RecordSummary(self.version, self.revision, self.status, self.root_digest)

    @property
    def claims_to_run(self) -> bool:
        """Whether it says that its revision runs, or is about to: of one release, only the newest may."""
        return self.status in {"deployed", "deploying"}

    def with_status(self, status: ReleaseStatus, *, ended: float = 0.0, message: str = "") -> "ReleaseRecord":
        """The same revision further on."""
        return msgspec.structs.replace(self, status=status, ended=ended or self.ended, message=message)


def known_objects(history: Sequence[ReleaseRecord]) -> dict[tuple[str, str, str, str], RecordedObject]:
    """Return every object that the release may have made: of its last good revision, and of those that failed since.

    Args:
        history: The newest record first.
    """
    known: dict[tuple[str, str, str, str], RecordedObject] = {}
    for record in _since_last_good(history):
        for recorded in record.objects:
            known.setdefault(recorded.identity.key, recorded)
    return known


def known_charts(history: Sequence[ReleaseRecord]) -> dict[tuple[str, str], RecordedChart]:
    """Return every chart that the release may have installed, by Helm release and namespace; as for objects."""
    known: dict[tuple[str, str], RecordedChart] = {}
    for record in _since_last_good(history):
        for chart in record.charts:
            known.setdefault((chart.release, chart.namespace), chart)
    return known


def _since_last_good(history: Sequence[ReleaseRecord]) -> Iterator[ReleaseRecord]:
    for record in history:
        yield record
        if record.status in {"deployed", "superseded"}:
            return


def encode_record(record: ReleaseRecord) -> bytes:
    """Return a record as compressed JSON; the same record gives the same bytes."""
    return gzip.compress(msgspec.json.encode(record), mtime=0)


def decode_record(content: bytes, where: str) -> ReleaseRecord:
    """Read what :func:`encode_record` wrote.

    Raises:
        IntegrityError: It is damaged, or was written by a newer version whose records have another meaning.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            plain = stream.read(_MAX_RECORD_BYTES + 1)
        if len(plain) > _MAX_RECORD_BYTES:
            raise IntegrityError(f"the release record {where} is larger than {_MAX_RECORD_BYTES} bytes")
        record = decode_as(plain, ReleaseRecord)
    except (OSError, EOFError, ValueError, msgspec.MsgspecError) as error:
        raise IntegrityError(f"the release record {where} cannot be read: {error}") from error
    if record.schema != 1:
        raise IntegrityError(
            f"the release record {where} has version {record.schema}, expected 1", hint="use a newer packhorse"
        )
    return record


def salted_digest(salt: str, values: Mapping[str, Any] | str | bytes) -> str:
    """Return a digest by which a change is seen, and from which a weak password is costly to guess.

    Args:
        salt: In hexadecimal.
        values: What to digest: text, bytes, or anything that is JSON, whose keys' order doesn't count.
    """
    if isinstance(values, bytes):
        plain = values
    elif isinstance(values, str):
        plain = values.encode()
    else:
        plain = json.dumps(values, sort_keys=True).encode()
    # The content may be a chart of megabytes: it is hashed once, and only its hash goes through all the rounds.
    once = hmac.digest(bytes.fromhex(salt), plain, "sha256")
    return hashlib.pbkdf2_hmac("sha256", once, bytes.fromhex(salt), _HASH_ROUNDS).hex()
