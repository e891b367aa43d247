"""Hostile texts in requests and in what clients register, through the whole server: no page runs any of it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.bundled_op import CLIENTS, Op, make_settings
from tests.wsgi_browser import Answer

from .conftest import REGISTERED
from .corpus import corpus, each_of
from .markup_reader import addresses_in, elements_of

_KNOWN = "html head meta title link script noscript body main p img h1 h2 ul li form input button div label span bdi code a iframe -comment"
_ATTRIBUTES = """
action alt aria-describedby aria-hidden aria-invalid aria-label aria-labelledby autocapitalize autocomplete autocorrect autofocus charset
class content data-cookie data-done data-loop-guard data-read-ms data-wait-ms defer dir for formnovalidate height hidden href http-equiv
id inert lang method name referrerpolicy rel required role spellcheck src tabindex target title type value width
"""
KNOWN, ATTRIBUTES = set(_KNOWN.split()), set(_ATTRIBUTES.split())


def check_page(answer: Answer, *clients_own: str) -> None:
    """The page has what the OP's pages have and nothing else; its addresses are the OP's own or begin with the client's."""
    elements = elements_of(answer.body)
    assert {tag for tag, _ in elements} <= KNOWN
    assert {name for _, attributes in elements for name in attributes} <= ATTRIBUTES
    assert all(attributes.get("src", "").startswith("/session_assets/") for tag, attributes in elements if tag == "script")
    for address in addresses_in(elements):
        assert address.startswith(("/session_assets/", "/login", "/consent", "/end_session", *clients_own)), address
    assert "op_session=x" not in str(answer.headers)


@pytest.fixture(scope="module")
def open_op(keys_file: str) -> Op:
    return Op.build(make_settings(keys_file, clients=CLIENTS, registration={"mode": "open", "max_per_address": 1000}))


@pytest.fixture(scope="module")
def jar(open_op: Op) -> dict[str, str]:
    browser = open_op.browser()
    browser.sign_in()
    return browser.jar


REQUEST = {
    "client_id": "web",
    "redirect_uri": REGISTERED,
    "response_type": "code",
    "scope": "openid",
    "state": "s",
    "nonce": "n",
    "response_mode": "form_post",
    "prompt": "login",
    "login_hint": "alice",
    "ui_locales": "de",
    "display": "page",
    "claims": "{}",
    "max_age": "60",
    "acr_values": "x",
    "id_token_hint": "x",
}
LOGOUT = {
    "id_token_hint": "x",
    "client_id": "web",
    "post_logout_redirect_uri": "https://web.example.com/out",
    "state": "s",
    "logout_hint": "x",
    "ui_locales": "de",
    "resume": "x",
    "unknown": "x",
}
PAGES = [
    *(("/authorization", REQUEST, name) for name in REQUEST),
    *(("/login", REQUEST, name) for name in ("client_id", "login_hint", "ui_locales", "state")),
    *(("/consent", {"waiting": "x"}, name) for name in ("waiting",)),
    *(("/end_session", LOGOUT, name) for name in LOGOUT),
    ("/", {}, "client_id"),
    ("/nothing", {}, "x"),
]


@pytest.mark.spec("SEC-11")
@pytest.mark.parametrize(("path", "params", "name"), PAGES, ids=[f"{path} {name}" for path, _, name in PAGES])
def test_no_value_of_a_request_is_markup(open_op: Op, jar: dict[str, str], path: str, params: dict[str, str], name: str) -> None:
    params = {key: value for key, value in params.items() if key != "id_token_hint" or name == key}
    for number, text in enumerate(corpus("markup").values()):
        browser = open_op.browser()
        browser.jar = jar.copy() if number % 2 else {}
        answer = browser.get(f"{path}?" + urlencode(params | {name: text}, errors="surrogatepass"))
        check_page(browser.follow(answer), REGISTERED)


@pytest.mark.spec("SEC-11")
@each_of("markup", "text")
def test_no_form_field_is_markup_on_the_page_that_comes_again(open_op: Op, text: str) -> None:
    browser = open_op.browser("198.51.100.1")  # whose sign-ins are soon refused
    page = browser.login_page()

    answer = browser.submit(page, username=text.encode("utf-8", "replace").decode(), password="wrong")

    assert answer.status in (400, 403, 429)
    check_page(answer, "https://web.example.com/")


@pytest.mark.spec("SEC-11", "RI-08")
@each_of("markup", "text")
def test_nothing_that_a_client_registers_is_markup(open_op: Op, jar: dict[str, str], text: str) -> None:
    own = "https://rp.example.org/"
    told = register(open_op, client_name=text, **dict.fromkeys(LINKS, f"{own}?x={quote(text, errors='replace')}&y=1"))
    if told is None:  # an empty or over-long name, or half a character
        assert len(text) > 1000 or "\ud800" in text
        return
    client_id = told["client_id"]
    asked = urlencode({"client_id": client_id, "redirect_uri": f"{own}cb", "response_type": "code", "scope": "openid", "state": "s"})
    nobody, alice = open_op.browser(), open_op.browser()
    alice.jar = jar.copy()

    login = nobody.follow(nobody.get(f"/authorization?{asked}"))
    consent = alice.follow(alice.get(f"/authorization?{asked}"))
    allowed = alice.submit(consent, "allow")
    home = alice.get("/")
    question = alice.end_session(client_id=client_id, post_logout_redirect_uri=f"{own}out")
    alice.submit(question, "stay")

    assert "code" in allowed.query
    for page in (login, consent, home, question):
        assert page.status == 200
        check_page(page, own)


LINKS = ["client_uri", "logo_uri", "policy_uri", "tos_uri", "initiate_login_uri"]


def register(op: Op, **metadata: Any) -> dict[str, Any] | None:
    own = {"redirect_uris": ["https://rp.example.org/cb"], "post_logout_redirect_uris": ["https://rp.example.org/out"]}
    answer = op.browser().send("POST", "/registration", json.dumps(own | metadata).encode(), {"Content-Type": "application/json"})
    return answer.json if answer.status == 201 else None


@pytest.mark.spec("SEC-11", "RI-08")
def test_nothing_that_a_client_registers_is_markup_on_the_page_that_says_who_was_signed_out(open_op: Op) -> None:
    for text in corpus("markup").values():
        told = register(open_op, client_name=text, frontchannel_logout_uri=f"https://rp.example.org/fc?x={quote(text, errors='replace')}")
        if told is None:
            continue
        browser = open_op.browser()
        browser.sign_in()
        asked = {"client_id": told["client_id"], "redirect_uri": "https://rp.example.org/cb", "response_type": "code", "scope": "openid"}
        consent = browser.follow(browser.get(f"/authorization?{urlencode(asked)}"))
        assert "allow" in consent.form.buttons, (text, consent.text)
        browser.submit(consent, "allow")

        page = browser.submit(browser.end_session(client_id=told["client_id"]), "logout")

        assert page.status == 200
        check_page(page, "https://rp.example.org/fc?")
