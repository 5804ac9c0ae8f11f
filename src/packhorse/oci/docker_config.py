"""Logins as other programs keep them: Docker's ``config.json``, containers' ``auth.json``, and credential helpers.

See containers-auth.json(5) for the format; both files share it.
"""

import base64
import binascii
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from packhorse.base.errors import ConfigError
from packhorse.base.json_decoder import decode_as
from packhorse.oci.reference import DEFAULT_REGISTRY
from packhorse.oci.registry_settings import Credential

__all__ = ["FixedCredential", "HelperAnswer", "StoredCredentials", "run_helper"]

_MAX_FILE_BYTES = 4 * 1024 * 1024
_MAX_HELPER_ANSWER_BYTES = 256 * 1024
_HELPER_SECONDS = 60.0
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_NOT_FOUND = "credentials not found"
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_DOCKER_HUB_NAMES = frozenset({"index.docker.io", "registry-1.docker.io", "docker.io"})
_TOKEN_USER = "<token>"  # noqa: S105  the name that helpers give instead of a user's


@dataclass(frozen=True, slots=True)
class HelperAnswer:
    """What a credential helper wrote, and its exit code."""

    exit_code: int
    stdout: bytes = field(repr=False)


RunHelper = Callable[[str, str], HelperAnswer]
"""Runs ``docker-credential-<name> get`` with a server's address on its standard input."""


class FixedCredential:
    """One login for one registry, before what another source has for it."""

    def __init__(self, registry: str, credential: Credential, otherwise: "StoredCredentials") -> None:
        self._registry = registry
        self._credential = credential
        self._otherwise = otherwise

    def lookup(self, registry: str, repository: str) -> Credential | None:
        """Return the login for its registry, else what the other source has."""
        return self._credential if registry == self._registry else self._otherwise.lookup(registry, repository)


class _Entry(msgspec.Struct, frozen=True, rename="lower"):
    auth: str = ""
    username: str = ""
    password: str = ""
    identity_token: str = msgspec.field(default="", name="identitytoken")
    registry_token: str = msgspec.field(default="", name="registrytoken")


class _AuthFile(msgspec.Struct, frozen=True, rename="camel"):
    auths: dict[str, _Entry] = {}
    cred_helpers: dict[str, str] = {}
    creds_store: str = ""


class StoredCredentials:
    """The logins of several files; the first file that has one for a repository gives it.

    In one file a helper for the host comes first, then entries for the repository from the most exact to the host,
    then the general store. Helpers are asked once per host.

    Args:
        files: Paths in order; those that do not exist are passed over.
        run: How helpers are run.

    Raises:
        ConfigError: A file can't be read or is not of this format.
    """

    def __init__(self, files: Sequence[Path], run: RunHelper | None = None) -> None:
        self._files = tuple((path, parsed) for path in files if (parsed := _read(path)) is not None)
        self._run = run or run_helper
        self._answers: dict[tuple[str, str], Credential | None] = {}
        self._lock = threading.Lock()

    def lookup(self, registry: str, repository: str) -> Credential | None:
        """Return what to present for a repository; None when no file has anything.

        Raises:
            ConfigError: An entry can't be read, or a helper fails.
        """
        for path, file in self._files:
            if (found := self._in_file(path, file, registry, repository)) is not None:
                return found
        return None

    def _in_file(self, path: Path, file: _AuthFile, registry: str, repository: str) -> Credential | None:
        helpers = {_normalise(key): name for key, name in file.cred_helpers.items()}
        if (name := helpers.get(registry)) and (found := self._ask_helper(path, name, registry)) is not None:
            return found
        entries = {_normalise(key): entry for key, entry in file.auths.items()}
        for key in _keys_for(registry, repository):
            if (entry := entries.get(key)) is not None and (found := _credential(entry, f"{path}: {key}")) is not None:
                return found
        return self._ask_helper(path, file.creds_store, registry) if file.creds_store else None

    def _ask_helper(self, path: Path, name: str, registry: str) -> Credential | None:
        if not _HELPER_NAME.fullmatch(name):
            raise ConfigError(f"{path}: {name!r} is not the name of a credential helper")
        with self._lock:
            if (name, registry) not in self._answers:
                address = _DOCKER_HUB_KEY if registry == DEFAULT_REGISTRY else registry
                self._answers[(name, registry)] = _read_helper_answer(self._run(name, address), name, registry)
            return self._answers[(name, registry)]


def run_helper(name: str, address: str) -> HelperAnswer:
    """Run a credential helper that is on ``PATH``.

    Raises:
        ConfigError: It is not there, or does not come to an end.
    """
    program = f"docker-credential-{name}"
    try:
        done = subprocess.run(
            [program, "get"], input=address.encode(), capture_output=True, timeout=_HELPER_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise ConfigError(f"the credential helper {program} is not on PATH", hint=_helper_hint(program)) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"the credential helper {program} failed: {error}", hint=_helper_hint(program)) from error
    return HelperAnswer(done.returncode, done.stdout[:_MAX_HELPER_ANSWER_BYTES])


class _HelperCredential(msgspec.Struct, frozen=True):
    username: str = msgspec.field(default="", name="Username")
    secret: str = msgspec.field(default="", name="Secret")


def _read_helper_answer(answer: HelperAnswer, name: str, registry: str) -> Credential | None:
    program = f"docker-credential-{name}"
    if answer.exit_code:
        said = answer.stdout.decode("utf-8", "replace").strip()
        if _NOT_FOUND in said.lower():
            return None
        message = f"{program} has no answer for {registry}: exit code {answer.exit_code}: {said[:200]}"
        raise ConfigError(message, hint=_helper_hint(program))
    try:
        found = decode_as(answer.stdout, _HelperCredential)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        # The answer is not shown: it may hold a secret.
        message = f"{program} gave no credentials for {registry}, but something else"
        raise ConfigError(message, hint=_helper_hint(program)) from error
    if found.username == _TOKEN_USER:
        return Credential(identity_token=found.secret)
    return Credential(found.username, found.secret) if found.username else None


def _helper_hint(program: str) -> str:
    return f"try it by hand: echo HOST | {program} get; or take it out of the file that names it"


def _read(path: Path) -> _AuthFile | None:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from error
    if len(content) > _MAX_FILE_BYTES:
        raise ConfigError(f"{path} is larger than {_MAX_FILE_BYTES} bytes, which no file of logins is")
    if not content.strip():
        return None
    try:
        return decode_as(content, _AuthFile)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not a file of registry logins: {error}") from error


def _credential(entry: _Entry, where: str) -> Credential | None:
    if entry.identity_token:
        return Credential(identity_token=entry.identity_token)
    if entry.registry_token:
        return Credential(registry_token=entry.registry_token)
    if not entry.auth:
        return Credential(entry.username, entry.password) if entry.username else None
    try:
        pair = base64.b64decode(entry.auth, validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"{where}: 'auth' is not base64 of user:password") from error
    username, colon, password = pair.partition(":")
    if not colon:
        raise ConfigError(f"{where}: 'auth' is not base64 of user:password")
    # Docker pads what it writes with NUL on some systems.
    return Credential(username, password.rstrip("\x00"))


def _normalise(key: str) -> str:
    """Turn ``https://index.docker.io/v1/`` and the like into a host, and leave ``host/namespace`` as it is."""
    bare = key.partition("://")[2] if "://" in key else key
    host, _, path = bare.strip("/").partition("/")
    if host in _DOCKER_HUB_NAMES:
        host = DEFAULT_REGISTRY
    is_endpoint = "://" in key or path in {"v1", "v2"}
    return host if is_endpoint or not path else f"{host}/{path}"


def _keys_for(registry: str, repository: str) -> Iterator[str]:
    """Give ``host/a/b/c``, ``host/a/b``, ``host/a``, ``host``."""
    parts = [registry, *(part for part in repository.split("/") if part)]
    for count in range(len(parts), 0, -1):
        yield "/".join(parts[:count])
