"""Somebody's existing pyoidc OP before and after the mixin: how little changes, and what the change cures."""

from __future__ import annotations

import difflib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.examples.own_op_process import BYE, OWN_OP, ROOT, Browser, OwnOp, answer_in, fields_of, serving_own_op

BEFORE, AFTER = OWN_OP / "before.py", OWN_OP / "after.py"


def lines_of(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line]


# -- the change -----------------------------------------------------------------------------------------------------------


def test_at_most_ten_lines_change() -> None:
    opcodes = difflib.SequenceMatcher(None, lines_of(BEFORE), lines_of(AFTER), autojunk=False).get_opcodes()

    assert sum(max(end - start, new_end - new_start) for tag, start, end, new_start, new_end in opcodes if tag != "equal") <= 10


def test_the_routes_and_the_login_stay_as_they_are() -> None:
    def routes(file: Path) -> list[str]:
        return [line for line in lines_of(file) if line.startswith("@app.")]

    assert routes(BEFORE) == routes(AFTER)


@pytest.mark.parametrize("document", [ROOT / "README.md", OWN_OP / "README.md"], ids=["project", "example"])
def test_the_lines_that_a_readme_shows_are_those_of_the_example(document: Path) -> None:
    section = re.search(r"## Add it to your pyoidc OP\n(.*?)(?=\n## |\Z)", document.read_text(encoding="utf-8"), re.DOTALL)
    assert section is not None
    shown = [
        line.strip() for block in re.findall(r"```python\n(.*?)```", section[1], re.DOTALL) for line in block.splitlines() if line.strip()
    ]
    new = {line.strip() for line in lines_of(AFTER)} - {line.strip() for line in lines_of(BEFORE)}

    assert [line for line in shown if line not in new | {"op = MyOP(", ")", "..."}] == []
    assert new <= set(shown)


# -- before ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnOp]:
    with serving_own_op(BEFORE, tmp_path_factory.mktemp("before")) as op:
        yield op


def test_before_somebody_can_sign_in_and_out(before: OwnOp) -> None:
    browser = Browser(before)
    tokens = browser.tokens()

    verify = urlsplit(browser.log_out(tokens["id_token"]).headers["Location"])
    bye = browser.visit(f"{verify.path}?{verify.query}")

    assert before.claims(tokens["id_token"])["iss"] == before.issuer
    assert answer_in(bye) == {"state": "x y&z"}
    assert "code" not in browser.silently()


def test_before_a_login_cookie_that_is_kept_signs_in_again_after_logout(before: OwnOp) -> None:
    browser = Browser(before)
    tokens = browser.tokens()
    kept = browser.cookies["pyoidc"]
    verify = urlsplit(browser.log_out(tokens["id_token"]).headers["Location"])
    browser.visit(f"{verify.path}?{verify.query}")
    browser.cookies.set("pyoidc", kept, domain="localhost.local", path="/")

    assert "code" in browser.silently()


def test_before_a_client_can_say_that_the_user_has_just_signed_in(before: OwnOp) -> None:
    browser = Browser(before)
    browser.sign_in()

    assert "code" in answer_in(browser.authorize(prompt="login", upm_answer="true"))


# -- after ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnOp]:
    with serving_own_op(AFTER, tmp_path_factory.mktemp("after")) as op:
        yield op


@pytest.fixture(scope="module")
def without_hardening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnOp]:
    folder = tmp_path_factory.mktemp("without_hardening")
    script = folder / "op.py"
    script.write_text(AFTER.read_text(encoding="utf-8").replace("HardeningMixin, ", ""), encoding="utf-8")
    with serving_own_op(script, folder) as op:
        yield op


@pytest.fixture
def op(request: pytest.FixtureRequest) -> OwnOp:
    """The OP with the mixin, with the hardening unless the test says otherwise."""
    found: OwnOp = request.getfixturevalue(getattr(request, "param", "after"))
    return found


with_and_without_hardening = pytest.mark.parametrize("op", ["after", "without_hardening"], indirect=True)


@pytest.fixture
def browser(op: OwnOp) -> Browser:
    return Browser(op)


@with_and_without_hardening
@pytest.mark.spec("SM-01")
def test_a_sign_in_on_the_own_page_answers_with_code_and_session_state(op: OwnOp, browser: Browser) -> None:
    answer = browser.sign_in()

    assert answer["state"] == "a b&c"
    assert answer["session_state"]
    assert op.redeem(answer["code"]).status_code == 200


@with_and_without_hardening
@pytest.mark.spec("SID-01", "SID-02")
def test_the_id_token_names_the_session(op: OwnOp, browser: Browser) -> None:
    claims = op.claims(browser.tokens()["id_token"])

    assert claims["sid"]
    assert claims["aud"] in ("shop", ["shop"])
    assert claims["nonce"] == "n"


def test_the_tokens_are_good_for_the_users_own_claims(op: OwnOp, browser: Browser) -> None:
    assert op.userinfo(browser.tokens("bob")["access_token"]).json()["email"] == "bob@example.com"


def test_a_wrong_password_shows_the_form_again(browser: Browser) -> None:
    page = browser.submit_login(browser.authorize(), "alice", "guess")

    assert page.status_code == 401
    assert "query" in fields_of(page.text)
    assert "error" in browser.silently()


@with_and_without_hardening
@pytest.mark.spec("SID-04")
def test_a_renewal_asks_nothing_and_keeps_the_session(op: OwnOp, browser: Browser) -> None:
    first = browser.tokens()

    renewed = op.redeem(browser.silently(id_token_hint=first["id_token"])["code"]).json()

    assert op.claims(renewed["id_token"])["sid"] == op.claims(first["id_token"])["sid"]


@with_and_without_hardening
@pytest.mark.spec("RI-33", "RI-35", "RI-40")
def test_a_logout_with_a_hint_leads_back_to_the_client_and_ends_the_session(op: OwnOp, browser: Browser) -> None:
    tokens = browser.tokens()

    gone = browser.log_out(tokens["id_token"])

    assert gone.headers["Location"].startswith(BYE)
    assert answer_in(gone) == {"state": "x y&z"}
    answer = browser.silently()
    assert answer["error"] == "login_required"
    assert answer["state"] == "a b&c"
    assert answer["session_state"]


@with_and_without_hardening
def test_a_logout_ends_the_tokens(op: OwnOp, browser: Browser) -> None:
    tokens = browser.tokens()

    browser.log_out(tokens["id_token"])

    assert op.userinfo(tokens["access_token"]).status_code == 401


@pytest.mark.spec("RI-31")
def test_a_logout_without_a_hint_asks_on_a_page_of_our_own(browser: Browser) -> None:
    browser.sign_in()

    page = browser.visit("/end_session")

    assert page.status_code == 200
    assert fields_of(page.text)["confirmation"]
    assert "code" in browser.silently()
    style = re.search(r'href="([^"]+\.css)"', page.text)
    assert style is not None
    assert browser.visit(style[1]).headers["Content-Type"].startswith("text/css")


@pytest.mark.spec("RI-43")
def test_an_unregistered_target_is_not_gone_to(browser: Browser) -> None:
    tokens = browser.tokens()

    page = browser.visit("/end_session", id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE + "/elsewhere")

    assert "Location" not in page.headers


@with_and_without_hardening
@pytest.mark.spec("RI-50")
def test_a_login_cookie_that_is_kept_signs_nobody_in_after_logout(browser: Browser) -> None:
    tokens = browser.tokens()
    kept = browser.cookies["pyoidc"]
    browser.log_out(tokens["id_token"])

    replayed = {value: Browser(browser.op) for value in (kept, f'"{kept}"', kept.replace("|", "|="))}
    for value, other in replayed.items():
        other.headers["Cookie"] = f"pyoidc={value}"

    assert [other.silently()["error"] for other in replayed.values()] == ["login_required"] * 3
    assert all("/verify" in other.authorize().text for other in replayed.values())


@pytest.mark.spec("RI-50")
def test_a_session_cookie_that_is_kept_signs_nobody_in_after_logout(browser: Browser) -> None:
    tokens = browser.tokens()
    kept = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    browser.log_out(tokens["id_token"])

    other = Browser(browser.op)
    other.headers["Cookie"] = kept

    assert other.silently()["error"] == "login_required"


def test_another_user_signs_in_where_one_has_signed_out(op: OwnOp, browser: Browser) -> None:
    first = browser.tokens("alice")
    browser.log_out(first["id_token"])

    second = browser.tokens("bob")

    assert op.claims(second["id_token"])["sub"] != op.claims(first["id_token"])["sub"]
    assert op.claims(second["id_token"])["sid"] != op.claims(first["id_token"])["sid"]


def test_two_browsers_of_one_user_are_two_sessions(op: OwnOp, browser: Browser) -> None:
    other = Browser(op)
    tokens, _ = browser.tokens(), other.tokens()

    browser.log_out(tokens["id_token"])

    assert "error" in browser.silently()
    assert "code" in other.silently()


@with_and_without_hardening
def test_a_client_cannot_say_that_the_user_has_just_signed_in(browser: Browser) -> None:
    browser.sign_in()

    assert "/verify" in browser.authorize(prompt="login", upm_answer="true").text


def test_a_demanded_sign_in_is_answered_by_signing_in_however_often_it_is_reloaded(browser: Browser) -> None:
    browser.sign_in("bob")
    first = browser.answer_login(browser.authorize(prompt="login"), "alice")

    reloaded = browser.visit(browser.return_from_login)  # finds the login spent, and asks again
    second = browser.answer_login(reloaded, "alice")

    assert "code" in first
    assert "code" in second


def test_the_own_overrides_of_the_op_still_run(op: OwnOp, browser: Browser) -> None:
    browser.sign_in("bob")

    assert "company.audit:bob goes to shop" in op.log


@with_and_without_hardening
@pytest.mark.spec("SM-20")
def test_the_iframe_and_logout_are_in_the_discovery_document_and_answer(op: OwnOp, browser: Browser) -> None:
    configuration = op.configuration()

    assert configuration["end_session_endpoint"] == f"{op.issuer}/end_session"
    assert browser.get(configuration["check_session_iframe"], timeout=5).status_code == 200


def test_pyoidcs_page_that_logs_out_whom_a_token_names_is_gone(op: OwnOp, browser: Browser) -> None:
    tokens = browser.tokens()

    assert browser.visit("/verify_logout", sjwt=tokens["id_token"]).status_code == 404


def test_the_log_holds_neither_tokens_nor_cookies(op: OwnOp, browser: Browser) -> None:
    answer = browser.sign_in()
    tokens = op.redeem(answer["code"]).json()
    op.userinfo(tokens["access_token"])
    secrets = [answer["code"], answer["session_state"], tokens["access_token"], tokens["id_token"], *browser.cookies.values()]
    browser.log_out(tokens["id_token"])

    assert not [secret for secret in secrets if secret in op.log]


@pytest.mark.parametrize(
    "query", ["", "client_id=shop", "client_id=shop&client_id=shop", "client_id=%ff", "client_id=nobody&redirect_uri=http://x"]
)
def test_a_bad_request_is_told_to_the_person_and_redirects_nowhere(browser: Browser, query: str) -> None:
    page = browser.visit(f"/authorization?{query}")

    assert page.status_code == 400
    assert "Location" not in page.headers


def test_what_is_kept_on_disk_is_for_its_owner_alone(op: OwnOp) -> None:
    Browser(op).sign_in()

    assert [file.name for file in op.data.iterdir() if file.name != "log" and file.stat().st_mode & 0o077] == []


def test_the_name_of_the_login_query_survives_the_form(browser: Browser) -> None:
    query = fields_of(browser.authorize(state='"><b>&x=1').text)["query"]

    assert dict(parse_qsl(query))["state"] == '"><b>&x=1'


def test_sweeping_takes_the_call_that_the_readme_shows_and_no_cherrypy(op: OwnOp) -> None:
    (call,) = re.findall(r"`(op\.session_management\.sweep\(\))`", (OWN_OP / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    program = f"""
import sys
from after import op
print({call}, *(name for name in ("cherrypy", "beaker", "ruamel") if name in sys.modules))
"""

    done = subprocess.run([sys.executable, "-c", program], env=op.environment, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.split() == ["0"]


# -- restart --------------------------------------------------------------------------------------------------------------


def test_a_session_outlives_the_death_of_the_process(tmp_path: Path) -> None:
    with serving_own_op(AFTER, tmp_path) as op:
        browser = Browser(op)
        tokens = browser.tokens()
        waiting = browser.silently()["code"]

        op.kill()
        op.start()

        assert op.redeem(waiting).status_code == 200
        assert op.userinfo(tokens["access_token"]).status_code == 200
        assert "code" in browser.silently(id_token_hint=tokens["id_token"])
        assert answer_in(browser.log_out(tokens["id_token"])) == {"state": "x y&z"}
        assert browser.silently()["error"] == "login_required"


def test_a_logout_outlives_the_death_of_the_process(tmp_path: Path) -> None:
    with serving_own_op(AFTER, tmp_path) as op:
        browser = Browser(op)
        tokens = browser.tokens()
        kept = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
        browser.log_out(tokens["id_token"])

        op.kill()
        op.start()

        other = Browser(op)
        other.headers["Cookie"] = kept
        assert other.silently()["error"] == "login_required"
        assert op.userinfo(tokens["access_token"]).status_code == 401
