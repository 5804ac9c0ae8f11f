"""Layers of files that stand in this repository, or in the recipe itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from corpus import entries
from corpus.entries import Entry
from corpus.errors import CorpusError
from corpus.model import Source
from corpus.workshop import Workshop

__all__ = ["Folders", "Links", "Texts", "Together", "Tree"]


@dataclass(frozen=True, slots=True)
class Texts:
    """Small text files, by absolute path in the image."""

    contents: Mapping[str, str]
    mode: int = 0o644
    uid: int = 0
    gid: int = 0

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        """The paths, texts, mode and owner."""
        del platform, workshop
        return {"texts": dict(self.contents), "mode": self.mode, "owner": [self.uid, self.gid]}

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        """One file per path, sorted."""
        del platform, workshop
        for path, text in sorted(self.contents.items()):
            yield entries.file(path, text.encode(), mode=self.mode, uid=self.uid, gid=self.gid)


@dataclass(frozen=True, slots=True)
class Folders:
    """Empty folders, by absolute path in the image, all of one mode and owner."""

    paths: tuple[str, ...]
    mode: int = 0o755
    uid: int = 0
    gid: int = 0

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        """The paths, mode and owner."""
        del platform, workshop
        return {"folders": sorted(self.paths), "mode": self.mode, "owner": [self.uid, self.gid]}

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        """One directory per path, sorted."""
        del platform, workshop
        for path in sorted(self.paths):
            yield entries.directory(path, mode=self.mode, uid=self.uid, gid=self.gid)


@dataclass(frozen=True, slots=True)
class Links:
    """Symbolic links: absolute path in the image → where it points."""

    targets: Mapping[str, str]

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        """The paths and their targets."""
        del platform, workshop
        return {"links": dict(self.targets)}

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        """One link per path, sorted."""
        del platform, workshop
        for path, target in sorted(self.targets.items()):
            yield entries.symlink(path, target)


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder of this repository, under an absolute path in the image.

    Modes are 0755 for folders and programs, 0644 for all else, whatever umask the checkout was made with.
    """

    folder: Path
    target: str

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        """The SHA-256 of each file, and the target."""
        del platform, workshop
        hashes = {
            str(path.relative_to(self.folder)): [sha256(path.read_bytes()).hexdigest(), _mode(path)]
            for path in self._files()
        }
        return {"tree": hashes, "target": self.target}

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        """Every file below the folder, sorted by path."""
        del platform, workshop
        for path in self._files():
            inside = f"{self.target.rstrip('/')}/{path.relative_to(self.folder)}"
            yield entries.file(inside, path.read_bytes(), mode=_mode(path))

    def _files(self) -> list[Path]:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        if not files:
            raise CorpusError(f"Expected files in {self.folder}, found none.")
        return files


@dataclass(frozen=True, slots=True)
class Together:
    """Several sources as one layer, one after the other."""

    sources: tuple[Source, ...]

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        """The identities of the sources, in order."""
        return {"together": [source.identity(platform, workshop) for source in self.sources]}

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        """The files of each source in turn."""
        for source in self.sources:
            yield from source.entries(platform, workshop)


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644
