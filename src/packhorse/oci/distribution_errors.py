"""What a registry's refusals mean: error bodies (distribution-spec, "Error Codes") and the messages made of them."""

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from packhorse.base.errors import RegistryError
from packhorse.base.printable import in_one_line

__all__ = ["MAX_ERROR_BODY_BYTES", "ErrorDetail", "NotFoundError", "parse_error_body", "refusal"]

MAX_ERROR_BODY_BYTES = 64 * 1024
"""The most that is read of an error's body."""

_UNAUTHORIZED = 401
_NOT_FOUND = 404
_MAX_ERRORS = 5
_PLAIN_TO_TLS = re.compile(r"HTTP request (was sent )?to an? HTTPS (server|port)", re.IGNORECASE)

_MEANINGS: Mapping[int, str] = {
    401: "it wants a login",
    403: "access is denied",
    404: "it does not have it",
    405: "it does not do this",
    413: "it is too large for it",
    429: "too many requests",
}


class NotFoundError(RegistryError):
    """The registry answers that it has no such manifest, blob or repository."""


class ErrorDetail(msgspec.Struct, frozen=True):
    """One error of a registry's answer; both parts may be empty."""

    code: str
    message: str


def parse_error_body(body: bytes) -> tuple[ErrorDetail, ...]:
    """Read an error body: the errors of the specification's JSON, else the text itself as one, else nothing."""
    text = body[:MAX_ERROR_BODY_BYTES].decode("utf-8", "replace")
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        shown = "" if text.lstrip().startswith("<") else in_one_line(text)
        return (ErrorDetail("", shown),) if shown else ()
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, list):
        errors = [document]
    found = (_detail(error) for error in errors[:_MAX_ERRORS] if isinstance(error, dict))
    return tuple(detail for detail in found if detail.code or detail.message)


def refusal(
    what: str, where: str, status: int, body: bytes, *, tries: int = 1, user: str | None = None
) -> RegistryError:
    """Build the error for an answer that is a refusal.

    Args:
        what: What was asked, as "read the manifest docker.io/library/redis:7.2".
        where: The registry's URL.
        status: The HTTP status.
        body: What came with it, capped by the caller.
        tries: How many times it was asked.
        user: Whose login it was shown; None when there was none to show.
    """
    details = parse_error_body(body)
    said = "; ".join(": ".join(part for part in (detail.code, detail.message) if part) for detail in details)
    meaning = _MEANINGS.get(status, "the registry has a fault" if status >= 500 else "it refuses")  # noqa: PLR2004
    if status == _UNAUTHORIZED and user is not None:
        meaning = f"it refuses the login of {in_one_line(user)}" if user else "it refuses the login"
    after = f" after {tries} tries" if tries > 1 else ""
    message = f"could not {what}\n  from {where}: {meaning}{after} (HTTP {status}{': ' + said if said else ''})"
    family = NotFoundError if status == _NOT_FOUND else RegistryError
    return family(message, hint=_hint(status, where, body, shown=user is not None))


def _detail(error: dict[str, Any]) -> ErrorDetail:
    code, message = error.get("code"), error.get("message", error.get("error"))
    return ErrorDetail(
        in_one_line(code) if isinstance(code, str) else "", in_one_line(message) if isinstance(message, str) else ""
    )


def _hint(status: int, where: str, body: bytes, *, shown: bool) -> str | None:
    host = where.partition("://")[2].partition("/")[0]
    if _PLAIN_TO_TLS.search(body[:1024].decode("latin-1")):
        return f"{host} speaks TLS: do not name it with --plain-http, or write its URL with https"
    if status == _UNAUTHORIZED and shown:
        return "check the user name and the password, or token, that are stored or given for it"
    if status in {_UNAUTHORIZED, 403}:
        return f"log in first (docker login {host}, or podman login {host}), or check what the account may do"
    if status == _NOT_FOUND:
        return "check the name; many registries answer so for what needs a login, too"
    if status == 413:  # noqa: PLR2004
        return f"raise the size limit of {host} or of the proxy before it"
    return None
