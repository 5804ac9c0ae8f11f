"""Where an image comes from when not from a registry, in skopeo's words: ``oci:PATH[:TAG]`` and two archives."""

from dataclasses import dataclass
from typing import Literal, Self, TypeAlias, cast, get_args

from packhorse.base.errors import ConfigError

__all__ = ["ImageSource", "Transport"]

Transport: TypeAlias = Literal["oci", "oci-archive", "docker-archive"]

_FORMS = "oci:PATH[:TAG], oci-archive:PATH[:TAG] or docker-archive:PATH[:NAME]"


@dataclass(frozen=True, slots=True)
class ImageSource:
    """One image in a layout or an archive."""

    transport: Transport
    path: str
    """As it was written; a relative one counts from the package's folder."""
    name: str | None = None
    """Which image of it; ``None`` when it has just one."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``transport:path[:name]``; as for skopeo, a path has no colon in it.

        Raises:
            ConfigError: It is no such text.
        """
        transport, _, rest = text.partition(":")
        path, colon, name = rest.partition(":")
        if transport not in get_args(Transport):
            raise ConfigError(f"expected {_FORMS}, found {text[:100]!r}")
        if not path or (colon and not name):
            raise ConfigError(f"expected {_FORMS}, found {text[:100]!r} without a {'name' if path else 'path'}")
        return cls(cast("Transport", transport), path, name or None)

    def __str__(self) -> str:
        return ":".join((self.transport, self.path, *([self.name] if self.name else [])))
