"""A client of the plans: it registers itself, sends requests, and looks at every answer as strictly as the suite and more."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import Key, KeySet, KeySetSerialization, RSAKey

from tests.bundled_op import basic
from tests.certification.op_process import OpProcess
from tests.certification.suite import Suite
from tests.certification.user_agent import UserAgent
from tests.wsgi_browser import Answer

ALWAYS_IN_ID_TOKENS = {"iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "sid"}
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CLIENT_KEY = RSAKey.generate_key(2048)
"""Making keys is slow: the clients of a run have one, unless a module is about keys. It has no `kid`, as the suite's have none."""


@dataclass
class Login:
    """One authorization that went well: the request, what came back to the redirect URI, and what the code was traded for."""

    request: dict[str, str]
    response: dict[str, str]
    tokens: dict[str, Any]
    front_id_token: dict[str, Any] | None = None
    back_id_token: dict[str, Any] | None = None
    userinfo: dict[str, Any] | None = None

    @property
    def claims(self) -> dict[str, Any]:
        """Those of the ID Token, wherever it came."""
        claims = self.back_id_token or self.front_id_token
        assert claims is not None
        return claims

    @property
    def id_token(self) -> str:
        return str(self.tokens.get("id_token") or self.response["id_token"])

    @property
    def access_token(self) -> str | None:
        return self.tokens.get("access_token") or self.response.get("access_token")


@dataclass
class RelyingParty:
    """A registered client, and how its modules run: response type and mode, client authentication."""

    op: OpProcess
    suite: Suite
    discovery: dict[str, Any]
    registered: dict[str, Any]
    response_type: str
    response_mode: str = "default"
    key: RSAKey = field(default_factory=lambda: CLIENT_KEY)
    requested: dict[str, str] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)

    @classmethod
    def register(
        cls,
        op: OpProcess,
        suite: Suite,
        response_type: str = "code",
        *,
        response_mode: str = "default",
        auth_method: str = "client_secret_basic",
        key: RSAKey = CLIENT_KEY,
        **metadata: Any,
    ) -> RelyingParty:
        """Register a client as the suite does; the answer must hold all that was asked for."""
        asked = client_metadata(suite, response_type, auth_method, key) | metadata
        asked = {name: value for name, value in asked.items() if value is not None}
        discovery = UserAgent(op).get("/.well-known/openid-configuration").json
        answer = register(op, discovery, asked)
        assert answer.status == 201, answer.text
        assert (answer.header("Content-Type"), answer.header("Cache-Control")) == ("application/json", "no-store")
        registered = answer.json
        assert {name: registered.get(name) for name in asked} == asked
        assert registered["client_id"]
        assert ("client_secret" in registered) == auth_method.startswith("client_secret")
        if "client_secret" in registered:
            assert registered["client_secret_expires_at"] == 0
        assert ("registration_access_token" in registered) == ("registration_client_uri" in registered)
        return cls(op, suite, discovery, registered, response_type, response_mode, key)

    @property
    def client_id(self) -> str:
        return str(self.registered["client_id"])

    @property
    def redirect_uri(self) -> str:
        return str(self.registered["redirect_uris"][0])

    @property
    def parts(self) -> set[str]:
        """What the response type consists of."""
        return set(self.response_type.split())

    @property
    def place(self) -> str:
        """Where the answer comes: in the `query`, the `fragment` or a `form`."""
        if self.response_mode == "form_post":
            return "form"
        return "query" if self.response_type == "code" else "fragment"

    def request(self, **changes: str | None) -> dict[str, str]:
        """The parameters of an authorization request; None leaves one out."""
        mode = {} if self.response_mode == "default" else {"response_mode": self.response_mode}
        params: dict[str, str | None] = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": self.response_type,
            "scope": "openid",
            "state": secrets.token_urlsafe(24),
            "nonce": secrets.token_urlsafe(24),
            **mode,
        }
        return {name: value for name, value in (params | changes).items() if value is not None}

    def url(self, **changes: str | None) -> str:
        """The address of an authorization request, which is kept as `requested`."""
        self.requested = self.request(**changes)
        return f"{self.discovery['authorization_endpoint']}?{urlencode(self.requested, quote_via=quote)}"

    def log_in(self, agent: UserAgent, *, user: str = "alice", **changes: str | None) -> Login:
        """Send a request, be the user, check all that comes back, and ask userinfo."""
        return self.receive(agent.authorize(self.url(**changes), user))

    def receive(self, answer: Answer) -> Login:
        """Check an answer to the latest request and all that comes of it."""
        response = self.response_in(answer)
        return self.take(response)

    def take(self, response: dict[str, str]) -> Login:
        """Check the parameters of an answer to the latest request, trade the code, ask userinfo."""
        expected = {"state", "iss", "session_state"} | (self.parts - {"token"})
        expected |= {"access_token", "token_type", "expires_in"} if "token" in self.parts else set()
        assert set(response) - {"scope"} == expected, response
        login = Login(self.requested, response, {})
        if "token" in self.parts:
            check_bearer(response["token_type"], int(response["expires_in"]))
        if "id_token" in self.parts:
            login.front_id_token = self.verify(
                response["id_token"], access_token=response.get("access_token"), code=response.get("code"), is_from_form=True
            )
        if "code" in self.parts:
            answer = self.redeem(response["code"])
            assert answer.status == 200, answer.text
            login.tokens = check_token_response(answer)
            login.back_id_token = self.verify(login.tokens["id_token"], access_token=login.tokens["access_token"])
            if login.front_id_token is not None:
                same = ("iss", "sub", "aud", "auth_time", "acr", "sid", "nonce")
                assert {n: login.front_id_token.get(n) for n in same} == {n: login.back_id_token.get(n) for n in same}
        if login.access_token is not None:
            login.userinfo = self.userinfo(login.access_token)
            assert login.userinfo["sub"] == login.claims["sub"]
        return login

    def response_in(self, answer: Answer, place: str | None = None) -> dict[str, str]:
        """The parameters that an answer brings to the redirect URI; they come where they belong and nowhere else."""
        place = place or self.place
        if place == "form":
            assert answer.status == 200, answer.location or answer.text
            form = answer.form
            assert (form.method.lower(), form.action) == ("post", self.requested["redirect_uri"])
            found = list(form.fields.items())
        else:
            assert answer.status in (302, 303), answer.text
            target, registered = urlsplit(answer.location), urlsplit(self.requested["redirect_uri"])
            assert (target.scheme, target.netloc, target.path) == (registered.scheme, registered.netloc, registered.path)
            query = parse_qsl(target.query, keep_blank_values=True, strict_parsing=bool(target.query))
            own = parse_qsl(registered.query, keep_blank_values=True)
            assert query[: len(own)] == own
            if place == "query":
                assert not target.fragment
                found = query[len(own) :]
            else:
                assert query == own
                found = parse_qsl(target.fragment, keep_blank_values=True, strict_parsing=True)
        assert answer.header("Cache-Control") == "no-store"
        response = dict(found)
        assert len(response) == len(found), f"a parameter came twice: {found}"
        assert response.get("state") == self.requested.get("state")
        assert response["iss"] == self.discovery["issuer"]
        assert " " not in response["session_state"]
        return response

    def error_in(self, answer: Answer, place: str | None = None) -> str:
        """The code of an error that is brought to the redirect URI, with nothing that does not belong there (OIDCC-3.1.2.6)."""
        response = self.response_in(answer, place)
        assert set(response) - {"error_description", "error_uri"} == {"error", "state", "iss", "session_state"}, response
        check_error_text(response)
        return response["error"]

    def redeem(self, code: str, **changes: str) -> Answer:
        """Trade a code for tokens."""
        return self.post("token_endpoint", {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri} | changes)

    def refresh(self, refresh_token: str, **changes: str) -> Answer:
        return self.post("token_endpoint", {"grant_type": "refresh_token", "refresh_token": refresh_token} | changes)

    def post(self, endpoint: str, form: dict[str, str], **assertion: Any) -> Answer:
        """Send a form as the client's server, which proves who it is; `assertion` changes claims of its assertion."""
        headers: dict[str, Any] = {"Origin": None, "Sec-Fetch-Site": None}
        method = self.registered["token_endpoint_auth_method"]
        if method == "client_secret_basic":
            headers["Authorization"] = basic(self.client_id, self.registered["client_secret"])
        elif method == "client_secret_post":
            form = form | {"client_id": self.client_id, "client_secret": self.registered["client_secret"]}
        else:
            form = form | {"client_assertion_type": BEARER, "client_assertion": self.assertion(**assertion)}
        return self.call("POST", self.discovery[endpoint], urlencode(form), headers)

    def assertion(self, **changes: Any) -> str:
        """What proves who it is with its key."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.discovery["token_endpoint"],
            "jti": secrets.token_urlsafe(16),
            "iat": self.op.now(),
            "exp": self.op.now() + 60,
        }
        return self.sign(claims | changes)

    def sign(self, claims: dict[str, Any]) -> str:
        kid = {"kid": self.key.kid} if self.key.kid else {}
        return jwt.encode({"alg": "RS256", **kid}, claims, self.key)

    def userinfo(self, access_token: str) -> dict[str, Any]:
        """The claims that userinfo tells for an access token, sent in the header of a GET."""
        answer = self.call("GET", self.discovery["userinfo_endpoint"], headers={"Authorization": f"Bearer {access_token}"})
        assert answer.status == 200, answer.text
        assert answer.header("Content-Type") == "application/json"
        return answer.json

    def call(self, method: str, url: str, body: str = "", headers: dict[str, Any] | None = None) -> Answer:
        """Call the OP from server to server: without cookies."""
        agent = UserAgent(self.op)
        path = url.removeprefix(agent.origin)
        sent = {**({"Content-Type": "application/x-www-form-urlencoded"} if body else {}), **(headers or {})}
        answer = agent.send(method, path, body.encode(), {name: value for name, value in sent.items() if value is not None})
        assert not agent.jar, "a server was given a cookie"
        return answer

    def op_key(self, kid: str) -> Key:
        """A key that the OP publishes; they are fetched anew for a `kid` that is not known yet (OIDCC-10.1.1)."""
        if kid not in self.keys:
            published = KeySet.import_key_set(cast(KeySetSerialization, self.call("GET", self.discovery["jwks_uri"]).json))
            self.keys = {str(key.kid): key for key in published.keys}
        return self.keys[kid]

    def verify(
        self, id_token: str, *, access_token: str | None = None, code: str | None = None, is_from_form: bool = False
    ) -> dict[str, Any]:
        """The claims of an ID Token that is in order in every detail (OIDCC-2, -3.1.3.7, -3.2.2.9 to -11, -3.3.2.11)."""
        alg = self.registered["id_token_signed_response_alg"]
        header, claims = self.decode(id_token, alg)
        assert header["alg"] == alg
        assert claims["iss"] == self.discovery["issuer"]
        assert claims["aud"] in (self.client_id, [self.client_id])
        assert claims["sub"].isascii()
        assert 1 <= len(claims["sub"]) <= 255
        now = self.op.now()
        assert all(isinstance(claims[name], int) for name in ("iat", "exp", "auth_time"))
        assert now - 60 <= claims["iat"] <= now + 1
        assert claims["auth_time"] <= claims["iat"] < claims["exp"]
        assert claims.get("nonce") == self.requested.get("nonce")
        hashes = {name for name in ("at_hash", "c_hash") if name in claims}
        if is_from_form:
            assert hashes == {name for name, value in (("at_hash", access_token), ("c_hash", code)) if value}
        if "at_hash" in claims:
            assert claims["at_hash"] == half_hash(access_token or "")
        if "c_hash" in claims:
            assert claims["c_hash"] == half_hash(code or "")
        return claims

    def decode(self, token: str, alg: str = "RS256") -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims of a token that one of the OP's published keys, named by `kid`, has signed."""
        header = json.loads(_b64decode(token.partition(".")[0]))
        assert not header.keys() & {"jku", "jwk", "x5u", "x5c"}
        decoded = jwt.decode(token, self.op_key(header["kid"]), algorithms=[alg])
        return dict(decoded.header), dict(decoded.claims)

    def of_the_user(self, claims: dict[str, Any]) -> set[str]:
        """The names of claims that are of the user, of all in an ID Token or from userinfo."""
        return claims.keys() - ALWAYS_IN_ID_TOKENS - {"nonce", "at_hash", "c_hash"}


def client_metadata(suite: Suite, response_type: str, auth_method: str, key: RSAKey = CLIENT_KEY) -> dict[str, Any]:
    """What the suite registers a client with."""
    parts = set(response_type.split())
    key_set = {"keys": [public_jwk(key)]}
    grants = (["authorization_code"] if "code" in parts else []) + (["implicit"] if parts & {"id_token", "token"} else [])
    return {
        "client_name": f"Certification {secrets.token_urlsafe(6)}",
        "contacts": ["certification@oidf.example.org"],
        "redirect_uris": [suite.url("callback")],
        "response_types": [response_type],
        "grant_types": grants,
        "token_endpoint_auth_method": auth_method,
        "jwks": key_set,
    }


def public_jwk(key: RSAKey) -> dict[str, Any]:
    return {**key.as_dict(private=False), "use": "sig", "alg": "RS256"}


def register(op: OpProcess, discovery: dict[str, Any], metadata: dict[str, Any]) -> Answer:
    """Ask for a client, in whatever way it ends."""
    agent = UserAgent(op)
    path = discovery["registration_endpoint"].removeprefix(agent.origin)
    return agent.send("POST", path, json.dumps(metadata).encode(), {"Content-Type": "application/json", "Accept": "application/json"})


def check_token_response(answer: Answer, *more: str) -> dict[str, Any]:
    """The JSON of a token response that is in order (RFC 6749, 5.1; OIDCC-3.1.3.3)."""
    assert answer.header("Content-Type") == "application/json"
    assert (answer.header("Cache-Control"), answer.header("Pragma")) == ("no-store", "no-cache")
    tokens = answer.json
    assert set(tokens) - {"refresh_token", "scope"} == {"access_token", "token_type", "expires_in", "id_token"}, tokens.keys()
    check_bearer(tokens["token_type"], tokens["expires_in"])
    return tokens


def check_bearer(token_type: str, expires_in: int) -> None:
    assert token_type == "Bearer"
    assert isinstance(expires_in, int)
    assert expires_in > 0


def check_token_error(answer: Answer, error: str, status: int = 400) -> None:
    """A token endpoint's refusal that is in order (RFC 6749, 5.2)."""
    assert (answer.status, answer.json["error"]) == (status, error), answer.text
    assert set(answer.json) <= {"error", "error_description", "error_uri"}
    check_error_text(answer.json)
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Cache-Control") == "no-store"


def check_error_text(error: dict[str, Any]) -> None:
    """Code and description hold the characters alone that they may (RFC 6749, 4.1.2.1 and 5.2)."""
    assert all(" " <= char <= "~" and char not in '"\\' for char in error["error"] + error.get("error_description", "")), error


def check_error_page(answer: Answer, error: str | None = None) -> None:
    """An error that is shown to the user, and brought nowhere."""
    assert not answer.location
    assert answer.is_page()
    assert answer.status == 400
    assert error is None or answer.error == error


def half_hash(value: str) -> str:
    """`at_hash` or `c_hash` for tokens signed with a 256 bit hash."""
    return base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).rstrip(b"=").decode()


def _b64decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
