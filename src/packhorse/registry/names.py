"""Which repository a client means.

Every image answers under two names. containerd keeps the path and adds ``?ns=`` with the registry that it would have
asked; CRI-O and Podman, told to look here for ``docker.io``, put the registry in front of the path. A client that knows
neither is answered when only one registry has the path. The registry that a client names is looked up among those
that are here, and never connected to.

What is pushed without the name of a registry belongs to the site itself: its full name begins with :data:`HOME`, and
so does what a client asks for at this server's own address.
"""

import re

import msgspec

from packhorse.oci.reference import DEFAULT_REGISTRY
from packhorse.registry.ports import Catalog

__all__ = ["HOME", "Ambiguous", "find_repository", "path_name", "registry_as_path", "writable_name"]

HOME = "packhorse.internal"
"""The registry that a site's own images belong to (``.internal`` is nobody's in the public DNS)."""

_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_OFFICIAL = "library/"
_PORT = re.compile(r"(?<=[a-z0-9])_([0-9]{1,5})$", re.ASCII)
"""A port as :func:`registry_as_path` writes it."""


class Ambiguous(msgspec.Struct, frozen=True):
    """Several registries have the path, and the client did not say which it means."""

    names: tuple[str, ...]


def registry_as_path(registry: str) -> str:
    """Write a registry as the first part of a path: a colon cannot stand there (``registry.example_5000``)."""
    return registry.replace(":", "_").lower()


def path_name(name: str) -> str:
    """Write a full name so that it can be asked for as a path."""
    registry, _, path = name.partition("/")
    return path if registry == HOME else f"{registry_as_path(registry)}/{path}"


def writable_name(path: str, namespace: str | None, catalog: Catalog) -> str:
    """Return the full name of the repository that a client writes to, which need not be there yet.

    A first part that can only be a host (with a dot or a port, or ``localhost``) is the registry; without one, it is
    the only registry that has the path, or the site's own.
    """
    registry, rest = namespace, path
    if registry is None:
        first, slash, after = path.partition("/")
        is_host = slash and ("." in first or ":" in first or _PORT.sub("", first) == "localhost")
        if not is_host and len(known := catalog.registries(path)) == 1:
            # What is written is what is read under the same words: a signature goes to the image that it is about.
            return f"{known[0]}/{path}"
        registry, rest = (first, after) if is_host else (HOME, path)
    if (found := _in_registry(registry, rest, catalog)) is not None:
        return found
    if registry.lower() in _DOCKER_HUB:
        return f"{DEFAULT_REGISTRY}/{rest if '/' in rest else _OFFICIAL + rest}"
    return _PORT.sub(r":\1", registry) + f"/{rest}"


def find_repository(path: str, namespace: str | None, catalog: Catalog) -> str | Ambiguous | None:
    """Return the full name of the repository that a client means.

    Args:
        path: The repository in the request's path.
        namespace: The value of ``ns``, if there is one.
        catalog: What is here.
    """
    if namespace:
        return _in_registry(namespace, path, catalog)
    first, slash, rest = path.partition("/")
    if slash and (found := _in_registry(first, rest, catalog)) is not None:
        return found
    registries = catalog.registries(path)
    if HOME in registries:
        return f"{HOME}/{path}"
    if len(registries) > 1:
        return Ambiguous(tuple(f"{registry}/{path}" for registry in registries))
    return f"{registries[0]}/{path}" if registries else None


def _in_registry(written: str, path: str, catalog: Catalog) -> str | None:
    registry = DEFAULT_REGISTRY if written.lower() in _DOCKER_HUB else written
    paths = (path, _OFFICIAL + path) if registry == DEFAULT_REGISTRY and "/" not in path else (path,)
    for candidate in paths:
        known = catalog.registries(candidate)
        if registry in known:
            return f"{registry}/{candidate}"
        for other in known:
            if registry_as_path(other) == registry_as_path(registry):
                return f"{other}/{candidate}"
    return None
