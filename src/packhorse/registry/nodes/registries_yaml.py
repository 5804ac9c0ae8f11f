"""k3s' and RKE2's ``registries.yaml``: a mirror for ``*`` beside whatever the site has in the file already.

Lines are added between two marking comments and nothing else is touched, so that comments, order and logins stay.
The result is parsed again and must say exactly what was there before and the mirror.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from packhorse.base.errors import ConfigError
from packhorse.registry.nodes.model import MARKER, Mirror

__all__ = ["DROP_IN", "add_mirror", "remove_mirror", "render_drop_in"]

_BEGIN = "# packhorse node mirror: begin"
_END = "# packhorse node mirror: end"
_BLOCK = re.compile(rf"^ *{re.escape(_BEGIN)}\n(?:.*\n)*? *{re.escape(_END)}\n", re.MULTILINE)
_WILDCARD = "*"
_INDENT = 2

DROP_IN = "config.yaml.d/50-packhorse-mirror.yaml"
"""The file that takes the fallback away, beside ``registries.yaml``."""


def render_drop_in() -> bytes:
    """Render the setting without which k3s and RKE2 let containerd ask the upstream after the mirror."""
    why = "# Without it, what the mirror does not have is asked of the registry that the image names."
    return f"{MARKER}\n{why}\ndisable-default-registry-endpoint: true\n".encode()


def add_mirror(content: bytes | None, mirror: Mirror, ca_path: str | None, where: str, *, force: bool) -> bytes:
    """Add the mirror to a file, or put the present address in the place of an earlier one of ours.

    Args:
        content: The file as it is; None where there is none.
        mirror: The site's registry.
        ca_path: Where the node has the mirror's certificates; None where it needs none.
        where: The file's path, for messages.
        force: Take the place of a mirror for ``*`` that is not ours; the file is then written anew.

    Raises:
        ConfigError: The file is no YAML, has a mirror for ``*`` already, or a form that nothing can be added to.
    """
    text = _stripped(content)
    present = _parse(text, where)
    wanted = _wanted(mirror, ca_path)
    merged = _merge(present, wanted)
    clash = [key for key, value in wanted.items() if set(value) & set(present.get(key) or {})]
    if not clash:
        for key, value in wanted.items():
            text = _insert(text, key, value, is_there=key in present)
        if _parse_or_none(text) == merged:
            return text.encode()
    if force:
        return _dump(merged)
    if clash:
        name = next(iter(set(wanted[clash[0]]) & set(present[clash[0]])))
        message = f"{where} has {name!r} in {clash[0]} already"
    else:
        message = f"{where} is written in a form that nothing can be added to"
    raise ConfigError(message, hint="--force writes the file anew and keeps the old one beside it")


def remove_mirror(content: bytes) -> bytes | None:
    """Take our lines out again; None when nothing else is left of the file."""
    text = _stripped(content)
    return text.encode() if text.strip() else None


def _wanted(mirror: Mirror, ca_path: str | None) -> dict[str, dict[str, Any]]:
    wanted: dict[str, dict[str, Any]] = {"mirrors": {_WILDCARD: {"endpoint": [mirror.url]}}}
    settings: dict[str, Any] = {}
    if mirror.login is not None:
        user, password = mirror.login
        settings["auth"] = {"username": user, "password": password}
    if ca_path is not None:
        settings["tls"] = {"ca_file": ca_path}
    if settings:
        wanted["configs"] = {mirror.host: settings}
    return wanted


def _merge(present: Mapping[str, Any], wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {**present, **{key: {**(present.get(key) or {}), **value} for key, value in wanted.items()}}


def _stripped(content: bytes | None) -> str:
    text = (content or b"").decode("utf-8", "surrogateescape")
    if text and not text.endswith("\n"):
        text += "\n"
    return _BLOCK.sub("", text)


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        value = yaml.load(text, Loader=yaml.CSafeLoader) if text.strip() else {}
    except (yaml.YAMLError, UnicodeError) as error:
        message = f"{where} is no YAML: {error}"
        raise ConfigError(message) from error
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(value.get(key) or {}, dict) for key in ("mirrors", "configs")):
        message = f"{where} is not what k3s and RKE2 read: expected mappings under mirrors and configs"
        raise ConfigError(message)
    return value


def _parse_or_none(text: str) -> object:
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return None


def _insert(text: str, key: str, value: Mapping[str, Any], *, is_there: bool) -> str:
    """Add entries below a top-level key, which is written at the end where it is not there."""
    if not is_there:
        return text + _block([f"{key}:", *_entries(value, _INDENT)], 0)
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if re.fullmatch(rf"{key}: *(#.*)?\n", line):
            indent = _child_indent(lines[number + 1 :])
            lines.insert(number + 1, _block(_entries(value, indent), indent))
            break
    return "".join(lines)


def _child_indent(following: Sequence[str]) -> int:
    first = next((line for line in following if line.strip() and not line.lstrip().startswith("#")), "")
    return len(first) - len(first.lstrip(" ")) or _INDENT


def _entries(value: Mapping[str, Any], indent: int) -> list[str]:
    dumped = yaml.dump(dict(value), Dumper=yaml.CSafeDumper, default_flow_style=False, sort_keys=False)
    return [" " * indent + line for line in dumped.splitlines()]


def _block(lines: Sequence[str], indent: int) -> str:
    margin = " " * indent
    return "".join(f"{line}\n" for line in (margin + _BEGIN, *lines, margin + _END))


def _dump(value: Mapping[str, Any]) -> bytes:
    dumped = yaml.dump(dict(value), Dumper=yaml.CSafeDumper, default_flow_style=False, sort_keys=False)
    return f"{MARKER}\n{dumped}".encode()
