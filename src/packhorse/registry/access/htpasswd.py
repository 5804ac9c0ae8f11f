"""Users with passwords: a file as ``htpasswd -B`` writes it, a name and a bcrypt hash on each line."""

import re
from collections.abc import Mapping

import bcrypt

from packhorse.base.errors import ConfigError
from packhorse.package.source_text import SourceText, Span

__all__ = ["COST", "LONGEST_PASSWORD", "hash_password", "is_right", "parse_users", "write_users"]

COST = 12
"""Of new hashes: a quarter of a second on the machines of today."""

LONGEST_PASSWORD = 72
"""In bytes; bcrypt looks at no more."""

_LOWEST_COST = 5
_HIGHEST_COST = 15
"""A single login of more would take several seconds."""
_HASH = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}", re.ASCII)
_NAME = re.compile(r"[^\s,:\x00-\x1f\x7f]{1,253}")
_RESERVED = frozenset({"token"})
"""With this name and a token as password, programs log in that know nothing of tokens."""


def parse_users(data: bytes, where: str) -> dict[str, bytes]:
    """Read a file of users: each with the hash of the password.

    Raises:
        ConfigError: A line has another form.
    """
    source = SourceText(where, data)
    users: dict[str, bytes] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, hashed = line.partition(":")
        complaint = _complaint(name, colon, hashed.strip(), users)
        if complaint is not None:
            # The line itself is not shown: it has a hash in it.
            message, hint = complaint
            raise ConfigError(f"{source.at(Span(number, 1))}: {message}", hint=hint)
        users[name] = hashed.strip().encode()
    return users


def check_name(name: str) -> str:
    """Return the name of a user.

    Raises:
        ConfigError: It can't be one.
    """
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise ConfigError(
            f"expected a user's name without blanks, commas and colons that is not one of {', '.join(_RESERVED)}, "
            f"found {name!r}"
        )
    return name


def write_users(users: Mapping[str, bytes]) -> bytes:
    """Write what :func:`parse_users` reads."""
    return b"".join(name.encode() + b":" + hashed + b"\n" for name, hashed in users.items())


def hash_password(password: str) -> bytes:
    """Hash a password; takes a quarter of a second.

    Raises:
        ConfigError: It can't be hashed.
    """
    encoded = password.encode()
    if not encoded or len(encoded) > LONGEST_PASSWORD or b"\0" in encoded:
        raise ConfigError(f"expected a password of 1 to {LONGEST_PASSWORD} bytes, found {len(encoded)}")
    return bcrypt.hashpw(encoded, bcrypt.gensalt(COST))


def is_right(password: bytes, hashed: bytes) -> bool:
    """Whether a password is the one that was hashed; takes as long as the hash says, and compares in constant time."""
    if len(password) > LONGEST_PASSWORD or b"\0" in password:
        return False
    return bcrypt.checkpw(password, hashed)


def _complaint(name: str, colon: str, hashed: str, users: Mapping[str, bytes]) -> tuple[str, str | None] | None:
    """Say what is wrong with a line, and what to do."""
    if not colon:
        return "expected NAME:HASH", None
    try:
        check_name(name)
    except ConfigError as error:
        return error.message, None
    if name in users:
        return f"{name} is listed twice", None
    match = _HASH.fullmatch(hashed)
    if match is None:
        return f"expected a bcrypt hash ($2b$…) for {name}, found another kind", "make one with: htpasswd -nB NAME"
    if not _LOWEST_COST <= int(match[1]) <= _HIGHEST_COST:
        return f"expected a cost of {_LOWEST_COST} to {_HIGHEST_COST} for {name}, found {int(match[1])}", None
    return None
