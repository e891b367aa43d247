"""The logout use case, on the memory store: every row of the decision table, redirects, refusals, confirmation."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from oic_session_ext.crypto import jose
from oic_session_ext.errors import Conflict, InvalidConfirmation, InvalidRequest, ProtocolError, UnknownClient
from oic_session_ext.logout.end_session import (
    AskToConfirm,
    EndSessionParts,
    LoggedOut,
    Problem,
    StayedSignedIn,
    confirm_end_session,
    start_end_session,
)
from oic_session_ext.logout.end_session_request import STASHED_REQUEST, EndSessionRequest, resume_request, stash_request
from oic_session_ext.model import LogoutNotice, OpSession, Reason, RpSession
from oic_session_ext.sessions.op_session import begin_op_session, end_op_session, join_rp, op_session_of_cookie
from oic_session_ext.settings import SessionManagementSettings
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.store.unit_of_work import UnitOfWork

ISSUER = "https://op.example.org"
NOW = 1_800_000_000
OUT = "https://rp1.example.com/out"
NASTY_STATE = ("&=+%#\" /?;:@$,<>'\\ü\U0001f600~-._!*()[]{}|^`" * 4)[:128]


def rsa() -> jose.Key:
    return jose.import_key(RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True))


SIGNING, FOREIGN, RP_KEY = rsa(), rsa(), rsa()


class World:
    """An OP with two RPs, a store, and a browser or two."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.now = NOW
        self.settings = SessionManagementSettings()
        self.clients: dict[str, dict[str, Any]] = {
            "rp1": {
                "client_name": "First RP",
                "post_logout_redirect_uris": [OUT, "https://rp1.example.com/q?a=b%20c", "com.example.app:/bye"],
                "backchannel_logout_uri": "https://rp1.example.com/bc",
            },
            "rp2": {"post_logout_redirect_uris": ["https://rp2.example.com/out"], "backchannel_logout_uri": "https://rp2.example.com/bc"},
            "bare": {},
        }

    def issuer_keys(self) -> list[jose.Key]:
        return [SIGNING]

    def decryption_keys(self) -> list[jose.Key]:
        return []

    def client(self, client_id: str) -> dict[str, Any] | None:
        return self.clients.get(client_id)

    @property
    def parts(self) -> EndSessionParts:
        return EndSessionParts(issuer=ISSUER, keys=self, clients=self.clients, settings=self.settings)

    def uow(self) -> UnitOfWork:
        return UnitOfWork(self.store, self.now)

    def sign_in(self, uid: str = "alice", client_ids: tuple[str, str] = ("rp1", "rp2")) -> str:
        """Return a browser: the value of its cookie."""
        uow = self.uow()
        session, cookie = begin_op_session(
            uow, uid=uid, acr="pwd", auth_time=self.now, present=None, settings=self.settings, clients=self.clients
        )
        for client_id in client_ids:
            join_rp(uow, session, client_id, f"{uid}-at-{client_id}", self.settings)
        uow.commit()
        return cookie

    def session(self, cookie: str | None) -> OpSession | None:
        return op_session_of_cookie(self.uow(), cookie)

    def present(self, cookie: str) -> OpSession:
        session = self.session(cookie)
        assert session is not None
        return session

    def rp_session(self, cookie: str, client_id: str) -> RpSession:
        rp = self.present(cookie).rp_session_of(client_id)
        assert rp is not None
        return rp

    def hint(self, cookie: str, client_id: str = "rp1", key: jose.Key = SIGNING, **claims: Any) -> str:
        rp = self.rp_session(cookie, client_id)
        merged = {"iss": ISSUER, "sub": rp.sub, "aud": client_id, "sid": rp.sid, "iat": self.now, "exp": self.now + 3600, **claims}
        return jose.sign({name: value for name, value in merged.items() if value is not ...}, key, "RS256")

    def start(self, cookie: str | None = None, **params: str) -> Any:
        """Return the outcome, as Any: each test asserts which one it expects."""
        uow = self.uow()
        outcome = start_end_session(EndSessionRequest.from_params(list(params.items())), self.session(cookie), uow, self.parts)
        uow.commit()
        return outcome

    def answer(self, asked: AskToConfirm | str, cookie: str, answer: str = "logout") -> Any:
        """Return the outcome, as Any: each test asserts which one it expects."""
        uow = self.uow()
        confirmation = asked.confirmation if isinstance(asked, AskToConfirm) else asked
        outcome = confirm_end_session(confirmation, answer, self.present(cookie), uow, self.parts)
        uow.commit()
        return outcome

    def end(self, cookie: str, reason: Reason = Reason.USER) -> None:
        uow = self.uow()
        end_op_session(uow, self.present(cookie), reason, self.clients, self.settings)
        uow.commit()

    def notices(self) -> list[LogoutNotice]:
        return self.store.notices(100)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def browser(world: World) -> str:
    return world.sign_in()


def forged_none(world: World, browser: str) -> str:
    _, body, _ = world.hint(browser).split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    return f"{none}.{body}."


# --- the decision table, row by row ---


@pytest.mark.spec("RI-31", "RI-04", "SEC-02", "WR-04")
def test_row_1_a_bare_request_asks_and_ends_nothing(world: World, browser: str) -> None:
    asked = world.start(browser)

    assert isinstance(asked, AskToConfirm)
    assert (asked.client_id, asked.client_name, asked.problem) == (None, None, None)
    assert world.session(browser) is not None
    assert world.notices() == []


@pytest.mark.spec("RI-33", "RI-49", "PY-11")
def test_row_1_on_yes_the_user_is_logged_out_without_a_redirect(world: World, browser: str) -> None:
    session = world.session(browser)

    out = world.answer(world.start(browser, state="s"), browser)

    assert out == LoggedOut(session, out.notices, redirect_to=None, client_id=None, problem=None, ui_locales=(), rps=out.rps)
    assert world.session(browser) is None
    assert {notice.reason for notice in world.notices()} == {Reason.USER}


@pytest.mark.spec("RI-05", "RI-04", "WR-03")
@pytest.mark.parametrize("params", [{}, {"state": "s"}, {"logout_hint": "bob"}, {"ui_locales": "de"}])
def test_row_2_without_a_session_there_is_nothing_to_do(world: World, params: dict[str, str]) -> None:
    out = world.start(**params)

    assert isinstance(out, LoggedOut)
    assert (out.ended, out.redirect_to, out.problem) == (None, None, None)


@pytest.mark.spec("RI-35", "RI-40", "RI-50")
@pytest.mark.parametrize("client_id", [{}, {"client_id": "rp1"}], ids=["no client_id", "same client_id"])
def test_row_3_a_matching_hint_logs_out_unasked_and_redirects(world: World, browser: str, client_id: dict[str, str]) -> None:
    session = world.session(browser)

    out = world.start(browser, id_token_hint=world.hint(browser), post_logout_redirect_uri=OUT, state="s 1", **client_id)

    assert (out.ended, out.redirect_to, out.client_id, out.client_name) == (session, f"{OUT}?state=s%201", "rp1", "First RP")
    assert (out.problem, out.ui_locales) == (None, ())
    assert world.session(browser) is None
    assert sorted((notice.client_id, notice.reason) for notice in world.notices()) == [
        ("rp1", Reason.RP_INITIATED),
        ("rp2", Reason.RP_INITIATED),
    ]


@pytest.mark.spec("RI-30", "RI-35", "RI-37")
def test_row_3_asks_first_when_set_so_and_redirects_after_yes(world: World, browser: str) -> None:
    world.settings = SessionManagementSettings(ask="always")

    asked = world.start(browser, id_token_hint=world.hint(browser), post_logout_redirect_uri=OUT, state=NASTY_STATE)
    before = world.session(browser)
    out = world.answer(asked, browser)

    assert before is not None
    assert (asked.client_id, asked.client_name, asked.problem) == ("rp1", "First RP", None)
    assert dict(parse_qsl(urlsplit(out.redirect_to).query, keep_blank_values=True)) == {"state": NASTY_STATE}


@pytest.mark.spec("RI-42", "RI-49", "PY-08")
def test_row_4_no_redirect_is_guessed_when_the_rp_sends_none(world: World, browser: str) -> None:
    world.clients["rp1"]["post_logout_redirect_uris"] = [OUT]

    out = world.start(browser, id_token_hint=world.hint(browser), state="s")

    assert out.ended is not None
    assert out.redirect_to is None


@pytest.mark.spec("RI-43", "RI-45")
def test_row_5_an_unregistered_uri_is_asked_about_and_never_redirected_to(world: World, browser: str) -> None:
    asked = world.start(browser, id_token_hint=world.hint(browser), post_logout_redirect_uri="https://rp1.example.com/other")

    out = world.answer(asked, browser)

    assert asked.problem is Problem.REDIRECT_NOT_REGISTERED
    assert out.ended is not None
    assert (out.redirect_to, out.problem) == (None, Problem.REDIRECT_NOT_REGISTERED)


@pytest.mark.spec("RI-11", "WR-01", "PY-08")
@pytest.mark.parametrize("age", [3600, 30 * 86400, 10 * 365 * 86400])
def test_row_6_an_expired_hint_of_the_live_session_is_as_good_as_a_fresh_one(world: World, browser: str, age: int) -> None:
    hint = world.hint(browser, iat=NOW - age - 3600, exp=NOW - age)

    out = world.start(browser, id_token_hint=hint, post_logout_redirect_uri=OUT)

    assert out.ended is not None
    assert out.redirect_to == OUT


@pytest.mark.spec("RI-32", "WR-02", "SEC-04")
def test_row_7_another_users_hint_asks_and_yes_ends_this_browsers_session_alone(world: World, browser: str) -> None:
    bobs = world.sign_in("bob")

    asked = world.start(browser, id_token_hint=world.hint(bobs), post_logout_redirect_uri=OUT)
    before = world.session(browser)
    out = world.answer(asked, browser)

    assert isinstance(asked, AskToConfirm)
    assert before is not None
    assert out.ended.uid == "alice"
    assert out.redirect_to == OUT
    assert world.session(bobs) is not None


@pytest.mark.spec("RI-32", "P4")
def test_row_7_the_same_users_hint_from_another_browser_asks(world: World, browser: str) -> None:
    other = world.sign_in()

    asked = world.start(browser, id_token_hint=world.hint(other), post_logout_redirect_uri=OUT)
    world.answer(asked, browser)

    assert isinstance(asked, AskToConfirm)
    assert world.session(other) is not None


@pytest.mark.spec("RI-32")
def test_row_7_a_hint_of_an_ended_session_asks_when_somebody_has_signed_in_since(world: World, browser: str) -> None:
    hint = world.hint(browser)
    world.end(browser)
    again = world.sign_in()

    asked = world.start(again, id_token_hint=hint, post_logout_redirect_uri=OUT)

    assert isinstance(asked, AskToConfirm)
    assert world.answer(asked, again).redirect_to == OUT


@pytest.mark.spec("RI-34")
def test_row_7_after_no_there_is_no_redirect(world: World, browser: str) -> None:
    asked = world.start(browser, id_token_hint=world.hint(world.sign_in("bob")), post_logout_redirect_uri=OUT)

    assert world.answer(asked, browser, "stay") == StayedSignedIn(client_id="rp1", client_name="First RP", ui_locales=())
    assert world.session(browser) is not None
    assert world.notices() == []


@pytest.mark.spec("RI-12")
def test_row_8_a_hint_whose_sid_is_neither_current_nor_recent_asks_and_is_not_redirected(world: World, browser: str) -> None:
    asked = world.start(browser, id_token_hint=world.hint(browser, sid="z" * 32), post_logout_redirect_uri=OUT)

    out = world.answer(asked, browser)

    assert asked.problem is Problem.STALE_HINT
    assert out.ended is not None
    assert out.redirect_to is None


@pytest.mark.spec("RI-12")
def test_row_8_a_session_ended_too_long_ago_is_not_recent(world: World, browser: str) -> None:
    hint = world.hint(browser)
    world.end(browser)
    world.now += world.settings.recent_s
    again = world.sign_in()

    assert world.start(again, id_token_hint=hint, post_logout_redirect_uri=OUT).problem is Problem.STALE_HINT


@pytest.mark.spec("RI-10", "RI-20", "RI-45", "WR-07", "PY-01")
@pytest.mark.parametrize("client_id", [{}, {"client_id": "rp1"}], ids=["no client_id", "client_id"])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda world, browser: world.hint(browser, key=FOREIGN), id="bad signature"),
        pytest.param(forged_none, id="alg none"),
        pytest.param(lambda world, browser: world.hint(browser, iss="https://other.example"), id="other issuer"),
        pytest.param(lambda world, browser: world.hint(browser, events={}), id="logout token"),
        pytest.param(lambda *_: "garbage", id="garbage"),
    ],
)
def test_row_9_a_bad_hint_asks_says_nothing_and_is_not_redirected(
    world: World, browser: str, make: Callable[..., Any], client_id: dict[str, str]
) -> None:
    asked = world.start(browser, id_token_hint=make(world, browser), post_logout_redirect_uri=OUT, state="s", **client_id)
    before = world.session(browser)
    out = world.answer(asked, browser)

    assert asked.problem is Problem.INVALID_HINT
    assert (asked.client_id, asked.client_name) == (None, None)
    assert before is not None
    assert out.ended is not None
    assert (out.redirect_to, out.problem) == (None, Problem.INVALID_HINT)


@pytest.mark.spec("RI-13")
def test_row_10_a_client_id_other_than_the_hints_asks_and_is_not_redirected(world: World, browser: str) -> None:
    asked = world.start(browser, id_token_hint=world.hint(browser), client_id="rp2", post_logout_redirect_uri="https://rp2.example.com/out")

    assert asked.problem is Problem.CLIENT_MISMATCH
    assert asked.client_id is None
    assert world.answer(asked, browser).redirect_to is None


@pytest.mark.spec("RI-31", "RI-44")
@pytest.mark.parametrize(("allowed", "redirect_to"), [(False, None), (True, f"{OUT}?state=s")])
def test_row_11_client_id_alone_redirects_after_yes_only_where_that_is_allowed(
    world: World, browser: str, allowed: bool, redirect_to: str | None
) -> None:
    world.settings = SessionManagementSettings(redirect_without_hint=allowed)

    asked = world.start(browser, client_id="rp1", post_logout_redirect_uri=OUT, state="s")
    out = world.answer(asked, browser)

    assert (asked.client_id, asked.client_name) == ("rp1", "First RP")
    assert out.redirect_to == redirect_to


@pytest.mark.spec("RI-44", "RI-34")
def test_row_11_without_a_session_nobody_says_yes_so_there_is_no_redirect(world: World) -> None:
    world.settings = SessionManagementSettings(redirect_without_hint=True)

    assert world.start(client_id="rp1", post_logout_redirect_uri=OUT).redirect_to is None


@pytest.mark.spec("RI-43", "RI-44")
def test_row_11_an_unregistered_uri_is_not_redirected_to_even_where_client_id_is_enough(world: World, browser: str) -> None:
    world.settings = SessionManagementSettings(redirect_without_hint=True)

    asked = world.start(browser, client_id="rp1", post_logout_redirect_uri="https://rp2.example.com/out")

    assert asked.problem is Problem.REDIRECT_NOT_REGISTERED
    assert world.answer(asked, browser).redirect_to is None


@pytest.mark.spec("RI-22", "RI-38")
@pytest.mark.parametrize("with_hint", [True, False])
def test_row_12_an_unknown_client_is_an_error_whose_page_may_still_offer_logout(world: World, browser: str, with_hint: bool) -> None:
    hint = {"id_token_hint": world.hint(browser)} if with_hint else {}

    with pytest.raises(UnknownClient) as refused:
        world.start(browser, client_id="nobody", post_logout_redirect_uri=OUT, **hint)

    assert refused.value.status == 400
    assert world.session(browser) is not None
    assert isinstance(world.start(browser), AskToConfirm)


@pytest.mark.spec("RI-05", "RI-11")
def test_row_13_after_a_recent_logout_a_valid_redirect_request_is_still_honoured(world: World, browser: str) -> None:
    hint = world.hint(browser, exp=NOW - 5)
    world.end(browser)

    out = world.start(browser, id_token_hint=hint, post_logout_redirect_uri=OUT, state="s")

    assert out == LoggedOut(None, (), f"{OUT}?state=s", client_id="rp1", problem=None, ui_locales=(), client_name="First RP")
    assert len(world.notices()) == 2


@pytest.mark.spec("RI-05")
def test_row_13_the_second_of_two_equal_requests_ends_like_the_first(world: World, browser: str) -> None:
    params = {"id_token_hint": world.hint(browser), "post_logout_redirect_uri": OUT}

    assert world.start(browser, **params).redirect_to == world.start(browser, **params).redirect_to == OUT


@pytest.mark.spec("RI-18", "RI-19")
@pytest.mark.parametrize("client_id", [{}, {"client_id": "rp1"}], ids=["no client_id", "client_id"])
def test_row_14_a_hint_that_we_cannot_decrypt_asks_and_is_not_redirected(world: World, browser: str, client_id: dict[str, str]) -> None:
    hint = jose.encrypt(world.hint(browser), RP_KEY, "RSA-OAEP", "A128GCM")

    asked = world.start(browser, id_token_hint=hint, post_logout_redirect_uri=OUT, **client_id)

    assert asked.problem is Problem.INVALID_HINT
    assert world.answer(asked, browser).redirect_to is None


@pytest.mark.spec("RI-31", "RI-44")
@pytest.mark.parametrize("allowed", [True, False])
def test_row_15_a_uri_from_nobody_in_particular_is_not_redirected_to(world: World, browser: str, allowed: bool) -> None:
    world.settings = SessionManagementSettings(redirect_without_hint=allowed)

    asked = world.start(browser, post_logout_redirect_uri=OUT, state="s")

    assert (asked.client_id, asked.problem) == (None, Problem.REDIRECT_NOT_CONFIRMED)
    assert world.answer(asked, browser).redirect_to is None


# --- hints, sessions, clients: what the table leaves to the reader ---


@pytest.mark.spec("SEC-04", "P4")
def test_a_hint_without_a_cookie_ends_nobodys_session(world: World, browser: str) -> None:
    out = world.start(None, id_token_hint=world.hint(browser), post_logout_redirect_uri=OUT)

    assert out.ended is None
    assert out.redirect_to == OUT
    assert world.session(browser) is not None


@pytest.mark.spec("RI-45")
@pytest.mark.parametrize("key", [SIGNING, FOREIGN], ids=["stale", "forged"])
def test_a_bad_or_stale_hint_without_a_session_is_not_redirected(world: World, browser: str, key: RSAKey) -> None:
    out = world.start(None, id_token_hint=world.hint(browser, key=key, sid="z" * 32), post_logout_redirect_uri=OUT)

    assert (out.ended, out.redirect_to) == (None, None)
    assert out.problem in (Problem.STALE_HINT, Problem.INVALID_HINT)


@pytest.mark.spec("RI-32")
def test_a_hint_without_sid_is_not_taken_for_this_session_and_asks(world: World, browser: str) -> None:
    asked = world.start(browser, id_token_hint=world.hint(browser, sid=...), post_logout_redirect_uri=OUT)

    assert (asked.client_id, asked.problem) == ("rp1", None)
    assert world.answer(asked, browser).redirect_to == OUT


@pytest.mark.spec("RI-12")
def test_a_hint_without_sid_of_another_user_is_stale(world: World, browser: str) -> None:
    hint = world.hint(world.sign_in("bob"), sid=...)

    assert world.start(browser, id_token_hint=hint, post_logout_redirect_uri=OUT).problem is Problem.STALE_HINT


@pytest.mark.spec("RI-14", "RI-12")
def test_the_sid_of_another_client_is_no_session_of_this_one(world: World, browser: str) -> None:
    sid_of_rp2 = world.rp_session(browser, "rp2").sid

    asked = world.start(browser, id_token_hint=world.hint(browser, sid=sid_of_rp2), post_logout_redirect_uri=OUT)

    assert asked.problem is Problem.STALE_HINT


@pytest.mark.spec("RI-12")
def test_the_recent_sid_of_another_client_is_no_session_of_this_one(world: World, browser: str) -> None:
    hint = world.hint(browser, sid=world.rp_session(browser, "rp2").sid)
    world.end(browser)

    assert world.start(None, id_token_hint=hint, post_logout_redirect_uri=OUT).redirect_to is None


@pytest.mark.spec("RI-32")
def test_the_right_sid_with_another_sub_asks(world: World, browser: str) -> None:
    assert isinstance(world.start(browser, id_token_hint=world.hint(browser, sub="somebody")), AskToConfirm)


@pytest.mark.spec("RI-14")
def test_client_id_decides_among_several_audiences_when_it_has_the_session(world: World, browser: str) -> None:
    hint = world.hint(browser, aud=["rp2", "rp1"])

    assert world.start(browser, id_token_hint=hint, client_id="rp1", post_logout_redirect_uri=OUT).redirect_to == OUT


@pytest.mark.spec("RI-14")
def test_an_audience_that_does_not_have_the_session_is_not_redirected_to(world: World, browser: str) -> None:
    hint = world.hint(browser, aud=["rp2", "rp1"])

    asked = world.start(browser, id_token_hint=hint, client_id="rp2", post_logout_redirect_uri="https://rp2.example.com/out")

    assert asked.problem is Problem.STALE_HINT


@pytest.mark.spec("RI-14")
def test_several_audiences_and_no_client_id_ask_and_are_not_redirected(world: World, browser: str) -> None:
    asked = world.start(browser, id_token_hint=world.hint(browser, aud=["rp1", "rp2"]), post_logout_redirect_uri=OUT)

    assert world.answer(asked, browser).redirect_to is None


def test_the_hint_of_a_client_that_is_registered_no_longer_asks(world: World, browser: str) -> None:
    hint = world.hint(browser)
    del world.clients["rp1"]

    asked = world.start(browser, id_token_hint=hint, post_logout_redirect_uri=OUT)

    assert asked.problem is Problem.INVALID_HINT
    world.answer(asked, browser)
    assert [notice.client_id for notice in world.notices()] == ["rp2"]


@pytest.mark.spec("RI-08")
def test_logout_hint_changes_nothing(world: World, browser: str) -> None:
    bobs = world.sign_in("bob")

    asked = world.start(browser, logout_hint="bob")
    world.answer(asked, browser)

    assert world.session(bobs) is not None
    assert world.session(browser) is None


@pytest.mark.spec("RI-06")
def test_ui_locales_reach_the_page_and_survive_the_question(world: World, browser: str) -> None:
    asked = world.start(browser, ui_locales="fr-CA fr en")

    assert asked.ui_locales == ("fr-CA", "fr", "en")
    assert world.answer(asked, browser).ui_locales == ("fr-CA", "fr", "en")


# --- where the browser goes ---


@pytest.mark.spec("RI-43", "SEC-03", "WR-05", "PY-02")
@pytest.mark.parametrize(
    "uri",
    [
        pytest.param(OUT + "?foo=bar", id="added query"),
        pytest.param(OUT + "?", id="empty query"),
        pytest.param(OUT + "/", id="trailing slash"),
        pytest.param("https://RP1.example.com/out", id="upper-case host"),
        pytest.param("HTTPS://rp1.example.com/out", id="upper-case scheme"),
        pytest.param("http://rp1.example.com/out", id="http"),
        pytest.param("https://rp1.example.com/Out", id="case of the path"),
        pytest.param("https://rp1.example.com/out/../evil", id="other path"),
        pytest.param("https://rp1.example.com", id="no path"),
        pytest.param("https://rp1.example.com:443/out", id="extra port"),
        pytest.param("https://rp1.example.com/%6fut", id="percent-encoded"),
        pytest.param("https://rp1%2eexample.com/out", id="percent-encoded host"),
        pytest.param("https://user@rp1.example.com/out", id="userinfo"),
        pytest.param("https://rp1.example.com@evil.example/out", id="host as userinfo"),
        pytest.param(OUT + "#x", id="fragment"),
        pytest.param("https://rp1.example.com.evil.example/out", id="longer host"),
        pytest.param("//evil.example", id="scheme-relative"),
        pytest.param("https:evil.example", id="no slashes"),
        pytest.param("\\\\evil.example", id="backslashes"),
        pytest.param("https://rp1.example.com/q?a=b c", id="decoded query"),
        pytest.param("https://rp1.example.com/q?a=b+c", id="query encoded otherwise"),
        pytest.param(" " + OUT, id="leading space"),
        pytest.param("https://rp2.example.com/out", id="another client's"),
        pytest.param("javascript:alert(1)", id="script"),
        pytest.param("out", id="relative"),
        pytest.param("h", id="a piece of it"),
    ],
)
def test_nothing_but_the_exact_registered_uri_is_redirected_to(world: World, browser: str, uri: str) -> None:
    params = {"id_token_hint": world.hint(browser), "post_logout_redirect_uri": uri, "state": "s"}

    asked = world.start(browser, **params)
    out = world.answer(asked, browser)
    later = world.start(browser, **params)

    assert asked.problem is Problem.REDIRECT_NOT_REGISTERED
    assert (out.redirect_to, later.redirect_to) == (None, None)


@pytest.mark.spec("RI-43", "REG-07")
@pytest.mark.parametrize("uri", ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", OUT + "#x"])
def test_a_dangerous_uri_is_not_redirected_to_even_if_it_got_registered(world: World, browser: str, uri: str) -> None:
    world.clients["rp1"]["post_logout_redirect_uris"].append(uri)

    asked = world.start(browser, id_token_hint=world.hint(browser), post_logout_redirect_uri=uri)

    assert asked.problem is Problem.REDIRECT_NOT_REGISTERED


@pytest.mark.spec("RI-43")
@pytest.mark.parametrize("registered", [OUT + "/and/more", None, {OUT: 1}], ids=["a string", "null", "an object"])
def test_registered_uris_that_are_no_list_allow_none(world: World, browser: str, registered: dict[str, int] | str | None) -> None:
    world.clients["rp1"]["post_logout_redirect_uris"] = registered

    asked = world.start(browser, id_token_hint=world.hint(browser), post_logout_redirect_uri=OUT)

    assert asked.problem is Problem.REDIRECT_NOT_REGISTERED


@pytest.mark.spec("WR-05")
def test_login_redirect_uris_are_not_logout_targets(world: World, browser: str) -> None:
    world.clients["rp1"]["redirect_uris"] = ["https://rp1.example.com/cb"]

    asked = world.start(browser, id_token_hint=world.hint(browser), post_logout_redirect_uri="https://rp1.example.com/cb")

    assert asked.problem is Problem.REDIRECT_NOT_REGISTERED


@pytest.mark.spec("REG-05")
def test_a_native_apps_scheme_is_redirected_to(world: World, browser: str) -> None:
    out = world.start(browser, id_token_hint=world.hint(browser), post_logout_redirect_uri="com.example.app:/bye", state="s")

    assert out.redirect_to == "com.example.app:/bye?state=s"


@pytest.mark.spec("RI-46", "WR-06")
@pytest.mark.parametrize("ask", ["when_required", "always"])
def test_a_nasty_state_comes_back_as_it_was(world: World, browser: str, ask: Literal["when_required", "always"]) -> None:
    world.settings = SessionManagementSettings(ask=ask)

    out = world.start(browser, id_token_hint=world.hint(browser), post_logout_redirect_uri=OUT, state=NASTY_STATE)
    if isinstance(out, AskToConfirm):
        out = world.answer(out, browser)

    prefix, _, query = out.redirect_to.partition("?")
    assert len(NASTY_STATE) == 128
    assert prefix == OUT
    assert out.redirect_to.isascii()
    assert parse_qsl(query, strict_parsing=True) == [("state", NASTY_STATE)]


@pytest.mark.spec("RI-46")
@pytest.mark.parametrize(("params", "redirect_to"), [({}, OUT), ({"state": ""}, OUT + "?state=")], ids=["none", "empty"])
def test_state_is_returned_only_if_it_was_sent(world: World, browser: str, params: dict[str, str], redirect_to: str) -> None:
    assert world.start(browser, id_token_hint=world.hint(browser), post_logout_redirect_uri=OUT, **params).redirect_to == redirect_to


@pytest.mark.spec("RI-47")
@pytest.mark.parametrize(
    ("uri", "redirect_to"),
    [
        ("https://rp1.example.com/q?a=b%20c", "https://rp1.example.com/q?a=b%20c&state=s"),
        ("https://rp1.example.com/q?a=1&a=2&b=&c=%2F+", "https://rp1.example.com/q?a=1&a=2&b=&c=%2F+&state=s"),
        ("https://rp1.example.com/q?", "https://rp1.example.com/q?state=s"),
        ("https://rp1.example.com/q?a=1&", "https://rp1.example.com/q?a=1&state=s"),
    ],
)
def test_state_is_added_to_a_query_that_keeps_its_bytes(world: World, browser: str, uri: str, redirect_to: str) -> None:
    world.clients["rp1"]["post_logout_redirect_uris"] = [uri]

    out = world.start(browser, id_token_hint=world.hint(browser), post_logout_redirect_uri=uri, state="s")

    assert out.redirect_to == redirect_to


@pytest.mark.spec("RI-46")
def test_state_is_returned_only_to_a_registered_redirect_uri(world: World, browser: str) -> None:
    out = world.answer(world.start(browser, state="secret-state"), browser)

    assert out.redirect_to is None


# --- confirmation ---


@pytest.mark.spec("RI-36", "SEC-13")
def test_a_confirmation_cannot_be_used_twice(world: World, browser: str) -> None:
    asked = world.start(browser)
    world.answer(asked, browser, "stay")

    with pytest.raises(InvalidConfirmation):
        world.answer(asked, browser)
    assert world.session(browser) is not None


@pytest.mark.spec("RI-36", "SEC-02")
@pytest.mark.parametrize("confirmation", ["", "true", "1", "x" * 43])
def test_a_made_up_confirmation_ends_nothing(world: World, browser: str, confirmation: str) -> None:
    with pytest.raises(InvalidConfirmation):
        world.answer(confirmation, browser)
    assert world.session(browser) is not None


@pytest.mark.spec("RI-36", "SEC-02", "PY-12")
def test_one_browsers_confirmation_ends_nothing_in_another(world: World, browser: str) -> None:
    attackers = world.sign_in("mallory")
    asked = world.start(attackers)

    with pytest.raises(InvalidConfirmation):
        world.answer(asked, browser)
    assert world.session(browser) is not None
    assert world.session(attackers) is not None


@pytest.mark.spec("RI-36")
def test_a_confirmation_runs_out(world: World, browser: str) -> None:
    asked = world.start(browser)
    world.now += world.settings.confirmation_lifetime_s

    with pytest.raises(InvalidConfirmation):
        world.answer(asked, browser)


@pytest.mark.parametrize("answer", ["", "yes", "LOGOUT", "logout "])
def test_an_answer_that_is_neither_yes_nor_no_is_refused_and_spends_nothing(world: World, browser: str, answer: str) -> None:
    asked = world.start(browser)

    with pytest.raises(InvalidRequest):
        world.answer(asked, browser, answer)
    assert world.answer(asked, browser).ended is not None


@pytest.mark.spec("RI-37")
@pytest.mark.parametrize("change", ["uri", "client"])
def test_registration_is_looked_at_again_after_the_answer(world: World, browser: str, change: str) -> None:
    world.settings = SessionManagementSettings(ask="always")
    asked = world.start(browser, id_token_hint=world.hint(browser), post_logout_redirect_uri=OUT, state="s")
    if change == "uri":
        world.clients["rp1"]["post_logout_redirect_uris"] = []
    else:
        del world.clients["rp1"]

    out = world.answer(asked, browser)

    assert out.ended is not None
    assert (out.redirect_to, out.problem) == (None, Problem.REDIRECT_NOT_REGISTERED)


def test_a_user_who_signs_in_again_meanwhile_can_still_answer(world: World, browser: str) -> None:
    asked = world.start(browser)
    uow = world.uow()
    _, cookie = begin_op_session(
        uow, uid="alice", acr="pwd", auth_time=NOW, present=world.session(browser), settings=world.settings, clients=world.clients
    )
    uow.commit()

    assert world.answer(asked, cookie).ended is not None


@pytest.mark.spec("P1")
def test_the_answer_and_the_end_are_one_commit(world: World, browser: str) -> None:
    asked = world.start(browser)
    session = world.present(browser)
    uow = world.uow()
    confirm_end_session(asked.confirmation, "logout", session, uow, world.parts)
    other = world.uow()
    join_rp(other, session, "bare", "sub", world.settings)
    other.commit()

    with pytest.raises(Conflict):
        uow.commit()
    out = world.answer(asked, browser)

    assert {rp.client_id for rp in out.ended.rp_sessions} == {"rp1", "rp2", "bare"}
    assert world.session(browser) is None


@pytest.mark.spec("P1")
def test_of_two_equal_logouts_at_once_the_second_runs_again_and_finds_nothing_to_end(world: World, browser: str) -> None:
    request = EndSessionRequest(id_token_hint=world.hint(browser), post_logout_redirect_uri=OUT)
    first, second = world.uow(), world.uow()
    for uow in (first, second):
        start_end_session(request, world.session(browser), uow, world.parts)
    first.commit()

    with pytest.raises(Conflict):
        second.commit()
    again = world.uow()
    out = start_end_session(request, world.session(browser), again, world.parts)
    again.commit()

    assert isinstance(out, LoggedOut)
    assert (out.ended, out.redirect_to) == (None, OUT)
    assert len(world.notices()) == 2


# --- the request ---


@pytest.mark.spec("RI-04", "RI-07", "PY-11")
def test_all_six_parameters_are_read_and_others_ignored() -> None:
    pairs = [
        ("id_token_hint", "h"),
        ("logout_hint", "l"),
        ("client_id", "c"),
        ("post_logout_redirect_uri", "u"),
        ("state", "s"),
        ("ui_locales", "de en"),
        ("foo", "1"),
        ("foo", "2"),
    ]

    assert EndSessionRequest.from_params(pairs) == EndSessionRequest("h", "l", "c", "u", "s", ("de", "en"))


def test_an_empty_value_is_no_value_except_for_state() -> None:
    names = ("id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "ui_locales")

    assert EndSessionRequest.from_params([(name, "") for name in names]) == EndSessionRequest()
    assert EndSessionRequest.from_params([("state", "")]).state == ""


@pytest.mark.spec("RI-07")
@pytest.mark.parametrize("name", ["id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"])
@pytest.mark.parametrize("values", [("a", "a"), ("a", "b"), ("", "")])
def test_a_repeated_parameter_is_refused(name: str, values: tuple[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        EndSessionRequest.from_params([(name, value) for value in values])


@pytest.mark.spec("SEC-12")
@pytest.mark.parametrize(
    ("name", "length"),
    [("id_token_hint", 16384), ("logout_hint", 1024), ("client_id", 512), ("post_logout_redirect_uri", 2048), ("state", 4096)],
)
def test_an_over_long_parameter_is_refused(name: str, length: int) -> None:
    assert getattr(EndSessionRequest.from_params([(name, "x" * length)]), name) == "x" * length
    with pytest.raises(InvalidRequest) as refused:
        EndSessionRequest.from_params([(name, "x" * (length + 1))])
    assert "xxx" not in refused.value.description


@pytest.mark.spec("SEC-03", "SEC-11")
@pytest.mark.parametrize("name", ["id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state"])
@pytest.mark.parametrize("char", ["\r\n", "\n", "\x00", "\t", "\x1b", "\x7f", "\x85", "\udc80"])
def test_control_characters_and_halves_of_characters_are_refused(name: str, char: str) -> None:
    with pytest.raises(InvalidRequest):
        EndSessionRequest.from_params([(name, f"https://rp1.example.com/out{char}Set-Cookie: x=y")])


@pytest.mark.spec("RI-06")
@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", ()),
        ("xx-YY zz", ("xx-YY", "zz")),
        ("de  en", ("de", "en")),
        ("<script> en ../etc", ("en",)),
        ("\r\n", ()),
        ("\udc80", ()),
        ("x" * 100_000, ()),
        ("en " * 10_000, ()),
    ],
)
def test_no_ui_locales_is_an_error(text: str, tags: tuple[Any, ...]) -> None:
    assert EndSessionRequest.from_params([("ui_locales", text)]).ui_locales == tags


REGISTERED = [OUT, "https://rp1.example.com/q?a=b%20c", "com.example.app:/bye", "https://rp2.example.com/out"]
VALUES = st.text(max_size=40) | st.sampled_from(
    ["", "rp1", "rp2", "bare", "nobody", "HINT", "BOBS", "STALE", "FORGED", *REGISTERED, OUT + "?x"]
)
NAMES = st.sampled_from(["id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales", "other"])


@pytest.mark.spec("P5", "P8", "SEC-03")
@settings(max_examples=200, deadline=None)
@given(pairs=st.lists(st.tuples(NAMES, VALUES), max_size=7), is_signed_in=st.booleans(), ask=st.sampled_from(["when_required", "always"]))
def test_whatever_comes_there_is_an_outcome_or_a_4xx_and_no_unregistered_target(
    pairs: list[tuple[str, str]], is_signed_in: bool, ask: Literal["when_required", "always"]
) -> None:
    world = World()
    world.settings = SessionManagementSettings(ask=ask, redirect_without_hint=True)
    browser, bobs = world.sign_in(), world.sign_in("bob")
    hints = {
        "HINT": world.hint(browser),
        "BOBS": world.hint(bobs),
        "STALE": world.hint(browser, sid="z" * 32),
        "FORGED": world.hint(browser, key=FOREIGN),
    }
    cookie = browser if is_signed_in else None

    uow = world.uow()
    try:
        request = EndSessionRequest.from_params([(name, hints.get(value, value)) for name, value in pairs])
        outcome: Any = start_end_session(request, world.session(cookie), uow, world.parts)
        uow.commit()
    except ProtocolError as err:
        refusals = [err.status]
        outcome = world.start(cookie)
    else:
        refusals = []
    if isinstance(outcome, AskToConfirm):
        assert world.session(browser) is not None
        assert cookie is not None
        outcome = world.answer(outcome, cookie)

    assert all(400 <= status < 500 for status in refusals)
    assert (outcome.ended is not None) == is_signed_in
    assert world.session(bobs) is not None
    assert outcome.redirect_to is None or any(
        outcome.redirect_to == uri or outcome.redirect_to.startswith((f"{uri}?state=", f"{uri}&state=")) for uri in REGISTERED
    )


# --- a request put aside for one redirect ---


FULL = EndSessionRequest("hint", "someone", "rp1", OUT, NASTY_STATE, ("de",))


def stash(world: World, request: EndSessionRequest = FULL) -> str:
    uow = world.uow()
    key = stash_request(uow, request)
    uow.commit()
    return key


def resume(world: World, key: str) -> EndSessionRequest:
    uow = world.uow()
    request = resume_request(uow, key)
    uow.commit()
    return request


@pytest.mark.spec("RI-03")
@pytest.mark.parametrize("request_", [FULL, EndSessionRequest(state="")], ids=["full", "empty state"])
def test_a_request_put_aside_comes_back_as_it_was_once(world: World, request_: EndSessionRequest) -> None:
    key = stash(world, request_)

    assert resume(world, key) == request_
    assert resume(world, key) == EndSessionRequest()


@pytest.mark.spec("RI-03")
def test_the_key_is_short_fit_for_a_url_and_says_nothing(world: World) -> None:
    key = stash(world)

    assert len(key) == 43
    assert world.store.ephemeral(STASHED_REQUEST, key, NOW) is None


@pytest.mark.spec("RI-03")
@pytest.mark.parametrize("key", ["", "x", "x" * 43, "é" * 43])
def test_a_made_up_key_resumes_an_empty_request(world: World, key: str) -> None:
    stash(world)

    assert resume(world, key) == EndSessionRequest()


@pytest.mark.spec("RI-03")
def test_a_request_is_put_aside_for_a_minute(world: World) -> None:
    key = stash(world)
    world.now += 60

    assert resume(world, key) == EndSessionRequest()


@pytest.mark.spec("RI-03", "RI-01")
def test_a_resumed_logout_is_one_commit_with_its_end(world: World, browser: str) -> None:
    key = stash(world, EndSessionRequest(id_token_hint=world.hint(browser), post_logout_redirect_uri=OUT, state="s"))
    uow = world.uow()

    out = start_end_session(resume_request(uow, key), world.session(browser), uow, world.parts)
    uow.commit()

    assert isinstance(out, LoggedOut)
    assert out.redirect_to == f"{OUT}?state=s"
    assert world.session(browser) is None
    assert resume(world, key) == EndSessionRequest()
