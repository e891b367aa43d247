"""What each page says and asks."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from jinja2 import UndefinedError

from oic_session_ext.logout.end_session import Problem
from oic_session_ext.logout.report import RpStatus
from oic_session_ext.pages import Page, Pages

Render = Callable[..., Page]
Parse = Callable[[Page], Any]


def test_the_status_is_the_callers(render: Render) -> None:
    assert render("unavailable", status=503).status == 503
    assert render("home").status == 200


@pytest.mark.parametrize("name", ["nothing", "base", "_parts", "../pages/error", "error.html", ""])
def test_an_unknown_page_is_refused(pages: Pages, name: str) -> None:
    with pytest.raises(LookupError, match="no page is called"):
        pages.render(name)


def test_a_missing_value_is_refused(pages: Pages) -> None:
    with pytest.raises(UndefinedError):
        pages.render("logged_out", client_name="Mail")


@pytest.mark.spec("RI-36", "SEC-02")
def test_the_logout_question_posts_its_confirmation_and_one_of_two_answers(render: Render, parse: Parse) -> None:
    document = parse(render("end_session_confirm"))

    assert document.all("form") == [{"method": "post", "action": "/end_session/confirm"}]
    assert document.all("input") == [{"type": "hidden", "name": "confirmation", "value": "one-use"}]
    assert [(button["name"], button["value"]) for button in document.all("button")] == [("logout", "yes"), ("stay", "yes")]


@pytest.mark.parametrize("problem", list(Problem))
def test_the_logout_question_names_its_problem(render: Render, parse: Parse, pages: Pages, problem: str) -> None:
    text = parse(render("end_session_confirm", problem=problem)).text

    assert pages.text(f"end_session_confirm.problem.{problem}") in text


def test_the_logout_question_says_who_asks_and_who_is_signed_in(render: Render, parse: Parse) -> None:
    text = parse(render("end_session_confirm", client_name="Mail", username="alice")).text

    assert "Mail asks to sign you out." in text
    assert "You are signed in as alice." in text


def test_the_logout_question_invents_nobody(render: Render, parse: Parse) -> None:
    text = parse(render("end_session_confirm", client_name=None, username=None, problem=None)).text

    assert "None" not in text
    assert "asks to" not in text


@pytest.mark.parametrize("name", ["login", "end_session_confirm"])
def test_an_unknown_problem_has_a_general_sentence(render: Render, parse: Parse, pages: Pages, name: str) -> None:
    assert pages.text(f"{name}.problem.other") in parse(render(name, problem="something new")).text


def test_the_login_form_carries_what_binds_it_and_what_password_managers_need(render: Render, parse: Parse) -> None:
    fields = {field["name"]: field for field in parse(render("login", login_hint=None, problem=None)).all("input")}

    assert fields["csrf"]["value"] == "token"
    assert fields["waiting"]["value"] == "r1"
    assert (fields["username"]["autocomplete"], fields["username"]["value"]) == ("username", "")
    assert (fields["password"]["autocomplete"], fields["password"]["type"]) == ("current-password", "password")
    assert "value" not in fields["password"]


@pytest.mark.parametrize(("login_hint", "focused"), [(None, "username"), ("", "username"), ("alice", "password")])
def test_the_login_form_starts_at_the_first_empty_field(render: Render, parse: Parse, login_hint: str | None, focused: str) -> None:
    fields = parse(render("login", login_hint=login_hint)).all("input")

    assert [field["name"] for field in fields if "autofocus" in field] == [focused]


def test_refused_credentials_are_announced_and_tied_to_the_fields(render: Render, parse: Parse) -> None:
    document = parse(render("login", problem="wrong_credentials"))

    assert [p["id"] for p in document.all("p") if p.get("role") == "alert"] == ["problem"]
    assert [field["name"] for field in document.all("input") if field.get("aria-describedby") == "problem"] == ["username", "password"]


def test_the_login_page_says_which_application_asks(render: Render, parse: Parse) -> None:
    assert "to continue to Mail" in parse(render("login", client_name="Mail")).text
    assert "to continue" not in parse(render("login", client_name=None)).text


def test_the_consent_page_describes_known_scopes_and_names_others(render: Render, parse: Parse, pages: Pages) -> None:
    text = parse(render("consent", scopes=["openid", "offline_access", "calendar", "other"])).text

    assert pages.text("consent.scope.openid") in text
    assert pages.text("consent.scope.offline_access") in text
    assert "Use calendar" in text
    assert "Use other" in text


def test_the_consent_page_offers_yes_first_and_then_no(render: Render, parse: Parse) -> None:
    buttons = parse(render("consent")).all("button")

    assert [(button["name"], button["value"]) for button in buttons] == [("allow", "yes"), ("deny", "yes")]


def test_the_consent_page_needs_no_links(pages: Pages, parse: Parse, contexts: dict[str, dict[str, Any]]) -> None:
    page = pages.render("consent", **{key: value for key, value in contexts["consent"].items() if not key.endswith("_uri")})

    assert parse(page).all("a") == []


@pytest.mark.spec("RI-38")
def test_an_error_may_offer_to_sign_out_and_says_why(render: Render, parse: Parse, pages: Pages) -> None:
    document = parse(render("error", sign_out_action="/end_session"))

    assert document.all("form")[0]["action"] == "/end_session"
    assert pages.text("error.sign_out") in document.text


def test_an_error_without_a_sign_out_has_no_form(render: Render, parse: Parse) -> None:
    assert parse(render("error", sign_out_action=None)).all("form") == []


def test_the_form_post_page_works_with_and_without_script(render: Render, parse: Parse, pages: Pages) -> None:
    document = parse(render("form_post"))

    assert document.all("script") == [{"src": pages.asset_url("form_post.js"), "defer": None}]
    assert [tag for tag, _ in document.tags if tag in ("noscript", "button")] == ["noscript", "button"]
    assert [(field["name"], field["value"]) for field in document.all("input")] == [("code", "abc"), ("state", "xyz")]


def test_the_front_page_lists_the_applications_in_use(render: Render, parse: Parse) -> None:
    text = parse(render("home", username="alice", rps=["Mail", "Wiki"])).text

    assert all(word in text for word in ("alice", "Mail", "Wiki"))


def test_the_front_page_offers_no_sign_out_to_nobody(pages: Pages, parse: Parse) -> None:
    document = parse(pages.render("home", username=None, rps=(), sign_out_action="/end_session"))

    assert document.all("form") == []
    assert pages.text("home.signed_out_title") in document.text


AFTER_LOGOUT: dict[str, Any] = {
    "rps": [],
    "frame_uris": [],
    "redirect_uri": None,
    "client_name": None,
    "wait_ms": 0,
    "read_ms": 0,
    "refresh_s": 0,
}


def test_the_logged_out_page_has_one_line_per_application(render: Render, parse: Parse, pages: Pages) -> None:
    rps = [{"name": f"RP {status.value}", "status": status.value} for status in RpStatus]
    document = parse(render("logged_out", rps=rps))

    assert len(document.all("li")) == len(RpStatus)
    for status in RpStatus:
        assert f"RP {status.value} {pages.text(f'logged_out.rp.{status.value}')}" in document.text


@pytest.mark.spec("RI-49")
def test_the_logged_out_page_without_a_way_back_has_no_script_and_leads_nowhere(render: Render, parse: Parse, pages: Pages) -> None:
    document = parse(render("logged_out", **AFTER_LOGOUT))

    assert [tag for tag, _ in document.tags if tag in ("script", "noscript", "a", "iframe", "ul", "button")] == []
    assert pages.text("logged_out.close") in document.text


@pytest.mark.spec("FC-13")
def test_the_way_back_is_a_link_a_script_and_a_refresh_for_those_without(render: Render, parse: Parse, pages: Pages) -> None:
    document = parse(render("logged_out", wait_ms=4000, read_ms=0, refresh_s=4, redirect_uri="https://mail.example.com/out"))

    assert [link["href"] for link in document.all("a")] == ["https://mail.example.com/out"]
    assert document.all("script") == [{"src": pages.asset_url("logged_out.js"), "data-wait-ms": "4000", "data-read-ms": "0", "defer": None}]
    inside = document.tags[[tag for tag, _ in document.tags].index("noscript") + 1]
    assert inside == ("meta", {"http-equiv": "refresh", "content": "4;url=https://mail.example.com/out"})


@pytest.mark.spec("FC-02", "FC-11", "FC-15")
def test_frames_are_loaded_at_once_unrestricted_and_met_by_nobody(render: Render, parse: Parse) -> None:
    document = parse(render("logged_out"))

    assert [sorted(frame) for frame in document.all("iframe")] == [["src", "tabindex", "title"]] * 2
    (around,) = document.all("div")[-1:]
    assert around == {"class": "frames", "aria-hidden": "true", "inert": None}


@pytest.mark.spec("FC-11", "WR-17")
def test_frames_have_no_size_but_are_displayed() -> None:
    css = (files("oic_session_ext.pages") / "static" / "style.css").read_text(encoding="utf-8")
    rules = css[css.index(".frames {") : css.index(".links {")]

    assert "none" not in rules
    assert "visibility" not in rules


@pytest.mark.parametrize(("read_ms", "offered"), [(0, []), (6000, ["stay"])])
def test_who_has_something_to_read_may_stay(render: Render, parse: Parse, read_ms: int, offered: list[str]) -> None:
    assert [button["id"] for button in parse(render("logged_out", read_ms=read_ms)).all("button")] == offered
