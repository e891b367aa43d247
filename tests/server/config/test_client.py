"""What a client may register beyond its redirect URIs, from the settings file or by itself, and what comes of it (OIDCREG-2)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from oic_session_ext.crypto import jose
from oic_session_ext.provider.keys import new_private_jwk
from oic_session_ext.server.config.client_encryption import ContentEnc, KeyAlg
from tests.bundled_op import CLIENTS, ISSUER, REDIRECT_URIS, Op, OpBrowser, make_settings
from tests.wsgi_browser import Answer

REDIRECT_URI = "https://new.example.com/cb"


@pytest.fixture(scope="module")
def open_op(keys_file: str) -> Op:
    return Op.build(make_settings(keys_file, registration={"mode": "open"}))


def register(op: Op, **given: Any) -> Answer:
    body = json.dumps({"redirect_uris": [REDIRECT_URI]} | given).encode()
    return op.browser().send("POST", "/registration", body, {"Content-Type": "application/json"})


def client_like_web(**changes: Any) -> list[dict[str, Any]]:
    return [CLIENTS[0] | changes, *CLIENTS[1:]]


# -- what is kept and told again ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"initiate_login_uri": "https://new.example.com/start?a=1"},
        {
            "client_uri": "https://new.example.com/",
            "logo_uri": "https://new.example.com/logo.png",
            "policy_uri": "https://new.example.com/privacy",
            "tos_uri": "https://new.example.com/terms",
            "contacts": ["ops@new.example.com"],
        },
        {"userinfo_signed_response_alg": "RS256"},
        {
            "jwks_uri": "https://new.example.com/k",
            "id_token_encrypted_response_alg": "ECDH-ES",
            "id_token_encrypted_response_enc": "A256GCM",
            "userinfo_encrypted_response_alg": "RSA-OAEP-256",
        },
        {"default_max_age": 0, "require_auth_time": True, "default_acr_values": ["urn:a", "urn:b"]},
        {"token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "HS512"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_is_registered_is_told_again(open_op: Op, given: dict[str, Any]) -> None:
    answer = register(open_op, **given)

    assert answer.status == 201
    assert answer.json.items() >= given.items()


def test_what_was_not_registered_is_not_told(open_op: Op) -> None:
    assert not {"contacts", "default_acr_values", "require_auth_time", "logo_uri"} & register(open_op).json.keys()


def test_the_values_of_a_response_type_have_no_order(open_op: Op) -> None:
    given = ["token id_token", "id_token token code", "code"]

    answer = register(open_op, response_types=given, grant_types=["authorization_code", "implicit"])

    assert answer.json["response_types"] == ["id_token token", "code id_token token", "code"]


# -- what is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"initiate_login_uri": "http://new.example.com/start"},
        {"initiate_login_uri": "javascript:alert(1)"},
        {"logo_uri": "data:image/png;base64,AA=="},
        {"policy_uri": "/privacy"},
        {"tos_uri": 'https://new.example.com/"><script>'},
        {"client_uri": ["https://new.example.com/"]},
        {"contacts": "ops@new.example.com"},
        {"userinfo_signed_response_alg": "none"},
        {"userinfo_signed_response_alg": "HS256"},
        {"userinfo_encrypted_response_alg": "RSA-OAEP"},
        {"userinfo_encrypted_response_enc": "A128GCM", "jwks_uri": "https://new.example.com/k"},
        {"id_token_encrypted_response_alg": "RSA1_5", "jwks_uri": "https://new.example.com/k"},
        {"id_token_encrypted_response_alg": "dir", "jwks_uri": "https://new.example.com/k"},
        {"default_max_age": -1},
        {"default_max_age": "60"},
        {"require_auth_time": "yes"},
        {"default_acr_values": []},
        {"default_acr_values": "urn:a"},
        {"token_endpoint_auth_signing_alg": "none"},
        {"token_endpoint_auth_signing_alg": "HS256"},
        {"token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "RS256"},
        {
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": "https://new.example.com/k",
            "token_endpoint_auth_signing_alg": "HS256",
        },
        {"response_types": ["code code"]},
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_refused(open_op: Op, given: dict[str, Any]) -> None:
    answer = register(open_op, **given)

    assert (answer.status, answer.json["error"]) == (400, "invalid_client_metadata")


def test_a_secret_in_the_settings_is_as_long_as_its_algorithm_needs() -> None:
    wanted = {"token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "HS512"}

    with pytest.raises(ValidationError, match="at least 64 characters"):
        make_settings(clients=client_like_web(client_secret="s" * 63, **wanted))
    make_settings(clients=client_like_web(client_secret="s" * 64, **wanted))


# -- what comes of it ---------------------------------------------------------------------------------------------------


def test_userinfo_is_signed_for_a_client_that_wants_it(make_op: Callable[..., Op]) -> None:
    op = make_op(clients=client_like_web(userinfo_signed_response_alg="RS256"))
    browser = op.browser()
    token = browser.sign_in(scope="openid profile")["access_token"]

    answer = browser.userinfo(token)

    assert answer.header("Content-Type") == "application/jwt"
    keys = [jose.import_key(jwk) for jwk in browser.get("/jwks.json").json["keys"] if jwk.get("use") == "sig"]
    claims = jose.verify(answer.text, keys, {"RS256"}).claims
    assert (claims["iss"], claims["aud"], claims["name"]) == (ISSUER, "web", "Alice")
    assert jose.read_header(answer.text)["kid"]
    assert "RS256" in browser.get("/.well-known/openid-configuration").json["userinfo_signing_alg_values_supported"]


ENCRYPTION_KEY = new_private_jwk({"kty": "EC", "crv": "P-256", "use": "enc"})


def encrypting_op(make_op: Callable[..., Op], **wishes: str) -> Op:
    public = {name: value for name, value in ENCRYPTION_KEY.items() if name != "d"}
    return make_op(clients=client_like_web(jwks={"keys": [public]}, **wishes))


def decrypted(token: str, enc: str) -> str:
    return jose.decrypt(token, [jose.import_key(ENCRYPTION_KEY)], {"ECDH-ES"}, {enc})


@pytest.mark.parametrize("response_type", ["code", "id_token"])
def test_an_id_token_is_encrypted_for_a_client_that_wants_it(make_op: Callable[..., Op], response_type: str) -> None:
    op = encrypting_op(make_op, id_token_encrypted_response_alg="ECDH-ES", id_token_encrypted_response_enc="A256GCM")
    browser = op.browser()

    answer = browser.enter(browser.login_page(response_type=response_type))
    token = answer.fragment.get("id_token") or browser.redeem(answer.query["code"]).json["id_token"]

    header = jose.read_header(token)
    assert (header["cty"], header["kid"]) == ("JWT", ENCRYPTION_KEY["kid"])
    signed = decrypted(token, "A256GCM")
    assert jose.verify(signed, op.server.op.session_management.issuer_keys(), {"RS256"}).claims["aud"] == "web"
    assert "code" in browser.renew(id_token_hint=signed).query  # an RP decrypts a hint before it sends it (OIDCC-3.1.2.1)
    assert browser.renew(id_token_hint=token).error == "invalid_request"


@pytest.mark.parametrize("signed", [False, True])
def test_userinfo_is_encrypted_for_a_client_that_wants_it(make_op: Callable[..., Op], signed: bool) -> None:
    wishes = {"userinfo_signed_response_alg": "ES256"} if signed else {}
    op = encrypting_op(make_op, userinfo_encrypted_response_alg="ECDH-ES", **wishes)
    browser = op.browser()

    answer = browser.userinfo(browser.sign_in(scope="openid profile")["access_token"])

    assert answer.header("Content-Type") == "application/jwt"
    assert jose.read_header(answer.text).get("cty") == ("JWT" if signed else None)
    inner = decrypted(answer.text, "A128CBC-HS256")
    told = jose.verify(inner, op.server.op.session_management.issuer_keys(), {"ES256"}).claims if signed else json.loads(inner)
    assert told["name"] == "Alice"


def test_what_cannot_be_encrypted_is_not_sent_in_clear(make_op: Callable[..., Op]) -> None:
    # its one key is of another kind, which shows when it is needed: a jwks_uri may have another one by then
    op = encrypting_op(make_op, id_token_encrypted_response_alg="RSA-OAEP", userinfo_encrypted_response_alg="RSA-OAEP")
    browser = op.browser()

    answer = browser.enter(browser.login_page(response_type="id_token"))
    refused = browser.redeem(browser.renew().query["code"])

    assert (answer.error, answer.fragment.get("id_token")) == ("server_error", None)
    assert (refused.status, refused.json["error"]) == (400, "invalid_request")


def test_the_discovery_document_names_the_encryptions_that_may_be_registered(browser: OpBrowser) -> None:
    metadata = browser.get("/.well-known/openid-configuration").json

    for what in ("id_token", "userinfo"):
        assert set(metadata[f"{what}_encryption_alg_values_supported"]) == set(get_args(KeyAlg))
        assert set(metadata[f"{what}_encryption_enc_values_supported"]) == set(get_args(ContentEnc))


def test_the_registered_max_age_asks_for_a_login(make_op: Callable[..., Op]) -> None:
    op = make_op(clients=client_like_web(default_max_age=60))
    browser = op.browser()
    browser.sign_in()
    op.clock.advance(61)

    assert browser.renew().error == "login_required"
    assert "code" in browser.enter(browser.login_page()).query
    assert "code" in browser.renew().query


def test_the_login_and_consent_pages_show_the_clients_logo_and_links(make_op: Callable[..., Op]) -> None:
    described = {
        "logo_uri": "https://static.example.com/logo.png",
        "policy_uri": "https://asking.example.com/privacy",
        "tos_uri": "https://asking.example.com/terms",
        "client_uri": "https://asking.example.com/",
    }
    browser = make_op(clients=[CLIENTS[0], CLIENTS[1] | described]).browser()

    login = browser.login_page("asking")
    for page in (login, browser.submit(login, username="alice", password="wrong"), browser.follow(browser.enter(login))):
        assert all(f'"{uri}"' in page.text for uri in described.values())
        assert "img-src 'self' https://static.example.com;" in (page.header("Content-Security-Policy") or "")


def test_without_a_logo_the_page_loads_no_image_from_elsewhere(browser: OpBrowser) -> None:
    page = browser.follow(browser.enter(browser.login_page("asking")))

    assert "logo" not in page.text
    assert "img-src 'self';" in (page.header("Content-Security-Policy") or "")


# -- where a login begins (OIDCC-4) --------------------------------------------------------------------------------------

START = "https://web.example.com/start?tenant=a"


@pytest.fixture
def starting(make_op: Callable[..., Op]) -> Op:
    return make_op(clients=client_like_web(initiate_login_uri=START), registration={"mode": "open"})


@pytest.mark.parametrize("is_signed_in", [False, True])
def test_the_front_page_leads_to_where_a_login_begins_and_says_who_sends(starting: Op, is_signed_in: bool) -> None:
    browser = starting.browser()
    if is_signed_in:
        browser.sign_in()

    page = browser.get("/")

    assert page.text.count("https://web.example.com/start") == 1
    assert 'href="https://web.example.com/start?tenant=a&amp;iss=http%3A%2F%2Flocalhost%3A8080"' in page.text
    assert REDIRECT_URIS["spa"] not in page.text


def test_a_client_that_registered_itself_is_linked_when_it_is_named(starting: Op) -> None:
    client_id = register(starting, initiate_login_uri="https://new.example.com/start", client_name="<b>New</b>").json["client_id"]
    browser = starting.browser()

    assert "new.example.com" not in browser.get("/").text
    page = browser.get("/", client_id=client_id)
    assert 'href="https://new.example.com/start?iss=http%3A%2F%2Flocalhost%3A8080"' in page.text
    assert "&lt;b&gt;New&lt;/b&gt;" in page.text
    assert page.status == 200  # a link: the OP sends nobody to an address that anybody may have registered


@pytest.mark.parametrize("query", ["client_id=nobody", "client_id=", "client_id=spa", "x=1"])
def test_a_name_that_leads_nowhere_changes_nothing(starting: Op, query: str) -> None:
    assert starting.browser().get(f"/?{query}").body == starting.browser().get("/").body


def test_a_repeated_name_is_refused(starting: Op) -> None:
    assert starting.browser().get("/?client_id=web&client_id=spa").status == 400
