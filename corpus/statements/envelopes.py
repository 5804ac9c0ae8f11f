"""What statements travel in: in-toto says which digest a predicate is about, DSSE signs that."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from json import loads

from corpus.layout import as_json
from corpus.model import Statement, Subject
from corpus.statements.keys import key_identity, sign

__all__ = ["Dsse", "InToto"]

_IN_TOTO = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True)
class InToto:
    """Another statement as the predicate of an in-toto statement, unsigned, as BuildKit writes it."""

    of: Statement
    artifact_type: str = _IN_TOTO
    media_type: str = _IN_TOTO
    suffix: str = "att"

    @property
    def predicate_type(self) -> str:
        """That of the other."""
        return self.of.predicate_type

    def identity(self) -> Mapping[str, object]:
        """That of the other."""
        return {"in-toto": self.of.identity()}

    def content(self, subject: Subject) -> bytes:
        """The statement, version 1 of in-toto's specification."""
        algorithm, _, encoded = str(subject.descriptor["digest"]).partition(":")
        return as_json(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"name": subject.reference, "digest": {algorithm: encoded}}],
                "predicateType": self.of.predicate_type,
                "predicate": loads(self.of.content(subject)),
            }
        )

    def annotations(self, content: bytes) -> Mapping[str, str]:
        """The predicate's type, by which BuildKit finds it."""
        del content
        return {"in-toto.io/predicate-type": self.of.predicate_type}


@dataclass(frozen=True, slots=True)
class Dsse:
    """An in-toto statement in a signed envelope, as ``cosign attest`` writes it."""

    of: InToto
    artifact_type: str = "application/vnd.dsse.envelope.v1+json"
    media_type: str = "application/vnd.dsse.envelope.v1+json"
    suffix: str = "att"

    @property
    def predicate_type(self) -> str:
        """That of the statement."""
        return self.of.predicate_type

    def identity(self) -> Mapping[str, object]:
        """The statement and the key."""
        return {"dsse": self.of.identity(), "key": key_identity()}

    def content(self, subject: Subject) -> bytes:
        """The envelope; what is signed is DSSE's pre-authentication encoding, version 1."""
        payload = self.of.content(subject)
        encoded = b"DSSEv1 %d %s %d %s" % (len(_IN_TOTO), _IN_TOTO.encode(), len(payload), payload)
        return as_json(
            {
                "payloadType": _IN_TOTO,
                "payload": base64.b64encode(payload).decode(),
                "signatures": [{"keyid": "", "sig": base64.b64encode(sign(encoded)).decode()}],
            }
        )

    def annotations(self, content: bytes) -> Mapping[str, str]:
        """As cosign writes them: the signature is in the envelope."""
        del content
        return {"dev.cosignproject.cosign/signature": "", "predicateType": self.of.predicate_type}
