"""Every program of others that the benchmark and the stories of e2e use, with its pinned version."""

from dataclasses import dataclass

__all__ = ["BY_HAND", "DEBIAN", "GO_PROGRAMS", "STORY_PROGRAMS", "GoProgram"]


@dataclass(frozen=True, slots=True)
class GoProgram:
    """A program that the Go module proxy has."""

    name: str
    package: str
    """What is built, as an import path."""
    version: str
    module: str = ""
    """The module of the package, where ``go install PACKAGE@VERSION`` is refused and a go.mod of ours builds it."""
    tags: str = ""
    """Build tags."""


GO_PROGRAMS = {
    program.name: program
    for program in (
        GoProgram("crane", "github.com/google/go-containerregistry/cmd/crane", "v0.22.1"),
        GoProgram("regctl", "github.com/regclient/regclient/cmd/regctl", "v0.11.7"),
        GoProgram("oras", "oras.land/oras/cmd/oras", "v1.3.3", module="oras.land/oras"),
        GoProgram("olareg", "github.com/olareg/olareg/cmd/olareg", "v0.2.2", module="github.com/olareg/olareg"),
        GoProgram("registry", "github.com/distribution/distribution/v3/cmd/registry", "v3.1.2"),
    )
}

STORY_PROGRAMS = {
    program.name: program
    for program in (
        GoProgram("cosign", "github.com/sigstore/cosign/v3/cmd/cosign", "v3.1.3"),
        GoProgram(
            "promtool",
            "github.com/prometheus/prometheus/cmd/promtool",
            "v0.313.5",
            module="github.com/prometheus/prometheus",
            tags="remove_all_sd",
        ),
    )
}
"""Programs that take part in stories of e2e, and are measured beside nobody."""

DEBIAN = {"skopeo": "skopeo"}
"""Programs by the Debian package that has them; the release of Debian fixes their versions."""

BY_HAND = {
    "hauler": "v2.0.3",
    "zarf": "v0.84.0",
    "imgpkg": "v0.43.1",
    "zot": "v2.1.20",
}
"""Programs that no package client installs, and the versions that the benchmark was written against."""
