"""Layers from Debian packages: the files that the packages ship, with no root, no chroot and no maintainer script.

apt resolves the dependencies against an empty system of its own (its lists and its status are in the cache, not the
machine's), so that the machine's own packages decide nothing. Files are read straight from the packages, with the
owners and modes they have there. What a maintainer script would have made (users, links, caches) is the recipe's to
say. The database of installed packages is written one file per package, so that scanners find them.
"""

import json
import re
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from corpus import entries
from corpus.entries import Entry
from corpus.errors import CorpusError
from corpus.workshop import Workshop, key_of

__all__ = ["Debian"]

_LISTS_AGE_SECONDS = 6 * 3600
"""Lists older than this are fetched anew before a package is: a mirror drops what a newer version replaced."""

_UPDATES = ("*-security", "*-updates")
"""What Debian calls the suites with what changed since the last point release."""

_LINKED = {
    **{name: f"usr/{name}" for name in ("bin", "lib", "lib32", "lib64", "libx32", "sbin")},
    "var/lock": "run/lock",
    "var/run": "run",
}
"""Folders that installing a Debian system makes into links, and where they point: packages still name them."""

_NOT_NEEDED = re.compile(r"usr/share/(?:doc/(?!.*/copyright$)|doc-base|info|lintian|locale/|man/)")
"""What Debian's own slim images leave out: documentation, but not the licences."""

_KINDS: dict[bytes, entries.Kind] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
}


@dataclass(frozen=True, slots=True)
class Debian:
    """Packages with all that they depend on, without what the layer below (``on``) has already."""

    packages: tuple[str, ...]
    on: "Debian | None" = None
    without: tuple[str, ...] = ()
    """Dependencies that only maintainer scripts use, or that the recipe replaces."""
    updates: tuple[str, ...] | None = None
    """Packages that are taken as updated since Debian's last point release; all others as they were in it. None takes
    every package as updated."""

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        """The exact packages and versions."""
        return {"debian": self._chosen(platform, workshop), "base": self.on is None}

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        """The files of each package in the order of the packages' names, then the record of the packages."""
        archives = _Archives(workshop, platform.partition("/")[2])
        if self.on is None:
            yield from (entries.symlink(path, _link_text(path, target)) for path, target in _LINKED.items())
        records: list[Entry] = []
        for package in archives.fetch(self._chosen(platform, workshop)):
            yield from _files(package)
            control = workshop.run(["dpkg-deb", "--field", package])
            name = package.name.partition("_")[0]
            records.append(entries.file(f"var/lib/dpkg/status.d/{name}", control.encode()))
        yield from records

    def everything(self) -> tuple[str, ...]:
        """Give the packages asked for by this layer and by all below it."""
        return (*(self.on.everything() if self.on else ()), *self.packages)

    def left_out(self) -> tuple[str, ...]:
        """Give the packages left out by this layer and by all below it."""
        return (*(self.on.left_out() if self.on else ()), *self.without)

    def _chosen(self, platform: str, workshop: Workshop) -> list[str]:
        archives = _Archives(workshop, platform.partition("/")[2], self.updates)
        below = set(archives.resolve(self.on.everything(), self.on.left_out()) if self.on else ())
        return [
            package
            for package in archives.resolve(self.everything(), self.left_out())
            if package not in below and self._wants(package)
        ]

    def _wants(self, package: str) -> bool:
        return package.partition("=")[0] not in self.without


class _Archives:
    """Debian's archive for one architecture, with apt's own state in the cache."""

    def __init__(self, workshop: Workshop, architecture: str, updates: tuple[str, ...] | None = None) -> None:
        self._updates = updates
        self._workshop = workshop
        self._architecture = architecture
        self._root = workshop.folder("apt", architecture)
        self._packages = workshop.folder("apt", architecture, "packages")

    def resolve(self, names: Sequence[str], unused: Sequence[str]) -> list[str]:
        """Give ``name=version`` of the packages and all that they depend on, sorted.

        What was resolved before is kept while its packages are in the cache; those that are ``unused`` need not be.
        """
        asked: dict[str, object] = {"names": list(names)}
        if self._updates is not None:
            asked["updates"] = list(self._updates)
        kept = self._workshop.folder("apt", self._architecture, "resolved") / f"{key_of(asked)}.json"
        if kept.exists():
            chosen: list[str] = json.loads(kept.read_text(encoding="utf-8"))
            used = [package for package in chosen if package.partition("=")[0] not in unused]
            if self._lists_are_fresh() or all(self._find(package) for package in used):
                return chosen
        with self._workshop.alone(self._root):
            chosen = self._ask_apt(names)
        with self._workshop.making_file(kept) as draft:
            draft.write_text(json.dumps(chosen), encoding="utf-8")
        return chosen

    def fetch(self, packages: Sequence[str]) -> list[Path]:
        """Give the package files, in the order asked for, downloading those that the cache lacks."""
        with self._workshop.alone(self._root):
            missing = [package for package in packages if self._find(package) is None]
            if missing:
                self._workshop.tell(f"Fetching {len(missing)} Debian packages for {self._architecture}")
                self._workshop.run(["apt-get", *self._options(), "--quiet", "download", *missing], cwd=self._packages)
        found = {package: self._find(package) for package in packages}
        absent = [package for package, path in found.items() if path is None]
        if absent:
            raise CorpusError(f"Expected apt to fetch {', '.join(absent)}, found nothing in {self._packages}.")
        return [path for path in found.values() if path is not None]

    def _find(self, package: str) -> Path | None:
        name, _, version = package.partition("=")
        # apt writes the colon of an epoch as %3a in the names of files.
        stem = f"{name}_{version.replace(':', '%3a')}"
        for architecture in (self._architecture, "all"):
            path = self._packages / f"{stem}_{architecture}.deb"
            if path.exists():
                return path
        return None

    def _ask_apt(self, names: Sequence[str]) -> list[str]:
        if not self._lists_are_fresh():
            self._workshop.tell(f"Fetching Debian's package lists for {self._architecture}")
            self._workshop.run(["apt-get", *self._options(), "--quiet", "update"])
            self._stamp.touch()
        with self._preferring() as options:
            said = self._workshop.run(["apt-get", *self._options(), *options, "--simulate", "install", *names])
        chosen = re.findall(r"^Inst (\S+) \((\S+) ", said, re.MULTILINE)
        if not chosen:
            raise CorpusError(f"Expected apt to choose packages for {' '.join(names)}, found none in:\n{said[-500:]}")
        return sorted(f"{name.partition(':')[0]}={version}" for name, version in chosen)

    @contextmanager
    def _preferring(self) -> Iterator[list[str]]:
        """Give the options by which apt takes only some updates (apt_preferences(5))."""
        if self._updates is None:
            yield []
            return
        pins = [f"Package: *\nPin: release n={suite}\nPin-Priority: -1\n" for suite in _UPDATES]
        if self._updates:
            pins += [
                f"Package: {' '.join(self._updates)}\nPin: release n={suite}\nPin-Priority: 500\n" for suite in _UPDATES
            ]
        with tempfile.NamedTemporaryFile("w", dir=self._root, encoding="utf-8") as stream:
            stream.write("\n".join(pins))
            stream.flush()
            yield ["-o", f"Dir::Etc::Preferences={stream.name}"]

    @property
    def _stamp(self) -> Path:
        return self._root / "lists-fetched"

    def _lists_are_fresh(self) -> bool:
        return self._stamp.exists() and time.time() - self._stamp.stat().st_mtime < _LISTS_AGE_SECONDS

    def _options(self) -> list[str]:
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self._root / name).mkdir(parents=True, exist_ok=True)
        status = self._root / "status"
        if not status.exists():
            status.touch()  # once: apt reads all lists anew when it is newer than apt's own cache
        settings = {
            "Dir::State": self._root / "state",
            "Dir::State::status": status,
            "Dir::Cache": self._root / "cache",
            "Dir::Cache::pkgcache": "pkgcache.bin",  # container images turn it off, and each question takes seconds
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "APT::Architecture": self._architecture,
            "APT::Architectures": self._architecture,
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",  # the cache may be where no other user can write
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _files(package: Path) -> Iterator[Entry]:
    with _unpacking(package) as archive:
        for member in archive:
            path = _real(member.name.removeprefix("./").strip("/"))
            if path in ("", ".", *_LINKED) or _NOT_NEEDED.match(path):
                continue
            if member.type not in _KINDS:
                raise CorpusError(f"Expected files, folders and links in {package.name}, found {member.name}.")
            kind = _KINDS[member.type]
            content = archive.extractfile(member) if kind == "file" else None
            link = _real(member.linkname.removeprefix("./")) if kind == "hardlink" else member.linkname
            yield Entry(
                path,
                kind,
                member.mode,
                member.uid,
                member.gid,
                int(member.mtime),
                member.size,
                cast("BinaryIO | None", content),
                link,
            )


def _real(path: str) -> str:
    """Give where ``path`` lies once the links are followed; the links themselves stay what they are."""
    for linked, target in _LINKED.items():
        if path.startswith(f"{linked}/"):
            return target + path.removeprefix(linked)
    return path


def _link_text(path: str, target: str) -> str:
    return f"/{target}" if "/" in path else target


@contextmanager
def _unpacking(package: Path) -> Iterator[tarfile.TarFile]:
    try:
        process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
    except FileNotFoundError as error:
        raise CorpusError(
            'Expected the program "dpkg-deb" on PATH, found none: this needs Debian or Ubuntu.'
        ) from error
    with process, tarfile.open(fileobj=process.stdout, mode="r|") as archive:
        yield archive
    if process.returncode != 0:
        raise CorpusError(f"Expected a Debian package, found that dpkg-deb cannot read {package}.")
