"""From a chart in a folder to its one archive, with the charts that it depends on.

What is in the folder goes into the archive byte for byte, apart from what ``.helmignore`` leaves out. Dependencies
that ``charts/`` has are taken as they are; ``file://`` ones that it lacks are packed from their folders; others that
it lacks are fetched, into a copy: the author's folder is never written to.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packhorse.base.errors import ConfigError, PackhorseError
from packhorse.base.units import format_bytes
from packhorse.helm.chart_archive import MAX_CHART_BYTES, pack, parse_metadata, unpack
from packhorse.helm.chart_dependencies import Dependency, dependencies
from packhorse.helm.ignore_rules import IgnoreRules

__all__ = ["FetchDependency", "is_complete", "pack_folder"]

FetchDependency = Callable[[Dependency], bytes]
"""Fetches the archive of a chart that another depends on, from its repository or registry."""

_MAX_NESTING = 8
_NAMED_REPOSITORY = ("@", "alias:")


@dataclass(frozen=True, slots=True)
class _Packer:
    root: Path
    fetch: FetchDependency | None
    trail: tuple[Path, ...] = field(default=())

    def pack(self, folder: Path) -> bytes:
        real = folder.resolve()
        if real in self.trail or len(self.trail) >= _MAX_NESTING:
            names = " → ".join(path.name for path in (*self.trail, real))
            raise ConfigError(f"chart {folder.name} depends on itself, or too deep: {names}")
        packer = _Packer(self.root, self.fetch, (*self.trail, real))
        files = dict(_read_files(real, self.root.resolve(), folder))
        if "Chart.yaml" not in files:
            raise ConfigError(f"{folder} is not a chart: it has no Chart.yaml")
        metadata = parse_metadata(files["Chart.yaml"], f"{folder}/Chart.yaml")
        packer.add_missing(real, files)
        return pack(metadata.name, files)

    def add_missing(self, folder: Path, files: dict[str, bytes]) -> None:
        present = _vendored(files)
        where = _shown(folder, self.root)
        # One chart may be there twice, under two aliases.
        for dependency in dict.fromkeys(dependencies(files, where)):
            if dependency.name not in present:
                content = self._archive(dependency, folder, where)
                found = unpack(content, dependency.name).metadata
                if found.name != dependency.name:
                    there = f"{dependency.repository} has {found.name} there"
                    raise ConfigError(f"chart {where} depends on {dependency.name}, and {there}")
                files[f"charts/{found.name}-{found.version}.tgz"] = content

    def _archive(self, dependency: Dependency, folder: Path, where: str) -> bytes:
        missing = f"chart {where} depends on {dependency.name}, which is not in its charts/"
        if dependency.repository.startswith("file://"):
            beside = folder / dependency.repository.removeprefix("file://")
            if not beside.is_dir():
                raise ConfigError(f"{missing} and not at {dependency.repository}", hint=f"look at {where}/Chart.yaml")
            return self.pack(beside)
        if not dependency.repository:
            raise ConfigError(
                missing, hint=f"copy it to {where}/charts/{dependency.name}, or give its repository in Chart.yaml"
            )
        if dependency.repository.startswith(_NAMED_REPOSITORY):
            raise ConfigError(
                f"{missing}; {dependency.repository} is a repository that only the Helm of somebody else knows",
                hint=f"write its URL in {where}/Chart.yaml; helm repo list shows it",
            )
        if dependency.is_out_of_sync:
            versions = f"Chart.yaml wants {dependency.written}, and Chart.lock has {dependency.version}"
            raise ConfigError(f"{missing}; {versions}", hint=f"run helm dependency update {where}")
        if self.fetch is None:
            raise ConfigError(missing, hint=f"run helm dependency build {where}")
        try:
            return self.fetch(dependency)
        except ConfigError as error:
            raise ConfigError(f"{missing}: {error.message}", hint=error.hint) from error
        except PackhorseError as error:
            raise PackhorseError.summarise(f"{missing} and could not be fetched.", [error]) from error


class _MustFetchError(Exception):
    """Something would have to be fetched."""


def pack_folder(folder: Path, *, root: Path, fetch: FetchDependency | None = None) -> bytes:
    """Pack the chart in ``folder``; the same files give the same bytes on any machine.

    Args:
        root: Everything that is read must lie in this folder, wherever links and ``file://`` lead.
        fetch: None refuses charts whose dependencies would have to be fetched.

    Raises:
        ConfigError: It is no chart, lacks a dependency, is too large, or leads out of ``root``.
        NetworkError, RegistryError: A dependency could not be fetched.
    """
    return _Packer(root, fetch).pack(folder)


def is_complete(folder: Path, *, root: Path) -> bool:
    """Whether everything that the chart in ``folder`` depends on lies in ``root``, so that nothing must be fetched.

    Raises:
        ConfigError: It is no chart.
    """

    def refuse(_dependency: Dependency) -> bytes:
        raise _MustFetchError

    try:
        pack_folder(folder, root=root, fetch=refuse)
    except _MustFetchError:
        return False
    return True


def _shown(folder: Path, root: Path) -> str:
    """A folder as people name it in the package."""
    real = root.resolve()
    return folder.relative_to(real).as_posix() if folder.is_relative_to(real) and folder != real else folder.name


def _read_files(folder: Path, root: Path, shown: Path) -> Iterator[tuple[str, bytes]]:
    rules_file = folder / ".helmignore"
    rules = IgnoreRules.parse(
        rules_file.read_text(encoding="utf-8") if rules_file.is_file() else "", f"{shown}/.helmignore"
    )
    total = 0
    for path, real in _walk(folder, "", rules, root, (folder,)):
        content = real.read_bytes()
        total += len(content)
        if total > MAX_CHART_BYTES:
            limit = format_bytes(MAX_CHART_BYTES)
            raise ConfigError(
                f"chart {shown} is larger than {limit}, the most that Helm reads",
                hint="leave files out with .helmignore",
            )
        yield path, content


def _walk(
    folder: Path, prefix: str, rules: IgnoreRules, root: Path, trail: tuple[Path, ...]
) -> Iterator[tuple[str, Path]]:
    if not folder.is_relative_to(root):
        raise ConfigError(f"{folder} lies outside of the package's folder {root}")
    for entry in sorted(folder.iterdir()):
        path = f"{prefix}{entry.name}"
        real = entry.resolve()
        is_folder = real.is_dir()
        if rules.ignores(path, is_folder=is_folder):
            continue
        if not real.is_relative_to(root):
            raise ConfigError(f"{entry} leads to {real}, outside of the package's folder {root}")
        if is_folder:
            if real in trail:
                raise ConfigError(f"{entry} leads back to a folder that it lies in")
            yield from _walk(real, f"{path}/", rules, root, (*trail, real))
        elif real.is_file():
            yield path, real
        else:
            raise ConfigError(f"{entry} is neither a file nor a folder")


def _vendored(files: Mapping[str, bytes]) -> set[str]:
    found = set()
    for path, content in files.items():
        parts = path.split("/")
        if parts[0] != "charts":
            continue
        if len(parts) == 3 and parts[2] == "Chart.yaml":  # noqa: PLR2004 - charts/NAME/Chart.yaml
            found.add(parse_metadata(content, path).name)
        elif len(parts) == 2 and path.endswith(".tgz"):  # noqa: PLR2004 - charts/NAME.tgz
            found.add(unpack(content, path).metadata.name)
    return found
