"""From a chart in a folder to its one archive, with the charts that it depends on.

What is in the folder goes into the archive byte for byte, apart from what ``.helmignore`` leaves out. Dependencies
that ``charts/`` has are taken as they are; ``file://`` ones that it lacks are packed from their folders; others that
it lacks are fetched, into a copy: the author's folder is never written to.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from packhorse.base.errors import ConfigError
from packhorse.base.program import private_folder
from packhorse.base.units import format_bytes
from packhorse.helm.chart_archive import MAX_CHART_BYTES, pack, parse_metadata, unpack
from packhorse.helm.ignore_rules import IgnoreRules

__all__ = ["FetchDependencies", "is_complete", "pack_folder"]

FetchDependencies = Callable[[Path, Sequence[str]], None]
"""Fetches what the chart in a folder depends on into its ``charts/``, given the repositories' URLs:
:meth:`packhorse.helm.cli_helm.CliHelm.fetch_dependencies`."""

_MAX_NESTING = 8


@dataclass(frozen=True, slots=True)
class _Dependency:
    name: str
    version: str
    repository: str


@dataclass(frozen=True, slots=True)
class _Packer:
    root: Path
    fetch: FetchDependencies | None
    scratch: Path
    trail: tuple[Path, ...] = field(default=())

    def pack(self, folder: Path) -> bytes:
        real = folder.resolve()
        if real in self.trail or len(self.trail) >= _MAX_NESTING:
            names = " → ".join(path.name for path in (*self.trail, real))
            raise ConfigError(f"chart {folder.name} depends on itself, or too deep: {names}")
        packer = _Packer(self.root, self.fetch, self.scratch, (*self.trail, real))
        files = dict(_read_files(real, self.root.resolve(), folder))
        if "Chart.yaml" not in files:
            raise ConfigError(f"{folder} is not a chart: it has no Chart.yaml")
        metadata = parse_metadata(files["Chart.yaml"], f"{folder}/Chart.yaml")
        packer.add_missing(real, files)
        return pack(metadata.name, files)

    def add_missing(self, folder: Path, files: dict[str, bytes]) -> None:
        present = _vendored(files)
        remote = []
        for dependency in _dependencies(files, folder):
            if dependency.name in present:
                continue
            if dependency.repository.startswith("file://"):
                content = self.pack(folder / dependency.repository.removeprefix("file://"))
                version = unpack(content, dependency.name).metadata.version
                files[f"charts/{dependency.name}-{version}.tgz"] = content
            elif dependency.repository:
                remote.append(dependency)
            else:
                raise ConfigError(f"chart {folder.name} depends on {dependency.name}, which is not in its charts/")
        if remote:
            files.update(self._fetched(folder, files, remote))

    def _fetched(
        self, folder: Path, files: Mapping[str, bytes], remote: Sequence[_Dependency]
    ) -> Iterator[tuple[str, bytes]]:
        names = ", ".join(dependency.name for dependency in remote)
        if self.fetch is None:
            raise ConfigError(
                f"chart {folder.name} depends on {names}, missing in its charts/",
                hint=f"run helm dependency build {folder.name}",
            )
        copy = self.scratch / f"dependencies-{len(self.trail)}" / folder.name
        for path, content in files.items():
            target = copy / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        self.fetch(copy, sorted({d.repository for d in remote if d.repository.startswith(("https://", "http://"))}))
        present = _vendored(files)
        for archive in sorted((copy / "charts").glob("*.tgz")):
            if archive.name not in {path.rpartition("/")[2] for path in files}:
                content = archive.read_bytes()
                if unpack(content, archive.name).metadata.name not in present:
                    yield f"charts/{archive.name}", content


def pack_folder(folder: Path, *, root: Path, scratch: Path, fetch: FetchDependencies | None = None) -> bytes:
    """Pack the chart in ``folder``; the same files give the same bytes on any machine.

    Args:
        root: Everything that is read must lie in this folder, wherever links and ``file://`` lead.
        scratch: A private, writable folder for copies of charts whose dependencies must be fetched.
        fetch: None refuses charts whose dependencies would have to be fetched.

    Raises:
        ConfigError: It is no chart, lacks a dependency, is too large, or leads out of ``root``.
        NetworkError: A dependency could not be fetched.
    """
    return _Packer(root, fetch, scratch).pack(folder)


def is_complete(folder: Path, *, root: Path) -> bool:
    """Whether everything that the chart in ``folder`` depends on lies in ``root``, so that nothing must be fetched.

    Raises:
        ConfigError: It is no chart.
    """
    with private_folder("chart") as scratch:
        missing: list[Path] = []

        def note(copy: Path, _repositories: Sequence[str]) -> None:
            missing.append(copy)

        pack_folder(folder, root=root, scratch=scratch, fetch=note)
        return not missing


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


def _dependencies(files: Mapping[str, bytes], folder: Path) -> list[_Dependency]:
    found = []
    for path in ("Chart.yaml", "requirements.yaml"):
        if path not in files:
            continue
        try:
            tree: Any = yaml.load(files[path], Loader=yaml.CBaseLoader)  # noqa: S506 - BaseLoader makes strings only
        except yaml.YAMLError as error:
            raise ConfigError(f"{folder / path} is not YAML: {error}") from error
        listed = tree.get("dependencies") if isinstance(tree, dict) else None
        for entry in listed if isinstance(listed, list) else []:
            if not isinstance(entry, dict) or not entry.get("name"):
                raise ConfigError(f"{folder / path}: a dependency without a name")
            found.append(
                _Dependency(str(entry["name"]), str(entry.get("version") or ""), str(entry.get("repository") or ""))
            )
    return found
