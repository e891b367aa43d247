"""The cookie of a browser in which a user has signed in before."""

from __future__ import annotations

import pytest

from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.server.login.known_browser import KnownBrowsers
from oic_session_ext.testing.fake_clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ring() -> SecretRing:
    return SecretRing([b"1" * 32])


@pytest.fixture
def browsers(clock: FakeClock, ring: SecretRing) -> KnownBrowsers:
    return KnownBrowsers(ring, "/login", is_secure=True, lifetime_s=1000, clock=clock)


def cookie(browsers: KnownBrowsers, username: str, before: str | None = None) -> str:
    [(_, header)] = browsers.cookie_after(before, username)
    return header.partition(";")[0]


def test_a_browser_is_known_for_the_user_who_signed_in(browsers: KnownBrowsers) -> None:
    assert browsers.id_for(cookie(browsers, "alice"), "alice") is not None


def test_a_browser_is_not_known_for_another_user(browsers: KnownBrowsers) -> None:
    assert browsers.id_for(cookie(browsers, "alice"), "bob") is None


def test_a_shared_browser_is_known_for_its_last_five_users_under_one_id(browsers: KnownBrowsers) -> None:
    header: str | None = None
    for number in range(6):
        header = cookie(browsers, f"user{number}", header)

    ids = {browsers.id_for(header, f"user{number}") for number in range(1, 6)}
    assert len(ids) == 1
    assert None not in ids
    assert browsers.id_for(header, "user0") is None


def test_a_browser_is_forgotten_after_its_time(browsers: KnownBrowsers, clock: FakeClock) -> None:
    header = cookie(browsers, "alice")
    clock.advance(1000)

    assert browsers.id_for(header, "alice") is None


def test_another_sign_in_does_not_prolong_what_was_known(browsers: KnownBrowsers, clock: FakeClock) -> None:
    header = cookie(browsers, "alice")
    clock.advance(999)
    header = cookie(browsers, "bob", header)
    clock.advance(1)

    assert browsers.id_for(header, "alice") is None


def test_a_cookie_stays_good_while_secrets_rotate(browsers: KnownBrowsers, ring: SecretRing) -> None:
    header = cookie(browsers, "alice")
    ring.replace_with(SecretRing([b"2" * 32, b"1" * 32]))

    assert browsers.id_for(header, "alice") is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value[:-1] + ("A" if value[-1] != "A" else "B"),
        lambda value: value.replace(".", ".9", 1),
        lambda value: "x" + value,
        lambda value: value.rpartition(".")[0],
        lambda value: value + ".",
        lambda value: value[:0],
    ],
    ids=["a changed tag", "another time", "another id", "no tag", "an empty tag", "nothing"],
)
def test_a_forged_cookie_makes_no_browser_known(browsers: KnownBrowsers, change: object) -> None:
    name, _, value = cookie(browsers, "alice").partition("=")
    assert callable(change)

    assert browsers.id_for(f"{name}={change(value)}", "alice") is None


def test_with_other_secrets_no_browser_is_known(browsers: KnownBrowsers, clock: FakeClock) -> None:
    others = KnownBrowsers(SecretRing([b"3" * 32]), "/login", is_secure=True, lifetime_s=1000, clock=clock)

    assert others.id_for(cookie(browsers, "alice"), "alice") is None


def test_the_cookie_goes_to_the_login_page_alone_and_no_script_reads_it(browsers: KnownBrowsers) -> None:
    [(name, header)] = browsers.cookie_after(None, "alice")

    assert name == "Set-Cookie"
    assert header.startswith("__Secure-known_browser=")
    assert {part.strip() for part in header.split(";")[1:]} == {"HttpOnly", "Max-Age=1000", "Path=/login", "SameSite=Lax", "Secure"}


def test_no_browser_is_remembered_where_the_setting_is_zero(ring: SecretRing, clock: FakeClock) -> None:
    assert KnownBrowsers(ring, "/login", is_secure=True, lifetime_s=0, clock=clock).cookie_after(None, "alice") == []
