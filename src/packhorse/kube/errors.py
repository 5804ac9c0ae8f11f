"""What a Kubernetes API may refuse in a way that its callers act on; all are :class:`ClusterError`."""

from collections.abc import Sequence
from dataclasses import dataclass

from packhorse.base.errors import ClusterError

__all__ = ["FieldConflict", "FieldConflictError", "InvalidObjectError", "NotServedError", "StaleObjectError"]


class NotServedError(ClusterError):
    """The API server has no such kind, or not in this version: its CustomResourceDefinition is not there (yet)."""


class InvalidObjectError(ClusterError):
    """The API server read the object and found it invalid, or a field changed that may not change."""


class StaleObjectError(ClusterError):
    """Someone else was faster: the object to create is there, or the object to replace has changed since."""


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that another manager owns with another value (server-side apply)."""

    manager: str
    field: str
    """As the API writes it: ``.spec.replicas``."""


class FieldConflictError(ClusterError):
    """Applying would change fields that another manager owns."""

    def __init__(self, message: str, conflicts: Sequence[FieldConflict], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.conflicts = tuple(conflicts)
