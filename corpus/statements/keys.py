"""The key that the corpus signs with. It is test data: it stands in the repository, and proves nothing.

Signatures are deterministic (RFC 6979), so that what is signed again is the same to the byte.
"""

from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from corpus.errors import CorpusError

__all__ = ["PUBLIC_KEY", "key_identity", "sign"]

_FOLDER = Path(__file__).parent / "test-key"
_PRIVATE_KEY = _FOLDER / "not-secret.key"
PUBLIC_KEY = _FOLDER / "not-secret.pub"
"""PEM, as cosign takes it with ``--key``."""


def key_identity() -> str:
    """Give the SHA-256 of the key's file, in hex."""
    return sha256(_PRIVATE_KEY.read_bytes()).hexdigest()


def sign(data: bytes) -> bytes:
    """Sign with ECDSA over P-256 and SHA-256, and give the signature in DER."""
    key = load_pem_private_key(_PRIVATE_KEY.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CorpusError(f"Expected a key for ECDSA in {_PRIVATE_KEY}, found another.")
    return key.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True))
