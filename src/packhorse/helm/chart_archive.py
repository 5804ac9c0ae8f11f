"""Chart archives: read with limits, and written one way only, so that the same files give the same bytes everywhere.

A ``.tgz`` made by ``helm package`` has the time of packing in it, and its compressed bytes depend on the version of
the compressor. Written here, entries are sorted, times are 0 and modes are one, the tar headers are plain ustar
(POSIX.1-1988), and the gzip member (RFC 1952) holds *stored* blocks (RFC 1951, 3.2.4): nothing is left to choose.
"""

import io
import posixpath
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from packhorse.base.errors import ConfigError, IntegrityError
from packhorse.base.units import MIB, format_bytes
from packhorse.helm.model import ChartMetadata

__all__ = ["MAX_CHART_BYTES", "ChartArchive", "chart_config", "pack", "parse_metadata", "unpack"]

MAX_CHART_BYTES = 100 * MIB
"""The most that a chart may hold unpacked; Helm's own limit (``MaxDecompressedChartSize``)."""

_TEXTS = frozenset(
    {"apiVersion", "appVersion", "description", "home", "icon", "kubeVersion", "name", "type", "version"}
)
_MAX_ENTRIES = 20_000
_MAX_NESTING = 8
_BLOCK = 512
_STORED_MAX = 0xFFFF
_NAME_BYTES = 100
_PREFIX_BYTES = 155
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


class _ConfigLoader(yaml.CBaseLoader):
    """YAML whose scalars are all text, but for the booleans of Helm's own schema."""


_ConfigLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))
_ConfigLoader.add_constructor("tag:yaml.org,2002:bool", lambda _loader, node: node.value == "true")


@dataclass(frozen=True, slots=True)
class ChartArchive:
    """An unpacked chart.

    Attributes:
        metadata: Of the chart itself, not of the charts within it.
        files: Content by path below the chart's own folder: ``Chart.yaml``, ``charts/redis/Chart.yaml``.
    """

    metadata: ChartMetadata
    files: Mapping[str, bytes] = field(repr=False)

    def charts(self) -> Iterator[tuple[str, ChartMetadata]]:
        """Yield what the chart and every chart within it, packed or not, say of themselves.

        Each comes with its place, as Helm names it: empty for the chart itself, ``charts/redis/`` for one within it.

        Raises:
            ConfigError, IntegrityError: One within it is none.
        """
        for path, content in self.everything():
            if posixpath.basename(path) == "Chart.yaml" and _is_subchart(path):
                yield path.removesuffix("Chart.yaml"), parse_metadata(content, path)

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """Yield every file with its path, and those of packed charts within it as if they were unpacked.

        Raises:
            ConfigError, IntegrityError: A packed chart is none, or they are packed into each other too deep.
        """
        yield from _unpacked_files(self.files, "", 0)


def unpack(content: bytes, where: str) -> ChartArchive:
    """Read a chart archive.

    Args:
        content: The ``.tgz``.
        where: What this is, for messages.

    Raises:
        IntegrityError: It is no gzipped tar, is larger than :data:`MAX_CHART_BYTES` unpacked, holds links or devices,
            or names that lead out of the chart.
        ConfigError: Its ``Chart.yaml`` is missing or wrong.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(_inflate(content, where)), mode="r:") as archive:
            files = _read_entries(archive, where)
    except tarfile.TarError as error:
        raise IntegrityError(f"{where} is not a chart archive: {error}") from error
    if "Chart.yaml" not in files:
        raise ConfigError(f"{where} has no Chart.yaml in its folder")
    return ChartArchive(parse_metadata(files["Chart.yaml"], f"{where}: Chart.yaml"), files)


def pack(name: str, files: Mapping[str, bytes]) -> bytes:
    """Write the one archive that these files have.

    Args:
        name: The chart's name, which becomes the folder in the archive.
        files: Content by path below it.

    Raises:
        ConfigError: A path is too long for a ustar header, which takes 100 bytes, or 255 when it can be cut at a
            slash.
    """
    pieces = []
    for path in sorted(files):
        content = files[path]
        pieces += [_header(f"{name}/{path}", len(content)), content, b"\0" * (-len(content) % _BLOCK)]
    pieces.append(b"\0" * (2 * _BLOCK))
    return _store(b"".join(pieces))


def parse_metadata(content: bytes, where: str) -> ChartMetadata:
    """Read a ``Chart.yaml``.

    Raises:
        ConfigError: It is not YAML, or lacks the name or version that every chart has.
    """
    try:
        tree: Any = yaml.load(content, Loader=yaml.CBaseLoader)  # noqa: S506 - BaseLoader makes strings, nothing else
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where} is not YAML: {error}") from error
    if not isinstance(tree, dict) or not tree.get("name") or not tree.get("version"):
        raise ConfigError(f"{where}: expected the name and version of a chart")
    name = str(tree["name"])
    if "/" in name or name in {".", ".."}:
        raise ConfigError(f"{where}: {name!r} cannot be the name of a chart")
    annotations = tree.get("annotations")
    return ChartMetadata(
        name=name,
        version=str(tree["version"]),
        app_version=str(tree.get("appVersion") or ""),
        kube_version=str(tree.get("kubeVersion") or ""),
        annotations={str(key): str(text) for key, text in annotations.items()} if isinstance(annotations, dict) else {},
    )


def chart_config(archive: bytes) -> dict[str, object]:
    """Return what ``Chart.yaml`` of an archive says, as Helm writes it into the config of a chart in a registry.

    Raises:
        ConfigError, IntegrityError: As :func:`unpack` has it.
    """
    content = unpack(archive, "chart").files["Chart.yaml"]
    tree = yaml.load(content, Loader=_ConfigLoader)  # noqa: S506 - a safe loader
    return {key: str(value) if key in _TEXTS else value for key, value in tree.items()}


def _unpacked_files(files: Mapping[str, bytes], prefix: str, depth: int) -> Iterator[tuple[str, bytes]]:
    if depth > _MAX_NESTING:
        raise ConfigError(f"{prefix} lies in too many charts that are packed into each other")
    for path, content in sorted(files.items()):
        folder, _, name = path.rpartition("/")
        if name.endswith(".tgz") and folder.rpartition("/")[2] == "charts" and _is_subchart(f"{folder}/x/Chart.yaml"):
            inner = unpack(content, f"{prefix}{path}")
            yield from _unpacked_files(inner.files, f"{prefix}{folder}/{inner.metadata.name}/", depth + 1)
        else:
            yield f"{prefix}{path}", content


def _is_subchart(path: str) -> bool:
    parts = path.split("/")[:-1]
    return len(parts) % 2 == 0 and all(part == "charts" for part in parts[::2])


def _inflate(content: bytes, where: str) -> bytes:
    unzip = zlib.decompressobj(wbits=31)
    try:
        plain = unzip.decompress(content, MAX_CHART_BYTES + 1)
    except zlib.error as error:
        raise IntegrityError(f"{where} is not gzip: {error}") from error
    if len(plain) > MAX_CHART_BYTES:
        raise IntegrityError(f"{where} holds more than {format_bytes(MAX_CHART_BYTES)} unpacked")
    if not unzip.eof:
        raise IntegrityError(f"{where} ends in the middle of its compressed data")
    return plain


def _read_entries(archive: tarfile.TarFile, where: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for number, entry in enumerate(archive):
        if number >= _MAX_ENTRIES:
            raise IntegrityError(f"{where} has more than {_MAX_ENTRIES} entries")
        if entry.isdir():
            continue
        path = _path_within(entry.name, where)
        stream = archive.extractfile(entry) if entry.isreg() else None
        if stream is None:
            raise IntegrityError(f"{where}: {entry.name!r} is neither a file nor a folder")
        if path in files:
            raise IntegrityError(f"{where} has {entry.name!r} twice")
        files[path] = stream.read()
    return files


def _path_within(name: str, where: str) -> str:
    # Helm reads the first part of every path as the chart's folder, whatever its name.
    parts = name.removeprefix("./").split("/")
    if name.startswith("/") or len(parts) < 2 or any(part in {"", ".", ".."} for part in parts) or "\\" in name:  # noqa: PLR2004 - a folder and a file
        raise IntegrityError(f"{where}: {name!r} does not lie in the chart's folder")
    return "/".join(parts[1:])


def _header(path: str, size: int) -> bytes:
    prefix, name = _cut(path.encode())
    fields = [
        name.ljust(_NAME_BYTES, b"\0"),
        b"0000644\0",
        b"0000000\0" * 2,
        b"%011o\0" % size,
        b"%011o\0" % 0,
        b" " * 8,
        b"0",
        b"\0" * _NAME_BYTES,
        b"ustar\x0000",
        b"\0" * 64,
        b"\0" * 16,
        prefix.ljust(_PREFIX_BYTES, b"\0"),
        b"\0" * 12,
    ]
    header = b"".join(fields)
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]


def _cut(path: bytes) -> tuple[bytes, bytes]:
    if len(path) <= _NAME_BYTES:
        return b"", path
    at = path.find(b"/", len(path) - _NAME_BYTES - 1)
    if not 0 < at <= _PREFIX_BYTES or not path[at + 1 :]:
        raise ConfigError(f"the path {path.decode()!r} in a chart is too long for an archive")
    return path[:at], path[at + 1 :]


def _store(content: bytes) -> bytes:
    blocks = [_GZIP_HEADER]
    for start in range(0, len(content), _STORED_MAX):
        block = content[start : start + _STORED_MAX]
        is_last = start + _STORED_MAX >= len(content)
        size = len(block)
        blocks += [bytes((is_last,)), size.to_bytes(2, "little"), (size ^ _STORED_MAX).to_bytes(2, "little"), block]
    blocks += [zlib.crc32(content).to_bytes(4, "little"), (len(content) & 0xFFFFFFFF).to_bytes(4, "little")]
    return b"".join(blocks)
