"""The folder that a package lies in: every path of the definition, kept inside it."""

from pathlib import Path

import msgspec

from packhorse.base.errors import ConfigError
from packhorse.oci.digest import Digest
from packhorse.package.folder_path import PathKind, resolve_inside
from packhorse.package.lock import LockedFile

__all__ = ["PackageFolder", "plain"]

_PIECE = 1024 * 1024


class PackageFolder(msgspec.Struct, frozen=True):
    """The folder that has ``packhorse.yaml``."""

    path: Path

    def inside(self, relative: str, what: str, kind: PathKind = "any") -> Path:
        """Return where a path of the definition leads.

        Args:
            relative: As it is written there.
            what: What names it, for messages.
            kind: What must be there.

        Raises:
            ConfigError: There is nothing, something else, or it leads out of the folder, by ``..`` or by a link.
        """
        try:
            return resolve_inside(self.path, relative, kind)
        except ConfigError as error:
            raise ConfigError(f"{what}: {error.message}", hint=error.hint) from error

    def read(self, relative: str, what: str) -> bytes:
        """Read a file whole."""
        path = self.inside(relative, what, "file")
        try:
            return path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{what}: cannot read {relative}: {error.strerror}") from error

    def locked(self, relative: str, what: str) -> LockedFile:
        """Hash a file, of whatever size."""
        path = self.inside(relative, what, "file")
        size = 0
        try:
            with path.open("rb") as stream:
                hasher = Digest.of(b"").hasher()
                while piece := stream.read(_PIECE):
                    hasher.update(piece)
                    size += len(piece)
        except OSError as error:
            raise ConfigError(f"{what}: cannot read {relative}: {error.strerror}") from error
        return LockedFile(path=plain(relative), digest=Digest(f"sha256:{hasher.hexdigest()}"), size=size)


def plain(relative: str) -> str:
    """Write a path of the definition the shortest way: ``./charts//shop/`` is ``charts/shop``."""
    return Path(relative).as_posix()
