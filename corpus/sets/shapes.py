"""Every shape that the specifications allow and that registries have: what a tool that copies images must not break."""

from corpus.model import Artifact, Attachment, ContainerConfig, Image, Index, Layer, Recipe
from corpus.sets.bases import DEBIAN, PATH
from corpus.sources import Debian, Texts
from corpus.statements import Dsse, InToto, Provenance, Sbom, Signature, Vex

__all__ = ["IMAGES"]

_HOST = "registry.example.com/shapes"
_BOTH = ("linux/amd64", "linux/arm64")
_REDIS = Debian(("redis-server",), on=DEBIAN)
_VEX = Vex("CVE-2023-45853", "vulnerable_code_not_present")  # Debian builds zlib without minizip
_LARGE = Debian(
    (*DEBIAN.packages, "chromium", "g++", "gcc", "openjdk-17-jdk-headless"),
    without=DEBIAN.without,
)
"""Real files: a browser, compilers and a JDK with all that they need are more than a gibibyte as they are."""
_CONFIG = ContainerConfig(command=("bash",), environment=(PATH,))
_WINDOWS = "windows(10.0.20348.2762)/amd64"
_FOREIGN_URL = "https://images.example.com/windows/servercore/layer.tar.gz"


def _image(name: str, *layers: Debian | Texts | Layer, **changes: object) -> Image:
    values: dict[str, object] = {"config": _CONFIG, **changes}
    return Image(reference=f"{_HOST}/{name}", layers=layers or (DEBIAN, _REDIS), **values)  # type: ignore[arg-type]


def _windows(name: str, **changes: object) -> Image:
    base = Layer(source=Texts({"/Files/Windows/System32/license.rtf": "A licence.\n"}), urls=(_FOREIGN_URL,))
    return _image(name, base, Texts({"/Files/app/readme.txt": "An application.\n"}), platforms=(_WINDOWS,), **changes)


def _compressed(way: str) -> Image:
    return _image(f"compression:{way}", compression=way)


_REFERRED = _image("referrers:1")
_REFERRED_INDEX = _image("referrers:multi", platforms=_BOTH)
_TAGGED = _image("cosign-tags:1")
_SBOM = Attachment(to=_REFERRED, statement=Sbom())

IMAGES: tuple[Recipe, ...] = (
    *(_compressed(way) for way in ("gzip", "gnu-gzip", "go-gzip", "pgzip", "zstd", "none")),
    _image(
        "compression:mixed",
        Layer(source=DEBIAN, compression="zstd"),
        Layer(source=_REDIS, compression="pgzip"),
        Layer(source=Texts({"/etc/motd": "Three layers, three ways.\n"}), compression="none"),
    ),
    _image("oci-manifest:1"),
    _image("oci-index:1", platforms=_BOTH),
    _image("docker-manifest:1", format="docker"),
    _image("docker-list:1", format="docker", platforms=_BOTH),
    _image("buildx:1", platforms=_BOTH, attestations=(Sbom(), Provenance())),
    _image("buildx-single:1", attestations=(Provenance(),)),
    Index(
        reference=f"{_HOST}/nested:1",
        members=(
            Index(reference="stable", members=(_image("nested-amd64:1"),)),
            Index(reference="edge", members=(_image("nested-arm64:1", platforms=("linux/arm64",)),)),
        ),
    ),
    Index(
        reference=f"{_HOST}/mixed-formats:1",
        members=(_image("mixed:1"), _image("mixed:2", format="docker", platforms=("linux/arm64",))),
    ),
    _REFERRED,
    Attachment(to=_REFERRED, statement=Signature()),
    _SBOM,
    Attachment(to=_REFERRED, statement=_VEX),
    Attachment(to=_SBOM, statement=Signature()),
    _REFERRED_INDEX,
    Attachment(to=_REFERRED_INDEX, statement=Signature()),
    _TAGGED,
    Attachment(to=_TAGGED, statement=Signature(), form="tag"),
    Attachment(to=_TAGGED, statement=Sbom(), form="tag"),
    Attachment(to=_TAGGED, statement=Dsse(InToto(_VEX)), form="tag"),
    _image("layers:60", DEBIAN, *(Texts({f"/srv/parts/{number:02}": f"Part {number}.\n"}) for number in range(1, 60))),
    _image("large-layer:1", _LARGE, compression="none"),
    Artifact(reference=f"{_HOST}/artifact:empty", artifact_type="application/vnd.example.marker.v1"),
    Artifact(
        reference=f"{_HOST}/artifact:policy",
        artifact_type="application/vnd.example.policy.v1",
        media_type="application/vnd.example.policy.rego.v1",
        texts={"base.rego": "package base\n\ndefault allow := false\n"},
    ),
    _windows("windows:docker", format="docker"),
    _windows("windows:oci"),
    Index(reference=f"{_HOST}/windows:multi", members=(_image("multi:linux"), _windows("multi:windows"))),
)
