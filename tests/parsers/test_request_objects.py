"""Request objects, against whatever comes: each is refused as declared, or gives parameters that a query could have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oic_session_ext.clients.keys import ClientKeys
from oic_session_ext.clients.request_uris import request_object_problems
from oic_session_ext.crypto import jose
from oic_session_ext.errors import ProtocolError
from oic_session_ext.provider.authorization.request_object import RequestObjects
from oic_session_ext.provider.keys import new_private_jwk
from oic_session_ext.settings import RequestObjectSettings
from oic_session_ext.testing.fake_clock import FakeClock
from oic_session_ext.web.address_guard import AddressGuard
from oic_session_ext.web.guarded_fetch import FetchFailed, GuardedFetch
from oic_session_ext.web.outbound.outbound import Outbound
from oic_session_ext.web.parameters import parse_parameters, with_parameters

from .whatever import ANY_JSON, ANY_TEXT, budget, segment, spoilt

pytestmark = pytest.mark.fuzz

NOW = 1_800_000_000
ISSUER = "https://op.example.com"
JWK = new_private_jwk({"kty": "EC", "crv": "P-256"})
KEY = jose.import_key(JWK)
KEYS = ClientKeys(GuardedFetch(Outbound(AddressGuard()), AddressGuard()), FakeClock(NOW))
CLIENT = {"client_id": "rp", "jwks": {"keys": [{name: value for name, value in JWK.items() if name != "d"}]}}
OUTSIDE = {"client_id": "rp", "response_type": "code", "scope": "openid", "state": "outside"}
GOOD = {"iss": "rp", "aud": ISSUER, "response_type": "code", "scope": "openid", "exp": NOW + 60}
NAMES = st.sampled_from(
    [
        "iss",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "sub",
        "events",
        "client_id",
        "response_type",
        "scope",
        "state",
        "max_age",
        "claims",
        "prompt",
    ]
)


def refuses_all(uri: str) -> str:
    raise FetchFailed("could not be fetched")


def objects(*, unsigned: bool = False) -> RequestObjects:
    return RequestObjects(ISSUER, RequestObjectSettings(unsigned=unsigned), KEYS.of, refuses_all, NOW)


def taken(parameters: dict[str, str], client: dict[str, Any], *, unsigned: bool = False) -> dict[str, str] | None:
    """What is taken of a request, None when it is refused."""
    try:
        merged = objects(unsigned=unsigned).merged(parameters, client)
    except ProtocolError:
        return None
    assert merged["client_id"] == "rp"
    assert not {"request", "request_uri", "upm_answer", "sub", "events"} & merged.keys()
    assert dict(parse_parameters(with_parameters("", **{name: value for name, value in merged.items() if name.isalpha()})[1:]))
    return merged


@budget(50)
@given(text=st.one_of(ANY_TEXT, spoilt(jose.sign(GOOD, KEY, "ES256"))))
def test_a_text_is_an_object_or_is_refused(text: str) -> None:
    merged = taken(OUTSIDE | {"request": text}, CLIENT)

    assert merged is None or merged["state"] == "outside"


@budget(50)
@given(changes=st.dictionaries(st.one_of(NAMES, st.text(max_size=10)), ANY_JSON, max_size=4))
def test_what_the_client_signed_is_taken_or_refused(changes: dict[str, Any]) -> None:
    try:
        token = jose.sign(GOOD | changes, KEY, "ES256")
    except ValueError:  # no JSON
        return

    taken(OUTSIDE | {"request": token}, CLIENT)


@budget(50)
@given(header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "cty", "zip"]), ANY_JSON, max_size=3), claims=ANY_JSON)
def test_what_nobody_signed_is_taken_where_the_settings_allow_it_alone(header: dict[str, Any], claims: Any) -> None:
    token = f"{segment({'alg': 'none'} | header)}.{segment(claims)}."

    assert taken(OUTSIDE | {"request": token}, CLIENT) is None
    taken(OUTSIDE | {"request": token}, CLIENT, unsigned=True)


@budget(30)
@given(uri=st.one_of(ANY_TEXT, spoilt("https://rp.example.com/r.jwt#abc")))
def test_an_address_is_registered_as_it_may_be_or_refused(uri: str) -> None:
    problems = list(request_object_problems({"request_uris": [uri]}, RequestObjectSettings(), AddressGuard()))

    assert problems or uri.lower().startswith("https://")
    assert taken(OUTSIDE | {"request_uri": uri}, CLIENT | {"request_uris": [uri]}) is None
