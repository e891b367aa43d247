"""Sign-in against the users of the settings file: who is let in, and what an answer must not give away."""

from __future__ import annotations

from typing import Any

import argon2
import pytest

from oic_session_ext.server.config.user import UserSettings
from oic_session_ext.server.users import MAX_PASSWORD_BYTES, User, UserDirectory, hash_password

CHEAP_ARGON2 = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def hashed_user(username: str, password: str, **claims: Any) -> UserSettings:
    return UserSettings.model_validate({"username": username, "password_hash": CHEAP_ARGON2.hash(password), "claims": claims})


def benchmark_user(username: str, password: str) -> UserSettings:
    return UserSettings.model_validate({"username": username, "password": password})


@pytest.fixture
def directory() -> UserDirectory:
    return UserDirectory([hashed_user("alice", "wonderland", name="Alice"), hashed_user("jürgen", "grüß göttin")])


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records the argon2 lines that a password is checked against."""
    lines: list[str] = []
    verify = argon2.PasswordHasher.verify

    def recording(hasher: argon2.PasswordHasher, line: str, password: bytes) -> bool:
        lines.append(line)
        return bool(verify(hasher, line, password))

    monkeypatch.setattr(argon2.PasswordHasher, "verify", recording)
    return lines


def test_the_right_password_gives_the_user_with_their_claims(directory: UserDirectory) -> None:
    assert directory.verify("alice", "wonderland") == User("alice", {"name": "Alice"})


@pytest.mark.parametrize("username", ["alice ", " alice", "alice\t", "\u3000alice"])
def test_white_space_around_the_name_is_ignored(username: str) -> None:
    directory = UserDirectory([UserSettings.model_validate({"username": "alice", "password_hash": hash_password("wonderland")})])

    user = directory.verify(username, "wonderland")

    assert user is not None
    assert user.uid == "alice"


@pytest.mark.parametrize("password", ["wonder\x00land", "wonderland\n", "\x7f"])
def test_a_password_that_the_form_would_refuse_is_not_hashed(password: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        hash_password(password)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        pytest.param("alice", "Wonderland", id="other case of the password"),
        pytest.param("alice", "wonderland ", id="a space more"),
        pytest.param("alice", "", id="no password"),
        pytest.param("Alice", "wonderland", id="other case of the name"),
        pytest.param("", "wonderland", id="no name"),
        pytest.param("mallory", "wonderland", id="unknown name"),
        pytest.param("jürgen", "wonderland", id="another user's password"),
        pytest.param("alice", "wonderland\0", id="a NUL after the password"),
        pytest.param("alice", "\ud800", id="a lone surrogate"),
        pytest.param("\ud800", "wonderland", id="a lone surrogate as name"),
        pytest.param("a" * 100_000, "wonderland", id="a very long name"),
    ],
)
def test_anything_else_gives_nobody(directory: UserDirectory, username: str, password: str) -> None:
    assert directory.verify(username, password) is None


def test_a_letter_typed_as_base_and_accent_is_the_same_letter(directory: UserDirectory) -> None:
    assert directory.verify("ju\u0308rgen", "gru\u0308ß go\u0308ttin") == User("jürgen", {})


def test_an_unknown_name_costs_a_check_with_the_same_parameters(directory: UserDirectory, checked: list[str]) -> None:
    directory.verify("alice", "wrong")
    directory.verify("mallory", "wrong")

    known, unknown = map(argon2.extract_parameters, checked)
    assert known == unknown


def test_the_hash_that_unknown_names_are_checked_against_is_nobodys(directory: UserDirectory, checked: list[str]) -> None:
    assert directory.verify("mallory", "wonderland") is None

    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        CHEAP_ARGON2.verify(checked[0], "wonderland")


def test_an_over_long_password_is_refused_without_hashing_it(directory: UserDirectory, checked: list[str]) -> None:
    assert directory.verify("alice", "x" * (MAX_PASSWORD_BYTES + 1)) is None

    assert checked == []


def test_the_length_limit_counts_bytes_not_letters(directory: UserDirectory, checked: list[str]) -> None:
    assert directory.verify("alice", "ü" * (MAX_PASSWORD_BYTES // 2 + 1)) is None

    assert checked == []


def test_a_benchmark_password_is_compared_without_a_password_hash(checked: list[str]) -> None:
    directory = UserDirectory([benchmark_user("alice", "wonderland")])

    assert directory.verify("alice", "wonderland") == User("alice", {})
    assert directory.verify("alice", "wonderlan") is None
    assert directory.verify("mallory", "wonderland") is None
    assert checked == []


def test_a_benchmark_password_is_compared_in_constant_time_over_one_length(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []

    def recording(left: bytes, right: bytes) -> bool:
        compared.append((len(left), len(right)))
        return left == right

    monkeypatch.setattr("hmac.compare_digest", recording)
    directory = UserDirectory([benchmark_user("alice", "wonderland")])

    directory.verify("alice", "w")
    directory.verify("mallory", "wonderland" * 10)

    assert compared == [(32, 32), (32, 32)]


def test_an_unknown_name_costs_a_password_hash_where_any_user_has_one(checked: list[str]) -> None:
    directory = UserDirectory([benchmark_user("alice", "wonderland"), hashed_user("bob", "builder")])

    directory.verify("mallory", "wrong")

    assert len(checked) == 1


def test_claims_of_a_user_are_those_of_the_settings(directory: UserDirectory) -> None:
    assert directory.claims("alice") == {"name": "Alice"}


def test_claims_of_a_user_who_is_gone_are_none(directory: UserDirectory) -> None:
    assert directory.claims("mallory") is None


def test_a_hashed_password_is_one_that_signs_in() -> None:
    user = UserSettings.model_validate({"username": "alice", "password_hash": hash_password("gru\u0308ß")})

    assert UserDirectory([user]).verify("alice", "grüß") == User("alice", {})


@pytest.mark.parametrize("password", ["", "x" * (MAX_PASSWORD_BYTES + 1)], ids=["empty", "too long"])
def test_a_password_that_could_never_sign_in_is_not_hashed(password: str) -> None:
    with pytest.raises(ValueError, match="1 to 1024 bytes"):
        hash_password(password)


def test_neither_password_nor_hash_is_shown_by_a_users_text() -> None:
    assert "wonderland" not in repr(benchmark_user("alice", "wonderland"))
