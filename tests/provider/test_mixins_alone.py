"""Each mixin without the other, on pyoidc's provider as it comes."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import urlencode

import pytest
from oic.oic.provider import Provider as StockProvider
from oic.utils.authn.client import verify_client
from oic.utils.sdb import create_session_db

from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.errors import ConfigError
from oic_session_ext.provider import HardeningMixin, OpPolicy, Provider, SessionManagement, SessionManagementMixin
from oic_session_ext.provider.request.scope import RequestScope, current_scope
from oic_session_ext.store.changes import PutGrant, PutOpSession
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.testing.fake_clock import FakeClock
from tests.provider.conftest import Browser, MakeOp, Op

from .conftest import ISSUER, PAGES, REDIRECT_URIS, SECRET, Answer, _parts, basic_auth, make_clients, make_key_jar, request_of

OFFLINE: dict[str, Any] = {"scope": "openid offline_access", "prompt": "consent"}
OUT = "https://basic.example.com/out"


def test_the_ready_made_provider_is_both_before_pyoidcs() -> None:
    assert Provider.__mro__.index(SessionManagementMixin) < Provider.__mro__.index(HardeningMixin) < Provider.__mro__.index(StockProvider)


# -- session management alone --------------------------------------------------------------------------------------------------


def tokens_of(op: Op, browser: Browser, **changes: Any) -> dict[str, str]:
    answer = op.redeem(browser.authorize(login="alice", **changes).in_query["code"])
    assert answer.status == 200, answer.body
    return answer.json


def test_managed_a_whole_life_of_a_session(managed: Op) -> None:
    browser = managed.browser()
    tokens = tokens_of(managed, browser)
    assert managed.claims(tokens["id_token"])["sid"]
    assert "session_state" in browser.renew().in_query
    assert managed.userinfo(tokens["access_token"]).status == 200

    answer = browser.end_session(id_token_hint=tokens["id_token"], post_logout_redirect_uri=OUT, state="x")

    assert answer.location == f"{OUT}?state=x"
    assert browser.renew().in_query["error"] == "login_required"
    assert managed.userinfo(tokens["access_token"]).status == 401


def test_managed_a_code_after_logout_is_refused_by_pyoidcs_token_endpoint(managed: Op) -> None:
    browser = managed.browser()
    hint = tokens_of(managed, browser)["id_token"]
    code = browser.renew().in_query["code"]

    browser.end_session(id_token_hint=hint)

    assert managed.redeem(code).status in (400, 401)


def test_managed_a_refresh_token_with_offline_access_outlives_the_session(managed: Op) -> None:
    browser = managed.browser()
    tokens = tokens_of(managed, browser, **OFFLINE)
    browser.end_session(id_token_hint=tokens["id_token"])

    answer = managed.refresh(tokens["refresh_token"])

    assert answer.status == 200
    assert managed.claims(answer.json["id_token"])["sid"] == managed.claims(tokens["id_token"])["sid"]


def test_managed_a_refresh_token_of_a_grant_that_is_gone_brings_nothing_back(managed: Op) -> None:
    browser = managed.browser()
    tokens = tokens_of(managed, browser, **OFFLINE)
    for grant_id in managed.store.grant_ids("client_id", "basic", 10):
        del managed.provider.sdb[grant_id]

    answer = managed.refresh(tokens["refresh_token"])

    assert answer.status == 400
    assert managed.store.grant_ids("client_id", "basic", 10) == []


def test_managed_a_code_used_twice_is_refused(managed: Op) -> None:
    code = managed.browser().authorize(login="alice").in_query["code"]

    assert managed.redeem(code).status == 200
    assert managed.redeem(code).status != 200


def test_managed_keeps_pyoidcs_own_error_codes(managed: Op) -> None:
    answer = managed.token({"grant_type": "authorization_code", "code": "x", "redirect_uri": "x"}, basic_auth("basic", "wrong"))

    assert answer.error == "unauthorized_client"


def test_managed_keeps_pyoidcs_own_discovery_with_the_session_endpoints(managed: Op) -> None:
    info = managed.provider.create_providerinfo().to_dict()

    assert info["check_session_iframe"] == f"{ISSUER}/check_session"
    assert info["end_session_endpoint"] == f"{ISSUER}/end_session"
    assert info["version"] == "3.0"


def test_managed_refuses_a_session_database_that_it_could_not_end_sessions_in(clock: FakeClock) -> None:
    management = SessionManagement(MemoryStore(), SecretRing([b"s" * 32]), clock=clock)
    cdb, *rest = _parts(make_clients())

    with pytest.raises(ConfigError, match="sdb"):
        Provider(
            ISSUER,
            create_session_db(ISSUER, "secret", "p" * 32),
            cdb,
            *rest,
            keyjar=make_key_jar(),
            session_management=management,
            pages=PAGES,
        )


def test_managed_scripts_outside_of_a_request_may_read_and_end_grants(managed: Op) -> None:
    browser = managed.browser()
    tokens = tokens_of(managed, browser)
    sdb = managed.provider.sdb
    grant_id = sdb.get_by_uid("alice")[0]

    assert sdb[grant_id]["client_id"] == "basic"
    sdb.update(grant_id, "note", "x")
    assert sdb[grant_id]["note"] == "x"
    grant = managed.store.grant(grant_id)
    assert grant is not None
    assert grant.op_session_id is not None
    del sdb[grant_id]
    assert managed.userinfo(tokens["access_token"]).status == 401


def test_managed_two_ops_in_one_process_do_not_share_a_request(make_op: MakeOp) -> None:
    other = make_op()

    class Asking(OpPolicy):
        def consent_response(self, *_: Any) -> None:
            # an OP that asks another OP of the same process in the middle of a request
            tokens = other.browser().sign_in("post", "bob")
            assert other.userinfo(tokens["access_token"]).status == 200

    op = make_op(provider=type("Managed", (SessionManagementMixin, StockProvider), {}), policy=Asking())

    assert "code" in op.browser().authorize(login="alice").in_query
    assert len(other.store.op_sessions_of_user("bob")) == 1
    assert op.store.op_sessions_of_user("bob") == []
    assert other.store.op_sessions_of_user("alice") == []


def test_managed_a_request_that_fails_leaves_no_scope_behind(managed: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: list[PutGrant | PutOpSession], **kwargs: Any) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(managed.store, "commit", broken)
        with pytest.raises(RuntimeError):
            managed.browser().authorize(login="alice")

    assert current_scope() is None
    assert managed.store.op_sessions_of_user("alice") == []
    assert "code" in managed.browser().authorize(login="alice").in_query


def test_managed_a_scope_is_not_seen_from_another_thread(managed: Op) -> None:
    seen: list[Any] = []

    def look(scope: RequestScope) -> Answer:
        thread = threading.Thread(target=lambda: seen.append(current_scope()))
        thread.start()
        thread.join()
        seen.append(current_scope() is scope)
        return Answer(200, [], "")

    managed.ext.transactions.run(look)

    assert seen == [None, True]


# -- hardening alone -----------------------------------------------------------------------------------------------------------


def test_hardened_a_login_by_pyoidcs_cookie(hardened: Op) -> None:
    browser = hardened.browser()
    browser.use_pyoidc_login("alice")

    answer = browser.authorize()
    tokens = hardened.redeem(answer.in_query["code"])

    assert tokens.status == 200
    assert hardened.userinfo(tokens.json["access_token"]).status == 200
    assert "sid" not in hardened.claims(tokens.json["id_token"])


def test_hardened_a_login_on_the_ops_own_page(hardened: Op) -> None:
    assert "code" in hardened.browser().authorize(login="alice", prompt="login").in_query


def test_hardened_brings_no_session_state_and_no_session_endpoint(hardened: Op) -> None:
    browser = hardened.browser()
    browser.use_pyoidc_login("alice")

    assert "session_state" not in browser.authorize().in_query
    assert "session_state" not in browser.authorize(prompt="none login").in_query
    assert "check_session_iframe" not in hardened.provider.create_providerinfo().to_dict()
    assert not hasattr(hardened.provider, "session_routes")


@pytest.mark.parametrize("token", ["x", "", "é", "A" * 44, "zz zz", "A" * 5000])
def test_hardened_any_text_for_a_token_is_refused(hardened: Op, token: str) -> None:
    assert hardened.userinfo(token).status == 401
    assert hardened.redeem(token).status == 400
    assert hardened.refresh(token).status == 400


def test_hardened_refresh_tokens_work_with_pyoidcs_own_classes(hardened: Op) -> None:
    browser = hardened.browser()
    browser.use_pyoidc_login("alice")
    tokens = hardened.redeem(browser.authorize(**OFFLINE).in_query["code"]).json

    answer = hardened.refresh(tokens["refresh_token"])

    assert answer.status == 200
    assert hardened.userinfo(answer.json["access_token"]).status == 200


def test_hardened_a_second_use_of_a_code_ends_its_tokens(hardened: Op) -> None:
    browser = hardened.browser()
    browser.use_pyoidc_login("alice")
    code = browser.authorize().in_query["code"]
    tokens = hardened.redeem(code).json

    assert hardened.redeem(code).error == "invalid_grant"
    assert hardened.userinfo(tokens["access_token"]).status == 401


def test_hardened_keeps_a_client_authentication_of_the_deployers_own(clock: FakeClock) -> None:
    class Hardened(HardeningMixin, StockProvider):
        pass

    def theirs(provider: Any, areq: Any, authn: Any) -> Any:
        return "basic"

    cdb, broker, userinfo, authz, _ = _parts(make_clients())
    sdb = create_session_db(ISSUER, "secret", "p" * 32)

    provider = Hardened(
        ISSUER, sdb, cdb, broker, userinfo, authz, theirs, keyjar=make_key_jar(), secrets=SecretRing([b"s" * 32]), clock=clock, pages=PAGES
    )

    assert provider.client_authn is theirs
    assert theirs is not verify_client


def test_hardened_prompt_login_needs_a_login_just_made(hardened: Op) -> None:
    browser = hardened.browser()
    browser.use_pyoidc_login("alice")
    assert browser.authorize(prompt="login").location.startswith("/login?")

    assert "code" in browser.authorize(prompt="login", upm_answer="true").in_query
    hardened.clock.advance(120)
    assert browser.authorize(prompt="login", upm_answer="true").location.startswith("/login?")


def test_hardened_two_ops_of_one_secret_believe_each_others_login_cookies(hardened: Op, op: Op) -> None:
    browser = hardened.browser()
    browser.use_pyoidc_login("alice")

    answer = Answer.of(op.provider.authorization_endpoint(urlencode(request_of()), cookie=browser.cookie))

    assert "code" in answer.in_query


def test_a_client_without_a_salt_can_be_used(make_op: MakeOp) -> None:
    clients = make_clients()
    del clients["basic"]["client_salt"]
    op = make_op(clients=clients)

    answer = op.redeem(op.browser().authorize(login="alice").in_query["code"])

    assert answer.status == 200


def test_the_registered_uris_are_read_however_pyoidc_keeps_them(make_op: MakeOp) -> None:
    clients = make_clients()
    clients["basic"]["redirect_uris"] = [
        "https://basic.example.com/plain",
        ["https://basic.example.com/list", None],
        (REDIRECT_URIS["basic"], ""),
    ]
    clients["basic"]["client_secret"] = SECRET
    op = make_op(clients=clients)

    assert op.ext.client("basic")["redirect_uris"] == [
        "https://basic.example.com/plain",
        "https://basic.example.com/list",
        REDIRECT_URIS["basic"],
    ]
