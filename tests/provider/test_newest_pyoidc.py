"""pyoidc 1.7.0 and its newest unreleased commit: the mixins work on both.

The newest commit is played by a double of all that its provider does otherwise: a custom class of authorization requests is honoured,
`parse_authorization_request` takes its arguments by name, and the end-session endpoint verifies a hint by the OP's name.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest
from oic.exception import IssuerMismatch
from oic.oauth2.message import SINGLE_OPTIONAL_STRING, MessageTuple
from oic.oic import Server
from oic.oic.message import AuthorizationRequest, OIDCMessageFactory
from oic.oic.provider import Provider as StockProvider
from oic.utils.sdb import create_session_db

from oic_session_ext.crypto import jose
from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.provider import HardeningMixin, SessionManagementMixin
from oic_session_ext.testing.fake_clock import FakeClock
from tests.provider.conftest import MakeOp

from .conftest import ISSUER, JWKS, PAGES, REDIRECT_URIS, Op, _parts, make_clients, make_key_jar

OUT = "https://basic.example.com/out"


class OwnRequest(AuthorizationRequest):
    """An authorization request with a parameter of the deployer's own."""

    c_param: ClassVar = {**AuthorizationRequest.c_param, "tenant": SINGLE_OPTIONAL_STRING}  # type: ignore[misc]  # as pyoidc does


class OwnMessages(OIDCMessageFactory):
    """The messages of an OP whose deployer reads authorization requests in their own way."""

    authorization_endpoint = MessageTuple(OwnRequest, OIDCMessageFactory.authorization_endpoint.response_cls)


class NewestProvider(StockProvider):
    """The newest commit's provider: its `end_session_endpoint` verifies a hint by the OP's name."""

    def end_session_endpoint(self, request: str = "", cookie: Any = None, **kwargs: Any) -> Any:
        released, self.baseurl = self.baseurl, self.name
        try:
            return super().end_session_endpoint(request, cookie, **kwargs)
        finally:
            self.baseurl = released


@pytest.fixture(params=["1.7.0", "newest"])
def base(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[StockProvider]:
    """pyoidc's provider: as it was released, or as it will be."""
    if request.param == "1.7.0":
        return StockProvider
    released = Server.parse_authorization_request

    def parse_authorization_request(
        self: Any, *, request: Any = None, url: Any = None, query: str | None = None, keys: Any = None
    ) -> OwnRequest:
        wanted = request or self.message_factory.get_request_type("authorization_endpoint")
        return released(self, wanted, url, query, keys)

    monkeypatch.setattr(Server, "parse_authorization_request", parse_authorization_request)
    return NewestProvider


@pytest.fixture(params=["everything", "session management alone"])
def op_on(request: pytest.FixtureRequest, base: Any, make_op: MakeOp) -> Op:
    """An OP of ours on that provider."""
    mixins = (SessionManagementMixin, HardeningMixin) if request.param == "everything" else (SessionManagementMixin,)
    return make_op(provider=type("OurProvider", (*mixins, base), {}))


def hardened_on(base: Any, clock: FakeClock) -> Op:
    cdb, *rest = _parts(make_clients())
    provider = type("HardenedProvider", (HardeningMixin, base), {})(
        ISSUER,
        create_session_db(ISSUER, "secret", "p" * 32),
        cdb,
        *rest,
        keyjar=make_key_jar(),
        baseurl=ISSUER,
        secrets=SecretRing([b"s" * 32]),
        clock=clock,
        pages=PAGES,
    )
    return Op(provider, clock)


def stock_on(base: Any, baseurl: str, **kwargs: Any) -> Any:
    cdb, *rest = _parts(make_clients())
    return base(ISSUER, create_session_db(ISSUER, "secret", "p" * 32), cdb, *rest, keyjar=make_key_jar(), baseurl=baseurl, **kwargs)


def test_the_double_differs_from_the_release_as_the_newest_commit_does(base: Any, clock: FakeClock) -> None:
    is_newest = base is NewestProvider
    provider = stock_on(base, f"{ISSUER}/", message_factory=OwnMessages)
    claims = {"iss": ISSUER, "sub": "nobody", "aud": ["basic"], "iat": clock(), "exp": clock() + 60}
    hint = jose.sign(claims, jose.import_key(JWKS["keys"][0]), "RS256")

    parsed = provider.server.parse_authorization_request(query="client_id=basic&response_type=code&scope=openid&redirect_uri=x")
    assert isinstance(parsed, OwnRequest) == is_newest
    with nullcontext() if is_newest else pytest.raises(IssuerMismatch):
        provider.end_session_endpoint(urlencode({"id_token_hint": hint}))


def test_a_user_signs_in_renews_and_signs_out(op_on: Op) -> None:
    browser = op_on.browser()
    tokens = browser.sign_in()

    assert op_on.userinfo(tokens["access_token"]).status == 200
    assert browser.is_signed_in()
    assert browser.end_session(id_token_hint=tokens["id_token"], post_logout_redirect_uri=OUT, state="s").location == f"{OUT}?state=s"
    assert not browser.is_signed_in()
    assert op_on.userinfo(tokens["access_token"]).status == 401


@pytest.mark.spec("RI-10")
def test_a_hint_is_known_by_the_issuer_whatever_address_the_op_has(base: Any, make_op: MakeOp) -> None:
    class ElsewhereProvider(SessionManagementMixin, HardeningMixin, base):  # type: ignore[misc]  # a class that a fixture chooses
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "baseurl": f"{ISSUER}/"})

    op = make_op(provider=ElsewhereProvider)
    browser = op.browser()
    hint = browser.sign_in()["id_token"]

    assert "code" in browser.renew(id_token_hint=hint).in_query
    assert browser.end_session(id_token_hint=hint, post_logout_redirect_uri=OUT).location == OUT


@pytest.mark.parametrize(
    "changes", [{"id_token_hint": "eyJhbGciOiJub25lIn0.e30."}, {"request_uri": "https://evil.example/r"}, {"request": "x"}]
)
def test_what_cannot_be_verified_is_an_error_for_the_application(
    base: Any, make_op: MakeOp, clock: FakeClock, changes: dict[str, Any]
) -> None:
    for op in (make_op(provider=type("OurProvider", (SessionManagementMixin, HardeningMixin, base), {})), hardened_on(base, clock)):
        answer = op.browser().authorize(login="alice", **changes)

        assert answer.location.startswith(REDIRECT_URIS["basic"])
        assert "error" in answer.in_query


def test_hardening_alone_redeems_a_code_once(base: Any, clock: FakeClock) -> None:
    op = hardened_on(base, clock)
    code = op.browser().authorize(login="alice").in_query["code"]

    assert op.redeem(code).status == 200
    assert op.redeem(code).error == "invalid_grant"


def test_a_deployers_own_request_class_changes_nothing_that_we_check(base: Any, make_op: MakeOp) -> None:
    class OwnProvider(SessionManagementMixin, HardeningMixin, base):  # type: ignore[misc]  # a class that a fixture chooses
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs, message_factory=OwnMessages)

    browser = make_op(provider=OwnProvider).browser()

    assert "code" in browser.authorize(login="alice", tenant="north").in_query
    assert browser.authorize(login="alice", redirect_uri="https://evil.example/cb").status == 400
