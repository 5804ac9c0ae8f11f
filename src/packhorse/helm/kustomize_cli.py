"""Kustomize by its own program, or by the one within kubectl.

Everything that a kustomization leads to is looked at before it is built: what would be fetched is refused up front, as
is what lies outside of the package. The program itself then runs without a network and without git.
"""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from packhorse.base.errors import ConfigError
from packhorse.base.program import NO_NETWORK, Program, private_folder
from packhorse.helm.kustomization_file import HelmChart, Part, helm_charts, parts, read_kustomization

__all__ = ["CliKustomize", "check_local"]

_TIMEOUT_SECONDS = 120.0
_MAX_FILES = 2_000
_MAX_GENERATOR_BYTES = 1_000_000
_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*://|^git::|^[^/@]+@[^/:]+:|^(?:www\.)?(?:github|gitlab|bitbucket)\.|[?&]ref=")
_ONE_FILE = re.compile(r"^https?://(?![^?]*//)[^?]*\.(?:ya?ml|json)$")
_PLUGINS = re.compile(r"external plugins disabled|unable to load external plugin", re.IGNORECASE)

_NO_PLUGINS = "plugins and functions are not run: build it yourself, and list what comes of it under manifests"


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
            reason = outcome.stderr.removeprefix("error: ").removeprefix("Error: ").replace(f"{root.resolve()}/", "")
            hint = _NO_PLUGINS if _PLUGINS.search(reason) else None
            raise ConfigError(f"building kustomization {_shown(folder.resolve(), root.resolve())}: {reason}", hint=hint)
        return outcome.stdout


def check_local(folder: Path, root: Path) -> None:
    """See that a kustomization and all that it is made of lie in ``root``.

    Raises:
        ConfigError: It names something that would be fetched, that is not there, or that lies elsewhere; all such
            places are listed.
    """
    real_root = root.resolve()
    start = folder.resolve()
    if not start.is_relative_to(real_root):
        raise ConfigError(f"kustomization {folder} lies outside of the package's folder {real_root}")
    queue = [start]
    seen: set[Path] = set()
    failures: list[ConfigError] = []
    while queue:
        current = queue.pop(0)
        if current in seen:
            continue
        seen.add(current)
        if len(seen) > _MAX_FILES:
            raise ConfigError(f"kustomization {folder} is made of more than {_MAX_FILES} others")
        queue += _nested(current, real_root, failures)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        shown = _shown(start, real_root)
        raise ConfigError.summarise(f"{len(failures)} things keep kustomization {shown} from being built.", failures)


def _nested(folder: Path, root: Path, failures: list[ConfigError]) -> Iterator[Path]:
    shown = _shown(folder, root)
    name, tree = read_kustomization(folder, shown)
    path = posixpath.normpath(f"{shown}/{name}")
    failures += [_chart_refusal(chart, path, folder, root) for chart in helm_charts(tree)]
    for part in parts(tree):
        try:
            target = _local_target(folder, path, part, root)
        except ConfigError as error:
            failures.append(error)
            continue
        if target.is_dir():
            yield target
        elif part.field.startswith("generators["):
            failures += _generated_charts(target, root)


def _generated_charts(file: Path, root: Path) -> Iterator[ConfigError]:
    try:
        with file.open("rb") as stream:
            trees = list(yaml.compose_all(stream.read(_MAX_GENERATOR_BYTES), Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, OSError):
        return  # kustomize says it better
    for tree in trees:
        for chart in helm_charts(tree):
            yield _chart_refusal(chart, _shown(file, root), file.parent, root)


def _chart_refusal(chart: HelmChart, path: str, folder: Path, root: Path) -> ConfigError:
    """Refuse a chart: kustomize needs a Helm of version 3 for it, and would fetch what it does not find."""
    home = folder / chart.home / chart.name
    is_here = bool(chart.name) and home.is_dir() and home.resolve().is_relative_to(root)
    named = f"chart {chart.name} {chart.version}".strip()
    if is_here:
        does, source = f"render the {named}", _shown(home.resolve(), root)
    else:
        does = f"fetch the {named} from {chart.repository}" if chart.repository else f"render the {named}"
        source = chart.repository
        if source.startswith("oci://"):
            source = f"{source.rstrip('/')}/{chart.name}"
    told = [f"name: {chart.release or chart.name}", f"source: {source or 'charts/' + chart.name}"]
    if not is_here and chart.repository:
        told += [f"chart: {chart.name}"] if chart.release and not source.startswith("oci://") else []
        told += [f"version: {chart.version or '1.2.3'}"]
    return ConfigError(
        f"{path}:{chart.line}: {chart.field} has kustomize {does}; Packhorse carries and deploys charts as charts",
        hint=f"take it out, and list it under charts of the component: {{{', '.join(told)}}}",
    )


def _local_target(folder: Path, path: str, part: Part, root: Path) -> Path:
    where, entry = f"{path}:{part.line}: {part.field}", part.text
    target = folder / entry
    if _REMOTE.search(entry) or (not target.exists() and "." in entry.partition("/")[0].strip(".") and "//" in entry):
        raise _remote_refusal(where, entry)
    if posixpath.isabs(entry):
        raise ConfigError(f"{where} is the absolute path {entry}; paths in a package are relative")
    real = target.resolve()
    if not real.is_relative_to(root):
        raise ConfigError(
            f"{where} is {entry}, which leads outside of the package's folder",
            hint="copy it into the package's folder, or put packhorse.yaml into a folder above both",
        )
    if not target.exists():
        raise ConfigError(f"{where}: {entry} does not exist")
    return real


def _remote_refusal(where: str, entry: str) -> ConfigError:
    if _ONE_FILE.match(entry):
        return ConfigError(
            f"{where} is {entry}, which would be fetched from the network",
            hint="download it into the package's folder, and name it by its path",
        )
    return ConfigError(
        f"{where} is {entry}, which would be fetched from the network",
        hint="copy it into the package's folder, and name it by its path (kustomize localize does both)",
    )


def _shown(path: Path, root: Path) -> str:
    """A file or folder as people name it in the package; the package's own folder is a dot."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
