"""`sid`: what names an RP's share in a session, in every ID Token, and what ends with it."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest

from oic_session_ext.crypto import jose
from oic_session_ext.model import Reason
from oic_session_ext.sessions.op_session import end_op_session
from oic_session_ext.store.unit_of_work import UnitOfWork
from tests.provider.conftest import ALL_RESPONSE_TYPES, Browser, MakeOp, Op

OFFLINE: dict[str, Any] = {"scope": "openid offline_access", "prompt": "consent"}
FRONT_ID_TOKENS = [one for one in ALL_RESPONSE_TYPES if "id_token" in one]


def sid_of(op: Op, tokens: dict[str, Any]) -> str:
    return op.claims(tokens["id_token"])["sid"]


@pytest.mark.spec("SID-01", "SID-07")
def test_two_browsers_of_one_user_have_different_sids(op: Op) -> None:
    first, second = op.browser(), op.browser()

    assert sid_of(op, first.sign_in()) != sid_of(op, second.sign_in())


@pytest.mark.spec("SID-02", "WR-11", "PY-05", "MD-03")
def test_every_id_token_of_a_session_carries_the_same_sid(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in(**OFFLINE)
    found = {sid_of(op, tokens), sid_of(op, op.refresh(tokens["refresh_token"]).json)}

    for response_type in FRONT_ID_TOKENS:
        answer = browser.authorize(response_type=response_type).in_fragment
        found.add(sid_of(op, answer))
        if "code" in answer:
            found.add(sid_of(op, op.redeem(answer["code"]).json))

    assert len(found) == 1


@pytest.mark.spec("SID-02")
def test_an_id_token_signed_otherwise_carries_it_too(make_op: MakeOp) -> None:
    op = make_op()
    op.clients["basic"]["id_token_signed_response_alg"] = "ES256"
    op.clients["post"]["id_token_signed_response_alg"] = "HS256"
    browser = op.browser()

    by_secret = browser.sign_in("post")["id_token"]

    assert sid_of(op, browser.sign_in())
    assert jose.verify(by_secret, [jose.mac_key(op.clients["post"]["client_secret"], "HS256")], {"HS256"}).claims["sid"]


@pytest.mark.spec("SID-03", "SID-05")
def test_sids_do_not_repeat(op: Op) -> None:
    sids = set()
    for _ in range(60):
        browser = op.browser()
        browser.authorize(login="alice")
        sids |= {rp.sid for session in op.store.op_sessions_of_user("alice") for rp in session.rp_sessions}

    assert len(sids) == 60


@pytest.mark.spec("SID-04", "SID-05", "SEC-10")
def test_a_sid_is_192_bits_of_base64url(op: Op, browser: Browser) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", sid_of(op, browser.sign_in()))


@pytest.mark.spec("SID-06")
def test_a_sid_opens_nothing(op: Op, browser: Browser) -> None:
    sid = sid_of(op, browser.sign_in())
    thief = op.browser()
    thief.jar["__Host-op_session"] = sid

    assert not thief.is_signed_in()
    assert op.userinfo(sid).status == 401
    assert op.redeem(sid).error == "invalid_grant"
    assert op.refresh(sid).error == "invalid_grant"


@pytest.mark.spec("SID-06", "PY-05", "SEC-10")
def test_neither_the_sessions_id_nor_its_cookie_nor_a_grants_id_is_in_what_an_rp_gets(op: Op, browser: Browser) -> None:
    answer = browser.authorize(login="alice")
    tokens = op.redeem(answer.in_query["code"])
    session = op.store.op_sessions_of_user("alice")[0]
    told = answer.location + tokens.body + str(op.claims(tokens.json["id_token"]))

    for secret in (session.id, session.cookie_digest, session.sid_seed, session.op_browser_state, browser.jar["__Host-op_session"]):
        assert secret not in told
    for grant_id in op.store.grant_ids("client_id", "basic", 10):
        assert grant_id not in told
        assert op.userinfo(grant_id).status == 401
        assert op.redeem(grant_id).error == "invalid_grant"


@pytest.mark.spec("SID-07")
def test_two_clients_in_one_browser_have_different_sids(op: Op, browser: Browser) -> None:
    assert sid_of(op, browser.sign_in("basic")) != sid_of(op, browser.sign_in("post"))


@pytest.mark.spec("SID-09")
def test_a_renewal_keeps_the_sid_and_a_new_login_after_logout_does_not(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in()
    renewed = op.redeem(browser.renew().in_query["code"]).json
    assert sid_of(op, renewed) == sid_of(op, tokens)

    browser.end_session(id_token_hint=tokens["id_token"])

    assert sid_of(op, browser.sign_in()) != sid_of(op, tokens)


@pytest.mark.spec("SID-09")
def test_another_user_in_the_same_browser_gets_another_sid(op: Op, browser: Browser) -> None:
    assert sid_of(op, browser.sign_in(login="alice")) != sid_of(op, browser.sign_in(login="bob"))


@pytest.mark.spec("SID-10")
def test_a_refresh_token_without_offline_access_dies_with_the_session(make_op: MakeOp) -> None:
    op = make_op(refresh_without_offline_access=True)
    browser = op.browser()
    tokens = browser.sign_in()
    assert op.refresh(tokens["refresh_token"]).status == 200

    browser.end_session(id_token_hint=tokens["id_token"])

    answer = op.refresh(tokens["refresh_token"])
    assert answer.status == 400
    assert answer.error == "invalid_grant"


@pytest.mark.spec("SID-10")
@pytest.mark.parametrize("timeout", ["idle_timeout_s", "absolute_timeout_s"])
def test_a_refresh_token_does_not_outlive_a_session_that_nobody_has_ended_yet(make_op: MakeOp, timeout: str) -> None:
    op = make_op(refresh_without_offline_access=True, **{timeout: 600})
    tokens = op.browser().sign_in()
    op.clock.advance(600)

    assert op.refresh(tokens["refresh_token"]).error == "invalid_grant"


def test_a_client_that_did_not_register_the_grant_gets_no_refresh_token_from_the_setting(make_op: MakeOp) -> None:
    op = make_op(refresh_without_offline_access=True)
    op.clients["basic"]["grant_types"] = ["authorization_code"]

    assert "refresh_token" not in op.browser().sign_in()


@pytest.mark.spec("SID-11")
def test_a_refresh_token_with_offline_access_lives_on(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in(**OFFLINE)

    browser.end_session(id_token_hint=tokens["id_token"])

    answer = op.refresh(tokens["refresh_token"])
    assert answer.status == 200
    assert op.userinfo(answer.json["access_token"]).status == 200


@pytest.mark.spec("SID-11")
def test_an_offline_grant_lives_on_when_the_session_runs_out(make_op: MakeOp) -> None:
    op = make_op(idle_timeout_s=600)
    browser = op.browser()
    tokens = browser.sign_in(**OFFLINE)
    op.clock.advance(700)
    browser.renew()

    assert op.store.op_sessions_of_user("alice") == []
    assert op.refresh(tokens["refresh_token"]).status == 200


@pytest.mark.spec("SID-12")
def test_a_code_dies_with_its_session(op: Op, browser: Browser) -> None:
    hint = browser.sign_in()["id_token"]
    code = browser.renew().in_query["code"]

    browser.end_session(id_token_hint=hint)

    assert op.redeem(code).error == "invalid_grant"


@pytest.mark.spec("SID-12")
def test_an_offline_code_that_was_not_redeemed_dies_too(op: Op, browser: Browser) -> None:
    hint = browser.sign_in()["id_token"]
    code = browser.authorize(login="alice", **OFFLINE).in_query["code"]

    browser.end_session(id_token_hint=hint)

    assert op.redeem(code).error == "invalid_grant"


@pytest.mark.spec("SID-12", "RI-50")
def test_an_access_token_dies_with_its_session(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in()
    front = browser.authorize(response_type="id_token token").in_fragment

    browser.end_session(id_token_hint=tokens["id_token"])

    assert op.userinfo(tokens["access_token"]).status == 401
    assert op.userinfo(front["access_token"]).status == 401


def test_the_tokens_of_another_browser_of_the_same_user_live_on(op: Op) -> None:
    first, second = op.browser(), op.browser()
    tokens = first.sign_in()
    others = second.sign_in()

    first.end_session(id_token_hint=tokens["id_token"])

    assert op.userinfo(others["access_token"]).status == 200
    assert second.is_signed_in()


@pytest.mark.spec("SID-14", "WR-11")
def test_an_id_token_from_refresh_says_what_the_first_one_said(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in(**OFFLINE)
    op.clock.advance(100)

    first = op.claims(tokens["id_token"])
    second = op.claims(op.refresh(tokens["refresh_token"]).json["id_token"])

    for name in ("iss", "sub", "aud", "auth_time", "sid", "acr"):
        assert second[name] == first[name]
    assert second["iat"] == first["iat"] + 100


@pytest.mark.spec("SID-14")
def test_a_refresh_after_logout_still_names_the_session_that_it_came_from(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in(**OFFLINE)
    browser.end_session(id_token_hint=tokens["id_token"])

    assert sid_of(op, op.refresh(tokens["refresh_token"]).json) == sid_of(op, tokens)


@pytest.mark.spec("CO-13")
def test_an_id_token_has_one_audience_and_no_azp(op: Op, browser: Browser) -> None:
    claims = op.claims(browser.sign_in()["id_token"])

    assert claims["aud"] == "basic"
    assert "azp" not in claims


@pytest.mark.spec("SID-08")
def test_the_notice_of_a_logout_names_the_sid_of_the_id_token(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in()

    browser.end_session(id_token_hint=tokens["id_token"])

    claims = op.claims(tokens["id_token"])
    assert [(notice.client_id, notice.sid, notice.sub) for notice in op.store.notices(10)] == [("basic", claims["sid"], claims["sub"])]


def test_hashes_bind_an_id_token_to_the_code_and_token_beside_it(op: Op, browser: Browser) -> None:
    answer = browser.authorize(login="alice", response_type="code id_token token").in_fragment
    claims = op.claims(answer["id_token"])

    for claim, value in (("c_hash", answer["code"]), ("at_hash", answer["access_token"])):
        digest = hashlib.sha256(value.encode()).digest()[:16]
        assert claims[claim] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_claims_of_the_user_never_take_the_place_of_the_tokens_own(make_op: MakeOp) -> None:
    op = make_op()
    forged = {"iss": "evil", "sid": "evil", "aud": "evil", "nonce": "evil", "auth_time": 1, "acr": "evil", "exp": 9, "name": "Alice"}
    op.provider.userinfo = lambda *_: dict(forged)
    wish = '{"id_token": {"name": null, "iss": null, "sid": null, "nonce": null, "exp": null}}'

    claims = op.claims(op.browser().sign_in(claims=wish)["id_token"])

    assert "evil" not in claims.values()
    assert claims["name"] == "Alice"
    assert claims["auth_time"] == op.clock()


LOGOUTS = {
    "an RP": lambda browser, hint: browser.end_session(id_token_hint=hint),
    "the user": lambda browser, _: browser.confirm(browser.end_session()),
    "an administrator": lambda browser, _: end_sessions_of(browser.op, Reason.ADMIN),
}


def end_sessions_of(op: Op, reason: Reason, uid: str = "alice") -> None:
    uow = UnitOfWork(op.store, op.clock())
    for session in op.store.op_sessions_of_user(uid):
        end_op_session(uow, session, reason, op.ext.clients, op.ext.settings)
    uow.commit()


@pytest.mark.spec("SID-11", "SID-13", "WR-14")
@pytest.mark.parametrize("revoke", [False, True])
@pytest.mark.parametrize("who", LOGOUTS)
def test_a_logout_ends_offline_access_when_the_setting_says_so(make_op: MakeOp, who: str, revoke: bool) -> None:
    op = make_op(revoke_offline_access=revoke)
    browser = op.browser()
    tokens = browser.sign_in(**OFFLINE)

    LOGOUTS[who](browser, tokens["id_token"])

    assert op.store.op_sessions_of_user("alice") == []
    assert op.refresh(tokens["refresh_token"]).status == (400 if revoke else 200)
    assert op.userinfo(tokens["access_token"]).status == (401 if revoke else 200)


@pytest.mark.spec("SID-11")
@pytest.mark.parametrize("reason", [Reason.EXPIRED, Reason.IDLE, Reason.REPLACED])
def test_a_session_that_runs_out_or_makes_way_leaves_offline_access_whatever_the_setting(make_op: MakeOp, reason: Reason) -> None:
    op = make_op(revoke_offline_access=True)
    tokens = op.browser().sign_in(**OFFLINE)

    end_sessions_of(op, reason)

    assert op.refresh(tokens["refresh_token"]).status == 200


@pytest.mark.spec("WR-14")
def test_a_logout_leaves_the_refresh_tokens_of_other_sessions_and_users_alone(make_op: MakeOp) -> None:
    op = make_op(revoke_offline_access=True)
    browser, elsewhere, bobs = op.browser(), op.browser(), op.browser()
    hint = browser.sign_in(**OFFLINE)["id_token"]
    others = [elsewhere.sign_in(**OFFLINE), bobs.sign_in(login="bob", **OFFLINE)]

    browser.end_session(id_token_hint=hint)

    assert [op.refresh(tokens["refresh_token"]).status for tokens in others] == [200, 200]


@pytest.mark.spec("SID-14")
def test_an_id_token_from_refresh_has_no_nonce(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in(**OFFLINE)
    assert op.claims(tokens["id_token"])["nonce"] == "the nonce"

    assert "nonce" not in op.claims(op.refresh(tokens["refresh_token"]).json["id_token"])
