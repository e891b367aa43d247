"""Every field of the discovery document is held against what the server does; a field that nothing proves fails too (OIDCD-3)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import count
from typing import Any, TypeAlias

import pytest

from oic_session_ext.crypto import jose
from oic_session_ext.provider.keys import new_private_jwk
from tests.bundled_op import CHALLENGE, ISSUER, VERIFIER, Op, OpBrowser, basic, make_settings, request_of
from tests.server.test_standard_claims import ALL, IN_LANGUAGES
from tests.wsgi_browser import Answer, Browser

REDIRECT_URI = "https://new.example.com/cb"
EVERY_SCOPE = "openid profile email address phone offline_access"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RSA = new_private_jwk({"kty": "RSA"})
EC = new_private_jwk({"kty": "EC", "crv": "P-256"})
PUBLIC_JWKS = {"keys": [{name: value for name, value in key.items() if name not in {"d", "p", "q", "dp", "dq", "qi"}} for key in (RSA, EC)]}
OF_OTHERS = re.compile(r"request_.*|require_request_uri_registration|require_signed_request_object")
"""Request objects have tests of their own."""

Proof: TypeAlias = Callable[["World", Any], None]
PROOFS: dict[str, Proof] = {}


def proves(*names: str) -> Callable[[Proof], Proof]:
    def remember(proof: Proof) -> Proof:
        PROOFS.update(dict.fromkeys(names, proof))
        return proof

    return remember


class World:
    """A server at which anybody may register, and what its document says."""

    def __init__(self, op: Op) -> None:
        self.op = op
        self._addresses = count(1)
        self.metadata = self.browser().get("/.well-known/openid-configuration").json

    def browser(self) -> OpBrowser:
        return self.op.browser(f"198.51.100.{next(self._addresses)}")

    def path(self, name: str) -> str:
        """Where an endpoint is, by the document."""
        uri = self.metadata[name]
        assert uri.startswith(f"{ISSUER}/")
        return str(uri.removeprefix(ISSUER))

    def client(self, **given: Any) -> Client:
        return Client(self, given)


class Client:
    """A client that has registered itself, with its own browser."""

    def __init__(self, world: World, given: dict[str, Any]) -> None:
        self.world, self.browser = world, world.browser()
        types = ["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"]
        body = {
            "redirect_uris": [REDIRECT_URI],
            "response_types": types,
            "grant_types": ["authorization_code", "implicit", "refresh_token"],
            "jwks": PUBLIC_JWKS,
        }
        if given.get("token_endpoint_auth_method") == "none":  # a public client gets no tokens from the authorization endpoint
            body |= {"response_types": ["code"], "grant_types": ["authorization_code", "refresh_token"]}
        answer = self.browser.send(
            "POST", world.path("registration_endpoint"), json.dumps(body | given).encode(), {"Content-Type": "application/json"}
        )
        assert answer.status == 201, answer.body
        self.registered = answer.json
        self.id = self.registered["client_id"]

    def ask(self, **changes: str) -> Answer:
        """Send an authorization request; sign alice in and allow what is asked on the way."""
        params = request_of(self.id, redirect_uri=REDIRECT_URI, code_challenge=CHALLENGE, code_challenge_method="S256", **changes)
        answer = self.browser.follow(self.browser.get(self.world.path("authorization_endpoint"), None, **params))
        if answer.is_page() and "password" in answer.form.fields:
            answer = self.browser.follow(self.browser.enter(answer))
        if answer.is_page() and "allow" in answer.form.buttons:
            answer = self.browser.submit(answer, "allow")
        return answer

    def sign_in(self, **changes: str) -> dict[str, Any]:
        answer = self.redeem(self.ask(**changes).query["code"])
        assert answer.status == 200, answer.body
        return answer.json

    def redeem(self, code: str) -> Answer:
        return self.send("token_endpoint", grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI, code_verifier=VERIFIER)

    def send(self, endpoint: str, alg: str | None = None, **form: str) -> Answer:
        """Send a form with the proof that the client registered, signed with `alg` where it is an assertion."""
        method, secret = self.registered["token_endpoint_auth_method"], self.registered.get("client_secret", "")
        headers: dict[str, str | None] = {"Origin": None, "Sec-Fetch-Site": None}
        if method == "client_secret_basic":
            headers["Authorization"] = basic(self.id, secret)
        elif method.endswith("_jwt"):
            alg = alg or ("HS256" if method == "client_secret_jwt" else "RS256")
            key = jose.mac_key(secret, alg) if alg.startswith("HS") else jose.import_key(EC if alg.startswith("ES") else RSA)
            now = self.world.op.clock()
            jti = f"{self.id}-{next(self.world._addresses)}"
            claims = {"iss": self.id, "sub": self.id, "aud": self.world.metadata[endpoint], "jti": jti, "iat": now, "exp": now + 60}
            form |= {"client_assertion_type": JWT_BEARER, "client_assertion": jose.sign(claims, key, alg)}
        else:
            form |= {"client_id": self.id} | ({"client_secret": secret} if method == "client_secret_post" else {})
        return Browser(self.browser.application, self.browser.origin).post(self.world.path(endpoint), form, headers)


def claims_of(id_token: str) -> dict[str, Any]:
    return dict(jose.read_unverified(id_token).claims)


@pytest.fixture(scope="module")
def world(keys_file: str) -> World:
    users = [{"username": "alice", "password": "wonderland", "claims": ALL | IN_LANGUAGES}]
    return World(Op.build(make_settings(keys_file, users=users, registration={"mode": "open"})))


# -- where things are --------------------------------------------------------------------------------------------------


@proves("issuer", "authorization_response_iss_parameter_supported")
def _(world: World, _value: Any) -> None:
    assert world.metadata["issuer"] == ISSUER
    assert world.metadata["authorization_response_iss_parameter_supported"] is True
    client = world.client()
    answer = client.ask()
    assert answer.query["iss"] == ISSUER
    assert claims_of(client.redeem(answer.query["code"]).json["id_token"])["iss"] == ISSUER
    assert client.ask(prompt="none login").query["iss"] == ISSUER


@proves("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "registration_endpoint", "jwks_uri")
def _(world: World, _value: Any) -> None:
    client = world.client()
    tokens = client.sign_in()
    keys = [jose.import_key(key) for key in client.browser.get(world.path("jwks_uri")).json["keys"]]
    sub = jose.verify(tokens["id_token"], keys, {"RS256"}).claims["sub"]
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert client.browser.get(world.path("userinfo_endpoint"), bearer).json == {"sub": sub}


@proves("check_session_iframe")
def _(world: World, _value: Any) -> None:
    page = world.browser().get(world.path("check_session_iframe"))
    assert page.status == 200
    assert "<script" in page.text


@proves(
    "end_session_endpoint",
    "frontchannel_logout_supported",
    "frontchannel_logout_session_supported",
    "backchannel_logout_supported",
    "backchannel_logout_session_supported",
)
def _(world: World, _value: Any) -> None:
    client = world.client(frontchannel_logout_uri="https://new.example.com/fc", backchannel_logout_uri="https://new.example.com/bc")
    tokens = client.sign_in()
    sid = claims_of(tokens["id_token"])["sid"]
    page = client.browser.get(world.path("end_session_endpoint"), None, id_token_hint=tokens["id_token"])
    assert f"https://new.example.com/fc?iss=http%3A%2F%2Flocalhost%3A8080&amp;sid={sid}" in page.text
    assert [notice.sid for notice in world.op.server.store.notices(100) if notice.client_id == client.id] == [sid]
    assert client.ask(prompt="none").query["error"] == "login_required"


# -- what may be asked for ---------------------------------------------------------------------------------------------


@proves("scopes_supported")
def _(world: World, value: list[str]) -> None:
    assert set(value) == set(EVERY_SCOPE.split())
    granted = world.client().sign_in(scope=f"{EVERY_SCOPE} unknown", prompt="consent")["scope"]
    assert set(granted.split()) == set(value)


@proves("claims_supported", "claim_types_supported")
def _(world: World, _value: Any) -> None:
    assert world.metadata["claim_types_supported"] == ["normal"]
    client = world.client()
    tokens = client.sign_in(scope=EVERY_SCOPE, nonce="n")
    told = claims_of(tokens["id_token"]).keys() | client.browser.userinfo(tokens["access_token"]).json.keys()
    assert set(world.metadata["claims_supported"]) <= told
    assert not {"_claim_names", "_claim_sources"} & told


@proves("claims_parameter_supported", "claims_locales_supported")
def _(world: World, _value: Any) -> None:
    assert world.metadata["claims_parameter_supported"] is True
    for locale in world.metadata["claims_locales_supported"]:
        tokens = world.client().sign_in(claims='{"id_token": {"given_name": {"essential": true}}}', claims_locales=locale)
        assert claims_of(tokens["id_token"])["given_name"] == IN_LANGUAGES[f"given_name#{locale}"]


@proves("ui_locales_supported")
def _(world: World, value: list[str]) -> None:
    for locale in value:
        assert f'<html lang="{locale}"' in world.browser().login_page(ui_locales=f"xx {locale}").text


@proves("response_types_supported", "response_modes_supported")
def _(world: World, _value: Any) -> None:
    client = world.client()
    for response_type in world.metadata["response_types_supported"]:
        parts = {"access_token" if part == "token" else part for part in response_type.split()}
        for mode in world.metadata["response_modes_supported"]:
            answer = client.ask(response_type=response_type, response_mode=mode)
            if mode == "query" and response_type != "code":
                assert answer.fragment["error"] == "invalid_request"
            else:
                assert parts <= (answer.form.fields if mode == "form_post" else answer.query or answer.fragment).keys()


@proves("grant_types_supported")
def _(world: World, value: list[str]) -> None:
    assert value == ["authorization_code", "implicit", "refresh_token"]
    client = world.client()
    refresh_token = client.sign_in(scope="openid offline_access", prompt="consent")["refresh_token"]
    assert client.send("token_endpoint", grant_type="refresh_token", refresh_token=refresh_token).json["access_token"]
    assert client.ask(response_type="id_token token").fragment["access_token"]
    for grant_type in ("password", "client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"):
        assert client.send("token_endpoint", grant_type=grant_type, username="alice").error == "unsupported_grant_type"


@proves("subject_types_supported")
def _(world: World, value: list[str]) -> None:
    subs = {claims_of(world.client(subject_type=one).sign_in()["id_token"])["sub"] for one in value}
    assert len(subs) == len(value) == 2


@proves("prompt_values_supported")
def _(world: World, value: list[str]) -> None:
    assert set(value) == {"none", "login", "consent", "select_account"}
    client = world.client()
    client.sign_in()
    assert "code" in client.ask(prompt="none").query
    for prompt in ("login", "consent", "select_account"):
        params = request_of(client.id, redirect_uri=REDIRECT_URI, prompt=prompt)
        assert client.browser.follow(client.browser.get("/authorization", None, **params)).is_page()
        assert "code" in client.ask(prompt=prompt).query
    assert client.ask(prompt="create").query["error"] == "invalid_request"


@proves("display_values_supported")
def _(world: World, value: list[str]) -> None:
    client = world.client()
    for display in value:
        assert "code" in client.ask(display=display).query


@proves("acr_values_supported")
def _(world: World, value: list[str]) -> None:
    for acr in value:
        assert claims_of(world.client().sign_in(acr_values=f"urn:unknown {acr}")["id_token"])["acr"] == acr


@proves("code_challenge_methods_supported")
def _(world: World, value: list[str]) -> None:
    assert value == ["S256"]
    client = world.client(token_endpoint_auth_method="none")
    assert client.sign_in()["access_token"]
    plain = request_of(client.id, redirect_uri=REDIRECT_URI, code_challenge=VERIFIER, code_challenge_method="plain")
    assert client.browser.get("/authorization", None, **plain).query["error"] == "invalid_request"


# -- how clients prove who they are ------------------------------------------------------------------------------------


def authenticates(world: World, endpoint: str, methods: list[str], algs: list[str]) -> None:
    """Hold what is said of an endpoint against a request of every kind of client: one that passes is not told `invalid_client`."""
    form = {"grant_type": "authorization_code", "code": "x", "redirect_uri": REDIRECT_URI, "token": "x"}
    for method in ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"):
        client = world.client(token_endpoint_auth_method=method)
        signs = {"client_secret_jwt": ["HS256", "HS384", "HS512"], "private_key_jwt": ["RS256", "PS256", "ES256", "RS512", "ES512"]}
        for alg in signs.get(method, [""]):
            if alg == "ES512":  # the key of this client does not fit it
                continue
            is_offered = method in methods and (not alg or alg in algs)
            assert (client.send(endpoint, alg=alg or None, **form).error != "invalid_client") is is_offered, (method, alg)


@proves("token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported")
def _(world: World, _value: Any) -> None:
    for method in world.metadata["token_endpoint_auth_methods_supported"]:
        assert world.client(token_endpoint_auth_method=method).sign_in()["access_token"]


@pytest.mark.parametrize("endpoint", ["token_endpoint", "revocation_endpoint", "introspection_endpoint"])
def test_an_endpoint_lets_in_who_it_says_and_nobody_else(world: World, endpoint: str) -> None:
    said = world.metadata
    authenticates(world, endpoint, said[f"{endpoint}_auth_methods_supported"], said[f"{endpoint}_auth_signing_alg_values_supported"])


@proves("revocation_endpoint", "revocation_endpoint_auth_methods_supported", "revocation_endpoint_auth_signing_alg_values_supported")
def _(world: World, _value: Any) -> None:
    for method in world.metadata["revocation_endpoint_auth_methods_supported"]:
        client = world.client(token_endpoint_auth_method=method)
        token = client.sign_in()["access_token"]
        assert client.send("revocation_endpoint", token=token).status == 200
        assert client.browser.userinfo(token).error == "invalid_token"


@proves(
    "introspection_endpoint", "introspection_endpoint_auth_methods_supported", "introspection_endpoint_auth_signing_alg_values_supported"
)
def _(world: World, _value: Any) -> None:
    for method in world.metadata["introspection_endpoint_auth_methods_supported"]:
        client = world.client(token_endpoint_auth_method=method)
        assert client.send("introspection_endpoint", token=client.sign_in()["access_token"]).json["active"] is True


# -- how answers are signed and encrypted ------------------------------------------------------------------------------


@proves("id_token_signing_alg_values_supported")
def _(world: World, value: list[str]) -> None:
    for alg in value:
        assert jose.read_header(world.client(id_token_signed_response_alg=alg).sign_in()["id_token"])["alg"] == alg


@proves("userinfo_signing_alg_values_supported")
def _(world: World, value: list[str]) -> None:
    for alg in value:
        client = world.client(userinfo_signed_response_alg=alg)
        assert jose.read_header(client.browser.userinfo(client.sign_in()["access_token"]).text)["alg"] == alg


def pairs(world: World, what: str) -> list[tuple[str, str]]:
    """Every algorithm with the first encryption, and every encryption with the first algorithm."""
    algs, encs = (world.metadata[f"{what}_encryption_{kind}_values_supported"] for kind in ("alg", "enc"))
    return [(alg, encs[0]) for alg in algs] + [(algs[0], enc) for enc in encs[1:]]


@proves("id_token_encryption_alg_values_supported", "id_token_encryption_enc_values_supported")
def _(world: World, _value: Any) -> None:
    for alg, enc in pairs(world, "id_token"):
        token = world.client(id_token_encrypted_response_alg=alg, id_token_encrypted_response_enc=enc).sign_in()["id_token"]
        inner = jose.decrypt(token, [jose.import_key(RSA), jose.import_key(EC)], {alg}, {enc})
        assert claims_of(inner)["iss"] == ISSUER


@proves("userinfo_encryption_alg_values_supported", "userinfo_encryption_enc_values_supported")
def _(world: World, _value: Any) -> None:
    for alg, enc in pairs(world, "userinfo"):
        client = world.client(userinfo_encrypted_response_alg=alg, userinfo_encrypted_response_enc=enc)
        answer = client.browser.userinfo(client.sign_in()["access_token"])
        assert "sub" in json.loads(jose.decrypt(answer.text, [jose.import_key(RSA), jose.import_key(EC)], {alg}, {enc}))


# -- all of it ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OIDCD-3", "MD-02", "MD-03")
@pytest.mark.parametrize("proof", dict.fromkeys(PROOFS.values()), ids=lambda proof: next(name for name in PROOFS if PROOFS[name] is proof))
def test_what_the_document_says_is_so(world: World, proof: Proof) -> None:
    said = [name for name in PROOFS if PROOFS[name] is proof]

    proof(world, world.metadata[said[0]])


@pytest.mark.spec("OIDCD-3")
def test_nothing_is_said_that_is_not_proved(world: World) -> None:
    assert {name for name in world.metadata if not OF_OTHERS.fullmatch(name)} == set(PROOFS)
