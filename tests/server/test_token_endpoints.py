"""Revocation and introspection as the bundled server mounts them, beside the token endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oic_session_ext.server.users import UserDirectory
from tests.bundled_op import CLIENTS, ISSUER, Op, OpBrowser, make_settings
from tests.wsgi_browser import Answer

OFFLINE = {"scope": "openid offline_access", "prompt": "consent"}
RESOURCE_SERVER = {"client_id": "asking", "introspection": "any"}


@pytest.fixture
def op(make_op: Callable[..., Op]) -> Op:
    return make_op(clients=[client | (RESOURCE_SERVER if client["client_id"] == "asking" else {}) for client in CLIENTS])


def introspect(browser: OpBrowser, token: str, client_id: str = "web") -> Answer:
    return browser.as_client(client_id, "/introspection", {"token": token} | ({"client_id": "spa"} if client_id == "spa" else {}))


def revoke(browser: OpBrowser, token: str, client_id: str = "web") -> Answer:
    return browser.as_client(client_id, "/revocation", {"token": token} | ({"client_id": "spa"} if client_id == "spa" else {}))


@pytest.mark.spec("MD-04")
def test_discovery_names_both(browser: OpBrowser) -> None:
    info = browser.get("/.well-known/openid-configuration").json

    assert info["revocation_endpoint"] == f"{ISSUER}/revocation"
    assert info["introspection_endpoint"] == f"{ISSUER}/introspection"
    assert "none" in info["revocation_endpoint_auth_methods_supported"]
    assert "none" not in info["introspection_endpoint_auth_methods_supported"]


@pytest.mark.parametrize("client_id", ["web", "spa"])
def test_what_a_client_revokes_is_dead(browser: OpBrowser, client_id: str) -> None:
    tokens = browser.sign_in(client_id, **OFFLINE)

    assert revoke(browser, tokens["refresh_token"], client_id).status == 200

    assert browser.refresh(tokens["refresh_token"], client_id).error == "invalid_grant"
    assert browser.userinfo(tokens["access_token"]).error == "invalid_token"
    assert browser.is_signed_in(client_id)


def test_a_client_learns_of_its_own_tokens_and_a_resource_server_of_all(browser: OpBrowser) -> None:
    own, spas = browser.sign_in()["access_token"], browser.sign_in("spa", prompt="login")["access_token"]

    assert introspect(browser, own).json["client_id"] == "web"
    assert introspect(browser, spas).json == {"active": False}
    assert introspect(browser, own, "asking").json["client_id"] == "web"
    assert introspect(browser, spas, "asking").json["client_id"] == "spa"
    assert introspect(browser, spas, "spa").error == "invalid_client"


def test_tokens_of_a_user_who_was_taken_out_are_not_active_and_may_still_be_revoked(op: Op, browser: OpBrowser) -> None:
    tokens = browser.sign_in(user="alice", **OFFLINE)
    op.server.op.users = UserDirectory(tuple(user for user in op.settings.users if user.username != "alice"))

    assert introspect(browser, tokens["access_token"]).json == {"active": False}
    assert introspect(browser, tokens["refresh_token"]).json == {"active": False}
    assert revoke(browser, tokens["refresh_token"]).status == 200


@pytest.mark.parametrize("path", ["/revocation", "/introspection"])
def test_a_query_is_no_way_to_send_a_token(browser: OpBrowser, path: str) -> None:
    token = browser.sign_in()["access_token"]

    assert browser.get(path, token=token).status == 405
    assert browser.as_client("web", f"{path}?token={token}", {}).error == "invalid_request"
    assert browser.userinfo(token).status == 200


@pytest.mark.parametrize("path", ["/revocation", "/introspection"])
def test_json_is_no_form(browser: OpBrowser, path: str) -> None:
    answer = browser.send("POST", path, b'{"token": "x"}', {"Content-Type": "application/json"})

    assert (answer.status, answer.error) == (415, "invalid_request")


def test_no_client_makes_itself_a_resource_server(make_op: Callable[..., Op]) -> None:
    op = make_op(registration={"mode": "open"})
    browser = op.browser()
    body = b'{"redirect_uris": ["https://new.example.com/cb"], "introspection": "any"}'

    client = browser.send("POST", "/registration", body, {"Content-Type": "application/json"}).json

    assert "introspection" not in client
    assert op.server.op.server_clients[client["client_id"]].get("introspection") != "any"


def test_a_public_client_cannot_be_a_resource_server() -> None:
    client: dict[str, Any] = {"client_id": "app", "token_endpoint_auth_method": "none", "redirect_uris": ["https://app.example.com/cb"]}

    with pytest.raises(ValueError, match="introspection"):
        make_settings(clients=[client | {"introspection": "any"}])


@pytest.mark.spec("SID-11", "WR-14")
@pytest.mark.parametrize("revoke_offline", [False, True])
def test_the_setting_says_whether_offline_access_outlives_a_logout(make_op: Callable[..., Op], revoke_offline: bool) -> None:
    browser = make_op(logout={"revoke_offline_access": revoke_offline}).browser()
    tokens = browser.sign_in(**OFFLINE)

    browser.end_session(id_token_hint=tokens["id_token"])

    assert (browser.refresh(tokens["refresh_token"]).status == 200) is not revoke_offline
