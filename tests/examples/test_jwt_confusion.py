"""Every token that the OP issues, shown at every place that takes one: good where it belongs, refused everywhere else (SEC-05).

The places are the endpoints of the bundled server, and the back channel of the example RP.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from logout_token import LogoutTokenRefused, LogoutTokenValidator

from oic_session_ext.crypto import jose
from oic_session_ext.logout.backchannel.logout_token import logout_token_claims
from oic_session_ext.model import Client
from oic_session_ext.store.changes import UpdateClient
from oic_session_ext.testing.examples import example_notice
from oic_session_ext.testing.fake_clock import FakeClock
from tests.bundled_op import Op, OpBrowser, basic, keys_file, make_settings
from tests.wsgi_browser import Answer, Browser

__all__ = ["keys_file"]

REDIRECT_URI = "https://rp.example.com/cb"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGS = ("RS256", "ES256", "HS256")
JWTS = ("id_token", "refreshed id_token", "logout_token", "logout_token without typ", "userinfo")
OPAQUE = ("access_token", "refresh_token", "code", "registration_access_token")


@dataclass
class Rp:
    """A client that registered itself, whose ID Tokens, userinfo and Logout Tokens are signed under `alg`; alice is signed in there."""

    op: Op
    alg: str
    registered: dict[str, Any]
    browser: OpBrowser
    tokens: dict[str, str]

    @classmethod
    def signed_in(cls, op: Op, alg: str) -> Rp:
        """Register, choose the algorithm, sign alice in, and get one token of each kind."""
        offered = {"redirect_uris": [REDIRECT_URI], "grant_types": ["authorization_code", "refresh_token"]}
        registered = op.browser().send("POST", "/registration", json.dumps(offered).encode(), {"Content-Type": "application/json"}).json
        rp = cls(op, alg, registered, op.browser(), {})
        # as an operator's own OP may register it; the bundled server offers fewer algorithms
        rp.change(id_token_signed_response_alg=alg, userinfo_signed_response_alg=alg)
        rp.sign_in()
        return rp

    @property
    def client_id(self) -> str:
        return str(self.registered["client_id"])

    def change(self, **metadata: Any) -> None:
        """Change what is registered of the client."""
        client = self.op.server.store.client(self.client_id)
        assert client is not None
        row = dict(client.metadata) | metadata
        self.op.server.store.commit([UpdateClient(Client(self.client_id, row))])

    def sign_in(self) -> None:
        """Get one token of each kind, all of a new session."""
        self.browser = self.op.browser()
        request = {"redirect_uri": REDIRECT_URI, "scope": "openid offline_access", "prompt": "consent"}
        page = self.browser.follow(self.browser.enter(self.browser.login_page(self.client_id, **request)))
        code = self.browser.submit(page, "allow").query["code"]
        first = self.token(grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI).json
        second = self.token(grant_type="refresh_token", refresh_token=first["refresh_token"]).json
        userinfo = self.browser.userinfo(second["access_token"])
        assert userinfo.header("Content-Type") == "application/jwt"
        session = self.op.server.op.session_of(f"op_session={self.browser.jar['op_session']}")
        assert session is not None
        [share] = session.rp_sessions
        notice = example_notice(client_id=self.client_id, sub=share.sub, sid=share.sid)
        claims = logout_token_claims(notice, issuer=self.op.settings.issuer, now=self.op.clock(), lifetime_s=120)
        client = self.op.server.op.session_management.clients.get(self.client_id)
        assert client is not None
        self.tokens = {
            "id_token": first["id_token"],
            "refreshed id_token": second["id_token"],
            "logout_token": self.op.server.op.session_management.delivery.tokens.sign_logout_token(claims, client),
            "logout_token without typ": self.op.server.op.session_management.delivery.tokens.sign_logout_token(
                claims, {**client, "backchannel_logout_token_typ": False}
            ),
            "userinfo": userinfo.text,
            "access_token": second["access_token"],
            "refresh_token": second["refresh_token"],
            "code": self.renew().query["code"],
            "registration_access_token": self.registered["registration_access_token"],
        }

    def renew(self, **changes: str) -> Answer:
        """Ask for a code without a word of the user."""
        return self.browser.renew(self.client_id, redirect_uri=REDIRECT_URI, **changes)

    def token(self, **form: str) -> Answer:
        """Ask the token endpoint, as the client."""
        return self.post("/token", **form)

    def post(self, path: str, **form: str) -> Answer:
        """Send a form as the client's server does."""
        headers = {"Authorization": basic(self.client_id, self.registered["client_secret"]), "Origin": None, "Sec-Fetch-Site": None}
        return Browser(self.op.server.application, self.op.settings.issuer).post(path, form, headers)

    def jwks(self) -> Mapping[str, Any]:
        """The OP's public keys."""
        return self.op.browser().get("/jwks.json").json


def ends_the_session_unasked(rp: Rp, token: str) -> bool:
    rp.browser.end_session(id_token_hint=token)
    return not rp.browser.get("/").text.count("alice")


def names_the_user_of_a_silent_request(rp: Rp, token: str) -> bool:
    return "code" in rp.renew(id_token_hint=token).query


def is_a_request_object(rp: Rp, token: str) -> bool:
    """Also not at a client that is so careless as to register the keys of the OP as its own."""
    rp.change(jwks=rp.jwks())
    answer = rp.renew(request=token)
    rp.change(jwks=None)
    return "code" in answer.query


def opens_userinfo(rp: Rp, token: str) -> bool:
    return rp.browser.userinfo(token).status == 200


def is_active_at_introspection(rp: Rp, token: str) -> bool:
    return bool(rp.post("/introspection", token=token).json["active"])


def is_revoked(rp: Rp, token: str) -> bool:
    assert rp.post("/revocation", token=token).status == 200
    return rp.browser.userinfo(rp.tokens["access_token"]).status == 401


def is_redeemed(rp: Rp, token: str) -> bool:
    return rp.token(grant_type="authorization_code", code=token, redirect_uri=REDIRECT_URI).status == 200


def is_refreshed(rp: Rp, token: str) -> bool:
    return rp.token(grant_type="refresh_token", refresh_token=token).status == 200


def authenticates_the_client(rp: Rp, token: str) -> bool:
    """Also not a client that is so careless as to register the keys of the OP as its own."""
    method = {"token_endpoint_auth_method": "client_secret_jwt" if rp.alg == "HS256" else "private_key_jwt", "jwks": rp.jwks()}
    rp.change(**method)
    form = {"client_assertion_type": JWT_BEARER, "client_assertion": token, "client_id": rp.client_id, "grant_type": "refresh_token"}
    answer = rp.op.browser().post("/token", form | {"refresh_token": rp.tokens["refresh_token"]})
    rp.change(token_endpoint_auth_method="client_secret_basic", jwks=None)
    return answer.error != "invalid_client"


def reads_the_registration(rp: Rp, token: str) -> bool:
    return rp.op.browser().get("/registration", {"Authorization": f"Bearer {token}"}, client_id=rp.client_id).status == 200


def passes_the_back_channel_of_the_rp(rp: Rp, token: str) -> bool:
    validator = LogoutTokenValidator(
        rp.op.settings.issuer, rp.client_id, lambda _: rp.jwks(), alg=rp.alg, client_secret=rp.registered["client_secret"]
    )
    try:
        validator.validate(token)
    except LogoutTokenRefused:
        return False
    return True


PLACES: dict[Callable[[Rp, str], bool], tuple[str, ...]] = {
    ends_the_session_unasked: ("id_token", "refreshed id_token"),
    names_the_user_of_a_silent_request: ("id_token", "refreshed id_token"),
    is_a_request_object: (),
    opens_userinfo: ("access_token",),
    is_active_at_introspection: ("access_token", "refresh_token"),
    is_revoked: ("access_token", "refresh_token"),
    is_redeemed: ("code",),
    is_refreshed: ("refresh_token",),
    authenticates_the_client: (),
    reads_the_registration: ("registration_access_token",),
    passes_the_back_channel_of_the_rp: ("logout_token", "logout_token without typ"),
}
"""Where a token may be shown, and which kinds are good there."""


@pytest.fixture(scope="module")
def op(keys_file: str) -> Iterator[Op]:
    clock = FakeClock(int(time.time()))  # the RP's library has no other
    op = Op.build(make_settings(keys_file, registration={"mode": "open"}), clock)
    yield op
    op.server.store.close()


@pytest.fixture(scope="module", params=ALGS)
def rp(request: pytest.FixtureRequest, op: Op) -> Rp:
    return Rp.signed_in(op, request.param)


@pytest.mark.spec("SEC-05", "SEC-06", "RI-21", "BC-20")
@pytest.mark.parametrize("kind", [*JWTS, *OPAQUE])
def test_a_token_is_refused_wherever_it_does_not_belong(rp: Rp, kind: str) -> None:
    places = [place for place, kinds in PLACES.items() if kind not in kinds]

    taken = [place.__name__ for place in places if place(rp, rp.tokens[kind])]

    assert taken == []


@pytest.mark.spec("SEC-05")
@pytest.mark.parametrize(("place", "kind"), [(place, kind) for place, kinds in PLACES.items() for kind in kinds])
def test_a_token_is_taken_where_it_belongs(rp: Rp, place: Callable[[Rp, str], bool], kind: str) -> None:
    rp.sign_in()  # some of them are good once, and end what they are good for

    assert place(rp, rp.tokens[kind])


def test_a_client_whose_key_is_an_ops_own_would_pass_with_an_assertion_of_its_own(rp: Rp) -> None:
    """So that it is the claims that kept every other token out above, and not the key."""
    now = rp.op.clock()
    claims = {"iss": rp.client_id, "sub": rp.client_id, "aud": f"{rp.op.settings.issuer}/token", "exp": now + 60, "jti": "one"}
    secret = rp.registered["client_secret"]
    key = jose.mac_key(secret, rp.alg) if rp.alg == "HS256" else rp.op.server.op.session_management.op_keys.signing_key(rp.alg)

    assert authenticates_the_client(rp, jose.sign(claims, key, rp.alg))


@pytest.mark.spec("SEC-05")
def test_what_was_refused_everywhere_has_ended_nothing(op: Op) -> None:
    rp = Rp.signed_in(op, "RS256")
    for place, kinds in PLACES.items():
        for kind, token in rp.tokens.items():
            if kind not in kinds:
                place(rp, token)

    assert rp.browser.userinfo(rp.tokens["access_token"]).status == 200
    assert is_refreshed(rp, rp.tokens["refresh_token"])
    assert ends_the_session_unasked(rp, rp.tokens["id_token"])
