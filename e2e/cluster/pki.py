"""The cluster's certificates and kubeconfigs: one authority for clients and servers, one for the aggregation layer.

ECDSA P-256 throughout; a whole set is made in some tens of milliseconds, so none is kept between runs.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority", "Issued", "ServiceAccountKey", "write_kubeconfig"]

_VALID = timedelta(days=30)
_CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that lives in memory, and in ``certificate`` and ``key`` for those who need files."""

    def __init__(self, directory: Path, name: str) -> None:
        """Make a new authority whose files are ``directory/name.crt`` and ``.key``."""
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(self._subject, self._subject, self._key.public_key())
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        files = _write(directory, name, certificate, self._key)
        self.certificate = files.certificate
        self.key = files.key

    def client(self, name: str, common_name: str, organisation: str | None = None) -> Issued:
        """Issue a client certificate: Kubernetes reads the user from the common name, the group from the organisation.

        Args:
            name: Base name of the two files.
            common_name: The user.
            organisation: The group, if any.
        """
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if organisation is not None:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
        return self._issue(name, x509.Name(attributes), ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def server(self, name: str, alternatives: Sequence[str]) -> Issued:
        """Issue a serving certificate for DNS names and IP addresses."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._issue(name, subject, ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def _issue(
        self, name: str, subject: x509.Name, usage: x509.ObjectIdentifier, alternatives: Sequence[str]
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(subject, self._subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if alternatives:
            names = [_general_name(alternative) for alternative in alternatives]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _write(self._directory, name, builder.sign(self._key, hashes.SHA256()), key)


class ServiceAccountKey:
    """The key pair that signs and checks service account tokens."""

    def __init__(self, directory: Path) -> None:
        """Make a new pair: ``service-account.key`` and ``.pub`` in ``directory``."""
        key = ec.generate_private_key(ec.SECP256R1())
        self.private = directory / "service-account.key"
        self.public = directory / "service-account.pub"
        _write_key(self.private, key)
        self.public.write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )


def write_kubeconfig(path: Path, server: str, authority: Authority, user: Issued) -> Path:
    """Write a kubeconfig that needs no other file, readable by its owner only, and return its path.

    It is JSON, which every reader of YAML reads.
    """

    def data(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": data(authority.certificate)}
    credentials = {"client-certificate-data": data(user.certificate), "client-key-data": data(user.key)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": cluster}],
        "users": [{"name": path.stem, "user": credentials}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": path.stem}}],
        "current-context": "e2e",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1))
    return path


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _VALID)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write(directory: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    issued = Issued(directory / f"{name}.crt", directory / f"{name}.key")
    issued.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(issued.key, key)
    return issued


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    # SEC 1 ("EC PRIVATE KEY"): the one form that all of Kubernetes' own loaders take for service account keys too.
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    path.touch(mode=0o600)
    path.write_bytes(pem)
