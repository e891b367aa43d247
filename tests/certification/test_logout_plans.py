"""The plans of RP-initiated and back-channel logout, and of logins that begin elsewhere."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from oic_session_ext.crypto.jose import read_unverified
from tests.certification.op_process import OpProcess
from tests.certification.relying_party import CLIENT_KEY, Login, RelyingParty, client_metadata, register
from tests.certification.suite import Suite
from tests.certification.user_agent import UserAgent
from tests.wsgi_browser import Answer

NEEDS_A_USER = {"login_required", "interaction_required", "account_selection_required", "consent_required"}
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
STATE = "".join(chr(code) for code in range(0x20, 0x7F)) + "s" * 33
"""128 characters, every one that a `state` may have (RFC 6749, A.5)."""


@pytest.fixture(scope="module")
def rp(op: OpProcess, suite: Suite) -> RelyingParty:
    """The client of the RP-initiated plan."""
    return RelyingParty.register(op, suite, post_logout_redirect_uris=[suite.url("post_logout_redirect")])


class Leaving:
    """A user who is signed in at the client, and the client's requests to sign them out."""

    def __init__(self, rp: RelyingParty, agent: UserAgent) -> None:
        self.rp = rp
        self.agent = agent
        self.login: Login = rp.log_in(agent)

    def ask(self, *, method: str = "GET", **changes: str | None) -> Answer:
        """Send a logout request; None leaves a parameter out."""
        given = {
            "id_token_hint": self.login.id_token,
            "post_logout_redirect_uri": self.rp.suite.url("post_logout_redirect"),
            "state": STATE,
        } | changes
        query = urlencode({name: value for name, value in given.items() if value is not None})
        url = self.rp.discovery["end_session_endpoint"]
        if method == "GET":
            return self.agent.open(f"{url}?{query}")
        headers = {"Origin": self.rp.suite.origin, "Sec-Fetch-Site": "cross-site"}
        return self.agent.follow(self.agent.post(urlsplit(url).path, query, headers))

    def say_yes(self, page: Answer) -> Answer:
        return self.agent.follow(self.agent.submit(page, "logout"))

    @property
    def is_over(self) -> bool:
        """Whether the OP says that nobody is signed in, to a silent request."""
        answer = self.agent.open(self.rp.url(prompt="none"))
        if "code" in answer.query:
            self.rp.receive(answer)
            return False
        assert self.rp.error_in(answer) in NEEDS_A_USER
        return True

    def returns(self, answer: Answer, state: str | None) -> bool:
        """Whether an answer leads back to the client with nothing but the `state`."""
        target = urlsplit(answer.location)
        expected = [] if state is None else [("state", state)]
        return (
            answer.status in (302, 303)
            and target._replace(query="").geturl() == self.rp.suite.url("post_logout_redirect")
            and parse_qsl(target.query, keep_blank_values=True) == expected
        )


@pytest.fixture
def leaving(rp: RelyingParty, agent: UserAgent) -> Leaving:
    return Leaving(rp, agent)


def is_question(answer: Answer) -> bool:
    """Whether the OP asks the user to confirm the logout."""
    return answer.status == 200 and answer.is_page() and "logout" in answer.form.buttons


def is_shown(answer: Answer) -> bool:
    """Whether an answer is a page of the OP's, with which the browser stays there."""
    return answer.is_page() and not answer.location and "http-equiv" not in answer.text


@pytest.mark.module("oidcc-rp-initiated-logout")
@pytest.mark.spec("RI-01", "RI-33", "RI-46", "RI-47")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_logout_leads_back_with_the_state_as_it_was(leaving: Leaving, method: str) -> None:
    assert leaving.returns(leaving.ask(method=method), STATE)
    assert leaving.is_over


@pytest.mark.module("oidcc-rp-initiated-logout-no-state")
@pytest.mark.spec("RI-46")
def test_a_logout_without_state_leads_back_without_any(leaving: Leaving) -> None:
    assert leaving.returns(leaving.ask(state=None), None)
    assert leaving.is_over


@pytest.mark.module("oidcc-rp-initiated-logout-no-post-logout-redirect-uri")
@pytest.mark.spec("RI-42", "RI-49")
def test_a_logout_that_names_no_way_back_ends_at_the_op(leaving: Leaving) -> None:
    answer = leaving.ask(post_logout_redirect_uri=None)

    assert is_shown(answer)
    assert answer.status == 200
    assert leaving.is_over


@pytest.mark.parametrize(
    "left",
    [
        pytest.param({"state": None}, marks=pytest.mark.module("oidcc-rp-initiated-logout-no-params")),
        pytest.param({}, marks=pytest.mark.module("oidcc-rp-initiated-logout-only-state")),
    ],
    ids=["no_parameters", "only_state"],
)
@pytest.mark.spec("RI-04", "RI-31", "RI-33", "RI-49")
def test_a_logout_that_says_nothing_is_carried_out_when_the_user_says_so(leaving: Leaving, left: dict[str, Any]) -> None:
    question = leaving.ask(id_token_hint=None, post_logout_redirect_uri=None, **left)

    assert is_question(question)
    assert not leaving.is_over
    answer = leaving.say_yes(question)
    assert is_shown(answer)
    assert answer.status == 200
    assert leaving.is_over


@pytest.mark.module("oidcc-rp-initiated-logout-no-id-token-hint")
@pytest.mark.spec("RI-31", "RI-44")
def test_without_a_hint_the_user_is_asked_and_nothing_leads_back(leaving: Leaving) -> None:
    question = leaving.ask(id_token_hint=None)

    assert is_question(question)
    assert not leaving.is_over
    assert is_shown(leaving.say_yes(question))
    assert leaving.is_over


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("post_logout_redirect{random}", marks=pytest.mark.module("oidcc-rp-initiated-logout-bad-post-logout-redirect-uri")),
        pytest.param("callback", marks=pytest.mark.module("oidcc-rp-initiated-logout-bad-post-logout-redirect-uri")),
        pytest.param(
            "post_logout_redirect?foo=bar", marks=pytest.mark.module("oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri")
        ),
    ],
)
@pytest.mark.spec("RI-43", "RI-45")
def test_nothing_leads_to_a_uri_that_is_not_registered(leaving: Leaving, uri: str) -> None:
    answer = leaving.ask(post_logout_redirect_uri=leaving.rp.suite.url(uri.format(random=secrets.token_hex(8))))

    assert is_shown(answer)
    assert not leaving.is_over


def modified(token: str) -> str:
    """The token with another user in it and the signature that it had."""
    header, _, signature = token.split(".")
    claims = jwt.encode({"alg": "RS256"}, {"sub": "somebody else"}, CLIENT_KEY).split(".")[1]
    return f"{header}.{claims}.{signature}"


def signed_by_another(token: str) -> str:
    """The token's claims under a key of somebody else."""
    return jwt.encode({"alg": "RS256", "kid": "other"}, dict(read_unverified(token).claims), RSAKey.generate_key(2048))


def unsigned(token: str) -> str:
    """The token's claims with `alg: none` and no signature."""
    header = base64.urlsafe_b64encode(b'{"alg": "none"}').rstrip(b"=").decode()
    return f"{header}.{token.split('.')[1]}."


def issued_by_the_client(token: str) -> str:
    """A token that the client has made for the OP with its own key, which the OP knows."""
    claims = read_unverified(token).claims
    times = {name: claims[name] for name in ("iat", "exp")}
    return jwt.encode({"alg": "RS256"}, {"iss": claims["aud"], "aud": claims["iss"], "sub": "SubjectID", **times}, CLIENT_KEY)


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(unsigned, marks=pytest.mark.module("oidcc-rp-initiated-logout-modified-id-token-hint")),
        pytest.param(issued_by_the_client, marks=pytest.mark.module("oidcc-rp-initiated-logout-bad-id-token-hint")),
        pytest.param(modified, marks=pytest.mark.module("oidcc-rp-initiated-logout-modified-id-token-hint")),
        pytest.param(lambda token: f"{token[:-8]}AAAAAAAA", marks=pytest.mark.module("oidcc-rp-initiated-logout-modified-id-token-hint")),
        pytest.param(signed_by_another, marks=pytest.mark.module("oidcc-rp-initiated-logout-bad-id-token-hint")),
        pytest.param(lambda _: "no token", marks=pytest.mark.module("oidcc-rp-initiated-logout-bad-id-token-hint")),
    ],
    ids=["unsigned", "issued_by_the_client", "other_claims", "other_signature", "other_key", "no_token"],
)
@pytest.mark.spec("RI-10", "RI-20", "RI-45")
def test_a_spoilt_hint_proves_nothing_and_leads_nowhere(leaving: Leaving, spoilt: Callable[[str], str]) -> None:
    answer = leaving.ask(id_token_hint=spoilt(leaving.login.id_token))

    assert is_shown(answer)
    assert not leaving.is_over
    if is_question(answer):
        assert is_shown(leaving.say_yes(answer))
        assert leaving.is_over


# -- back-channel --------------------------------------------------------------------------------------------------------


@pytest.mark.module("oidcc-backchannel-rp-initiated-logout")
@pytest.mark.spec("BC-02", "BC-03", "BC-05", "BC-07", "BC-08", "BC-10", "BC-12", "BC-30", "BC-31", "RI-40", "SID-08")
def test_a_logout_tells_the_rp_over_the_back_channel_and_leads_back(op: OpProcess, suite: Suite, agent: UserAgent) -> None:
    path = f"backchannel_logout_{secrets.token_hex(8)}"
    rp = RelyingParty.register(
        op,
        suite,
        post_logout_redirect_uris=[suite.url("post_logout_redirect")],
        backchannel_logout_uri=suite.url(path),
        backchannel_logout_session_required=True,
    )
    leaving = Leaving(rp, agent)
    answer = leaving.ask()
    visit = suite.visit_of(path)

    assert (visit.method, visit.query, visit.headers["Content-Type"]) == ("POST", "", "application/x-www-form-urlencoded")
    ((name, logout_token),) = visit.parameters
    assert name == "logout_token"
    header, claims = rp.decode(logout_token)
    check_logout_token(op, header, claims, leaving.login.claims)
    assert leaving.returns(way_back(answer), STATE)
    assert leaving.is_over


def check_logout_token(op: OpProcess, header: dict[str, Any], claims: dict[str, Any], id_token: dict[str, Any]) -> None:
    assert (header["typ"], header["alg"]) == ("logout+jwt", "RS256")
    assert claims.keys() == {"iss", "aud", "iat", "exp", "jti", "events", "sub", "sid"}
    assert {name: claims[name] for name in ("iss", "sub", "sid")} == {name: id_token[name] for name in ("iss", "sub", "sid")}
    assert claims["aud"] in (id_token["aud"], [id_token["aud"]])
    assert claims["events"] == {LOGOUT_EVENT: {}}
    assert op.now() - 60 <= claims["iat"] <= op.now() + 1
    assert claims["iat"] < claims["exp"] <= claims["iat"] + 120
    assert claims["jti"]


def way_back(page: Answer) -> Answer:
    """The redirect that a page of the OP's makes by itself, as an answer."""
    if page.location:
        return page
    target = page.text.partition('id="continue" href="')[2].partition('"')[0].replace("&amp;", "&")
    return Answer(303, [("Location", target)], b"")


# -- logins that begin elsewhere -----------------------------------------------------------------------------------------


@pytest.mark.module("oidcc-3rd_party-init-login")
def test_where_a_login_begins_is_registered_and_shown_by_the_configuration_endpoint(op: OpProcess, suite: Suite) -> None:
    rp = RelyingParty.register(op, suite, initiate_login_uri=suite.url("initiate_login"))
    authorization = {"Authorization": f"Bearer {rp.registered['registration_access_token']}"}
    answer = rp.call("GET", rp.registered["registration_client_uri"], headers=authorization)

    assert (answer.status, answer.header("Content-Type")) == (200, "application/json")
    assert answer.json == rp.registered
    assert answer.json["initiate_login_uri"] == suite.url("initiate_login")


@pytest.mark.module("oidcc-3rd_party-init-login-nohttps")
def test_a_login_does_not_begin_at_an_address_without_https(op: OpProcess, suite: Suite, discovery: dict[str, Any]) -> None:
    metadata = client_metadata(suite, "code", "client_secret_basic")
    answer = register(op, discovery, metadata | {"initiate_login_uri": suite.url("initiate_login").replace("https:", "http:")})

    assert (answer.status, answer.header("Content-Type")) == (400, "application/json")
    assert answer.json["error"] == "invalid_client_metadata"
