"""Layers from Python wheels: real programs that their authors publish ready-built for several platforms."""

import re
import sys
import time
import zipfile
from calendar import timegm
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

from corpus.entries import Entry
from corpus.errors import CorpusError
from corpus.workshop import Workshop

__all__ = ["Wheel", "Wheels"]

_MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
_PLATFORM_TAGS = ("manylinux2014", "manylinux_2_28", "manylinux_2_17", "musllinux_1_2", "musllinux_1_1")
_PYTHON_VERSION = "3.11"
"""Of the interpreter in the images, whatever the one that runs this is."""

_LOCKED = re.compile(r"^(?P<requirement>[\w.-]+==[\w.!+-]+) --hash=sha256:(?P<sha256>[0-9a-f]{64})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Wheel:
    """Members of one wheel, pinned by hash for each platform."""

    requirement: str
    """``name==version``."""
    hashes: Mapping[str, str]
    """Platform → SHA-256 of the wheel for it, in hex."""
    members: Mapping[str, str]
    """Path in the wheel → absolute path in the image."""
    mode: int = 0o755

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        """The wheel's hash and what is taken out of it."""
        del workshop
        return {"wheel": self._hash(platform), "members": dict(self.members), "mode": self.mode}

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        """One file per member, sorted by its path in the image."""
        with zipfile.ZipFile(_fetch(self.requirement, self._hash(platform), platform, workshop)) as wheel:
            for member, target in sorted(self.members.items(), key=lambda pair: pair[1]):
                try:
                    info = wheel.getinfo(member)
                except KeyError as error:
                    raise CorpusError(f'Expected "{member}" in the wheel of {self.requirement}, found none.') from error
                with wheel.open(info) as content:
                    yield _entry(info, target, self.mode, content)

    def _hash(self, platform: str) -> str:
        if platform not in self.hashes:
            raise CorpusError(f"Expected a hash of {self.requirement} for {platform}, found {sorted(self.hashes)}.")
        return self.hashes[platform]


@dataclass(frozen=True, slots=True)
class Wheels:
    """The wheels of a lock, laid out as pip installs them, without what pip writes itself (``.pyc``, ``RECORD``).

    A line of the lock is ``name==version --hash=sha256:…``: one wheel, so one platform. Programs that a wheel only
    describes by an entry point are left out: ``python -m`` starts them.
    """

    lock: Path
    target: str = f"/usr/local/lib/python{_PYTHON_VERSION}/dist-packages"
    """Where modules go; scripts and data go under ``/usr/local``."""

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        """The wheels' hashes, and where they go."""
        del platform, workshop
        return {"wheels": [digest for _, digest in self._locked()], "target": self.target}

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        """The files of each wheel in the order of the lock, sorted by their names."""
        for requirement, digest in self._locked():
            with zipfile.ZipFile(_fetch(requirement, digest, platform, workshop)) as wheel:
                for info in sorted(wheel.infolist(), key=lambda info: info.filename):
                    where = None if info.is_dir() else self._where(info.filename)
                    if where is not None:
                        with wheel.open(info) as content:
                            yield _entry(info, *where, content)

    def _where(self, name: str) -> tuple[str, int] | None:
        """Give where a member goes and its mode (Binary distribution format, "The .data directory")."""
        parts = name.split("/")
        if parts[0].endswith(".dist-info") and parts[-1] == "RECORD":
            return None
        if not parts[0].endswith(".data"):
            return f"{self.target}/{name}", 0o644
        inside = "/".join(parts[2:])
        folders = {"purelib": self.target, "platlib": self.target, "scripts": "/usr/local/bin", "data": "/usr/local"}
        if parts[1] not in folders:
            return None
        return f"{folders[parts[1]]}/{inside}", 0o755 if parts[1] == "scripts" else 0o644

    def _locked(self) -> list[tuple[str, str]]:
        text = self.lock.read_text(encoding="utf-8")
        found = [(match["requirement"], match["sha256"]) for match in _LOCKED.finditer(text)]
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        if not found or len(found) != len(lines):
            raise CorpusError(f"Expected lines as name==version --hash=sha256:… in {self.lock}, found others.")
        return found


def _entry(info: zipfile.ZipInfo, target: str, mode: int, content: object) -> Entry:
    mtime = timegm(time.struct_time((*info.date_time, 0, 1, 0)))
    stream = cast("BinaryIO", content)
    return Entry(target.strip("/"), "file", mode, mtime=mtime, size=info.file_size, content=stream)


def _fetch(requirement: str, expected: str, platform: str, workshop: Workshop) -> Path:
    final = workshop.cache / "wheels" / expected
    if not final.exists():
        workshop.tell(f"Fetching {requirement} for {platform}")
        with workshop.making(final) as draft:
            _download(draft, f"{requirement} --hash=sha256:{expected}\n", platform, workshop)
    wheels = list(final.glob("*.whl"))
    if len(wheels) != 1 or sha256(wheels[0].read_bytes()).hexdigest() != expected:
        raise CorpusError(f"Expected the wheel sha256:{expected} in {final}, found other bytes: remove that folder.")
    return wheels[0]


def _download(folder: Path, line: str, platform: str, workshop: Workshop) -> None:
    wanted = folder / "requirement.txt"
    wanted.write_text(line, encoding="utf-8")
    tags = [word for tag in _PLATFORM_TAGS for word in ("--platform", f"{tag}_{_MACHINES[platform]}")]
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--python-version", _PYTHON_VERSION]
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
    workshop.run([*pip, *options, *tags, "--dest", folder, "--requirement", wanted])
