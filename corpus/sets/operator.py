"""The operator of ``examples/operator``: a controller, and what it starts beside each cache."""

from pathlib import Path

from corpus.model import ContainerConfig, Image, Source
from corpus.sets.bases import DEBIAN, PATH, labels, user
from corpus.sets.shop import REDIS
from corpus.sources import Debian, Tree

__all__ = ["IMAGES"]

_APPS = Path(__file__).parents[2] / "examples" / "operator" / "apps"
_PYTHON = Debian(("python3",), on=DEBIAN)


def _program(name: str, title: str, command: tuple[str, ...], *layers: Source) -> Image:
    return Image(
        reference=f"registry.example.com/caches/{name}:1.0.0",
        layers=(DEBIAN, _PYTHON, user("nonroot", 65532, "/app"), *layers),
        config=ContainerConfig(
            entrypoint=("python3", *command),
            environment=(PATH, "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"),
            user="65532:65532",
            working_directory="/app",
            labels=labels(title, "1.0.0", "Apache-2.0"),
        ),
    )


IMAGES = (
    REDIS,
    _program("operator", "Cache operator", ("-m", "cache_operator"), Tree(_APPS / "operator", "/app")),
    _program("exporter", "Cache exporter", ("exporter.py",), Tree(_APPS / "exporter", "/app")),
)
