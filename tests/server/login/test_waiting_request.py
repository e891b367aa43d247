"""An authorization request in a form: sealed, and opened by the servers that share its secrets."""

from __future__ import annotations

import pytest

from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.server.login.waiting_request import WaitingRequest, WaitingRequests, known_parameters
from oic_session_ext.testing.fake_clock import FakeClock

OLD, NEW = b"o" * 32, b"n" * 32
WAITING = WaitingRequest("client_id=web&state=\u00fc", asked_of="session 1", signed_in="browser 1", signed_in_at=1000)


def sealing(*secrets: bytes) -> WaitingRequests:
    return WaitingRequests(SecretRing(list(secrets)), FakeClock())


def test_what_was_sealed_is_opened() -> None:
    assert sealing(OLD).open(sealing(OLD).seal(WAITING)) == WAITING


def test_a_field_stays_good_while_secrets_rotate() -> None:
    assert sealing(NEW, OLD).open(sealing(OLD).seal(WAITING)) == WAITING


def test_a_field_of_other_secrets_is_not_opened() -> None:
    assert sealing(NEW).open(sealing(OLD).seal(WAITING)) is None


@pytest.mark.parametrize("position", [0, 15, 16, 30, -1])
def test_a_changed_field_is_not_opened(position: int) -> None:
    field = list(sealing(OLD).seal(WAITING))
    field[position] = "A" if field[position] != "A" else "B"

    assert sealing(OLD).open("".join(field)) is None


@pytest.mark.parametrize("field", ["", "x", "a" * 10, "a" * 100_000, "\u00fc", "=", "%00", " "])
def test_any_other_text_is_not_opened(field: str) -> None:
    assert sealing(OLD).open(field) is None


def test_the_field_reveals_nothing_of_the_session() -> None:
    assert sealing(OLD).seal(WAITING) != sealing(OLD).seal(WAITING)


@pytest.mark.parametrize(
    ("browser", "now", "expected"),
    [
        ("browser 1", 1000, True),
        ("browser 1", 1599, True),
        ("browser 1", 1600, False),
        ("browser 2", 1000, False),
        ("browser 1", 999, False),
    ],
)
def test_a_sign_in_counts_for_its_own_browser_and_a_short_time(browser: str, now: int, expected: bool) -> None:
    assert WAITING.is_signed_in(browser, now) is expected


def test_a_request_without_a_sign_in_never_counts_as_one() -> None:
    assert not WaitingRequest("a=b").is_signed_in("browser 1", 0)


def test_unknown_parameters_are_left_out_and_language_tags_kept() -> None:
    assert (
        known_parameters("client_id=web&x=1&claims=%7B%7D&ui_locales=de&request=no&nonce=")
        == "client_id=web&claims=%7B%7D&ui_locales=de&nonce="
    )
