"""``packhorse.yaml`` in: read, checked for its shape and its sense, with all mistakes shown at once."""

from dataclasses import dataclass
from pathlib import Path

from packhorse.base.errors import ConfigError
from packhorse.oci.digest import Digest
from packhorse.package import shape
from packhorse.package.model import Package
from packhorse.package.rules import check_rules
from packhorse.package.source_text import read_file
from packhorse.package.yaml_document import LocatedDocument, read_located
from packhorse.package.yaml_document import Path as DocumentPath

__all__ = ["FILE_NAME", "LoadedPackage", "load", "loads"]

FILE_NAME = "packhorse.yaml"


@dataclass(frozen=True, slots=True)
class LoadedPackage:
    """A package, and where each part of it was written."""

    package: Package
    document: LocatedDocument
    digest: Digest
    """Of the file's bytes."""
    folder: Path | None
    """Against which its paths count; ``None`` for a text that came without its folder."""

    def where(self, *path: str | int) -> str:
        """Return ``packhorse.yaml:14:9`` for a value: ``where("components", 0, "charts", 1)``."""
        return self.document.source.at(self.document.span(path))

    def mistake(self, path: DocumentPath, message: str, *, note: str = "") -> ConfigError:
        """Build the error that shows the value at ``path``."""
        return self.document.mistake(path, message, note=note)


def load(path: Path) -> LoadedPackage:
    """Read a package's definition.

    Args:
        path: The file, or the folder with a ``packhorse.yaml``.

    Raises:
        ConfigError: There is none, or it has mistakes: all of them are listed.
    """
    file = path / FILE_NAME if path.is_dir() else path
    if not file.exists():
        raise ConfigError(f"{file}: no such file", hint="packhorse init NAME writes a package to start from")
    return loads(read_file(file, str(file)), str(file), folder=file.parent)


def loads(data: bytes, where: str = FILE_NAME, *, folder: Path | None = None) -> LoadedPackage:
    """Read a package's definition from a text.

    Args:
        data: YAML.
        where: What people call the text.
        folder: Where the paths in it must exist; they are only checked to be relative where it is left out.

    Raises:
        ConfigError: It has mistakes: all of them are listed.
    """
    document = read_located(data, where, strict_keys=True)
    mistakes = shape.Mistakes(document)
    shape.check(document, Package, mistakes)
    if isinstance(document.value, dict):
        check_rules(document, folder, mistakes)
    mistakes.raise_any()
    package = shape.convert(document, Package)
    return LoadedPackage(package, document, Digest.of(data), folder)
