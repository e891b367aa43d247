"""What pyoidc makes of a login, as it comes and with us: cookies, session_state, the login page, sessions that stay."""

from __future__ import annotations

import hashlib

import pytest
from oic.utils.http_util import make_cookie

from .conftest import ISSUER
from .shown_on_both import outcome, signed_in

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.defect("2.1")
def test_a_login_cookie_forged_without_any_secret(either):
    now = str(either.clock())
    header = make_cookie("pyoidc", f"alice::{now}::upm", b"", timestamp=now)[1]
    browser = either.browser()
    browser.jar["pyoidc"] = header.partition(";")[0].partition("=")[2]

    assert browser.is_signed_in() is either.is_stock


def with_iframe(op):
    """Have pyoidc's own session management on; ours is."""
    if op.is_stock:
        op.provider.capabilities["check_session_iframe"] = f"{ISSUER}/check_session"
    return op


@pytest.mark.defect("2.3")
@pytest.mark.spec("SM-03")
def test_a_session_state_from_which_the_login_is_guessed(logout_op):
    given = signed_in(with_iframe(logout_op)).authorize().in_query["session_state"]

    _, _, salt = given.partition(".")
    now = logout_op.clock()
    texts = [f"basic https://basic.example.com {second} {salt}" for second in range(now - 60, now + 60)]
    assert any(given == f"{hashlib.sha256(text.encode()).hexdigest()}.{salt}" for text in texts) is logout_op.is_stock


@pytest.mark.defect("2.4")
@pytest.mark.spec("SM-02")
def test_errors_and_forms_without_session_state(logout_op):
    error = with_iframe(logout_op).browser().renew()
    page = signed_in(logout_op).authorize(response_mode="form_post")

    assert ("session_state" in error.in_query) is not logout_op.is_stock
    assert ("session_state" in page.form.fields) is not logout_op.is_stock


@pytest.mark.defect("3.23")
def test_a_login_cookie_of_long_ago(logout_op):
    logout_op.clock.now, now = 1, logout_op.clock.now
    browser = signed_in(logout_op)
    logout_op.clock.now = now

    assert browser.is_signed_in() is logout_op.is_stock


@pytest.mark.defect("3.25")
def test_a_login_cookie_of_another_shape(either):
    browser = either.browser()
    browser.jar["pyoidc"] = "a|b|c|d"

    assert outcome(browser.authorize) == ("Error" if either.is_stock else 303)
