"""``/token``: a login is exchanged for a token (Docker's token authentication, and its form with OAuth 2)."""

import json
import time
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs

import msgspec

from packhorse.registry.access.model import Identity, Limit, Limits, Role
from packhorse.registry.access.policy import Grants
from packhorse.registry.access.tokens import SERVICE, TokenMint, parse_scopes
from packhorse.registry.answers import Answer, Code, json_answer, refusal
from packhorse.registry.names import find_repository, writable_name
from packhorse.registry.ports import Catalog
from packhorse.registry.visible_catalog import VisibleCatalog

__all__ = ["MAX_FORM_BYTES", "TokenAsk", "granted", "parse_form", "token_answer"]

MAX_FORM_BYTES = 64 * 1024
_MOST_FIELDS = 128
_ROLES = {"pull": Role.PULL, "push": Role.PUSH, "delete": Role.DELETE}


class TokenAsk(msgspec.Struct, frozen=True):
    """What a client asks of the token service.

    Attributes:
        service: Whom the token is for.
        scopes: What it shall be good for.
        login: A name and password in the form itself; None where they come as ``Authorization``.
    """

    service: str
    scopes: Limits
    login: tuple[str, str] | None = None


def parse_form(body: bytes) -> TokenAsk | Answer:
    """Read what is posted (RFC 6749, 4.3)."""
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=_MOST_FIELDS, strict_parsing=bool(body))
    except ValueError:
        return _oauth_error("invalid_request", "expected a form")
    first = {key: values[0] for key, values in fields.items()}
    kind = first.get("grant_type", "")
    if kind != "password":
        return _oauth_error("unsupported_grant_type", "this service gives tokens for passwords only")
    if "username" not in first or "password" not in first:
        return _oauth_error("invalid_request", "expected username and password")
    return TokenAsk(
        first.get("service", SERVICE), parse_scopes(fields.get("scope", [])), (first["username"], first["password"])
    )


def granted(grants: Grants, catalog: Catalog, wanted: Limits) -> Limits:
    """Return the part of what is wanted that the rules allow, in the words it was asked for."""
    return tuple(_granted(grants, catalog, wanted))


def token_answer(mint: TokenMint, identity: Identity, limits: Limits, hashed: bytes | None) -> Answer:
    """Make a token, and answer with it."""
    now = int(time.time())
    token = mint.make(identity, limits, hashed, now)
    answer = json_answer(
        {
            "token": token,
            "access_token": token,
            "expires_in": mint.seconds,
            "issued_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
            "scope": " ".join(f"{limit.type}:{limit.name}:{','.join(limit.actions)}" for limit in limits),
        }
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def wrong_service(service: str) -> Answer:
    """Answer that tokens for somebody else are not made here."""
    return refusal(Code.DENIED, f"this service makes tokens for {SERVICE}, not for {service[:80]!r}", status=400)


def _granted(grants: Grants, catalog: Catalog, wanted: Limits) -> Iterator[Limit]:
    seen = VisibleCatalog(catalog, lambda name: grants.may(Role.PULL, name))
    for limit in wanted:
        if limit.type == "registry" and limit.name == "catalog":
            yield limit
        if limit.type != "repository":
            continue
        found = find_repository(limit.name, None, seen)
        reading = found if isinstance(found, str) else writable_name(limit.name, None, seen)
        writing = writable_name(limit.name, None, catalog)
        actions = [
            action
            for action, role in _ROLES.items()
            if (action in limit.actions or "*" in limit.actions)
            and grants.may(role, reading if role is Role.PULL else writing)
        ]
        if actions:
            yield Limit(limit.type, limit.name, tuple(actions))


def _oauth_error(code: str, description: str) -> Answer:
    """Answer as RFC 6749, 5.2 has it."""
    body: Mapping[str, str] = {"error": code, "error_description": description}
    return Answer(400, {"Content-Type": "application/json", "Cache-Control": "no-store"}, json.dumps(body).encode())
