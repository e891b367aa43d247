"""What pyoidc answers to a logout request, as it comes and with us: hints, cookies, redirect URIs."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import pytest
from jwkest.jwk import SYMKey
from oic.oic.message import IdToken
from oic.utils.jwt import JWT

from oic_session_ext import jose

from .conftest import CLIENT_RSA_KEY, ISSUER, SECRET, Answer
from .shown_on_both import code_of, hint_claims, outcome, signed_in, unsigned

pytestmark = pytest.mark.filterwarnings("ignore")


def stock_believes(op, hint):
    try:
        IdToken().from_jwt(hint, keyjar=op.provider.keyjar, verify=True)
    except Exception:  # noqa: BLE001
        return False
    return True


def ours_believes(op, hint):
    answer = op.browser().end_session(id_token_hint=hint, post_logout_redirect_uri="https://basic.example.com/out")
    return answer.header("Location") is not None


def believes(op, hint):
    return stock_believes(op, hint) if op.is_stock else ours_believes(op, hint)


@pytest.mark.defect("2.2")
def test_a_logout_does_not_make_every_cookie_worthless(either):
    browser = signed_in(either)
    seed = either.provider.seed

    outcome(lambda: Answer.of(either.provider.end_session_endpoint("", cookie=browser.cookie)))

    assert (either.provider.seed != seed) is either.is_stock


@pytest.mark.defect("2.6")
@pytest.mark.spec("RI-10")
def test_a_hint_that_nobody_signed(logout_op):
    assert believes(logout_op, unsigned(hint_claims(logout_op))) is logout_op.is_stock


@pytest.mark.defect("2.7")
@pytest.mark.spec("RI-10")
def test_a_hint_signed_with_the_clients_secret_although_it_registered_rs256(logout_op):
    logout_op.provider.recuperate_keys("basic", logout_op.clients["basic"])
    hint = jose.sign(hint_claims(logout_op), jose.mac_key(SECRET, "HS256"), "HS256")

    assert believes(logout_op, hint) is logout_op.is_stock


@pytest.mark.defect("2.7")
@pytest.mark.spec("RI-10")
def test_a_hint_signed_by_the_clients_own_registered_key(logout_op):
    logout_op.provider.recuperate_keys("keyed", logout_op.clients["keyed"])
    claims = hint_claims(logout_op, aud=["keyed"])
    hint = jose.sign(claims, CLIENT_RSA_KEY, "RS256")

    assert believes(logout_op, hint) is logout_op.is_stock


@pytest.mark.defect("2.8")
@pytest.mark.spec("RI-10", "RI-19", "P8")
@pytest.mark.parametrize(
    "hint",
    ["garbage", "a.b.c", "..", "a.b.c.d.e", "W10.W10.", base64.urlsafe_b64encode(b"[1]").decode() + ".W10.x"],
)
def test_a_hint_that_is_none(logout_op, hint):
    found = outcome(lambda: Answer.of(logout_op.provider.end_session_endpoint(urlencode({"id_token_hint": hint}))))

    assert isinstance(found, str) if logout_op.is_stock else found == 200


@pytest.mark.defect("2.8")
def test_a_broken_cookie_is_not_a_fault(logout_op):
    cookie = "pyoidc_sso=a|1|x; pyoidc=a|1|x"

    found = outcome(lambda: Answer.of(logout_op.provider.end_session_endpoint("", cookie=cookie)))

    assert found == ("InvalidCookieSign" if logout_op.is_stock else 200)


@pytest.mark.defect("2.10")
def test_a_path_that_is_not_registered(logout_op):
    uri = "https://basic.example.com/evil?x=1"

    if logout_op.is_stock:
        assert logout_op.provider.verify_post_logout_redirect_uri({"post_logout_redirect_uri": uri}, "basic") == uri
    else:
        browser = signed_in(logout_op)
        hint = logout_op.redeem(browser.authorize().in_query["code"]).json["id_token"]
        assert browser.end_session(id_token_hint=hint, post_logout_redirect_uri=uri).header("Location") is None


def stock_or_ours(op, **params):
    """Send a logout request without any cookie."""
    return outcome(lambda: Answer.of(op.provider.end_session_endpoint(urlencode(params))))


@pytest.mark.defect("2.11")
@pytest.mark.spec("RI-49")
def test_a_logout_with_no_parameters(logout_op):
    assert stock_or_ours(logout_op) == (400 if logout_op.is_stock else 200)


@pytest.mark.defect("2.12")
def test_a_logout_with_client_id_alone(logout_op):
    assert stock_or_ours(logout_op, client_id="basic") == (400 if logout_op.is_stock else 200)


@pytest.mark.defect("2.14")
def test_an_issuer_that_is_not_the_base_url(logout_op):
    id_token = logout_op.redeem(code_of(logout_op)).json["id_token"]
    logout_op.provider.baseurl = f"{ISSUER}/"

    found = stock_or_ours(logout_op, id_token_hint=id_token, post_logout_redirect_uri="https://basic.example.com/out")

    assert found == ("IssuerMismatch" if logout_op.is_stock else 303)


@pytest.mark.defect("2.15")
def test_a_logout_statement_signed_by_a_client(logout_op):
    logout_op.provider.recuperate_keys("post", logout_op.clients["post"])
    keyjar = logout_op.provider.keyjar
    forger = JWT(keyjar, iss="post", lifetime=3600, sign_alg="HS256")
    keyjar.issuer_keys["post"][0].append(SYMKey(key=SECRET[::-1], use="sig"))
    forged = forger.pack(owner="post", aud=[ISSUER], uid="bob", client_id="basic", redirect_uri="https://evil.example", sid="x")

    if logout_op.is_stock:
        assert logout_op.provider.unpack_signed_jwt(forged)["uid"] == "bob"
        return
    bob = logout_op.browser()
    bob.sign_in(login="bob")
    for params in ({"sjwt": forged}, {"id_token_hint": forged}, {"confirmation": forged, "logout": "yes"}, {"resume": forged}):
        for method in ("GET", "POST"):
            assert "evil.example" not in bob.end_session(method, **params).location
    assert bob.is_signed_in()
