"""What deploying needs from outside: the package's content, its variables, and time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from packhorse.package.model import Package

__all__ = ["CarriedImage", "Clock", "PackageContent", "Substitution"]


@dataclass(frozen=True, slots=True)
class CarriedImage:
    """An image that came with the package."""

    name: str
    """The reference under which the cluster asks for it, in its full form."""
    digests: tuple[str, ...] = ()
    """Of its index or manifest, and of every manifest below that is carried."""


class PackageContent(Protocol):
    """One package, read from wherever it is. Everything that it returns is verified."""

    @property
    def definition(self) -> Package:
        """The package as its author defined it."""

    @property
    def root_digest(self) -> str:
        """Digest of the bundle that it came in."""

    @property
    def images(self) -> Sequence[CarriedImage]:
        """The images that came with it."""

    def read_file(self, path: str) -> bytes:
        """Return a file of the package's folder.

        Raises:
            IntegrityError: It isn't there.
        """

    def chart_archive(self, component: str, name: str) -> bytes:
        """Return the archive of a chart.

        Raises:
            IntegrityError: It isn't there.
        """

    def rendering(self, component: str, name: str) -> bytes:
        """Return the objects of a kustomization, as YAML.

        Raises:
            IntegrityError: It isn't there.
        """


class Substitution(Protocol):
    """Puts the site's values in the place of ``${var.NAME}``."""

    def __call__(self, document: Any, source: str) -> Any:
        """Return a decoded YAML document with every placeholder replaced; the document given is left as it is.

        Args:
            document: Mappings, lists and scalars.
            source: What it was read from, for the message.

        Raises:
            ConfigError: A placeholder names no variable.
        """


class Clock(Protocol):
    """Time, so that tests can have their own."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def now(self) -> float:
        """Return seconds since 1970, UTC."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
