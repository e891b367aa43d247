"""The front page: who is signed in here, at which applications, and a way out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.bundled_op import Op, OpBrowser


def test_nobody_is_told_so(browser: OpBrowser) -> None:
    page = browser.get("/")

    assert page.status == 200
    assert "alice" not in page.text
    assert not page.cookies


def test_a_user_sees_their_name_and_applications(browser: OpBrowser) -> None:
    browser.sign_in("web")
    browser.sign_in("spa", prompt="login")

    page = browser.get("/")

    assert "alice" in page.text
    assert "Web RP" in page.text
    assert "spa" in page.text


@pytest.mark.spec("SEC-11")
def test_names_are_escaped(make_op: Callable[..., Op]) -> None:
    name = "<script>alert(1)</script>"
    browser = make_op(users=[{"username": name, "password": "x"}]).browser()
    browser.submit(browser.get("/login"), username=name, password="x")

    page = browser.get("/")

    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


def test_sign_out_asks_and_signs_out(browser: OpBrowser) -> None:
    browser.sign_in()

    question = browser.submit(browser.get("/"))
    answer = browser.submit(question, "logout")

    assert answer.status == 200
    assert not browser.is_signed_in()


@pytest.mark.spec("RI-50", "RI-51")
def test_after_signing_out_no_page_of_before_can_be_shown_again(browser: OpBrowser) -> None:
    browser.sign_in()
    before = browser.get("/")
    browser.submit(browser.end_session(), "logout")

    assert before.header("Cache-Control") == "no-store"
    assert "alice" not in browser.get("/").text


def test_a_session_that_is_over_is_nobodys(op: Op, browser: OpBrowser) -> None:
    browser.sign_in()
    op.clock.advance(8 * 3600)

    assert "alice" not in browser.get("/").text


@pytest.mark.parametrize("path", ["/", "", "/index"])
def test_it_has_the_issuers_address(browser: OpBrowser, path: str) -> None:
    assert browser.get(path).status == 200


@pytest.mark.parametrize("path", ["/a/op", "/a/op/"])
def test_an_issuer_with_a_path_leads_to_it_with_and_without_a_slash(make_op: Callable[..., Op], path: str) -> None:
    browser = make_op(issuer="http://localhost:8080/a/op").browser()

    page = browser.get(path, {"Host": "evil.example.com"})

    assert page.status == 200
    assert not page.location
    assert "evil" not in page.text


def test_it_cannot_be_posted_to(browser: OpBrowser) -> None:
    answer = browser.post("/", {})

    assert (answer.status, answer.header("Allow")) == (405, "GET")
