"""The headers that go with every page."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oic_session_ext.pages import Page
from oic_session_ext.pages.security_headers import content_security_policy, csp_source

Render = Callable[..., Page]


def policy(page: Page) -> dict[str, str]:
    directives = dict(page.headers)["Content-Security-Policy"].split("; ")
    return {name: sources for name, _, sources in (directive.partition(" ") for directive in directives)}


@pytest.mark.spec("SEC-01")
def test_no_page_can_be_framed(render: Render, page_name: str) -> None:
    page = render(page_name)

    assert policy(page)["frame-ancestors"] == "'none'"
    assert dict(page.headers)["X-Frame-Options"] == "DENY"


@pytest.mark.spec("FC-17")
def test_no_page_is_kept_by_a_cache(render: Render, page_name: str) -> None:
    assert dict(render(page_name).headers)["Cache-Control"] == "no-store"


def test_every_page_says_what_it_is_and_may_do_little(render: Render, page_name: str) -> None:
    headers = dict(render(page_name).headers)

    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Cross-Origin-Opener-Policy" not in headers
    assert "camera=()" in headers["Permissions-Policy"]


def test_no_header_is_sent_twice(render: Render, page_name: str) -> None:
    names = [name for name, _ in render(page_name).headers]

    assert len(names) == len(set(names))


@pytest.mark.spec("SEC-11")
def test_only_the_page_that_has_a_script_may_run_one(render: Render, page_name: str) -> None:
    page = render(page_name)

    assert policy(page)["default-src"] == "'none'"
    assert policy(page).get("script-src") == ("'self'" if page_name in ("form_post", "logged_out") else None)
    assert "unsafe" not in dict(page.headers)["Content-Security-Policy"]


def test_a_page_with_a_form_lets_the_browser_send_its_true_origin(render: Render, page_name: str) -> None:
    page = render(page_name)

    assert dict(page.headers)["Referrer-Policy"] == ("strict-origin" if b"<form" in page.body else "no-referrer")


@pytest.mark.parametrize("name", ["login", "consent", "end_session_confirm"])
def test_a_form_goes_to_this_server_alone_unless_told_otherwise(render: Render, name: str) -> None:
    assert policy(render(name))["form-action"] == "'self'"


def test_the_origins_that_a_form_leads_to_are_allowed_once_each(render: Render) -> None:
    page = render("login", form_targets=["https://rp.example.com/cb?x=1", "https://rp.example.com/other", "com.example.app:/cb"])

    assert policy(page)["form-action"] == "'self' https://rp.example.com com.example.app:"


def test_any_form_target_leaves_form_action_out(render: Render) -> None:
    assert "form-action" not in policy(render("consent", form_targets=("*",)))


def test_the_form_post_page_does_not_restrict_where_the_rp_redirects_to(render: Render) -> None:
    assert "form-action" not in policy(render("form_post"))


@pytest.mark.spec("FC-12")
def test_frames_are_allowed_for_exactly_the_named_origins(render: Render) -> None:
    page = render("logged_out", frame_src=["https://a.example.com/fc?sid=1", "https://b.example.com:8443/fc"])

    assert policy(page)["frame-src"] == "https://a.example.com https://b.example.com:8443"


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("https://rp.example.com/cb", "https://rp.example.com"),
        ("HTTPS://RP.Example.com/cb", "https://rp.example.com"),
        ("http://127.0.0.1:8081/cb", "http://127.0.0.1:8081"),
        ("https://user@rp.example.com/", "https://rp.example.com"),
        ("http://[::1]:8081/cb", "http:"),
        ("com.example.app:/cb", "com.example.app:"),
    ],
)
def test_a_uri_gives_the_narrowest_source_that_covers_it(uri: str, source: str) -> None:
    assert csp_source(uri) == source


@pytest.mark.spec("SEC-03", "SEC-11")
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/path",
        "//evil.example.com/",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "https://",
        "https://rp.example.com; script-src *",
        "https://rp.example.com 'unsafe-inline'",
        "https://*.example.com/",
        "https://rp.example.com:bad/",
        "https://[bad/",
        "https://r\u00e9.example.com/",
        "1http://rp.example.com",
    ],
)
def test_a_uri_that_could_widen_the_policy_gives_no_source(uri: str) -> None:
    assert csp_source(uri) is None


@pytest.mark.spec("SEC-03")
def test_a_target_cannot_add_a_directive_or_a_line() -> None:
    header = content_security_policy(
        has_script=False, form_targets=["https://a.example\r\nX: y", "x;y:z"], frame_src=["https://a.example;script-src *"]
    )

    assert header == content_security_policy(has_script=False, form_targets=[], frame_src=[])
