"""Strict-Transport-Security: for a real https issuer, and for none on this machine."""

from __future__ import annotations

import pytest

from oic_session_ext.server.app import build_server
from tests.bundled_op import make_settings
from tests.wsgi_browser import Browser

USERS = [{"username": "alice", "password_hash": "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI"}]


@pytest.mark.parametrize(
    ("issuer", "is_sent"), [("https://op.example.com", True), ("https://localhost:8443", False), ("http://localhost:8080", False)]
)
def test_the_header_is_sent_by_an_https_issuer_that_is_not_this_machine(keys_file: str, issuer: str, is_sent: bool) -> None:
    server = build_server(make_settings(keys_file, issuer=issuer, login={}, users=USERS))

    for path in ("/.well-known/openid-configuration", "/login", "/nothing"):
        answer = Browser(server.application, issuer).send("GET", path)

        assert (answer.header("Strict-Transport-Security") == "max-age=31536000") is is_sent, path
