"""Two servers behind nginx on one store, SQLite, PostgreSQL or Redis, and nothing between them but that: whoever is asked knows at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest

from oic_session_ext.session_management.session_state import verify_session_state
from oic_session_ext.web.origin import origin_of
from tests.bundled_op import OUT_URIS, REDIRECT_URIS, OpBrowser
from tests.flows.machines.forward import forward_to
from tests.flows.machines.nginx import Nginx
from tests.flows.machines.running_op import RunningOp
from tests.store.postgresql_server import postgresql_or_skip
from tests.store.redis_server import DURABLE, running_redis
from tests.wsgi_browser import Answer

RACES = 10


class Cluster:
    """Two servers, and nginx, whose address is the issuer of both."""

    def __init__(self, folder: Path, store: str, keys_file: str) -> None:
        self.balancer = Nginx(folder)
        self.issuer = f"http://localhost:{self.balancer.port}"
        self.servers = []
        for name in ("one", "other"):
            (folder / name).mkdir()
            server = RunningOp(
                folder / name,
                issuer=self.issuer,
                store=store,
                secrets={"file": str(folder / "secrets")},
                keys=keys_file,
            )
            listen = {"host": "127.0.0.1", "port": server.port, "proxy": {"trusted": ["127.0.0.1"]}}
            server.configure(listen=listen)
            self.servers.append(server)

    def start(self) -> None:
        with ThreadPoolExecutor() as threads:
            list(threads.map(RunningOp.start, self.servers))
        self.balancer.start([server.port for server in self.servers])

    def close(self) -> None:
        for server in self.servers:
            server.close()
        self.balancer.close()

    def browser(self) -> OpBrowser:
        """A browser that has never been here, and whose every request comes to another server than the one before."""
        return OpBrowser(forward_to(self.balancer.port), self.issuer)

    def sides(self) -> tuple[OpBrowser, OpBrowser]:
        """One browser as each of the two servers sees it: the cookies are the same."""
        one, other = (OpBrowser(forward_to(server.port), self.issuer) for server in self.servers)
        other.jar = one.jar
        return one, other


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "redis"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, keys_file: str) -> Iterator[Cluster]:
    """Two servers for the tests of this module, on each engine in turn."""
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        if request.param == "sqlite":
            store = f"sqlite:///{folder / 'op.sqlite'}"
        elif request.param == "postgresql":
            servers = postgresql_or_skip()
            postgresql = next(servers)
            stack.callback(next, servers, None)
            store = postgresql.url(postgresql.new_database())
        else:
            store = stack.enter_context(running_redis(*DURABLE)).url
        cluster = Cluster(folder, store, keys_file)
        stack.callback(cluster.close)
        cluster.start()
        yield cluster


def test_a_browser_that_meets_another_server_each_time_signs_in_consents_and_signs_out(cluster: Cluster) -> None:
    browser = cluster.browser()
    begun = len(cluster.balancer.taken)

    tokens = browser.sign_in("asking", prompt="consent")
    assert browser.is_signed_in("asking")
    asked = browser.end_session(id_token_hint=tokens["id_token"], post_logout_redirect_uri=OUT_URIS["asking"], logout_hint="alice")
    assert asked.location == OUT_URIS["asking"]

    assert not browser.is_signed_in("asking")
    assert set(cluster.balancer.taken[begun:]) == {server.port for server in cluster.servers}


@pytest.mark.spec("SM-08", "SM-09")
def test_behind_the_balancer_every_server_tells_the_same_of_a_browser(cluster: Cluster) -> None:
    browser = cluster.browser()
    tokens = browser.sign_in("web")
    signed_in = browser.jar["op_browser_state"]
    silent = [browser.renew("web") for _ in range(4)]
    browser.end_session(id_token_hint=tokens["id_token"])
    signed_out = browser.jar["op_browser_state"]
    refused = [browser.renew("web") for _ in range(4)]

    assert all(is_unchanged(answer, "web", signed_in) and not is_unchanged(answer, "web", signed_out) for answer in silent)
    assert [answer.error for answer in refused] == ["login_required"] * 4
    assert all(is_unchanged(answer, "web", signed_out) for answer in refused)


def test_no_browser_can_tell_another_address_than_its_own(cluster: Cluster) -> None:
    """Who guesses is counted per address, and the balancer's word on that is believed: it must not be the browser's."""
    browser = cluster.browser()
    page = browser.login_page("web")

    statuses = [
        browser.submit(page, username="mallory", password="guess", headers={"X-Forwarded-For": f"203.0.113.{number}"}).status
        for number in range(12)
    ]

    assert statuses[-1] == 429


@pytest.mark.spec("SM-08")
def test_who_signed_in_at_one_is_silently_signed_in_at_the_other(cluster: Cluster) -> None:
    one, other = cluster.sides()
    one.sign_in()
    op_browser_state = one.jar["op_browser_state"]

    silent = other.renew("spa")

    assert "code" in silent.query
    assert other.jar["op_browser_state"] == op_browser_state
    assert is_unchanged(silent, "spa", op_browser_state)


def test_tokens_of_one_are_good_at_the_other(cluster: Cluster) -> None:
    one, other = cluster.sides()
    one.sign_in("web")
    code = offline_code(one)

    tokens = other.redeem(code).json

    assert one.userinfo(tokens["access_token"]).json == other.userinfo(tokens["access_token"]).json
    refreshed = one.refresh(tokens["refresh_token"])
    assert refreshed.status == 200
    assert other.refresh(refreshed.json["refresh_token"]).status == 200


@pytest.mark.spec("SM-09")
def test_a_logout_at_one_is_known_at_once_at_the_other(cluster: Cluster) -> None:
    one, other = cluster.sides()
    tokens = one.sign_in("web")
    silent = other.renew("web")
    one.end_session(id_token_hint=tokens["id_token"])
    signed_out = one.jar["op_browser_state"]

    refused = other.renew("web")

    assert refused.error == "login_required"
    assert other.jar["op_browser_state"] == signed_out
    assert not is_unchanged(silent, "web", signed_out)
    assert is_unchanged(refused, "web", signed_out)


def test_op_browser_state_of_nobody_is_the_same_at_both(cluster: Cluster) -> None:
    seen = []
    for stranger in (cluster.sides()[0], cluster.sides()[1]):  # two browsers, each at another server
        assert stranger.renew().error == "login_required"
        seen.append(stranger.jar["op_browser_state"])

    assert seen[0] == seen[1]


def test_cookies_and_tokens_of_an_ended_session_are_refused_by_both(cluster: Cluster) -> None:
    one, other = cluster.sides()
    tokens = one.sign_in("web")
    code = one.renew("web").query["code"]
    before = dict(one.jar)
    other.end_session(id_token_hint=tokens["id_token"])

    for side in (one, other):
        side.jar = dict(before)
        assert side.renew("web").error == "login_required"
        assert side.userinfo(tokens["access_token"]).error == "invalid_token"
        assert side.redeem(code).error == "invalid_grant"


def test_a_question_that_one_asked_is_answered_once_at_the_other(cluster: Cluster) -> None:
    one, other = cluster.sides()
    one.sign_in()
    question = one.end_session()

    assert other.submit(question, "logout").status == 200
    assert not one.is_signed_in()
    one.sign_in()
    one.submit(question, "logout")
    assert one.is_signed_in()
    assert other.is_signed_in()


def test_a_code_redeemed_at_both_at_once_has_one_winner_and_its_tokens_die(cluster: Cluster) -> None:
    one, other = cluster.sides()
    one.sign_in("web")
    for _ in range(RACES):
        code = offline_code(one)

        answers = at_once(partial(OpBrowser.redeem, code=code), one, other)

        assert sorted(answer.status for answer in answers) == [200, 400]
        won, lost = sorted(answers, key=lambda answer: answer.status)
        assert lost.error == "invalid_grant"
        for side in (one, other):
            assert side.userinfo(won.json["access_token"]).error == "invalid_token"
            assert side.refresh(won.json["refresh_token"]).error == "invalid_grant"


def test_a_logout_at_both_at_once_ends_the_session_once_and_neither_fails(cluster: Cluster) -> None:
    for _ in range(RACES):
        one, other = cluster.sides()
        tokens = one.sign_in("web")
        other.jar = dict(one.jar)

        request = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": OUT_URIS["web"]}
        answers = at_once(partial(OpBrowser.end_session, **request), one, other)

        assert "https://web.example.com/out" in [answer.location for answer in answers]
        assert all(answer.status < 500 for answer in answers)
        assert not one.is_signed_in()
        assert one.userinfo(tokens["access_token"]).error == "invalid_token"


def offline_code(browser: OpBrowser) -> str:
    """A code that gives a refresh token too, which needs the user's word."""
    page = browser.follow(browser.authorize("web", scope="openid offline_access", prompt="consent"))
    return browser.submit(page, "allow").query["code"]


def at_once(ask: Callable[[OpBrowser], Answer], *sides: OpBrowser) -> list[Answer]:
    """Ask each side in a thread of its own, all in the same moment."""
    ready = Barrier(len(sides))

    def ask_when_ready(side: OpBrowser) -> Answer:
        ready.wait(10)
        return ask(side)

    with ThreadPoolExecutor(len(sides)) as threads:
        return list(threads.map(ask_when_ready, sides))


def is_unchanged(answer: Answer, client_id: str, op_browser_state: str) -> bool:
    """What the OP iframe would say of an answer's session_state, with this value in the browser's cookie."""
    session_state = (answer.query | answer.fragment)["session_state"]
    return verify_session_state(session_state, client_id, origin_of(REDIRECT_URIS[client_id]), op_browser_state)
