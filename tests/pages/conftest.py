"""Every page with a full set of values: what the tests of the pages render."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from oic_session_ext.pages import Page, Pages

CONTEXTS: dict[str, dict[str, Any]] = {
    "error": {"error": "invalid_request", "description": "A parameter is missing.", "sign_out_action": "/end_session"},
    "end_session_confirm": {
        "action": "/end_session/confirm",
        "confirmation": "one-use",
        "client_name": "Mail",
        "problem": "invalid_id_token_hint",
        "username": "alice",
    },
    "logged_out": {
        "client_name": "Mail",
        "rps": [{"name": "Mail", "status": "signed_out"}, {"name": "Wiki", "status": "pending_and_asked"}],
        "frame_uris": ["https://wiki.example.com/fc?a=1&sid=x", "https://news.example.com/fc"],
        "redirect_uri": "https://mail.example.com/out?state=s&x=1",
        "wait_ms": 4000,
        "read_ms": 6000,
        "refresh_s": 6,
    },
    "still_signed_in": {},
    "form_post": {"action": "https://rp.example.com/cb", "fields": [("code", "abc"), ("state", "xyz")]},
    "login": {
        "action": "/login",
        "csrf": "token",
        "waiting": "r1",
        "login_hint": "alice",
        "client_name": "Mail",
        "problem": "wrong_credentials",
    },
    "consent": {
        "action": "/consent",
        "csrf": "token",
        "waiting": "r1",
        "client_name": "Mail",
        "username": "alice",
        "scopes": ["openid", "calendar"],
        "claims": ["shoe_size"],
        "client_uri": "https://rp.example.com/",
        "policy_uri": "https://rp.example.com/privacy",
        "tos_uri": "https://rp.example.com/terms",
    },
    "home": {"username": "alice", "rps": ["Mail", "Wiki"], "sign_out_action": "/end_session"},
    "unavailable": {},
}

VOID = {"meta", "link", "img", "input"}


class Document(HTMLParser):
    """A parsed page: `tags` as (name, attributes), `text` without markup, `faults` where tags do not balance."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(page.body.decode())
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if len({name for name, _ in attrs}) < len(attrs):
            self.faults.append(f"<{tag}> has an attribute twice")
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes another tag")

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `page_name` runs once for every page."""
    if "page_name" in metafunc.fixturenames:
        metafunc.parametrize("page_name", CONTEXTS)


@pytest.fixture(scope="session")
def pages() -> Pages:
    return Pages()


@pytest.fixture
def render(pages: Pages) -> Callable[..., Page]:
    """Renders a page with its usual values, some of them replaced."""

    def with_values(name: str, **values: Any) -> Page:
        return pages.render(name, **{**CONTEXTS[name], **values})

    return with_values


@pytest.fixture
def parse() -> type[Document]:
    return Document


@pytest.fixture
def contexts() -> dict[str, dict[str, Any]]:
    return CONTEXTS
