"""Layers from Maven Central: the jars of a lock, each with its SHA-256."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import escape

from corpus.entries import Entry
from corpus.errors import CorpusError
from corpus.workshop import Workshop

__all__ = ["MavenJars"]

_LOCKED = re.compile(
    r"^(?P<group>[\w.-]+):(?P<artifact>[\w.-]+):(?P<version>[\w.-]+)(?::(?P<classifier>[\w.-]+))? "
    r"sha256:(?P<sha256>[0-9a-f]{64})$",
    re.MULTILINE,
)
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_PROJECT = """<project>
<modelVersion>4.0.0</modelVersion><groupId>corpus</groupId><artifactId>jars</artifactId><version>1</version>
<dependencies>{dependencies}</dependencies>
</project>
"""
_DEPENDENCY = (
    "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>{classifier}"
    "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>"
)


@dataclass(frozen=True, slots=True)
class _Jar:
    group: str
    artifact: str
    version: str
    classifier: str
    sha256: str

    @property
    def file(self) -> str:
        return "-".join(filter(None, (self.artifact, self.version, self.classifier))) + ".jar"

    def as_dependency(self) -> str:
        classifier = f"<classifier>{escape(self.classifier)}</classifier>" if self.classifier else ""
        return _DEPENDENCY.format(group=self.group, artifact=self.artifact, version=self.version, classifier=classifier)


@dataclass(frozen=True, slots=True)
class MavenJars:
    """Jars by exact version. A line of the lock is ``group:artifact:version[:classifier] sha256:…``."""

    lock: Path
    target: str
    """Absolute path in the image of the folder for the jars."""

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        """The jars' names and hashes, and where they go."""
        del platform, workshop
        return {"jars": {jar.file: jar.sha256 for jar in self._jars()}, "target": self.target}

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        """One file per jar, sorted by name."""
        del platform
        jars = self._jars()
        _fetch(jars, workshop)
        for jar in sorted(jars, key=lambda jar: jar.file):
            path = _place(jar, workshop)
            with path.open("rb") as content:
                inside = f"{self.target.strip('/')}/{jar.file}"
                yield Entry(inside, "file", 0o644, size=path.stat().st_size, content=content)

    def _jars(self) -> list[_Jar]:
        text = self.lock.read_text(encoding="utf-8")
        jars = [_Jar(**match.groupdict(default="")) for match in _LOCKED.finditer(text)]
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        if not jars or len(jars) != len(lines):
            raise CorpusError(f"Expected lines as group:artifact:version sha256:… in {self.lock}, found others.")
        return jars


def _place(jar: _Jar, workshop: Workshop) -> Path:
    return workshop.cache / "maven" / "jars" / jar.sha256 / jar.file


def _fetch(jars: Sequence[_Jar], workshop: Workshop) -> None:
    """Have Maven fetch what the cache lacks, all in one go, and check every hash."""
    with workshop.alone(workshop.folder("maven")):
        missing = [jar for jar in jars if not _place(jar, workshop).exists()]
        if not missing:
            return
        workshop.tell(f"Fetching {len(missing)} jars from Maven Central")
        with TemporaryDirectory(dir=workshop.folder("maven")) as folder:
            draft = Path(folder)
            project = _PROJECT.format(dependencies="".join(jar.as_dependency() for jar in missing))
            (draft / "pom.xml").write_text(project, encoding="utf-8")
            repository = f"-Dmaven.repo.local={workshop.folder('maven', 'repository')}"
            workshop.run(["mvn", "-q", "-B", repository, _COPY, f"-DoutputDirectory={draft / 'jars'}"], cwd=draft)
            for jar in missing:
                _keep(jar, draft / "jars" / jar.file, workshop)


def _keep(jar: _Jar, fetched: Path, workshop: Workshop) -> None:
    if not fetched.exists():
        raise CorpusError(f"Expected Maven to fetch {jar.group}:{jar.file}, found nothing.")
    found = sha256(fetched.read_bytes()).hexdigest()
    if found != jar.sha256:
        raise CorpusError(f"Expected {jar.group}:{jar.file} to be sha256:{jar.sha256}, found {found}.")
    with workshop.making_file(_place(jar, workshop)) as draft:
        fetched.rename(draft)
