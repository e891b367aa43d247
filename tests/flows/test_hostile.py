"""A short run of hostile requests finds nothing, and what it looks for it would find."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.flows.machines.hostile import HostileRun
from tests.flows.machines.hostile_checks import problems
from tests.flows.machines.hostile_flows import FLOWS
from tests.flows.machines.hostile_pool import Pool
from tests.flows.machines.hostile_pressure import guess_in_parallel, keep_threads_busy
from tests.flows.machines.hostile_request import ENDPOINTS, Request
from tests.flows.machines.hostile_server import HostileServer
from tests.flows.machines.hostile_values import MARK
from tests.wsgi_browser import Answer

SEED = int(os.environ.get("HOSTILE_SEED", random.SystemRandom().randrange(10**6)))
NOT_LOADED = [("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer")]
PAGE = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    ("X-Frame-Options", "DENY"),
    *NOT_LOADED,
]
JSON = [("Content-Type", "application/json"), *NOT_LOADED]
OK = b"<p>Good</p>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileServer]:
    with HostileServer(tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.mark.spec("SEC-01", "SEC-03", "SEC-11", "SEC-12")
def test_nothing_is_found_in_a_short_run(server: HostileServer) -> None:
    print(f"HOSTILE_SEED={SEED}")

    outcome = HostileRun(server, SEED).send(1500)

    print(outcome)
    assert dict(outcome.findings) == {}
    assert set(outcome.requests) >= set(ENDPOINTS) - {"/health/live", "/health/ready"}
    assert outcome.good_statuses[200] > 0  # valid flows go through
    assert outcome.good_statuses[303] > 0


def test_many_who_guess_at_once_are_held_back_and_learn_nothing(server: HostileServer) -> None:
    _, finding = guess_in_parallel(server, guesses=60)

    assert not finding


def test_slow_clients_of_every_kind_keep_nobody_out(server: HostileServer) -> None:
    note, finding = keep_threads_busy(server, each=15, for_s=3)

    print(note)
    assert not finding


def test_every_flow_has_a_weight() -> None:
    assert all(weight > 0 for weight in FLOWS.values())


@pytest.mark.parametrize(
    ("path", "answer", "problem"),
    [
        ("/login", Answer(500, PAGE, OK), "status 500"),
        ("/login", Answer(200, PAGE, b'File "/srv/op.py", line 1'), "tells of its inside"),
        ("/login", Answer(200, PAGE, f"<p><{MARK} {MARK}=1></p>".encode()), "a value that is not escaped"),
        ("/login", Answer(200, PAGE, f'<input value="" {MARK}=1>'.encode()), f"an attribute {MARK}"),
        ("/login", Answer(200, PAGE, b'<a onclick="x()">x</a>'), "an attribute onclick"),
        ("/login", Answer(200, PAGE, b"<script>x()</script>"), "an inline script"),
        ("/login", Answer(200, PAGE, b'<a href="javascript:x()">x</a>'), "href=javascript:"),
        ("/login", Answer(200, PAGE, b'<form action="https://evil.example.com/">'), "a form leads to what is not registered"),
        ("/login", Answer(200, PAGE, b'<meta http-equiv="refresh" content="0; url=//evil.example.com">'), "a page goes on to"),
        ("/login", Answer(200, [*PAGE[:2], *NOT_LOADED], OK), "X-Frame-Options: None"),
        ("/login", Answer(200, [PAGE[0], *PAGE[2:]], OK), "a page without frame-ancestors 'none'"),
        ("/login", Answer(200, PAGE[:-1], OK), "Referrer-Policy: None"),
        ("/login", Answer(400, PAGE, OK), "an error without a code"),
        ("/login", Answer(200, [*PAGE, ("Set-Cookie", "op_session=sent; HttpOnly; SameSite=Lax")], OK), "keeps a session's cookie"),
        ("/login", Answer(200, [*PAGE, ("Set-Cookie", "op_login=x; SameSite=Lax")], OK), "sets op_login without {'HttpOnly'}"),
        ("/login", Answer(200, [*PAGE, ("Set-Cookie", "evil=x")], OK), "sets a cookie 'evil'"),
        ("/token", Answer(400, PAGE, b"<code>invalid_request</code>"), "an error of a JSON endpoint as text/html"),
        ("/token", Answer(200, JSON[:1], b"{}"), "X-Content-Type-Options: None"),
        ("/token", Answer(200, [*JSON, ("Access-Control-Allow-Origin", "https://evil.example.com")], b"{}"), "lets an unknown origin in"),
        (
            "/authorization",
            Answer(303, [("Location", "https://evil.example.com/"), *NOT_LOADED], b""),
            "redirects to what is not registered",
        ),
        ("/authorization", Answer(303, [("Location", "//evil.example.com/"), *NOT_LOADED], b""), "redirects to what is not registered"),
        ("/authorization", Answer(303, [("Location", "https://web.example.com/cbx"), *NOT_LOADED], b""), "redirects to what is not"),
        ("/authorization", Answer(303, [("Location", "https://spa.example.com/cb?x=y"), *NOT_LOADED], b""), "redirects to what is not"),
        ("/check_session", Answer(200, PAGE, OK), "an iframe that cannot be framed"),
    ],
)
def test_it_is_found(path: str, answer: Answer, problem: str) -> None:
    request = Request("GET", path, query=[("client_id", "web")], cookies=[("op_session", "sent")])

    assert any(found.startswith(problem) for found in problems(request, answer, Pool()))


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/login", Answer(200, PAGE, OK)),
        ("/token", Answer(200, JSON, b"{}")),
        ("/authorization", Answer(303, [("Location", "https://web.example.com/cb?x=y"), *NOT_LOADED], b"")),
    ],
)
def test_what_is_good_is_not_found(path: str, answer: Answer) -> None:
    assert not list(problems(Request("GET", path, query=[("client_id", "web")]), answer, Pool()))


def test_a_secret_in_the_log_is_found() -> None:
    pool = Pool()
    pool.harvest(Answer(200, JSON, b'{"access_token": "%s"}' % (b"t" * 43)), random.Random(1))

    assert pool.found_in("x" * 50 + "t" * 43 + "y") == ["t" * 24]
    assert pool.found_in("the password of user1 is password of user1") == ["password of user1"]
    assert not pool.found_in("x" * 500)
