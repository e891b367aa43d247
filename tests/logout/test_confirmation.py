"""The user's answer: good once, for a while, in one browser."""

from __future__ import annotations

import hashlib
import re

import pytest

from oic_session_ext.errors import Conflict, InvalidConfirmation
from oic_session_ext.logout.confirmation import LOGOUT_CONFIRMATION, PendingLogout, issue_confirmation, take_confirmation
from oic_session_ext.model import OpSession
from oic_session_ext.sessions.op_session import begin_op_session
from oic_session_ext.settings import SessionManagementSettings
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.store.unit_of_work import UnitOfWork

NOW = 1_800_000_000
PENDING = PendingLogout(
    client_id="rp1", post_logout_redirect_uri="https://rp1.example/out", state="", problem="stale_id_token_hint", ui_locales=("de", "en-GB")
)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def begin(store: MemoryStore, uid: str = "alice") -> OpSession:
    uow = UnitOfWork(store, NOW)
    session, _ = begin_op_session(uow, uid=uid, acr="pwd", auth_time=NOW, present=None, settings=SessionManagementSettings(), clients={})
    uow.commit()
    return session


def issue(store: MemoryStore, session: OpSession, pending: PendingLogout = PENDING) -> str:
    uow = UnitOfWork(store, NOW)
    secret = issue_confirmation(uow, session, pending, 600)
    uow.commit()
    return secret


def take(store: MemoryStore, secret: str, session: OpSession, now: int = NOW) -> PendingLogout:
    uow = UnitOfWork(store, now)
    pending = take_confirmation(uow, secret, session)
    uow.commit()
    return pending


@pytest.mark.spec("RI-37")
@pytest.mark.parametrize("pending", [PENDING, PendingLogout()], ids=["everything", "nothing"])
def test_what_was_found_out_survives_the_question(store: MemoryStore, pending: PendingLogout) -> None:
    session = begin(store)

    assert take(store, issue(store, session, pending), session) == pending


@pytest.mark.spec("RI-36", "SEC-13")
def test_the_secret_is_random_and_the_store_knows_its_digest_alone(store: MemoryStore) -> None:
    session = begin(store)

    first, second = issue(store, session), issue(store, session)

    assert first != second
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", first)
    assert store.ephemeral(LOGOUT_CONFIRMATION, first, NOW) is None
    assert store.ephemeral(LOGOUT_CONFIRMATION, hashlib.sha256(first.encode()).hexdigest(), NOW) is not None


@pytest.mark.spec("RI-36", "SEC-13")
def test_it_is_good_once(store: MemoryStore) -> None:
    session = begin(store)
    secret = issue(store, session)
    take(store, secret, session)

    with pytest.raises(InvalidConfirmation):
        take(store, secret, session)


@pytest.mark.spec("RI-36", "SEC-13")
def test_of_two_answers_at_once_one_is_kept(store: MemoryStore) -> None:
    session = begin(store)
    secret = issue(store, session)
    first, second = UnitOfWork(store, NOW), UnitOfWork(store, NOW)
    take_confirmation(first, secret, session)
    take_confirmation(second, secret, session)
    first.commit()

    with pytest.raises(Conflict):
        second.commit()


@pytest.mark.spec("RI-36")
def test_it_is_good_for_as_long_as_the_setting_says(store: MemoryStore) -> None:
    session = begin(store)
    early, late = issue(store, session), issue(store, session)

    assert take(store, early, session, NOW + 599) == PENDING
    with pytest.raises(InvalidConfirmation):
        take(store, late, session, NOW + 600)


@pytest.mark.spec("RI-36", "SEC-02")
def test_it_is_worth_nothing_in_another_browser_and_is_not_spent_there(store: MemoryStore) -> None:
    here, there = begin(store), begin(store)
    secret = issue(store, here)

    with pytest.raises(InvalidConfirmation):
        take(store, secret, there)
    assert take(store, secret, here) == PENDING


@pytest.mark.spec("RI-36", "SEC-02")
@pytest.mark.parametrize("secret", ["", "true", "x" * 43, "x" * 10_000, "é", "\x00", hashlib.sha256(b"").hexdigest()])
def test_a_made_up_one_is_refused(store: MemoryStore, secret: str) -> None:
    session = begin(store)
    issue(store, session)

    with pytest.raises(InvalidConfirmation):
        take(store, secret, session)


@pytest.mark.spec("RI-36")
def test_the_digest_in_the_store_is_no_confirmation(store: MemoryStore) -> None:
    session = begin(store)
    secret = issue(store, session)

    with pytest.raises(InvalidConfirmation):
        take(store, hashlib.sha256(secret.encode()).hexdigest(), session)


def test_the_error_does_not_hold_the_secret(store: MemoryStore) -> None:
    with pytest.raises(InvalidConfirmation) as refused:
        take(store, "x" * 43, begin(store))

    assert "xxx" not in f"{refused.value} {refused.value.description} {refused.value.detail}"
