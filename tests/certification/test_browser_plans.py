"""What needs a real browser: session management, front-channel logout, forms that post themselves, pages that are photographed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import ChromiumContexts
from tests.certification.op_process import PASSWORD, OpProcess
from tests.certification.relying_party import RelyingParty
from tests.certification.suite import Suite
from tests.certification.throwaway_ca import ThrowawayCa

pytestmark = pytest.mark.browser

NEEDS_A_USER = {"login_required", "interaction_required", "account_selection_required", "consent_required"}
_SESSION_PAGE = """<!doctype html><link rel=icon href=data:,>
<iframe hidden id=op src="{check_session_iframe}"></iframe>
<iframe hidden src="{rp_iframe}"></iframe>"""
_RP_IFRAME = """<!doctype html>
<script>
  window.onmessage = ({{ data, origin }}) => {{ if (origin === {origin}) parent.location = {result} + "?state=" + data; }};
  setInterval(() => parent.document.querySelector("#op").contentWindow.postMessage({message}, "*"), 500);
</script>"""
"""The suite asks from a frame beside the OP's (OIDCSM-3.1), whose answer the whole page brings to the suite's server. It asks once, half a
second after it was loaded; here it asks again, for a machine on which the OP's frame comes later than that."""


@pytest.fixture(scope="module")
def shared_browser(module_chromium_context: ChromiumContexts, ca: ThrowawayCa) -> BrowserContext:
    """Chromium, to which every host of the play is this machine and whose certificate is good."""
    return module_chromium_context(
        "allowed", "--host-resolver-rules=MAP *.test 127.0.0.1", f"--ignore-certificate-errors-spki-list={ca.spki_hash}"
    )


@pytest.fixture(scope="module")
def page(shared_browser: BrowserContext) -> Iterator[Page]:
    """One tab for all."""
    page = shared_browser.new_page()
    yield page
    page.close()


class User:
    """Somebody at the browser."""

    def __init__(self, page: Page, suite: Suite) -> None:
        self.page = page
        self.suite = suite

    def log_in(self, rp: RelyingParty) -> Any:
        """Sign in at a client and allow what it wants; the client looks at what comes back as ever."""
        return rp.take(self.answer_to(rp))

    def answer_to(self, rp: RelyingParty, **changes: str | None) -> dict[str, str]:
        """Open an authorization request, be the user, return the parameters that arrive at the redirect URI."""
        self.page.goto(rp.url(**changes))
        while not self.page.url.startswith(rp.redirect_uri):
            if self.page.get_by_label("Password").is_visible():
                self.page.get_by_label("Username").fill("alice")
                self.page.get_by_label("Password").fill(PASSWORD)
                self.page.get_by_role("button", name="Sign in", exact=True).click()
            elif self.page.get_by_role("button", name="Allow", exact=True).is_visible():
                self.page.get_by_role("button", name="Allow", exact=True).click()
            else:
                self.page.wait_for_url(f"{rp.redirect_uri}*")
        return self._arrived(rp)

    def _arrived(self, rp: RelyingParty) -> dict[str, str]:
        target = urlsplit(self.page.url)
        visit = self.suite.visits_of("callback")[-1]
        places = {
            "query": parse_qsl(target.query, keep_blank_values=True),
            "fragment": parse_qsl(target.fragment, keep_blank_values=True),
            "form": visit.parameters if visit.method == "POST" else [],
        }
        found = places.pop(rp.place)
        assert not any(places.values()), places
        if rp.place == "form":
            assert visit.headers["Content-Type"] == "application/x-www-form-urlencoded"
        response = dict(found)
        assert len(response) == len(found)
        assert response["state"] == rp.requested["state"]
        assert response["iss"] == rp.discovery["issuer"]
        return response

    def log_out(self, rp: RelyingParty, id_token: str, state: str) -> None:
        """Have the client sign the user out, and wait for the way back, which brings the `state` alone."""
        query = {"id_token_hint": id_token, "post_logout_redirect_uri": self.suite.url("post_logout_redirect"), "state": state}
        self.page.goto(f"{rp.discovery['end_session_endpoint']}?{urlencode(query)}")
        self.page.wait_for_url(f"{self.suite.url('post_logout_redirect')}*")
        assert self.suite.visit_of("post_logout_redirect").parameters == [("state", state)]

    def is_signed_out(self, rp: RelyingParty) -> bool:
        return self.answer_to(rp, prompt="none").get("error") in NEEDS_A_USER

    def hears(self, rp: RelyingParty, session_state: str, answer: str) -> None:
        """Open the client's page, which asks the OP's iframe and goes on with its answer."""
        place = secrets.token_hex(8)
        frame = _RP_IFRAME.format(
            message=json.dumps(f"{rp.client_id} {session_state}"),
            origin=json.dumps("/".join(rp.discovery["issuer"].split("/")[:3])),
            result=json.dumps(self.suite.url(f"{place}/session_result")),
        )
        rp_iframe = self.suite.serve(f"{place}/rp_session_iframe", frame, "text/html")
        text = _SESSION_PAGE.format(check_session_iframe=rp.discovery["check_session_iframe"], rp_iframe=rp_iframe)
        self.page.goto(self.suite.serve(f"{place}/session_verify", text, "text/html"))
        self.page.wait_for_url(self.suite.url(f"{place}/session_result?state={answer}"))


@pytest.fixture
def user(page: Page, suite: Suite) -> User:
    """Somebody who may be signed in at the OP; the suite's visits begin anew."""
    suite.visits.clear()
    return User(page, suite)


@pytest.fixture
def stranger(shared_browser: BrowserContext, user: User) -> User:
    """Somebody whose browser has never been at the OP."""
    shared_browser.clear_cookies()
    return user


@pytest.mark.module("oidcc-session-management-rp-initiated-logout")
@pytest.mark.spec("SM-01", "SM-03", "SM-21", "MD-05", "SM-20")
def test_the_iframe_says_unchanged_while_the_user_is_there_and_changed_after_the_logout(op: OpProcess, suite: Suite, user: User) -> None:
    rp = RelyingParty.register(op, suite, post_logout_redirect_uris=[suite.url("post_logout_redirect")])
    login = user.log_in(rp)

    user.hears(rp, login.response["session_state"], "unchanged")
    user.log_out(rp, login.id_token, secrets.token_urlsafe(96))
    user.hears(rp, login.response["session_state"], "changed")
    assert user.is_signed_out(rp)


@pytest.mark.module("oidcc-frontchannel-rp-initiated-logout")
@pytest.mark.spec("FC-02", "FC-03", "FC-04", "FC-08", "FC-10", "RI-41", "SID-08")
def test_a_logout_opens_the_rps_logout_page_in_a_frame_and_leads_back(op: OpProcess, suite: Suite, user: User) -> None:
    rp = RelyingParty.register(
        op,
        suite,
        post_logout_redirect_uris=[suite.url("post_logout_redirect")],
        frontchannel_logout_uri=suite.url("frontchannel_logout"),
        frontchannel_logout_session_required=True,
    )
    login = user.log_in(rp)
    user.log_out(rp, login.id_token, secrets.token_urlsafe(96))
    visit = suite.visit_of("frontchannel_logout")

    assert (visit.method, visit.headers["Sec-Fetch-Dest"]) == ("GET", "iframe")
    assert sorted(visit.parameters) == [("iss", rp.discovery["issuer"]), ("sid", login.claims["sid"])]
    order = [visit.path for visit in suite.visits if visit.path in ("/frontchannel_logout", "/post_logout_redirect")]
    assert order == ["/frontchannel_logout", "/post_logout_redirect"]
    assert user.is_signed_out(rp)


@pytest.mark.module("oidcc-server")
@pytest.mark.parametrize("response_type", ["code", "id_token token", "code id_token"])
def test_the_answer_posts_itself(op: OpProcess, suite: Suite, user: User, response_type: str) -> None:
    user.log_in(RelyingParty.register(op, suite, response_type, response_mode="form_post"))


@pytest.mark.module("oidcc-server")
def test_the_answer_comes_in_the_fragment(op: OpProcess, suite: Suite, user: User) -> None:
    user.log_in(RelyingParty.register(op, suite, "code id_token token"))


@pytest.mark.module("oidcc-prompt-none-not-logged-in")
def test_an_error_posts_itself_too(op: OpProcess, suite: Suite, stranger: User) -> None:
    assert stranger.is_signed_out(RelyingParty.register(op, suite, response_mode="form_post"))


@pytest.mark.module("oidcc-registration-logo-uri")
@pytest.mark.module("oidcc-registration-policy-uri")
@pytest.mark.module("oidcc-registration-tos-uri")
def test_the_login_page_to_be_photographed_shows_the_logo_and_the_links(op: OpProcess, suite: Suite, stranger: User) -> None:
    logo = suite.serve("logo.svg", '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"/>', "image/svg+xml")
    rp = RelyingParty.register(op, suite, logo_uri=logo, policy_uri=suite.url("policy"), tos_uri=suite.url("tos"))
    stranger.page.goto(rp.url())

    expect(stranger.page.get_by_label("Password")).to_be_visible()
    expect(stranger.page.get_by_role("link", name="Privacy policy")).to_have_attribute("href", suite.url("policy"))
    expect(stranger.page.get_by_role("link", name="Terms of service")).to_have_attribute("href", suite.url("tos"))
    assert stranger.page.locator("img.logo").evaluate("image => image.decode().then(() => image.naturalWidth)") == 40
    assert "Referer" not in suite.visit_of("logo.svg").headers
