"""A certificate authority for one test run, and the one certificate that it signs: for every host of the play."""

from __future__ import annotations

import base64
import hashlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

_CERTIFICATES_ALONE = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class ThrowawayCa:
    """The authority's certificate (`ca_file`), and a certificate of its with key for the hosts; all PEM files."""

    ca_file: Path
    certificate: Path
    key: Path
    spki_hash: str
    """What Chromium knows the hosts' key by (`--ignore-certificate-errors-spki-list`), as it has no file of authorities to be given."""

    @classmethod
    def write(cls, folder: Path, hosts: tuple[str, ...]) -> ThrowawayCa:
        """Make both and write them into a folder."""
        ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        ca_name = _name("Throwaway CA")
        ca = _builder(ca_name, ca_name, ca_key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        ca = ca.add_extension(_CERTIFICATES_ALONE, critical=True)  # RFC 5280, which Python 3.13 and later insist on
        leaf = (
            _builder(_name(hosts[0]), ca_name, key.public_key())
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )
        made = cls(folder / "ca.pem", folder / "certificate.pem", folder / "key.pem", _spki_hash(key.public_key()))
        made.ca_file.write_bytes(ca.sign(ca_key, SHA256()).public_bytes(Encoding.PEM))
        made.certificate.write_bytes(leaf.sign(ca_key, SHA256()).public_bytes(Encoding.PEM))
        made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made

    def server_context(self) -> ssl.SSLContext:
        """For a server on any of the hosts."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """For clients, which believe this authority alone."""
        return ssl.create_default_context(cafile=self.ca_file)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), now - timedelta(1), now + timedelta(2))


def _spki_hash(key: ec.EllipticCurvePublicKey) -> str:
    return base64.b64encode(hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()).decode()
