"""Clients' servers that accept connections and never answer: the OP answers everyone else meanwhile.

Times are measured against generous bounds: what is shown is that the waits do not add up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import Any

import pytest

from oic_session_ext.crypto import jose
from oic_session_ext.provider.keys import generate_private_jwks
from tests.bundled_op import CLIENTS, OUT_URIS
from tests.flows.machines.running_op import RunningOp
from tests.web.outbound.servers import SilentServer

KEY_SERVERS = 14
TOKEN_REQUESTS = 96
LOGOUTS = 40
BOUND_S = 3
"""Far below one deadline of a fetch (5 s), and of a logout with its queue (8 s)."""
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture(scope="module")
def op(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOp]:
    with ExitStack() as stack:
        silent = stack.enter_context(SilentServer())
        clients: list[dict[str, Any]] = [
            one | ({"backchannel_logout_uri": silent.uri("/logout"), "allow_http": True} if one["client_id"] == "web" else {})
            for one in CLIENTS
        ]
        clients += [
            {
                "client_id": f"silent-{number}",
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks_uri": stack.enter_context(SilentServer()).uri("/jwks"),
                "redirect_uris": ["https://rp.example.com/cb"],
                "allow_http": True,
            }
            for number in range(KEY_SERVERS)
        ]
        op = RunningOp(tmp_path_factory.mktemp("silent"), clients=clients, logout={"backchannel": {"allow_networks": ["127.0.0.0/8"]}})
        op.start()
        yield op
        op.close()


def seconds_of(request: Callable[[], object]) -> float:
    began = time.monotonic()
    request()
    return time.monotonic() - began


def slowest_liveness(op: RunningOp, attack: list[Future[Any]]) -> float:
    """Ask for the OP's health until the attack is over; return the longest time that an answer took."""
    times = [0.0]
    while wait(attack, 0.05).not_done:
        times.append(seconds_of(lambda: op.browser().get("/health/live")))
    return max(times)


def token_request(op: RunningOp, number: int) -> int:
    """Ask for tokens as a client whose keys the OP must fetch."""
    client_id = f"silent-{number % KEY_SERVERS}"
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": op.issuer, "jti": f"{number}-{now}", "iat": now, "exp": now + 60}
    assertion = jose.sign(claims, KEY, "RS256")
    form = {"grant_type": "authorization_code", "code": "x", "client_assertion_type": JWT_BEARER, "client_assertion": assertion}
    return op.browser().as_client(client_id, "/token", form).status


KEY = jose.import_key(generate_private_jwks()["keys"][0])


def test_silent_key_servers_keep_no_other_request_waiting(op: RunningOp) -> None:
    with ThreadPoolExecutor(TOKEN_REQUESTS) as threads:
        attack = [threads.submit(token_request, op, number) for number in range(TOKEN_REQUESTS)]
        slowest_s = slowest_liveness(op, attack)

    statuses = {one.result() for one in attack}
    print(f"{TOKEN_REQUESTS} token requests, liveness {slowest_s:.3f} s at most, statuses {statuses}")
    assert slowest_s < BOUND_S
    assert statuses <= {401, 503}
    assert 503 in statuses


def test_users_sign_in_while_key_servers_are_silent(op: RunningOp) -> None:
    with ThreadPoolExecutor(TOKEN_REQUESTS) as threads:
        attack = [threads.submit(token_request, op, number) for number in range(TOKEN_REQUESTS)]
        took_s = seconds_of(lambda: op.browser().sign_in("asking"))
        wait(attack)

    assert took_s < BOUND_S


def test_logouts_whose_rp_is_silent_keep_no_other_request_waiting(op: RunningOp) -> None:
    browsers = [op.browser() for _ in range(LOGOUTS)]
    hints = [browser.sign_in()["id_token"] for browser in browsers]

    def log_out(number: int) -> int:
        answer = browsers[number].end_session(id_token_hint=hints[number], post_logout_redirect_uri=OUT_URIS["web"])
        return answer.status

    with ThreadPoolExecutor(LOGOUTS) as threads:
        logouts = [threads.submit(log_out, number) for number in range(LOGOUTS)]
        slowest_s = slowest_liveness(op, logouts)

    print(f"{LOGOUTS} logouts, liveness {slowest_s:.3f} s at most")
    assert {one.result() for one in logouts} == {200}
    assert slowest_s < BOUND_S
    assert not any(browser.is_signed_in() for browser in browsers[:5])
