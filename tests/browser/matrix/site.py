"""The sites of the matrix: OPs and RPs over TLS on one port of this machine, told apart by their names.

`op.idp.example` is the bundled OP as it is by default, `status.idp.example` the same with session status. RPs are at
`app.idp.example`, of the OPs' site, and at `www.shop.example`, of another; beside them are the example RPs, one for each OP.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode

import trustme
from argon2 import PasswordHasher
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server as HttpServer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from oic_session_ext.server.app import build_server
from oic_session_ext.server.config.settings import ServerSettings
from tests.browser.matrix.example_rp import SECRET, Forwarded, example_rp
from tests.bundled_op import PASSWORDS
from tests.examples.rp_process import free_port

OpName = Literal["op", "status"]
RpSite = Literal["same", "cross"]

OPS: dict[OpName, str] = {"op": "op.idp.example", "status": "status.idp.example"}
RPS: dict[RpSite, str] = {"same": "app.idp.example", "cross": "www.shop.example"}
ELSEWHERE = "other.idp.example"
OIDC_CLIENT_TS = "dist/browser/oidc-client-ts.min.js"  # in its npm package
PAGES = Path(__file__).resolve().parent / "pages"

WsgiApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass(frozen=True)
class Asked:
    """One request that a server of the matrix has received."""

    host: str
    method: str
    path: str
    query: dict[str, list[str]]

    @property
    def is_renewal(self) -> bool:
        """Whether it is a re-authentication: a silent authorization request."""
        return self.path == "/authorization" and self.query.get("prompt") == ["none"]


class AdvancedClock:
    """The OPs' clock: the true time, ahead by as much as it was advanced."""

    def __init__(self) -> None:
        self.ahead_s = 0

    def __call__(self) -> int:
        """Return the instant, in UTC seconds."""
        return int(time.time()) + self.ahead_s


@dataclass
class Sites:
    """What runs. `asked` grows with every request; `pages` holds each HTML page that was sent, by its address."""

    port: int
    ca: trustme.CA
    certificate: trustme.LeafCert
    oidc_client_ts: Path
    clock: AdvancedClock = field(default_factory=AdvancedClock)
    asked: list[Asked] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, WsgiApplication] = field(default_factory=dict)

    def origin(self, host: str) -> str:
        """The origin of one of the names."""
        return f"https://{host}:{self.port}"

    def op(self, name: OpName) -> str:
        """An OP's issuer, which is its origin."""
        return self.origin(OPS[name])

    def rp(self, site: RpSite) -> str:
        """An RP's origin."""
        return self.origin(RPS[site])

    def example_rp(self, op: OpName, site: RpSite) -> str:
        """The origin of the example RP of one OP."""
        return self.origin(_example_rp(op, site))

    @property
    def ca_der(self) -> bytes:
        """The throwaway CA's certificate, as base64 of DER."""
        certificate = x509.load_pem_x509_certificate(self.ca.cert_pem.bytes())
        return base64.b64encode(certificate.public_bytes(Encoding.DER))

    @property
    def key_digest(self) -> str:
        """SHA-256 of the servers' public key, in base64, by which Chromium is told to trust it."""
        certificate = x509.load_pem_x509_certificate(self.certificate.cert_chain_pems[0].bytes())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(sha256(key).digest()).decode()

    def answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """The WSGI application of all names."""
        host = environ["HTTP_HOST"].partition(":")[0]
        application = self.hosts.get(host)
        if application is None:  # browsers ask for things of their own
            start_response("404 Not Found", [("Content-Length", "0")])
            return [b""]
        self.asked.append(Asked(host, environ["REQUEST_METHOD"], environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"])))
        is_page = False

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal is_page
            is_page = any(name.lower() == "content-type" and value.startswith("text/html") for name, value in headers)
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        body = application(environ, start)
        if not is_page:
            return body
        try:
            content = b"".join(body)
        finally:
            getattr(body, "close", lambda: None)()
        self.pages[f"{host}{environ['PATH_INFO']}"] = content.decode()
        return [content]

    def authorization(self, op: OpName, client_id: str, redirect_uri: str, **more: str) -> str:
        """The URL of an authorization request for a code that nobody redeems."""
        challenge = base64.urlsafe_b64encode(sha256(b"v" * 50).digest()).rstrip(b"=").decode()
        query = {"client_id": client_id, "redirect_uri": redirect_uri, "response_type": "code", "scope": "openid", "state": "s"}
        query |= {"code_challenge": challenge, "code_challenge_method": "S256"} | more
        return f"{self.op(op)}/authorization?{urlencode(query)}"


class _QuietServer(HttpServer):
    def error_log(self, *_args: object, **_more: object) -> None:
        """Say nothing of connections that browsers break off."""


@contextmanager
def serving(folder: Path, oidc_client_ts: Path) -> Iterator[Sites]:
    """Start all of it; the OPs keep what they know in memory. `oidc_client_ts` is the script."""
    ca = trustme.CA()
    certificate = ca.issue_cert("*.idp.example", "*.shop.example")
    sites = Sites(free_port(), ca, certificate, oidc_client_ts)
    (folder / "ca.pem").write_bytes(ca.cert_pem.bytes())
    with ExitStack() as stack:
        sites.hosts |= dict.fromkeys((*RPS.values(), ELSEWHERE), rp_pages(sites))
        for name, host in OPS.items():
            ports: dict[RpSite, int] = {site: free_port() for site in RPS}
            server = build_server(_settings(sites, name, ports, folder), clock=sites.clock)
            sites.hosts[host] = server.application
            server.background.start()
            stack.callback(server.background.stop)
            for site, port in ports.items():
                sites.hosts[_example_rp(name, site)] = Forwarded(port)
                stack.enter_context(example_rp(port, sites.example_rp(name, site), sites.op(name), f"example-{site}", folder / "ca.pem"))
        pem = folder / "server.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(str(pem))
        http_server = _QuietServer(("127.0.0.1", sites.port), sites.answer, numthreads=20, server_name="matrix")
        http_server.ssl_adapter = BuiltinSSLAdapter(str(pem), str(pem))
        http_server.prepare()
        threading.Thread(target=http_server.serve, daemon=True).start()
        stack.callback(http_server.stop)
        yield sites


def _example_rp(op: OpName, site: RpSite) -> str:
    return f"{op}-rp.{RPS[site].partition('.')[2]}"


def _settings(sites: Sites, name: OpName, ports: dict[RpSite, int], folder: Path) -> ServerSettings:
    clients: list[dict[str, Any]] = [
        {
            "client_id": site,
            "token_endpoint_auth_method": "none",
            "redirect_uris": [f"{origin}{path}" for path in ("/cb", "/oidc/cb", "/oidc/silent")],
            "consent": "skip",
        }
        for site, origin in ((*((site, sites.rp(site)) for site in RPS), ("elsewhere", sites.origin(ELSEWHERE))))
    ]
    clients += [
        {
            "client_id": f"example-{site}",
            "client_secret": SECRET,
            "redirect_uris": [f"{sites.example_rp(name, site)}{path}" for path in ("/callback", "/silent")],
            "backchannel_logout_uri": f"http://127.0.0.1:{port}/backchannel_logout",
            "backchannel_logout_session_required": True,
            "allow_http": True,
            "consent": "skip",
        }
        for site, port in ports.items()
    ]
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    given = {
        "issuer": sites.op(name),
        "store": "memory:",
        "keys": str(folder / "keys.json"),
        "logout": {"backchannel": {"allow_networks": ["127.0.0.0/8"]}},
        "session_management": {"status": name == "status"},
        "users": [{"username": user, "password_hash": quick.hash(password)} for user, password in PASSWORDS.items()],
        "clients": clients,
    }
    return ServerSettings.model_validate(given)


def rp_pages(sites: Sites) -> WsgiApplication:
    """An RP of files: `/` and `/cb` are empty pages, `/oidc` is built on oidc-client-ts."""
    ops = " ".join(sites.op(name) for name in OPS)
    policy = f"default-src 'none'; script-src 'self'; connect-src {ops}; frame-src 'self' {ops}; img-src data:; base-uri 'none'"
    files = {
        "/": "rp.html",
        "/cb": "rp.html",
        "/rp.js": "rp.js",
        "/oidc": "oidc.html",
        "/oidc/cb": "oidc.html",
        "/oidc/silent": "oidc.html",
    }
    files |= {"/oidc.js": "oidc.js", "/paced.js": "paced.js"}

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        file = sites.oidc_client_ts if path == "/oidc-client-ts.js" else PAGES / files[path] if path in files else None
        if file is None:
            start_response("404 Not Found", [("Content-Length", "0")])
            return [b""]
        content = file.read_bytes()
        kind = "text/javascript" if file.suffix == ".js" else "text/html; charset=utf-8"
        start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(content))), ("Content-Security-Policy", policy)])
        return [content]

    return answer
