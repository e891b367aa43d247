"""A small OP on pyoidc, and a browser that remembers cookies: what the tests of the seam work with."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from oic.oic.provider import Provider as StockProvider
from oic.utils.authn.authn_context import AuthnBroker
from oic.utils.authn.client import verify_client
from oic.utils.authn.user import UserAuthnMethod
from oic.utils.authz import AuthzHandling
from oic.utils.http_util import SeeOther
from oic.utils.keyio import KeyBundle, KeyJar
from oic.utils.sdb import create_session_db
from oic.utils.userinfo import UserInfo

from oic_session_ext.crypto import jose
from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.events import Hooks
from oic_session_ext.model import LogoutNotice, NotifyStatus
from oic_session_ext.pages import Pages
from oic_session_ext.provider import Answered, CompletedLogin, HardeningMixin, OpPolicy, Provider, SessionManagement, SessionManagementMixin
from oic_session_ext.provider.keys import generate_private_jwks
from oic_session_ext.provider.parts import ASSETS_URL
from oic_session_ext.settings import SessionManagementSettings
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.testing.fake_clock import FakeClock

ISSUER = "https://op.example.com"
ACR = "urn:example:password"
SECRET = "0123456789abcdef0123456789abcdef"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
JWKS = generate_private_jwks()
KEY_BUNDLE = KeyBundle(JWKS["keys"])  # shared: pyjwkest needs a tenth of a second to read it
CONVERTED_KEYS: dict[int, Any] = {}  # shared too: cryptography checks a private RSA key for as long
CLIENT_JWKS = generate_private_jwks()
CLIENT_RSA_KEY = jose.import_key(CLIENT_JWKS["keys"][0])
PAGES = Pages(asset_base=f"/{ASSETS_URL}")
ALL_RESPONSE_TYPES = ["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"]
USERS = {
    "alice": {"name": "Alice", "email": "alice@example.com"},
    "bob": {"name": "Bob", "email": "bob@example.com"},
}


def make_clients() -> dict[str, dict[str, Any]]:
    """Clients in the shape of pyoidc's client database."""
    common = {
        "client_salt": "salt",
        "response_types": list(ALL_RESPONSE_TYPES),
        "grant_types": ["authorization_code", "implicit", "refresh_token"],
        "id_token_signed_response_alg": "RS256",
    }
    return {
        "basic": common
        | {
            "client_id": "basic",
            "client_name": "Basic RP",
            "client_secret": SECRET,
            "token_endpoint_auth_method": "client_secret_basic",
            "redirect_uris": [("https://basic.example.com/cb", None)],
            "post_logout_redirect_uris": [("https://basic.example.com/out", None)],
            "backchannel_logout_uri": "https://basic.example.com/bc",
        },
        "post": common
        | {
            "client_id": "post",
            "client_secret": SECRET[::-1],
            "token_endpoint_auth_method": "client_secret_post",
            "redirect_uris": [("https://post.example.com/cb", {"foo": ["bar"], "x": ["1"]}), ("https://post.example.com/plain", None)],
            "post_logout_redirect_uris": [("https://post.example.com/out", None)],
        },
        "public": common
        | {
            "client_id": "public",
            "token_endpoint_auth_method": "none",
            "redirect_uris": [("https://spa.example.com/cb", None), ("com.example.app:/cb", None)],
        },
        "keyed": common
        | {
            "client_id": "keyed",
            "client_secret": "k" * 40,
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [public_part(key) for key in CLIENT_JWKS["keys"]]},
            "redirect_uris": [("https://keyed.example.com/cb", None)],
        },
    }


def public_part(key: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name not in ("d", "p", "q", "dp", "dq", "qi")}


REDIRECT_URIS = {
    "basic": "https://basic.example.com/cb",
    "post": "https://post.example.com/cb?foo=bar&x=1",
    "public": "https://spa.example.com/cb",
    "keyed": "https://keyed.example.com/cb",
}


class FakeDelivery:
    """Tells RPs nothing, and reports of each client what a test wants: delivered, if it wants nothing else."""

    def __init__(self) -> None:
        self.outcomes: dict[str, NotifyStatus] = {}
        self.calls: list[tuple[list[LogoutNotice], float]] = []
        self.before: Callable[[], None] = lambda: None

    def notify(self, notices: Sequence[LogoutNotice], deadline_s: float) -> dict[str, NotifyStatus]:
        self.before()
        self.calls.append((list(notices), deadline_s))
        return {notice.id: self.outcomes.get(notice.client_id, NotifyStatus.DELIVERED) for notice in notices}


class LoginPage(UserAuthnMethod):
    """pyoidc's own way of signing in: a redirect to a page, and afterwards its signed cookie."""

    def __init__(self) -> None:
        super().__init__(None)

    def __call__(self, query: str = "", **_: Any) -> SeeOther:
        return SeeOther(f"/login?{query}")

    def done(self, areq: Any) -> bool:
        """As pyoidc's own methods: whether the request does not come from the login page."""
        return self.query_param not in areq


def make_key_jar() -> KeyJar:
    jar = KeyJar()
    jar[""] = [KEY_BUNDLE]
    jar[ISSUER] = [KEY_BUNDLE]
    return jar


@dataclass
class Op:
    """An OP under test: the provider, and what the test may turn."""

    provider: Any
    clock: FakeClock
    own_store: MemoryStore | None = None
    """None without session management."""
    is_stock: bool = False

    def __post_init__(self) -> None:
        if hasattr(self.provider, "session_management"):
            self.ext.op_keys._converted = CONVERTED_KEYS

    @property
    def ext(self) -> Any:
        """Everything of ours in the OP."""
        return self.provider.session_management

    @property
    def store(self) -> MemoryStore:
        """The store of an OP with session management."""
        assert self.own_store is not None
        return self.own_store

    @property
    def clients(self) -> dict[str, dict[str, Any]]:
        return self.provider.cdb

    def browser(self) -> Browser:
        return Browser(self)

    def token(self, params: Mapping[str, str] | str, authn: str | None = None) -> Answer:
        body = params if isinstance(params, str) else urlencode(params)
        return Answer.of(self.provider.token_endpoint(body, authn=authn))

    def redeem(self, code: str, client_id: str = "basic", **changes: str) -> Answer:
        params = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URIS[client_id]}
        if client_id == "public":
            params["code_verifier"] = VERIFIER
        return self._as_client(client_id, params | changes)

    def refresh(self, refresh_token: str, client_id: str = "basic", **changes: str) -> Answer:
        return self._as_client(client_id, {"grant_type": "refresh_token", "refresh_token": refresh_token} | changes)

    def _as_client(self, client_id: str, params: dict[str, str]) -> Answer:
        authn = None
        if client_id == "basic":
            authn = basic_auth("basic", SECRET)
        elif client_id == "post":
            params = {"client_id": "post", "client_secret": SECRET[::-1]} | params
        else:
            params = {"client_id": client_id} | params
        return self.token(params, authn)

    def userinfo(self, access_token: str) -> Answer:
        return Answer.of(self.provider.userinfo_endpoint("", authn=f"Bearer {access_token}"))

    def claims(self, id_token: str) -> dict[str, Any]:
        """The claims of an ID Token, once a key of the OP has proven it."""
        return dict(jose.verify(id_token, self.ext.issuer_keys(), jose.ASYMMETRIC_ALGS).claims)

    def id_token(self, **claims: Any) -> str:
        """An ID Token of this OP as a test wants it."""
        now = self.clock()
        base = {"iss": ISSUER, "sub": "nobody", "aud": "basic", "iat": now, "exp": now + 3600}
        return jose.sign(base | claims, self.ext.op_keys.signing_key("RS256"), "RS256")


@dataclass
class Answer:
    """An answer as a peer sees it."""

    status: int
    headers: list[tuple[str, str]]
    body: str

    @classmethod
    def of(cls, response: Any) -> Answer:
        seen: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            seen.update(status=int(status.partition(" ")[0]), headers=list(headers))

        body = b"".join(part if isinstance(part, bytes) else part.encode() for part in response({}, start_response))
        for name, value in seen["headers"]:
            assert "\r" not in name + value
            assert "\n" not in name + value
        return cls(seen["status"], seen["headers"], body.decode())

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def cookies(self) -> dict[str, str]:
        """The Set-Cookie headers by the cookie's name."""
        return {value.partition("=")[0]: value for name, value in self.headers if name.lower() == "set-cookie"}

    @property
    def location(self) -> str:
        return self.header("Location") or ""

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def error(self) -> str | None:
        return self.json.get("error")

    @property
    def in_query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.location).query, keep_blank_values=True))

    @property
    def in_fragment(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.location).fragment, keep_blank_values=True))

    @property
    def form(self) -> Form:
        return Form.of(self.body)


@dataclass
class Form:
    """The form of a page: where it leads and its hidden fields."""

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, html: str) -> Form:
        form = cls()
        parser = HTMLParser()

        def handle(tag: str, attributes: list[tuple[str, str | None]]) -> None:
            given = dict(attributes)
            if tag == "form":
                form.action = given.get("action") or ""
            elif tag == "input" and given.get("type") == "hidden":
                form.fields[given["name"] or ""] = given.get("value") or ""

        parser.handle_starttag = handle  # type: ignore[method-assign, assignment]
        parser.handle_startendtag = handle  # type: ignore[method-assign, assignment]
        parser.feed(html)
        return form


class Browser:
    """A browser with a cookie jar; it calls the endpoints as functions, or the session routes as WSGI."""

    def __init__(self, op: Op) -> None:
        self.op = op
        self.jar: dict[str, str] = {}

    @property
    def cookie(self) -> str | None:
        return "; ".join(f"{name}={value}" for name, value in self.jar.items()) or None

    def authorize(self, client_id: str = "basic", *, login: str | None = None, answered: Answered | None = None, **changes: Any) -> Answer:
        """Send an authorization request; `login` is a user who has just signed in on the OP's own page for it."""
        if login is not None:
            answered = Answered(login=CompletedLogin(login, ACR, self.op.clock()))
        return self.authorize_raw(urlencode(request_of(client_id, **changes)), answered=answered)

    def authorize_raw(self, query: str, *, answered: Answered | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        kwargs: dict[str, Any] = {}
        if isinstance(self.op.provider, SessionManagementMixin | HardeningMixin):
            kwargs["answered"] = answered
        if isinstance(self.op.provider, SessionManagementMixin):
            kwargs["headers"] = headers
        return self.keep(Answer.of(self.op.provider.authorization_endpoint(query, cookie=self.cookie, **kwargs)))

    def sign_in(self, client_id: str = "basic", login: str | None = "alice", **changes: Any) -> dict[str, Any]:
        """Sign a user in at a client by the code flow; return the token response."""
        answer = self.authorize(client_id, login=login, **changes)
        tokens = self.op.redeem(answer.in_query["code"], client_id)
        assert tokens.status == 200, tokens.body
        return tokens.json

    def renew(self, client_id: str = "basic", **changes: Any) -> Answer:
        """Send a silent request, as an RP's hidden frame does."""
        return self.authorize(client_id, prompt="none", **changes)

    def is_signed_in(self, client_id: str = "basic") -> bool:
        return "code" in self.renew(client_id).in_query

    def use_pyoidc_login(self, user: str) -> str:
        """Sign in by pyoidc's own cookie; return its value."""
        method = self.op.provider.authn_broker[0][0]
        header = method.create_cookie(user, "upm")[1]
        name, _, value = header.partition(";")[0].partition("=")
        self.jar[name] = value
        return value

    def end_session(self, method: str = "GET", **params: str) -> Answer:
        return self.end_session_raw(urlencode(params), method)

    def end_session_raw(self, text: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        return self.keep(Answer.of(self.op.provider.end_session_endpoint(text, self.cookie, method=method, headers=headers)))

    def confirm(self, page: Answer, answer: str = "logout") -> Answer:
        return self.end_session("POST", **page.form.fields, **{answer: "yes"})

    def open(self, path: str, *, method: str = "GET", body: str = "", headers: Mapping[str, str] | None = None, **environ: Any) -> Answer:
        """Send a request to the session routes, mounted as WSGI."""
        application = self.op.provider.session_middleware(not_found, deliver=False)
        seen: dict[str, Any] = {}

        def start_response(status: str, sent: list[tuple[str, str]], exc_info: Any = None) -> None:
            seen.update(status=int(status.partition(" ")[0]), headers=sent)

        parts = application(environ_of(path, method, body, {"Cookie": self.cookie or "", **(headers or {})}) | environ, start_response)
        return self.keep(Answer(seen["status"], seen["headers"], b"".join(parts).decode()))

    def keep(self, answer: Answer) -> Answer:
        """Store and drop cookies as a browser does."""
        for name, header in answer.cookies.items():
            value = header.partition(";")[0].partition("=")[2]
            if "Max-Age=0" in header:
                self.jar.pop(name, None)
            else:
                self.jar[name] = value
        return answer


MakeOp: TypeAlias = Callable[..., Op]
"""What the fixture `make_op` returns: keyword arguments are the class, the clients, the store, the hooks, and settings."""


def not_found(environ: Mapping[str, Any], start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"theirs"]


def environ_of(path: str, method: str = "GET", body: str = "", headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A WSGI environment."""
    target, _, query = path.partition("?")
    data = body.encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": target,
        "QUERY_STRING": query,
        "wsgi.input": io.BytesIO(data),
        "REMOTE_ADDR": "192.0.2.1",
    }
    if data:
        environ |= {"CONTENT_LENGTH": str(len(data)), "CONTENT_TYPE": "application/x-www-form-urlencoded"}
    for name, value in (headers or {}).items():
        if value:
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return environ


def request_of(client_id: str = "basic", **changes: Any) -> dict[str, str]:
    """The parameters of an authorization request; None leaves one out."""
    params = {
        "client_id": client_id,
        "redirect_uri": REDIRECT_URIS.get(client_id, "https://nowhere.example.com/cb"),
        "response_type": "code",
        "scope": "openid",
        "state": "the state",
        "nonce": "the nonce",
    }
    if client_id == "public":
        params |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    return {name: str(value) for name, value in (params | changes).items() if value is not None}


def basic_auth(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _parts(cdb: dict[str, dict[str, Any]]) -> tuple[Any, Any, Any, Any, Any]:
    broker = AuthnBroker()
    broker.add(ACR, LoginPage(), 10, ISSUER)
    return cdb, broker, UserInfo(USERS), AuthzHandling(), verify_client


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(autouse=True)
def _pyoidc_time(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pyoidc's cookies tell the time of the test's clock."""
    fake = SimpleNamespace(**{name: getattr(time, name) for name in dir(time) if not name.startswith("_")})
    fake.time = lambda: float(clock())
    monkeypatch.setattr("oic.utils.authn.user.time", fake)
    monkeypatch.setattr("oic.utils.http_util.time", fake)


@pytest.fixture
def make_op(clock: FakeClock) -> MakeOp:
    """Makes an OP with session management and hardening, which reaches all its RPs; settings and classes may be given."""

    def make(
        *,
        provider: type = Provider,
        clients: dict[str, Any] | None = None,
        store: MemoryStore | None = None,
        hooks: Hooks | None = None,
        policy: OpPolicy | None = None,
        **settings: Any,
    ) -> Op:
        store = store or MemoryStore()
        management = SessionManagement(store, SecretRing([b"s" * 32]), SessionManagementSettings(**settings), clock, hooks or Hooks())
        cdb, *rest = _parts(clients or make_clients())
        op = provider(
            ISSUER,
            management.session_db(ISSUER),
            cdb,
            *rest,
            keyjar=make_key_jar(),
            baseurl=ISSUER,
            session_management=management,
            pages=PAGES,
            policy=policy,
        )
        op.session_management.delivery.running = FakeDelivery()
        return Op(op, clock, store)

    return make


@pytest.fixture
def op(make_op: MakeOp) -> Op:
    return make_op()


@pytest.fixture
def browser(op: Op) -> Browser:
    return op.browser()


@pytest.fixture
def stock(clock: FakeClock) -> Op:
    """pyoidc's provider as it comes."""
    sdb = create_session_db(ISSUER, "secret", "p" * 32)
    return Op(StockProvider(ISSUER, sdb, *_parts(make_clients()), keyjar=make_key_jar(), baseurl=ISSUER), clock)


@pytest.fixture
def hardened(clock: FakeClock) -> Op:
    """pyoidc's provider with the hardening alone: no store, no session management."""

    class Hardened(HardeningMixin, StockProvider):
        pass

    cdb, *rest = _parts(make_clients())
    sdb = create_session_db(ISSUER, "secret", "p" * 32)
    provider = Hardened(
        ISSUER, sdb, cdb, *rest, keyjar=make_key_jar(), baseurl=ISSUER, secrets=SecretRing([b"s" * 32]), clock=clock, pages=PAGES
    )
    return Op(provider, clock)


@pytest.fixture(params=["stock", "hardened", "op"])
def either(request: pytest.FixtureRequest) -> Op:
    """pyoidc's provider as it comes, with the hardening alone, and with everything."""
    op: Op = request.getfixturevalue(request.param)
    op.is_stock = request.param == "stock"
    return op


@pytest.fixture(params=["stock", "managed", "op"])
def logout_op(request: pytest.FixtureRequest) -> Op:
    """pyoidc's provider as it comes, with session management alone, and with everything: for what session management brings."""
    op: Op = request.getfixturevalue(request.param)
    op.is_stock = request.param == "stock"
    return op


@pytest.fixture
def managed(make_op: MakeOp) -> Op:
    """pyoidc's provider with session management alone."""

    class Managed(SessionManagementMixin, StockProvider):
        pass

    return make_op(provider=Managed)
