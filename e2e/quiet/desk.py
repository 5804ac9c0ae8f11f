"""Where a verb is tried, and how it is judged."""

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from e2e.quiet.events import Inet, Kind, Recording
from e2e.quiet.package import IMAGE, RELEASE
from e2e.quiet.recorder import Recorder
from e2e.quiet.rule import Named, violations
from e2e.quiet.site import LOOPBACK, QuietSite
from e2e.workplace import PACKHORSE

__all__ = ["ABSENT", "NOBODY", "REFUSED", "Desk", "judge", "only"]

NOBODY = Named()
ABSENT = Inet(LOOPBACK, 9)
REFUSED = {"usage": 2, "config": 3, "integrity": 4, "network": 5, "registry": 6}


@dataclass(frozen=True)
class Desk:
    """Where a case is tried: a site, a folder that is its home, and what was carried over."""

    site: QuietSite
    recorder: Recorder
    folder: Path
    bundle: Path
    package: Path

    def quiet(self, named: Named, *arguments: str | Path, exit_code: int = 0, stdin: str | None = None) -> Recording:
        """Run a verb, and see that it speaks to whom was named, to each of them, and to nobody else."""
        recording = self.recorder.run(PACKHORSE, *arguments, exit_code=exit_code, stdin=stdin)
        judge(recording, named)
        return recording

    def given(self, **environment: str) -> "Desk":
        """Return the same desk with further variables in its environment."""
        return replace(self, recorder=self.recorder.given(environment))

    def plain(self, *arguments: str | Path) -> None:
        """Run a verb without recording it, for a case that needs its result."""
        self.recorder.place.packhorse(*arguments)

    def deployed(self) -> None:
        """See that the bundle is deployed on the site, by whichever case came first."""
        record = f"/api/v1/namespaces/packhorse-system/secrets/packhorse.release.{RELEASE}.v1"
        api = self.site.api.api
        if self.site.namespace.call(lambda: api.get(record)) is None:
            self.plain("deploy", self.bundle, "--kubeconfig", self.kubeconfig())

    def kubeconfig(self, host: str = LOOPBACK, port: int | None = None) -> Path:
        """A kubeconfig for the site's API, which it names by ``host``."""
        endpoint = self.site.api_endpoint
        config = yaml.safe_load(self.site.api.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://{host}:{port or endpoint.port}"
        written = self.folder / "kubeconfig"
        written.write_text(yaml.safe_dump(config))
        return written

    def author(self) -> Path:
        """A copy of the package whose image is to be had from a registry, as on the connected side."""
        copy = self.folder / "package"
        shutil.copytree(self.package, copy, ignore=shutil.ignore_patterns("packhorse.lock", "*.bundle.tar"))
        definition = copy / "packhorse.yaml"
        definition.write_text(re.sub(r"images: .*", f"images: ['{IMAGE}']", definition.read_text()))
        return copy


def judge(recording: Recording, named: Named) -> None:
    """See that whom was named was spoken to, and nobody else."""
    found = violations(recording, named)
    assert not found, "spoke to somebody whom nobody named:\n" + "\n".join(found)
    reached = {event.address for event in recording.of(Kind.CONNECT)}
    assert named.endpoints <= reached, f"expected {_shown(named.endpoints)} to be connected to, saw {_shown(reached)}"
    assert not named.listen or recording.of(Kind.LISTEN), f"expected it to listen on {named.listen}"


def _shown(addresses: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, addresses))) or "nobody"


def only(*endpoints: Inet) -> Named:
    """Name endpoints by their addresses."""
    return Named(frozenset(endpoints))
