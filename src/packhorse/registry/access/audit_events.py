"""What goes into the audit log: each blob, manifest and tag that came or went, and each refusal.

A request that shows no login and is asked for one is how every login begins, so it is no refusal unless it would have
changed something. A part of an upload changes nothing that anybody could see; its end does.
"""

import json

from packhorse.registry.access.audit import Event
from packhorse.registry.aiohttp_server import web
from packhorse.registry.answers import Answer
from packhorse.registry.gate import LOGIN, REFUSED, USER
from packhorse.registry.request_log import request_id
from packhorse.registry.routes import Operation, Route

__all__ = ["event_of"]

_READS = frozenset({"GET", "HEAD"})
_REFUSALS = frozenset({401, 403, 429, 503})
_LONGEST = 512


def event_of(route: Route, request: web.BaseRequest, answer: Answer) -> Event | None:
    """Return the event for a request and its answer; None where there is none."""
    action = _action(route, request.method)
    if answer.status in _REFUSALS:
        if answer.status == 401 and action is None and REFUSED not in request:  # noqa: PLR2004 - a challenge
            return None
        outcome = "refused"
    elif action is not None and answer.status in (201, 202) and not _goes_on(route, request.method, answer):
        outcome = "done"
    else:
        return None
    return {
        "request": request_id.get() or None,
        "user": request.get(USER) or None,
        "login": request.get(LOGIN) if request.get(USER) and REFUSED not in request else None,
        "address": request.remote,
        "action": action or ("login" if route.operation is Operation.TOKEN else "read"),
        "repository": route.name[:_LONGEST] or None,
        "namespace": request.query.get("ns", "")[:_LONGEST] or None,
        "target": _target(route, request)[:_LONGEST] or None,
        "digest": answer.headers.get("Docker-Content-Digest"),
        "outcome": outcome,
        "status": answer.status,
        "reason": request.get(REFUSED) or (_message(answer) if outcome == "refused" else None),
    }


def _action(route: Route, method: str) -> str | None:
    """Name what changes something; None for what only reads."""
    if method in _READS:
        return None
    if route.operation in (Operation.UPLOADS, Operation.UPLOAD):
        return "cancel upload" if method == "DELETE" else "push blob"
    if route.operation is Operation.MANIFEST:
        return "delete manifest" if method == "DELETE" else "push manifest"
    return "delete blob" if route.operation is Operation.BLOB and method == "DELETE" else None


def _goes_on(route: Route, method: str, answer: Answer) -> bool:
    """Whether the answer is about a part of an upload."""
    return route.operation in (Operation.UPLOADS, Operation.UPLOAD) and method != "DELETE" and answer.status != 201  # noqa: PLR2004


def _target(route: Route, request: web.BaseRequest) -> str:
    if route.operation in (Operation.UPLOADS, Operation.UPLOAD):
        return request.query.get("mount") or request.query.get("digest") or ""
    return route.target


def _message(answer: Answer) -> str | None:
    if not isinstance(answer.body, bytes):
        return None
    try:
        found = json.loads(answer.body)["errors"][0]["message"]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return str(found)[:_LONGEST]
