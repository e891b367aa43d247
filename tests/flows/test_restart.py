"""The server is killed, or stopped, in the middle of what people do: everything goes on."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from oic_session_ext.server.users import hash_password
from tests.bundled_op import OUT_URIS, SECRETS, basic
from tests.flows.machines.running_op import RunningOp, read_all

HASHED_USERS = [{"username": "alice", "password_hash": hash_password("wonderland")}]


def test_a_kill_between_login_and_logout_goes_unnoticed(running: RunningOp) -> None:
    browser = running.browser()
    tokens = browser.sign_in("web")
    code = browser.renew("web").query["code"]
    keys = browser.get("/jwks.json").json

    running.kill()
    running.start()

    assert browser.get("/jwks.json").json == keys
    assert browser.is_signed_in("web")
    assert browser.is_signed_in("spa")
    assert browser.redeem(code).status == 200
    assert browser.userinfo(tokens["access_token"]).status == 200
    answer = browser.end_session(id_token_hint=tokens["id_token"], post_logout_redirect_uri=OUT_URIS["web"])
    assert answer.location == OUT_URIS["web"]
    assert not browser.is_signed_in("web")


def test_a_logout_outlives_a_kill(running: RunningOp) -> None:
    browser = running.browser()
    tokens = browser.sign_in("web")
    before = dict(browser.jar)
    browser.end_session(id_token_hint=tokens["id_token"])

    running.kill()
    running.start()

    browser.jar = before
    assert browser.renew("web").error == "login_required"
    assert browser.userinfo(tokens["access_token"]).error == "invalid_token"


def test_forms_that_are_open_outlive_a_kill(running: RunningOp) -> None:
    at_login, at_consent, at_logout = running.browser(), running.browser(), running.browser()
    at_logout.sign_in()
    login, logout = at_login.login_page(state="kept"), at_logout.end_session()
    consent = at_consent.follow(at_consent.enter(at_consent.login_page("asking", prompt="login consent")))

    running.kill()
    running.start()

    assert at_login.enter(login).query["state"] == "kept"
    assert "code" in at_consent.submit(consent, "allow").query
    assert at_logout.submit(logout, "logout").status == 200
    assert not at_logout.is_signed_in()


@pytest.mark.spec("SID-11", "SID-14")
def test_refresh_tokens_consents_and_registered_clients_outlive_a_kill(running: RunningOp) -> None:
    browser = running.browser()
    client = browser.send(
        "POST", "/registration", b'{"redirect_uris": ["https://new.example.com/cb"]}', {"Content-Type": "application/json"}
    ).json
    asked = {"client_id": client["client_id"], "redirect_uri": "https://new.example.com/cb"}
    page = browser.follow(browser.enter(browser.login_page(**asked)))
    browser.submit(page, "allow")
    offline = browser.sign_in("spa", scope="openid offline_access", prompt="consent login")

    running.kill()
    running.start()

    assert "code" in browser.renew(**asked).query
    refreshed = browser.refresh(offline["refresh_token"], "spa")
    assert refreshed.status == 200
    assert browser.refresh(refreshed.json["refresh_token"], "spa").status == 200
    assert browser.refresh(offline["refresh_token"], "spa").error == "invalid_grant"


def test_op_browser_state_of_nobody_is_the_same_after_a_restart(running: RunningOp) -> None:
    one, other = running.browser(), running.browser()
    one.renew()
    running.kill()
    running.start()
    other.renew()

    assert one.jar["op_browser_state"] == other.jar["op_browser_state"]


# -- a graceful stop --------------------------------------------------------------------------------------------------


def token_request(body: str) -> tuple[bytes, bytes]:
    """A request at the token endpoint in two parts, the second without which it cannot be answered."""
    head = (
        "POST /token HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {basic('web', SECRETS['web'])}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return (head + body[:10]).encode(), body[10:].encode()


def test_a_request_under_way_is_finished_when_the_server_is_told_to_stop(own_running: RunningOp) -> None:
    browser = own_running.browser()
    code = browser.enter(browser.login_page()).query["code"]
    first, second = token_request(f"grant_type=authorization_code&code={code}&redirect_uri=https%3A%2F%2Fweb.example.com%2Fcb")
    assert own_running.process is not None

    with own_running.connect() as connection:
        connection.sendall(first)
        _wait_until_taken(own_running)
        own_running.process.send_signal(signal.SIGTERM)
        _wait_until_closed(own_running)
        connection.sendall(second)
        answer = read_all(connection)

    assert b"200 OK" in answer.partition(b"\r\n")[0]
    assert b'"id_token"' in answer
    assert own_running.process.wait(20) == 0


def test_an_idle_connection_does_not_hold_the_stop_up(own_running: RunningOp) -> None:
    with own_running.connect() as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in connection.recv(65536)
        begun = time.monotonic()

        assert own_running.stop() == 0

    assert time.monotonic() - begun < 8


def test_a_stop_leaves_nothing_of_a_traceback_in_the_log(own_running: RunningOp) -> None:
    own_running.browser().sign_in()

    assert own_running.stop() == 0
    assert "Traceback" not in own_running.log


# -- a start that fails -----------------------------------------------------------------------------------------------


def test_an_address_that_somebody_listens_on_is_told_in_one_line(running: RunningOp, tmp_path: Path) -> None:
    assert why_it_does_not_start(tmp_path, listen={"host": "127.0.0.1", "port": running.port}) == (
        f"listen: 127.0.0.1 port {running.port} cannot be listened on: Address already in use"
    )


def test_an_address_of_another_machine_is_told_in_one_line(tmp_path: Path) -> None:
    why = why_it_does_not_start(tmp_path, listen={"host": "192.0.2.1", "port": 8080}, login={}, users=HASHED_USERS)

    assert why.startswith("listen: 192.0.2.1 port 8080 cannot be listened on: ")


def test_a_certificate_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    for name in ("certificate", "key"):
        (tmp_path / name).write_text("not PEM")
    tls = {"certificate": str(tmp_path / "certificate"), "key": str(tmp_path / "key")}

    assert "listen.tls: the certificate and its key cannot be used" in why_it_does_not_start(
        tmp_path, issuer="https://localhost", listen={"host": "127.0.0.1", "tls": tls}
    )


def why_it_does_not_start(folder: Path, **changes: Any) -> str:
    """What the command says, after the name of the settings file, when it ends with exit code 2."""
    op = RunningOp(folder, **changes)
    with pytest.raises(AssertionError):
        op.start()
    assert op.process is not None
    assert op.process.wait() == 2
    assert "Traceback" not in op.log
    return op.log.splitlines()[-1].partition("op.yaml: ")[2]


def _wait_until_taken(op: RunningOp) -> None:
    """Return when the server has taken up what was sent before: connections are taken in their order."""
    assert op.browser().get("/health/live").status == 200


def _wait_until_closed(op: RunningOp) -> None:
    give_up_at = time.monotonic() + 20
    while time.monotonic() < give_up_at:
        try:
            op.connect().close()
        except OSError:
            return
        time.sleep(0.05)
    raise AssertionError("the server goes on listening")
