"""Where a chart comes from: a folder or archive of the package, a chart repository, or an OCI registry."""

import re
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from packhorse.base.errors import ConfigError
from packhorse.oci.reference import Reference
from packhorse.package.model import ChartEntry

__all__ = ["ChartSource", "ChartSourceError", "ChartSourceKind"]

ChartSourceKind: TypeAlias = Literal["folder", "archive", "repository", "oci"]

_VERSION = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?", re.ASCII)
_OCI = "oci://"
_FORMS = "expected a folder or .tgz of the package, https://… or oci://registry/path/chart"


class ChartSourceError(ConfigError):
    """A chart's source, its version or its name in the repository is wrong; ``key`` says which."""

    def __init__(self, key: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.key = key


@dataclass(frozen=True, slots=True)
class ChartSource:
    """A chart's source, understood."""

    kind: ChartSourceKind
    location: str
    """Path in the package without ``./``, URL of the repository, or ``registry/path/chart``."""
    chart: str = ""
    """Name in the repository; empty for the other kinds."""
    version: str = ""
    """Exact, for ``repository`` and ``oci``."""

    @classmethod
    def of(cls, entry: ChartEntry) -> Self:
        """Read the source of a chart.

        Raises:
            ChartSourceError: It is of no known form, or lacks or has a version or a chart's name against its kind.
        """
        source = entry.source
        is_repository = source.startswith(("https://", "http://"))
        if entry.chart is not None and not is_repository:
            raise ChartSourceError("chart", "is only for https:// repositories; here the source says which chart it is")
        if source.startswith(_OCI):
            return cls("oci", _oci_location(source), version=_version(entry))
        if is_repository:
            return cls("repository", source.rstrip("/"), entry.chart or entry.name, _version(entry))
        if "://" in source:
            raise ChartSourceError("source", f"{_FORMS}, found {source!r}")
        if entry.version is not None:
            raise ChartSourceError(
                "version", "is only for repositories and oci://; a local chart has its own in Chart.yaml"
            )
        location = source.removeprefix("./").rstrip("/") or "."
        return cls("archive" if location.endswith((".tgz", ".tar.gz")) else "folder", location)


def _version(entry: ChartEntry) -> str:
    if entry.version is None:
        raise ChartSourceError("source", "a chart from a repository needs its exact version", hint="add version: 1.2.3")
    if not _VERSION.fullmatch(entry.version):
        raise ChartSourceError("version", f"expected an exact version as 1.2.3, found {entry.version[:40]!r}")
    return entry.version


def _oci_location(source: str) -> str:
    location = source.removeprefix(_OCI).rstrip("/")
    host, slash, path = location.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        raise ChartSourceError("source", f"{_FORMS}, found {source!r} without a registry")
    if ":" in path or "@" in path:
        raise ChartSourceError("source", "write the tag as version: instead")
    try:
        return Reference.parse(location).name
    except ConfigError as error:
        raise ChartSourceError("source", error.message) from error
