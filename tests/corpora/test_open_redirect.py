"""Nobody is led anywhere but to a URI that is registered, letter by letter; and nothing may be registered that has two readings."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.bundled_op import Op, OpBrowser
from tests.wsgi_browser import Answer

from .conftest import REGISTERED
from .corpus import each_of
from .markup_reader import addresses_in, elements_of

REQUEST = {
    "client_id": "web",
    "response_type": "code",
    "scope": "openid",
    "state": "s",
    "nonce": "n",
}
WAYS: dict[str, dict[str, str]] = {
    "sign-in": {},
    "silent": {"prompt": "none"},
    "a form": {"response_mode": "form_post"},
    "an error": {"prompt": "none login"},
    "a fragment": {"response_type": "code id_token"},
}


def led_to(page: Answer) -> list[str]:
    """Every place that a page leads to, but for the OP's own assets."""
    return [address for address in addresses_in(elements_of(page.body)) if not address.startswith("/session_assets/")]


@pytest.fixture(scope="module")
def signed_in(op: Op) -> OpBrowser:
    browser = op.browser()
    browser.sign_in()
    return browser


@pytest.fixture(scope="module")
def hint(op: Op) -> str:
    """An ID Token of a session that has ended since: with it a logout needs no question."""
    browser = op.browser()
    id_token: str = browser.sign_in()["id_token"]
    browser.end_session(id_token_hint=id_token)
    return id_token


@pytest.mark.spec("SEC-03", "CO-11")
@each_of("astray_uris", "uri")
def test_a_request_with_another_redirect_uri_leads_nowhere(signed_in: OpBrowser, uri: str) -> None:
    for way in WAYS.values():
        answer = signed_in.get("/authorization?" + urlencode(REQUEST | {"redirect_uri": uri} | way))

        assert (answer.status, answer.location, answer.header("Refresh")) == (400, "", None)
        assert answer.error in ("invalid_redirect_uri", "invalid_request")
        assert set(led_to(answer)) <= {"/end_session"}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_the_registered_one_does_lead_there(op: Op, signed_in: OpBrowser, way: dict[str, str]) -> None:
    answer = signed_in.get("/authorization?" + urlencode(REQUEST | {"redirect_uri": REGISTERED} | way))

    assert answer.location.startswith(REGISTERED) or led_to(answer) == [REGISTERED]


@pytest.mark.spec("SEC-03", "RI-43", "RI-45")
@each_of("astray_uris", "uri")
def test_a_logout_with_another_uri_leads_nowhere(op: Op, hint: str, uri: str) -> None:
    by_hint, by_name = {"id_token_hint": hint}, {"client_id": "web"}
    for method, told in (("GET", by_hint), ("GET", by_name), ("GET", by_hint | by_name), ("POST", by_hint | by_name)):
        text, browser = urlencode(told | {"post_logout_redirect_uri": uri, "state": "s"}), op.browser()
        answer = browser.get(f"/end_session?{text}") if method == "GET" else browser.follow(browser.post("/end_session", text))

        assert answer.status in (200, 400)
        assert (answer.location, answer.header("Refresh")) == ("", None)
        assert led_to(answer) == []


@pytest.mark.spec("SEC-03", "RI-45")
@each_of("astray_uris", "uri")
def test_a_logout_that_the_user_agrees_to_leads_nowhere_either(signed_in: OpBrowser, hint: str, uri: str) -> None:
    question = signed_in.end_session(client_id="web", post_logout_redirect_uri=uri, state="s")

    assert question.location == ""
    assert uri == "" or question.status in (200, 400)
    assert set(led_to(question)) <= {"/end_session"}


@pytest.mark.spec("RI-43")
def test_the_registered_one_does_lead_there_after_a_logout(op: Op, hint: str) -> None:
    answer = op.browser().end_session(id_token_hint=hint, post_logout_redirect_uri=REGISTERED, state="s")

    assert answer.location == f"{REGISTERED}?state=s"


LISTS = ["redirect_uris", "post_logout_redirect_uris"]
GONE_TO = ["frontchannel_logout_uri", "backchannel_logout_uri", "jwks_uri", "sector_identifier_uri"]
LINKS_OF_A_CLIENT = ["initiate_login_uri", "client_uri", "logo_uri", "policy_uri", "tos_uri"]


def register(op: Op, **metadata: Any) -> Answer:
    body = json.dumps({"redirect_uris": [REGISTERED], **metadata}).encode()
    return op.browser().send("POST", "/registration", body, {"Content-Type": "application/json"})


def check_refused(op: Op, uri: str, names: list[str]) -> None:
    for kind in ("web", "native"):
        for name in LISTS:
            answer = register(op, **{"application_type": kind, name: [uri]})

            assert (name, answer.status) == (name, 400)
            assert answer.error == ("invalid_redirect_uri" if name == "redirect_uris" else "invalid_client_metadata")
    for name in names:
        answer = register(op, **{name: uri})

        assert (name, answer.status, answer.error) == (name, 400, "invalid_client_metadata")


@pytest.mark.spec("REG-02", "REG-07", "REG-09")
@each_of("unregistrable_uris", "uri")
def test_what_is_no_plain_web_address_cannot_be_registered_anywhere(op: Op, uri: str) -> None:
    check_refused(op, uri, [*GONE_TO, *LINKS_OF_A_CLIENT])


@pytest.mark.spec("SM-06", "SEC-08", "REG-09")
@each_of("ambiguous_hosts", "uri")
def test_a_host_with_two_readings_cannot_be_registered_where_somebody_is_sent(op: Op, uri: str) -> None:
    check_refused(op, uri, GONE_TO[:2])


def test_a_good_one_can(op: Op) -> None:
    given: dict[str, Any] = dict.fromkeys([*GONE_TO[:2], *LINKS_OF_A_CLIENT], REGISTERED)

    assert register(op, post_logout_redirect_uris=[REGISTERED], **given).status == 201
