"""Image references as Docker writes them (the distribution project's grammar), always in their full form."""

import re
from dataclasses import dataclass, replace
from typing import Self

from packhorse.base.errors import ConfigError, IntegrityError
from packhorse.oci.digest import Digest

__all__ = ["DEFAULT_REGISTRY", "Reference"]

DEFAULT_REGISTRY = "docker.io"
_LEGACY_REGISTRY = "index.docker.io"
_OFFICIAL = "library/"
_MAX_NAME_LENGTH = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]{{1,5}})?", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A registry, a repository in it, and a tag, a digest or both; ``latest`` is made explicit when both are missing.

    ``str()`` gives the full form (``docker.io/library/redis:7.2``), which :meth:`parse` reads back to an equal value.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference, filling in what Docker fills in: ``redis`` is ``docker.io/library/redis:latest``.

        Raises:
            ConfigError: The text does not follow the grammar.
        """
        rest, digest = _split_digest(text)
        name, tag = _split_tag(rest)
        registry, repository = _split_registry(name)
        if not _REGISTRY.fullmatch(registry):
            raise _refusal(text, f"{registry!r} is not a registry host")
        if not _REPOSITORY.fullmatch(repository) or len(registry) + 1 + len(repository) > _MAX_NAME_LENGTH:
            raise _refusal(text, f"{repository!r} is not a repository name")
        if tag is not None and not _TAG.fullmatch(tag):
            raise _refusal(text, f"{tag!r} is not a tag")
        if tag is None and digest is None:
            tag = "latest"
        return cls(registry, repository, tag, digest)

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def target(self) -> str:
        """What to ask a registry for: the digest where there is one, else the tag."""
        return str(self.digest) if self.digest is not None else str(self.tag)

    def pinned(self, digest: Digest) -> Self:
        """The same reference, held fast by ``digest``; a tag stays, for people."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.name}{tag}{digest}"


def _split_digest(text: str) -> tuple[str, Digest | None]:
    rest, at, digest = text.partition("@")
    if not at:
        return text, None
    try:
        return rest, Digest(digest)
    except IntegrityError as error:
        raise _refusal(text, str(error)) from error


def _split_tag(text: str) -> tuple[str, str | None]:
    head, colon, tail = text.rpartition(":")
    if not colon or "/" in tail:
        return text, None
    return head, tail


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_host = bool(slash) and (first == "localhost" or first != first.lower() or any(c in first for c in ".:["))
    registry, repository = (first, rest) if is_host else (DEFAULT_REGISTRY, name)
    if registry == _LEGACY_REGISTRY:
        registry = DEFAULT_REGISTRY
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = _OFFICIAL + repository
    return registry, repository


def _refusal(text: str, why: str) -> ConfigError:
    shown = text if len(text) <= _MAX_NAME_LENGTH else text[:_MAX_NAME_LENGTH] + "…"
    return ConfigError(
        f"not an image reference: {shown!r}: {why}",
        hint="write it as in Docker: docker.io/library/redis:7.2 or registry.example:5000/team/app@sha256:…",
    )
