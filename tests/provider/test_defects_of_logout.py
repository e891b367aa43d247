"""What ends and who is told when a user signs out of pyoidc, as it comes and with us."""

from __future__ import annotations

import pytest
from oic.utils.http_util import Response as StockResponse

from oic_session_ext import jose
from oic_session_ext.model import Told
from oic_session_ext.provider.responses import RawResponse

from .conftest import Answer
from .shown_on_both import outcome, signed_in

pytestmark = pytest.mark.filterwarnings("ignore")


def end_session_of(op, browser, id_token):
    """End the session of one browser, whose RP is down: by pyoidc's own function, or as the user does."""
    if op.is_stock:
        (sid,) = op.provider.sdb._db.get_by_sub(jose.read_unverified(id_token).claims["sub"])
        op.provider.httpc.http_request = refuse_connections
        op.provider.do_verified_logout(sid, "basic", alla=True)
    else:
        op.provider.delivery.outcomes["basic"] = Told.UNDELIVERABLE
        browser.confirm(browser.end_session())


def refuse_connections(*_, **__):
    raise OSError("nobody listens")


@pytest.mark.defect("2.19", "2.20")
def test_an_rp_that_is_down_keeps_nobody_signed_in(logout_op):
    browser = signed_in(logout_op)
    tokens = logout_op.redeem(browser.authorize().in_query["code"]).json

    end_session_of(logout_op, browser, tokens["id_token"])

    assert browser.is_signed_in() is logout_op.is_stock
    assert (outcome(lambda: logout_op.userinfo(tokens["access_token"])) == 200) is logout_op.is_stock


@pytest.mark.defect("2.29")
def test_a_pages_script(logout_op):
    page = "<script>x</script>"
    response = StockResponse(page) if logout_op.is_stock else RawResponse(page.encode(), 200, [("Content-Type", "text/html")])

    assert (Answer.of(response).body == page) is not logout_op.is_stock
