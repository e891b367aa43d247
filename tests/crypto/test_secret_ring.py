"""The list of secrets, its keys by purpose, and the file it lies in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.errors import ConfigError
from oic_session_ext.testing.store_contract import winners

OLD, NEW = b"o" * 32, b"n" * 48


def test_a_key_is_hkdf_sha256_of_the_first_secret() -> None:
    expected = HKDF(SHA256(), 32, salt=None, info=b"oic_session_ext tokens").derive(NEW)

    assert SecretRing([NEW, OLD]).derive("tokens") == expected


def test_each_purpose_has_its_own_key() -> None:
    ring = SecretRing([NEW])

    assert len({ring.derive("a"), ring.derive("b"), NEW[:32]}) == 3


def test_a_key_has_the_length_asked_for() -> None:
    assert len(SecretRing([NEW]).derive("a", 64)) == 64


def test_after_a_rotation_the_new_secret_makes_and_the_old_is_still_believed() -> None:
    rotated = SecretRing([NEW, OLD])

    assert rotated.derive_all("tokens") == (SecretRing([NEW]).derive("tokens"), SecretRing([OLD]).derive("tokens"))
    assert rotated.derive("tokens") == rotated.derive_all("tokens")[0]


def test_servers_agree_by_a_fingerprint_that_is_no_key() -> None:
    ring = SecretRing([NEW])

    assert ring.fingerprint == SecretRing([NEW, OLD]).fingerprint != SecretRing([OLD]).fingerprint
    assert ring.fingerprint not in {NEW.hex(), ring.derive("tokens").hex()}


def test_a_server_that_has_not_rotated_yet_is_known_by_an_older_fingerprint() -> None:
    assert SecretRing([OLD]).fingerprint in SecretRing([NEW, OLD]).fingerprints


def test_a_ring_that_takes_up_another_is_that_one_from_then_on() -> None:
    ring = SecretRing([OLD])
    before = ring.derive("tokens")

    ring.replace_with(SecretRing([NEW, OLD]))

    assert ring.fingerprints == SecretRing([NEW, OLD]).fingerprints
    assert ring.derive_all("tokens")[1] == before
    assert ring.derive_all("tokens") is ring.derive_all("tokens")


def test_a_ring_with_a_next_secret_uses_the_same_until_it_is_told_to() -> None:
    ring = SecretRing([OLD])

    both = ring.with_next()
    promoted = both.with_active(both.accepted[1:])

    assert (both.active, len(both.accepted)) == (ring.active, 2)
    assert promoted.accepted == both.accepted[::-1]
    assert promoted.without(ring.accepted).accepted == promoted.active
    assert SecretRing.from_text(both.to_text()).accepted == both.accepted


def test_the_last_secret_is_not_taken_away() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        SecretRing([OLD]).without(SecretRing([OLD]).accepted)


def test_nothing_secret_is_shown() -> None:
    text = repr(SecretRing([NEW])) + str(SecretRing([NEW])) + f"{SecretRing([NEW])}"

    assert "nnn" not in text
    assert NEW.hex() not in text


@pytest.mark.parametrize("secrets", [[], [b"s" * 31], [NEW, b""], [NEW, NEW]], ids=["none", "short", "empty", "twice"])
def test_a_ring_that_is_too_weak_is_refused(secrets: list[bytes]) -> None:
    with pytest.raises(ConfigError):
        SecretRing(secrets)


def test_what_is_generated_is_read_back() -> None:
    text = SecretRing.generate_text()

    assert SecretRing.from_text(text).fingerprint == SecretRing.from_text(text).fingerprint
    assert text != SecretRing.generate_text()


def test_blank_lines_comments_and_padding_are_allowed() -> None:
    text = "# newest first\n\n  " + "bm5u" * 12 + "  \n" + "b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28=\n"

    assert SecretRing.from_text(text).fingerprints == SecretRing([b"n" * 36, b"o" * 32]).fingerprints


def test_plain_base64_is_read_too() -> None:
    assert SecretRing.from_text("+/" * 32).fingerprint == SecretRing.from_text("-_" * 32).fingerprint


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "not.base64url " + "A" * 40, "Zürich" * 10, "AAAA", "A" * 45],
    ids=["empty", "comment", "stray characters", "not ascii", "short", "impossible length"],
)
def test_a_bad_text_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        SecretRing.from_text(text, path="secrets_file")

    assert refused.value.path == "secrets_file"
    assert len(text) < 5 or text not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_missing_file_is_made_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secrets"

    first = SecretRing.load_or_create(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert SecretRing.load_or_create(path).fingerprint == first.fingerprint
    assert [entry.name for entry in path.parent.iterdir()] == ["secrets"]


def test_a_lax_umask_does_not_open_the_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        SecretRing.load_or_create(tmp_path / "secrets")
    finally:
        os.umask(before)

    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secrets"
    SecretRing.load_or_create(path)
    path.chmod(mode)

    with pytest.raises(ConfigError, match="chmod 600"):
        SecretRing.load_or_create(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"short"])
def test_a_file_that_is_no_ring_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secrets"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(ConfigError):
        SecretRing.load_or_create(path)
    assert path.read_bytes() == content


def test_a_folder_in_its_place_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir(mode=0o700)

    with pytest.raises(ConfigError):
        SecretRing.load_or_create(tmp_path / "secrets")


def test_many_who_start_at_once_read_one_ring(tmp_path: Path) -> None:
    found: list[str] = []

    winners(lambda _: found.append(SecretRing.load_or_create(tmp_path / "secrets").fingerprint), 8)

    assert len(found) == 8
    assert len(set(found)) == 1
