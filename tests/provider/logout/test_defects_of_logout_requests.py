"""What pyoidc answers to a logout request, as it comes and with us: hints, cookies, redirect URIs."""

from __future__ import annotations

import base64
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from jwkest.jwk import SYMKey
from oic.oic.message import IdToken
from oic.utils.http_util import make_cookie
from oic.utils.jwt import JWT

from oic_session_ext.crypto import jose
from oic_session_ext.provider.keys import OpKeys
from tests.provider.conftest import CLIENT_RSA_KEY, ISSUER, SECRET, Answer, Browser, Op, request_of
from tests.provider.shown_on_both import code_of, hint_claims, outcome, signed_in, unsigned

pytestmark = pytest.mark.filterwarnings("ignore")

OUT = "https://basic.example.com/out"


def stock_believes(op: Op, hint: str) -> bool:
    try:
        IdToken().from_jwt(hint, keyjar=op.provider.keyjar, verify=True)
    except Exception:  # noqa: BLE001
        return False
    return True


def ours_believes(op: Op, hint: str) -> bool:
    answer = op.browser().end_session(id_token_hint=hint, post_logout_redirect_uri="https://basic.example.com/out")
    return answer.header("Location") is not None


def believes(op: Op, hint: str) -> bool:
    return stock_believes(op, hint) if op.is_stock else ours_believes(op, hint)


@pytest.mark.defect("2.2")
def test_a_logout_does_not_make_every_cookie_worthless(either: Op) -> None:
    browser = signed_in(either)
    seed = either.provider.seed

    outcome(lambda: Answer.of(either.provider.end_session_endpoint("", cookie=browser.cookie)))

    assert (either.provider.seed != seed) is either.is_stock


@pytest.mark.defect("2.6")
@pytest.mark.spec("RI-10")
def test_a_hint_that_nobody_signed(logout_op: Op) -> None:
    assert believes(logout_op, unsigned(hint_claims(logout_op))) is logout_op.is_stock


@pytest.mark.defect("2.7")
@pytest.mark.spec("RI-10")
def test_a_hint_signed_with_the_clients_secret_although_it_registered_rs256(logout_op: Op) -> None:
    logout_op.provider.recuperate_keys("basic", logout_op.clients["basic"])
    hint = jose.sign(hint_claims(logout_op), jose.mac_key(SECRET, "HS256"), "HS256")

    assert believes(logout_op, hint) is logout_op.is_stock


@pytest.mark.defect("2.7")
@pytest.mark.spec("RI-10")
def test_a_hint_signed_by_the_clients_own_registered_key(logout_op: Op) -> None:
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
def test_a_hint_that_is_none(logout_op: Op, hint: str) -> None:
    found = outcome(lambda: Answer.of(logout_op.provider.end_session_endpoint(urlencode({"id_token_hint": hint}))))

    assert isinstance(found, str) if logout_op.is_stock else found == 200


@pytest.mark.defect("2.8")
@pytest.mark.spec("RI-10", "RI-19")
@pytest.mark.parametrize(
    ("changes", "theirs"),
    [
        ({"iss": "https://other.example.com"}, "IssuerMismatch"),
        ({"sub": None}, "MissingRequiredAttribute"),
        ({"aud": None}, "MissingRequiredAttribute"),
        ({"exp": None}, "MissingRequiredAttribute"),
        ({"kid": "unknown"}, "NoSuitableSigningKeys"),
    ],
    ids=["iss", "no sub", "no aud", "no exp", "unknown key"],
)
def test_a_hint_that_says_too_little_or_is_not_ours(logout_op: Op, changes: dict[str, Any], theirs: str) -> None:
    browser, _ = signed_in_with_hint(logout_op)
    claims = {name: value for name, value in (hint_claims(logout_op) | changes).items() if value is not None}
    key = CLIENT_RSA_KEY if claims.pop("kid", None) else OpKeys(logout_op.provider.keyjar).signing_key("RS256")

    found = log_out_for(logout_op, browser, jose.sign(claims, key, "RS256"))

    assert found == (theirs if logout_op.is_stock else 200)  # ours asks


@pytest.mark.defect("2.8", "2.12")
@pytest.mark.spec("RI-07")
@pytest.mark.parametrize("name", ["state", "client_id"])
def test_a_parameter_that_comes_twice(logout_op: Op, name: str) -> None:
    browser, hint = signed_in_with_hint(logout_op)
    text = urlencode([("id_token_hint", hint), ("post_logout_redirect_uri", OUT), (name, "basic"), (name, "post")])

    found = outcome(lambda: Answer.of(logout_op.provider.end_session_endpoint(text, cookie=browser.cookie)))

    theirs = {"state": "TooManyValues", "client_id": 303}[name]
    assert found == (theirs if logout_op.is_stock else 400)


@pytest.mark.defect("2.8")
@pytest.mark.parametrize("value", ["alice", "alice::basic"], ids=["no client", "a colon in the name"])
def test_a_cookie_that_says_something_else_is_not_a_fault(logout_op: Op, value: str) -> None:
    logout_op.provider.seed = logout_op.provider.seed or b"s" * 32
    browser = logout_op.browser()
    now = str(logout_op.clock())
    header = make_cookie("pyoidc_sso", f"{value}::{now}::sso", logout_op.provider.seed, timestamp=now)[1]
    browser.jar["pyoidc_sso"] = header.partition(";")[0].partition("=")[2]

    found = outcome(lambda: Answer.of(logout_op.provider.end_session_endpoint("", cookie=browser.cookie)))

    assert found == ("ValueError" if logout_op.is_stock else 200)


@pytest.mark.defect("2.8")
def test_a_broken_cookie_is_not_a_fault(logout_op: Op) -> None:
    cookie = "pyoidc_sso=a|1|x; pyoidc=a|1|x"

    found = outcome(lambda: Answer.of(logout_op.provider.end_session_endpoint("", cookie=cookie)))

    assert found == ("InvalidCookieSign" if logout_op.is_stock else 200)


@pytest.mark.defect("2.10")
@pytest.mark.parametrize(
    "uri",
    [
        "https://basic.example.com/evil?x=1",
        "https://basic.example.com/out?next=https://evil.example.com",
        "https://basic.example.com/out#fragment",
        "https://basic.example.com/out\r\nSet-Cookie: a=b",
    ],
    ids=["path", "query", "fragment", "CRLF"],
)
def test_a_uri_that_is_not_registered(logout_op: Op, uri: str) -> None:
    if logout_op.is_stock:
        assert logout_op.provider.verify_post_logout_redirect_uri({"post_logout_redirect_uri": uri}, "basic") == uri
    else:
        browser = signed_in(logout_op)
        hint = logout_op.redeem(browser.authorize().in_query["code"]).json["id_token"]
        assert browser.end_session(id_token_hint=hint, post_logout_redirect_uri=uri).header("Location") is None


def stock_or_ours(op: Op, **params: str) -> int | str:
    """Send a logout request without any cookie."""
    return outcome(lambda: Answer.of(op.provider.end_session_endpoint(urlencode(params))))


@pytest.mark.defect("2.11")
@pytest.mark.spec("RI-49")
def test_a_logout_with_no_parameters(logout_op: Op) -> None:
    assert stock_or_ours(logout_op) == (400 if logout_op.is_stock else 200)


@pytest.mark.defect("2.12")
def test_a_logout_with_client_id_alone(logout_op: Op) -> None:
    assert stock_or_ours(logout_op, client_id="basic") == (400 if logout_op.is_stock else 200)


@pytest.mark.defect("2.14")
def test_an_issuer_that_is_not_the_base_url(logout_op: Op) -> None:
    id_token = logout_op.redeem(code_of(logout_op)).json["id_token"]
    logout_op.provider.baseurl = f"{ISSUER}/"

    found = stock_or_ours(logout_op, id_token_hint=id_token, post_logout_redirect_uri="https://basic.example.com/out")

    assert found == ("IssuerMismatch" if logout_op.is_stock else 303)


@pytest.mark.defect("2.15")
def test_a_logout_statement_signed_by_a_client(logout_op: Op) -> None:
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


def log_out_for(op: Op, browser: Browser, hint: str, **params: str) -> int | str:
    """The status of a logout request, or what it raises; where it succeeds it is a redirect, of pyoidc to its own question."""
    text = urlencode({"id_token_hint": hint, "post_logout_redirect_uri": OUT} | params)
    return outcome(lambda: browser.keep(Answer.of(op.provider.end_session_endpoint(text, cookie=browser.cookie))))


def signed_in_with_hint(op: Op) -> tuple[Browser, str]:
    browser = signed_in(op)
    return browser, op.redeem(browser.authorize().in_query["code"]).json["id_token"]


@pytest.mark.spec("RI-11")
@pytest.mark.defect("2.9")
def test_a_hint_that_expired_long_ago(logout_op: Op) -> None:
    browser, hint = signed_in_with_hint(logout_op)
    long_ago = min(int(time.time()), logout_op.clock()) - 31 * 86400
    claims = {**jose.read_unverified(hint).claims, "iat": long_ago - 3600, "exp": long_ago}
    old = jose.sign(claims, OpKeys(logout_op.provider.keyjar).signing_key("RS256"), "RS256")

    found = log_out_for(logout_op, browser, old)

    assert found == (400 if logout_op.is_stock else 303)


@pytest.mark.defect("2.9")
def test_a_hint_whose_session_is_gone(logout_op: Op) -> None:
    browser, hint = signed_in_with_hint(logout_op)
    logout_op.provider.clean_sessions(logout_op.provider.sdb.get_by_uid("alice"))

    assert log_out_for(logout_op, browser, hint) == (400 if logout_op.is_stock else 303)


def browser_of_two_rps(op: Op) -> tuple[Browser, str]:
    """A browser in which a user is signed in at two RPs, as pyoidc's own cookie remembers it; the hint is that of the second one."""
    op.provider.seed = op.provider.seed or b"s" * 32
    browser = signed_in(op)
    browser.authorize("basic")
    hint = op.redeem(browser.authorize("post").in_query["code"], "post").json["id_token"]
    remember(op, browser, "basic")
    return browser, hint


def remember(op: Op, browser: Browser, client_id: str) -> None:
    """Set the cookie in which pyoidc remembers a user and one client."""
    header = make_cookie("pyoidc_sso", f"alice][{client_id}::{op.clock()}::sso", op.provider.seed, timestamp=str(op.clock()))[1]
    browser.jar["pyoidc_sso"] = header.partition(";")[0].partition("=")[2]


@pytest.mark.defect("2.13")
def test_the_second_rp_of_a_browser_logs_out(logout_op: Op) -> None:
    browser, hint = browser_of_two_rps(logout_op)

    found = log_out_for(logout_op, browser, hint, post_logout_redirect_uri="https://post.example.com/out")

    assert found == (400 if logout_op.is_stock else 303)


@pytest.mark.defect("2.13")
def test_pyoidcs_cookie_of_one_rp_is_not_set(logout_op: Op) -> None:
    browser = logout_op.browser()
    browser.jar["theirs"] = "x"
    answer = browser.keep(Answer.of(authorized_without_login_cookie(logout_op, browser)))

    assert ("pyoidc_sso" in answer.cookies) is logout_op.is_stock


def authorized_without_login_cookie(op: Op, browser: Browser) -> Any:
    """Sign a user in by something else than pyoidc's login cookie."""
    method = op.provider.authn_broker[0][0]
    method.authenticated_as = lambda *_, **__: ({"uid": "alice"}, op.clock())
    return op.provider.authorization_endpoint(urlencode(request_of()), cookie=browser.cookie)


@pytest.mark.defect("2.11")
def test_no_redirect_is_guessed_and_none_without_a_question(logout_op: Op) -> None:
    logout_op.provider.seed = logout_op.provider.seed or b"s" * 32
    browser = signed_in(logout_op)
    browser.authorize()
    remember(logout_op, browser, "basic")

    answer = browser.keep(Answer.of(logout_op.provider.end_session_endpoint("", cookie=browser.cookie)))

    if logout_op.is_stock:
        assert jose.read_unverified(answer.in_query["sjwt"]).claims["redirect_uri"] == OUT
    else:
        assert answer.status == 200
        assert browser.confirm(answer).header("Location") is None


@pytest.mark.defect("2.11")
@pytest.mark.parametrize("uris", [None, []], ids=["not registered", "none registered"])
def test_a_client_without_redirect_uris_is_logged_out(logout_op: Op, uris: list[Any] | None) -> None:
    browser, hint = signed_in_with_hint(logout_op)
    logout_op.clients["basic"] |= {"post_logout_redirect_uris": uris}
    if uris is None:
        del logout_op.clients["basic"]["post_logout_redirect_uris"]

    found = outcome(lambda: Answer.of(logout_op.provider.end_session_endpoint(urlencode({"id_token_hint": hint}), cookie=browser.cookie)))

    assert found == (400 if logout_op.is_stock else 200)


@pytest.mark.spec("RI-13")
@pytest.mark.defect("2.12")
def test_a_client_id_that_is_not_the_hints(logout_op: Op) -> None:
    browser, hint = signed_in_with_hint(logout_op)

    assert log_out_for(logout_op, browser, hint, client_id="post") == (303 if logout_op.is_stock else 200)  # ours asks
