"""Cosign's signatures: a payload that names the image and its digest, signed ("simple signing")."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from corpus.layout import as_json
from corpus.model import Subject
from corpus.statements.keys import key_identity, sign

__all__ = ["Signature"]


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature by the test key, which ``cosign verify --key`` takes."""

    artifact_type: str = "application/vnd.dev.cosign.artifact.sig.v1+json"
    media_type: str = "application/vnd.dev.cosign.simplesigning.v1+json"
    predicate_type: str = ""
    suffix: str = "sig"

    def identity(self) -> Mapping[str, object]:
        """The key."""
        return {"signature": key_identity()}

    def content(self, subject: Subject) -> bytes:
        """The payload."""
        return as_json(
            {
                "critical": {
                    "identity": {"docker-reference": subject.reference.rpartition(":")[0]},
                    "image": {"docker-manifest-digest": subject.descriptor["digest"]},
                    "type": "cosign container image signature",
                },
                "optional": None,
            }
        )

    def annotations(self, content: bytes) -> Mapping[str, str]:
        """The signature of the payload."""
        return {"dev.cosignproject.cosign/signature": base64.b64encode(sign(content)).decode()}
