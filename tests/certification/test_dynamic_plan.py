"""The plan dynamic: registration and what comes of it, with `private_key_jwt` as the plan says."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import RSAKey

from oic_session_ext.crypto.jose import read_header
from tests.certification.op_process import OpProcess
from tests.certification.relying_party import (
    CLIENT_KEY,
    RelyingParty,
    check_error_page,
    check_token_error,
    check_token_response,
    client_metadata,
    public_jwk,
    register,
)
from tests.certification.suite import Suite
from tests.certification.user_agent import UserAgent
from tests.flows.machines.running_op import ROOT

_TAKEN_UP_S = 60


@pytest.fixture
def rp(shared_rp: Callable[..., RelyingParty]) -> RelyingParty:
    return shared_rp("code", auth_method="private_key_jwt")


@pytest.fixture
def make_rp(op: OpProcess, suite: Suite) -> Callable[..., RelyingParty]:
    return lambda **metadata: RelyingParty.register(op, suite, **{"auth_method": "private_key_jwt", **metadata})


@pytest.fixture
def refused(op: OpProcess, suite: Suite, discovery: dict[str, Any]) -> Callable[..., str]:
    """The error code for metadata that nobody may register."""

    def refuse(**metadata: Any) -> str:
        answer = register(op, discovery, client_metadata(suite, "code", "private_key_jwt") | metadata)
        assert (answer.status, answer.header("Content-Type")) == (400, "application/json"), answer.text
        assert set(answer.json) == {"error", "error_description"}
        return str(answer.json["error"])

    return refuse


@pytest.mark.module("oidcc-server")
@pytest.mark.spec("REG-08", "REG-09")
def test_a_client_registers_its_keys_by_value_and_signs_in_with_them(rp: RelyingParty, agent: UserAgent) -> None:
    rp.log_in(agent)


@pytest.mark.module("oidcc-server")
def test_a_client_takes_its_registration_back_when_the_module_is_over(make_rp: Callable[..., RelyingParty], agent: UserAgent) -> None:
    rp = make_rp()
    authorization = {"Authorization": f"Bearer {rp.registered['registration_access_token']}"}
    answer = rp.call("DELETE", rp.registered["registration_client_uri"], headers=authorization)

    assert (answer.status, answer.body) == (204, b"")
    check_error_page(agent.open(rp.url()))
    assert rp.call("GET", rp.registered["registration_client_uri"], headers=authorization).status == 401


@pytest.mark.module("oidcc-idtoken-rs256")
def test_id_tokens_are_signed_with_rs256_where_the_client_asks_for_it(make_rp: Callable[..., RelyingParty], agent: UserAgent) -> None:
    rp = make_rp(id_token_signed_response_alg="RS256")

    assert read_header(rp.log_in(agent).id_token)["alg"] == "RS256"


@pytest.mark.module("oidcc-userinfo-rs256")
def test_userinfo_is_a_signed_jwt_where_the_client_asks_for_it(make_rp: Callable[..., RelyingParty], agent: UserAgent) -> None:
    rp = make_rp(userinfo_signed_response_alg="RS256")
    tokens = check_token_response(rp.redeem(rp.response_in(agent.authorize(rp.url(scope="openid email")))["code"]))
    answer = rp.call("GET", rp.discovery["userinfo_endpoint"], headers={"Authorization": f"Bearer {tokens['access_token']}"})
    header, claims = rp.decode(answer.text)

    assert (answer.status, answer.header("Content-Type"), header["alg"]) == (200, "application/jwt", "RS256")
    assert claims["iss"] == rp.discovery["issuer"]
    assert claims["aud"] in (rp.client_id, [rp.client_id])
    assert claims["sub"] == rp.decode(tokens["id_token"])[1]["sub"]
    assert (claims["email"], claims["email_verified"]) == ("alice@example.com", True)


@pytest.mark.module("oidcc-ensure-redirect-uri-in-authorization-request")
def test_a_request_without_redirect_uri_is_shown_as_an_error_to_the_user(rp: RelyingParty, agent: UserAgent) -> None:
    check_error_page(agent.authorize(rp.url(redirect_uri=None)), "invalid_request")


@pytest.mark.module("oidcc-redirect-uri-query-OK")
def test_a_redirect_uri_keeps_the_query_that_it_was_registered_with(
    make_rp: Callable[..., RelyingParty], suite: Suite, agent: UserAgent
) -> None:
    make_rp(redirect_uris=[suite.url("callback?foo=bar")]).log_in(agent)


@pytest.mark.module("oidcc-redirect-uri-query-mismatch")
def test_another_query_makes_another_redirect_uri(make_rp: Callable[..., RelyingParty], suite: Suite, agent: UserAgent) -> None:
    rp = make_rp(redirect_uris=[suite.url("callback?foo=bar")])

    check_error_page(agent.authorize(rp.url(redirect_uri=suite.url("callback?bar=foo"))), "invalid_redirect_uri")


@pytest.mark.module("oidcc-redirect-uri-query-added")
def test_an_added_query_makes_another_redirect_uri(rp: RelyingParty, agent: UserAgent) -> None:
    check_error_page(agent.authorize(rp.url(redirect_uri=f"{rp.redirect_uri}?foo=bar")), "invalid_redirect_uri")


@pytest.mark.module("oidcc-redirect-uri-regfrag")
def test_a_redirect_uri_with_a_fragment_cannot_be_registered(refused: Callable[..., str], suite: Suite) -> None:
    assert refused(redirect_uris=[suite.url("callback#foobar")]) == "invalid_redirect_uri"


@pytest.mark.module("oidcc-registration-logo-uri")
def test_the_login_page_shows_the_logo_that_was_registered(make_rp: Callable[..., RelyingParty], suite: Suite, agent: UserAgent) -> None:
    page = agent.open(make_rp(logo_uri=suite.url("logo.png")).url())

    assert "password" in page.form.fields
    assert f'<img class="logo" src="{suite.url("logo.png")}"' in page.text


@pytest.mark.parametrize(
    ("member", "label"),
    [
        pytest.param("policy_uri", "Privacy policy", marks=pytest.mark.module("oidcc-registration-policy-uri")),
        pytest.param("tos_uri", "Terms of service", marks=pytest.mark.module("oidcc-registration-tos-uri")),
    ],
)
def test_the_login_page_links_to_what_was_registered(
    make_rp: Callable[..., RelyingParty], agent: UserAgent, member: str, label: str
) -> None:
    page = agent.open(make_rp(**{member: "https://openid.net"}).url())  # on another host, without a path: as the suite has it

    assert "password" in page.form.fields
    assert 'href="https://openid.net"' in page.text
    assert label in page.text


@pytest.mark.module("oidcc-registration-jwks-uri")
def test_clients_whose_keys_are_at_one_address_one_after_the_other_sign_in_with_them(
    make_rp: Callable[..., RelyingParty], suite: Suite, agent: UserAgent
) -> None:
    """The suite has one address for the keys of all its clients: each module, and each try of a module, is a client with new ones."""
    published: list[dict[str, Any]] = []
    jwks_uri = suite.serve_json("client1_jwks", lambda: {"keys": published})
    for number in range(2):
        key = RSAKey.generate_key(2048, parameters={"kid": f"{number}-{secrets.token_hex(8)}"})
        published[:] = [public_jwk(key)]
        make_rp(key=key, jwks=None, jwks_uri=jwks_uri).log_in(agent)

    assert len(suite.visits_of("client1_jwks")) == 2


@pytest.mark.module("oidcc-registration-sector-uri")
def test_clients_of_one_sector_know_a_user_by_the_same_sub_and_others_do_not(
    make_rp: Callable[..., RelyingParty], rp: RelyingParty, suite: Suite, agent: UserAgent
) -> None:
    sector = suite.serve_json(f"sector-{secrets.token_hex(8)}", lambda: [suite.url("callback"), suite.url("other")])
    one, other = (
        make_rp(subject_type="pairwise", sector_identifier_uri=sector, redirect_uris=[suite.url(path)]) for path in ("callback", "other")
    )
    sub = one.log_in(agent).claims["sub"]

    assert other.log_in(agent).claims["sub"] == sub
    assert rp.log_in(agent).claims["sub"] != sub


@pytest.mark.module("oidcc-registration-sector-bad")
def test_a_sector_that_does_not_list_the_redirect_uri_is_refused(refused: Callable[..., str], suite: Suite) -> None:
    sector = suite.serve_json(f"sector-{secrets.token_hex(8)}", lambda: [suite.url("somewhere/else")])

    assert refused(subject_type="pairwise", sector_identifier_uri=sector) == "invalid_client_metadata"


@pytest.mark.module("oidcc-ensure-client-assertion-with-iss-aud-succeeds")
@pytest.mark.parametrize("is_list", [False, True], ids=["text", "list"])
def test_an_assertion_may_be_for_the_issuer(rp: RelyingParty, agent: UserAgent, is_list: bool) -> None:
    code = rp.response_in(agent.authorize(rp.url()))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": rp.redirect_uri}
    issuer = rp.discovery["issuer"]

    check_token_response(rp.post("token_endpoint", form, aud=[issuer] if is_list else issuer))


@pytest.mark.module("oidcc-ensure-client-assertion-with-iss-aud-succeeds")
def test_an_assertion_for_somebody_else_is_refused(rp: RelyingParty, agent: UserAgent) -> None:
    code = rp.response_in(agent.authorize(rp.url()))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": rp.redirect_uri}

    check_token_error(rp.post("token_endpoint", form, aud="https://other.example.com"), "invalid_client", 401)
    check_token_response(rp.post("token_endpoint", form))


def test_an_id_token_is_encrypted_to_the_client_where_it_asks_for_it(make_rp: Callable[..., RelyingParty], agent: UserAgent) -> None:
    """No module of the plans asks for it; discovery offers it."""
    public = {**CLIENT_KEY.as_dict(private=False), "use": "enc", "kid": "for-encryption"}
    rp = make_rp(jwks={"keys": [public_jwk(CLIENT_KEY), public]}, id_token_encrypted_response_alg="RSA-OAEP")
    code = rp.response_in(agent.authorize(rp.url()))["code"]
    tokens = check_token_response(rp.redeem(code))
    decrypted = jwe.decrypt_compact(tokens["id_token"], CLIENT_KEY, algorithms=["RSA-OAEP", "A128CBC-HS256"])

    assert (decrypted.headers()["alg"], decrypted.headers()["enc"]) == ("RSA-OAEP", "A128CBC-HS256")
    assert decrypted.plaintext is not None
    rp.verify(decrypted.plaintext.decode(), access_token=tokens["access_token"])


@pytest.mark.module("oidcc-refresh-token-rp-key-rotation")
def test_a_client_that_has_rotated_its_keys_goes_on_refreshing(
    make_rp: Callable[..., RelyingParty], suite: Suite, agent: UserAgent, op: OpProcess
) -> None:
    keys = [RSAKey.generate_key(2048, parameters={"kid": f"rp-key-{number}"}) for number in range(2)]
    published = [public_jwk(keys[0])]
    jwks_uri = suite.serve_json(f"jwks-{secrets.token_hex(8)}", lambda: {"keys": published})
    rp = make_rp(key=keys[0], jwks=None, jwks_uri=jwks_uri, grant_types=["authorization_code", "refresh_token"])
    first = rp.log_in(agent, scope="openid offline_access", prompt="consent")
    rp.key, published[:] = keys[1], [public_jwk(keys[1])]
    op.let_time_pass(60)

    tokens = check_token_response(rp.refresh(first.tokens["refresh_token"]))
    assert rp.decode(tokens["id_token"])[1]["sub"] == first.claims["sub"]
    assert rp.userinfo(tokens["access_token"])["sub"] == first.claims["sub"]


@pytest.mark.module("oidcc-server-rotate-keys")
@pytest.mark.spec("RI-16")
def test_a_rotation_publishes_a_new_key_beside_the_old_one_and_then_signs_with_it(
    rp: RelyingParty, agent: UserAgent, op: OpProcess
) -> None:
    before = {key["kid"]: key for key in _published(rp)}
    old = rp.log_in(agent).id_token
    _rotate(op)
    added = {key["kid"]: key for key in _published(rp)}
    _rotate(op, "--promote", "--now", "--yes")

    assert before.items() < added.items()
    assert "sig" in {key["use"] for kid, key in added.items() if kid not in before}
    assert not any(key.keys() & {"d", "p", "q", "dp", "dq", "qi"} for key in added.values())
    new = rp.log_in(agent, prompt="none", id_token_hint=old).id_token  # what the old key has signed is still good
    assert read_header(old)["kid"] in before
    assert read_header(new)["kid"] in added.keys() - before.keys()
    assert read_header(old)["kid"] in {key["kid"] for key in _published(rp)}


def _published(rp: RelyingParty) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = rp.call("GET", rp.discovery["jwks_uri"]).json["keys"]
    return keys


def _rotate(op: OpProcess, *options: str) -> None:
    """Have an operator rotate the keys, and wait until the server goes by the new ones."""
    uses = op.log.count("keys: uses ")
    command = [sys.executable, "-m", "oic_session_ext.cli", "keys", "rotate", str(op.settings_file), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    op.reread()
    give_up_at = time.monotonic() + _TAKEN_UP_S
    while op.log.count("keys: uses ") == uses:
        assert time.monotonic() < give_up_at, op.log
        time.sleep(0.1)
