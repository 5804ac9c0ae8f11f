"""What goes wrong on the wire, in a person's words."""

import http.client
import socket
import ssl
from collections.abc import Callable, Sequence

import urllib3

__all__ = ["TransportFailure", "translate"]

_MAX_SHOWN = 120


class TransportFailure(Exception):  # noqa: N818  it never leaves the client, which makes a NetworkError of it
    """There was no answer, or not all of it. The message goes on after "from https://host: "."""

    def __init__(self, message: str, *, hint: str | None = None, retry: bool = True) -> None:
        super().__init__(message)
        self.hint = hint
        self.retry = retry


def translate(error: BaseException) -> TransportFailure:
    """Find the cause in what urllib3, http.client, ssl or the system raised, and say it."""
    causes = _causes(error)
    for kind, explain in _EXPLANATIONS:
        for cause in causes:
            if isinstance(cause, kind):
                return explain(cause)
    return _nonsense(error)


def _nonsense(cause: BaseException) -> TransportFailure:
    text = "".join(c if c.isprintable() else "?" for c in str(cause)[:_MAX_SHOWN])
    return TransportFailure(f"its answer makes no sense: {text or type(cause).__name__}")


def _certificate(cause: BaseException) -> TransportFailure:
    why = getattr(cause, "verify_message", cause)
    return TransportFailure(
        f"its certificate is not trusted: {why}", hint="name the authority that signed it with --ca-file", retry=False
    )


def _tls(cause: BaseException) -> TransportFailure:
    if "WRONG_VERSION_NUMBER" in str(cause):
        return TransportFailure("it does not speak TLS", hint="name the host with --plain-http", retry=False)
    return TransportFailure(f"TLS failed: {getattr(cause, 'reason', None) or cause}")


def _name(cause: BaseException) -> TransportFailure:
    again = getattr(cause, "errno", None) == socket.EAI_AGAIN
    return TransportFailure(f"its name does not resolve: {getattr(cause, 'strerror', cause)}", retry=again)


def _time(cause: BaseException) -> TransportFailure:
    text = str(cause)
    return TransportFailure(text if text.startswith("only ") else "it did not answer in time")


def _system(cause: BaseException) -> TransportFailure:
    return TransportFailure((getattr(cause, "strerror", None) or str(cause) or type(cause).__name__).lower())


_EXPLANATIONS: Sequence[tuple[type[BaseException], Callable[[BaseException], TransportFailure]]] = (
    (ssl.SSLCertVerificationError, _certificate),
    (socket.gaierror, _name),
    (TimeoutError, _time),
    (http.client.RemoteDisconnected, lambda _: TransportFailure("it closed the connection without an answer")),
    (http.client.BadStatusLine, lambda _: TransportFailure("it does not speak HTTP")),
    (http.client.HTTPException, _nonsense),
    (ssl.SSLError, _tls),
    (OSError, _system),
    (urllib3.exceptions.TimeoutError, _time),
)
"""Nearest causes first: a certificate's error is an SSLError, and that an OSError; urllib3 counts a refused connection
among its timeouts."""


def _causes(error: BaseException) -> list[BaseException]:
    """List an error with all that it wraps or that led to it."""
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found:
        found.append(following)
        wrapped = [argument for argument in following.args if isinstance(argument, BaseException)]
        following = wrapped[0] if wrapped else following.__cause__ or following.__context__
    return found
