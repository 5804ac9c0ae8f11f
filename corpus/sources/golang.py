"""Layers from Go programs: a pinned module, built statically for each platform."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from corpus.entries import Entry
from corpus.errors import CorpusError
from corpus.workshop import Workshop, key_of
from e2e.cluster.errors import BedError
from e2e.cluster.toolchain import find_go

__all__ = ["GoProgram"]

_MODULE_FILE = """module corpus

go {language}

require {module} {version}

tool {package}
"""
_FLAGS = ("-trimpath", "-buildvcs=false")
"""Neither where a program was built gets into it, nor the state of the repository that its folder lies in."""


@dataclass(frozen=True, slots=True)
class GoProgram:
    """One program of a module at an exact version, or of a folder of this repository that is a module."""

    package: str
    """The import path of the program: ``example.org/module/cmd/program``."""
    target: str
    """Absolute path in the image."""
    module: str = ""
    version: str = ""
    folder: Path | None = None
    """The module's own folder; then ``module`` and ``version`` stay empty."""
    link_flags: tuple[str, ...] = ("-s", "-w")
    tags: tuple[str, ...] = ()
    """Build tags, which choose among the module's files."""

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        """The module's version or the hash of its folder, the flags, and the version of Go."""
        del platform
        where = self._folder_key() if self.folder else f"{self.module}@{self.version}"
        compiler = workshop.run([_go(workshop), "env", "GOVERSION"]).strip()
        flags = [*_FLAGS, *self.link_flags]
        made = {"go": where, "package": self.package, "target": self.target, "flags": flags, "compiler": compiler}
        return {**made, "tags": list(self.tags)} if self.tags else made

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        """The program, of mode 0755."""
        program = self.program(platform, workshop)
        with program.open("rb") as content:
            yield Entry(self.target.strip("/"), "file", 0o755, size=program.stat().st_size, content=content)

    def program(self, platform: str, workshop: Workshop) -> Path:
        """Give the program's path, built when the cache lacks it."""
        key = key_of({**self.identity(platform, workshop), "platform": platform})
        final = workshop.folder("go") / key
        if not final.exists():
            with workshop.alone(final.parent, f"{key}."):
                if not final.exists():
                    workshop.tell(f"Building {self.package} for {platform}")
                    with workshop.making(final) as draft:
                        self._build(draft, platform, workshop)
        return final / "program"

    def host_program(self, workshop: Workshop) -> Path:
        """Give the path of the program for this machine."""
        return self.program("/".join(workshop.run([_go(workshop), "env", "GOHOSTOS", "GOHOSTARCH"]).split()), workshop)

    def _build(self, draft: Path, platform: str, workshop: Workshop) -> None:
        system, _, architecture = platform.partition("/")
        environment = {
            "CGO_ENABLED": "0",
            "GOOS": system,
            "GOARCH": architecture,
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "-mod=mod",
            "GOWORK": "off",
        }
        output = draft / "program"
        flags = [*_FLAGS, "-tags", ",".join(self.tags), "-ldflags", " ".join(self.link_flags)]
        build: list[str | Path] = [_go(workshop), "build", *flags, "-o", output, self.package]
        if self.folder:
            workshop.run(build, cwd=self.folder, environment={**environment, "GOFLAGS": "-mod=readonly"})
            return
        source = draft / "module"
        source.mkdir()
        language = workshop.run([_go(workshop), "env", "GOVERSION"]).strip().removeprefix("go").partition(" ")[0]
        text = _MODULE_FILE.format(language=language, module=self.module, version=self.version, package=self.package)
        (source / "go.mod").write_text(text, encoding="utf-8")
        workshop.run(build, cwd=source, environment=environment)

    def _folder_key(self) -> str:
        if self.folder is None or not (self.folder / "go.mod").exists():
            raise CorpusError(f"Expected a Go module in {self.folder}, found no go.mod.")
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return key_of({str(path.relative_to(self.folder)): path.read_text(encoding="utf-8") for path in files})


def _go(workshop: Workshop) -> Path:
    """Give the machine's Go, or that which e2e takes where the machine has none that is new enough."""
    folder = workshop.folder("toolchain")
    with workshop.alone(folder):
        return _find(folder)


@cache
def _find(folder: Path) -> Path:
    try:
        return find_go(folder)
    except BedError as error:
        raise CorpusError(str(error)) from error
