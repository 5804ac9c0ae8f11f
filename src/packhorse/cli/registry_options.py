"""The options of every verb that talks to registries, and what they and the environment come to.

The environment is read here and nowhere below: ``DOCKER_CONFIG``, ``REGISTRY_AUTH_FILE``, ``XDG_RUNTIME_DIR``,
``XDG_CONFIG_HOME``, ``CONTAINERS_REGISTRIES_CONF``, ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY``.
"""

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from packhorse import __version__
from packhorse.base.errors import ConfigError, UsageError
from packhorse.cli.proxies import registry_proxies
from packhorse.oci.docker_config import FixedCredential, StoredCredentials
from packhorse.oci.mirrors import MirrorRule, MirrorTable, parse_mirror
from packhorse.oci.registries_conf import read_registries_conf
from packhorse.oci.registry_settings import Credential, CredentialSource, RegistrySettings

__all__ = ["RegistryOptions", "registry_options", "registry_settings", "target_registry_options"]

_CERTIFICATE_FOLDERS = (Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))
_SYSTEM_REGISTRIES_CONF = Path("/etc/containers/registries.conf")
_LEAST_WORKERS = 4
_MOST_WORKERS = 16

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class RegistryOptions:
    """What was written on the command line."""

    workers: int
    """Threads that fetch or send."""
    ca_file: Path | None = None
    insecure: tuple[str, ...] = ()
    plain_http: tuple[str, ...] = ()
    registry_config: Path | None = None
    mirrors: tuple[str, ...] = ()
    mirror_only: bool = False
    registries_conf: Path | None = None


def registry_options(function: _Decorated) -> Callable[..., Any]:
    """Give a verb that reads from registries the options; it gets one :class:`RegistryOptions` as ``registry``."""
    return _gathered(function, (*_MIRROR_OPTIONS, *_OPTIONS))


def target_registry_options(function: _Decorated) -> Callable[..., Any]:
    """Give a verb that writes to one registry the options, as :func:`registry_options` does, but for mirrors."""
    return _gathered(function, _OPTIONS)


def registry_settings(
    options: RegistryOptions,
    environment: Mapping[str, str] | None = None,
    login: tuple[str, Credential] | None = None,
) -> RegistrySettings:
    """Put options, environment and the machine's files together.

    Args:
        options: From the command line.
        environment: The process's own where it is left out.
        login: A registry and what to present to it, before what any file has.

    Raises:
        ConfigError: An option or a file is not of its format.
    """
    environment = os.environ if environment is None else environment
    stored = StoredCredentials(tuple(_login_files(options, environment)))
    credentials: CredentialSource = FixedCredential(*login, otherwise=stored) if login is not None else stored
    return RegistrySettings(
        credentials=credentials,
        mirrors=MirrorTable(
            tuple(_mirror(text) for text in options.mirrors),
            read_registries_conf(tuple(_mirror_files(options, environment))),
            mirror_only=options.mirror_only,
        ),
        ca_file=options.ca_file,
        certificate_folders=_CERTIFICATE_FOLDERS,
        insecure_hosts=frozenset(options.insecure),
        plain_http_hosts=frozenset(options.plain_http),
        proxies=registry_proxies(environment),
        connections=options.workers + 2,
        user_agent=f"packhorse/{__version__}",
    )


def _gathered(function: _Decorated, options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    @functools.wraps(function)
    def gather(*args: Any, **values: Any) -> Any:
        given = {name: values.pop(name) for name in RegistryOptions.__slots__ if name in values}
        return function(*args, **values, registry=RegistryOptions(**given))

    for option in reversed(options):
        gather = option(gather)
    return gather


def _mirror(text: str) -> MirrorRule:
    try:
        return parse_mirror(text)
    except ConfigError as error:
        # It stands on the command line, not in a file.
        raise UsageError(error.message, hint=error.hint) from error


def _default_workers() -> int:
    # One more than cores keeps a fast network busy; a slow one gains by a few connections more.
    return min(_MOST_WORKERS, max(_LEAST_WORKERS, (os.cpu_count() or 1) + 1))


_MIRROR_OPTIONS = (
    click.option(
        "--mirror",
        "mirrors",
        metavar="UPSTREAM=URL",
        multiple=True,
        help="Ask URL first for what UPSTREAM (a registry, or * for all) has; a path in URL goes before the name.",
    ),
    click.option("--mirror-only", is_flag=True, help="Where there is a mirror, never ask the upstream itself."),
    click.option(
        "--registries-conf",
        metavar="FILE",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Mirrors, as in containers' registries.conf; read instead of the usual files.",
    ),
)

_OPTIONS = (
    click.option(
        "--ca-file",
        metavar="FILE",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="PEM certificates to trust besides the system's.",
    ),
    click.option(
        "--insecure", metavar="HOST", multiple=True, help="Do not check the certificate of HOST (* for every host)."
    ),
    click.option("--plain-http", metavar="HOST", multiple=True, help="Speak to HOST without TLS (* for every host)."),
    click.option(
        "--registry-config",
        metavar="FILE",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Logins, as in Docker's config.json; read instead of the usual files.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1, 64),
        default=_default_workers,
        show_default="cores + 1, at least 4",
        help="How many blobs are carried at a time.",
    ),
)


def _login_files(options: RegistryOptions, environment: Mapping[str, str]) -> Iterator[Path]:
    if options.registry_config is not None:
        yield options.registry_config
        return
    if environment.get("REGISTRY_AUTH_FILE"):
        yield Path(environment["REGISTRY_AUTH_FILE"])
    if environment.get("XDG_RUNTIME_DIR"):
        yield Path(environment["XDG_RUNTIME_DIR"], "containers", "auth.json")
    if (folder := _config_folder(environment)) is not None:
        yield folder / "containers" / "auth.json"
    if environment.get("DOCKER_CONFIG"):
        yield Path(environment["DOCKER_CONFIG"], "config.json")
    elif environment.get("HOME"):
        yield Path(environment["HOME"], ".docker", "config.json")


def _mirror_files(options: RegistryOptions, environment: Mapping[str, str]) -> Iterator[Path]:
    if options.registries_conf is not None:
        yield options.registries_conf
    elif environment.get("CONTAINERS_REGISTRIES_CONF"):
        yield Path(environment["CONTAINERS_REGISTRIES_CONF"])
    else:
        own = _config_folder(environment)
        # As containers' tools have it: the user's file stands instead of the system's; drop-ins come on top.
        main = _SYSTEM_REGISTRIES_CONF
        if own is not None and (own / "containers" / "registries.conf").exists():
            main = own / "containers" / "registries.conf"
        yield main
        for folder in (_SYSTEM_REGISTRIES_CONF.parent, *((own / "containers",) if own is not None else ())):
            yield from sorted((folder / "registries.conf.d").glob("*.conf"))


def _config_folder(environment: Mapping[str, str]) -> Path | None:
    if environment.get("XDG_CONFIG_HOME"):
        return Path(environment["XDG_CONFIG_HOME"])
    return Path(environment["HOME"], ".config") if environment.get("HOME") else None
