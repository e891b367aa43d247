"""Every refresh token is good once, for every client, on every engine; one that comes again ends its grant (RFC 9700, 4.14.2)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from oic_session_ext.store import open_store
from tests.provider.conftest import Op
from tests.store.postgresql_server import postgresql_or_skip
from tests.store.redis_server import running_redis

OFFLINE: dict[str, Any] = {"scope": "openid email offline_access", "prompt": "consent"}
CLIENTS = ["basic", "post", "public"]


@pytest.mark.parametrize("client_id", CLIENTS)
def test_a_refresh_token_changes_each_time(op: Op, client_id: str) -> None:
    token = op.browser().sign_in(client_id, **OFFLINE)["refresh_token"]
    seen = {token}

    for _ in range(3):
        answer = op.refresh(token, client_id)
        assert answer.status == 200
        token = answer.json["refresh_token"]
        seen.add(token)

    assert len(seen) == 4


@pytest.mark.parametrize("client_id", CLIENTS)
@pytest.mark.parametrize("age", [1, 2], ids=["the one before", "an older one"])
def test_a_refresh_token_that_comes_again_ends_the_grant(op: Op, client_id: str, age: int) -> None:
    chain = [op.browser().sign_in(client_id, **OFFLINE)]
    for _ in range(age):
        chain.append(op.refresh(chain[-1]["refresh_token"], client_id).json)

    again = op.refresh(chain[0]["refresh_token"], client_id)

    assert (again.status, again.error) == (400, "invalid_grant")
    assert op.refresh(chain[-1]["refresh_token"], client_id).error == "invalid_grant"
    assert [op.userinfo(tokens["access_token"]).status for tokens in chain] == [401] * len(chain)


def test_another_grant_of_the_same_client_and_user_is_not_touched(op: Op) -> None:
    spent, kept = op.browser().sign_in(**OFFLINE), op.browser().sign_in(**OFFLINE)
    op.refresh(spent["refresh_token"])

    op.refresh(spent["refresh_token"])

    assert op.refresh(kept["refresh_token"]).status == 200


def test_a_spent_refresh_token_of_another_client_ends_nothing(op: Op) -> None:
    first = op.browser().sign_in(**OFFLINE)["refresh_token"]
    second = op.refresh(first).json["refresh_token"]

    assert op.refresh(first, "post").error == "invalid_grant"
    assert op.refresh(second).status == 200


def test_a_client_that_does_not_prove_itself_spends_and_ends_nothing(op: Op) -> None:
    token = op.browser().sign_in("post", **OFFLINE)["refresh_token"]

    assert op.refresh(token, "post", client_secret="wrong").error == "invalid_client"
    assert op.refresh(token, "post").status == 200


def test_a_refresh_that_is_refused_spends_nothing(op: Op) -> None:
    token = op.browser().sign_in(**OFFLINE)["refresh_token"]

    assert op.refresh(token, scope="openid phone").error == "invalid_scope"
    op.clients["basic"]["id_token_signed_response_alg"] = "PS999"
    assert op.refresh(token).error == "invalid_request"
    op.clients["basic"]["id_token_signed_response_alg"] = "RS256"

    assert op.refresh(token).status == 200


def test_a_code_whose_id_token_cannot_be_made_is_not_spent(op: Op) -> None:
    code = op.browser().authorize(login="alice").in_query["code"]
    op.clients["basic"]["id_token_signed_response_alg"] = "PS999"
    assert op.redeem(code).error == "invalid_request"

    op.clients["basic"]["id_token_signed_response_alg"] = "RS256"

    assert op.redeem(code).status == 200


def test_a_refresh_token_that_is_used_lives_on_and_one_that_lies_about_does_not(make_op: Any) -> None:
    op = make_op(refresh_token_lifetime_s=1000)
    used, idle = (op.browser().sign_in(**OFFLINE)["refresh_token"] for _ in range(2))

    for _ in range(3):
        op.clock.advance(900)
        answer = op.refresh(used)
        op.store.sweep(op.clock(), 100)
        assert answer.status == 200
        used = answer.json["refresh_token"]

    assert op.refresh(idle).error == "invalid_grant"


def test_hardened_rotates_and_notices_reuse_with_pyoidcs_own_token_classes(hardened: Op) -> None:
    browser = hardened.browser()
    browser.use_pyoidc_login("alice")
    first = hardened.redeem(browser.authorize(**OFFLINE).in_query["code"]).json
    second = hardened.refresh(first["refresh_token"]).json
    assert second["refresh_token"] != first["refresh_token"]

    assert hardened.refresh(first["refresh_token"]).error == "invalid_grant"

    assert hardened.refresh(second["refresh_token"]).error == "invalid_grant"
    assert hardened.userinfo(second["access_token"]).status == 401


# -- scope ------------------------------------------------------------------------------------------------------------


def test_a_narrower_scope_is_answered_and_is_all_that_the_access_token_is_good_for(op: Op) -> None:
    tokens = op.browser().sign_in(**OFFLINE)

    narrow = op.refresh(tokens["refresh_token"], scope="openid")

    assert narrow.json["scope"] == "openid"
    assert "email" in op.userinfo(tokens["access_token"]).json
    assert "email" not in op.userinfo(narrow.json["access_token"]).json


def test_without_openid_there_is_no_id_token_and_no_userinfo(op: Op) -> None:
    narrow = op.refresh(op.browser().sign_in(**OFFLINE)["refresh_token"], scope="email").json

    assert "id_token" not in narrow
    refused = op.userinfo(narrow["access_token"])
    assert (refused.status, refused.error) == (403, "insufficient_scope")
    assert 'error="insufficient_scope"' in (refused.header("WWW-Authenticate") or "")


def test_the_refresh_token_keeps_the_scope_that_was_granted(op: Op) -> None:
    narrow = op.refresh(op.browser().sign_in(**OFFLINE)["refresh_token"], scope="openid").json

    again = op.refresh(narrow["refresh_token"])

    assert again.json["scope"].split() == OFFLINE["scope"].split()
    assert "email" in op.userinfo(again.json["access_token"]).json


@pytest.mark.parametrize("scope", ["", "openid email offline_access", "offline_access openid email openid"], ids=repr)
def test_no_scope_or_all_of_it_is_what_was_granted(op: Op, scope: str) -> None:
    answer = op.refresh(op.browser().sign_in(**OFFLINE)["refresh_token"], scope=scope)

    assert answer.json["scope"] == OFFLINE["scope"]


def test_a_part_of_the_scope_that_fits_into_no_header_is_refused(op: Op) -> None:
    words = [f"word-{i:0200}" for i in range(10)]
    op.provider.extra_scope_dict = {word: ["email"] for word in words}
    op.provider.capabilities["scopes_supported"] = ["openid", "offline_access", *words]
    token = op.browser().sign_in(scope=" ".join(["openid", "offline_access", *words]), prompt="consent")["refresh_token"]

    assert op.refresh(token, scope=" ".join(words[1:])).error == "invalid_scope"
    assert op.refresh(token, scope=" ".join(words[:4])).status == 200


def test_hardened_says_that_pyoidcs_own_access_tokens_are_good_for_all_of_the_scope(hardened: Op) -> None:
    browser = hardened.browser()
    browser.use_pyoidc_login("alice")
    tokens = hardened.redeem(browser.authorize(**OFFLINE).in_query["code"]).json

    assert hardened.refresh(tokens["refresh_token"], scope="openid").json["scope"] == OFFLINE["scope"]


# -- races ------------------------------------------------------------------------------------------------------------

THREADS = 8
RACES = 5


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgresql", "redis"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One store of each engine in turn."""
    if request.param == "redis":
        with running_redis() as redis:
            store = open_store(redis.url)
            yield store
            store.close()
        return
    servers = postgresql_or_skip() if request.param == "postgresql" else iter(())
    postgresql = next(servers, None)
    if postgresql is not None:
        store = open_store(postgresql.url(postgresql.new_database()))
    else:
        store = open_store("memory:" if request.param == "memory" else f"sqlite:///{tmp_path_factory.mktemp('race')}/op.sqlite")
    yield store
    store.close()
    next(servers, None)


@pytest.mark.parametrize("client_id", ["basic", "public"])
def test_of_many_who_refresh_with_one_token_at_once_one_wins_and_the_grant_ends(make_op: Any, store: Any, client_id: str) -> None:
    servers = [make_op(store=store), make_op(store=store)]
    for _ in range(RACES):
        token = servers[0].browser().sign_in(client_id, **OFFLINE)["refresh_token"]

        answers = at_once(lambda i, token=token: servers[i % 2].refresh(token, client_id), THREADS)

        assert sorted(answer.status for answer in answers) == [200] + [400] * (THREADS - 1)
        assert {answer.error for answer in answers if answer.status == 400} == {"invalid_grant"}
        won = next(answer for answer in answers if answer.status == 200).json
        assert servers[1].refresh(won["refresh_token"], client_id).error == "invalid_grant"
        assert servers[1].userinfo(won["access_token"]).status == 401


def test_a_refresh_and_a_revocation_at_once_leave_nothing_alive(make_op: Any, store: Any) -> None:
    op = make_op(store=store)
    for _ in range(RACES):
        tokens = op.browser().sign_in("public", **OFFLINE)
        revocation = {"token": tokens["access_token"], "client_id": "public"}

        answers = at_once(
            lambda i, tokens=tokens, revocation=revocation: (
                op.refresh(tokens["refresh_token"], "public") if i else op.ext.revocation.answer(revocation)
            ),
            2,
        )

        renewed = next((answer.json for answer in answers if getattr(answer, "status", 0) == 200), tokens)
        assert op.refresh(renewed["refresh_token"], "public").error == "invalid_grant"
        assert op.userinfo(renewed["access_token"]).status == 401


def at_once(ask: Any, number: int) -> list[Any]:
    """Call `ask(i)` in threads, all at the same moment; return what each got."""
    start, answers = threading.Barrier(number), []

    def run(i: int) -> None:
        start.wait()
        answers.append(ask(i))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == number
    return answers
