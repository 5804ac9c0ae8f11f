"""How an image was built, in SLSA's words."""

from collections.abc import Mapping
from dataclasses import dataclass

from corpus.layout import as_json, listed
from corpus.manifests import CREATED
from corpus.model import Subject

__all__ = ["Provenance"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """The corpus made it, of these layers."""

    artifact_type: str = "application/vnd.in-toto.provenance+json"
    media_type: str = "application/vnd.in-toto.provenance+json"
    predicate_type: str = "https://slsa.dev/provenance/v1"
    suffix: str = "att"

    def identity(self) -> Mapping[str, object]:
        """Its format."""
        return {"provenance": "slsa-1"}

    def content(self, subject: Subject) -> bytes:
        """The predicate."""
        layers = listed(subject.layout.read_json(str(subject.descriptor["digest"])), "layers")
        digests = [str(layer["digest"]).partition(":") for layer in layers]
        return as_json(
            {
                "buildDefinition": {
                    "buildType": "https://corpus.example.com/recipe/v1",
                    "externalParameters": {"reference": subject.reference},
                    "resolvedDependencies": [{"digest": {algorithm: encoded}} for algorithm, _, encoded in digests],
                },
                "runDetails": {
                    "builder": {"id": "https://corpus.example.com/builder"},
                    "metadata": {"startedOn": CREATED, "finishedOn": CREATED},
                },
            }
        )

    def annotations(self, content: bytes) -> Mapping[str, str]:
        """None."""
        del content
        return {}
