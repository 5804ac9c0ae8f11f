"""What the server asks before it decides anything: who is there, and whether they may."""

from collections.abc import Callable
from typing import Protocol

from packhorse.registry.aiohttp_server import web
from packhorse.registry.answers import Answer
from packhorse.registry.asks import Ask
from packhorse.registry.ports import Catalog
from packhorse.registry.routes import Route

__all__ = ["LOGIN", "REFUSED", "USER", "Admission", "Gate"]

# What a gate finds out about a request, for the logs.
USER = web.RequestKey("user", str)
"""Who asks; empty for anybody."""
LOGIN = web.RequestKey("login", str)
"""How the user was known: ``password``, ``token``, ``oidc``, ``certificate``."""
REFUSED = web.RequestKey("refused", str)
"""Why a login was refused."""


class Admission(Protocol):
    """Somebody who was let in. Thread-safe."""

    @property
    def sees(self) -> Callable[[str], bool] | None:
        """Whether a repository (its full name) may be known of; None where that is so for all."""

    def check(self, catalog: Catalog, route: Route, ask: Ask) -> Answer | None:
        """Return a refusal, or None where the request may be answered."""


class Gate(Protocol):
    """Knows who may do what; used by one event loop."""

    async def admit(self, route: Route, request: web.BaseRequest) -> Admission | Answer:
        """Find out who asks; an answer is a refusal, or all that there is to say."""

    async def record(self, route: Route, request: web.BaseRequest, answer: Answer) -> None:
        """Take down what was done or refused, before the client hears of it."""

    def reload(self) -> None:
        """Read the settings again.

        Raises:
            ConfigError: They have mistakes; the old ones hold.
        """

    def close(self) -> None:
        """End the threads."""
