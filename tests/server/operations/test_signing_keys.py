"""The OP's private keys: made once, kept private, and a bad file stops the start."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from oic_session_ext.errors import ConfigError
from oic_session_ext.provider.keys import OpKeys, generate_private_jwks
from oic_session_ext.server.operations.shared_secrets import SharedSecrets
from oic_session_ext.store.memory.engine import MemoryStore
from tests.bundled_op import Op, make_settings

GOOD = generate_private_jwks()


def write(path: Path, content: Any, mode: int = 0o600) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def load(path: Path | None) -> OpKeys:
    """The keys that a server with this file has."""
    shared = SharedSecrets(make_settings(None if path is None else str(path)), MemoryStore())
    return OpKeys(shared.keys.held.key_jar())


def test_keys_are_made_at_the_first_start_and_stay_the_same(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    first, second = load(path).public_jwks(), load(path).public_jwks()

    assert first == second
    assert load(path).signing_algs() == ["RS256", "ES256"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keys_without_a_file_live_and_die_with_the_process() -> None:
    assert load(None).public_jwks() != load(None).public_jwks()


def test_keys_of_ones_own_are_taken(tmp_path: Path) -> None:
    only_ec = {"keys": [key for key in GOOD["keys"] if key["kty"] == "EC"]}

    assert load(write(tmp_path / "keys.json", only_ec)).signing_algs() == ["ES256"]


def test_what_is_published_holds_no_private_part(tmp_path: Path) -> None:
    browser = Op.build(make_settings(str(write(tmp_path / "keys.json", GOOD)))).browser()

    keys = browser.get("/jwks.json").json["keys"]

    assert {key["kid"] for key in keys} == {key["kid"] for key in GOOD["keys"]}
    assert not {name for key in keys for name in key} & {"d", "p", "q", "dp", "dq", "qi", "k"}


BAD = {
    "one that is there twice": {"keys": [GOOD["keys"][0], GOOD["keys"][0]]},
    "two of one kid": {"keys": [GOOD["keys"][0], GOOD["keys"][1] | {"kid": GOOD["keys"][0]["kid"]}]},
    "two of one kind without a kid": {"keys": [{n: v for n, v in generate_private_jwks()["keys"][1].items() if n != "kid"} for _ in "ab"]},
    "empty": "",
    "no JSON": "{",
    "a list": [],
    "no keys": {},
    "an empty set": {"keys": []},
    "keys is an object": {"keys": {}},
    "a number among them": {"keys": [*GOOD["keys"], 1]},
    "a public key": {"keys": [{name: value for name, value in GOOD["keys"][0].items() if name not in ("d", "p", "q")}]},
    "a symmetric key": {"keys": [{"kty": "oct", "k": "AAAA"}]},
    "only an encryption key": {"keys": [GOOD["keys"][2]]},
    "a private key without the rest": {"keys": [{"kty": "RSA", "d": "AQAB"}]},
    "a mangled number": {"keys": [GOOD["keys"][0] | {"n": "!!"}]},
    "numbers of wrong types": {"keys": [GOOD["keys"][0] | {"n": 1, "e": None}]},
    "a short RSA key": {"keys": [{"kty": "RSA", "n": "AQAB", "e": "Aw", "d": "Aw"}]},
    "an unknown curve": {"keys": [GOOD["keys"][1] | {"crv": "P-0"}]},
    "a point that is on no curve": {"keys": [GOOD["keys"][1] | {"x": "AAAA"}]},
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_a_bad_file_stops_the_start_and_is_named(tmp_path: Path, content: Any) -> None:
    path = write(tmp_path / "keys.json", content)

    with pytest.raises(ConfigError) as caught:
        load(path)

    assert str(path) in str(caught.value)
    assert str(GOOD["keys"][0]["d"]) not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_keys_that_others_can_read_stop_the_start(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="chmod 600"):
        load(write(tmp_path / "keys.json", GOOD, mode))
