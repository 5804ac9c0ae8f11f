"""Kubeconfig files, as kubectl reads them: several merged into one, exec plugins of the current version."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.config.models import NameValue, User, UserExec
from lightkube.core.exceptions import ConfigError as LightkubeConfigError

from packhorse.base.errors import ConfigError

__all__ = ["load_kubeconfig"]

_FILE_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_EXEC_GROUP = "client.authentication.k8s.io/"
_MAX_BYTES = 16 * 1024 * 1024


def load_kubeconfig(paths: Sequence[Path], context: str | None = None) -> SingleConfig:
    """Read kubeconfig files and choose a context.

    Args:
        paths: In the order of ``KUBECONFIG``: of an entry that stands in several, the first one counts. Those that
            don't exist are passed over, as kubectl does, as long as one is there.
        context: Name of the context; the files' ``current-context`` where it is left out.

    Raises:
        ConfigError: There is no such file or context, or a file is not a kubeconfig.
    """
    found = [path for path in paths if path.is_file()]
    if not found:
        names = ", ".join(str(path) for path in paths)
        raise ConfigError(
            f"no kubeconfig: expected a file at {names}",
            hint="name one with --kubeconfig FILE or KUBECONFIG",
        )
    merged: dict[str, Any] = {}
    for path in found:
        _merge(merged, _read(path))
    names = ", ".join(str(path) for path in found)
    try:
        config = KubeConfig.from_dict(merged).get(context)
    except (LightkubeConfigError, msgspec.ValidationError, KeyError, TypeError) as error:
        known = ", ".join(sorted(str(each.get("name")) for each in merged["contexts"])) or "none"
        why = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise ConfigError(f"cannot use the kubeconfig {names}: {why}; contexts in it: {known}") from error
    if config is None or config.user is None:
        raise ConfigError(f"cannot use the kubeconfig {names}: the context names no user")
    return config._replace(user=_with_current_exec(config.user))


def _read(path: Path) -> dict[str, Any]:
    """Read one file, with the paths in it made absolute."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{path} is larger than {_MAX_BYTES} bytes: that is no kubeconfig")
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read the kubeconfig {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is not a kubeconfig: expected a mapping, found {type(content).__name__}")
    for list_key, entry_key in (("clusters", "cluster"), ("users", "user")):
        for entry in _entries(content, list_key):
            value = entry.get(entry_key)
            if not isinstance(value, dict):
                continue
            for key in _FILE_KEYS:
                if isinstance(value.get(key), str):
                    value[key] = str(path.absolute().parent / value[key])
    return content


def _merge(merged: dict[str, Any], content: dict[str, Any]) -> None:
    for list_key in ("clusters", "contexts", "users"):
        entries = merged.setdefault(list_key, [])
        known = {entry.get("name") for entry in entries}
        entries.extend(entry for entry in _entries(content, list_key) if entry.get("name") not in known)
    if content.get("current-context"):
        merged.setdefault("current-context", content["current-context"])


def _entries(content: dict[str, Any], list_key: str) -> list[dict[str, Any]]:
    entries = content.get(list_key)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _with_current_exec(user: User) -> User:
    """Let exec plugins of ``client.authentication.k8s.io/v1`` work.

    Lightkube takes v1alpha1 and v1beta1 only, and doesn't tell the plugin what it's called for. A plugin's answer with
    a token reads the same in all versions, so it is enough to pass the real version in ``KUBERNETES_EXEC_INFO``.
    """
    plugin = user.exec
    if plugin is None or not str(plugin.apiVersion).startswith(_EXEC_GROUP):
        return user
    info = json.dumps({"apiVersion": plugin.apiVersion, "kind": "ExecCredential", "spec": {"interactive": False}})
    environment = [*(plugin.env or ()), NameValue(name="KUBERNETES_EXEC_INFO", value=info)]
    accepted = UserExec(apiVersion=f"{_EXEC_GROUP}v1beta1", command=plugin.command, args=plugin.args, env=environment)
    return msgspec.structs.replace(user, exec=accepted)
