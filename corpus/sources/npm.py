"""Layers from the npm registry: what ``npm ci`` installs of a lock, with no script run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import copyfile

from corpus import entries
from corpus.entries import Entry
from corpus.errors import CorpusError
from corpus.workshop import Workshop, key_of

__all__ = ["NodeModules"]

_MACHINES = {"linux/amd64": "x64", "linux/arm64": "arm64"}
_LOCK_FILES = ("package.json", "package-lock.json")


@dataclass(frozen=True, slots=True)
class NodeModules:
    """The packages of a ``package-lock.json``, which has the hash of each, under ``node_modules``."""

    folder: Path
    """Of this repository, with ``package.json`` and ``package-lock.json``."""
    target: str
    """Absolute path in the image of the folder that gets both files and ``node_modules``."""

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        """The hash of the lock, the machine that optional packages are for, and where it goes."""
        del workshop
        files = {name: sha256((self.folder / name).read_bytes()).hexdigest() for name in _LOCK_FILES}
        return {"npm": files, "machine": self._machine(platform), "target": self.target}

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        """Files and links, sorted by path; npm's own record of what it did is left out."""
        installed = self._install(platform, workshop)
        for path in sorted(installed.rglob("*")):
            inside = path.relative_to(installed)
            if inside.name == ".package-lock.json" or (path.is_dir() and not path.is_symlink()):
                continue
            where = f"{self.target}/{inside}"
            if path.is_symlink():
                yield entries.symlink(where, str(path.readlink()))
                continue
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            with path.open("rb") as content:
                yield Entry(where.strip("/"), "file", mode, size=path.stat().st_size, content=content)

    def _install(self, platform: str, workshop: Workshop) -> Path:
        final = workshop.cache / "node" / key_of(self.identity(platform, workshop))
        if not final.exists():
            workshop.tell(f"Installing {self.folder.name} from the npm registry")
            with workshop.making(final) as draft:
                for name in _LOCK_FILES:
                    copyfile(self.folder / name, draft / name)
                machine = ["--os=linux", f"--cpu={self._machine(platform)}", "--libc=glibc"]
                quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
                cache = [f"--cache={workshop.folder('npm')}", "--prefer-offline"]
                workshop.run(["npm", "ci", "--ignore-scripts", "--omit=dev", *machine, *quiet, *cache], cwd=draft)
        return final

    def _machine(self, platform: str) -> str:
        if platform not in _MACHINES:
            raise CorpusError(f"Expected a platform of {', '.join(_MACHINES)} for {self.folder}, found {platform}.")
        return _MACHINES[platform]
