"""Keys of clients in pyoidc's key jar: held for so many, loaded anew for the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oic_session_ext.provider import keys
from tests.bundled_op import CLIENTS, Op, keys_file, make_op

__all__ = ["keys_file", "make_op"]


@pytest.mark.spec("SEC-12")
def test_it_does_not_grow_with_the_clients_that_come(make_op: Callable[..., Op], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_MOST_IN_KEY_JAR", 4)
    clients = [CLIENTS[0] | {"client_id": f"web{number}"} for number in range(10)]
    op = make_op(clients=clients)
    browser = op.browser()
    browser.enter(browser.login_page("web0", redirect_uri="https://web.example.com/cb"))

    answers = [browser.renew(client["client_id"], redirect_uri="https://web.example.com/cb") for client in [*clients, *clients]]

    assert all("code" in answer.query for answer in answers)
    assert len(op.server.op.keyjar.issuer_keys) <= 5  # the OP's own among them
    assert op.server.op.keyjar.issuer_keys[""]
