"""What pyoidc makes of a login, as it comes and with us: cookies, session_state, the login page, sessions that stay."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
from oic.utils.authn.user import UsernamePasswordMako
from oic.utils.http_util import make_cookie

from tests import bundled_op
from tests.bundled_op import OpBrowser
from tests.provider.conftest import ISSUER, Answer, Browser, Op
from tests.provider.shown_on_both import outcome, signed_in

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.defect("2.1")
def test_a_login_cookie_forged_without_any_secret(either: Op) -> None:
    now = str(either.clock())
    header = make_cookie("pyoidc", f"alice::{now}::upm", b"", timestamp=now)[1]
    browser = either.browser()
    browser.jar["pyoidc"] = header.partition(";")[0].partition("=")[2]

    assert browser.is_signed_in() is either.is_stock


def with_iframe(op: Op) -> Op:
    """Have pyoidc's own session management on; ours is."""
    if op.is_stock:
        op.provider.capabilities["check_session_iframe"] = f"{ISSUER}/check_session"
    return op


@pytest.mark.defect("2.3")
@pytest.mark.spec("SM-03")
def test_a_session_state_from_which_the_login_is_guessed(logout_op: Op) -> None:
    given = signed_in(with_iframe(logout_op)).authorize().in_query["session_state"]

    _, _, salt = given.partition(".")
    now = logout_op.clock()
    texts = [f"basic https://basic.example.com {second} {salt}" for second in range(now - 60, now + 60)]
    assert any(given == f"{hashlib.sha256(text.encode()).hexdigest()}.{salt}" for text in texts) is logout_op.is_stock


@pytest.mark.defect("2.5")
@pytest.mark.spec("SM-06")
def test_the_origin_is_written_as_browsers_write_it(logout_op: Op) -> None:
    uri = "https://RP3.example.com:443/cb"
    logout_op.clients["basic"]["redirect_uris"].append((uri, None))
    browser = signed_in(with_iframe(logout_op))
    given = browser.authorize(redirect_uri=uri).in_query["session_state"]

    assert is_of(given, "https://rp3.example.com", op_browser_state(browser)) is not logout_op.is_stock


def op_browser_state(browser: Browser) -> str:
    """Return what the iframe reads out of its cookie."""
    ours, theirs = browser.jar.get("__Host-op_browser_state"), browser.jar.get("pyoic_session", "")
    return ours or theirs.strip('"').partition("|")[0]


def is_of(given: str, origin: str, state: str, client_id: str = "basic") -> bool:
    """Tell whether the iframe, asked by a page of this origin, would say `unchanged`."""
    _, _, salt = given.partition(".")
    return given == f"{hashlib.sha256(f'{client_id} {origin} {state} {salt}'.encode()).hexdigest()}.{salt}"


@pytest.mark.defect("2.5")
@pytest.mark.spec("SM-06")
def test_an_origin_as_it_is_needs_no_change(logout_op: Op) -> None:
    browser = signed_in(with_iframe(logout_op))

    assert is_of(browser.authorize().in_query["session_state"], "https://basic.example.com", op_browser_state(browser))


@pytest.mark.defect("2.4")
@pytest.mark.spec("SM-02")
def test_errors_and_forms_without_session_state(logout_op: Op) -> None:
    error = with_iframe(logout_op).browser().renew()
    page = signed_in(logout_op).authorize(response_mode="form_post")

    assert ("session_state" in error.in_query) is not logout_op.is_stock
    assert ("session_state" in page.form.fields) is not logout_op.is_stock


@pytest.mark.defect("3.23")
def test_a_login_cookie_of_long_ago(either: Op) -> None:
    either.clock.now, now = 1, either.clock.now
    browser = signed_in(either)
    either.clock.now = now

    assert browser.is_signed_in() is either.is_stock


def test_hardened_a_login_cookie_is_good_for_half_a_day(hardened: Op) -> None:
    browser = signed_in(hardened)
    hardened.clock.advance(12 * 3600 - 1)
    assert browser.is_signed_in()

    hardened.clock.advance(1)

    assert not browser.is_signed_in()


@pytest.mark.defect("3.25")
def test_a_login_cookie_of_another_shape(either: Op) -> None:
    browser = either.browser()
    browser.jar["pyoidc"] = "a|b|c|d"

    assert outcome(browser.authorize) == ("Error" if either.is_stock else 303)


# -- the login page -------------------------------------------------------------------------------------------------------------

PASSWORD = "wonderland"


class Templates:
    """In place of Mako: the page is the names and values that its template would be given."""

    def get_template(self, _: Any) -> Any:
        return SimpleNamespace(render=lambda **values: json.dumps(values).encode())


@pytest.fixture
def their_login(stock: Op) -> UsernamePasswordMako:
    """pyoidc's own login page."""
    return UsernamePasswordMako(stock.provider, "login.mako", Templates(), {"alice": PASSWORD}, "/authorization")


@pytest.fixture
def our_login() -> OpBrowser:
    """A browser at the login page of the bundled server."""
    return bundled_op.Op.build(bundled_op.make_settings()).browser()


@pytest.mark.defect("3.22")
def test_passwords_are_not_guessed_for_ever(their_login: UsernamePasswordMako, our_login: OpBrowser) -> None:
    theirs = [their_login.verify({"login": "alice", "password": f"guess {n}", "query": ""})[0].status_code for n in range(50)]
    page = our_login.login_page()
    ours = [our_login.submit(page, username="alice", password=f"guess {n}").status for n in range(12)]

    assert set(theirs) == {401}
    assert (ours[0], ours[-1]) == (403, 429)


@pytest.mark.defect("3.22")
def test_a_form_from_elsewhere_signs_nobody_in(their_login: UsernamePasswordMako, our_login: OpBrowser) -> None:
    _, is_let_in = their_login.verify({"login": "alice", "password": PASSWORD, "query": ""})
    answer = our_login.submit(our_login.login_page(), username="alice", password=bundled_op.PASSWORDS["alice"], csrf="")

    assert is_let_in
    assert answer.status == 400
    assert not our_login.is_signed_in("web")


@pytest.mark.defect("3.22")
def test_a_wrong_password_leads_to_the_form_again(their_login: UsernamePasswordMako, our_login: OpBrowser) -> None:
    theirs, _ = their_login.verify({"login": "alice", "password": "wrong", "query": ""})
    ours = our_login.submit(our_login.login_page(), username="alice", password="wrong")

    assert "<form" not in Answer.of(theirs).body
    assert "password" in ours.form.fields
