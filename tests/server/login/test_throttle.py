"""Guessing passwords: how often, from where, and whom it does not lock out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from oic_session_ext.errors import StoreUnavailable
from oic_session_ext.server.config.login import ThrottleSettings
from oic_session_ext.server.login.throttle import LoginThrottle
from oic_session_ext.store.changes import Change, PutEphemeral
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.testing.fake_clock import FakeClock
from oic_session_ext.testing.store_contract import winners
from tests.bundled_op import Op, OpBrowser
from tests.wsgi_browser import Answer

HERE, THERE = "192.0.2.1", "192.0.2.2"
LIMITS = ThrottleSettings.model_validate({"max_attempts": 3, "max_attempts_per_address": 9, "max_attempts_per_name": 30, "window": 60})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def throttle(clock: FakeClock) -> LoginThrottle:
    return LoginThrottle(MemoryStore(), LIMITS, clock)


def fail(throttle: LoginThrottle, times: int, username: str = "alice", address: str = HERE) -> None:
    for _ in range(times):
        with throttle.attempt(username, address) as attempt:
            attempt.note_failure()


def succeed(throttle: LoginThrottle, username: str) -> None:
    with throttle.attempt(username, HERE) as attempt:
        attempt.note_success()


def closed_for(throttle: LoginThrottle, username: str, address: str) -> int:
    with throttle.attempt(username, address) as attempt:
        return attempt.closed_for_s


def test_so_many_failures_close_the_door_to_this_name_from_this_address(throttle: LoginThrottle) -> None:
    fail(throttle, 2)
    assert closed_for(throttle, "alice", HERE) == 0

    fail(throttle, 1)

    assert closed_for(throttle, "alice", HERE) == 60
    assert closed_for(throttle, "alice", THERE) == 0
    assert closed_for(throttle, "bob", HERE) == 0


def test_the_door_opens_when_the_window_is_over(throttle: LoginThrottle, clock: FakeClock) -> None:
    fail(throttle, 1)
    clock.advance(20)
    fail(throttle, 2)

    assert closed_for(throttle, "alice", HERE) == 40
    clock.advance(39)
    assert closed_for(throttle, "alice", HERE) == 1
    clock.advance(1)
    assert closed_for(throttle, "alice", HERE) == 0


def test_many_names_from_one_address_close_the_door_to_it(throttle: LoginThrottle) -> None:
    for number in range(9):
        fail(throttle, 1, f"user{number}")

    assert closed_for(throttle, "alice", HERE) > 0
    assert closed_for(throttle, "alice", THERE) == 0


def test_one_name_from_many_addresses_closes_the_door_to_it_late(throttle: LoginThrottle) -> None:
    for number in range(29):
        fail(throttle, 1, address=f"198.51.100.{number}")
    assert closed_for(throttle, "alice", HERE) == 0

    fail(throttle, 1, address="198.51.100.99")

    assert closed_for(throttle, "alice", HERE) > 0
    assert closed_for(throttle, "bob", HERE) == 0


def test_a_success_forgets_the_failures_of_this_name_from_this_address(throttle: LoginThrottle) -> None:
    fail(throttle, 2)
    succeed(throttle, "alice")
    fail(throttle, 2)

    assert closed_for(throttle, "alice", HERE) == 0


def test_a_success_of_ones_own_does_not_reset_the_guessing_of_others_names(throttle: LoginThrottle) -> None:
    for number in range(9):
        fail(throttle, 1, f"user{number}")
        succeed(throttle, "mallory")

    assert closed_for(throttle, "alice", HERE) > 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::2"),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
        ("2001:DB8::1", "2001:db8:0:0::9"),
        ("::ffff:192.0.2.1", "::ffff:c000:201"),
    ],
)
def test_addresses_that_one_household_has_are_one(throttle: LoginThrottle, one: str, other: str) -> None:
    fail(throttle, 3, address=one)

    assert closed_for(throttle, "alice", other) > 0


@pytest.mark.parametrize(
    ("one", "other"), [("2001:db8::1", "2001:db8:0:1::1"), ("::ffff:192.0.2.1", "::ffff:192.0.2.2"), ("192.0.2.1", "192.0.2.10"), ("", "x")]
)
def test_addresses_of_others_are_others(throttle: LoginThrottle, one: str, other: str) -> None:
    fail(throttle, 3, address=one)

    assert closed_for(throttle, "alice", other) == 0


def test_a_name_is_the_same_however_the_keyboard_composed_it(throttle: LoginThrottle) -> None:
    fail(throttle, 3, "j\u00fcrgen")

    assert closed_for(throttle, "ju\u0308rgen", HERE) > 0


def test_name_and_address_cannot_be_shifted_into_each_other(throttle: LoginThrottle) -> None:
    fail(throttle, 3, "alice\n192.0.2.1", "x")

    assert closed_for(throttle, "alice", "192.0.2.1\nx") == 0


def test_any_text_can_be_counted(throttle: LoginThrottle) -> None:
    for name in ("", "\ud800", "a" * 100_000, "\x00"):
        fail(throttle, 3, name)
        assert closed_for(throttle, name, HERE) > 0


def test_guesses_side_by_side_are_all_counted(clock: FakeClock) -> None:
    throttle = LoginThrottle(MemoryStore(), ThrottleSettings.model_validate({"max_attempts": 40, "window": 60}), clock)
    winners(lambda _: fail(throttle, 5), 8)

    assert closed_for(throttle, "alice", HERE) > 0


def test_of_guesses_side_by_side_no_more_than_the_limit_are_looked_at(throttle: LoginThrottle) -> None:
    fail(throttle, 1)
    with ExitStack() as at_work:
        attempts = [at_work.enter_context(throttle.attempt("alice", HERE)) for _ in range(5)]

        assert [attempt.closed_for_s for attempt in attempts] == [0, 0, 1, 1, 1]
        assert closed_for(throttle, "alice", THERE) == 0
        assert closed_for(throttle, "bob", HERE) == 0


def test_sign_ins_that_were_at_work_count_for_nothing_once_they_have_ended(throttle: LoginThrottle) -> None:
    with ExitStack() as at_work:
        for _ in range(5):
            at_work.enter_context(throttle.attempt("alice", HERE))

    assert closed_for(throttle, "alice", HERE) == 0


def test_one_that_is_refused_keeps_nobody_else_at_its_address_out(throttle: LoginThrottle) -> None:
    fail(throttle, 3)
    with ExitStack() as refused:
        for _ in range(9):
            assert refused.enter_context(throttle.attempt("alice", HERE)).closed_for_s == 60

        assert closed_for(throttle, "bob", HERE) == 0


def test_who_asks_does_not_wait_while_a_failure_is_noted(clock: FakeClock) -> None:
    class SlowStore(MemoryStore):
        def commit(self, changes: Sequence[Change]) -> None:
            if any(isinstance(change, PutEphemeral) for change in changes):
                begun.set()
                assert asked.wait(30)
            super().commit(changes)

    def ask() -> None:
        closed_for(throttle, "bob", THERE)
        asked.set()

    begun, asked = threading.Event(), threading.Event()
    throttle = LoginThrottle(SlowStore(), LIMITS, clock)
    noting = threading.Thread(target=fail, args=(throttle, 1))
    asking = threading.Thread(target=ask)
    noting.start()
    assert begun.wait(30)
    asking.start()
    asking.join(10)

    assert asked.is_set()
    noting.join()


def test_a_sign_in_that_ends_with_an_error_is_no_longer_at_work(throttle: LoginThrottle) -> None:
    for _ in range(5):
        with pytest.raises(StoreUnavailable), throttle.attempt("alice", HERE):
            raise StoreUnavailable("down")

    assert closed_for(throttle, "alice", HERE) == 0


def test_threads_that_guess_as_fast_as_they_can_get_as_many_guesses_as_the_limit(clock: FakeClock) -> None:
    throttle = LoginThrottle(MemoryStore(), ThrottleSettings.model_validate({"max_attempts": 10, "window": 60}), clock)
    looked_at = []

    def guess_on() -> None:
        closed_for_s = 0
        while closed_for_s < 60:
            with throttle.attempt("alice", HERE) as attempt:
                closed_for_s = attempt.closed_for_s
                if closed_for_s == 0:
                    looked_at.append(1)
                    attempt.note_failure()

    winners(lambda _: guess_on(), 8)

    assert len(looked_at) == 10


# -- on the login page ------------------------------------------------------------------------------------------------


@pytest.fixture
def op(make_op: Callable[..., Op]) -> Op:
    return make_op(login={"cheap_passwords_for_benchmarks": True, "throttle": {"max_attempts": 3, "window": "15m"}})


def guess(browser: OpBrowser, username: str = "alice", **right: str) -> Answer:
    fields: dict[str, Any] = {"username": username, "password": "wrong", **right}
    return browser.submit(browser.login_page(), **fields)


def test_the_page_says_429_and_when_to_come_back_and_does_not_look_at_the_password(op: Op, browser: OpBrowser) -> None:
    assert [guess(browser).status for _ in range(3)] == [403, 403, 403]
    op.clock.advance(100)

    answer = guess(browser, password="wonderland")

    assert (answer.status, answer.header("Retry-After")) == (429, "800")
    assert "op_session" not in answer.cookies
    assert answer.form.fields["username"] == "alice"


def test_after_the_window_the_right_password_is_let_in(op: Op, browser: OpBrowser) -> None:
    for _ in range(4):
        guess(browser)
    op.clock.advance(15 * 60)

    assert "code" in guess(browser, password="wonderland").query


def test_a_name_that_nobody_has_is_treated_as_one_that_somebody_has(browser: OpBrowser) -> None:
    statuses = [[guess(browser, name).status for _ in range(4)] for name in ("alice", "nobody")]

    assert statuses[0] == statuses[1] == [403, 403, 403, 429]


def test_another_browser_elsewhere_is_not_locked_out(op: Op, browser: OpBrowser) -> None:
    for _ in range(4):
        guess(browser)

    assert "code" in guess(op.browser("192.0.2.77"), password="wonderland").query


def test_new_cookies_are_no_new_chance(op: Op) -> None:
    assert [guess(op.browser()).status for _ in range(4)] == [403, 403, 403, 429]


def test_a_header_that_no_proxy_was_configured_for_is_no_new_chance(op: Op, browser: OpBrowser) -> None:
    def guess_as(address: str) -> int:
        form = {"username": "alice", "password": "wrong"}
        return browser.submit(browser.login_page(), headers={"X-Forwarded-For": address}, **form).status

    assert [guess_as(f"203.0.113.{number}") for number in range(4)] == [403, 403, 403, 429]


def close(browser: OpBrowser) -> None:
    """Close the browser: cookies without an expiry are gone, as is the session."""
    browser.jar.pop("op_session")


def test_the_right_password_from_a_browser_that_has_signed_in_before_gets_in_whatever_others_guess(op: Op, browser: OpBrowser) -> None:
    assert "code" in guess(browser, password="wonderland").query
    close(browser)
    for _ in range(4):
        guess(op.browser())

    assert guess(op.browser(), password="wonderland").status == 429
    assert "code" in guess(browser, password="wonderland").query


def test_guesses_in_a_browser_that_has_signed_in_before_have_a_limit_too(op: Op, browser: OpBrowser) -> None:
    guess(browser, password="wonderland")
    close(browser)

    assert [guess(browser).status for _ in range(4)] == [403, 403, 403, 429]


def test_a_browser_that_is_known_for_one_user_guesses_another_name_like_any_other(op: Op, browser: OpBrowser) -> None:
    guess(browser, password="wonderland")
    close(browser)
    for _ in range(3):
        guess(op.browser(), "bob")

    assert guess(browser, "bob").status == 429


def test_people_behind_one_address_who_each_mistype_once_keep_nobody_out(op: Op, browser: OpBrowser) -> None:
    for number in range(40):
        guess(op.browser(), f"user{number}")

    assert "code" in guess(browser, password="wonderland").query


def test_white_space_around_a_user_name_is_not_a_part_of_it(browser: OpBrowser) -> None:
    assert "code" in guess(browser, " alice ", password="wonderland").query


def test_white_space_around_a_user_name_is_no_new_chance(browser: OpBrowser) -> None:
    assert [guess(browser, f"alice{' ' * number}").status for number in range(4)] == [403, 403, 403, 429]
