"""Two servers in the middle of a rotation, each at another stage of it: whoever is signed in notices nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, KeySetSerialization

from oic_session_ext.crypto.jose import read_header
from oic_session_ext.crypto.private_file import load_or_create_private, replace_private
from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.server.operations.signing_keys import SigningKeys
from tests.bundled_op import OUT_URIS, OpBrowser
from tests.flows.machines.running_op import RunningOp
from tests.flows.test_two_servers import is_unchanged, offline_code
from tests.wsgi_browser import Answer

_TAKEN_UP_S = 60


class Server(RunningOp):
    """A server with files of its own, as on a machine of its own."""

    def __init__(self, folder: Path, ring: SecretRing, keys: SigningKeys, **changes: Any) -> None:
        folder.mkdir()
        self.store = changes["store"]
        self.secrets, self.keys = folder / "secrets", folder / "keys.json"
        for path, kept in ((self.secrets, ring), (self.keys, keys)):
            load_or_create_private(path, kept.to_text)
        super().__init__(folder, secrets={"file": str(self.secrets)}, keys=str(self.keys), **changes)

    def replace_with(self, ring: SecretRing, keys: SigningKeys) -> None:
        """Give it other files, and wait until it goes by them."""
        begun = self.log.count("keys: uses ")
        for path, kept in ((self.secrets, ring), (self.keys, keys)):
            replace_private(path, kept.to_text(), instead_of=path.read_text())
        give_up_at = time.monotonic() + _TAKEN_UP_S
        while self.log.count("keys: uses ") == begun:
            assert self.browser().get("/health/ready").status == 200, self.log
            assert time.monotonic() < give_up_at, f"not taken up: {self.log}"
            time.sleep(0.2)


class Stages:
    """The secrets and keys of each stage."""

    def __init__(self) -> None:
        ring, keys = SecretRing.from_text(SecretRing.generate_text()), SigningKeys.from_text(SigningKeys.generate_text())
        self.before = ring, keys
        ring, keys = ring.with_next(), keys.with_next()
        self.added = ring, keys
        old_ring, old_keys = ring.active, keys.active
        ring = ring.with_active(set(ring.accepted) - set(old_ring))
        keys = keys.with_active(set(keys.accepted) - set(old_keys))
        self.promoted = ring, keys
        self.retired = ring.without(old_ring), keys.without(old_keys)


@pytest.fixture(scope="module")
def stages() -> Stages:
    return Stages()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, stages: Stages) -> Iterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("rotation")
    store = f"sqlite:///{folder / 'op.sqlite'}"
    one = Server(folder / "one", *stages.before, store=store)
    other = Server(folder / "other", *stages.before, store=store, issuer=one.issuer)
    other.issuer = one.issuer
    try:
        one.start()
        other.start()
        yield one, other
    finally:
        one.close()
        other.close()


class Seen:
    """A user who was there before the rotation, and what both servers must say of them at each stage."""

    def __init__(self, one: Server, other: Server) -> None:
        self.sides = OpBrowser(one._forward, one.issuer), OpBrowser(other._forward, one.issuer)
        self.sides[1].jar = self.sides[0].jar
        first = self.sides[0].sign_in("web")
        self.id_tokens = [str(first["id_token"])]
        self.access_tokens = [str(first["access_token"])]
        self.refresh_token = str(self.sides[0].redeem(offline_code(self.sides[0])).json["refresh_token"])
        self.silent = self.sides[0].renew()
        self.nobody: set[str] = set()

    def is_unnoticed(self) -> None:
        """Assert that everything that was issued before, by whichever server, is as good at both; and have both issue more."""
        op_browser_state = self.sides[0].jar["op_browser_state"]
        for side in self.sides:
            silent = side.renew("web")
            assert "code" in silent.query, silent.error
            assert side.jar["op_browser_state"] == op_browser_state
            assert is_unchanged(self.silent, "web", op_browser_state)
            self._is_nobody_known(side)
            for taking in self.sides:
                tokens = taking.redeem(side.renew("web").query["code"])
                assert tokens.status == 200
                self.id_tokens.append(str(tokens.json["id_token"]))
                self.access_tokens.append(str(tokens.json["access_token"]))
        for side in self.sides:
            jwks = KeySet.import_key_set(cast(KeySetSerialization, side.get("/jwks.json").json))
            for id_token in self.id_tokens:
                assert jwt.decode(id_token, jwks, algorithms=["RS256"]).claims["sub"]
            for access_token in self.access_tokens:
                assert side.userinfo(access_token).status == 200
            refreshed = side.refresh(self.refresh_token)
            assert refreshed.status == 200
            self.refresh_token = str(refreshed.json.get("refresh_token", self.refresh_token))
            assert is_hint(side, self.id_tokens[0])
        assert len(self.nobody) == 1

    def _is_nobody_known(self, side: OpBrowser) -> None:
        stranger = OpBrowser(side.application, side.origin)
        assert stranger.renew().error == "login_required"
        self.nobody.add(stranger.jar["op_browser_state"])


def is_hint(side: OpBrowser, id_token: str) -> bool:
    """Tell whether a server takes an ID Token for one of the OP's own: the same user is signed in silently."""
    return "code" in side.renew("web", id_token_hint=id_token).query


def login_across(servers: tuple[Server, Server]) -> Answer:
    """Sign in on a page that the one server made, at the other."""
    one, other = servers
    asked, answered = OpBrowser(one._forward, one.issuer), OpBrowser(other._forward, one.issuer)
    page = asked.login_page()
    answered.jar = asked.jar
    return answered.enter(page)


def test_nobody_notices_a_rotation_while_servers_are_at_different_stages(servers: tuple[Server, Server], stages: Stages) -> None:
    one, other = servers
    seen = Seen(one, other)

    one.replace_with(*stages.added)
    seen.is_unnoticed()

    other.replace_with(*stages.added)
    one.replace_with(*stages.promoted)
    seen.is_unnoticed()
    assert "code" in login_across((one, other)).query
    assert "code" in login_across((other, one)).query

    other.replace_with(*stages.promoted)
    seen.is_unnoticed()
    kids = {str(read_header(token)["kid"]) for token in seen.id_tokens}
    assert len(kids) == 2  # both keys have signed

    fresh = Seen(one, other)
    one.replace_with(*stages.retired)
    fresh.is_unnoticed()
    assert "code" in login_across((one, other)).query
    assert seen.sides[0].is_signed_in()
    assert seen.sides[0].userinfo(seen.access_tokens[0]).error == "invalid_token"  # retired without waiting
    out = fresh.sides[1].end_session(id_token_hint=fresh.id_tokens[0], post_logout_redirect_uri=OUT_URIS["web"])
    assert out.location == OUT_URIS["web"]
    assert not fresh.sides[0].is_signed_in()


@pytest.mark.parametrize("what", ["secrets", "keys", "issuer"])
def test_a_server_that_differs_from_the_others_does_not_start_and_says_so_in_one_line(
    servers: tuple[Server, Server], tmp_path: Path, what: str
) -> None:
    one, _ = servers
    ring, keys = SecretRing.from_text(one.secrets.read_text()), SigningKeys.from_text(one.keys.read_text())
    if what == "secrets":
        ring = SecretRing.from_text(SecretRing.generate_text())
    if what == "keys":
        keys = SigningKeys.from_text(SigningKeys.generate_text())
    issuer = "http://localhost:1" if what == "issuer" else one.issuer
    differing = Server(tmp_path / "differing", ring, keys, store=one.store, issuer=issuer)

    with pytest.raises(AssertionError, match="the server ended"):
        differing.start()

    assert differing.process is not None
    assert differing.process.wait() == 2
    (line,) = differing.log.splitlines()
    assert f"op.yaml: {what}: not th" in line
    assert "oic-session-ext adopt" in line
    assert one.browser().get("/health/ready").status == 200


def test_a_server_whose_secrets_others_may_read_does_not_start(servers: tuple[Server, Server], tmp_path: Path, stages: Stages) -> None:
    one, _ = servers
    careless = Server(tmp_path / "careless", *stages.promoted, store=one.store, issuer=one.issuer)
    careless.secrets.chmod(0o644)

    with pytest.raises(AssertionError, match="the server ended"):
        careless.start()

    assert "chmod 600" in careless.log
