"""The token endpoint: codes and refresh tokens, redeemed once, by whom they were given to."""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlencode

import pytest

from oic_session_ext.errors import StoreUnavailable
from oic_session_ext.store.changes import UpdateGrant
from oic_session_ext.web.outbound.http_answer import HttpAnswer
from tests.provider.conftest import CHALLENGE, CLIENT_JWKS, REDIRECT_URIS, SECRET, VERIFIER, Browser, MakeOp, Op, basic_auth, public_part

OFFLINE: dict[str, Any] = {"scope": "openid offline_access", "prompt": "consent"}


def code_of(browser: Browser, client_id: str = "basic", **changes: Any) -> str:
    return browser.authorize(client_id, login="alice", **changes).in_query["code"]


def code_request(the_code: str, **changes: str | None) -> dict[str, str]:
    params = {"grant_type": "authorization_code", "code": the_code, "redirect_uri": REDIRECT_URIS["basic"]} | changes
    return {name: value for name, value in params.items() if value is not None}


BASIC = basic_auth("basic", SECRET)


def test_a_code_gives_tokens_and_says_how_long_they_are_good(op: Op, browser: Browser) -> None:
    answer = op.redeem(code_of(browser, scope="openid email"))

    assert answer.status == 200
    assert set(answer.json) == {"access_token", "token_type", "expires_in", "scope", "id_token"}
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 3600
    assert answer.json["scope"] == "openid email"


def test_a_token_response_is_never_cached(op: Op, browser: Browser) -> None:
    for answer in (op.redeem(code_of(browser)), op.redeem("bad")):
        assert answer.header("Cache-Control") == "no-store"
        assert answer.header("Pragma") == "no-cache"
        assert answer.header("Content-Type") == "application/json"
        assert answer.cookies == {}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"code": None}, "invalid_request"),
        ({"code": ""}, "invalid_request"),
        ({"code": "x"}, "invalid_grant"),
        ({"code": "é"}, "invalid_grant"),
        ({"code": "A" * 10_000}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"redirect_uri": "https://basic.example.com/cb?x=1"}, "invalid_grant"),
        ({"redirect_uri": "https://evil.example/cb"}, "invalid_grant"),
        ({"code_verifier": VERIFIER}, "invalid_grant"),
        ({"client_id": "post"}, "invalid_client"),
    ],
    ids=lambda value: "-".join(f"{name}={str(text)[:20]}" for name, text in value.items()) if isinstance(value, dict) else value,
)
def test_what_is_missing_or_wrong_has_its_own_error_code(op: Op, browser: Browser, changes: dict[str, Any], error: str) -> None:
    answer = op.token(code_request(code_of(browser), **changes), BASIC)

    assert answer.error == error
    assert answer.status == (401 if error == "invalid_client" else 400)


@pytest.mark.parametrize("name", ["self", "cls", "lax", "max_age#en", "", "jwt", "client_secret#de", "scope"])
def test_parameters_that_mean_nothing_here_do_no_harm(op: Op, browser: Browser, name: str) -> None:
    assert op.token(code_request(code_of(browser), **{name: "1"}), BASIC).status == 200


@pytest.mark.parametrize(
    "repeated", ["grant_type=authorization_code", "code=x", "redirect_uri=x", "client_id=basic&client_id=basic", "a=1&a=1"]
)
def test_a_repeated_parameter_is_refused(op: Op, browser: Browser, repeated: str) -> None:
    answer = op.token(f"{urlencode(code_request(code_of(browser)))}&{repeated}", BASIC)

    assert answer.status == 400
    assert answer.error == "invalid_request"


@pytest.mark.parametrize("body", ["", "&", "%ff=1", "a=%00", "a=" + "b" * 70_000, '{"grant_type": "authorization_code"}', "code=%0d%0aX"])
def test_a_body_that_is_no_form_is_refused(op: Op, body: str) -> None:
    answer = op.token(body, BASIC)

    assert answer.status == 400
    assert answer.error == "invalid_request"


def test_a_body_may_come_as_a_mapping(op: Op, browser: Browser) -> None:
    assert op.provider.token_endpoint(code_request(code_of(browser)), authn=BASIC).status_code == 200


# -- codes ------------------------------------------------------------------------------------------------------------------


def test_a_code_that_comes_twice_ends_everything_issued_from_it(op: Op, browser: Browser) -> None:
    code = code_of(browser, **OFFLINE)
    tokens = op.redeem(code).json

    second = op.redeem(code)

    assert (second.status, second.error) == (400, "invalid_grant")
    assert op.userinfo(tokens["access_token"]).status == 401
    assert op.refresh(tokens["refresh_token"]).error == "invalid_grant"
    assert op.redeem(code).error == "invalid_grant"


def test_another_client_cannot_redeem_a_code_nor_spoil_it(op: Op, browser: Browser) -> None:
    code = code_of(browser)

    stolen = op.redeem(code, "post", redirect_uri=REDIRECT_URIS["basic"])

    assert (stolen.status, stolen.error) == (400, "invalid_grant")
    assert op.redeem(code).status == 200


def test_a_stranger_cannot_spoil_a_code(op: Op, browser: Browser) -> None:
    code = code_of(browser)

    assert op.token(code_request(code), basic_auth("basic", "wrong")).error == "invalid_client"
    assert op.redeem(code, redirect_uri="https://evil.example").error == "invalid_grant"
    assert op.redeem(code).status == 200


def test_a_code_is_good_for_its_lifetime(op: Op, browser: Browser) -> None:
    first, second = code_of(browser), code_of(browser)

    op.clock.advance(59)
    assert op.redeem(first).status == 200
    op.clock.advance(1)
    assert op.redeem(second).error == "invalid_grant"


@pytest.mark.parametrize("kind", ["access_token", "refresh_token", "id_token"])
def test_no_other_token_passes_for_a_code(op: Op, browser: Browser, kind: str) -> None:
    tokens = browser.sign_in(**OFFLINE)

    assert op.redeem(tokens[kind]).error == "invalid_grant"


@pytest.mark.parametrize("kind", ["access_token", "id_token"])
def test_no_other_token_passes_for_a_refresh_token(op: Op, browser: Browser, kind: str) -> None:
    code = code_of(browser)
    tokens = browser.sign_in(**OFFLINE)

    assert op.refresh(tokens[kind]).error == "invalid_grant"
    assert op.refresh(code).error == "invalid_grant"


def test_of_many_threads_one_redeems_a_code(op: Op, browser: Browser) -> None:
    code = code_of(browser)
    barrier = threading.Barrier(8)
    statuses = []

    def redeem() -> None:
        barrier.wait()
        statuses.append(op.redeem(code).status)

    threads = [threading.Thread(target=redeem) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200] + [400] * 7


def test_a_store_that_is_down_is_not_taken_for_a_bad_grant(op: Op, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    code = code_of(browser)
    tokens = browser.sign_in(**OFFLINE)

    def down(grant_id: str) -> None:
        raise StoreUnavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(op.store, "grant", down)
        for answer in (op.redeem(code), op.refresh(tokens["refresh_token"]), op.userinfo(tokens["access_token"])):
            assert answer.status == 503
            assert answer.error == "temporarily_unavailable"
            assert answer.header("Retry-After")

    assert op.redeem(code).status == 200
    assert op.refresh(tokens["refresh_token"]).status == 200


def test_a_fault_of_the_ops_own_is_not_taken_for_a_bad_grant(op: Op, managed: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in (op, managed):
        code = one.browser().authorize(login="alice").in_query["code"]
        monkeypatch.setattr(one.provider, "sign_encrypt_id_token", lambda *_, **__: dict[str, str]()["a fault"])

        with pytest.raises(KeyError, match="a fault"):
            one.redeem(code)


def test_when_the_commit_fails_the_code_is_still_good(op: Op, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    code = code_of(browser)

    def down(changes: list[UpdateGrant]) -> None:
        raise StoreUnavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(op.store, "commit", down)
        assert op.redeem(code).status == 503

    assert op.redeem(code).status == 200


# -- PKCE -------------------------------------------------------------------------------------------------------------------


def test_a_public_client_redeems_with_its_verifier(op: Op, browser: Browser) -> None:
    assert op.redeem(code_of(browser, "public"), "public").status == 200


@pytest.mark.parametrize("verifier", ["w" * 50, "v" * 49, "v" * 51, "short", "v" * 200, "é" * 50, CHALLENGE], ids=range(7))
def test_a_wrong_verifier_is_refused_and_spends_nothing(op: Op, browser: Browser, verifier: str) -> None:
    code = code_of(browser, "public")

    assert op.redeem(code, "public", code_verifier=verifier).error == "invalid_grant"
    assert op.redeem(code, "public").status == 200


def test_a_missing_verifier_is_refused(op: Op, browser: Browser) -> None:
    code = code_of(browser, "public")

    answer = op.token({"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URIS["public"], "client_id": "public"})

    assert answer.error == "invalid_grant"


def test_a_public_client_cannot_go_without_pkce(browser: Browser) -> None:
    answer = browser.authorize("public", login="alice", code_challenge=None, code_challenge_method=None)

    assert answer.in_query["error"] == "invalid_request"


def test_a_confidential_client_that_used_pkce_must_prove_it(op: Op, browser: Browser) -> None:
    challenge = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}

    assert op.redeem(code_of(browser, **challenge)).error == "invalid_grant"
    assert op.redeem(code_of(browser, **challenge), code_verifier=VERIFIER).status == 200


def test_a_challenge_hidden_elsewhere_in_the_request_is_not_the_challenge(op: Op, browser: Browser) -> None:
    other = '{"code_challenge": "' + "x" * 43 + '"}'
    code = code_of(browser, "public", claims=other, state=other, login_hint=other)

    assert op.redeem(code, "public").status == 200


# -- refresh tokens ---------------------------------------------------------------------------------------------------------


def test_a_refresh_token_gives_a_new_access_token(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in(**OFFLINE)

    answer = op.refresh(tokens["refresh_token"])

    assert answer.status == 200
    assert answer.json["access_token"] != tokens["access_token"]
    assert answer.json["refresh_token"] != tokens["refresh_token"]
    assert op.userinfo(answer.json["access_token"]).status == 200


def test_another_client_cannot_use_a_refresh_token_nor_spoil_it(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in(**OFFLINE)

    stolen = op.refresh(tokens["refresh_token"], "post")

    assert (stolen.status, stolen.error) == (400, "invalid_grant")
    assert op.refresh(tokens["refresh_token"]).status == 200


def test_a_refresh_token_ends_after_its_lifetime(make_op: MakeOp) -> None:
    op = make_op(refresh_token_lifetime_s=1000)
    tokens = op.browser().sign_in(**OFFLINE)

    op.clock.advance(999)
    assert op.refresh(tokens["refresh_token"]).status == 200
    op.clock.advance(1)
    assert op.refresh(tokens["refresh_token"]).error == "invalid_grant"


def test_a_refresh_cannot_ask_for_more_than_was_granted(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in(**OFFLINE)

    assert op.refresh(tokens["refresh_token"], scope="openid email").error == "invalid_scope"
    assert op.refresh(tokens["refresh_token"], scope="openid").status == 200


def test_a_public_clients_refresh_token_changes_each_time(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in("public", **OFFLINE)

    second = op.refresh(tokens["refresh_token"], "public").json

    assert second["refresh_token"] != tokens["refresh_token"]
    assert op.refresh(second["refresh_token"], "public").status == 200


def test_a_public_clients_refresh_token_that_comes_again_ends_the_grant(op: Op, browser: Browser) -> None:
    tokens = browser.sign_in("public", **OFFLINE)
    second = op.refresh(tokens["refresh_token"], "public").json

    assert op.refresh(tokens["refresh_token"], "public").error == "invalid_grant"
    assert op.refresh(second["refresh_token"], "public").error == "invalid_grant"
    assert op.userinfo(second["access_token"]).status == 401


def test_tokens_survive_a_restart(make_op: MakeOp, op: Op, browser: Browser) -> None:
    tokens = browser.sign_in(**OFFLINE)
    code = code_of(browser)

    restarted = make_op(store=op.store)

    assert restarted.refresh(tokens["refresh_token"]).status == 200
    assert restarted.userinfo(tokens["access_token"]).status == 200
    assert restarted.redeem(code).status == 200


def test_what_the_store_holds_redeems_nothing(op: Op, browser: Browser) -> None:
    answer = browser.authorize(login="alice", response_type="code id_token token", **OFFLINE).in_fragment
    tokens = op.redeem(answer["code"]).json

    kept = repr(vars(op.store))

    for secret in (
        answer["code"],
        answer["access_token"],
        answer["id_token"],
        *(tokens[name] for name in ("access_token", "refresh_token", "id_token")),
    ):
        assert secret not in kept
    assert browser.jar["__Host-op_session"] not in kept


def test_an_id_token_that_cannot_be_signed_as_registered_is_an_error_of_the_registration(make_op: MakeOp) -> None:
    op = make_op()
    op.clients["basic"]["id_token_signed_response_alg"] = "PS999"
    browser = op.browser()

    answer = op.redeem(code_of(browser))

    assert (answer.status, answer.error) == (400, "invalid_request")


def test_no_grant_is_locked_while_the_keys_of_its_client_are_fetched(op: Op, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    token_endpoint = op.ext.token
    fetched: list[bool] = []

    def begin(uri: str, accept: str = "") -> Future[HttpAnswer]:
        fetched.append(any(lock.locked() for lock in token_endpoint._grant_locks))
        document: Future[HttpAnswer] = Future()
        document.set_result(HttpAnswer(200, {}, json.dumps({"keys": [public_part(key) for key in CLIENT_JWKS["keys"]]}).encode()))
        return document

    monkeypatch.setattr(op.ext.guarded_fetch, "begin", begin)
    op.clients["basic"] |= {"jwks_uri": "https://basic.example.com/jwks", "id_token_encrypted_response_alg": "RSA-OAEP-256"}

    tokens = browser.sign_in()

    assert tokens["id_token"].count(".") == 4
    assert fetched == [False]
