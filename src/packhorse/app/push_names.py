"""Under which names images go to a registry: decided without asking it."""

import re
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from packhorse.base.errors import ConfigError, UsageError
from packhorse.oci.copy import Root
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.reference import Reference

__all__ = ["NamedRoot", "PushTarget", "name_images"]

_UNFIT_FOR_NAME = re.compile(r"[^a-z0-9.]+")


class PushTarget(msgspec.Struct, frozen=True):
    """A registry, and how names are made in it.

    Without ``prefix`` a repository keeps its name: ``docker.io/library/redis`` becomes ``<registry>/library/redis``.
    With one, it stands below it under its upstream's host: ``<registry>/<prefix>/docker.io/library/redis``, so that
    images of several upstreams never meet. ``path`` stands before either.
    """

    registry: str
    path: str = ""
    prefix: str | None = None

    @classmethod
    def parse(cls, text: str, prefix: str | None = None) -> "PushTarget":
        """Read ``registry.example:5000`` or ``registry.example/project``.

        Raises:
            UsageError: It is no registry, or no repository can have this path.
        """
        registry, _, path = text.strip("/").partition("/")
        prefix = None if prefix is None else prefix.strip("/")
        try:
            found = Reference.parse("/".join((registry, *(part for part in (path, prefix) if part), "name")))
        except ConfigError as error:
            raise _no_target(text, error.message) from error
        # A word without a dot or port is a repository on Docker Hub to the grammar, not a host.
        if registry not in {found.registry, "index.docker.io"}:
            raise _no_target(text, f"{registry!r} is not a registry host")
        return cls(found.registry, path, prefix or None)

    def repository(self, reference: Reference) -> str:
        """Return registry and repository for an image."""
        parts = [self.registry, self.path]
        if self.prefix is not None:
            host = _UNFIT_FOR_NAME.sub("-", reference.registry.lower()).strip("-.")
            parts += [self.prefix, host]
        return "/".join(part for part in (*parts, reference.repository) if part)

    def name(self, reference: Reference) -> str:
        """Return the whole name that an image will have."""
        tag = f":{reference.tag}" if reference.tag is not None else ""
        digest = f"@{reference.digest}" if reference.digest is not None else ""
        return f"{self.repository(reference)}{tag}{digest}"


class NamedRoot(msgspec.Struct, frozen=True):
    """An image with the repository that it comes from, where its referrers are looked for."""

    upstream: str
    root: Root


def name_images(images: Sequence[tuple[Reference, Descriptor]], target: PushTarget) -> dict[str, tuple[NamedRoot, ...]]:
    """Gather images by the repository that they go to. Of two that have the very same name, the first keeps its tag.

    Raises:
        UsageError: Images of different names would get the same tag for different content.
    """
    found: dict[str, list[NamedRoot]] = defaultdict(list)
    tagged: dict[str, tuple[Reference, Digest]] = {}
    for reference, descriptor in images:
        repository = target.repository(reference)
        tags: tuple[str, ...] = ()
        if reference.tag is not None:
            name = f"{repository}:{reference.tag}"
            first, digest = tagged.setdefault(name, (reference, descriptor.digest))
            if digest != descriptor.digest and first.name != reference.name:
                raise UsageError(
                    f"{first} and {reference} are different images, and both would become {name}",
                    hint="with --prefix, names keep the registry that they come from",
                )
            tags = (reference.tag,) if digest == descriptor.digest else ()
        found[repository].append(NamedRoot(reference.name, Root(descriptor, tags)))
    return {name: tuple(roots) for name, roots in found.items()}


def _no_target(text: str, why: str) -> UsageError:
    return UsageError(
        f"{text!r} is not a registry to push to: {why}",
        hint="write it as registry.example, registry:5000 or registry.example/project",
    )
