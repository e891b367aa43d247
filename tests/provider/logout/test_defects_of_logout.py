"""What ends and who is told when a user signs out of pyoidc, as it comes and with us."""

from __future__ import annotations

import threading
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest
from oic.oic.message import EndSessionRequest
from oic.utils.http_util import Response as StockResponse

from oic_session_ext.crypto import jose
from oic_session_ext.model import NotifyStatus
from oic_session_ext.provider.request.responses import RawResponse
from oic_session_ext.settings import DeliverySettings
from tests.provider.conftest import Answer, Browser, MakeOp, Op
from tests.provider.notified_rps import slow_rps
from tests.provider.shown_on_both import code_of, outcome, signed_in

pytestmark = pytest.mark.filterwarnings("ignore")

FRONT = "https://post.example.com/fc"
XSS = '"><img src=1 onerror=alert(1)>'


def signed_in_at(op: Op, *client_ids: str, user: str = "alice") -> tuple[Any, ...]:
    """A browser in which a user is signed in at clients, and the tokens that each of them has got."""
    browser = signed_in(op, user)
    tokens = [op.redeem(browser.authorize(client_id).in_query["code"], client_id).json for client_id in client_ids]
    op.clock.advance(1)  # another login is another one
    return browser, tokens


def grant_of(op: Op, tokens: dict[str, Any]) -> str:
    """The key of pyoidc's session database for what a client has got."""
    return op.provider.sdb.access_token.get_key(tokens["access_token"])


def log_out(
    op: Op, browser: Browser, tokens: dict[str, Any], client_id: str = "basic", *, everywhere: bool = True
) -> list[tuple[str, str]]:
    """Log out by pyoidc's own function, or as the user does; return the `sid` and the client of each one that was told."""
    if not op.is_stock:
        op.ext.delivery.running.calls.clear()
        browser.confirm(browser.end_session())
        return [(notice.sid, notice.client_id) for notices, _ in op.ext.delivery.running.calls for notice in notices]
    posted = []

    def http_request(url: str, method: str, data: str, headers: dict[str, str]) -> SimpleNamespace:
        claims = jose.read_unverified(data.partition("=")[2]).claims
        posted.append((claims["sid"], *claims["aud"]))
        return SimpleNamespace(status_code=200)

    op.provider.httpc.http_request = http_request
    op.provider.do_verified_logout(grant_of(op, tokens), client_id, alla=everywhere)
    return posted


def knows_user(op: Op, tokens: dict[str, Any]) -> bool:
    return outcome(lambda: op.userinfo(tokens["access_token"])) == 200


# -- what ends ------------------------------------------------------------------------------------------------------------------


@pytest.mark.defect("2.16")
def test_a_logout_in_one_browser_ends_nothing_in_another(logout_op: Op) -> None:
    here, (mine,) = signed_in_at(logout_op, "basic")
    _, (other,) = signed_in_at(logout_op, "basic")

    log_out(logout_op, here, mine)

    assert knows_user(logout_op, other) is not logout_op.is_stock


@pytest.mark.defect("2.16")
def test_whatever_ends_is_told(logout_op: Op) -> None:
    here, (mine,) = signed_in_at(logout_op, "basic")
    _, (other,) = signed_in_at(logout_op, "basic")

    told = log_out(logout_op, here, mine)

    ended = [tokens for tokens in (mine, other) if not knows_user(logout_op, tokens)]
    assert (len(told) == len(ended)) is not logout_op.is_stock


@pytest.mark.defect("2.17")
def test_the_rp_is_told_the_sid_that_stands_in_its_id_token_and_is_no_key_to_anything(logout_op: Op) -> None:
    browser, (tokens,) = signed_in_at(logout_op, "basic")
    known = jose.read_unverified(tokens["id_token"]).claims.get("sid")
    grant_id = grant_of(logout_op, tokens)

    ((sid, _),) = log_out(logout_op, browser, tokens)

    assert (sid == known) is not logout_op.is_stock
    assert (sid == grant_id) is logout_op.is_stock


@pytest.mark.defect("2.18")
def test_a_session_ends_also_at_a_client_that_cannot_be_told(logout_op: Op) -> None:
    browser, (tokens,) = signed_in_at(logout_op, "post")

    assert log_out(logout_op, browser, tokens, "post") == []

    assert knows_user(logout_op, tokens) is logout_op.is_stock


def end_session_of(op: Op, browser: Browser, tokens: dict[str, Any]) -> None:
    """End the session of one browser, whose RP is down: by pyoidc's own function, or as the user does."""
    if op.is_stock:
        op.provider.httpc.http_request = refuse_connections
        op.provider.do_verified_logout(grant_of(op, tokens), "basic", alla=True)
    else:
        op.ext.delivery.running.outcomes["basic"] = NotifyStatus.UNDELIVERABLE
        browser.confirm(browser.end_session())


def refuse_connections(*_: str, **__: dict[str, str] | str) -> None:
    raise OSError("nobody listens")


@pytest.mark.defect("2.19", "2.20")
def test_an_rp_that_is_down_keeps_nobody_signed_in(logout_op: Op) -> None:
    browser, (tokens,) = signed_in_at(logout_op, "basic")

    end_session_of(logout_op, browser, tokens)

    assert browser.is_signed_in() is logout_op.is_stock
    assert knows_user(logout_op, tokens) is logout_op.is_stock


@pytest.mark.defect("2.20")
def test_a_cookie_kept_from_before_signs_nobody_in(logout_op: Op) -> None:
    browser, (tokens,) = signed_in_at(logout_op, "basic")
    kept = dict(browser.jar)

    log_out(logout_op, browser, tokens)
    browser.jar = kept

    assert browser.is_signed_in() is logout_op.is_stock


@pytest.mark.defect("2.21")
def test_a_refresh_token_brings_no_ended_session_back(either: Op) -> None:
    tokens = either.redeem(code_of(either, scope="openid offline_access", prompt="consent")).json
    either.provider.clean_sessions([grant_of(either, tokens)])

    answer = either.refresh(tokens["refresh_token"])

    assert answer.status == (200 if either.is_stock else 400)
    assert bool(either.provider.sdb.get_by_uid("alice")) is either.is_stock


@pytest.mark.defect("2.21")
def test_tokens_of_an_ended_session_are_refused_and_no_fault(logout_op: Op) -> None:
    browser, (tokens,) = signed_in_at(logout_op, "basic")

    log_out(logout_op, browser, tokens)

    assert outcome(lambda: logout_op.userinfo(tokens["access_token"])) == ("KeyError" if logout_op.is_stock else 401)


# -- the front channel ----------------------------------------------------------------------------------------------------------


def frames(op: Op, uri: str) -> str:
    """Return the HTML that has a client's frame in it, for a client that asks for `iss` and `sid`."""
    client = {"frontchannel_logout_uri": uri, "frontchannel_logout_session_required": True}
    if op.is_stock:
        return op.provider.do_front_channel_logout_iframe(client, op.provider.name, "sid")
    op.clients["post"] |= client
    browser, _ = signed_in_at(op, "post")
    return browser.confirm(browser.end_session()).body


@pytest.mark.defect("2.22")
def test_what_stands_in_a_clients_frontchannel_uri_is_no_html(logout_op: Op) -> None:
    assert (XSS in frames(logout_op, f"{FRONT}/{XSS}")) is logout_op.is_stock


@pytest.mark.defect("2.22")
def test_a_frontchannel_uri_keeps_all_of_its_query(logout_op: Op) -> None:
    assert ("?a=1&amp;a=2&amp;b=&amp;iss=" in frames(logout_op, f"{FRONT}?a=1&a=2&b=")) is not logout_op.is_stock


@pytest.mark.defect("2.22")
def test_a_frame_is_closed(logout_op: Op) -> None:
    assert ("</iframe>" in frames(logout_op, FRONT)) is not logout_op.is_stock


@pytest.mark.defect("2.25")
def test_a_client_with_both_channels_is_told_over_both(logout_op: Op) -> None:
    logout_op.clients["post"] |= {"frontchannel_logout_uri": FRONT, "backchannel_logout_uri": "https://post.example.com/bc"}
    browser, (tokens,) = signed_in_at(logout_op, "post")

    if logout_op.is_stock:
        told = logout_op.provider.logout_info_for_one_client(grant_of(logout_op, tokens), "post")
        assert (bool(told["back_channel"]), bool(told["front_channel"])) == (True, False)
        return
    page = browser.confirm(browser.end_session())
    assert FRONT in page.body
    assert [notice.client_id for notice in logout_op.ext.delivery.running.calls[0][0]] == ["post"]


# -- the pages ------------------------------------------------------------------------------------------------------------------


def question(op: Op, **params: str) -> Answer:
    """Return pyoidc's page that asks whether to log out, or ours."""
    if op.is_stock:
        return Answer.of(op.provider.let_user_verify_logout("alice", EndSessionRequest(**params), None, None))
    browser, _ = signed_in_at(op, "basic")
    return browser.end_session(**params)


@pytest.mark.defect("2.23")
def test_what_a_request_carries_is_no_html_of_the_question(logout_op: Op) -> None:
    assert (XSS in question(logout_op, post_logout_redirect_uri=XSS, state=XSS).body) is logout_op.is_stock


@pytest.mark.defect("2.23")
def test_what_a_request_carries_is_no_html_of_the_form_that_posts_its_answer(logout_op: Op) -> None:
    page = signed_in(logout_op).authorize(response_mode="form_post", state=XSS)

    assert (XSS in page.body) is logout_op.is_stock


@pytest.mark.defect("2.23")
def test_a_question_without_a_redirect_uri_can_be_asked(logout_op: Op) -> None:
    assert outcome(lambda: question(logout_op)) == ("KeyError" if logout_op.is_stock else 200)


@pytest.mark.defect("2.23")
def test_the_question_carries_a_secret_without_which_there_is_no_answer(logout_op: Op) -> None:
    fields = question(logout_op, post_logout_redirect_uri="https://basic.example.com/out").form.fields

    if logout_op.is_stock:
        assert set(fields) == {"id_token_hint", "post_logout_redirect_uri"}
        return
    assert fields["confirmation"]
    browser, _ = signed_in_at(logout_op, "basic", user="bob")
    assert browser.end_session("POST", **fields | {"confirmation": ""}, logout="yes").status == 400
    assert browser.end_session("POST", **fields, logout="yes").status == 400  # of another browser
    assert browser.is_signed_in()


@pytest.mark.defect("2.29")
def test_a_pages_script(logout_op: Op) -> None:
    page = "<script>x</script>"
    response = StockResponse(page) if logout_op.is_stock else RawResponse(page.encode(), 200, [("Content-Type", "text/html")])

    assert (Answer.of(response).body == page) is not logout_op.is_stock


# -- RPs that are slow, clients that are gone -----------------------------------------------------------------------------------


@pytest.mark.defect("2.26")
def test_rps_are_told_side_by_side(stock: Op, make_op: MakeOp) -> None:
    assert most_at_once(stock, patience_s=0.1) == 1
    delivery = DeliverySettings(allow_networks=(ip_network("127.0.0.0/8"),))
    assert most_at_once(make_op(delivery=delivery), patience_s=20) == 2


def most_at_once(op: Op, patience_s: float) -> int:
    """Return how many of two RPs heard of one logout at the same time, if each takes as long as it takes to tell the other."""
    op.is_stock = op.own_store is None
    clients = ("basic", "post")
    with slow_rps(len(clients), patience_s) as rps:
        for client_id, uri in zip(clients, rps.uris, strict=True):
            op.clients[client_id]["backchannel_logout_uri"] = uri
        browser, tokens = signed_in_at(op, *clients)
        if op.is_stock:
            op.provider.do_verified_logout(grant_of(op, tokens[0]), "basic", alla=True)
            return rps.most
        op.ext.delivery.start()
        try:
            browser.confirm(browser.end_session())
            rps.all_told.wait(patience_s)
        finally:
            op.ext.delivery.stop()
        return rps.most


@pytest.mark.defect("2.27")
def test_a_client_that_is_gone_does_not_hold_up_the_logout(logout_op: Op) -> None:
    browser, (tokens, _) = signed_in_at(logout_op, "basic", "post")
    del logout_op.clients["post"]

    if logout_op.is_stock:
        with pytest.raises(KeyError):
            log_out(logout_op, browser, tokens)
        assert knows_user(logout_op, tokens)
    else:
        assert [client_id for _, client_id in log_out(logout_op, browser, tokens)] == ["basic"]
        assert not knows_user(logout_op, tokens)


@pytest.mark.defect("2.27")
def test_a_session_that_is_not_there_can_be_ended(logout_op: Op) -> None:
    browser, (tokens,) = signed_in_at(logout_op, "basic")
    log_out(logout_op, browser, tokens)

    if logout_op.is_stock:
        with pytest.raises(KeyError):
            log_out(logout_op, browser, tokens)
    else:
        assert browser.end_session(id_token_hint=tokens["id_token"]).status == 200


@pytest.mark.defect("2.27")
def test_logouts_at_the_same_time_all_succeed(logout_op: Op) -> None:
    _, (tokens,) = signed_in_at(logout_op, "basic")
    if logout_op.is_stock:  # two that have both read which sessions there are, of which one is a moment later
        logout_op.provider.clean_sessions([grant_of(logout_op, tokens)])
        with pytest.raises(KeyError):
            logout_op.provider.clean_sessions([grant_of(logout_op, tokens)])
        return
    browser, (tokens,) = signed_in_at(logout_op, "basic")
    barrier, found = threading.Barrier(4), []

    def end() -> None:
        another_tab = logout_op.browser()
        another_tab.jar = dict(browser.jar)
        barrier.wait()
        found.append(outcome(lambda: another_tab.end_session(id_token_hint=tokens["id_token"])))

    threads = [threading.Thread(target=end) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 4
    assert sum(len(notices) for notices, _ in logout_op.ext.delivery.running.calls) == 1


@pytest.mark.defect("2.28")
def test_a_browser_without_a_cookie_is_asked_about(either: Op) -> None:
    def ask() -> Answer:
        assert either.provider.is_session_revoked("", cookie=None)
        return Answer(200, [], "")

    assert outcome(ask) == ("TypeError" if either.is_stock else 200)


def test_whether_a_session_is_revoked_is_told_of_each_browser(hardened: Op, op: Op) -> None:
    for one in (hardened, op):
        browser = signed_in(one)
        browser.authorize()
        assert not one.provider.is_session_revoked("", cookie=browser.cookie)
        assert one.provider.is_session_revoked("", cookie="pyoidc=a|b|c|d; __Host-op_session=x")

    hardened.provider.sdb.revoke_uid("alice")
    browser_of_op = browser
    browser_of_op.confirm(browser_of_op.end_session())

    assert hardened.provider.is_session_revoked("", cookie=signed_in(hardened).cookie)
    assert op.provider.is_session_revoked("", cookie=browser_of_op.cookie)


def test_pyoidcs_own_logout_functions_are_closed(op: Op) -> None:
    provider = op.provider
    with pytest.raises(ValueError, match="end-session endpoint"):
        provider.unpack_signed_jwt("x")
    for work in (
        lambda: provider.do_verified_logout("x", "basic", alla=True),
        lambda: provider.let_user_verify_logout("alice", {}, None, None),
        lambda: provider.do_back_channel_logout({}, "sub", "sid"),
        lambda: provider.do_front_channel_logout_iframe({}, "iss", "sid"),
    ):
        with pytest.raises(NotImplementedError, match="end-session endpoint"):
            work()
