"""The sealed salt: opened by the OP alone, for the client and origin it was made for."""

from __future__ import annotations

import re
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.session_management.sealed_salt import SealedSalts
from oic_session_ext.session_management.session_state import issue_session_state, salt_of

RING = SecretRing([b"1" * 32])
HANDLES = SealedSalts(RING)
ORIGIN = "https://rp.example.org"


def an_id() -> str:
    return secrets.token_hex(16)


def test_what_was_sealed_is_opened() -> None:
    op_session_id = an_id()

    assert HANDLES.open(HANDLES.seal(op_session_id, "rp", ORIGIN), "rp", ORIGIN) == op_session_id


@pytest.mark.spec("SM-03", "SM-05")
def test_a_sealed_salt_is_one_as_any_other() -> None:
    sealed, of_nobody = HANDLES.seal(an_id(), "rp", ORIGIN), HANDLES.of_nobody()

    assert len(sealed) == len(of_nobody)
    for salt in (sealed, of_nobody):
        assert re.fullmatch(r"[A-Za-z0-9_-]{75}", salt)
        assert salt_of(issue_session_state("rp", ORIGIN, "state", salt)) == salt


@pytest.mark.spec("SM-07")
def test_no_salt_comes_twice() -> None:
    op_session_id = an_id()

    assert len({HANDLES.seal(op_session_id, "rp", ORIGIN) for _ in range(100)}) == 100
    assert HANDLES.of_nobody() != HANDLES.of_nobody()


@pytest.mark.parametrize(
    ("client_id", "origin"), [("other", ORIGIN), ("rp", "https://other.example.org"), ("", ORIGIN), ("rp\ud800", ORIGIN)]
)
def test_a_salt_is_nothing_to_another_client_and_on_another_page(client_id: str, origin: str) -> None:
    assert HANDLES.open(HANDLES.seal(an_id(), "rp", ORIGIN), client_id, origin) is None


def test_client_and_origin_do_not_run_into_each_other() -> None:
    assert HANDLES.open(HANDLES.seal(an_id(), "rphttps://a", ".example"), "rp", "https://a.example") is None


@pytest.mark.parametrize("salt", ["", "x", "é" * 62, "." * 62, "A" * 62, "A" * 61 + "=", "\ud800" * 62, "A" * 100_000])
def test_what_nobody_sealed_is_not_opened(salt: str) -> None:
    assert HANDLES.open(salt, "rp", ORIGIN) is None


def test_nobodys_salt_opens_to_nobody() -> None:
    assert HANDLES.open(HANDLES.of_nobody(), "rp", ORIGIN) is None


@given(st.integers(0, 60), st.sampled_from("Az09-_"))
def test_a_changed_salt_is_not_opened(at: int, letter: str) -> None:
    salt = HANDLES.seal(an_id(), "rp", ORIGIN)
    changed = salt[:at] + ("B" if salt[at] == letter else letter) + salt[at + 1 :]

    assert HANDLES.open(changed, "rp", ORIGIN) is None


def test_an_older_secret_still_opens_and_one_taken_away_does_not() -> None:
    ring = SecretRing([b"1" * 32])
    handles, op_session_id = SealedSalts(ring), an_id()
    salt = handles.seal(op_session_id, "rp", ORIGIN)

    ring.replace_with(SecretRing([b"2" * 32, b"1" * 32]))
    assert handles.open(salt, "rp", ORIGIN) == op_session_id

    ring.replace_with(SecretRing([b"2" * 32]))
    assert handles.open(salt, "rp", ORIGIN) is None
