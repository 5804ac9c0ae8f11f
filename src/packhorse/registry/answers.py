"""What the registry answers: a status, headers, and a body in memory or a run of stored content."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from urllib.parse import quote, urlencode

import msgspec

from packhorse.oci import media_types
from packhorse.oci.model import Descriptor
from packhorse.registry.ranges import Span

__all__ = [
    "Answer",
    "Code",
    "Content",
    "Page",
    "identified",
    "json_answer",
    "list_answer",
    "not_a_digest",
    "page_of",
    "referrers_answer",
    "refusal",
]

MAX_PAGE = 10_000
"""The most names, tags or referrers in one answer; the rest is behind its ``Link``."""

_JSON = "application/json"


class Code(Enum):
    """Error codes of the specification ("Error Codes"); the value is what is sent."""

    BLOB_UNKNOWN = "BLOB_UNKNOWN"
    BLOB_UPLOAD_INVALID = "BLOB_UPLOAD_INVALID"
    BLOB_UPLOAD_UNKNOWN = "BLOB_UPLOAD_UNKNOWN"
    DENIED = "DENIED"
    DIGEST_INVALID = "DIGEST_INVALID"
    MANIFEST_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"
    NAME_INVALID = "NAME_INVALID"
    NAME_UNKNOWN = "NAME_UNKNOWN"
    PAGINATION_NUMBER_INVALID = "PAGINATION_NUMBER_INVALID"
    RANGE_INVALID = "RANGE_INVALID"
    SIZE_INVALID = "SIZE_INVALID"
    TAG_INVALID = "TAG_INVALID"
    TOOMANYREQUESTS = "TOOMANYREQUESTS"
    UNAUTHORIZED = "UNAUTHORIZED"
    UNKNOWN = "UNKNOWN"
    UNSUPPORTED = "UNSUPPORTED"


_STATUS = {
    Code.BLOB_UNKNOWN: 404,
    Code.BLOB_UPLOAD_INVALID: 400,
    Code.BLOB_UPLOAD_UNKNOWN: 404,
    Code.DENIED: 403,
    Code.DIGEST_INVALID: 400,
    Code.MANIFEST_BLOB_UNKNOWN: 404,
    Code.MANIFEST_INVALID: 400,
    Code.MANIFEST_UNKNOWN: 404,
    Code.NAME_INVALID: 400,
    Code.NAME_UNKNOWN: 404,
    Code.PAGINATION_NUMBER_INVALID: 400,
    Code.RANGE_INVALID: 416,
    Code.SIZE_INVALID: 413,
    Code.TAG_INVALID: 400,
    Code.TOOMANYREQUESTS: 429,
    Code.UNAUTHORIZED: 401,
    Code.UNKNOWN: 500,
    Code.UNSUPPORTED: 405,
}


class Content(msgspec.Struct, frozen=True):
    """A run of stored content; a manifest may come from memory."""

    descriptor: Descriptor
    span: Span
    is_manifest: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to any method: a HEAD gets it without its body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Content = b""

    @property
    def length(self) -> int:
        """How many bytes the body has."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.span.length


class Page(msgspec.Struct, frozen=True):
    """A part of a sorted list, and what to ask for next; None at the end."""

    items: Sequence[str]
    next_last: str | None


def json_answer(value: object, *, status: int = 200, media_type: str = _JSON) -> Answer:
    """Answer with JSON."""
    return Answer(status, {"Content-Type": media_type}, json.dumps(value).encode())


def refusal(code: Code, message: str, status: int | None = None, **headers: str) -> Answer:
    """Answer with an error in the specification's form; underscores in ``headers`` stand for dashes."""
    errors = [{"code": code.value, "message": message, "detail": None}]
    answer = json_answer({"errors": errors}, status=_STATUS[code] if status is None else status)
    answer.headers.update((name.replace("_", "-"), value) for name, value in headers.items())
    return answer


def not_a_digest(text: str) -> Answer:
    """Answer to what stands where a digest must."""
    return refusal(Code.DIGEST_INVALID, f"{text[:160]!r} is not a digest")


def identified(answer: Answer, request_id: str) -> Answer:
    """Give an error the id of its request in its ``detail``, so that whoever reports it can be helped."""
    if answer.status < HTTPStatus.BAD_REQUEST or answer.headers.get("Content-Type") != _JSON:
        return answer
    body = json.loads(answer.body) if isinstance(answer.body, bytes) and answer.body else None
    if not isinstance(body, dict) or "errors" not in body:
        return answer
    for error in body["errors"]:
        detail = error.get("detail")
        if detail is None or isinstance(detail, dict):
            error["detail"] = {**(detail or {}), "requestId": request_id}
    return Answer(answer.status, answer.headers, json.dumps(body).encode())


def page_of(items: Sequence[str], count: int | None, last: str | None) -> Page:
    """Cut a page out of a sorted list.

    Args:
        items: The whole list, sorted.
        count: How many items the client wants; None for as many as go.
        last: The page begins after this item, which need not be in the list.
    """
    rest = [item for item in items if item > last] if last else items
    size = MAX_PAGE if count is None else min(count, MAX_PAGE)
    page = rest[:size]
    return Page(page, page[-1] if page and len(rest) > size else None)


def list_answer(value: dict[str, object], page: Page, path: str, query: dict[str, str]) -> Answer:
    """Answer with a page of a list, and a ``Link`` to the next one.

    Args:
        value: The JSON object, with the page's items in it.
        page: The page.
        path: The path that was asked for.
        query: What the next request must say besides where to begin.
    """
    return _linked(json_answer(value), page, path, query)


def referrers_answer(descriptors: Sequence[Descriptor], path: str, query: dict[str, str]) -> Answer:
    """Answer with an index of referrers (distribution-spec, "Listing Referrers").

    Args:
        descriptors: All that match, sorted by digest.
        path: The path that was asked for.
        query: ``artifactType`` when it filtered, ``last`` for a later page, ``ns``.
    """
    page = page_of([item.digest for item in descriptors], None, query.get("last"))
    on_page = set(page.items)
    index = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_INDEX,
        "manifests": [msgspec.to_builtins(item, enc_hook=str) for item in descriptors if item.digest in on_page],
    }
    return _linked(json_answer(index, media_type=media_types.OCI_INDEX), page, path, query)


def _linked(answer: Answer, page: Page, path: str, query: dict[str, str]) -> Answer:
    if page.next_last is not None:
        following = urlencode({**query, "last": page.next_last})
        answer.headers["Link"] = f'<{quote(path)}?{following}>; rel="next"'
    return answer
