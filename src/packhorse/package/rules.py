"""What makes sense in a ``packhorse.yaml`` beyond its shape: names that are unique, references and paths that hold.

Every part whose shape is right is checked, also when others are wrong, so that an author sees all mistakes at once.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from packhorse.base.errors import PackhorseError
from packhorse.base.spelling import nearest
from packhorse.oci.reference import Reference
from packhorse.package.chart_source import ChartSource, ChartSourceError
from packhorse.package.dependencies import cycles
from packhorse.package.file_mode import parse_mode
from packhorse.package.folder_path import PathKind, check_relative, resolve_inside
from packhorse.package.model import (
    ArtifactEntry,
    ChartEntry,
    FileEntry,
    GitEntry,
    ImageEntry,
    KustomizationEntry,
    ManifestEntry,
    Variable,
)
from packhorse.package.shape import Mistakes, path_text
from packhorse.package.variables import Given, check_value
from packhorse.package.yaml_document import LocatedDocument
from packhorse.package.yaml_document import Path as DocumentPath
from packhorse.store.open_source import parse_source

__all__ = ["check_rules"]

T = TypeVar("T")
Part = TypeVar("Part", bound=msgspec.Struct)

_KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_PLACEHOLDER_NOTE = "variables are replaced in values files and manifests, not here"
_GIT_URL = re.compile(r"(?:https?|ssh|git)://[^\s]+|[A-Za-z0-9._-]+@[A-Za-z0-9._-]+:[^\s]+", re.ASCII)


def check_rules(document: LocatedDocument, folder: Path | None, mistakes: Mistakes) -> None:
    """Add what does not make sense in ``document``, a mapping.

    Args:
        document: The whole definition.
        folder: Where its paths must exist; ``None`` to check only that they are relative.
        mistakes: Where to add to.
    """
    rules = _Rules(document, folder, mistakes)
    rules.variables()
    rules.unique(rules.items((), "platforms"), lambda platform: platform, "platform")
    rules.components()


class _Rules:
    def __init__(self, document: LocatedDocument, folder: Path | None, mistakes: Mistakes) -> None:
        self._document = document
        self._folder = folder
        self._mistakes = mistakes

    # --- Ways through the document -------------------------------------------------------------------------------

    def items(self, path: DocumentPath, key: str) -> list[tuple[DocumentPath, Any]]:
        """Return what is in the list ``key`` of the mapping at ``path``, with its paths; nothing if it is no list."""
        parent: Any = self._document.value
        for step in path:
            parent = parent[step]
        found = parent.get(key) if isinstance(parent, dict) else None
        values = found if isinstance(found, list) else []
        return [((*path, key, number), value) for number, value in enumerate(values)]

    def parts(self, path: DocumentPath, key: str, type_: type[Part]) -> Iterator[tuple[DocumentPath, Part]]:
        """Yield the items that have the shape of ``type_``; what they have not is complained about elsewhere."""
        known = {field.encode_name for field in msgspec.structs.fields(type_)}
        for item_path, value in self.items(path, key):
            if isinstance(value, dict):
                try:
                    part = msgspec.convert({key: item for key, item in value.items() if key in known}, type_)
                except msgspec.ValidationError:
                    continue
                yield item_path, part

    def unique(self, items: Iterable[tuple[DocumentPath, T]], name_of: Callable[[T], Any], what: str) -> None:
        """Complain about items that are called as one before."""
        first: dict[Any, DocumentPath] = {}
        for path, item in items:
            name = name_of(item)
            if not isinstance(name, (str, tuple)):
                continue
            if name in first:
                line = self._document.span(first[name]).line
                shown = name if isinstance(name, str) else " in ".join(name)
                self._mistakes.add(path, f"{what} {shown} is listed twice", note=f"first on line {line}")
            first.setdefault(name, path)

    def attempt(self, path: DocumentPath, check: Callable[[], object]) -> None:
        """Complain with the words of the error that ``check`` raises."""
        try:
            check()
        except PackhorseError as error:
            text = self._document.written(path)
            note = _PLACEHOLDER_NOTE if "${var." in text else (error.hint or "")
            self._mistakes.add(path, f"{path_text(path)}: {error.message}", note=note)

    def file(self, path: DocumentPath, text: str, kind: PathKind) -> None:
        """Complain about a path that leaves the folder, or where nothing of its kind is."""
        folder = self._folder
        self.attempt(path, lambda: check_relative(text) if folder is None else resolve_inside(folder, text, kind))

    # --- The rules -----------------------------------------------------------------------------------------------

    def variables(self) -> None:
        self.unique(self.items((), "variables"), _name, "variable")
        for path, variable in self.parts((), "variables", Variable):
            self._variable(path, variable)

    def _variable(self, path: DocumentPath, variable: Variable) -> None:
        if variable.pattern is not None:
            try:
                re.compile(variable.pattern)
            except re.error as error:
                where = (*path, "pattern")
                self._mistakes.add(where, f"{path_text(where)}: not a regular expression: {error}")
                return
        if variable.default is None:
            return
        where = (*path, "default")
        if variable.sensitive:
            message = "a sensitive variable cannot have a default, which everybody could read"
            self._mistakes.add(where, f"{path_text(where)}: {message}")
            return
        given = Given(variable.default, path_text(where), is_text=False)
        try:
            check_value(variable, given)
        except PackhorseError as error:
            self._mistakes.add(where, error.message, note=error.hint or "")

    def components(self) -> None:
        components = self.items((), "components")
        self.unique(components, _name, "component")
        self._dependencies([(path, raw) for path, raw in components if isinstance(raw, dict)])
        charts = [item for path, _ in components for item in self.parts(path, "charts", ChartEntry)]
        self.unique(charts, lambda chart: chart.name, "chart")
        releases = [item for item in charts if sum(chart.name == item[1].name for _, chart in charts) == 1]
        self.unique(releases, lambda chart: (chart.release or chart.name, chart.namespace), "release")
        for path, chart in charts:
            self._chart(path, chart)
        for path, raw in components:
            self._optional(path, raw)
            self._images(path)
            self._objects(path)
            self._files(path)
            self._git(path)

    def _optional(self, path: DocumentPath, raw: Any) -> None:
        if isinstance(raw, dict) and raw.get("default") is True and raw.get("optional") is not True:
            message = "only an optional component can be chosen by default; this one is always deployed"
            self._mistakes.add((*path, "default"), message, of_key=True)

    def _dependencies(self, components: list[tuple[DocumentPath, dict[str, Any]]]) -> None:
        names = [raw.get("name") for _, raw in components]
        known = [name for name in names if isinstance(name, str)]
        edges: dict[str, list[str]] = {}
        places: dict[tuple[str, str], DocumentPath] = {}
        for path, raw in components:
            own = raw.get("name")
            wanted = self.items(path, "dependsOn")
            self.unique(wanted, lambda name: name, "dependency")
            for item_path, name in wanted:
                if not isinstance(name, str) or not isinstance(own, str):
                    continue
                if name not in known:
                    near = nearest(name, known)
                    note = f"did you mean {near}?" if near else f"components: {', '.join(known)}"
                    self._mistakes.add(item_path, f"there is no component {name}", note=note)
                    continue
                edges.setdefault(own, []).append(name)
                places.setdefault((own, name), item_path)
        for cycle in cycles(edges):
            shown = " → ".join((*cycle, cycle[0]))
            self._mistakes.add(places[cycle[-1], cycle[0]], f"components depend on each other: {shown}")

    def _images(self, component: DocumentPath) -> None:
        for key, what in (("images", "image"), ("artifacts", "artifact")):
            named: list[tuple[DocumentPath, str]] = []
            for path, raw in self.items(component, key):
                where = path if isinstance(raw, str) else (*path, "name")
                name = raw if isinstance(raw, str) else _name(raw)
                if isinstance(name, str):
                    named.append((where, name))
                    self.attempt(where, partial(Reference.parse, name))
            self.unique(named, _normal, what)
        entries: list[tuple[DocumentPath, ImageEntry | ArtifactEntry]] = [
            *self.parts(component, "images", ImageEntry),
            *self.parts(component, "artifacts", ArtifactEntry),
        ]
        for path, entry in entries:
            if entry.source is not None:
                self._image_source((*path, "source"), entry.source)

    def _image_source(self, path: DocumentPath, text: str) -> None:
        def check() -> None:
            source = parse_source(text)
            # An image may come from anywhere on this machine: the lock pins what it is.
            if self._folder is not None and not (self._folder / source.path).exists():
                kind = "folder" if source.word == "oci" else "file"
                self._mistakes.add(path, f"{path_text(path)}: there is no {kind} {source.path}")

        self.attempt(path, check)

    def _chart(self, path: DocumentPath, chart: ChartEntry) -> None:
        try:
            source = ChartSource.of(chart)
        except ChartSourceError as error:
            where = (*path, error.key)
            self._mistakes.add(where, f"{path_text(where)}: {error.message}", note=error.hint or "")
        else:
            if source.kind in ("folder", "archive"):
                self._local_chart((*path, "source"), source)
        for number, file in enumerate(chart.values):
            self.file((*path, "values", number), file, "file")
        for name, files in chart.values_sets.items():
            for number, file in enumerate(files):
                self.file((*path, "valuesSets", name, number), file, "file")

    def _local_chart(self, path: DocumentPath, source: ChartSource) -> None:
        before = len(self._mistakes)
        self.file(path, source.location, "folder" if source.kind == "folder" else "file")
        if len(self._mistakes) == before and source.kind == "folder" and self._folder is not None:
            text = f"{source.location}/Chart.yaml"
            if not (self._folder / text).is_file():
                self._mistakes.add(path, f"{path_text(path)}: expected a chart, there is no file {text}")

    def _objects(self, component: DocumentPath) -> None:
        manifests = list(self.parts(component, "manifests", ManifestEntry))
        self.unique(manifests, lambda entry: entry.name, "manifest")
        for path, manifest in manifests:
            files = [((*path, "files", number), file) for number, file in enumerate(manifest.files)]
            self.unique(files, lambda file: file, "file")
            for file_path, file in files:
                self.file(file_path, file, "file")
        kustomizations = list(self.parts(component, "kustomizations", KustomizationEntry))
        self.unique(kustomizations, lambda entry: entry.name, "kustomization")
        for path, kustomization in kustomizations:
            self._kustomization((*path, "path"), kustomization.path)

    def _kustomization(self, path: DocumentPath, text: str) -> None:
        before = len(self._mistakes)
        self.file(path, text, "folder")
        if len(self._mistakes) == before and self._folder is not None:
            folder = self._folder / text
            if not any((folder / name).is_file() for name in _KUSTOMIZATION_FILES):
                self._mistakes.add(path, f"{path_text(path)}: there is no kustomization.yaml in {text}")

    def _files(self, component: DocumentPath) -> None:
        files = list(self.parts(component, "files", FileEntry))
        self.unique([((*path, "target"), entry) for path, entry in files], lambda entry: entry.target, "target")
        for path, entry in files:
            self.file((*path, "source"), entry.source, "file")
            self.attempt((*path, "mode"), partial(parse_mode, entry.mode))
            written = self._document.written((*path, "mode"))
            if isinstance(entry.mode, int) and not written.startswith("0"):
                where = (*path, "mode")
                message = f"{path_text(where)}: {written} is no octal number"
                self._mistakes.add(where, message, note=f"did you mean 0{written}?")
            if ".." in entry.target.split("/") or entry.target.endswith("/"):
                where = (*path, "target")
                self._mistakes.add(where, f"{path_text(where)}: expected the absolute path of a file")

    def _git(self, component: DocumentPath) -> None:
        repositories = list(self.parts(component, "git", GitEntry))
        self.unique(repositories, lambda entry: entry.name, "git repository")
        for path, entry in repositories:
            where = (*path, "source")
            if "://" not in entry.source and "@" not in entry.source:
                self.file(where, entry.source, "folder")
            elif not _GIT_URL.fullmatch(entry.source):
                expected = "expected https://…, ssh://…, git@host:path, or a folder of the package"
                self._mistakes.add(where, f"{path_text(where)}: {expected}")
            if entry.ref.startswith("-") or not entry.ref.isprintable() or " " in entry.ref:
                where = (*path, "ref")
                self._mistakes.add(where, f"{path_text(where)}: expected a branch, a tag or a commit")


def _name(raw: Any) -> Any:
    return raw.get("name") if isinstance(raw, dict) else None


def _normal(name: str) -> str:
    """Return the full form of a reference, so that ``redis`` and ``docker.io/library/redis:latest`` are the same."""
    try:
        return str(Reference.parse(name))
    except PackhorseError:
        return name
