"""Who and which session a Logout Token names: what the ID Token of the same RP said, nothing wider (OIDCBCL-2.4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oic_session_ext.crypto import jose
from oic_session_ext.logout.backchannel.logout_token import logout_token_claims
from tests.provider.conftest import ISSUER, Browser, Op


@pytest.fixture
def op(make_op: Callable[..., Op]) -> Op:
    op = make_op()
    op.clients["post"] |= {"subject_type": "pairwise", "sector_id": "post.example.com", "client_salt": "salt"}
    for client_id in ("basic", "post"):
        op.clients[client_id]["backchannel_logout_uri"] = f"https://{client_id}.example.com/bc"
    return op


def named_in_id_tokens(op: Op, browser: Browser) -> dict[str, tuple[str, str]]:
    """Sign alice in at both clients; return by which sub and sid each knows her."""
    tokens = [browser.sign_in("basic")["id_token"], browser.sign_in("post", login=None)["id_token"]]
    claims = [op.claims(token) for token in tokens]
    return {one["aud"]: (one["sub"], one["sid"]) for one in claims}


def named_in_logout_tokens(op: Op) -> dict[str, tuple[str, str]]:
    named = {}
    for notice in op.store.notices(10):
        claims = logout_token_claims(notice, issuer=ISSUER, now=op.clock(), lifetime_s=120)
        token = op.ext.delivery.tokens.sign_logout_token(claims, op.ext.clients.get(notice.client_id))
        told = jose.verify(token, op.ext.issuer_keys(), jose.ASYMMETRIC_ALGS).claims
        assert told["aud"] not in named
        named[told["aud"]] = (told["sub"], told["sid"])
    return named


@pytest.mark.spec("WR-10", "SID-08")
def test_each_rp_is_told_the_sub_and_sid_that_it_knows_a_pairwise_one_too(op: Op) -> None:
    browser = op.browser()
    named = named_in_id_tokens(op, browser)

    browser.confirm(browser.end_session())

    assert named["basic"][0] != named["post"][0]
    assert named_in_logout_tokens(op) == named


@pytest.mark.spec("REG-11")
def test_a_session_that_is_required_of_a_channel_without_a_uri_tells_nobody(op: Op) -> None:
    op.clients["basic"] |= {"backchannel_logout_session_required": True, "frontchannel_logout_session_required": True}
    del op.clients["basic"]["backchannel_logout_uri"]
    browser = op.browser()
    browser.sign_in("basic")

    answer = browser.confirm(browser.end_session())

    assert answer.status == 200
    assert "<iframe" not in answer.body
    assert op.store.notices(10) == []


@pytest.mark.spec("BC-04", "WR-12")
def test_a_logout_in_one_browser_names_the_session_of_no_other(op: Op) -> None:
    here, elsewhere = op.browser(), op.browser()
    named = named_in_id_tokens(op, here)
    others = named_in_id_tokens(op, elsewhere)

    here.confirm(here.end_session())

    told = named_in_logout_tokens(op)
    assert told == named
    assert not {sid for _, sid in told.values()} & {sid for _, sid in others.values()}
    assert elsewhere.is_signed_in()
