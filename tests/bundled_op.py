"""The bundled server in this process: small settings, a clock that stands still, and a browser that knows the way in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest

from oic_session_ext.server.app import Server, build_server
from oic_session_ext.server.config.settings import ServerSettings
from oic_session_ext.testing.fake_clock import FakeClock
from tests.wsgi_browser import Answer, Browser, WsgiApplication

ISSUER = "http://localhost:8080"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PASSWORDS = {"alice": "wonderland", "bob": "builder"}
REDIRECT_URIS = {
    "web": "https://web.example.com/cb",
    "asking": "https://asking.example.com/cb?page=1",
    "spa": "https://spa.example.com/cb",
}
OUT_URIS = {"web": "https://web.example.com/out", "asking": "https://asking.example.com/out?page=1", "spa": "https://spa.example.com/out"}
SECRETS = {"web": "secret of web", "asking": "secret of asking"}
CLIENTS: list[dict[str, Any]] = [
    {
        "client_id": "web",
        "client_name": "Web RP",
        "client_secret": SECRETS["web"],
        "redirect_uris": [REDIRECT_URIS["web"]],
        "post_logout_redirect_uris": [OUT_URIS["web"]],
        "response_types": ["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"],
        "grant_types": ["authorization_code", "implicit", "refresh_token"],
        "consent": "skip",
    },
    {
        "client_id": "asking",
        "client_name": "Asking <RP>",
        "client_secret": SECRETS["asking"],
        "redirect_uris": [REDIRECT_URIS["asking"]],
        "post_logout_redirect_uris": [OUT_URIS["asking"]],
        "consent": "ask",
    },
    {
        "client_id": "spa",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [REDIRECT_URIS["spa"]],
        "post_logout_redirect_uris": [OUT_URIS["spa"]],
        "consent": "skip",
    },
]


def make_settings(keys: str | dict[str, Any] | None = None, **changes: Any) -> ServerSettings:
    """Settings as a file would give them; `keys` is a file, without which each OP makes its own."""
    given: dict[str, Any] = {
        "issuer": ISSUER,
        "store": "memory:",
        **({"keys": keys} if keys else {}),
        "login": {"cheap_passwords_for_benchmarks": True},
        "users": [{"username": name, "password": password, "claims": {"name": name.title()}} for name, password in PASSWORDS.items()],
        "clients": CLIENTS,
    }
    return ServerSettings.model_validate(given | changes)


@dataclass
class Op:
    """A bundled server under test."""

    server: Server
    clock: FakeClock
    settings: ServerSettings

    @classmethod
    def build(cls, settings: ServerSettings, clock: FakeClock | None = None) -> Op:
        clock = clock or FakeClock()
        return cls(build_server(settings, clock=clock), clock, settings)

    def browser(self, address: str = "192.0.2.1") -> OpBrowser:
        """A browser that has never been here."""
        return OpBrowser(self.server.application, self.settings.issuer, address)


class OpBrowser(Browser):
    """A browser that knows the OP's endpoints and its users' passwords."""

    def __init__(self, application: WsgiApplication, issuer: str, address: str = "192.0.2.1") -> None:
        origin = "/".join(issuer.split("/")[:3])
        super().__init__(application, origin, address)
        self.base = issuer.removeprefix(origin)

    def authorize(self, client_id: str = "web", **changes: str | None) -> Answer:
        """Send an authorization request."""
        return self.get(f"{self.base}/authorization?{urlencode(request_of(client_id, **changes))}")

    def login_page(self, client_id: str = "web", **changes: str | None) -> Answer:
        """Send an authorization request that leads to the login page; return the page."""
        page = self.follow(self.authorize(client_id, **changes))
        assert "password" in page.form.fields, f"no login page: {page.status} {page.location}"
        return page

    def enter(self, page: Answer, user: str = "alice", **options: Any) -> Answer:
        """Fill in the login page with a user's name and true password."""
        return self.submit(page, username=user, password=PASSWORDS[user], **options)

    def sign_in(self, client_id: str = "web", user: str = "alice", **changes: str | None) -> dict[str, Any]:
        """Sign a user in at a client, allow what is asked, redeem the code; return the token response."""
        answer = self.follow(self.enter(self.login_page(client_id, **changes), user))
        if answer.is_page():
            answer = self.submit(answer, "allow")
        tokens = self.redeem(answer.query["code"], client_id)
        assert tokens.status == 200, tokens.body
        return tokens.json

    def renew(self, client_id: str = "web", **changes: str | None) -> Answer:
        """Send a silent request, as an RP's hidden frame does."""
        return self.authorize(client_id, prompt="none", **changes)

    def is_signed_in(self, client_id: str = "web") -> bool:
        return "code" in self.renew(client_id).query

    def redeem(self, code: str, client_id: str = "web", **changes: str) -> Answer:
        """Trade a code for tokens, as the client's server does."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URIS[client_id]}
        if client_id == "spa":
            form |= {"client_id": "spa", "code_verifier": VERIFIER}
        return self.as_client(client_id, "/token", form | changes)

    def refresh(self, refresh_token: str, client_id: str = "web") -> Answer:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self.as_client(client_id, "/token", form | ({"client_id": "spa"} if client_id == "spa" else {}))

    def userinfo(self, access_token: str) -> Answer:
        return Browser(self.application, self.origin).get(f"{self.base}/userinfo", {"Authorization": f"Bearer {access_token}"})

    def as_client(self, client_id: str, path: str, form: dict[str, str]) -> Answer:
        """Send a form as a client's server does: with its secret, without cookies."""
        headers: dict[str, Any] = {"Origin": None, "Sec-Fetch-Site": None}
        if client_id in SECRETS:
            headers["Authorization"] = basic(client_id, SECRETS[client_id])
        return Browser(self.application, self.origin).post(f"{self.base}{path}", form, headers)

    def end_session(self, **params: str) -> Answer:
        return self.get(f"{self.base}/end_session", None, **params)


def request_of(client_id: str = "web", **changes: str | None) -> dict[str, Any]:
    """The parameters of an authorization request; None leaves one out."""
    params: dict[str, str | None] = {
        "client_id": client_id,
        "redirect_uri": REDIRECT_URIS.get(client_id, "https://nowhere.example.com/cb"),
        "response_type": "code",
        "scope": "openid",
        "state": "the state",
        "nonce": "the nonce",
    }
    if client_id == "spa":
        params |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    return {name: value for name, value in (params | changes).items() if value is not None}


def basic(user: str, password: str) -> str:
    """The Authorization header of HTTP Basic, form-encoded inside (RFC 6749, 2.3.1)."""
    return "Basic " + base64.b64encode(f"{quote_plus(user)}:{quote_plus(password)}".encode()).decode()


@pytest.fixture(scope="session")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One file of signing keys for all OPs of a test run: making keys is slow."""
    return str(tmp_path_factory.mktemp("bundled_op") / "keys.json")


@pytest.fixture
def make_op(keys_file: str) -> Callable[..., Op]:
    """Makes a bundled server; what is given replaces the settings' sections."""
    return lambda **changes: Op.build(make_settings(keys_file, **changes))


@pytest.fixture
def op(make_op: Callable[..., Op]) -> Op:
    return make_op()


@pytest.fixture
def browser(op: Op) -> OpBrowser:
    return op.browser()
