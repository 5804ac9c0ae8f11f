"""What a ``kustomization.yaml`` is made of: every path and address in it, with its field and its line."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from packhorse.base.errors import ConfigError

__all__ = ["HelmChart", "Part", "helm_charts", "parts", "read_kustomization"]

_FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_FOLDERS_OR_FILES = ("resources", "bases", "components", "generators", "transformers", "validators")
_FILES = ("crds", "configurations", "patchesStrategicMerge")
_WITH_PATH = ("patches", "patchesJson6902", "replacements")
_GENERATORS = ("configMapGenerator", "secretGenerator")
_HELM = ("helmCharts", "helmChartInflationGenerator")
_INFLATION = "HelmChartInflationGenerator"


@dataclass(frozen=True, slots=True)
class Part:
    """A file, a folder or an address that a kustomization names."""

    field: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class HelmChart:
    """A chart that kustomize would have Helm render.

    Attributes:
        home: The folder that it looks for charts in.
    """

    field: str
    line: int
    name: str = ""
    repository: str = ""
    version: str = ""
    release: str = ""
    home: str = "charts"


def read_kustomization(folder: Path, shown: str) -> tuple[str, yaml.MappingNode]:
    """Read the kustomization in a folder.

    Args:
        shown: The folder, for messages.

    Returns:
        The file's name, and what it says.

    Raises:
        ConfigError: There is none, there are several, or it is not YAML.
    """
    found = [name for name in _FILE_NAMES if (folder / name).is_file()]
    if len(found) != 1:
        raise ConfigError(f"{shown}: expected one {' or '.join(_FILE_NAMES)}, found {len(found)}")
    path = posixpath.normpath(f"{shown}/{found[0]}")
    try:
        node = yaml.compose((folder / found[0]).read_bytes(), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path}: expected a mapping")
    return found[0], node


def parts(tree: yaml.Node) -> Iterator[Part]:
    """Yield what a kustomization names, but for what stands in it whole."""
    fields = _fields(tree)
    for key in (*_FOLDERS_OR_FILES, *_FILES):
        yield from _texts(key, fields.get(key))
    for key in _WITH_PATH:
        for number, entry in enumerate(_items(fields.get(key))):
            yield from _text(f"{key}[{number}].path", _fields(entry).get("path"))
    for key in _GENERATORS:
        for number, generator in enumerate(_items(fields.get(key))):
            yield from _generator_parts(f"{key}[{number}]", generator)
    yield from _text("openapi.path", _fields(fields.get("openapi")).get("path"))


def helm_charts(tree: yaml.Node) -> Iterator[HelmChart]:
    """Yield the charts that a kustomization, or a generator's own file, has rendered."""
    fields = _fields(tree)
    home = _value(_fields(fields.get("helmGlobals")).get("chartHome")) or "charts"
    for key in _HELM:
        for number, entry in enumerate(_items(fields.get(key))):
            yield _chart(f"{key}[{number}]", entry, home)
    for number, entry in enumerate(_items(fields.get("generators"))):
        if isinstance(entry, yaml.ScalarNode) and "\n" in entry.value:
            yield from _inline_chart(f"generators[{number}]", entry, home)
    if _value(fields.get("kind")) == _INFLATION:
        yield _chart(_INFLATION, tree, home)


def _inline_chart(field: str, entry: yaml.ScalarNode, home: str) -> Iterator[HelmChart]:
    try:
        inner = yaml.compose(entry.value, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return  # kustomize says it better
    if inner is not None and _value(_fields(inner).get("kind")) == _INFLATION:
        chart = _chart(field, inner, home)
        yield HelmChart(field, _line(entry), chart.name, chart.repository, chart.version, chart.release, chart.home)


def _chart(field: str, entry: yaml.Node, home: str) -> HelmChart:
    told = {key: _value(node) for key, node in _fields(entry).items()}
    return HelmChart(
        field,
        _line(entry),
        told.get("name") or told.get("chartName", ""),
        told.get("repo") or told.get("chartRepo", ""),
        told.get("version") or told.get("chartVersion", ""),
        told.get("releaseName", ""),
        told.get("chartHome") or home,
    )


def _generator_parts(field: str, generator: yaml.Node) -> Iterator[Part]:
    fields = _fields(generator)
    for part in _texts(f"{field}.files", fields.get("files")):
        yield Part(part.field, part.text.rpartition("=")[2], part.line)
    yield from _texts(f"{field}.envs", fields.get("envs"))
    yield from _text(f"{field}.env", fields.get("env"))


def _texts(field: str, node: yaml.Node | None) -> Iterator[Part]:
    for number, item in enumerate(_items(node)):
        yield from _text(f"{field}[{number}]", item)


def _text(field: str, node: yaml.Node | None) -> Iterator[Part]:
    # What has several lines, or is a map or a list, is a patch, a transformer or a generator itself.
    if node is not None and (text := _value(node)) and "\n" not in text and text[0] not in "{[":
        yield Part(field, text, _line(node))


def _fields(node: yaml.Node | None) -> dict[str, yaml.Node]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return {_value(key): child for key, child in pairs}


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _value(node: yaml.Node | None) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else ""


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
