"""Sealed codes and tokens: nothing but what this OP sealed, for this purpose, opens."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from oic.utils.sdb import WrongTokenType

from oic_session_ext.crypto.record_id import RECORD_ID_LENGTH, new_record_id
from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.model import Grant
from oic_session_ext.provider.session_db.sealed_token import SealedToken, StoredRefreshToken, Unsealed
from oic_session_ext.provider.session_db.session_backend import StoreSessionBackend, create_session_db, stored_row
from oic_session_ext.settings import SessionManagementSettings
from oic_session_ext.store.changes import PutGrant
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.testing.fake_clock import FakeClock

RING = SecretRing([b"s" * 32])
GRANT = "g" * RECORD_ID_LENGTH


@pytest.fixture
def access(clock: FakeClock) -> SealedToken:
    return SealedToken("T", RING, 3600, clock)


def test_a_token_opens_to_its_grant_and_the_instant_of_issue(access: SealedToken, clock: FakeClock) -> None:
    token = access(GRANT)

    assert access.unseal(token) == Unsealed(GRANT, clock(), None)
    assert access.type_and_key(token) == ("T", GRANT)
    assert access.get_key(token) == GRANT
    assert access.get_type(token) == "T"
    assert access.valid(token)


def test_two_tokens_of_one_grant_differ(access: SealedToken) -> None:
    assert access(GRANT) != access(GRANT)


def test_a_token_says_nothing(access: SealedToken) -> None:
    token = access(GRANT)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))

    assert b"ggg" not in raw
    assert token.isascii()


def test_a_token_ends_after_its_lifetime(access: SealedToken, clock: FakeClock) -> None:
    token = access(GRANT)

    assert access.expires_at(token) == clock() + 3600
    clock.advance(3599)
    assert not access.is_expired(token)
    clock.advance(1)
    assert access.is_expired(token)
    assert not access.is_expired(token, clock() - 1)


@pytest.mark.parametrize("other", ["A", "R"])
def test_a_token_of_another_type_does_not_open(access: SealedToken, clock: FakeClock, other: str) -> None:
    with pytest.raises(WrongTokenType):
        access.unseal(SealedToken(other, RING, 3600, clock)(GRANT))


def test_a_token_of_another_secret_does_not_open(access: SealedToken, clock: FakeClock) -> None:
    with pytest.raises(WrongTokenType):
        access.unseal(SealedToken("T", SecretRing([b"x" * 32]), 3600, clock)(GRANT))


def test_an_older_secret_still_opens_and_no_longer_seals(access: SealedToken, clock: FakeClock) -> None:
    rotated = SealedToken("T", SecretRing([b"n" * 32, b"s" * 32]), 3600, clock)

    assert rotated.get_key(access(GRANT)) == GRANT
    with pytest.raises(WrongTokenType):
        access.unseal(rotated(GRANT))


@pytest.mark.parametrize("token", ["", "x", "é", "A" * 44, "A" * 600, "!" * 40, "=", "A\n", None, 5, b"x", ["x"]], ids=repr)
def test_anything_else_does_not_open(access: SealedToken, token: Any) -> None:
    with pytest.raises(WrongTokenType):
        access.unseal(token)


def test_a_changed_bit_is_noticed(access: SealedToken) -> None:
    token = access(GRANT)

    for place in [*range(0, len(token), 7), len(token) - 1]:
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(WrongTokenType):
            access.unseal(changed)


# -- refresh tokens ----------------------------------------------------------------------------------------------------------


def kept(store: MemoryStore, grant_id: str) -> Grant:
    """Return a grant that the store must have."""
    grant = store.grant(grant_id)
    assert grant is not None
    return grant


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    store = MemoryStore()
    store.commit([PutGrant(Grant(GRANT, "basic", "alice", "sub", None, None, {"scope": ["openid"]}, clock(), clock() + 60))])
    return store


@pytest.fixture
def refresh(store: MemoryStore, clock: FakeClock) -> StoredRefreshToken:
    backend = StoreSessionBackend(store, SessionManagementSettings(), clock)
    return StoredRefreshToken(RING, 1000, clock, backend.unit)


def test_the_last_refresh_token_of_a_grant_is_the_good_one(refresh: StoredRefreshToken) -> None:
    first = refresh(GRANT)
    assert refresh.valid(first)

    second = refresh(GRANT)

    assert refresh.valid(second)
    assert not refresh.valid(first)


def test_a_refresh_token_is_known_to_the_store_by_its_digest_alone(refresh: StoredRefreshToken, store: MemoryStore) -> None:
    token = refresh(GRANT)

    assert token not in repr(vars(store))
    assert kept(store, GRANT).refresh_digest


def test_a_grant_lives_as_long_as_its_refresh_token(refresh: StoredRefreshToken, store: MemoryStore, clock: FakeClock) -> None:
    refresh(GRANT)

    assert kept(store, GRANT).expires_at >= clock() + 1000


def test_a_refresh_token_dies_with_its_grant(refresh: StoredRefreshToken, store: MemoryStore, clock: FakeClock) -> None:
    token = refresh(GRANT)
    del create_session_db("https://op", store, RING, SessionManagementSettings(), clock)[GRANT]

    assert not refresh.valid(token)
    with pytest.raises(KeyError):
        refresh(GRANT)


def test_another_spelling_of_a_refresh_token_is_not_the_good_one(refresh: StoredRefreshToken) -> None:
    token = refresh(GRANT)

    for spelling in (token + "=", token.replace("-", "+").replace("_", "/"), token + "A"):
        if spelling != token:
            with pytest.raises(WrongTokenType):
                refresh.valid(spelling)


def test_offline_is_what_was_granted_offline_access(refresh: StoredRefreshToken, store: MemoryStore, clock: FakeClock) -> None:
    refresh(GRANT)
    assert not kept(store, GRANT).is_offline

    other = "h" * RECORD_ID_LENGTH
    store.commit([PutGrant(Grant(other, "basic", "alice", "sub", None, None, {"scope": ["openid", "offline_access"]}, clock(), clock()))])
    refresh(other)
    assert kept(store, other).is_offline


# -- the session backend -----------------------------------------------------------------------------------------------------


@pytest.fixture
def backend(store: MemoryStore, clock: FakeClock) -> StoreSessionBackend:
    return StoreSessionBackend(store, SessionManagementSettings(), clock)


def test_rows_are_found_by_what_is_indexed(backend: StoreSessionBackend) -> None:
    assert backend.get_by_uid("alice") == [GRANT]
    assert backend.get_by_sub("sub") == [GRANT]
    assert backend.get("client_id", "basic") == [GRANT]
    assert backend.get("uid", "bob") == []
    with pytest.raises(KeyError):
        backend.get("state", "x")


@pytest.mark.parametrize("key", ["x", "", None, 5, "z" * RECORD_ID_LENGTH], ids=repr)
def test_a_row_that_is_not_there_is_a_key_error(backend: StoreSessionBackend, key: int | str | None) -> None:
    assert key not in backend
    with pytest.raises(KeyError):
        backend[key]


def test_a_row_is_written_read_and_removed(backend: StoreSessionBackend) -> None:
    key = new_record_id(1_800_000_000)
    backend[key] = {"client_id": "basic", "authn_event": '{"uid": "bob"}', "sub": "s"}

    assert key in backend
    assert backend.get_by_uid("bob") == [key]
    backend[key] = backend[key] | {"note": 1}
    assert backend[key]["note"] == 1
    del backend[key]
    assert key not in backend
    del backend[key]


def test_no_token_in_a_row_reaches_the_store(backend: StoreSessionBackend, store: MemoryStore) -> None:
    key = new_record_id(1_800_000_000)
    backend[key] = {"client_id": "basic", "code": "c0de", "access_token": "t0ken", "refresh_token": "r", "id_token": "i", "state": "kept"}

    assert kept(store, key).data == {"client_id": "basic", "state": "kept"}
    assert stored_row({"code": "c0de"}) == {}
