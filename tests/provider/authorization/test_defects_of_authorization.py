"""What pyoidc answers to an authorization request, as it comes, hardened, and with everything; and what discovery says of it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from oic.oauth2.provider import Provider as PlainProvider
from oic.oic.message import AuthorizationRequest
from oic.utils.authn.authn_context import AuthnBroker

from oic_session_ext.crypto import jose
from oic_session_ext.provider.request.responses import RawResponse
from tests.provider.conftest import ACR, CLIENT_RSA_KEY, ISSUER, REDIRECT_URIS, Answer, LoginPage, Op, request_of
from tests.provider.shown_on_both import code_of, hint_claims, outcome, signed_in, unsigned

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.defect("3.5")
@pytest.mark.spec("CO-03")
def test_a_hint_of_the_user_signed_in(either: Op) -> None:
    browser = signed_in(either)
    hint = either.redeem(browser.authorize().in_query["code"]).json["id_token"]

    found = outcome(lambda: browser.renew(id_token_hint=hint))

    assert found == ("AttributeError" if either.is_stock else 303)


@pytest.mark.defect("3.5b")
@pytest.mark.spec("CO-03")
def test_a_hint_of_somebody_of_whom_nothing_is_known_any_more(either: Op) -> None:
    browser = signed_in(either, "bob")
    if either.is_stock:  # the endpoint does not come so far: see the test before
        areq = AuthorizationRequest(**request_of())
        given = either.provider.do_auth(areq, areq["redirect_uri"], {}, areq, browser.cookie, req_user="the sub of nobody")
        assert given["user"] == "bob"
    else:
        assert browser.renew(id_token_hint=either.id_token(sub="nobody")).in_query["error"] == "login_required"


@pytest.mark.defect("3.6")
@pytest.mark.spec("CO-03")
def test_a_hint_signs_nobody_in(either: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    either.clock.now = int(time.time())
    code = code_of(either)
    sub = jose.read_unverified(either.redeem(code).json["id_token"]).claims["sub"]
    # what pyoidc's endpoint means to call; the name that it calls is misspelt
    monkeypatch.setattr(either.provider.sdb, "get__by_sub", either.provider.sdb.get_by_sub, raising=False)

    answer = either.browser().renew(id_token_hint=unsigned(hint_claims(either, sub)))

    assert ("code" in answer.in_query) is either.is_stock


@pytest.mark.defect("3.7")
@pytest.mark.spec("CO-01", "CO-11")
def test_login_required_without_state(either: Op) -> None:
    answer = either.browser().renew()

    assert answer.in_query["error"] == "login_required"
    assert ("state" in answer.in_query) is not either.is_stock


@pytest.mark.defect("3.8")
@pytest.mark.spec("CO-08")
def test_max_age_0(either: Op) -> None:
    browser = signed_in(either)
    browser.authorize()
    either.clock.advance(5)

    assert ("code" in browser.authorize(max_age=0).in_query) is either.is_stock


@pytest.mark.defect("3.8")
@pytest.mark.spec("CO-08")
@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": 10}], ids=["prompt", "max_age"])
def test_an_rp_that_says_the_user_has_answered(either: Op, changes: dict[str, Any]) -> None:
    browser = signed_in(either)
    browser.authorize()
    either.clock.advance(3600)

    assert ("code" in browser.authorize(upm_answer="true", **changes).in_query) is either.is_stock


@pytest.mark.defect("3.9")
def test_select_account_is_not_passed_over(either: Op) -> None:
    browser = signed_in(either)
    browser.authorize()

    assert ("code" in browser.authorize(prompt="select_account").in_query) is either.is_stock


@pytest.mark.defect("3.9")
@pytest.mark.spec("CO-06")
def test_an_op_may_ask_for_consent(either: Op) -> None:
    asks = RawResponse(b"may they?", 200, [("Content-Type", "text/plain")])
    if not either.is_stock:  # pyoidc has no such decision
        either.ext.policy.consent_response = lambda *_: asks

    answer = signed_in(either).authorize(prompt="consent")

    assert (answer.body == "may they?") is not either.is_stock


@pytest.mark.defect("3.10")
@pytest.mark.spec("CO-09")
def test_the_login_page_is_told_whom_the_rp_expects(either: Op) -> None:
    told = {}

    class Page(LoginPage):
        def __call__(self, **asked: Any) -> Any:  # type: ignore[override]  # whatever pyoidc hands over
            told.update(asked)
            return super().__call__()

    broker = AuthnBroker()
    broker.add(ACR, Page(), 10, ISSUER)
    either.provider.authn_broker = broker

    either.browser().authorize(login_hint="alice@example.com", ui_locales="de")

    assert told["ui_locales"] == ["de"]
    assert told.get("login_hint") == (None if either.is_stock else "alice@example.com")


@pytest.mark.defect("3.11")
def test_a_request_object_that_nobody_signed(either: Op) -> None:
    request = unsigned(
        {"state": "smuggled", "redirect_uri": REDIRECT_URIS["basic"], "client_id": "basic", "response_type": "code", "scope": "openid"}
    )

    answer = signed_in(either).authorize(request=request, state=None)

    assert (answer.in_query.get("state") == "smuggled") is either.is_stock


@pytest.mark.defect("3.11")
def test_a_request_object_signed_by_somebody_else(either: Op) -> None:
    claims = request_of(state="smuggled") | {"iss": "basic", "aud": ISSUER}
    request = jose.sign(claims, CLIENT_RSA_KEY, "RS256")

    answer = signed_in(either).authorize(request=request, state=None)

    assert (answer.in_query.get("state") == "smuggled") is either.is_stock


@pytest.mark.defect("3.12")
def test_a_request_uri_is_not_fetched(either: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    monkeypatch.setattr(either.provider.server, "http_request", lambda url, *_, **__: fetched.append(url))

    outcome(lambda: signed_in(either).authorize(request_uri="http://169.254.169.254/latest"))

    assert bool(fetched) is either.is_stock


@pytest.mark.defect("3.17")
@pytest.mark.spec("CO-11")
@pytest.mark.parametrize(
    ("client_id", "redirect_uri"),
    [("basic", "https://basic.example.com/c%62"), ("post", "https://post.example.com/cb?foo=bar")],
    ids=["encoded", "less query"],
)
def test_a_redirect_uri_that_is_nearly_registered(either: Op, client_id: str, redirect_uri: str) -> None:
    answer = signed_in(either).authorize(client_id, redirect_uri=redirect_uri)

    assert (answer.header("Location") is not None) is either.is_stock


@pytest.mark.defect("3.20")
def test_what_discovery_offers(either: Op) -> None:
    metadata = Answer.of(either.provider.providerinfo_endpoint()).json

    assert ("none" in metadata["id_token_signing_alg_values_supported"]) is either.is_stock
    assert ("RSA1_5" in metadata["userinfo_encryption_alg_values_supported"]) is either.is_stock
    assert (metadata.get("version") == "3.0") is either.is_stock
    assert ("jwks_uri" in metadata) is not either.is_stock


@pytest.mark.defect("3.25")
@pytest.mark.spec("CO-11")
@pytest.mark.parametrize("changes", [{"display": "wall"}, {"prompt": "whatever"}, {"claims": "{"}, {"max_age": "soon"}], ids=str)
def test_a_bad_value_is_told_to_the_rp_and_not_to_the_person(either: Op, changes: dict[str, Any]) -> None:
    found = outcome(lambda: signed_in(either).authorize(**changes))

    assert (found == 303) is not either.is_stock


@pytest.fixture
def endpoints_before() -> list[Any]:
    """The endpoints of a plain OAuth 2.0 provider, before another one is made."""
    return list(PlainProvider.endp)


@pytest.mark.defect("2.31")
def test_an_op_adds_no_endpoint_to_every_other_one(endpoints_before: list[Any], either: Op) -> None:
    assert (endpoints_before != PlainProvider.endp) is either.is_stock
