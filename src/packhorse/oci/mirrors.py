"""Where a repository is asked for: its mirrors in order, then the registry in its name.

Rules come from ``--mirror UPSTREAM=URL`` and from ``registries.conf`` (:mod:`packhorse.oci.registries_conf`); what
they say is decided here, without I/O.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from packhorse.base.errors import ConfigError, RegistryError

__all__ = ["CATCH_ALL", "Location", "MirrorRule", "MirrorTable", "parse_mirror"]

CATCH_ALL = "*"
"""The upstream of a rule that holds for every registry."""

_MAX_SHOWN = 200
_THE_UPSTREAM = "*"
"""As a rule's namespace: whatever registry is asked for."""

PullBy = Literal["all", "digest", "tag"]


@dataclass(frozen=True, slots=True)
class Location:
    """One place that may have a repository.

    ``scheme`` is empty where the host's own rules decide between ``https`` and ``http``.
    """

    host: str
    repository: str
    scheme: str = ""
    namespace: str | None = None
    """What goes into the query parameter ``ns``: the upstream registry (distribution-spec, "Registry Proxying")."""
    is_mirror: bool = False
    insecure: bool = False
    """The certificate is not checked, and plain HTTP will do."""
    pull_by: PullBy = "all"


@dataclass(frozen=True, slots=True)
class MirrorRule:
    """What stands in for one part of the world's names.

    ``prefix`` is a registry, a registry with the begin of a repository, ``*.domain`` or :data:`CATCH_ALL`.
    ``mirrors`` have in ``repository`` what replaces the prefix. ``location`` replaces the prefix when the upstream
    itself is asked; None leaves it.
    """

    prefix: str
    mirrors: tuple[Location, ...] = ()
    location: Location | None = None
    blocked: bool = False

    def rest_of(self, name: str) -> str | None:
        """What follows the prefix in ``registry/repository``; None when the rule is not for this name.

        For a rule of a whole domain or of everything it is the repository, for the registry is what is replaced.
        """
        registry, _, repository = name.partition("/")
        if self.prefix == CATCH_ALL:
            return repository
        if self.prefix.startswith("*."):
            return repository if registry.endswith(self.prefix[1:]) else None
        if name == self.prefix:
            return ""
        return name[len(self.prefix) + 1 :] if name.startswith(self.prefix + "/") else None

    @property
    def weight(self) -> int:
        """Longer is nearer; a domain or everything comes after any name."""
        return len(self.prefix) - 1000 if self.prefix.startswith("*") else len(self.prefix)


@dataclass(frozen=True, slots=True)
class MirrorTable:
    """All rules. Those of the command line (``rules``) come before the one of ``registries.conf`` that fits best."""

    rules: tuple[MirrorRule, ...] = ()
    configured: tuple[MirrorRule, ...] = ()
    mirror_only: bool = False
    """Never ask the registry in the name itself, where a mirror is known for it."""

    def locations(self, registry: str, repository: str) -> tuple[Location, ...]:
        """List the places to ask for a repository, best first; the last is the upstream unless that is ruled out.

        Raises:
            RegistryError: ``registries.conf`` blocks it.
        """
        name = f"{registry}/{repository}"
        fitting = [rule for rule in self.rules if rule.rest_of(name) is not None]
        found = [place for rule in sorted(fitting, key=_by_weight) for place in _stand_ins(rule, registry, name)]
        best = min((rule for rule in self.configured if rule.rest_of(name) is not None), key=_by_weight, default=None)
        upstream = Location(registry, repository)
        if best is not None:
            if best.blocked:
                message = f"{name} is blocked by registries.conf (prefix {best.prefix!r})"
                raise RegistryError(message, hint="take the entry out of registries.conf, or name another registry")
            found += _stand_ins(best, registry, name)
            upstream = _upstream(best, upstream, name)
        return tuple(found) if found and self.mirror_only else (*found, upstream)


def parse_mirror(text: str) -> MirrorRule:
    """Read ``UPSTREAM=URL`` as the command line has it.

    A path in the URL is put before the repository (``docker.io=http://10.0.0.5:5000/docker.io``). Without one, or for
    ``*``, the mirror is told the upstream in the query parameter ``ns``, as containerd does.

    Raises:
        ConfigError: It is not of this form.
    """
    upstream, equals, url = text.partition("=")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise _refusal(text, str(error)) from error
    if not upstream or not equals:
        raise _refusal(text, "there is no '='")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _refusal(text, "the mirror is no http or https URL")
    if parts.username is not None or parts.query or parts.fragment:
        raise _refusal(text, "the URL may have a host, a port and a path only")
    path = parts.path.strip("/")
    namespace = _THE_UPSTREAM if not path or upstream == CATCH_ALL else None
    mirror = Location(parts.netloc, path, scheme=parts.scheme, namespace=namespace, is_mirror=True)
    return MirrorRule(upstream.rstrip("/"), (mirror,))


def _stand_ins(rule: MirrorRule, registry: str, name: str) -> Sequence[Location]:
    return [_stand_in(place, rule.rest_of(name) or "", registry, name) for place in rule.mirrors]


def _stand_in(place: Location, rest: str, registry: str, name: str) -> Location:
    namespace = registry if place.namespace == _THE_UPSTREAM else None
    # Told the upstream, a mirror knows a repository by its whole name, as the upstream does.
    if namespace is not None and not place.repository:
        return replace(place, repository=name.partition("/")[2], namespace=namespace)
    return replace(place, repository=f"{place.repository}/{rest}".strip("/"), namespace=namespace)


def _upstream(rule: MirrorRule, upstream: Location, name: str) -> Location:
    if rule.location is None:
        return upstream
    rest = rule.rest_of(name) or ""
    return replace(rule.location, repository=f"{rule.location.repository}/{rest}".strip("/"))


def _by_weight(rule: MirrorRule) -> int:
    return -rule.weight


def _refusal(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"not a mirror: {text[:_MAX_SHOWN]!r}: {why}",
        hint="write it as docker.io=https://mirror.example:5000 or *=http://10.0.0.5:5000",
    )
