"""CSRF and clickjacking: each form counts only from the page that this browser was shown, and no page of the OP can be framed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

import oic_session_ext.pages
from tests.bundled_op import CLIENTS, ISSUER, PASSWORDS, Op, OpBrowser, make_settings, request_of
from tests.wsgi_browser import FORM, Answer


@dataclass(frozen=True)
class FormOfAPage:
    """A form: how a browser gets its page, which field binds it to the browser, what is pressed, and how it is seen that it counted."""

    template: str
    page: Callable[[OpBrowser], Answer]
    bound_by: str
    sent: dict[str, str]
    counted: Callable[[OpBrowser, Answer], bool]
    needs_user: bool = True
    counts_once: bool = True


def page_at(client_id: str, **changes: str) -> Callable[[OpBrowser], Answer]:
    return lambda browser: browser.follow(browser.authorize(client_id, **changes))


LOGIN = {"username": "alice", "password": PASSWORDS["alice"]}
FORMS = {
    "sign in": FormOfAPage("login", page_at("web"), "csrf", LOGIN, lambda browser, _: browser.is_signed_in(), False, False),
    "sign in at the OP itself": FormOfAPage(
        "login", lambda browser: browser.get("/login"), "csrf", LOGIN, lambda browser, _: browser.is_signed_in(), False, False
    ),
    "go on with an account": FormOfAPage(
        "login", page_at("web", prompt="select_account"), "csrf", {"continue": "yes"}, lambda _, answer: "code" in answer.query, True, False
    ),
    "allow": FormOfAPage(
        "consent",
        page_at("asking", prompt="consent"),
        "csrf",
        {"allow": "yes"},
        lambda _, answer: "code" in answer.query,
        counts_once=False,
    ),
    "deny": FormOfAPage(
        "consent",
        page_at("asking", prompt="consent"),
        "csrf",
        {"deny": "yes"},
        lambda _, answer: answer.error == "access_denied",
        counts_once=False,
    ),
    "sign out": FormOfAPage(
        "end_session_confirm",
        lambda browser: browser.end_session(),
        "confirmation",
        {"logout": "yes"},
        lambda browser, _: not browser.is_signed_in(),
    ),
    "stay": FormOfAPage(
        "end_session_confirm",
        lambda browser: browser.end_session(client_id="web"),
        "confirmation",
        {"stay": "yes"},
        lambda _, answer: answer.status == 200,
    ),
}
each_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())


@pytest.fixture(scope="module")
def op(keys_file: str) -> Op:
    frontchannel = {**CLIENTS[0], "frontchannel_logout_uri": "https://web.example.com/fc"}
    return Op.build(make_settings(keys_file, clients=[frontchannel, *CLIENTS[1:]]))


def browser_for(op: Op, form: FormOfAPage, user: str = "alice") -> OpBrowser:
    browser = op.browser()
    if form.needs_user:
        browser.sign_in(user=user)
    return browser


def send(browser: OpBrowser, page: Answer, fields: dict[str, str], **headers: str) -> Answer:
    return browser.post(page.form.action, fields, {name.replace("_", "-"): value for name, value in headers.items()})


@each_form
def test_it_counts_when_its_own_browser_sends_it(op: Op, form: FormOfAPage) -> None:
    browser = browser_for(op, form)
    page = form.page(browser)

    answer = send(browser, page, page.form.fields | form.sent)

    assert form.counted(browser, browser.follow(answer))


@pytest.mark.spec("SEC-02", "RI-36")
@each_form
@pytest.mark.parametrize("token", [None, "", "x", "x" * 43], ids=["none", "empty", "short", "made up"])
def test_it_counts_for_nothing_without_its_token(op: Op, form: FormOfAPage, token: str | None) -> None:
    browser = browser_for(op, form)
    page = form.page(browser)
    fields = {name: value for name, value in page.form.fields.items() if name != form.bound_by}

    answer = send(browser, page, fields | form.sent | ({} if token is None else {form.bound_by: token}))

    assert answer.status in (200, 303, 400, 403)
    assert not ({"code"} & answer.query.keys())
    assert answer.error != "access_denied"
    assert form.sent.keys() == {"stay"} or not form.counted(browser, answer)
    assert not form.needs_user or browser.is_signed_in()


@pytest.mark.spec("SEC-02", "RI-36")
@each_form
@pytest.mark.parametrize("whole", [True, False], ids=["the whole form", "the token alone"])
@pytest.mark.parametrize("user", ["alice", "bob"])
def test_it_counts_for_nothing_when_it_is_another_browsers(op: Op, form: FormOfAPage, user: str, whole: bool) -> None:
    attacker, victim = browser_for(op, form), browser_for(op, form, user)
    theirs, own = form.page(attacker).form, form.page(victim)
    fields = theirs.fields if whole else own.form.fields | {form.bound_by: theirs.fields[form.bound_by]}

    answer = send(victim, own, fields | form.sent)

    assert answer.status in (400, 403)
    assert victim.is_signed_in() == form.needs_user


@each_form
def test_it_counts_once(op: Op, form: FormOfAPage) -> None:
    browser = browser_for(op, form)
    page = form.page(browser)
    send(browser, page, page.form.fields | form.sent)

    again = browser.follow(send(browser, page, page.form.fields | form.sent))

    # a form of the login or consent page that was sent twice leads on twice: the browser shows the second answer
    assert (
        form.counted(browser, again) or (again.status in (200, 303) and not again.error)
        if not form.counts_once
        else (again.status in (200, 400) and "code" not in again.query)
    )
    assert form.sent.keys() != {"stay"} or browser.is_signed_in()


@pytest.mark.spec("SEC-02")
@pytest.mark.parametrize("name", [name for name, form in FORMS.items() if form.bound_by == "csrf"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.com"},
        {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
def test_it_counts_for_nothing_from_another_site_even_with_its_token(op: Op, name: str, headers: dict[str, str]) -> None:
    form = FORMS[name]
    browser = browser_for(op, form)
    page = form.page(browser)

    answer = send(browser, page, page.form.fields | form.sent, **headers)

    assert answer.status == 403
    assert browser.is_signed_in() == form.needs_user


@each_form
def test_it_counts_for_nothing_in_a_url(op: Op, form: FormOfAPage) -> None:
    browser = browser_for(op, form)
    page = form.page(browser)

    answer = browser.get(f"{page.form.action}?{urlencode(page.form.fields | form.sent)}")

    assert "code" not in answer.query
    assert answer.error != "access_denied"
    assert browser.is_signed_in() == form.needs_user


@pytest.mark.spec("SEC-02")
@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/json"])
@each_form
def test_it_counts_for_nothing_as_another_type(op: Op, form: FormOfAPage, content_type: str) -> None:
    browser = browser_for(op, form)
    page = form.page(browser)

    answer = send(browser, page, page.form.fields | form.sent, Content_Type=content_type)

    assert answer.status == 415
    assert FORM not in content_type
    assert browser.is_signed_in() == form.needs_user


@pytest.mark.spec("SEC-02", "RI-31")
@pytest.mark.parametrize("path", ["/", "/authorization?client_id=nobody", "/end_session?client_id=nobody"])
@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example.com", "Sec_Fetch_Site": "cross-site"}], ids=["own", "foreign"])
def test_a_sign_out_button_ends_nothing_by_itself(op: Op, path: str, headers: dict[str, str]) -> None:
    browser = op.browser()
    browser.sign_in()
    page = browser.get(path)
    action = page.form.action if "<form" in page.text else "/end_session"

    question = browser.follow(browser.post(action, {}, {name.replace("_", "-"): value for name, value in headers.items()}))

    assert "logout" in question.form.buttons
    assert browser.is_signed_in()


def test_every_page_with_a_form_is_tried() -> None:
    folder = Path(oic_session_ext.pages.__file__).parent / "templates"
    with_form = {file.stem for file in folder.glob("[a-z]*.html") if "<form" in file.read_text() or "sign_out(" in file.read_text()}

    # `error` and `home` have a sign-out button alone, `form_post` is an RP's affair
    assert with_form == {form.template for form in FORMS.values()} | {"error", "home", "form_post"}


# -- clickjacking -----------------------------------------------------------------------------------------------------


def logged_out(browser: OpBrowser) -> Answer:
    return browser.submit(browser.end_session(), "logout")


SOMEBODYS: dict[str, tuple[Callable[[OpBrowser], Answer], int]] = {
    "front page": (lambda browser: browser.get("/"), 200),
    "account chooser": (page_at("web", prompt="select_account"), 200),
    "consent": (page_at("asking", prompt="consent"), 200),
    "form_post": (page_at("web", response_mode="form_post"), 200),
    "logout question": (lambda browser: browser.end_session(), 200),
    "logout question after an error": (lambda browser: browser.end_session(id_token_hint="x"), 200),
    "still signed in": (lambda browser: browser.submit(browser.end_session(), "stay"), 200),
    "signed out, with frames": (logged_out, 200),
    "logout error": (lambda browser: browser.end_session(state="a" * 5000), 400),
}
NOBODYS: dict[str, tuple[Callable[[OpBrowser], Answer], int]] = {
    "front page of nobody": (lambda browser: browser.get("/"), 200),
    "login": (page_at("web"), 200),
    "login of the OP itself": (lambda browser: browser.get("/login"), 200),
    "login again": (lambda browser: browser.submit(browser.login_page(), username="alice", password="wrong"), 403),
    "login without its token": (lambda browser: browser.post("/login", LOGIN), 400),
    "login from elsewhere": (lambda browser: browser.post("/login", LOGIN, {"Origin": "https://evil.example.com"}), 403),
    "signed out already": (lambda browser: browser.end_session(), 200),
    "bad request": (lambda browser: browser.get(f"/authorization?{urlencode(request_of(redirect_uri=ISSUER))}"), 400),
    "not found": (lambda browser: browser.get("/nothing"), 404),
    "wrong method": (lambda browser: browser.send("PUT", "/login", b"x"), 405),
    "wrong type": (lambda browser: browser.send("POST", "/login", b"x", {"Content-Type": "text/plain"}), 415),
    "too large": (lambda browser: browser.send("POST", "/login", b"x" * 70_000, {"Content-Type": FORM}), 413),
    "consent that is forgotten": (lambda browser: browser.get("/consent?waiting=x"), 400),
}


@pytest.mark.spec("SEC-01")
@pytest.mark.parametrize("name", [*SOMEBODYS, *NOBODYS])
def test_the_page_cannot_be_framed_kept_or_made_to_run_what_is_not_ours(op: Op, name: str) -> None:
    browser = op.browser()
    if name in SOMEBODYS:
        browser.sign_in()
    open_page, status = (SOMEBODYS | NOBODYS)[name]

    page = open_page(browser)

    assert (page.status, page.is_page()) == (status, True)
    policy = (page.header("Content-Security-Policy") or "").split("; ")
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "base-uri 'none'" in policy
    assert not any(word in one for one in policy for word in ("unsafe", "data:", "*", "http: "))
    assert page.header("X-Frame-Options") == "DENY"
    assert page.header("Cache-Control") == "no-store"
    assert page.header("X-Content-Type-Options") == "nosniff"
    assert page.header("Referrer-Policy") in ("no-referrer", "strict-origin")


@pytest.mark.spec("SEC-01", "SM-27")
def test_the_one_page_that_can_be_framed_holds_nothing_to_click(op: Op) -> None:
    page = op.browser().get("/check_session")

    assert page.header("X-Frame-Options") is None
    assert "frame-ancestors" not in (page.header("Content-Security-Policy") or "")
    assert not any(f"<{tag}" in page.text for tag in ("form", "a ", "button", "input"))
