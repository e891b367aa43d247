"""The example RP's validator against whatever comes to its back channel: a Logout Token of the OP, or a refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey
from logout_token import EndedAtOp, LogoutTokenRefused, LogoutTokenValidator

from tests.parsers.whatever import ANY_JSON, ANY_TEXT, budget, jwt_of_nobody, segment, spoilt

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore:.*EC key:DeprecationWarning")]

ISSUER = "https://op.example.org"
NOW = 4_000_000_000  # a time that has not come: PyJWT asks the machine's own clock
EVENT = "http://schemas.openid.net/event/backchannel-logout"
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "client a",
    "iat": 1_700_000_000,
    "exp": NOW,
    "jti": "one",
    "events": {EVENT: {}},
    "sub": "alice-sub",
    "sid": "sid-1",
}
HEADER = {"alg": "ES256", "kid": "k1", "typ": "logout+jwt"}
KEY, FOREIGN = (ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"}) for _ in range(2))
KEYS = {"keys": [KEY.as_dict(private=False)]}


def signed(claims: dict[str, Any], key: ECKey = KEY) -> str:
    return jws.serialize_compact(HEADER, json.dumps(claims).encode(), key, algorithms=["ES256"])


GOOD = signed(CLAIMS)


def ended_by(token: str) -> EndedAtOp | None:
    """What the token says, None where it is refused as it should be; any other error is a fault."""
    try:
        return LogoutTokenValidator(ISSUER, "client a", lambda _: KEYS, alg="ES256").validate(token)
    except LogoutTokenRefused:
        return None


@budget(30)
@given(token=st.one_of(spoilt(GOOD), jwt_of_nobody(HEADER, CLAIMS), ANY_TEXT))
def test_nothing_counts_but_what_the_op_signed(token: str) -> None:
    ended = ended_by(token)

    assert ended is None or token.rpartition(".")[0] == GOOD.rpartition(".")[0]


@budget(20)
@given(
    changes=st.dictionaries(
        st.sampled_from([*CLAIMS, "nonce", "nbf", "azp"]),
        st.one_of(ANY_JSON, st.sampled_from([{EVENT: {}}, {EVENT: []}, ["client a"], ["client a", "b"], NOW, -1, 10**400, float(NOW)])),
        max_size=3,
    ),
    is_foreign=st.booleans(),
)
def test_a_signed_token_ends_what_it_names_or_nothing(changes: dict[str, Any], is_foreign: bool) -> None:
    claims = {**CLAIMS, **changes}

    ended = ended_by(signed(claims, FOREIGN if is_foreign else KEY))

    if ended is not None:
        assert not is_foreign
        assert (ended.iss, ended.sub, ended.sid, ended.jti) == tuple(claims.get(name) for name in ("iss", "sub", "sid", "jti"))
        assert ended.sub or ended.sid
        assert "nonce" not in claims


@budget(15)
@given(header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "x5u", "zip"]), ANY_JSON, max_size=3))
def test_whatever_the_header_says_a_signature_is_needed(header: dict[str, Any]) -> None:
    assert (
        ended_by(f"{segment({**HEADER, **header})}.{segment(CLAIMS)}.{GOOD.rpartition('.')[2]}") is None or {**HEADER, **header} == HEADER
    )
