"""What logins need of others."""

from typing import Protocol

from packhorse.registry.access.jwt import Jws
from packhorse.registry.access.model import Identity

__all__ = ["TokenReader"]


class TokenReader(Protocol):
    """Knows somebody's tokens; a port, so that a server without such tokens does not load what checks them."""

    def read(self, token: Jws) -> Identity:
        """Return who a token is for.

        Raises:
            TokenError: It does not hold.
        """
