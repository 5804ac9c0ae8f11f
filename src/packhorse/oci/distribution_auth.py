"""Logging in to registries: Basic, and bearer tokens as Docker's token service gives them.

A secret goes to the registry that it belongs to, or to the token service that this registry names over TLS; never
anywhere else. Tokens are kept per registry and scope, and fetched once however many threads wait for one.
"""

import base64
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from packhorse.base.errors import RegistryError
from packhorse.base.json_decoder import decode_as
from packhorse.base.printable import in_one_line
from packhorse.oci import distribution_errors
from packhorse.oci.distribution_transport import Answer, Request, Upload
from packhorse.oci.registry_settings import Credential, CredentialSource
from packhorse.oci.www_authenticate import Challenge, parse_challenges

__all__ = ["Authenticator", "Scope", "Server"]

_MAX_TOKEN_BODY_BYTES = 256 * 1024
_DEFAULT_TOKEN_SECONDS = 60.0
_LONGEST_TOKEN_SECONDS = 3600.0
_EARLY_SECONDS = 5.0
_CLIENT_ID = "packhorse"
_FIT_FOR_HEADER = re.compile(r"[\x21-\x7e]+", re.ASCII)

Scope = frozenset[str]
"""What is wanted, in words such as ``repository:library/redis:pull``."""


class Server(msgspec.Struct, frozen=True):
    """A registry as the client reaches it: ``base`` is scheme, host and port; ``name`` is how users write the host."""

    base: str
    name: str
    insecure: bool = False

    @property
    def is_tls(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.base.startswith("https://")


class _Grant(msgspec.Struct, frozen=True):
    header: str
    expires: float
    """By the client's clock."""


class _TokenAnswer(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""
    expires_in: float = _DEFAULT_TOKEN_SECONDS


class Authenticator:
    """Knows what to put into ``Authorization``. One is shared by all threads of a client."""

    def __init__(
        self, credentials: CredentialSource, ask: Callable[[Request], Answer], clock: Callable[[], float]
    ) -> None:
        self._credentials = credentials
        self._ask = ask
        self._clock = clock
        self._grants: dict[tuple[str, Scope], _Grant] = {}
        self._guards: dict[tuple[str, Scope], threading.Lock] = {}
        self._lock = threading.Lock()

    def header(self, server: Server, scope: Scope) -> str | None:
        """Return the header known to do for this scope; None when nothing is known or it has run out."""
        with self._lock:
            grant = self._grants.get((server.base, scope)) or self._grants.get((server.base, frozenset()))
        return grant.header if grant is not None and grant.expires > self._clock() else None

    def answer(self, server: Server, scope: Scope, challenges: Iterable[str], refused: str | None) -> str | None:
        """Find the header that answers a 401; None when there is nothing to present.

        Args:
            server: Who sent it.
            scope: What was wanted.
            challenges: Its ``WWW-Authenticate`` headers.
            refused: The header that the refused request had.

        Raises:
            RegistryError: The token service refuses, or lies where no secret may go.
            TransportFailure: It can't be reached.
        """
        key = (server.base, scope)
        with self._lock:
            guard = self._guards.setdefault(key, threading.Lock())
        with guard:
            known = self.header(server, scope)
            if known is not None and known != refused:
                return known  # another thread was faster
            grant = self._find(server, scope, parse_challenges(challenges))
            if grant is None or grant.header == refused:
                return None
            with self._lock:
                # What a name and password open holds for every repository, a token for those in its scope only.
                self._grants[(server.base, frozenset()) if grant.header.startswith("Basic ") else key] = grant
            return grant.header

    def user(self, server: Server, scope: Scope) -> str | None:
        """Return whose login there is for a registry, empty for a token without a name; None when there is none."""
        credential = self._credentials.lookup(server.name, _repository_in(scope))
        return credential.username if credential is not None else None

    def _find(self, server: Server, scope: Scope, challenges: tuple[Challenge, ...]) -> _Grant | None:
        credential = self._credentials.lookup(server.name, _repository_in(scope))
        offered = {challenge.scheme: challenge for challenge in reversed(challenges)}
        if credential is not None and credential.registry_token:
            return _Grant(_fit(f"Bearer {credential.registry_token}", server), self._clock() + _LONGEST_TOKEN_SECONDS)
        if "bearer" in offered:
            return self._fetch_token(server, scope, offered["bearer"], credential)
        if "basic" in offered and credential is not None and credential.username:
            return _Grant(_basic(credential), float("inf"))
        return None

    def _fetch_token(self, server: Server, scope: Scope, challenge: Challenge, credential: Credential | None) -> _Grant:
        realm = challenge.parameters.get("realm", "")
        _check_realm(server, realm)
        scopes = sorted(scope | frozenset(challenge.parameters.get("scope", "").split()))
        service = challenge.parameters.get("service", "")
        request = _token_request(realm, service, scopes, credential)
        insecure = server.insecure and urlsplit(realm).hostname == urlsplit(server.base).hostname
        answer = self._ask(replace(request, insecure=insecure))
        body = answer.read(_MAX_TOKEN_BODY_BYTES)
        if answer.status != 200:  # noqa: PLR2004
            raise distribution_errors.refusal(
                f"log in to {server.name}",
                realm,
                answer.status,
                body,
                user=None if credential is None else credential.username,
            )
        try:
            given = decode_as(body, _TokenAnswer, strict=False)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            message = f"the token service of {server.name} gave no token\n  from {realm}: {error}"
            raise RegistryError(message) from error
        seconds = min(max(given.expires_in, _DEFAULT_TOKEN_SECONDS), _LONGEST_TOKEN_SECONDS) - _EARLY_SECONDS
        header = _fit(f"Bearer {given.token or given.access_token}", server)
        return _Grant(header, self._clock() + seconds)


def _check_realm(server: Server, realm: str) -> None:
    try:
        parts = urlsplit(realm)
        hostname, _ = parts.hostname or "", parts.port
    except ValueError:
        hostname, parts = "", urlsplit("")
    own = urlsplit(server.base).hostname
    # Without TLS on the registry itself there is nothing to lose against its own host; any other must be TLS.
    plain_is_fine = not server.is_tls and hostname == own
    if (
        not hostname
        or parts.username is not None
        or not (parts.scheme == "https" or (parts.scheme == "http" and plain_is_fine))
    ):
        shown = in_one_line(realm)
        message = f"{server.name} sends logins to {shown!r}, which is not where a secret may go"
        raise RegistryError(
            message, hint="a token service must be an https URL, or on the same host as a registry without TLS"
        )


def _token_request(realm: str, service: str, scopes: list[str], credential: Credential | None) -> Request:
    query: list[tuple[str, str]] = [("service", service)] if service else []
    if credential is not None and credential.identity_token:
        form = [("grant_type", "refresh_token"), *query, ("client_id", _CLIENT_ID)]
        form += [("scope", " ".join(scopes)), ("refresh_token", credential.identity_token)]
        content = urlencode(form).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Request("POST", realm, headers, Upload(len(content), lambda: [content]))
    query += [("scope", scope) for scope in scopes]
    headers = {}
    if credential is not None and credential.username:
        query.append(("account", credential.username))
        headers["Authorization"] = _basic(credential)
    separator = "&" if "?" in realm else "?"
    return Request("GET", realm + separator + urlencode(query), headers)


def _basic(credential: Credential) -> str:
    pair = f"{credential.username}:{credential.password}".encode()
    return "Basic " + base64.b64encode(pair).decode("ascii")


def _fit(header: str, server: Server) -> str:
    _, _, secret = header.partition(" ")
    if not _FIT_FOR_HEADER.fullmatch(secret):
        message = f"the token for {server.name} is empty, or has characters that no token has"
        raise RegistryError(message)
    return header


def _repository_in(scope: Scope) -> str:
    writable = [word for word in scope if "push" in word]
    first: Any = min(writable or scope, default="")
    return str(first).removeprefix("repository:").rpartition(":")[0]
