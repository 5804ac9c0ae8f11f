"""One chart, rendered for each of its sets of values; what is wrong is told in the words of the package."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packhorse.app.chart_sources import ChartContent
from packhorse.app.package_folder import PackageFolder
from packhorse.app.values_refusal import is_values_refusal, values_refusal
from packhorse.base.errors import ConfigError
from packhorse.base.units import plural
from packhorse.helm.model import RenderRequest
from packhorse.helm.ports import ChartRenderer
from packhorse.package.kubernetes_objects import SourcedObject, read_objects
from packhorse.package.model import ChartEntry, Kubernetes
from packhorse.package.yaml_document import LocatedDocument, load_mapping, read_located

__all__ = ["ChartRendering", "Fill"]

Fill = Callable[[Any, str], Any]
"""Puts values in the place of ``${var.NAME}`` in a decoded YAML document, given the file that it is from."""

_ASKS_FOR_UPGRADE = (b"IsUpgrade", b"IsInstall")


@dataclass(frozen=True, slots=True)
class ChartRendering:
    """Renders one chart of a package.

    Attributes:
        archive: The chart, as a file.
        what: What it is, for messages.
    """

    folder: PackageFolder
    entry: ChartEntry
    content: ChartContent
    archive: Path
    kubernetes: Kubernetes
    fill: Fill
    what: str

    def objects(self, renderer: ChartRenderer, name: str, *, is_upgrade: bool = False) -> tuple[SourcedObject, ...]:
        """Render it with a set of values; the empty name stands for the chart's own.

        Raises:
            ConfigError: The chart or the values are wrong.
        """
        files = (*self.entry.values, *(self.entry.values_sets[name] if name else ()))
        request = RenderRequest(
            release=self.entry.release or self.entry.name,
            namespace=self.entry.namespace,
            chart=self.archive,
            values=tuple(self._values(path) for path in files),
            kube_version=self.kubernetes.version,
            api_versions=self.kubernetes.api_versions,
            is_upgrade=is_upgrade,
        )
        try:
            rendering = renderer.render(request)
        except ConfigError as error:
            raise self._explained(error, files, name) from error
        items: list[SourcedObject] = []
        for document in rendering.documents:
            items += read_objects(document.text, self.content.shown(document.source))
        return tuple(items)

    def differs_on_upgrade(self) -> bool:
        """Whether anything in the chart or in its values asks if this is an installation or an upgrade."""
        files = {*self.entry.values, *(path for files in self.entry.values_sets.values() for path in files)}
        texts: Iterator[bytes] = (content for _, content in self.content.unpacked.everything())
        return any(
            word in text for text in (*texts, *(self._written(path) for path in files)) for word in _ASKS_FOR_UPGRADE
        )

    def _written(self, path: str) -> bytes:
        return self.folder.read(path, f"values of chart {self.entry.name}")

    def _values(self, path: str) -> bytes:
        return json.dumps(self.fill(load_mapping(self._written(path), path), path), ensure_ascii=False).encode()

    def _explained(self, error: ConfigError, files: Sequence[str], name: str) -> ConfigError:
        what = f"{self.what} with the values {name}" if name else self.what
        message = self._with_paths(error.message.removeprefix(f"rendering chart {self.archive.name}: "))
        refusals = self._refused_values(message, files) if is_values_refusal(message) else []
        if refusals:
            count = plural(len(refusals), "value is", "values are")
            return ConfigError(f"{what}: {count} not what the chart's schema allows.", failures=refusals)
        hint = error.hint
        if "requires kubeVersion" in message and hint is None:
            hint = "kubernetes.version in packhorse.yaml says which Kubernetes the package is for"
        return ConfigError(f"{what}: {message}", hint=hint)

    def _refused_values(self, message: str, files: Sequence[str]) -> list[ConfigError]:
        documents = [read_located(self._written(path), path) for path in files]
        return values_refusal(message, self.content.locked.chart, [*self._own_values(), *documents])

    def _with_paths(self, message: str) -> str:
        """Name files of a chart in a folder by their paths in the package, where Helm begins with the chart's name."""
        path = re.compile(rf"(?<![\w./-]){re.escape(self.content.locked.chart)}/(?:charts|templates|crds)/[^\s:\")>]+")
        return path.sub(lambda match: self.content.shown(match[0]), message)

    def _own_values(self) -> list[LocatedDocument]:
        content = self.content.unpacked.files.get("values.yaml", b"")
        try:
            return [read_located(content, self.content.shown(f"{self.content.locked.chart}/values.yaml"))]
        except ConfigError:
            return []  # Helm is less strict about a chart's own values; what it refuses of others is told all the same
