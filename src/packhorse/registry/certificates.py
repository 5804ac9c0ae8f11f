"""A certificate authority of the site's own, and the certificates that it issues: ECDSA P-256, in PEM."""

import datetime as dt
import ipaddress
from collections.abc import Sequence

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from packhorse.base.errors import ConfigError, UsageError

__all__ = ["Facts", "Issued", "Subject", "issue", "new_authority", "read_facts"]

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 397
"""The most that today's clients accept of a server."""

_EARLY = dt.timedelta(hours=1)
"""Clocks of a site may differ."""
_LONGEST_NAME = 64


class Issued(msgspec.Struct, frozen=True):
    """A certificate and its private key, in PEM."""

    certificate: bytes
    key: bytes


class Subject(msgspec.Struct, frozen=True):
    """Who a certificate is for.

    Attributes:
        name: The common name: of a client, the user.
        hosts: Names and addresses of a server; empty for a client.
        groups: A client's groups.
    """

    name: str
    hosts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class Facts(msgspec.Struct, frozen=True):
    """What a certificate says of itself."""

    name: str
    hosts: tuple[str, ...]
    not_before: dt.datetime
    not_after: dt.datetime

    def seconds_left(self, now: dt.datetime) -> float:
        """Return how long it is good; negative when it has run out."""
        return (self.not_after - now).total_seconds()

    def is_due(self, now: dt.datetime) -> bool:
        """Whether a third of its time or less is left, so that it is time for another."""
        return now >= self.not_after - (self.not_after - self.not_before) / 3


def new_authority(name: str, now: dt.datetime, days: int = AUTHORITY_DAYS) -> Issued:
    """Make a certificate authority.

    Raises:
        UsageError: The name cannot stand in a certificate.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    builder = (
        _builder(subject, subject, key.public_key(), now, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _signed(builder, key, key)


def issue(authority: Issued, subject: Subject, now: dt.datetime, days: int = CERTIFICATE_DAYS) -> Issued:
    """Issue a certificate, for a server where ``subject`` has hosts, else for a client; it ends with the authority.

    Raises:
        ConfigError: The authority's files are not what they must be.
        UsageError: A name cannot stand in a certificate.
    """
    root, root_key = _load(authority)
    left = (root.not_valid_after_utc - now).days
    if left < 1:
        raise ConfigError(f"the certificate authority has run out ({root.not_valid_after_utc:%Y-%m-%d})")
    key = ec.generate_private_key(ec.SECP256R1())
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if subject.hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    builder = (
        _builder(_name(subject.name, subject.groups), root.subject, key.public_key(), now, min(days, left))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(identifier, critical=False)
    )
    if subject.hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_host, subject.hosts))), critical=False)
    return _signed(builder, key, root_key)


def read_facts(certificate: bytes) -> Facts:
    """Read the first certificate of a PEM file.

    Raises:
        ConfigError: There is none.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate)
        names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return Facts(
            str(names[0].value) if names else "", _hosts(found), found.not_valid_before_utc, found.not_valid_after_utc
        )
    except ValueError as error:
        raise ConfigError(f"expected a certificate in PEM: {error}") from error


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _EARLY,
        not_valid_after=now + dt.timedelta(days=days),
    )


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey
) -> Issued:
    certificate = builder.sign(by, hashes.SHA256())
    return Issued(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _load(authority: Issued) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate(authority.certificate)
        key = serialization.load_pem_private_key(authority.key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"the certificate authority cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ConfigError("the key of the certificate authority is not that of its certificate")
    return certificate, key


def _name(name: str, groups: Sequence[str] = ()) -> x509.Name:
    for text in (name, *groups):
        if not text or len(text) > _LONGEST_NAME or not text.isprintable():
            raise UsageError(f"expected a name of at most {_LONGEST_NAME} characters, found {text!r}")
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise UsageError(f"expected a host name or an address, found {host!r}") from error


def _hosts(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in found if isinstance(name, (x509.DNSName, x509.IPAddress)))
