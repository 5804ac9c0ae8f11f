"""Kustomize by its own program, or by the one within kubectl.

Everything that a kustomization leads to is looked at before it is built: what would be fetched is refused up front, as
is what lies outside of the package. The program itself then runs without a network and without git.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from packhorse.base.errors import ConfigError
from packhorse.base.program import NO_NETWORK, Program, private_folder

__all__ = ["CliKustomize", "check_local"]

_FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_TIMEOUT_SECONDS = 120.0
_MAX_FILES = 2_000
_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*://|^git::|^[^/@]+@[^/:]+:|^(?:www\.)?(?:github|gitlab|bitbucket)\.|[?&]ref=")
_FOLDERS_OR_FILES = ("resources", "bases", "components", "generators", "transformers", "validators")
_FILES = ("crds", "configurations", "patchesStrategicMerge")
_WITH_PATH = ("patches", "patchesJson6902", "replacements")
_GENERATORS = ("configMapGenerator", "secretGenerator")
_HELM = ("helmCharts", "helmChartInflationGenerator", "helmGlobals")


@dataclass(frozen=True, slots=True)
class CliKustomize:
    """Builds kustomizations; see :class:`packhorse.helm.ports.KustomizeBuilder`.

    Attributes:
        program: ``kustomize`` or ``kubectl``.
    """

    program: Program

    def build(self, folder: Path, *, root: Path) -> bytes:
        """Check the kustomization, then run ``kustomize build`` or ``kubectl kustomize``."""
        check_local(folder, root)
        verb = "kustomize" if self.program.path.name.startswith("kubectl") else "build"
        arguments = [verb, str(folder.resolve()), "--load-restrictor", "LoadRestrictionsRootOnly"]
        with private_folder("kustomize") as home:
            # An empty PATH: neither git nor helm nor a plugin can be found.
            environment = {"HOME": str(home), "PATH": str(home), "KUBECONFIG": str(home / "none"), **NO_NETWORK}
            outcome = self.program.run(arguments, timeout_seconds=_TIMEOUT_SECONDS, environment=environment)
        if outcome.status:
            reason = outcome.stderr.removeprefix("error: ").removeprefix("Error: ")
            raise ConfigError(f"building kustomization {folder}: {reason}")
        return outcome.stdout


def check_local(folder: Path, root: Path) -> None:
    """See that a kustomization and all that it is made of lie in ``root``.

    Raises:
        ConfigError: It names something that would be fetched, that is not there, or that lies elsewhere.
    """
    real_root = root.resolve()
    queue = [folder.resolve()]
    seen: set[Path] = set()
    while queue:
        current = queue.pop()
        if current in seen:
            continue
        seen.add(current)
        if len(seen) > _MAX_FILES:
            raise ConfigError(f"kustomization {folder} is made of more than {_MAX_FILES} others")
        _check_within(current, real_root, folder)
        queue += _nested(current, real_root)


def _nested(folder: Path, root: Path) -> Iterator[Path]:
    path = _kustomization_file(folder)
    try:
        tree: Any = yaml.load(path.read_bytes(), Loader=yaml.CBaseLoader)  # noqa: S506 - BaseLoader makes strings only
    except (yaml.YAMLError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{path}: expected a mapping")
    for key in _HELM:
        if key in tree:
            raise ConfigError(
                f"{path}: {key} has kustomize fetch and render a chart",
                hint="list the chart under charts in packhorse.yaml, so that it is carried and deployed as a chart",
            )
    for field, entry in _entries(tree):
        if "\n" in entry:
            continue  # an inline patch, transformer or generator
        target = _local_target(path, field, entry, root)
        if target.is_dir():
            yield target


def _entries(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in (*_FOLDERS_OR_FILES, *_FILES):
        for number, entry in enumerate(_list(tree.get(key))):
            yield f"{key}[{number}]", str(entry)
    for key in _WITH_PATH:
        for number, entry in enumerate(_list(tree.get(key))):
            if isinstance(entry, Mapping) and entry.get("path"):
                yield f"{key}[{number}].path", str(entry["path"])
    for key in _GENERATORS:
        for number, generator in enumerate(_list(tree.get(key))):
            yield from _generator_files(f"{key}[{number}]", generator)
    openapi = tree.get("openapi")
    if isinstance(openapi, Mapping) and openapi.get("path"):
        yield "openapi.path", str(openapi["path"])


def _generator_files(field: str, generator: object) -> Iterator[tuple[str, str]]:
    if not isinstance(generator, Mapping):
        return
    for entry in _list(generator.get("files")):
        yield f"{field}.files", str(entry).rpartition("=")[2]
    for entry in [*_list(generator.get("envs")), generator.get("env")]:
        if entry:
            yield f"{field}.envs", str(entry)


def _local_target(path: Path, field: str, entry: str, root: Path) -> Path:
    target = path.parent / entry
    if _REMOTE.search(entry) or (not target.exists() and "." in entry.partition("/")[0].strip(".") and "//" in entry):
        raise ConfigError(
            f"{path}: {field} is {entry}, which would be fetched from the network",
            hint="copy it into the package's folder and name it by its path",
        )
    if posixpath.isabs(entry):
        raise ConfigError(f"{path}: {field} is the absolute path {entry}; paths in a package are relative")
    if not target.exists():
        raise ConfigError(f"{path}: {field}: {entry} does not exist")
    real = target.resolve()
    _check_within(real, root, path)
    return real


def _check_within(real: Path, root: Path, named_by: Path) -> None:
    if not real.is_relative_to(root):
        raise ConfigError(f"{named_by} leads to {real}, outside of the package's folder {root}")


def _kustomization_file(folder: Path) -> Path:
    found = [folder / name for name in _FILE_NAMES if (folder / name).is_file()]
    if len(found) != 1:
        names = " or ".join(_FILE_NAMES)
        raise ConfigError(f"{folder}: expected one {names}, found {len(found)}")
    return found[0]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
