"""``access.yaml`` in: read with the files that it names, checked, with all mistakes shown at once."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from packhorse.base.errors import ConfigError
from packhorse.base.spelling import nearest
from packhorse.package import shape
from packhorse.package.source_text import read_file
from packhorse.package.yaml_document import Path as DocumentPath
from packhorse.package.yaml_document import read_located
from packhorse.registry.access.htpasswd import parse_users
from packhorse.registry.access.model import Access, Issuer, Rule
from packhorse.registry.access.patterns import Pattern
from packhorse.registry.access.policy import GROUP

__all__ = ["LoadedAccess", "load_access"]

_Read = TypeVar("_Read")

_MAX_KEY_BYTES = 4096
_LEAST_KEY_BYTES = 32
_MAX_FILE_BYTES = 1024 * 1024


class LoadedAccess(msgspec.Struct, frozen=True):
    """An access file with what it names."""

    access: Access
    users: dict[str, bytes]
    """The hash of each user's password."""
    token_key: bytes | None
    issuers: tuple[tuple[Issuer, bytes], ...]
    """Each with the content of its file of keys."""


def load_access(path: Path, *, with_certificates: bool = False) -> LoadedAccess:
    """Read an access file; the files it names are relative to its folder.

    Args:
        path: Where it is.
        with_certificates: Whether clients may log in by certificates, so that users need not be in a file.

    Raises:
        ConfigError: It, or one of the files, cannot be read or has mistakes: all of them are listed.
    """
    document = read_located(read_file(path, str(path)), str(path), strict_keys=True)
    access = shape.checked(document, Access)
    mistakes = shape.Mistakes(document)
    files = _Files(path.parent, mistakes)
    users = files.read(access.users_file, ("usersFile",), parse_users) or {}
    key = files.read(access.tokens.key_file, ("tokens", "keyFile"), _read_key)
    issuers = tuple(
        (issuer, files.read(issuer.jwks_file, ("oidc", number, "jwksFile"), lambda data, _: data) or b"")
        for number, issuer in enumerate(access.oidc)
    )
    known = None if with_certificates or access.oidc else users
    _Sense(access, known, mistakes).check()
    mistakes.raise_any()
    return LoadedAccess(access, users, key, issuers)


class _Files:
    """Reads what the access file names, and adds to the mistakes what can't be."""

    def __init__(self, folder: Path, mistakes: shape.Mistakes) -> None:
        self._folder = folder
        self._mistakes = mistakes

    def read(self, name: str | None, path: DocumentPath, parse: Callable[[bytes, str], _Read]) -> _Read | None:
        """Return what a file has; None where none is named."""
        if name is None:
            return None
        file = self._folder / name
        try:
            return parse(read_file(file, str(file), max_bytes=_MAX_FILE_BYTES), str(file))
        except ConfigError as error:
            self._mistakes.add(path, error.message, note=error.hint or "")
            return None


class _Sense:
    """Looks for what makes no sense in a file whose shape is right."""

    def __init__(self, access: Access, users: dict[str, bytes] | None, mistakes: shape.Mistakes) -> None:
        self._access = access
        self._users = users
        self._mistakes = mistakes

    def check(self) -> None:
        """Add what is wrong."""
        for group, members in self._access.groups.items():
            for number, member in enumerate(members):
                self._user(member, ("groups", group, number))
        for number, rule in enumerate(self._access.rules):
            self._rule(rule, ("rules", number))
        pull = self._access.anonymous.pull
        if not isinstance(pull, bool):
            self._patterns(pull, ("anonymous", "pull"))

    def _rule(self, rule: Rule, path: DocumentPath) -> None:
        if not rule.users and not rule.groups:
            self._mistakes.add(path, "a rule for nobody: expected users or groups")
        for number, user in enumerate(rule.users):
            self._user(user, (*path, "users", number))
        for number, group in enumerate(rule.groups):
            if group not in self._access.groups:
                note = _meant(group, self._access.groups)
                self._mistakes.add((*path, "groups", number), f'there is no group "{group}" under groups', note=note)
        patterns = self._patterns(rule.repositories, (*path, "repositories"))
        if rule.role == "admin" and not any(pattern.is_everything for pattern in patterns):
            self._mistakes.add(
                (*path, "repositories"), 'the role admin is for the whole registry: leave it out, or say "**"'
            )

    def _user(self, user: str, path: DocumentPath) -> None:
        if self._users is None or user in self._users or user.startswith(GROUP):
            return
        self._mistakes.add(path, f'there is no user "{user}" in the usersFile', note=_meant(user, self._users))

    def _patterns(self, texts: tuple[str, ...], path: DocumentPath) -> list[Pattern]:
        found = []
        for number, text in enumerate(texts):
            try:
                found.append(Pattern(text))
            except ConfigError as error:
                self._mistakes.add((*path, number), error.message)
        return found


def _meant(word: str, known: Iterable[str]) -> str:
    near = nearest(word, list(known))
    return f'did you mean "{near}"?' if near else ""


def _read_key(data: bytes, where: str) -> bytes:
    key = data.strip()
    if not _LEAST_KEY_BYTES <= len(key) <= _MAX_KEY_BYTES:
        raise ConfigError(f"{where}: expected a secret of at least {_LEAST_KEY_BYTES} bytes, found {len(key)}")
    return key
