"""What a chart says that it depends on, and which version of each its lock file has."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from packhorse.base.errors import ConfigError

__all__ = ["Dependency", "dependencies"]

_FILES = {"Chart.yaml": "Chart.lock", "requirements.yaml": "requirements.lock"}
"""Where charts name their dependencies, and where Helm wrote down what they came to; the second of each v1 alone."""

_EXACT = re.compile(r"v?\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Dependency:
    """A chart that another depends on.

    Attributes:
        version: As it is locked; else as it is written, which may be a range.
        repository: Empty for a chart that must lie in ``charts/``.
        written: The version as ``Chart.yaml`` has it.
    """

    name: str
    version: str
    repository: str
    written: str = ""

    @property
    def is_out_of_sync(self) -> bool:
        """Whether the lock file has another version than the exact one that is written."""
        return bool(_EXACT.fullmatch(self.written)) and self.written.lstrip("v") != self.version.lstrip("v")


def dependencies(files: Mapping[str, bytes], where: str) -> list[Dependency]:
    """Read what a chart depends on.

    Args:
        files: The chart's files.
        where: The chart's folder, for messages.

    Raises:
        ConfigError: A file is not YAML, or a dependency has no name.
    """
    found = []
    for path, lock in _FILES.items():
        locked = {(one.name, one.repository): one.version for one in _entries(files, lock, where)}
        for entry in _entries(files, path, where):
            version = locked.get((entry.name, entry.repository), entry.version)
            found.append(Dependency(entry.name, version, entry.repository, entry.version))
    return found


def _entries(files: Mapping[str, bytes], path: str, where: str) -> Iterator[Dependency]:
    if path not in files:
        return
    try:
        tree: Any = yaml.load(files[path], Loader=yaml.CBaseLoader)  # noqa: S506 - BaseLoader makes strings only
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}/{path} is not YAML: {error}") from error
    listed = tree.get("dependencies") if isinstance(tree, dict) else None
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict) or not entry.get("name"):
            raise ConfigError(f"{where}/{path}: a dependency without a name")
        repository = str(entry.get("repository") or "").rstrip("/")
        yield Dependency(str(entry["name"]), str(entry.get("version") or ""), repository)
