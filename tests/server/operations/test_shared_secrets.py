"""A server's secrets and keys: from wherever they are kept, taken up while it runs, agreed on with the other servers."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from oic_session_ext.cluster.consistency import CHECK_EVERY_S
from oic_session_ext.crypto.private_file import replace_private
from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.errors import ConfigError, StoreUnavailable
from oic_session_ext.provider.keys import new_private_jwk
from oic_session_ext.server.operations.key_storage import SealedKeysLost
from oic_session_ext.server.operations.shared_secrets import SharedSecrets, start_keys_anew
from oic_session_ext.server.operations.signing_keys import SigningKeys
from oic_session_ext.store.memory.engine import MemoryStore
from oic_session_ext.testing.fake_clock import FakeClock
from tests.bundled_op import Op, make_settings

OLD, BOTH = SecretRing([b"o" * 32]), SecretRing([b"o" * 32, b"n" * 32])
PROMOTED, NEW = SecretRing([b"n" * 32, b"o" * 32]), SecretRing([b"n" * 32])
KEYS = SigningKeys([new_private_jwk({"kty": "RSA", "use": "sig", "alg": "RS256"})])
KEYS_BOTH = KEYS.with_next()
KEYS_PROMOTED = KEYS_BOTH.with_active(set(KEYS_BOTH.accepted) - set(KEYS.accepted))
KEYS_NEW = KEYS_PROMOTED.without(KEYS.accepted)


class Files:
    """The two files of one server."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.secrets, self.keys = folder / "secrets", folder / "keys.json"
        self.put(OLD, KEYS)

    def put(self, ring: SecretRing | None = None, keys: SigningKeys | None = None) -> None:
        for path, kept in ((self.secrets, ring), (self.keys, keys)):
            if kept is None:
                continue
            if path.exists():
                replace_private(path, kept.to_text(), instead_of=path.read_text())
            else:
                path.write_text(kept.to_text())
                path.chmod(0o600)

    def op(self, **changes: Any) -> Op:
        return Op.build(make_settings(str(self.keys), secrets={"file": str(self.secrets)}, **changes))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "op")


def later(op: Op) -> None:
    op.clock.advance(CHECK_EVERY_S)


# -- a running server -------------------------------------------------------------------------------------------------


def test_secrets_and_keys_that_are_changed_are_taken_up_and_nobody_notices(files: Files) -> None:
    op = files.op()
    browser, at_login = op.browser(), op.browser()
    tokens = browser.sign_in("web", scope="openid offline_access", prompt="consent login")
    page = at_login.login_page()

    for ring, keys in ((BOTH, KEYS_BOTH), (PROMOTED, KEYS_PROMOTED)):
        files.put(ring, keys)
        later(op)
        assert browser.is_signed_in()
        assert browser.userinfo(tokens["access_token"]).status == 200

    assert "code" in at_login.enter(page).query
    refreshed = browser.refresh(tokens["refresh_token"])
    assert refreshed.status == 200
    files.put(NEW, KEYS_NEW)
    later(op)
    assert browser.is_signed_in()
    assert browser.refresh(refreshed.json["refresh_token"]).status == 200
    assert browser.userinfo(tokens["access_token"]).error == "invalid_token"  # which nobody has waited for here


def test_new_keys_are_published_before_they_sign_and_old_ones_after(files: Files) -> None:
    op = files.op()
    browser = op.browser()

    def signing_kid() -> str:
        return str(header_of(op.browser().sign_in()["id_token"])["kid"])

    def published() -> set[str]:
        later(op)
        return {key["kid"] for key in browser.get("/jwks.json").json["keys"]}

    old, new = KEYS.jwks[0]["kid"], KEYS_NEW.jwks[0]["kid"]
    files.put(keys=KEYS_BOTH)
    assert {old, new} <= published()
    assert signing_kid() == old
    files.put(keys=KEYS_PROMOTED)
    assert {old, new} <= published()
    assert signing_kid() == new
    files.put(keys=KEYS_NEW)
    assert published() == {key["kid"] for key in KEYS_NEW.jwks}


@pytest.mark.spec("RI-07")
def test_a_hint_of_a_kept_key_signs_out_and_one_of_a_retired_key_proves_nothing(files: Files) -> None:
    op = files.op()
    one, other = op.browser(), op.browser()
    hints = [browser.sign_in()["id_token"] for browser in (one, other)]

    files.put(keys=KEYS_PROMOTED)
    later(op)
    one.end_session(id_token_hint=hints[0])
    assert not one.is_signed_in()
    files.put(keys=KEYS_NEW)
    later(op)
    other.end_session(id_token_hint=hints[1])
    assert other.is_signed_in()


@pytest.mark.parametrize("content", [b"", b"\xff", b"short"])
def test_a_file_that_is_broken_while_the_server_runs_is_told_and_not_taken_up(
    files: Files, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    op = files.op()
    browser = op.browser()
    browser.sign_in()

    files.secrets.write_bytes(content)
    files.keys.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        later(op)
        assert browser.is_signed_in()

    assert "not loaded" in caplog.text


def test_a_file_that_others_may_read_by_now_is_not_taken_up(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    op = files.op()
    files.put(BOTH)
    files.secrets.chmod(0o644)

    later(op)

    assert op.browser().get("/health/ready").status == 200
    assert "chmod 600" in caplog.text


def test_a_server_whose_secrets_are_disjoint_all_at_once_goes_on_with_the_old(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    op = files.op()
    browser = op.browser()
    tokens = browser.sign_in()

    files.put(SecretRing([b"x" * 32]))
    later(op)

    assert browser.userinfo(tokens["access_token"]).status == 200
    assert "they use" in caplog.text


def test_a_server_that_the_others_have_left_behind_answers_503_until_it_has_what_they_use(
    files: Files, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    op = files.op()
    other = Files(tmp_path / "other")
    other.put(PROMOTED)
    settings = make_settings(str(other.keys), secrets={"file": str(other.secrets)})
    SharedSecrets(settings, op.server.store, op.clock).join()

    later(op)
    assert op.browser().get("/health/ready").status == 503
    assert op.browser().authorize().status == 503
    assert caplog.text.count("cannot serve: secrets: not those of the other servers") == 1

    files.put(PROMOTED)
    later(op)
    assert op.browser().get("/health/ready").status == 200


def test_a_store_that_is_down_while_secrets_are_compared_stops_nothing_by_itself(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    op = files.op()

    def down(*_: object) -> None:
        raise StoreUnavailable("down")

    with monkeypatch.context() as patched:
        patched.setattr(op.server.store, "fact", down)
        later(op)
        assert op.browser().get("/health/live").status == 200


# -- where they are kept ----------------------------------------------------------------------------------------------


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OP_KEYS", KEYS.to_text())

    op = Op.build(make_settings(keys={"env": "OP_KEYS"}))

    assert {key["kid"] for key in op.browser().get("/jwks.json").json["keys"]} == {key["kid"] for key in KEYS.jwks}


@pytest.mark.parametrize("value", [None, "", "{", '{"keys": []}'])
def test_an_environment_without_good_keys_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("OP_KEYS", raising=False)
    if value is not None:
        monkeypatch.setenv("OP_KEYS", value)

    with pytest.raises(ConfigError, match="OP_KEYS"):
        Op.build(make_settings(keys={"env": "OP_KEYS"}))


def shared(store: MemoryStore, ring: SecretRing, monkeypatch: pytest.MonkeyPatch) -> SharedSecrets:
    """What a server with these secrets and its keys in the store has."""
    monkeypatch.setenv("OP_SECRETS", ring.to_text())
    monkeypatch.setattr(SigningKeys, "generate_text", KEYS.to_text)  # making keys is slow
    found = SharedSecrets(make_settings(secrets={"env": "OP_SECRETS"}, keys={"in_store": True}), store, FakeClock())
    found.join()
    return found


def test_keys_in_the_store_are_made_once_and_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()

    one, other = shared(store, OLD, monkeypatch), shared(store, OLD, monkeypatch)

    assert one.keys.held.jwks == other.keys.held.jwks
    kept = store.fact("sealed signing keys") or ""
    assert '"kty"' not in kept  # in quotes: three letters may well stand in what is sealed
    assert str(one.keys.held.jwks[0]["d"])[:20] not in kept


def test_keys_in_the_store_are_taken_up_by_every_server(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    one, other = shared(store, OLD, monkeypatch), shared(store, OLD, monkeypatch)
    both = one.keys.held.with_next()

    assert one.keys.text.replace(both.to_text(), instead_of=one.keys.held.to_text())
    other.check()

    assert other.keys.held.accepted == both.accepted
    with pytest.raises(ConfigError, match="another process has just changed"):
        one.keys.text.replace("{}", instead_of=one.keys.held.to_text())


def test_keys_in_the_store_outlive_a_rotation_of_the_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    first = shared(store, OLD, monkeypatch).keys.held.jwks

    sealed = []
    for ring in (BOTH, PROMOTED, BOTH, PROMOTED, PROMOTED, NEW):
        assert shared(store, ring, monkeypatch).keys.held.jwks == first
        sealed.append(store.fact("sealed signing keys"))

    assert sealed[-1] == sealed[-2] != sealed[0]


def test_keys_that_are_sealed_with_a_lost_secret_stop_the_start_and_can_be_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    shared(store, OLD, monkeypatch)

    with pytest.raises(SealedKeysLost, match="adopt"):
        shared(store, NEW, monkeypatch)

    settings = make_settings(secrets={"env": "OP_SECRETS"}, keys={"in_store": True})
    start_keys_anew(settings, store)
    SharedSecrets(settings, store).adopt()
    shared(store, NEW, monkeypatch)


def header_of(token: str) -> dict[str, Any]:
    part = token.split(".", maxsplit=1)[0]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def test_each_kind_of_key_is_rotated_for_itself() -> None:
    kinds = [{"kty": "EC", "crv": curve, "use": use} for curve, use in (("P-256", "sig"), ("P-256", "enc"), ("P-384", "sig"))]
    keys = SigningKeys([new_private_jwk(kind) for kind in kinds])

    both = keys.with_next()
    promoted = both.with_active(both.accepted[3:])

    assert (both.active, len(both.accepted)) == (keys.accepted, 6)
    assert set(promoted.active) == set(both.accepted[3:])
    assert [(jwk["crv"], jwk["use"]) for jwk in promoted.without(keys.accepted).jwks] == [(kind["crv"], kind["use"]) for kind in kinds]
