"""A store that is away, seen through the endpoints as a framework of the deployer's own calls them."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest

from oic_session_ext.crypto.record_id import RECORD_ID_LENGTH
from oic_session_ext.errors import StoreUnavailable
from tests.provider.conftest import request_of


@pytest.fixture
def op_without_store(op: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give an OP whose store does not answer any more."""

    def away(*_: Any) -> NoReturn:
        raise StoreUnavailable("gone")

    for name in ("op_session_by_cookie", "grant", "commit", "ephemeral"):
        monkeypatch.setattr(op.ext.store, name, away)
    return op


def test_an_authorization_request_gets_a_page_that_says_to_try_again(op_without_store: Any) -> None:
    cookie = "__Host-op_session=" + "a" * 43

    response = op_without_store.provider.authorization_endpoint(request_of(), cookie)

    assert response.status_code == 503
    assert dict(response.headers)["Retry-After"] == "5"
    assert b"Traceback" not in response.message


def test_a_logout_gets_a_page_that_says_to_try_again(op_without_store: Any) -> None:
    cookie = "__Host-op_session=" + "a" * 43

    assert op_without_store.provider.end_session_endpoint("", cookie).status_code == 503


def test_a_token_request_gets_json_that_is_not_invalid_grant(op_without_store: Any) -> None:
    provider = op_without_store.provider
    token = provider.sdb.access_token(sid="g" * RECORD_ID_LENGTH)

    response = provider.userinfo_endpoint("", authn=f"Bearer {token}")

    assert response.status_code == 503
    assert json.loads(response.message)["error"] == "temporarily_unavailable"
