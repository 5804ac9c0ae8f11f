"""The lantern of ``examples/edge``: one static program for two kinds of nodes, and nothing else in its image."""

from pathlib import Path

from corpus.model import ContainerConfig, Image
from corpus.sets.bases import labels, user
from corpus.sources import GoProgram

__all__ = ["IMAGES"]

_AGENT = Path(__file__).parents[2] / "examples" / "edge" / "agent"

IMAGES = (
    Image(
        reference="registry.example.com/lantern/lantern:1.0.0",
        platforms=("linux/amd64", "linux/arm64"),
        layers=(
            GoProgram("example.com/lantern", "/usr/local/bin/lantern", folder=_AGENT),
            user("lantern", 65532, "/"),
        ),
        config=ContainerConfig(
            entrypoint=("/usr/local/bin/lantern",),
            command=("gather",),
            user="65532:65532",
            ports=("8080/tcp",),
            labels=labels("Lantern", "1.0.0", "Apache-2.0"),
        ),
    ),
)
