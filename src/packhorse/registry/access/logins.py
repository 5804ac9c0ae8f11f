"""From what a client shows to who it is."""

from packhorse.registry.access.credentials import Basic, Bearer, Malformed
from packhorse.registry.access.failed_logins import FailedLogins
from packhorse.registry.access.jwt import TokenError, split_token
from packhorse.registry.access.model import Identity
from packhorse.registry.access.passwords import Passwords, TooManyError
from packhorse.registry.access.ports import TokenReader
from packhorse.registry.access.tokens import ALGORITHM, TokenMint

__all__ = ["Logins", "RefusedError", "ThrottledError"]

_TOKEN_USER = "token"  # noqa: S105 - a user's name
_BUSY_SECONDS = 5.0


class RefusedError(Exception):
    """What was shown is not right; the text is for the audit log, and has no secret in it."""

    def __init__(self, reason: str, user: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.user = user
        """Whose login was tried; empty for a name that nobody has, which may be a password in the wrong place."""


class ThrottledError(RefusedError):
    """There were too many failures; it may be tried again after some seconds."""

    def __init__(self, reason: str, user: str, seconds: float) -> None:
        super().__init__(reason, user)
        self.seconds = seconds


class Logins:
    """Checks logins; used by one event loop."""

    def __init__(
        self, passwords: Passwords, mint: TokenMint, issuers: TokenReader | None, failed: FailedLogins
    ) -> None:
        """Put them together.

        Args:
            passwords: Of the users of the file.
            mint: Reads the server's own tokens.
            issuers: Reads tokens of others; None when there are none.
            failed: Who has failed before.
        """
        self._passwords = passwords
        self._mint = mint
        self._issuers = issuers
        self._failed = failed

    async def identify(self, shown: Basic | Bearer | Malformed, address: str) -> Identity:
        """Return who shows this.

        Raises:
            RefusedError: It is not right.
        """
        if isinstance(shown, Malformed):
            raise RefusedError("neither a password nor a token")
        if isinstance(shown, Bearer):
            return self._of_token(shown.token)
        if shown.user == _TOKEN_USER:
            return self._of_token(shown.password.decode("ascii", "replace"))
        return await self._of_password(shown, address)

    async def _of_password(self, shown: Basic, address: str) -> Identity:
        user, password = shown.user, shown.password
        known = user if self._passwords.hash_of(user) is not None else ""
        if self._passwords.is_known_right(user, password):
            return Identity(user, how="password")
        wait = self._failed.seconds_to_wait(user, address)
        if wait > 0:
            raise ThrottledError("too many failed logins", known, wait)
        try:
            right = await self._passwords.is_right(user, password)
        except TooManyError as error:
            raise ThrottledError("too many logins at a time", known, _BUSY_SECONDS) from error
        if not right:
            self._failed.failed(user, address)
            raise RefusedError("wrong password" if known else "no such user", known)
        self._failed.succeeded(user)
        return Identity(user, how="password")

    def _of_token(self, text: str) -> Identity:
        try:
            token = split_token(text)
            if token.algorithm == ALGORITHM or self._issuers is None:
                return self._mint.read(token, self._passwords.hash_of)
            identity = self._issuers.read(token)
        except TokenError as error:
            raise RefusedError(f"token: {error}") from error
        if self._passwords.hash_of(identity.user) is not None:
            raise RefusedError("token: its user has the name of a user with a password")
        return identity
