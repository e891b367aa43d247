"""The plans basic, implicit and hybrid, and their form_post twins: each module with each response type that it is for."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from oic_session_ext.server.config.yaml_document import read_yaml
from tests.certification.op_process import OpProcess
from tests.certification.relying_party import (
    Login,
    RelyingParty,
    check_error_page,
    check_token_error,
    check_token_response,
    client_metadata,
    register,
)
from tests.certification.suite import Suite
from tests.certification.user_agent import UserAgent
from tests.flows.machines.running_op import ROOT

RESPONSE_TYPES = ("code", "id_token", "id_token token", "code id_token", "code token", "code id_token token")
VARIANTS = [
    *((response_type, "default") for response_type in RESPONSE_TYPES),
    *(
        (response_type, "form_post") for response_type in ("code", "id_token", "code id_token token")
    ),  # one of each plan; all in a browser elsewhere
]
NEEDS_A_USER = {"login_required", "interaction_required", "account_selection_required", "consent_required"}
CLAIMS_OF_SCOPE = {
    "profile": {
        "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "gender",
        "birthdate", "zoneinfo", "locale", "updated_at",
    },
    "email": {"email", "email_verified"},
    "address": {"address"},
    "phone": {"phone_number", "phone_number_verified"},
}  # fmt: skip


def _is_for(*parts: str) -> Callable[[tuple[str, str]], bool]:
    return lambda variant: bool(set(parts) & set(variant[0].split()))


def _fixture_of(chosen: Callable[[tuple[str, str]], bool]) -> Any:
    variants = list(filter(chosen, VARIANTS))

    @pytest.fixture(params=variants, ids=lambda variant: f"{variant[0].replace(' ', '+')}-{variant[1]}")
    def fixture(request: pytest.FixtureRequest, shared_rp: Callable[..., RelyingParty]) -> RelyingParty:
        response_type, response_mode = request.param
        return shared_rp(response_type, response_mode=response_mode)

    return fixture


rp = _fixture_of(lambda _: True)
rp_with_code = _fixture_of(_is_for("code"))
rp_with_access_token = _fixture_of(_is_for("code", "token"))
rp_with_id_token_in_front = _fixture_of(_is_for("id_token"))
rp_without_id_token_in_front = _fixture_of(lambda variant: not _is_for("id_token")(variant))


@pytest.fixture(scope="module")
def alice() -> dict[str, Any]:
    """What the OP knows of alice."""
    users = read_yaml((ROOT / "conf" / "certification.yaml").read_bytes()).value["users"]
    return next(dict(user["claims"]) for user in users if user["username"] == "alice")


@pytest.mark.module("oidcc-server")
def test_a_login_goes_well_in_every_detail(rp: RelyingParty, agent: UserAgent) -> None:
    login = rp.log_in(agent)

    assert rp.of_the_user(login.claims) == set()  # none of them was asked for
    assert login.userinfo in (None, {"sub": login.claims["sub"]})
    if "code" in rp.parts:
        code = login.response["code"]
        assert len(code) >= 22
        assert _entropy_bits(code) >= 96


@pytest.mark.module("oidcc-response-type-missing")
def test_a_request_without_a_response_type_is_told_to_the_rp(rp: RelyingParty, agent: UserAgent) -> None:
    answer = agent.authorize(rp.url(response_type=None))

    assert rp.error_in(answer, "form" if rp.place == "form" else "query") in {"invalid_request", "unsupported_response_type"}


@pytest.mark.module("oidcc-idtoken-signature")
def test_an_id_token_names_the_published_key_that_has_signed_it(rp: RelyingParty, agent: UserAgent) -> None:
    header, _ = rp.decode(rp.log_in(agent).id_token)

    assert header["alg"] == "RS256"
    assert rp.op_key(header["kid"]).as_dict()["use"] == "sig"


@pytest.mark.module("oidcc-idtoken-unsigned")
def test_nobody_can_register_for_unsigned_id_tokens_nor_does_discovery_offer_them(
    op: OpProcess, suite: Suite, discovery: dict[str, Any]
) -> None:
    refusal = register(op, discovery, client_metadata(suite, "code", "client_secret_basic") | {"id_token_signed_response_alg": "none"})

    assert "none" not in discovery["id_token_signing_alg_values_supported"]
    assert (refusal.status, refusal.json["error"]) == (400, "invalid_client_metadata")


@pytest.mark.module("oidcc-userinfo-get")
def test_userinfo_takes_the_token_in_the_header_of_a_get(rp_with_access_token: RelyingParty, agent: UserAgent) -> None:
    login = rp_with_access_token.log_in(agent)

    assert login.userinfo == {"sub": login.claims["sub"]}


@pytest.mark.module("oidcc-userinfo-post-header")
def test_userinfo_takes_the_token_in_the_header_of_a_post(rp_with_access_token: RelyingParty, agent: UserAgent) -> None:
    rp = rp_with_access_token
    login = rp.log_in(agent)
    answer = rp.call("POST", rp.discovery["userinfo_endpoint"], headers={"Authorization": f"Bearer {login.access_token}"})

    assert (answer.status, answer.header("Content-Type"), answer.json) == (200, "application/json", login.userinfo)


@pytest.mark.module("oidcc-userinfo-post-body")
def test_userinfo_takes_the_token_in_the_body_of_a_post(rp_with_access_token: RelyingParty, agent: UserAgent) -> None:
    rp = rp_with_access_token
    login = rp.log_in(agent)
    answer = rp.call("POST", rp.discovery["userinfo_endpoint"], urlencode({"access_token": login.access_token}))

    assert (answer.status, answer.header("Content-Type"), answer.json) == (200, "application/json", login.userinfo)


@pytest.mark.module("oidcc-ensure-request-without-nonce-succeeds-for-code-flow")
def test_without_an_id_token_in_front_no_nonce_is_needed(rp_without_id_token_in_front: RelyingParty, agent: UserAgent) -> None:
    login = rp_without_id_token_in_front.log_in(agent, nonce=None)

    assert "nonce" not in login.claims


@pytest.mark.module("oidcc-ensure-request-without-nonce-fails")
def test_an_id_token_in_front_needs_a_nonce(rp_with_id_token_in_front: RelyingParty, agent: UserAgent) -> None:
    rp = rp_with_id_token_in_front

    assert rp.error_in(agent.authorize(rp.url(nonce=None))) == "invalid_request"
    assert not agent.pages


def check_claims(rp: RelyingParty, login: Login, alice: dict[str, Any], names: set[str]) -> None:
    """Claims asked for by scope: all of them, with the user's values, where there is no access token in the ID Token, else at userinfo."""
    told = login.claims if login.userinfo is None else login.userinfo
    assert rp.of_the_user(told) == names
    assert {name: told[name] for name in names} == {name: alice[name] for name in names}
    if login.userinfo is not None:
        assert rp.of_the_user(login.claims) == set()


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param("profile", marks=pytest.mark.module("oidcc-scope-profile")),
        pytest.param("email", marks=pytest.mark.module("oidcc-scope-email")),
        pytest.param("address", marks=pytest.mark.module("oidcc-scope-address")),
        pytest.param("phone", marks=pytest.mark.module("oidcc-scope-phone")),
    ],
)
def test_a_scope_tells_its_claims_and_no_others(rp: RelyingParty, agent: UserAgent, alice: dict[str, Any], scope: str) -> None:
    check_claims(rp, rp.log_in(agent, scope=f"openid {scope}"), alice, CLAIMS_OF_SCOPE[scope])


@pytest.mark.module("oidcc-scope-all")
def test_all_scopes_together_tell_all_claims(rp: RelyingParty, agent: UserAgent, alice: dict[str, Any]) -> None:
    login = rp.log_in(agent, scope=" ".join(["openid", *CLAIMS_OF_SCOPE]))

    check_claims(rp, login, alice, set(alice))


@pytest.mark.module("oidcc-alternate-happy-flow")
def test_neither_the_order_of_scopes_nor_of_parameters_matters(rp: RelyingParty, agent: UserAgent, alice: dict[str, Any]) -> None:
    url = rp.url(scope="email openid")
    backwards = urlencode(list(reversed(rp.requested.items())))
    login = rp.receive(agent.authorize(f"{url.partition('?')[0]}?{backwards}"))

    check_claims(rp, login, alice, CLAIMS_OF_SCOPE["email"])


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"display": "page"}, marks=pytest.mark.module("oidcc-display-page")),
        pytest.param({"display": "popup"}, marks=pytest.mark.module("oidcc-display-popup")),
        pytest.param({"extra": "foobar"}, marks=pytest.mark.module("oidcc-ensure-request-with-unknown-parameter-succeeds")),
        pytest.param({"ui_locales": "se"}, marks=pytest.mark.module("oidcc-ui-locales")),
        pytest.param({"claims_locales": "se"}, marks=pytest.mark.module("oidcc-claims-locales")),
    ],
    ids=lambda changes: next(iter(changes)) if isinstance(changes, dict) else None,
)
def test_a_parameter_that_changes_nothing_fails_nothing(rp: RelyingParty, agent: UserAgent, changes: dict[str, str]) -> None:
    login = rp.log_in(agent, **changes)

    assert agent.has_been_asked_to_sign_in
    assert rp.of_the_user(login.claims) == set()


@pytest.mark.module("oidcc-login-hint")
def test_a_login_hint_stands_in_the_login_page(rp: RelyingParty, agent: UserAgent) -> None:
    rp.log_in(agent, login_hint="alice")

    assert agent.pages[0].form.fields["username"] == "alice"


@pytest.mark.module("oidcc-ensure-request-with-acr-values-succeeds")
def test_one_of_the_acr_values_that_discovery_names_comes_back(rp: RelyingParty, agent: UserAgent) -> None:
    offered = rp.discovery["acr_values_supported"]
    login = rp.log_in(agent, acr_values=" ".join(offered))

    assert login.claims["acr"] in offered


@pytest.mark.module("oidcc-ensure-request-with-acr-values-succeeds")
def test_acr_values_that_no_login_has_fail_nothing(rp: RelyingParty, agent: UserAgent) -> None:
    rp.log_in(agent, acr_values="1 2")


@pytest.mark.module("oidcc-prompt-login")
def test_prompt_login_asks_again_and_tells_a_later_auth_time(rp: RelyingParty, agent: UserAgent, op: OpProcess) -> None:
    first = rp.log_in(agent)
    op.let_time_pass(1)
    second = rp.log_in(agent, prompt="login")

    assert agent.has_been_asked_to_sign_in
    assert second.claims["auth_time"] > first.claims["auth_time"]
    assert second.claims["sub"] == first.claims["sub"]


@pytest.mark.module("oidcc-prompt-none-not-logged-in")
def test_prompt_none_without_a_login_is_an_error_without_a_page(rp: RelyingParty, agent: UserAgent) -> None:
    answer = agent.open(rp.url(prompt="none"))

    assert rp.error_in(answer) in NEEDS_A_USER


def check_same_login(first: Login, second: Login, agent: UserAgent) -> None:
    """The second request was answered by the first's login, without a page."""
    assert not agent.pages
    assert {name: first.claims[name] for name in ("sub", "auth_time", "sid")} == {
        name: second.claims[name] for name in ("sub", "auth_time", "sid")
    }


@pytest.mark.module("oidcc-prompt-none-logged-in")
def test_prompt_none_after_a_login_is_answered_by_it(rp: RelyingParty, agent: UserAgent, op: OpProcess) -> None:
    first = rp.log_in(agent)
    op.let_time_pass(1)

    check_same_login(first, rp.log_in(agent, prompt="none"), agent)


@pytest.mark.module("oidcc-id-token-hint")
def test_prompt_none_with_a_hint_is_answered_for_its_user(rp: RelyingParty, agent: UserAgent) -> None:
    first = rp.log_in(agent)

    check_same_login(first, rp.log_in(agent, prompt="none", id_token_hint=first.id_token), agent)


@pytest.mark.module("oidcc-id-token-hint")
def test_prompt_none_with_the_hint_of_another_user_is_not_answered_for_whoever_is_there(
    rp: RelyingParty, agent: UserAgent, op: OpProcess
) -> None:
    of_bob = rp.log_in(UserAgent(op), user="bob").id_token
    rp.log_in(agent)

    assert rp.error_in(agent.open(rp.url(prompt="none", id_token_hint=of_bob))) in NEEDS_A_USER


@pytest.mark.module("oidcc-max-age-1")
def test_a_login_that_is_older_than_max_age_is_asked_for_again(rp: RelyingParty, agent: UserAgent, op: OpProcess) -> None:
    first = rp.log_in(agent)
    op.let_time_pass(2)
    second = rp.log_in(agent, max_age="1")

    assert agent.has_been_asked_to_sign_in
    assert second.claims["auth_time"] > first.claims["auth_time"]
    assert op.now() - second.claims["auth_time"] < 60
    assert second.claims["sub"] == first.claims["sub"]


@pytest.mark.module("oidcc-max-age-10000")
def test_a_login_that_is_younger_than_max_age_is_good_and_its_time_is_told(rp: RelyingParty, agent: UserAgent) -> None:
    first = rp.log_in(agent, max_age="15000")

    check_same_login(first, rp.log_in(agent, max_age="10000"), agent)


@pytest.mark.module("oidcc-codereuse")
def test_a_code_that_comes_again_at_once_is_refused(rp_with_code: RelyingParty, agent: UserAgent) -> None:
    login = rp_with_code.log_in(agent)

    check_token_error(rp_with_code.redeem(login.response["code"]), "invalid_grant")


@pytest.mark.module("oidcc-codereuse-30seconds")
def test_a_code_that_comes_again_later_is_refused_and_takes_its_tokens_with_it(
    rp_with_code: RelyingParty, agent: UserAgent, op: OpProcess
) -> None:
    rp = rp_with_code
    login = rp.log_in(agent)
    op.let_time_pass(30)

    check_token_error(rp.redeem(login.response["code"]), "invalid_grant")
    for access_token in filter(None, (login.tokens["access_token"], login.response.get("access_token"))):
        answer = rp.call("GET", rp.discovery["userinfo_endpoint"], headers={"Authorization": f"Bearer {access_token}"})
        assert answer.status == 401
        assert 'error="invalid_token"' in (answer.header("WWW-Authenticate") or "")


@pytest.mark.module("oidcc-ensure-registered-redirect-uri")
def test_a_redirect_uri_that_is_not_registered_is_shown_as_an_error_to_the_user(rp: RelyingParty, agent: UserAgent) -> None:
    check_error_page(agent.authorize(rp.url(redirect_uri=f"{rp.redirect_uri}/{secrets.token_urlsafe(8)}")), "invalid_redirect_uri")


@pytest.mark.module("oidcc-ensure-post-request-succeeds")
def test_an_authorization_request_may_be_posted_by_the_rps_own_page(rp: RelyingParty, agent: UserAgent) -> None:
    form = rp.request()
    rp.requested = form
    posted = agent.post("/authorization", form, {"Origin": rp.suite.origin, "Sec-Fetch-Site": "cross-site"})
    login_page = agent.follow(posted)
    answer = agent.answer_questions(login_page)

    rp.receive(answer)
    assert agent.has_been_asked_to_sign_in


@pytest.mark.module("oidcc-server-client-secret-post")
@pytest.mark.parametrize("response_type", [one for one in RESPONSE_TYPES if "code" in one])
def test_a_client_may_prove_itself_by_its_secret_in_the_form(
    shared_rp: Callable[..., RelyingParty], agent: UserAgent, response_type: str
) -> None:
    shared_rp(response_type, auth_method="client_secret_post").log_in(agent)


@pytest.mark.module("oidcc-claims-essential")
def test_a_claim_that_is_asked_for_by_its_name_is_told_where_it_was_asked_for(
    rp: RelyingParty, agent: UserAgent, alice: dict[str, Any]
) -> None:
    place = "id_token" if rp.response_type == "id_token" else "userinfo"
    login = rp.log_in(agent, claims=json.dumps({place: {"name": {"essential": True}}}))

    check_claims(rp, login, alice, {"name"})


@pytest.mark.module("oidcc-ensure-request-with-valid-pkce-succeeds")
def test_a_code_with_a_challenge_is_good_with_its_verifier_alone(rp_with_code: RelyingParty, agent: UserAgent) -> None:
    rp = rp_with_code
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()

    def code() -> str:
        return rp.response_in(agent.authorize(rp.url(code_challenge=challenge, code_challenge_method="S256")))["code"]

    check_token_response(rp.redeem(code(), code_verifier=verifier))
    check_token_error(rp.redeem(code()), "invalid_grant")
    check_token_error(rp.redeem(code(), code_verifier=verifier[::-1]), "invalid_grant")


@pytest.fixture(scope="module")
def refreshing_rps(op: OpProcess, suite: Suite) -> dict[str, tuple[RelyingParty, RelyingParty]]:
    return {
        response_type: (
            _refreshing(op, suite, response_type, "callback"),
            _refreshing(op, suite, response_type, "callback?dummy1=lorem&dummy2=ipsum"),  # as the suite's second client has it
        )
        for response_type in RESPONSE_TYPES
        if "code" in response_type
    }


def _refreshing(op: OpProcess, suite: Suite, response_type: str, redirect_uri: str) -> RelyingParty:
    grants = ["authorization_code", "refresh_token", *(["implicit"] if response_type != "code" else [])]
    return RelyingParty.register(op, suite, response_type, grant_types=grants, redirect_uris=[suite.url(redirect_uri)])


@pytest.mark.module("oidcc-refresh-token")
@pytest.mark.parametrize("response_type", [one for one in RESPONSE_TYPES if "code" in one])
def test_a_refresh_token_gives_new_tokens_of_the_same_login_to_its_client_alone(
    refreshing_rps: dict[str, tuple[RelyingParty, RelyingParty]], agent: UserAgent, op: OpProcess, response_type: str
) -> None:
    rp, other = refreshing_rps[response_type]
    first = rp.log_in(agent, scope="openid offline_access", prompt="consent")
    op.let_time_pass(1)
    tokens = check_token_response(rp.refresh(first.tokens["refresh_token"], scope="openid offline_access"))
    claims = rp.decode(tokens["id_token"])[1]

    same = ("iss", "sub", "aud", "auth_time", "sid", "acr")
    assert {name: claims[name] for name in same} == {name: first.claims[name] for name in same}
    assert claims["iat"] > first.claims["iat"]
    assert claims.get("nonce", rp.requested["nonce"]) == rp.requested["nonce"]
    assert tokens["access_token"] != first.tokens["access_token"]
    assert all("!" <= char <= "~" for char in tokens["refresh_token"])
    assert rp.userinfo(tokens["access_token"])["sub"] == claims["sub"]

    of_other = other.log_in(agent, scope="openid offline_access", prompt="consent")
    check_token_error(rp.refresh(of_other.tokens["refresh_token"], scope="openid offline_access"), "invalid_grant")
    check_token_response(other.refresh(of_other.tokens["refresh_token"]))


def _entropy_bits(text: str) -> float:
    """Shannon's, as the suite reckons it."""
    counts = Counter(text).values()
    return -sum(count * math.log2(count / len(text)) for count in counts)
