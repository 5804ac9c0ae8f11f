"""Settings that lead past the mirror, found by reading the node's files."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packhorse.registry.nodes.model import Mirror

__all__ = ["check_containerd_config", "check_host_folders", "check_registries_conf"]

_CRI_PLUGINS = ("io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri")


def check_host_folders(files: Mapping[str, bytes], mirror: Mirror) -> Iterator[str]:
    """Yield what the folders of single registries in ``certs.d`` lead to besides the mirror.

    containerd takes the first folder that fits a registry, and does not look at ``_default`` then.

    Args:
        files: ``hosts.toml`` of each folder but ``_default``, by the folder's name.
        mirror: The site's registry.
    """
    for folder, content in sorted(files.items()):
        try:
            settings = tomllib.loads(content.decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            yield f"{folder}/hosts.toml is no TOML ({error}); containerd ignores it, and asks {folder} itself"
            continue
        elsewhere = [target for target in _targets(settings) if not _is_mirror(target, mirror)]
        if elsewhere:
            yield f"{folder}/hosts.toml goes before _default, and leads to {', '.join(elsewhere)}"
        elif "server" not in settings:
            yield f"{folder}/hosts.toml goes before _default, and names no server, so {folder} itself is asked last"


def check_containerd_config(config: str, version: tuple[int, int] | None, certs_folder: Path) -> Iterator[str]:
    """Yield why containerd does not read our folder, if it does not.

    Args:
        config: ``containerd config dump``, or the file it was started with.
        version: containerd's version; None when it is not known.
        certs_folder: Our ``certs.d``, as containerd sees it.
    """
    try:
        settings = tomllib.loads(config)
    except tomllib.TOMLDecodeError as error:
        yield f"containerd's configuration is no TOML: {error}"
        return
    registry = _registry_settings(settings)
    config_path = registry.get("config_path")
    if registry.get("mirrors"):
        yield "containerd's configuration has registry.mirrors, which cannot stand beside certs.d; take it out"
    # Since 2.2 these are read when nothing is set.
    default = "/etc/containerd/certs.d:/etc/docker/certs.d" if version is not None and version >= (2, 2) else ""
    folders = str(config_path or default).split(":")
    if str(certs_folder) not in folders:
        found = f"it is {config_path!r}" if config_path else "it is not set"
        yield f"containerd does not read {certs_folder}: set registry.config_path to it ({found}), then restart it"


def check_registries_conf(
    files: Sequence[tuple[str, bytes]], ours: str, upstreams: Iterable[str], mirror: Mirror
) -> Iterator[str]:
    """Yield entries in other files that count more than ours.

    Args:
        files: ``registries.conf`` and the drop-ins in the order in which they are read, with our own.
        ours: The name of our file.
        upstreams: Registry hosts that our file has entries for.
        mirror: The site's registry.
    """
    wanted = frozenset(upstreams)
    is_after_ours = False
    for name, content in files:
        if name == ours:
            is_after_ours = True
            continue
        try:
            settings = tomllib.loads(content.decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            yield f"{name} is no TOML: {error}"
            continue
        for prefix, entry in _entries(settings):
            host, _, path = prefix.partition("/")
            if host not in wanted:
                continue
            # The longest prefix counts; of equal ones, that of the file which is read last.
            if (path or is_after_ours) and not _leads_to_mirror_only(entry, mirror):
                yield f"{name} has an entry for {prefix}, which counts more than ours"


def _targets(settings: Mapping[str, Any]) -> list[str]:
    hosts = settings.get("host")
    server = settings.get("server")
    named = list(hosts) if isinstance(hosts, dict) else []
    return [*named, *([server] if isinstance(server, str) else [])]


def _is_mirror(target: str, mirror: Mirror) -> bool:
    parts = urlsplit(target if "://" in target else f"https://{target}")
    return parts.netloc == mirror.host


def _registry_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    plugins = settings.get("plugins")
    for name in _CRI_PLUGINS:
        plugin = plugins.get(name) if isinstance(plugins, dict) else None
        registry = plugin.get("registry") if isinstance(plugin, dict) else None
        if isinstance(registry, dict):
            return registry
    return {}


def _entries(settings: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    entries = settings.get("registry")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            yield str(entry.get("prefix") or entry.get("location") or ""), entry


def _leads_to_mirror_only(entry: Mapping[str, Any], mirror: Mirror) -> bool:
    mirrors = entry.get("mirror")
    locations = [str(item.get("location", "")) for item in mirrors or () if isinstance(item, dict)]
    return entry.get("blocked") is True and all(location.partition("/")[0] == mirror.host for location in locations)
