"""The server with TLS of its own, as its settings say."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.bundled_op import OpBrowser
from tests.flows.machines.running_op import RunningOp


class RunningTlsOp(RunningOp):
    """A server process that speaks TLS with a certificate of this test's."""

    def __init__(self, folder: Path) -> None:
        self._certificate, key = make_certificate(folder)
        super().__init__(folder)
        self.issuer = f"https://localhost:{self.port}"
        tls = {"certificate": str(self._certificate), "key": str(key)}
        self.configure(issuer=self.issuer, listen={"host": "127.0.0.1", "port": self.port, "tls": tls})

    def _http_connection(self) -> HTTPConnection:
        context = ssl.create_default_context(cafile=str(self._certificate))
        return HTTPSConnection("localhost", self.port, timeout=20, context=context)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for localhost, signed by itself, and its key; return both files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "certificate.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def tls_op(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTlsOp]:
    op = RunningTlsOp(tmp_path_factory.mktemp("tls"))
    op.start()
    yield op
    op.close()


@pytest.fixture
def tls_browser(tls_op: RunningTlsOp) -> OpBrowser:
    return tls_op.browser()


@pytest.mark.spec("SM-16")
def test_somebody_signs_in_and_out_over_tls_with_cookies_of_this_host_alone(tls_browser: OpBrowser) -> None:
    tokens = tls_browser.sign_in()
    cookies = set(tls_browser.jar)

    assert cookies == {"__Host-op_session", "__Host-op_browser_state", "__Host-op_login", "__Secure-known_browser"}
    assert tls_browser.is_signed_in()
    tls_browser.end_session(id_token_hint=tokens["id_token"])
    assert not tls_browser.is_signed_in()


def test_discovery_names_https_alone(tls_op: RunningTlsOp, tls_browser: OpBrowser) -> None:
    document = tls_browser.get("/.well-known/openid-configuration").json

    assert document["issuer"] == tls_op.issuer
    assert "http://" not in str({name: value for name, value in document.items() if name.endswith(("_endpoint", "_uri", "_iframe"))})


def test_a_client_that_speaks_no_tls_gets_nothing_that_was_asked_for(tls_op: RunningTlsOp) -> None:
    answer = tls_op.exchange(b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert b"password" not in answer
    assert answer.partition(b"\r\n")[0] in (b"", b"HTTP/1.0 400 Bad Request", b"HTTP/1.1 400 Bad Request")


def test_an_old_protocol_is_refused(tls_op: RunningTlsOp) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1

    with pytest.raises((ssl.SSLError, ConnectionResetError)), tls_op.connect() as connection:
        context.wrap_socket(connection)
