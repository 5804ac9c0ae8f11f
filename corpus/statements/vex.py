"""What a vendor says about a vulnerability in an image, in OpenVEX."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from corpus.layout import as_json
from corpus.manifests import CREATED
from corpus.model import Subject

__all__ = ["Vex"]


@dataclass(frozen=True, slots=True)
class Vex:
    """The image is not affected by one vulnerability."""

    vulnerability: str
    justification: str
    """One of OpenVEX' own: ``vulnerable_code_not_present``."""
    artifact_type: str = "application/vnd.openvex+json"
    media_type: str = "application/vnd.openvex+json"
    predicate_type: str = "https://openvex.dev/ns/v0.2.0"
    suffix: str = "att"

    def identity(self) -> Mapping[str, object]:
        """What is said."""
        return {"vex": [self.vulnerability, self.justification]}

    def content(self, subject: Subject) -> bytes:
        """The document."""
        digest = str(subject.descriptor["digest"])
        repository = subject.reference.rpartition(":")[0]
        name = repository.rpartition("/")[2]
        product = f"pkg:oci/{name}@{quote(digest, safe='')}?repository_url={quote(repository, safe='')}"
        return as_json(
            {
                "@context": "https://openvex.dev/ns/v0.2.0",
                "@id": f"https://corpus.example.com/vex/{self.vulnerability}/{digest}",
                "author": "Packhorse corpus",
                "timestamp": CREATED,
                "version": 1,
                "statements": [
                    {
                        "vulnerability": {"name": self.vulnerability},
                        "products": [{"@id": product}],
                        "status": "not_affected",
                        "justification": self.justification,
                    }
                ],
            }
        )

    def annotations(self, content: bytes) -> Mapping[str, str]:
        """None."""
        del content
        return {}
