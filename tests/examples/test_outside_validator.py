"""Our Logout Tokens as a strict RP on another library sees them: taken as they are, refused with any one claim changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from logout_token import LOGOUT_EVENT, LogoutTokenRefused, LogoutTokenValidator
from oic.exception import NotForMe
from oic.oic.message import BackChannelLogoutRequest
from oic.utils.keyio import KeyBundle, KeyJar

from oic_session_ext.logout.backchannel.logout_token import logout_token_claims
from oic_session_ext.testing.examples import example_notice
from tests.bundled_op import Op, keys_file, make_settings

__all__ = ["keys_file"]

SECRET = "a client secret of more than 32 characters"
OTHER = "https://other.example.com"
ALGS = ("RS256", "ES256", "HS256")

MUTATIONS: dict[str, Any] = {
    "iss": [None, OTHER, "", ["http://localhost:8080"]],
    "aud": [None, "another client", ["rp", "another client"], []],
    "iat": [None, "now", 4_000_000_000],
    "exp": [None, 1, "later"],
    "jti": [None, "", 5],
    "events": [None, {}, [LOGOUT_EVENT], LOGOUT_EVENT, {LOGOUT_EVENT: None}, {f"{LOGOUT_EVENT}/": {}}],
    "sub": ["", 5],
    "sid": ["", 5],
    "nonce": ["n", ""],
    "nbf": [4_000_000_000],
}
"""What a claim of a good token is replaced by, one at a time; None takes it away."""


@pytest.fixture(scope="module")
def op(keys_file: str) -> Iterator[Op]:
    op = Op.build(make_settings(keys_file))
    yield op
    op.server.store.close()


def claims_of(op: Op) -> dict[str, Any]:
    notice = example_notice(client_id="rp", sub="alice-here", sid="her-sid")
    return logout_token_claims(notice, issuer=op.settings.issuer, now=int(time.time()), lifetime_s=120)


def signed(op: Op, claims: dict[str, Any], alg: str) -> str:
    """A Logout Token as the OP signs it."""
    return op.server.op.session_management.delivery.tokens.sign_logout_token(
        claims, {"id_token_signed_response_alg": alg, "client_secret": SECRET}
    )


def validator_of(op: Op, alg: str, client_id: str = "rp") -> LogoutTokenValidator:
    """Strict: with the type; it knows what the OP publishes and the client's own secret, no more."""
    jwks = op.browser().get("/jwks.json").json
    return LogoutTokenValidator(op.settings.issuer, client_id, lambda _: jwks, alg=alg, client_secret=SECRET, require_typ=True)


@pytest.mark.spec("BC-12", "BC-13", "BC-14", "RP-30")
@pytest.mark.parametrize("alg", ALGS)
def test_a_token_of_ours_is_taken(op: Op, alg: str) -> None:
    ended = validator_of(op, alg).validate(signed(op, claims_of(op), alg))

    assert (ended.sub, ended.sid) == ("alice-here", "her-sid")


@pytest.mark.spec("RP-30")
@pytest.mark.parametrize("alg", ALGS)
@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in MUTATIONS.items() for value in values], ids=repr)
def test_with_one_claim_changed_it_is_refused_though_the_op_had_signed_it(op: Op, alg: str, name: str, value: Any) -> None:
    claims = claims_of(op) | {name: value}
    if value is None:
        del claims[name]

    with pytest.raises(LogoutTokenRefused):
        validator_of(op, alg).validate(signed(op, claims, alg))


@pytest.mark.spec("BC-03", "RP-30")
@pytest.mark.parametrize("alg", ALGS)
def test_without_sub_and_sid_it_is_refused_and_without_one_of_them_it_is_not(op: Op, alg: str) -> None:
    claims = claims_of(op)
    without = [{name: claims[name] for name in claims if name not in left_out} for left_out in ({"sub", "sid"}, {"sub"}, {"sid"})]

    with pytest.raises(LogoutTokenRefused):
        validator_of(op, alg).validate(signed(op, without[0], alg))
    assert [validator_of(op, alg).validate(signed(op, kept, alg)).sid for kept in without[1:]] == ["her-sid", None]


@pytest.mark.spec("BC-12", "RP-30")
@pytest.mark.parametrize("alg", ALGS)
@pytest.mark.parametrize("part", [0, 1, 2], ids=["header", "claims", "signature"])
def test_with_one_bit_changed_it_is_refused(op: Op, alg: str, part: int) -> None:
    parts = signed(op, claims_of(op), alg).split(".")
    parts[part] = ("f" if parts[part][0] != "f" else "e") + parts[part][1:]

    with pytest.raises(LogoutTokenRefused):
        validator_of(op, alg).validate(".".join(parts))


@pytest.mark.spec("BC-13")
@pytest.mark.parametrize(("alg", "registered"), [(one, other) for one in ALGS for other in ALGS if one != other])
def test_under_another_algorithm_than_the_registered_one_it_is_refused(op: Op, alg: str, registered: str) -> None:
    with pytest.raises(LogoutTokenRefused):
        validator_of(op, registered).validate(signed(op, claims_of(op), alg))


@pytest.mark.spec("SEC-07")
@pytest.mark.parametrize("alg", ALGS)
def test_another_client_refuses_it(op: Op, alg: str) -> None:
    with pytest.raises(LogoutTokenRefused):
        validator_of(op, alg, "another client").validate(signed(op, claims_of(op), alg))


@pytest.mark.spec("BC-11", "BC-12", "BC-13", "BC-14")
@pytest.mark.parametrize("alg", ALGS)
def test_an_rp_on_pyoidc_takes_it_and_not_another_clients(op: Op, alg: str) -> None:
    keyjar = KeyJar()
    keyjar[op.settings.issuer] = [KeyBundle(op.browser().get("/jwks.json").json["keys"])]
    keyjar.add_symmetric("rp", SECRET)
    request = {"logout_token": signed(op, claims_of(op), alg)}

    taken = BackChannelLogoutRequest(**request)
    assert taken.verify(keyjar=keyjar, iss=op.settings.issuer, aud="rp", sigalg=alg)
    assert taken["logout_token"]["sid"] == "her-sid"
    with pytest.raises(NotForMe):
        BackChannelLogoutRequest(**request).verify(keyjar=keyjar, iss=op.settings.issuer, aud="another client", sigalg=alg)
