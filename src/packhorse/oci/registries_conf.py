"""Reading containers' ``registries.conf`` version 2 (containers-registries.conf(5)): mirrors, blocked registries."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from packhorse.base.errors import ConfigError
from packhorse.oci.mirrors import Location, MirrorRule, PullBy

__all__ = ["parse_registries_conf", "read_registries_conf"]

_MAX_FILE_BYTES = 1024 * 1024
_PULL_BY: dict[str, PullBy] = {"": "all", "all": "all", "digest-only": "digest", "tag-only": "tag"}


class _Mirror(msgspec.Struct, frozen=True, rename="kebab"):
    location: str = ""
    insecure: bool = False
    pull_from_mirror: Literal["", "all", "digest-only", "tag-only"] = ""


class _Registry(msgspec.Struct, frozen=True, rename="kebab"):
    prefix: str = ""
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirror_by_digest_only: bool = False
    mirror: tuple[_Mirror, ...] = ()


class _File(msgspec.Struct, frozen=True):
    registry: tuple[_Registry, ...] = ()
    registries: dict[str, object] | None = None


def read_registries_conf(files: Sequence[Path]) -> tuple[MirrorRule, ...]:
    """Read files in order; a later one replaces what an earlier one says of the same prefix. Missing ones are none.

    Raises:
        ConfigError: A file can't be read, or is not of this format.
    """
    rules: dict[str, MirrorRule] = {}
    for path in files:
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigError(f"{path} can't be read: {error.strerror}") from error
        rules.update((rule.prefix, rule) for rule in parse_registries_conf(content, str(path)))
    return tuple(rules.values())


def parse_registries_conf(content: bytes, where: str) -> tuple[MirrorRule, ...]:
    """Read the text of one file.

    Args:
        content: The file.
        where: Its name, for messages.

    Raises:
        ConfigError: It is not TOML, not of this format, or of the withdrawn version 1.
    """
    if len(content) > _MAX_FILE_BYTES:
        raise ConfigError(f"{where} is larger than {_MAX_FILE_BYTES} bytes, which no registries.conf is")
    try:
        file = msgspec.convert(tomllib.loads(content.decode("utf-8")), _File)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise ConfigError(f"{where} is not a registries.conf: {error}") from error
    if file.registries is not None:
        message = f"{where} is in version 1 of its format ([registries.search], [registries.insecure], …)"
        raise ConfigError(message, hint="write it in version 2: [[registry]] tables with prefix and location")
    return tuple(_rule(registry, where) for registry in file.registry)


def _rule(registry: _Registry, where: str) -> MirrorRule:
    prefix = (registry.prefix or registry.location).rstrip("/")
    if not prefix:
        raise ConfigError(f"{where}: a [[registry]] has neither prefix nor location")
    location = None
    if registry.location or registry.insecure:
        if not registry.location and prefix.startswith("*."):
            raise ConfigError(f"{where}: the [[registry]] with prefix {prefix!r} is insecure and has no location")
        location = _location(registry.location or prefix, insecure=registry.insecure)
    mirrors = []
    for mirror in registry.mirror:
        if not mirror.location:
            raise ConfigError(f"{where}: a [[registry.mirror]] of {prefix!r} has no location")
        pull_by = "digest" if registry.mirror_by_digest_only else _PULL_BY[mirror.pull_from_mirror]
        mirrors.append(_location(mirror.location, insecure=mirror.insecure, is_mirror=True, pull_by=pull_by))
    return MirrorRule(prefix, tuple(mirrors), location, registry.blocked)


def _location(text: str, *, insecure: bool, is_mirror: bool = False, pull_by: PullBy = "all") -> Location:
    host, _, repository = text.strip("/").partition("/")
    return Location(host, repository, insecure=insecure, is_mirror=is_mirror, pull_by=pull_by)
