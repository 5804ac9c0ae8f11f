"""The gate of a registry with an access file: who is there, what may they, and what is taken down of it."""

import importlib
import logging
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from packhorse.registry.access.access_file import LoadedAccess, load_access
from packhorse.registry.access.admission import Admitted
from packhorse.registry.access.audit import AuditLog
from packhorse.registry.access.audit_events import event_of
from packhorse.registry.access.credentials import Basic, of_certificate, read_authorization
from packhorse.registry.access.failed_logins import FailedLogins, address_of
from packhorse.registry.access.logins import Logins, RefusedError, ThrottledError
from packhorse.registry.access.model import ANONYMOUS, Identity, Role
from packhorse.registry.access.needs import in_repository, needed_role, unauthorised
from packhorse.registry.access.passwords import Passwords
from packhorse.registry.access.policy import Policy
from packhorse.registry.access.ports import TokenReader
from packhorse.registry.access.token_service import (
    MAX_FORM_BYTES,
    TokenAsk,
    granted,
    parse_form,
    token_answer,
    wrong_service,
)
from packhorse.registry.access.tokens import SERVICE, TokenMint, parse_scopes
from packhorse.registry.aiohttp_server import web
from packhorse.registry.answers import Answer, Code, refusal
from packhorse.registry.bodies import BodyError, read_body
from packhorse.registry.gate import LOGIN, REFUSED, USER
from packhorse.registry.ports import Catalog
from packhorse.registry.routes import Operation, Route

__all__ = ["Guard", "GuardSettings"]

_log = logging.getLogger(__name__)

_OPEN = frozenset({Operation.HEALTH, Operation.READY, Operation.PROBE})
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}", re.ASCII)
_KEY_BYTES = 32


class GuardSettings(msgspec.Struct, frozen=True):
    """What guards a registry.

    Attributes:
        access_file: Who may do what.
        audit_log: Where changes and refusals are written down; None for nowhere.
        with_certificates: Whether clients may log in by certificates.
    """

    access_file: Path
    audit_log: Path | None = None
    with_certificates: bool = False


class _State(msgspec.Struct, frozen=True):
    loaded: LoadedAccess
    policy: Policy
    mint: TokenMint
    logins: Logins


class Guard:
    """Implements :class:`packhorse.registry.gate.Gate`.

    Args:
        settings: Where its files are.
        catalog: What is served.

    Raises:
        ConfigError: The access file has mistakes, or the audit log cannot be written.
    """

    def __init__(self, settings: GuardSettings, catalog: Catalog) -> None:
        self._settings = settings
        self._catalog = catalog
        self._passwords = Passwords()
        self._failed = FailedLogins(time.monotonic)
        # Without a key of the site's, tokens end with this process.
        self._own_key = secrets.token_bytes(_KEY_BYTES)
        self._state = self._load()
        self._audit = AuditLog(settings.audit_log) if settings.audit_log is not None else None

    async def admit(self, route: Route, request: web.BaseRequest) -> Admitted | Answer:
        """Find out who asks."""
        state = self._state
        if route.operation is Operation.TOKEN:
            return await self._give_token(state, request)
        identity = ANONYMOUS
        is_open = self._is_open(state, route)
        if not is_open:
            found = await self._identify(state, request)
            if isinstance(found, Answer):
                return found
            identity = found
            _remember(request, identity)
        if self._audit is not None and not self._audit.works and _writes(route, request.method):
            # Recording the refusal tries the log again.
            return refusal(Code.UNKNOWN, "the audit log cannot be written, so nothing is taken", status=503)
        grants = state.policy.grants(identity)
        return Admitted(identity, grants, self._challenger(state, request), is_open=is_open)

    async def record(self, route: Route, request: web.BaseRequest, answer: Answer) -> None:
        """Write an event for a change and for a refusal."""
        if self._audit is not None and (event := event_of(route, request, answer)) is not None:
            await self._audit.add(event)

    def reload(self) -> None:
        """Read the access file again, and go on in a new audit log where the old one was moved away.

        Raises:
            ConfigError: It has mistakes; the old one holds.
        """
        if self._audit is not None:
            self._audit.reopen()
        self._state = self._load()

    def close(self) -> None:
        """End the threads."""
        self._passwords.close()
        if self._audit is not None:
            self._audit.close()

    def _load(self) -> _State:
        loaded = load_access(self._settings.access_file, with_certificates=self._settings.with_certificates)
        issuers: TokenReader | None = None
        if loaded.issuers:
            # What checks these tokens takes a while to load, and most sites have none.
            oidc = importlib.import_module("packhorse.registry.access.oidc")
            issuers = oidc.read_issuers(loaded.issuers, time.time)
        mint = TokenMint(loaded.token_key or self._own_key, loaded.access.tokens.seconds, time.time)
        self._passwords.load(loaded.users)
        return _State(loaded, Policy(loaded.access), mint, Logins(self._passwords, mint, issuers, self._failed))

    async def _identify(self, state: _State, request: web.BaseRequest, login: Basic | None = None) -> Identity | Answer:
        shown = login or read_authorization(request.headers.get("Authorization"))
        if shown is None:
            return _certified(request) or ANONYMOUS
        try:
            return await state.logins.identify(shown, address_of(request.remote))
        except ThrottledError as error:
            _remember(request, Identity(error.user), error.reason)
            seconds = max(1, round(error.seconds + 0.5))
            return refusal(Code.TOOMANYREQUESTS, f"{error.reason}; try again in {seconds} s", Retry_After=str(seconds))
        except RefusedError as error:
            _remember(request, Identity(error.user), error.reason)
            challenge = self._challenger(state, request)("", "invalid_token")
            return unauthorised("the login is not right, or holds no longer", challenge)

    async def _give_token(self, state: _State, request: web.BaseRequest) -> Answer:
        asked = await _token_ask(request)
        if isinstance(asked, Answer):
            return asked
        if asked.service != SERVICE:
            return wrong_service(asked.service)
        login = (
            None if asked.login is None else Basic(asked.login[0], asked.login[1].encode("utf-8", "surrogateescape"))
        )
        identity = await self._identify(state, request, login)
        if isinstance(identity, Answer):
            return identity
        _remember(request, identity)
        if identity.limits is not None:
            return refusal(Code.DENIED, "a token is given for a login, not for a token")
        if not identity.user and not state.policy.lets_anybody_pull:
            return unauthorised("a token needs a login", 'Basic realm="packhorse", charset="UTF-8"')
        limits = granted(state.policy.grants(identity), self._catalog, asked.scopes)
        hashed = self._passwords.hash_of(identity.user) if identity.how == "password" else None
        return token_answer(state.mint, identity, limits, hashed)

    def _is_open(self, state: _State, route: Route) -> bool:
        if route.operation is Operation.METRICS:
            return state.loaded.access.metrics == "anyone"
        return route.operation in _OPEN

    @staticmethod
    def _challenger(state: _State, request: web.BaseRequest) -> Callable[[str, str], str]:
        realm = state.loaded.access.tokens.realm
        if realm is None:
            host = request.headers.get("Host", "")
            scheme = "https" if _is_tls(request) else "http"
            realm = f"{scheme}://{host if _HOST.fullmatch(host) else 'localhost'}/token"

        def challenge(scopes: str, error: str) -> str:
            parts = {"realm": realm, "service": SERVICE, "scope": scopes, "error": error}
            return "Bearer " + ",".join(f'{key}="{value}"' for key, value in parts.items() if value)

        return challenge


async def _token_ask(request: web.BaseRequest) -> TokenAsk | Answer:
    if request.method == "GET":
        return TokenAsk(request.query.get("service", SERVICE), parse_scopes(request.query.getall("scope", [])))
    if request.method != "POST":
        return refusal(Code.UNSUPPORTED, "expected GET or POST", Allow="GET, POST")
    try:
        body = await read_body(request, MAX_FORM_BYTES)
    except BodyError as error:
        return refusal(Code.SIZE_INVALID, str(error), status=400)
    if body is None:
        return refusal(Code.SIZE_INVALID, f"expected at most {MAX_FORM_BYTES} bytes")
    return parse_form(body)


def _certified(request: web.BaseRequest) -> Identity | None:
    transport = request.transport
    return None if transport is None else of_certificate(transport.get_extra_info("peercert"))


def _is_tls(request: web.BaseRequest) -> bool:
    transport = request.transport
    return transport is not None and transport.get_extra_info("sslcontext") is not None


def _remember(request: web.BaseRequest, identity: Identity, reason: str | None = None) -> None:
    """Keep who asks with the request, for the audit log and the server's own."""
    request[USER] = identity.user
    request[LOGIN] = identity.how
    if reason is not None:
        request[REFUSED] = reason


def _writes(route: Route, method: str) -> bool:
    return in_repository(route) and needed_role(route, method) > Role.PULL
