"""What pyoidc does as it comes, and what it does with us: each defect shown on both.

`THEIRS` and `OURS` run the same steps; the test says what each is to answer. Where pyoidc raises, its answer is the exception's name.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from urllib.parse import urlencode

import pytest
from jwkest.jwk import SYMKey
from oic.oic.message import IdToken
from oic.utils.http_util import Response as StockResponse
from oic.utils.http_util import make_cookie
from oic.utils.jwt import JWT

from oic_session_ext import jose
from oic_session_ext.model import Told
from oic_session_ext.provider.responses import RawResponse

from .conftest import CLIENT_RSA_KEY, ISSUER, REDIRECT_URIS, SECRET, Answer, basic_auth, request_of

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(params=["stock", "op"])
def logout_op(request):
    """The same for what session management brings."""
    op = request.getfixturevalue(request.param)
    op.is_stock = request.param == "stock"
    return op


def signed_in(op, user="alice"):
    browser = op.browser()
    browser.use_pyoidc_login(user)
    return browser


def code_of(op, client_id="basic", user="alice", **changes):
    answer = signed_in(op, user).authorize(client_id, **changes)
    return answer.in_query["code"]


def outcome(work):
    """The HTTP status of an answer, or the name of the exception in its place."""
    try:
        return work().status
    except Exception as err:  # noqa: BLE001 what it raises is what the test asks for
        return type(err).__name__


# -- 2: cookies, hints, logout ------------------------------------------------------------------------------------------------


def test_2_1_a_login_cookie_forged_without_any_secret(either):
    now = str(either.clock())
    header = make_cookie("pyoidc", f"alice::{now}::upm", b"", timestamp=now)[1]
    browser = either.browser()
    browser.jar["pyoidc"] = header.partition(";")[0].partition("=")[2]

    assert browser.is_signed_in() is either.is_stock


def test_2_2_a_logout_does_not_make_every_cookie_worthless(either):
    browser = signed_in(either)
    seed = either.provider.seed

    outcome(lambda: Answer.of(either.provider.end_session_endpoint("", cookie=browser.cookie)))

    assert (either.provider.seed != seed) is either.is_stock


def hint_claims(op, sub="x", **changes):
    now = op.clock()
    return {"iss": ISSUER, "sub": sub, "aud": ["basic"], "iat": now, "exp": now + 3600, "nonce": "n", "acr": "x"} | changes


def unsigned(claims):
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


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


def with_iframe(op):
    """Have pyoidc's own session management on; ours is."""
    if op.is_stock:
        op.provider.capabilities["check_session_iframe"] = f"{ISSUER}/check_session"
    return op


@pytest.mark.spec("SM-03")
def test_2_3_a_session_state_from_which_the_login_is_guessed(logout_op):
    given = signed_in(with_iframe(logout_op)).authorize().in_query["session_state"]

    _, _, salt = given.partition(".")
    now = logout_op.clock()
    texts = [f"basic https://basic.example.com {second} {salt}" for second in range(now - 60, now + 60)]
    assert any(given == f"{hashlib.sha256(text.encode()).hexdigest()}.{salt}" for text in texts) is logout_op.is_stock


@pytest.mark.spec("SM-02")
def test_2_4_errors_and_forms_without_session_state(logout_op):
    error = with_iframe(logout_op).browser().renew()
    page = signed_in(logout_op).authorize(response_mode="form_post")

    assert ("session_state" in error.in_query) is not logout_op.is_stock
    assert ("session_state" in page.form.fields) is not logout_op.is_stock


@pytest.mark.spec("RI-10")
def test_2_6_a_hint_that_nobody_signed(logout_op):
    assert believes(logout_op, unsigned(hint_claims(logout_op))) is logout_op.is_stock


@pytest.mark.spec("RI-10")
def test_2_7_a_hint_signed_with_the_clients_secret_although_it_registered_rs256(logout_op):
    logout_op.provider.recuperate_keys("basic", logout_op.clients["basic"])
    hint = jose.sign(hint_claims(logout_op), jose.mac_key(SECRET, "HS256"), "HS256")

    assert believes(logout_op, hint) is logout_op.is_stock


@pytest.mark.spec("RI-10")
def test_2_7_a_hint_signed_by_the_clients_own_registered_key(logout_op):
    logout_op.provider.recuperate_keys("keyed", logout_op.clients["keyed"])
    claims = hint_claims(logout_op, aud=["keyed"])
    hint = jose.sign(claims, CLIENT_RSA_KEY, "RS256")

    assert believes(logout_op, hint) is logout_op.is_stock


@pytest.mark.spec("RI-10", "RI-19", "P8")
@pytest.mark.parametrize(
    "hint",
    ["garbage", "a.b.c", "..", "a.b.c.d.e", "W10.W10.", base64.urlsafe_b64encode(b"[1]").decode() + ".W10.x"],
)
def test_2_8_a_hint_that_is_none(logout_op, hint):
    found = outcome(lambda: Answer.of(logout_op.provider.end_session_endpoint(urlencode({"id_token_hint": hint}))))

    assert isinstance(found, str) if logout_op.is_stock else found == 200


def test_2_8_a_broken_cookie_is_not_a_fault(logout_op):
    cookie = "pyoidc_sso=a|1|x; pyoidc=a|1|x"

    found = outcome(lambda: Answer.of(logout_op.provider.end_session_endpoint("", cookie=cookie)))

    assert found == ("InvalidCookieSign" if logout_op.is_stock else 200)


def test_2_10_a_path_that_is_not_registered(logout_op):
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


@pytest.mark.spec("RI-49")
def test_2_11_a_logout_with_no_parameters(logout_op):
    assert stock_or_ours(logout_op) == (400 if logout_op.is_stock else 200)


def test_2_12_a_logout_with_client_id_alone(logout_op):
    assert stock_or_ours(logout_op, client_id="basic") == (400 if logout_op.is_stock else 200)


def test_2_14_an_issuer_that_is_not_the_base_url(logout_op):
    id_token = logout_op.redeem(code_of(logout_op)).json["id_token"]
    logout_op.provider.baseurl = f"{ISSUER}/"

    found = stock_or_ours(logout_op, id_token_hint=id_token, post_logout_redirect_uri="https://basic.example.com/out")

    assert found == ("IssuerMismatch" if logout_op.is_stock else 303)


def end_session_of(op, browser, id_token):
    """End the session of one browser, whose RP is down: by pyoidc's own function, or as the user does."""
    if op.is_stock:
        (sid,) = op.provider.sdb._db.get_by_sub(jose.read_unverified(id_token).claims["sub"])
        op.provider.httpc.http_request = refuse_connections
        op.provider.do_verified_logout(sid, "basic", alla=True)
    else:
        op.provider.delivery.outcomes["basic"] = Told.UNDELIVERABLE
        browser.confirm(browser.end_session())


def refuse_connections(*_, **__):
    raise OSError("nobody listens")


def test_2_19_and_2_20_an_rp_that_is_down_keeps_nobody_signed_in(logout_op):
    browser = signed_in(logout_op)
    tokens = logout_op.redeem(browser.authorize().in_query["code"]).json

    end_session_of(logout_op, browser, tokens["id_token"])

    assert browser.is_signed_in() is logout_op.is_stock
    assert (outcome(lambda: logout_op.userinfo(tokens["access_token"])) == 200) is logout_op.is_stock


def test_2_29_a_pages_script(logout_op):
    page = "<script>x</script>"
    response = StockResponse(page) if logout_op.is_stock else RawResponse(page.encode(), 200, [("Content-Type", "text/html")])

    assert (Answer.of(response).body == page) is not logout_op.is_stock


def test_2_15_a_logout_statement_signed_by_a_client(logout_op):
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


# -- 3: tokens ---------------------------------------------------------------------------------------------------------------


def test_3_1_a_code_of_another_client(either):
    answer = either.redeem(code_of(either), "post", redirect_uri=REDIRECT_URIS["basic"])

    assert answer.status == (200 if either.is_stock else 400)


def test_3_1_a_client_that_calls_itself_another_one(either):
    body = {"grant_type": "authorization_code", "code": code_of(either), "redirect_uri": REDIRECT_URIS["basic"], "client_id": "basic"}
    either.clients["other"] = either.clients["basic"] | {"client_id": "other", "client_secret": "o" * 32}

    assert either.token(body, basic_auth("other", "o" * 32)).status == (200 if either.is_stock else 401)


def refreshable(op):
    browser = signed_in(op)
    answer = browser.authorize(scope="openid offline_access", prompt="consent")
    return op.redeem(answer.in_query["code"]).json["refresh_token"]


def test_3_2_a_refresh_token_of_another_client(either):
    assert either.refresh(refreshable(either), "post").status == (200 if either.is_stock else 400)


def test_3_3_a_code_after_its_lifetime(either):
    code = code_of(either)
    either.provider.sdb.token_factory["code"].lifetime = -5

    assert either.redeem(code).status == (200 if either.is_stock else 400)


def test_3_4_one_code_in_many_threads(either):
    browser = signed_in(either)
    wins = [race_for(either, browser.authorize().in_query["code"]) for _ in range(6)]

    if either.is_stock:
        assert max(wins) >= 1  # mostly more than one, which cannot be forced
    else:
        assert wins == [1] * 6


def race_for(op, code):
    barrier, statuses = threading.Barrier(4), []

    def redeem():
        barrier.wait()
        statuses.append(outcome(lambda: op.redeem(code)))

    threads = [threading.Thread(target=redeem) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses.count(200)


# -- 3: the authorization endpoint --------------------------------------------------------------------------------------------


@pytest.mark.spec("CO-03")
def test_3_5_a_hint_of_the_user_signed_in(either):
    browser = signed_in(either)
    hint = either.redeem(browser.authorize().in_query["code"]).json["id_token"]

    found = outcome(lambda: browser.renew(id_token_hint=hint))

    assert found == ("AttributeError" if either.is_stock else 303)


@pytest.mark.spec("CO-03")
def test_3_5b_and_3_6_a_hint_of_somebody_who_is_not_signed_in(hardened, op):
    for one in (hardened, op):
        hint = one.id_token(sub="nobody")
        assert one.browser().renew(id_token_hint=hint).in_query["error"] == "login_required"
        assert signed_in(one).renew(id_token_hint=hint).in_query["error"] == "login_required"


@pytest.mark.spec("CO-01", "CO-11")
def test_3_7_login_required_without_state(either):
    answer = either.browser().renew()

    assert answer.in_query["error"] == "login_required"
    assert ("state" in answer.in_query) is not either.is_stock


@pytest.mark.spec("CO-08")
def test_3_8_max_age_0(either):
    browser = signed_in(either)
    browser.authorize()
    either.clock.advance(5)

    assert ("code" in browser.authorize(max_age=0).in_query) is either.is_stock


@pytest.mark.spec("CO-08")
@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": 10}], ids=["prompt", "max_age"])
def test_3_8_an_rp_that_says_the_user_has_answered(either, changes):
    browser = signed_in(either)
    browser.authorize()
    either.clock.advance(3600)

    assert ("code" in browser.authorize(upm_answer="true", **changes).in_query) is either.is_stock


def test_3_9_select_account_is_not_passed_over(either):
    browser = signed_in(either)
    browser.authorize()

    assert ("code" in browser.authorize(prompt="select_account").in_query) is either.is_stock


def test_3_11_a_request_object_that_nobody_signed(either):
    request = unsigned(
        {"state": "smuggled", "redirect_uri": REDIRECT_URIS["basic"], "client_id": "basic", "response_type": "code", "scope": "openid"}
    )

    answer = signed_in(either).authorize(request=request, state=None)

    assert (answer.in_query.get("state") == "smuggled") is either.is_stock


def test_3_12_a_request_uri_is_not_fetched(either, monkeypatch):
    fetched = []
    monkeypatch.setattr(either.provider.server, "http_request", lambda url, *_, **__: fetched.append(url))

    outcome(lambda: signed_in(either).authorize(request_uri="http://169.254.169.254/latest"))

    assert bool(fetched) is either.is_stock


# -- 3.13 --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "theirs", "ours"),
    [
        ({"redirect_uri": None}, "KeyError", (400, "invalid_grant")),
        ({"grant_type": "x"}, "UnSupported", (400, "unsupported_grant_type")),
        ({"grant_type": None}, 200, (400, "invalid_request")),
        ({"grant_type": "refresh_token", "code": None}, "KeyError", (400, "invalid_request")),
        ({"code": "x"}, 401, (400, "invalid_grant")),
    ],
    ids=["redirect_uri", "grant_type", "no grant_type", "refresh_token", "code"],
)
def test_3_13_the_token_endpoints_errors(either, params, theirs, ours):
    body = {"grant_type": "authorization_code", "code": code_of(either), "redirect_uri": REDIRECT_URIS["basic"]} | params
    body = {name: value for name, value in body.items() if value is not None}

    def ask():
        return either.token(body, basic_auth("basic", SECRET))

    if either.is_stock:
        assert outcome(ask) == theirs
    else:
        answer = ask()
        assert (answer.status, answer.error) == ours


def test_3_13_a_wrong_secret(either):
    answer = either.token({"grant_type": "authorization_code", "code": "x", "redirect_uri": "x"}, basic_auth("basic", "wrong"))

    assert answer.error == ("unauthorized_client" if either.is_stock else "invalid_client")
    assert bool(answer.header("WWW-Authenticate")) is not either.is_stock


# -- 3.16 to 3.23 ------------------------------------------------------------------------------------------------------------


def test_3_16_userinfo_once_the_session_is_gone(either):
    tokens = either.redeem(code_of(either)).json
    sdb = either.provider.sdb
    for grant_id in sdb.get_by_uid("alice"):
        del sdb[grant_id]

    assert outcome(lambda: either.userinfo(tokens["access_token"])) == ("KeyError" if either.is_stock else 401)


def test_3_16_a_code_for_an_access_token(either):
    code = code_of(either)

    found = outcome(lambda: either.userinfo(code))

    # pyoidc keeps codes and tokens under one key, so it can tell; ours cannot even be opened
    assert found == ("FailedAuthentication" if either.is_stock else 401)


def test_3_16_a_401_is_a_challenge(either):
    assert bool(either.userinfo("x").header("WWW-Authenticate")) is not either.is_stock


@pytest.mark.spec("CO-11")
@pytest.mark.parametrize(
    ("client_id", "redirect_uri"),
    [("basic", "https://basic.example.com/c%62"), ("post", "https://post.example.com/cb?foo=bar")],
    ids=["encoded", "less query"],
)
def test_3_17_a_redirect_uri_that_is_nearly_registered(either, client_id, redirect_uri):
    answer = signed_in(either).authorize(client_id, redirect_uri=redirect_uri)

    assert (answer.header("Location") is not None) is either.is_stock


def test_3_18_a_wrong_code_verifier(either):
    challenge = request_of("public")
    code = code_of(either, code_challenge=challenge["code_challenge"], code_challenge_method="S256")

    assert either.redeem(code, code_verifier="w" * 50).status == (200 if either.is_stock else 400)


def test_3_18_no_code_verifier(either):
    challenge = request_of("public")
    code = code_of(either, code_challenge=challenge["code_challenge"], code_challenge_method="S256")

    assert either.redeem(code).status == (200 if either.is_stock else 400)


def test_3_14_how_long_a_token_is_good_and_whose_state_is_where(either):
    tokens = either.redeem(code_of(either)).json

    assert ("expires_in" in tokens) is not either.is_stock
    assert ("state" in tokens) is either.is_stock  # it belongs to the authorization response


@pytest.mark.spec("CO-08")
def test_3_15_auth_time_beside_claims_asked_for_by_name(either):
    code = code_of(either, claims='{"id_token": {"email": null}}')

    claims = jose.read_unverified(either.redeem(code).json["id_token"]).claims
    assert claims["email"] == "alice@example.com"
    assert ("auth_time" in claims) is not either.is_stock


def test_3_20_what_discovery_offers(either):
    metadata = Answer.of(either.provider.providerinfo_endpoint()).json

    assert ("none" in metadata["id_token_signing_alg_values_supported"]) is either.is_stock
    assert ("RSA1_5" in metadata["userinfo_encryption_alg_values_supported"]) is either.is_stock
    assert metadata["request_uri_parameter_supported"] is either.is_stock
    assert ("jwks_uri" in metadata) is not either.is_stock


def test_3_23_a_login_cookie_of_long_ago(logout_op):
    logout_op.clock.now, now = 1, logout_op.clock.now
    browser = signed_in(logout_op)
    logout_op.clock.now = now

    assert browser.is_signed_in() is logout_op.is_stock


def test_3_25_a_login_cookie_of_another_shape(either):
    browser = either.browser()
    browser.jar["pyoidc"] = "a|b|c|d"

    assert outcome(browser.authorize) == ("Error" if either.is_stock else 303)


@pytest.mark.spec("CO-11")
@pytest.mark.parametrize("changes", [{"display": "wall"}, {"prompt": "whatever"}, {"claims": "{"}, {"max_age": "soon"}], ids=str)
def test_3_25_a_bad_value_is_told_to_the_rp_and_not_to_the_person(either, changes):
    found = outcome(lambda: signed_in(either).authorize(**changes))

    assert (found == 303) is not either.is_stock
