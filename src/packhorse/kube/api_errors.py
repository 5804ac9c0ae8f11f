"""What an API server's refusal means: from the ``Status`` object that it answers with to Packhorse's errors. Pure."""

import re

from packhorse.base.errors import ClusterError
from packhorse.kube.errors import FieldConflict, FieldConflictError, InvalidObjectError, StaleObjectError
from packhorse.kube.fields import mapping, objects
from packhorse.kube.object_identity import KubeObject

__all__ = ["refusal"]

_CONFLICT_MANAGER = re.compile(r'conflict with "(?P<manager>.*?)"(?: with subresource "(?P<subresource>[^"]*)")?')
_OBJECT_VALUE = re.compile(r"\w+ value: [{\[].*[}\]]: ", re.DOTALL)
_MAX_SHOWN = 600
_HINTS = {
    401: "the credentials in the kubeconfig are not accepted (any more)",
    403: "ask whoever runs the cluster for the right to do it",
    503: "the API server is overloaded or starting; try again",
}


def refusal(doing: str, status_code: int, status: KubeObject) -> ClusterError:
    """Return the error for an answer with a status code of 400 or more.

    Args:
        doing: What was tried: ``apply Deployment/api in shop``.
        status_code: Of the HTTP answer.
        status: The ``Status`` object in its body; empty when the body was something else.
    """
    reason = str(status.get("reason", ""))
    causes = list(objects(mapping(status.get("details")).get("causes")))
    message = str(status.get("message") or f"HTTP status {status_code}")
    if reason == "Invalid" and causes:
        # The message itself may hold the whole object, with everything secret in it.
        message = "; ".join(_invalid(cause) for cause in causes)
    said = f"cannot {doing}: {_short(message)}"
    conflicts = [_conflict(cause) for cause in causes if cause.get("reason") == "FieldManagerConflict"]
    if conflicts:
        owned = "; ".join(f"{each.manager} owns {each.field}" for each in conflicts)
        return FieldConflictError(f"cannot {doing}: {owned}", conflicts, hint="--force-conflicts takes the fields over")
    if reason in {"AlreadyExists", "Conflict"}:
        return StaleObjectError(said)
    if reason in {"Invalid", "BadRequest"}:
        return InvalidObjectError(said)
    return ClusterError(said, hint=_HINTS.get(status_code))


def _conflict(cause: KubeObject) -> FieldConflict:
    message = str(cause.get("message", ""))
    match = _CONFLICT_MANAGER.search(message)
    manager = match.group("manager") if match else message
    if match and match.group("subresource"):
        manager += f" ({match.group('subresource')})"
    return FieldConflict(manager, str(cause.get("field", "")))


def _invalid(cause: KubeObject) -> str:
    """Say what is wrong with a field: ``spec.template: field is immutable``, without a value that is an object."""
    message = str(cause.get("message", ""))
    match = _OBJECT_VALUE.match(message)
    told = message[match.end() :] if match else message
    field = cause.get("field")
    return f"{field}: {told}" if field else told


def _short(message: str) -> str:
    return message if len(message) <= _MAX_SHOWN else message[: _MAX_SHOWN - 1] + "…"
