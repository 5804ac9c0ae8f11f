"""Checking passwords beside the event loop, so that a login costs its quarter of a second once and delays nobody."""

import asyncio
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from packhorse.registry.access.htpasswd import COST, LONGEST_PASSWORD, is_right

__all__ = ["Passwords", "TooManyError"]

_THREADS = 2
_MOST_WAITING = 32
"""Logins at a time; more of them are sent away, so that nobody can make the server hash for hours."""
_KEPT = 4096


_NO_HASH = f"$2b${COST}${'.' * 53}".encode()
"""No password has it; to compare with it takes as long as with another."""


class TooManyError(Exception):
    """More logins are being checked than the server takes on."""


class Passwords:
    """Checks passwords against a file's hashes; used by one event loop.

    What was right is remembered by a keyed hash for as long as the user's line in the file stays the same.
    """

    def __init__(self) -> None:
        self._users: Mapping[str, bytes] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="logins")
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, bytes] = OrderedDict()
        self._checking: dict[bytes, asyncio.Future[bool]] = {}
        # For a name that nobody has it is hashed as well, so that the time does not tell names.
        self._nobody = b""

    def load(self, users: Mapping[str, bytes]) -> None:
        """Take other hashes."""
        self._users = users
        self._nobody = next(iter(users.values()), _NO_HASH)

    def hash_of(self, user: str) -> bytes | None:
        """Return the hash of a user's password; None when there is no such user."""
        return self._users.get(user)

    def is_known_right(self, user: str, password: bytes) -> bool:
        """Whether this login was checked before and still holds."""
        hashed = self._right.get(self._name(user, password))
        return hashed is not None and hashed == self._users.get(user)

    async def is_right(self, user: str, password: bytes) -> bool:
        """Check a login; several that are the same are checked once.

        Raises:
            TooManyError: Too many others are being checked.
        """
        if len(password) > LONGEST_PASSWORD:
            return False
        name = self._name(user, password)
        running = self._checking.get(name)
        if running is None:
            if len(self._checking) >= _MOST_WAITING:
                raise TooManyError
            running = asyncio.ensure_future(self._check(name, user, password))
            self._checking[name] = running
            running.add_done_callback(lambda _: self._checking.pop(name, None))
        # One client that goes away does not end it for the others.
        return await asyncio.shield(running)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _check(self, name: bytes, user: str, password: bytes) -> bool:
        hashed = self._users.get(user)
        is_it = await asyncio.get_running_loop().run_in_executor(
            self._pool, is_right, password, self._nobody if hashed is None else hashed
        )
        if hashed is None or not is_it:
            return False
        self._right[name] = hashed
        if len(self._right) > _KEPT:
            self._right.popitem(last=False)
        return True

    def _name(self, user: str, password: bytes) -> bytes:
        encoded = user.encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, len(encoded).to_bytes(4) + encoded + password, "sha256")
