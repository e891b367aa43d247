"""The places that compare a secret with what a peer sent: each does so in constant time, and there are no others that do."""

from __future__ import annotations

import ast
import base64
import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oic_session_ext
from tests.bundled_op import CHALLENGE, SECRETS, Op, basic, make_settings
from tests.wsgi_browser import FORM

PACKAGE = Path(oic_session_ext.__file__).parent
PLACES = {
    "logout/confirmation.py": {"take_confirmation": "whose question an answer belongs to; the answer itself is found by its digest"},
    "session_management/session_state.py": {"verify_session_state": "an RP's session_state"},
    "clients/request_uris.py": {"_is_hash_of": "a request object with the hash in its address: no secret, and none the worse for it"},
    "provider/clients/authentication.py": {"_is_equal": "a client's secret"},
    "provider/tokens/issued_token.py": {"is_current_refresh_token": "a refresh token, where pyoidc's own database keeps it"},
    "provider/tokens/token_endpoint.py": {"_check_pkce": "a code_verifier"},
    "provider/session_db/sealed_token.py": {"valid": "a refresh token, by its digest"},
    "server/registration/endpoint.py": {
        "_replace": "a client's secret in an update",
        "_authorized": "a registration access token, by its digest",
    },
    "server/config/types.py": {"matches_secret": "the initial access token and the token of the metrics"},
    "server/users.py": {"_is_match": "a password, where benchmarks have a cheap digest of it; else argon2 compares"},
    "server/login/known_browser.py": {"id_for": "the proof that a user has signed in in this browser before"},
    "server/login/web_session.py": {"__init__": "the signature of a web session's id", "is_csrf_token": "a form's token"},
}
"""File, function, and what it compares. What is looked up by the digest of a random secret needs no comparison (opaque_secret.py)."""


def comparing(file: Path) -> set[str]:
    """The functions of a file that call hmac.compare_digest."""
    found = set()
    for function in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(function, ast.FunctionDef) and any(
            isinstance(one, ast.Attribute) and one.attr == "compare_digest" for one in ast.walk(function)
        ):
            found.add(function.name)
    return found


@pytest.mark.spec("SEC-13")
def test_the_list_of_places_is_the_packages() -> None:
    found = {str(file.relative_to(PACKAGE)): comparing(file) for file in PACKAGE.rglob("*.py")}

    assert {file: functions for file, functions in found.items() if functions} == {
        file: set(functions) for file, functions in PLACES.items()
    }


@pytest.fixture
def op(keys_file: str) -> Op:
    return Op.build(make_settings(keys_file))


def client_secret(op: Op) -> tuple[str, str]:
    op.browser().send("POST", "/token", b"grant_type=x", {"Authorization": basic("web", "wrong"), "Content-Type": FORM})
    return "wrong", SECRETS["web"]


def csrf_token(op: Op) -> tuple[str, str]:
    browser = op.browser()
    page = browser.login_page()
    browser.submit(page, csrf="wrong")
    return "wrong", page.form.fields["csrf"]


def code_verifier(op: Op) -> tuple[str, str]:
    browser = op.browser()
    browser.sign_in("spa")
    browser.redeem(browser.renew("spa").query["code"], "spa", code_verifier="w" * 50)
    return base64.urlsafe_b64encode(hashlib.sha256(b"w" * 50).digest()).rstrip(b"=").decode(), CHALLENGE


@pytest.mark.parametrize("attempt", [client_secret, csrf_token, code_verifier])
def test_a_wrong_secret_is_compared_with_the_right_one_by_compare_digest(
    op: Op, attempt: Callable[[Op], tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[set[str]] = []
    real: Callable[[Any, Any], bool] = hmac.compare_digest

    def noted(one: str | bytes, other: str | bytes) -> bool:
        compared.append({side if isinstance(side, str) else bytes(side).decode("utf-8", "replace") for side in (one, other)})
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)

    wrong, right = attempt(op)

    assert {wrong, right} in compared
