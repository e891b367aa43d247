"""A rotation in stages: each is refused while it is too early, by what the servers have said themselves."""

from __future__ import annotations

import pytest

from oic_session_ext.cluster.consistency import Consistency, adopt_issuer, claim_issuer, issuer_of
from oic_session_ext.cluster.rotation import NotNow, Rotation, TooEarly
from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.errors import ConfigError
from oic_session_ext.store.base import Store
from oic_session_ext.store.memory.engine import MemoryStore

NOW = 1_800_000_000
WAIT_S, LIFETIME_S = 60, 3600
OLD = SecretRing([b"o" * 32])
OTHER = SecretRing([b"x" * 32])
BOTH = SecretRing([b"o" * 32, b"n" * 32])
PROMOTED = SecretRing([b"n" * 32, b"o" * 32])
NEW = SecretRing([b"n" * 32])


@pytest.fixture
def store() -> Store:
    return MemoryStore()


@pytest.fixture
def agreement(store: Store) -> Consistency:
    return Consistency(store, "secrets", LIFETIME_S)


@pytest.fixture
def rotation(agreement: Consistency) -> Rotation:
    return Rotation(agreement, WAIT_S)


# -- what servers agree on --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "joining"), [(OLD, OLD), (OLD, BOTH), (BOTH, PROMOTED), (PROMOTED, BOTH), (PROMOTED, NEW), (OLD, PROMOTED)], ids=str
)
def test_a_server_that_believes_what_the_others_use_is_let_in(agreement: Consistency, used: SecretRing, joining: SecretRing) -> None:
    agreement.join(used, NOW)

    agreement.join(joining, NOW)

    assert agreement.used() == [joining.fingerprint]


@pytest.mark.parametrize(("used", "joining"), [(OLD, OTHER), (OLD, NEW), (PROMOTED, OLD)], ids=["other", "retired too early", "stale"])
def test_a_server_that_lacks_what_the_others_use_is_refused_in_one_line(
    agreement: Consistency, used: SecretRing, joining: SecretRing
) -> None:
    agreement.join(used, NOW)

    with pytest.raises(ConfigError, match=f"^secrets: not those of the other servers: they use {used.fingerprint},") as refused:
        agreement.join(joining, NOW)

    assert "\n" not in str(refused.value)
    assert agreement.used() == [used.fingerprint]


def test_a_running_server_notices_that_the_others_have_gone_on_without_it(agreement: Consistency) -> None:
    agreement.join(OLD, NOW)
    agreement.join(PROMOTED, NOW)

    with pytest.raises(ConfigError, match="they use"):
        agreement.check(OLD, NOW)


def test_what_is_adopted_is_what_the_servers_agree_on(agreement: Consistency) -> None:
    agreement.join(OLD, NOW)
    assert agreement.used_elsewhere(OTHER) == [OLD.fingerprint]

    agreement.adopt(OTHER, NOW)

    agreement.join(OTHER, NOW)
    assert agreement.used_elsewhere(OTHER) == []
    with pytest.raises(ConfigError):
        agreement.join(OLD, NOW)


def test_a_store_is_one_issuers(store: Store) -> None:
    claim_issuer(store, "https://op.example.com")
    claim_issuer(store, "https://op.example.com")

    with pytest.raises(ConfigError, match=r"^issuer: not that of the store, which is https://op\.example\.com"):
        claim_issuer(store, "https://other.example.com")

    adopt_issuer(store, "https://other.example.com")
    claim_issuer(store, "https://other.example.com")
    assert issuer_of(store) == "https://other.example.com"


# -- the stages -------------------------------------------------------------------------------------------------------


def begun(rotation: Rotation) -> SecretRing:
    """A ring to which a next secret was added, which the servers have read."""
    rotation.agreement.join(OLD, NOW)
    ring = rotation.begin(OLD)
    assert isinstance(ring, SecretRing)
    rotation.announce(ring, NOW)
    rotation.agreement.join(ring, NOW)
    return ring


def test_a_whole_rotation(rotation: Rotation) -> None:
    ring = begun(rotation)
    assert ring.active == OLD.active
    assert rotation.announced(ring, NOW) == ring.accepted[1:]

    promoted = rotation.promote(ring, NOW + WAIT_S)
    assert promoted.accepted == tuple(reversed(ring.accepted))
    rotation.promoted(promoted, NOW + WAIT_S)
    assert rotation.announced(promoted, NOW + WAIT_S) == ()

    retired = rotation.retire(promoted, NOW + WAIT_S + 10 * LIFETIME_S)
    assert retired.accepted == promoted.active


def test_a_second_rotation_is_not_begun_during_the_first(rotation: Rotation) -> None:
    with pytest.raises(NotNow, match="under way"):
        rotation.begin(begun(rotation))


def test_what_was_announced_is_not_used_before_everybody_can_know_it(rotation: Rotation) -> None:
    ring = begun(rotation)

    with pytest.raises(TooEarly) as early:
        rotation.promote(ring, NOW + WAIT_S - 1)

    assert early.value.at == NOW + WAIT_S


def test_what_a_running_server_lacks_is_not_used(rotation: Rotation) -> None:
    ring = begun(rotation)
    rotation.agreement.check(OLD, NOW + WAIT_S)

    with pytest.raises(TooEarly, match="has not got"):
        rotation.promote(ring, NOW + WAIT_S)

    assert rotation.promote(ring, NOW + 2 * WAIT_S).active == ring.accepted[1:]  # nobody has said so again


def test_nothing_is_promoted_that_was_not_announced(rotation: Rotation) -> None:
    with pytest.raises(NotNow, match="begin with rotate"):
        rotation.promote(BOTH, NOW, at_once=True)


def test_an_old_one_stays_for_as_long_as_what_the_last_server_made_with_it(rotation: Rotation) -> None:
    ring = begun(rotation)
    promoted = rotation.promote(ring, NOW, at_once=True)
    rotation.agreement.check(ring, NOW + 5000)  # a server that still uses it
    rotation.promoted(promoted, NOW + 5000)

    with pytest.raises(TooEarly) as early:
        rotation.retire(promoted, NOW + 5000 + LIFETIME_S)

    assert early.value.at is not None
    assert early.value.at >= NOW + 5000 + LIFETIME_S
    assert rotation.retire(promoted, early.value.at).accepted == promoted.active


def test_one_that_has_leaked_is_retired_at_once(rotation: Rotation) -> None:
    promoted = rotation.promote(begun(rotation), NOW, at_once=True)
    rotation.promoted(promoted, NOW)

    assert rotation.retire(promoted, NOW, at_once=True).accepted == promoted.active


def test_one_that_a_server_still_uses_is_not_retired_even_at_once(rotation: Rotation) -> None:
    promoted = rotation.promote(begun(rotation), NOW, at_once=True)

    with pytest.raises(NotNow, match="still uses"):
        rotation.retire(promoted, NOW, at_once=True)


@pytest.mark.parametrize("at_once", [False, True])
def test_what_is_to_be_used_next_is_not_retired(rotation: Rotation, at_once: bool) -> None:
    with pytest.raises(NotNow, match="nothing to retire"):
        rotation.retire(begun(rotation), NOW + 10 * LIFETIME_S, at_once=at_once)
