"""Dynamic registration: the checks of static clients at run time; what is refused leaves nothing behind."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oic_session_ext.provider.keys import generate_private_jwks
from tests.bundled_op import CHALLENGE, VERIFIER, Op, OpBrowser, basic
from tests.wsgi_browser import Answer

REDIRECT_URI = "https://new.example.com/cb"
TOKEN = "t" * 40


@pytest.fixture
def op(make_op: Callable[..., Op]) -> Op:
    return make_op(registration={"mode": "open"})


def register(browser: OpBrowser, metadata: Any = None, headers: dict[str, str] | None = None, **given: Any) -> Answer:
    body = metadata if isinstance(metadata, bytes) else json.dumps({"redirect_uris": [REDIRECT_URI]} | given).encode()
    return browser.send("POST", "/registration", body, {"Content-Type": "application/json"} | (headers or {}))


# -- success ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("REG-08")
def test_a_client_gets_all_that_was_registered_with_json_types(op: Op, browser: OpBrowser) -> None:
    given: dict[str, Any] = {
        "client_name": "New",
        "post_logout_redirect_uris": ["https://elsewhere.example.com/out"],
        "frontchannel_logout_uri": "https://new.example.com/fc?a=1",
        "frontchannel_logout_session_required": True,
        "backchannel_logout_uri": "https://back.example.com/bc",
        "backchannel_logout_session_required": True,
    }

    answer = register(browser, **given)

    assert answer.status == 201
    assert answer.json.items() >= given.items()
    assert answer.json["redirect_uris"] == [REDIRECT_URI]
    assert answer.json["client_id_issued_at"] == op.clock()
    assert answer.json["client_secret_expires_at"] == 0
    assert len(answer.json["client_secret"]) >= 40
    assert answer.header("Cache-Control") == "no-store"


def test_a_registered_client_can_sign_somebody_in_once_they_allow_it(browser: OpBrowser) -> None:
    client = register(browser).json
    asked = {"client_id": client["client_id"], "redirect_uri": REDIRECT_URI}

    page = browser.follow(browser.enter(browser.login_page(**asked)))
    code = browser.submit(page, "allow").query["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
    answer = browser.post("/token", form, {"Authorization": basic(client["client_id"], client["client_secret"])})

    assert "id_token" in answer.json


def test_a_public_client_gets_no_secret_and_needs_pkce(browser: OpBrowser) -> None:
    client = register(browser, token_endpoint_auth_method="none").json
    asked = {"client_id": client["client_id"], "redirect_uri": REDIRECT_URI}
    proof = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}

    page = browser.follow(browser.enter(browser.login_page(**asked, **proof)))
    code = browser.submit(page, "allow").query["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "client_id": client["client_id"]}

    assert "client_secret" not in client
    assert browser.authorize(**asked).error == "invalid_request"
    assert "id_token" in browser.post("/token", form | {"code_verifier": VERIFIER}).json


def test_names_that_the_op_does_not_know_are_left_out(browser: OpBrowser) -> None:
    answer = register(browser, software_version="1", contacts=["x@example.com"])

    assert answer.status == 201
    assert "software_version" not in answer.json


def test_no_two_clients_share_an_id_or_a_secret(browser: OpBrowser) -> None:
    clients = [register(browser).json for _ in range(3)]

    assert len({client["client_id"] for client in clients}) == 3
    assert len({client["client_secret"] for client in clients}) == 3


@pytest.mark.parametrize("wished", [{"client_id": "web"}, {"client_secret": "mine"}, {"consent": "skip"}, {"allow_http": True}], ids=str)
def test_a_client_cannot_choose_what_is_the_ops_to_say(op: Op, browser: OpBrowser, wished: dict[str, Any]) -> None:
    answer = register(browser, **wished)

    assert answer.status == 201
    name, value = next(iter(wished.items()))
    assert answer.json.get(name) != value
    client = op.server.op.session_management.client(answer.json["client_id"])
    assert client is not None
    assert client["consent"] == "ask"


def test_the_discovery_document_names_the_endpoint_when_it_is_on(op: Op, browser: OpBrowser, make_op: Callable[..., Op]) -> None:
    path = "/.well-known/openid-configuration"

    assert browser.get(path).json["registration_endpoint"] == "http://localhost:8080/registration"
    assert "registration_endpoint" not in make_op().browser().get(path).json


# -- refusals ---------------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no redirect_uris": ({"redirect_uris": None}, "invalid_redirect_uri"),
    "empty redirect_uris": ({"redirect_uris": []}, "invalid_redirect_uri"),
    "redirect_uris is text": ({"redirect_uris": REDIRECT_URI}, "invalid_redirect_uri"),
    "redirect_uris holds a number": ({"redirect_uris": [1]}, "invalid_redirect_uri"),
    "a fragment": ({"redirect_uris": ["https://new.example.com/#x"]}, "invalid_redirect_uri"),
    "javascript:": ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
    "http": ({"redirect_uris": ["http://new.example.com/cb"]}, "invalid_redirect_uri"),
    "a user name": ({"redirect_uris": ["https://a@new.example.com/cb"]}, "invalid_redirect_uri"),
    "CRLF": ({"redirect_uris": ["https://new.example.com/cb\r\nX: y"]}, "invalid_redirect_uri"),
    "a bad port": ({"redirect_uris": ["https://new.example.com:x/cb"]}, "invalid_redirect_uri"),
    "too many": ({"redirect_uris": [f"https://new.example.com/{i}" for i in range(101)]}, "invalid_redirect_uri"),
    "post_logout with a fragment": ({"post_logout_redirect_uris": ["https://a.example.com/#x"]}, "invalid_client_metadata"),
    "post_logout data:": ({"post_logout_redirect_uris": ["data:text/html,x"]}, "invalid_client_metadata"),
    "a front channel elsewhere": ({"frontchannel_logout_uri": "https://other.example.com/"}, "invalid_client_metadata"),
    "a relative back channel": ({"backchannel_logout_uri": "/bc"}, "invalid_client_metadata"),
    "session_required is text": ({"backchannel_logout_session_required": "true"}, "invalid_client_metadata"),
    "jwks_uri": ({"jwks_uri": "http://169.254.169.254/"}, "invalid_client_metadata"),
    "private_key_jwt without keys": ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
    "private keys": ({"jwks": generate_private_jwks()}, "invalid_client_metadata"),
    "an unknown method": ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
    "a method that is a list": ({"token_endpoint_auth_method": ["none"]}, "invalid_client_metadata"),
    "a flow that grant_types lacks": ({"response_types": ["id_token"]}, "invalid_client_metadata"),
    "alg none": ({"id_token_signed_response_alg": "none"}, "invalid_client_metadata"),
    "pairwise on two hosts": (
        {"subject_type": "pairwise", "redirect_uris": [REDIRECT_URI, "https://other.example.com/cb"]},
        "invalid_client_metadata",
    ),
    "client_name is an object": ({"client_name": {"a": 1}}, "invalid_client_metadata"),
}


@pytest.mark.spec("REG-01", "REG-02", "REG-04", "REG-07", "REG-09", "PY-07")
@pytest.mark.parametrize(("given", "error"), BAD.values(), ids=BAD.keys())
def test_bad_metadata_is_refused_with_the_specifications_code(op: Op, browser: OpBrowser, given: dict[str, Any], error: str) -> None:
    answer = register(browser, **given)

    assert (answer.status, answer.error) == (400, error)
    assert answer.json["error_description"]
    assert not op.server.store.client_ids()


@pytest.mark.parametrize(("given", "error"), BAD.values(), ids=BAD.keys())
def test_a_refusal_tells_nothing_of_this_machine_or_its_libraries(browser: OpBrowser, given: dict[str, Any], error: str) -> None:
    text = register(browser, **given).text.lower()

    for word in ("pydantic", "traceback", str(Path.cwd()).lower(), "site-packages", "settings", "line "):
        assert word not in text


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b'"x"', b"{", b"\xff", b"null", b'{"a":' * 5000, b"[" * 30000], ids=repr)
def test_a_body_that_is_no_json_object_is_refused(op: Op, browser: OpBrowser, body: bytes) -> None:
    answer = register(browser, body)

    assert answer.status == 400
    assert answer.error in ("invalid_client_metadata", "invalid_request")
    assert not op.server.store.client_ids()


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "application/jsonx", ""])
def test_another_content_type_is_refused(browser: OpBrowser, content_type: str) -> None:
    assert register(browser, headers={"Content-Type": content_type}).status == 415


def test_a_body_that_is_too_large_is_refused(browser: OpBrowser) -> None:
    assert register(browser, client_name="x" * 70_000).status == 413


@pytest.mark.parametrize(
    "jwks",
    [
        {"keys": [{"kty": "RSA"}]},
        {"keys": [{"kty": "RSA", "n": "!", "e": "AQAB"}]},
        {"keys": [{"kty": "RSA", "n": 1, "e": None}]},
        {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]},
        {"keys": [{"kty": "EC", "crv": "P-0"}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}]},
        {"keys": [{"kty": "RSA", "n": "A" * 400, "e": "AQAB", "use": ["sig"]}]},
    ],
    ids=str,
)
def test_keys_that_cannot_be_read_are_refused_now_or_as_an_invalid_client_later(browser: OpBrowser, jwks: dict[str, Any]) -> None:
    registered = register(browser, token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    if registered.status == 400:
        assert registered.error == "invalid_client_metadata"
        return

    form = {
        "grant_type": "authorization_code",
        "code": "x",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion_of(registered.json["client_id"]),
    }
    answer = browser.post("/token", form)

    assert (answer.status, answer.error) == (401, "invalid_client")


def assertion_of(client_id: str) -> str:
    parts = ({"alg": "RS256"}, {"iss": client_id, "sub": client_id, "aud": "http://localhost:8080", "exp": 1_700_000_100, "jti": "1"})
    return ".".join([urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts] + ["AAAA"])


# -- modes ------------------------------------------------------------------------------------------------------------


def test_off_means_that_there_is_no_endpoint(make_op: Callable[..., Op]) -> None:
    assert register(make_op().browser()).status == 404


@pytest.fixture
def guarded(make_op: Callable[..., Op], monkeypatch: pytest.MonkeyPatch) -> Op:
    monkeypatch.setenv("OP_TEST_TOKEN", TOKEN)
    return make_op(registration={"mode": "token", "initial_access_token": {"env": "OP_TEST_TOKEN"}})


def test_the_initial_access_token_opens_the_endpoint(guarded: Op) -> None:
    assert register(guarded.browser(), headers={"Authorization": f"Bearer {TOKEN}"}).status == 201


@pytest.mark.parametrize(
    "given", ["", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[1:]}", f"Basic {TOKEN}", TOKEN, "Bearer ü", f"Bearer {TOKEN} x"]
)
def test_any_other_token_is_refused_before_the_body_is_read(guarded: Op, given: str) -> None:
    answer = register(guarded.browser(), b"{", headers={"Authorization": given})

    assert (answer.status, answer.error) == (401, "invalid_token")
    assert (answer.header("WWW-Authenticate") or "").startswith("Bearer ")
    assert not guarded.server.store.client_ids()


@pytest.mark.parametrize("method", ["PATCH", "TRACE"])
def test_there_is_no_other_method(browser: OpBrowser, method: str) -> None:
    answer = browser.send(method, "/registration")

    assert answer.status == 405
    assert "POST" in (answer.header("Allow") or "")
