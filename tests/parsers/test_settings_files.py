"""What a deployer writes, settings, secrets and keys, against whatever is in the file: read, or refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oic_session_ext.crypto.jose import BadKey, import_key, thumbprint
from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.errors import ConfigError
from oic_session_ext.server.config.loader import SettingsFileError, load_settings
from oic_session_ext.server.config.yaml_document import read_yaml
from oic_session_ext.web.address_guard import AddressGuard
from oic_session_ext.web.ip_address import parse_address

from .whatever import ANY_JSON, ANY_TEXT, budget, spoilt

pytestmark = pytest.mark.fuzz

GOOD = """\
# an OP
issuer: https://op.example.org
store: "memory:"
session: {idle_timeout: 30m}
users:
  - username: alice
    password: &p wonderland
    claims: {name: Alice, birthdate: 2000-01-01}
clients:
- client_id: web
  client_secret: *p
  redirect_uris: [https://web.example.com/cb]
"""
_YAML_TRIPS = st.sampled_from(
    [
        "*p",
        "&p ",
        "<<: ",
        "!!python/name:os.system ",
        "!!binary ",
        "? ",
        "- ",
        ": ",
        "|\n",
        ">",
        "%YAML 9.9\n",
        "---\n",
        "...",
        "[" * 50,
        "{",
        "'",
        '"\\x',
        "\t",
        "0x",
        "0b",
        "1:2:3",
        ".inf",
        "~",
        "#",
    ]
)


@budget(15)
@given(data=st.one_of(st.binary(max_size=100), spoilt(GOOD).map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_a_file_is_settings_or_is_refused_line_by_line(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "op.yaml"
    file.write_bytes(data)
    try:
        load_settings(file)
    except SettingsFileError as err:
        lines = list(err.lines())
        assert lines
        assert all(line.isprintable() for line in lines)


@budget(30)
@given(pieces=st.lists(st.one_of(_YAML_TRIPS, ANY_TEXT, st.sampled_from(GOOD.splitlines(keepends=True))), max_size=8))
def test_whatever_yaml_says_is_a_document_or_a_list_of_problems(pieces: list[str]) -> None:
    document = read_yaml("".join(pieces).encode("utf-8", "surrogatepass"))

    assert all(isinstance(problem.line, int) and problem.line >= 1 for problem in document.problems)


PLAIN = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=10)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), inner, max_size=3)),
    max_leaves=6,
)


@budget(15)
@given(value=PLAIN)
def test_what_was_written_is_read(value: Any) -> None:
    document = read_yaml(json.dumps({"value": value}).encode())  # every JSON is YAML 1.2, and no writer of YAML is to be trusted with "?A"

    assert not document.problems
    assert document.value == {"value": value}


@budget(25)
@given(text=st.one_of(spoilt(SecretRing([b"s" * 48, b"t" * 48]).to_text()), ANY_TEXT))
def test_secrets_are_a_ring_or_are_refused_without_being_repeated(text: str) -> None:
    try:
        ring = SecretRing.from_text(text)
    except ConfigError as err:
        said = str(err)
    else:
        said = ""
        assert SecretRing.from_text(ring.to_text()).fingerprints == ring.fingerprints

    assert not any(len(line) > 20 and line in said for line in text.splitlines())


@budget(25)
@given(
    key=st.one_of(
        st.dictionaries(st.sampled_from(["kty", "n", "e", "crv", "x", "y", "d", "p", "use", "alg", "kid", "key_ops"]), ANY_JSON),
        st.fixed_dictionaries(
            {"kty": st.sampled_from(["RSA", "EC", "oct", "OKP"])}, optional=dict.fromkeys(["n", "e", "crv", "x", "y", "k"], ANY_TEXT)
        ),
        st.fixed_dictionaries(
            {"kty": st.just("RSA"), "n": st.just("9" * 400), "e": st.sampled_from(["AQAB", "AA", "AQ", "Ag", "", "A" * 300])}
        ),
    )
)
def test_a_key_is_one_or_is_refused(key: dict[str, Any]) -> None:
    for read in (import_key, thumbprint):
        try:
            read(key)
        except BadKey:
            continue


@pytest.mark.spec("SEC-08")
@budget(50)
@given(uri=st.one_of(spoilt("https://rp.example.org/bc", "http://127.0.0.1/bc", "https://[::1]:8443/bc", "http://localhost./"), ANY_TEXT))
def test_an_address_that_may_be_gone_to_is_not_the_ops_own_machine_to_anybody(uri: str) -> None:
    if AddressGuard().refuses_uri(uri) is None:
        seen = ada_url.URL(uri)

        assert seen.protocol in ("http:", "https:")
        address = parse_address(seen.hostname.strip("[]"))
        assert address is None or address.is_global
        assert seen.hostname.rstrip(".") != "localhost"
        assert (seen.username, seen.password) == ("", "")
