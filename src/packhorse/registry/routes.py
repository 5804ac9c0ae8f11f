"""From a request's path to what it asks for (distribution-spec, "Endpoints")."""

import re
from enum import Enum

import msgspec

__all__ = ["Operation", "Route", "parse_route"]

_MAX_NAME_LENGTH = 512
# Looser than the specification: where a registry host stands first, it may have a port.
_NAME = re.compile(r"[A-Za-z0-9._:\[\]-]+(?:/[a-z0-9._-]+)*", re.ASCII)
_FORMS = re.compile(
    r"/v2/(?P<name>.+)/(?:manifests/(?P<manifest>[^/]+)|blobs/(?P<blob>[^/]+)|tags/(?P<tags>list)"
    r"|referrers/(?P<referrers>[^/]+)|blobs/(?P<upload>uploads(?:/[^/]*)?))/?"
)


class Operation(Enum):
    """What a request is about."""

    BASE = "base"
    CATALOG = "catalog"
    MANIFEST = "manifest"
    BLOB = "blob"
    TAGS = "tags"
    REFERRERS = "referrers"
    UPLOADS = "uploads"
    UPLOAD = "upload"
    HEALTH = "health"
    READY = "ready"
    PAGE = "page"
    METRICS = "metrics"
    PROBE = "probe"
    TOKEN = "token"  # noqa: S105 - the operation
    OTHER = "other"


class Route(msgspec.Struct, frozen=True):
    """An operation, the repository as the client writes it, and the tag or digest."""

    operation: Operation
    name: str = ""
    target: str = ""

    @property
    def has_valid_name(self) -> bool:
        """Whether the repository can be one."""
        return len(self.name) <= _MAX_NAME_LENGTH and _NAME.fullmatch(self.name) is not None


_FIXED = {
    "/v2": Route(Operation.BASE),
    "/v2/": Route(Operation.BASE),
    "/v2/_catalog": Route(Operation.CATALOG),
    "/healthz": Route(Operation.HEALTH),
    "/readyz": Route(Operation.READY),
    "/": Route(Operation.PAGE),
    "/ui": Route(Operation.PAGE),
    "/metrics": Route(Operation.METRICS),
    "/token": Route(Operation.TOKEN),
}
_PROBE_PREFIX = "/probe/"
_PAGE_PREFIX = "/ui/"


def parse_route(path: str) -> Route:
    """Read a decoded path. The last words decide, so a repository may itself be called ``blobs/manifests``."""
    if (fixed := _FIXED.get(path)) is not None:
        return fixed
    if path.startswith(_PROBE_PREFIX):
        return Route(Operation.PROBE, target=path.removeprefix(_PROBE_PREFIX))
    if path.startswith(_PAGE_PREFIX):
        return Route(Operation.PAGE, target=path.removeprefix(_PAGE_PREFIX))
    match = _FORMS.fullmatch(path)
    if match is None:
        return Route(Operation.OTHER)
    kind = match.lastgroup
    target = match[kind] if kind is not None else ""
    # POST /v2/<name>/blobs/uploads has the form of a blob.
    if target in ("uploads", "uploads/") and kind in ("blob", "upload"):
        return Route(Operation.UPLOADS, match["name"])
    return Route(Operation(kind), match["name"], target.removeprefix("uploads/") if kind == "upload" else target)
