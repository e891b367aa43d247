"""Request objects at the bundled server: its settings, what clients may register, and one request from its address to the tokens."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from oic_session_ext.clients.request_uris import REQUEST_OBJECT_ALGS
from oic_session_ext.crypto import jose
from oic_session_ext.provider.keys import new_private_jwk
from oic_session_ext.server.config.client_request_objects import SigningAlg
from tests.bundled_op import CLIENTS, ISSUER, REDIRECT_URIS, Op, make_settings
from tests.wsgi_browser import Answer

CLIENT_JWK = new_private_jwk({"kty": "EC", "crv": "P-256"})
PUBLIC_JWKS = {"keys": [{name: value for name, value in CLIENT_JWK.items() if name != "d"}]}
ALLOWED = {"backchannel": {"allow_networks": ["127.0.0.0/8"]}}


def client_like_web(**changes: Any) -> list[dict[str, Any]]:
    return [CLIENTS[0] | changes, *CLIENTS[1:]]


def request_object(**changes: Any) -> str:
    claims = {
        "iss": "web",
        "aud": ISSUER,
        "redirect_uri": REDIRECT_URIS["web"],
        "response_type": "code",
        "scope": "openid profile",
        "state": "inside",
    }
    return jose.sign(claims | changes, jose.import_key(CLIENT_JWK), "ES256")


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """An address that answers with a request object, and who asked for it with which media types."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Accept"])
            body = request_object().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/request.jwt", asked
    server.shutdown()
    server.server_close()


@pytest.mark.spec("OIDCC-6.2")
def test_a_request_is_fetched_once_and_goes_on_through_the_login_page(make_op: Callable[..., Op], elsewhere: tuple[str, list[str]]) -> None:
    uri, asked = elsewhere
    op = make_op(clients=client_like_web(jwks=PUBLIC_JWKS, request_uris=[uri]), logout=ALLOWED)
    browser = op.browser()
    asked.clear()

    answer = browser.enter(browser.login_page(request_uri=uri, state="outside"))

    assert answer.query["state"] == "inside"
    tokens = browser.redeem(answer.query["code"]).json
    assert browser.userinfo(tokens["access_token"]).json["name"] == "Alice"
    assert [accept.partition(",")[0] for accept in asked] == ["application/oauth-authz-req+jwt"]


@pytest.mark.spec("SEC-08")
def test_an_address_on_this_machine_is_not_asked_without_an_allowance(make_op: Callable[..., Op], elsewhere: tuple[str, list[str]]) -> None:
    uri, asked = elsewhere
    op = make_op(clients=client_like_web(jwks=PUBLIC_JWKS, request_uris=[uri]))
    asked.clear()

    assert op.browser().authorize(request_uri=uri).error == "invalid_request_uri"
    assert asked == []


def test_the_ops_own_pages_take_no_object(make_op: Callable[..., Op]) -> None:
    browser = make_op(clients=client_like_web(jwks=PUBLIC_JWKS)).browser()
    known: dict[str, Any] = {"client_id": "web", "redirect_uri": REDIRECT_URIS["web"], "response_type": "code", "scope": "openid"}

    answer = browser.get("/login", **known, request=request_object())

    assert answer.status == 400
    assert "request_not_supported" in answer.text


def test_a_switch_of_the_settings_is_the_ops(make_op: Callable[..., Op]) -> None:
    op = make_op(request_objects={"by_value": False, "by_reference": False}, clients=client_like_web(jwks=PUBLIC_JWKS))
    browser = op.browser()

    assert browser.authorize(request=request_object()).error == "request_not_supported"
    assert browser.get("/.well-known/openid-configuration").json["request_parameter_supported"] is False


@pytest.mark.spec("REG-13")
@pytest.mark.parametrize(
    ("client", "problem"),
    [
        ({"request_object_signing_alg": "none"}, "must not be none"),
        ({"request_object_signing_alg": "ES256"}, "needs jwks"),
        ({"request_object_signing_alg": "HS256", "client_secret": "s" * 31}, "at least 32"),
        ({"request_object_signing_alg": "HS512", "client_secret": "s" * 63}, "at least 64"),
        ({"request_object_signing_alg": "RS1"}, "RS256"),
        ({"request_uris": ["http://web.example.com/r"]}, "must be https"),
        ({"request_uris": []}, "at least 1"),
    ],
    ids=str,
)
def test_a_client_of_the_settings_is_held_to_the_rules(client: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        make_settings(clients=client_like_web(**client))


def test_a_public_client_signs_no_mac() -> None:
    public = CLIENTS[2] | {"request_object_signing_alg": "HS256"}

    with pytest.raises(ValidationError, match="at least 32"):
        make_settings(clients=[public])


def test_none_may_be_registered_where_unsigned_objects_are_taken() -> None:
    make_settings(clients=client_like_web(request_object_signing_alg="none"), request_objects={"unsigned": True})


def test_the_settings_know_each_algorithm_that_is_offered() -> None:
    assert set(get_args(SigningAlg)) == {*REQUEST_OBJECT_ALGS, "none"}


# -- registration ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def open_op(keys_file: str) -> Op:
    return Op.build(make_settings(keys_file, registration={"mode": "open", "max_per_address": 1000}))


def register(op: Op, **given: Any) -> Answer:
    body = json.dumps({"redirect_uris": [REDIRECT_URIS["web"]]} | given).encode()
    return op.browser().send("POST", "/registration", body, {"Content-Type": "application/json"})


@pytest.mark.spec("REG-08", "OIDCREG-2")
@pytest.mark.parametrize(
    "given",
    [
        {"request_uris": ["https://new.example.com/r?a=1#" + "x" * 43]},
        {"request_object_signing_alg": "HS512"},
        {"request_object_signing_alg": "ES256", "jwks": PUBLIC_JWKS},
    ],
    ids=["a fragment", "HS512", "ES256 with keys"],  # keys are made anew in each process
)
def test_what_is_registered_is_told_again(open_op: Op, given: dict[str, Any]) -> None:
    assert register(open_op, **given).json.items() >= given.items()


def test_what_was_not_registered_is_not_told(open_op: Op) -> None:
    assert not {"request_uris", "request_object_signing_alg"} & register(open_op).json.keys()


@pytest.mark.spec("REG-09", "SEC-08")
@pytest.mark.parametrize(
    "given",
    [
        {"request_uris": ["http://new.example.com/r"]},
        {"request_uris": ["https://169.254.169.254/r"]},
        {"request_uris": ["https://localhost/r"]},
        {"request_uris": ["https://new.example.com/r#a#b"]},
        {"request_uris": ["https://new.example.com/" + "r" * 512]},
        {"request_uris": [f"https://new.example.com/{number}" for number in range(21)]},
        {"request_uris": ["data:,x"]},
        {"request_uris": [5]},
        {"request_object_signing_alg": "none"},
        {"request_object_signing_alg": "RS256"},
        {"request_object_signing_alg": "HS256", "token_endpoint_auth_method": "none"},
    ],
    ids=lambda given: str(given)[:80],
)
def test_what_a_client_may_not_register(open_op: Op, given: dict[str, Any]) -> None:
    assert (register(open_op, **given).status, register(open_op, **given).error) == (400, "invalid_client_metadata")
