"""A request to a registry with all that belongs to it: login, redirects, retries, and errors in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn
from urllib.parse import urljoin, urlsplit

from packhorse.base.errors import NetworkError, RegistryError
from packhorse.base.printable import in_one_line
from packhorse.base.units import format_duration
from packhorse.oci import distribution_errors
from packhorse.oci.distribution_auth import Authenticator, Scope, Server
from packhorse.oci.distribution_failures import TransportFailure
from packhorse.oci.distribution_transport import Answer, Request, Transport, Upload
from packhorse.oci.registry_settings import RegistrySettings
from packhorse.oci.retry import RETRY_STATUSES, Attempts, Pacing

__all__ = ["Call", "Exchange", "fail", "settle_location"]

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SEE_OTHER = 303
_UNAUTHORIZED = 401
_LOST_AFTER_SECONDS = 60.0
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a registry.

    ``what`` completes "could not …" in messages. ``path`` is an absolute path, or a URL that the registry itself gave.
    """

    what: str
    method: str
    path: str
    scope: Scope = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    upload: Upload | None = None
    answer_seconds: float | None = None
    retry: bool = True


class Exchange:
    """Carries out calls. One is shared by all threads of a client."""

    def __init__(self, settings: RegistrySettings, pacing: Pacing) -> None:
        self._settings = settings
        self._pacing = pacing
        self._transport = Transport(settings, pacing)
        self._authenticator = Authenticator(settings.credentials, self._ask_token_service, pacing.clock)
        self._silent_since: dict[str, float] = {}

    def attempts(self) -> Attempts:
        """Begin to count tries under the settings' policy."""
        return Attempts(self._settings.retry, self._pacing)

    def run(self, server: Server, call: Call, attempts: Attempts | None = None) -> Answer:
        """Return the answer to a call; the caller closes it.

        An answer is returned whatever its status, but for those that another try may mend: they are tried again, and
        raised when it does not.

        Raises:
            NetworkError: No answer came.
            RegistryError: The registry kept failing, wants a login that there is none for, or redirects astray.
        """
        attempts = attempts or self.attempts()
        while True:
            try:
                answer = self.once(server, call)
            except TransportFailure as failure:
                if failure.retry and call.retry and not self._is_lost(server) and attempts.wait():
                    continue
                self._silent_since.setdefault(server.base, self._pacing.clock())
                fail(server, call.what, failure, attempts)
            if answer.status not in RETRY_STATUSES:
                return answer
            body = _read_error(answer)
            if not call.retry or not attempts.wait(answer.headers.get("Retry-After")):
                raise distribution_errors.refusal(call.what, server.base, answer.status, body, tries=attempts.count)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._transport.close()

    def once(self, server: Server, call: Call) -> Answer:
        """Send a call, with a login when it is asked for, and again once when the login was refused.

        Raises:
            TransportFailure: No answer came.
            RegistryError: The registry wants a login that there is none for, or redirects astray.
        """
        sent = self._authenticator.header(server, call.scope)
        answer = self._follow(server, call, sent)
        self._silent_since.pop(server.base, None)
        if answer.status != _UNAUTHORIZED:
            return answer
        challenges = answer.headers.getlist("WWW-Authenticate")
        body = _read_error(answer)
        header = self._authenticator.answer(server, call.scope, challenges, sent)
        if header is not None:
            answer = self._follow(server, call, header)
            if answer.status != _UNAUTHORIZED:
                return answer
            body = _read_error(answer)
        was_shown = (header or sent) is not None and _origin(answer.url) == _origin(server.base)
        user = self._authenticator.user(server, call.scope) if was_shown else None
        raise distribution_errors.refusal(call.what, server.base, _UNAUTHORIZED, body, user=user)

    def _is_lost(self, server: Server) -> bool:
        """Whether a server has not answered for so long that hundreds of blobs need not wait for it one by one."""
        since = self._silent_since.get(server.base)
        return since is not None and self._pacing.clock() - since > _LOST_AFTER_SECONDS

    def _follow(self, server: Server, call: Call, authorization: str | None) -> Answer:
        request = Request(
            call.method,
            urljoin(server.base, call.path),
            call.headers,
            call.upload,
            call.answer_seconds,
            server.insecure,
        )
        for _ in range(_MAX_REDIRECTS + 1):
            headers = dict(request.headers)
            if authorization is not None and _origin(request.url) == _origin(server.base):
                headers["Authorization"] = authorization
            answer = self._transport.send(replace(request, headers=headers))
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or location is None:
                return answer
            answer.close()
            request = _redirected(request, answer.status, settle_location(request.url, location, call.what))
            # An unchecked certificate was allowed for this registry, not for wherever it points to.
            request = replace(request, insecure=server.insecure and _origin(request.url) == _origin(server.base))
        message = f"could not {call.what}\n  from {server.base}: more than {_MAX_REDIRECTS} redirects"
        raise RegistryError(message)

    def _ask_token_service(self, request: Request) -> Answer:
        """Ask for a token; a redirect is not followed, for the secret in the request is for this URL only."""
        attempts = self.attempts()
        while True:
            try:
                answer = self._transport.send(request)
            except TransportFailure as failure:
                if failure.retry and attempts.wait():
                    continue
                message = f"its token service {request.url.partition('?')[0]}: {failure}"
                raise TransportFailure(message, hint=failure.hint, retry=False) from failure
            if answer.status not in RETRY_STATUSES or not attempts.wait(answer.headers.get("Retry-After")):
                return answer
            answer.close()


def fail(server: Server, what: str, failure: TransportFailure, attempts: Attempts) -> NoReturn:
    """Raise what a user reads when a connection does not do what it should."""
    after = ""
    if attempts.count > 1:
        after = f", {attempts.count} tries in {format_duration(attempts.elapsed_seconds)}"
    message = f"could not {what}\n  from {server.base}: {failure}{after}"
    raise NetworkError(message, hint=failure.hint) from failure


def settle_location(base: str, location: str, what: str) -> str:
    """Return the URL that a ``Location`` header means, when it is one to go to.

    A registry behind a proxy that ends TLS often names itself with ``http``; the way there stays TLS.

    Raises:
        RegistryError: It is no ``http`` or ``https`` URL, holds a login, or leads from TLS to plain HTTP elsewhere.
    """
    shown = in_one_line(location)
    try:
        url = urljoin(base, location)
        parts, origin = urlsplit(url), urlsplit(base)
        _ = parts.port
    except ValueError as error:
        message = f"could not {what}: {base} redirects to {shown!r}, which is no URL"
        raise RegistryError(message) from error
    # What is not fit to be shown is not fit to be asked for, either.
    fit = location.isascii() and location.isprintable() and " " not in location
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None or not fit:
        message = f"could not {what}: {base} redirects to {shown!r}; only http and https URLs are followed"
        raise RegistryError(message)
    if origin.scheme == "https" and parts.scheme == "http":
        if parts.hostname == origin.hostname and parts.port in {None, origin.port, _DEFAULT_PORTS["http"]}:
            return parts._replace(scheme="https", netloc=origin.netloc).geturl()
        message = f"could not {what}: {base} redirects from TLS to {shown!r} without it"
        raise RegistryError(message)
    return parts._replace(fragment="").geturl()


def _redirected(request: Request, status: int, url: str) -> Request:
    if status == _SEE_OTHER and request.method not in {"GET", "HEAD"}:
        return replace(request, method="GET", url=url, upload=None)
    return replace(request, url=url)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _read_error(answer: Answer) -> bytes:
    """Read the body of a refusal as far as it is of use; what breaks on the way does not matter any more."""
    try:
        return answer.read(distribution_errors.MAX_ERROR_BODY_BYTES)
    except TransportFailure:
        return b""
