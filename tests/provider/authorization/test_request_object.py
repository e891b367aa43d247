"""Requests in a JWT: what is taken of an object that its client made for this OP, and every other one refused (OIDCC-6, RFC 9101)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oic_session_ext.clients.request_uris import REQUEST_OBJECT_ALGS
from oic_session_ext.crypto import jose
from oic_session_ext.provider.keys import new_private_jwk
from oic_session_ext.settings import RequestObjectSettings
from oic_session_ext.web.guarded_fetch import FetchFailed, GuardedFetch
from tests.provider.conftest import CHALLENGE, CLIENT_JWKS, CLIENT_RSA_KEY, ISSUER, REDIRECT_URIS, SECRET, Answer, Op

CLIENT_EC_KEY = jose.import_key(CLIENT_JWKS["keys"][1])
CLIENT_KEYS = {"RS256": CLIENT_RSA_KEY, "ES256": CLIENT_EC_KEY}
STRANGERS_KEY = jose.import_key(new_private_jwk({"kty": "EC", "crv": "P-256"}))
REQUEST_URI = "https://keyed.example.com/request.jwt"
RFC_9101 = "oauth-authz-req+jwt"
ANY_VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=9), st.just("none")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


def claims_of(client_id: str = "keyed", **changes: Any) -> dict[str, Any]:
    """The claims of a request object; None leaves one out."""
    claims = {
        "iss": client_id,
        "aud": ISSUER,
        "client_id": client_id,
        "redirect_uri": REDIRECT_URIS.get(client_id),
        "response_type": "code",
        "scope": "openid",
        "state": "state inside",
        "nonce": "nonce inside",
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def signed(alg: str = "RS256", *, key: Any = None, typ: str | None = None, client_id: str = "keyed", **changes: Any) -> str:
    return jose.sign(claims_of(client_id, **changes), key or CLIENT_KEYS[alg], alg, typ=typ)


def unsigned(signature: str = "", client_id: str = "keyed", **changes: Any) -> str:
    return f"{_part({'alg': 'none'})}.{_part(claims_of(client_id, **changes))}.{signature}"


def digest_of(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def send(op: Op, request_object: str, client_id: str = "keyed", *, login: str | None = "alice", **outside: Any) -> Answer:
    """Send a request with an object; what stands outside is what OAuth 2.0 needs, unless a test changes it."""
    return op.browser().authorize(client_id, login=login, request=request_object, **{"state": None, "nonce": None} | outside)


def send_reference(op: Op, uri: str = REQUEST_URI, **outside: Any) -> Answer:
    return op.browser().authorize("keyed", login="alice", request_uri=uri, **{"state": None, "nonce": None} | outside)


def nonce_of(op: Op, answer: Answer, client_id: str = "basic") -> str:
    return op.claims(op.redeem(answer.in_query["code"], client_id).json["id_token"])["nonce"]


@pytest.fixture
def op(make_op: Any) -> Op:
    op = make_op()
    op.clients["keyed"]["request_uris"] = [REQUEST_URI]
    return op


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is where, and how often it was fetched."""
    known: dict[str, Any] = {"times": 0}

    def ascii_at(_: GuardedFetch, uri: str, accept: str) -> str:
        known["times"] += 1
        if uri not in known:
            raise FetchFailed("does not answer with 200 OK")
        return known[uri]

    monkeypatch.setattr(GuardedFetch, "ascii", ascii_at)
    return known


# -- what is taken -----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OIDCC-6.1")
@pytest.mark.parametrize("alg", CLIENT_KEYS)
@pytest.mark.parametrize("typ", [None, "JWT", RFC_9101])
def test_a_request_that_the_client_signed_is_carried_out(op: Op, alg: str, typ: str | None) -> None:
    answer = send(op, signed(alg, typ=typ))

    assert set(answer.in_query) == {"code", "state", "session_state", "iss", "scope"}
    assert answer.in_query["state"] == "state inside"


@pytest.mark.spec("OIDCC-6.1")
def test_a_request_with_the_mac_of_the_clients_secret_is_carried_out(op: Op) -> None:
    answer = send(op, signed("HS256", key=jose.mac_key(SECRET, "HS256"), client_id="basic"), "basic")

    assert nonce_of(op, answer) == "nonce inside"


def test_each_algorithm_that_is_offered_is_one_that_can_be_verified(op: Op) -> None:
    metadata = Answer.of(op.provider.providerinfo_endpoint()).json

    assert set(metadata["request_object_signing_alg_values_supported"]) == jose.ASYMMETRIC_ALGS | jose.MAC_ALGS


@pytest.mark.spec("OIDCC-6.1")
def test_what_stands_inside_goes_before_what_stands_outside(op: Op) -> None:
    answer = send(op, signed(), redirect_uri="https://evil.example.com/", state="state outside")

    assert answer.location.startswith(REDIRECT_URIS["keyed"])
    assert answer.in_query["state"] == "state inside"


@pytest.mark.spec("OIDCC-6.1")
def test_what_stands_outside_alone_counts_beside_an_object_of_openid_connect(op: Op) -> None:
    assert send(op, signed(state=None), state="state outside").in_query["state"] == "state outside"


@pytest.mark.spec("RFC 9101-6.3")
def test_nothing_outside_counts_beside_an_object_of_rfc_9101(op: Op) -> None:
    answer = send(op, signed(typ=RFC_9101, state=None), state="state outside", login_hint="mallory")

    assert "code" in answer.in_query
    assert "state" not in answer.in_query


@pytest.mark.spec("RFC 9101-5")
def test_an_object_of_rfc_9101_needs_nothing_outside_but_its_client(op: Op) -> None:
    answer = send(op, signed(typ=RFC_9101), response_type=None, scope=None, redirect_uri=None)

    assert answer.in_query["state"] == "state inside"


@pytest.mark.parametrize(
    ("inside", "error"),
    [
        ({"prompt": "none"}, "login_required"),
        ({"prompt": ["none"]}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "none", "max_age": 5}, "login_required"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": True}, "invalid_request"),
        ({"max_age": 1.5}, "invalid_request"),
        ({"claims": {"userinfo": 5}}, "invalid_request"),
        ({"claims": {"id_token": {"acr": {"essential": True, "value": "urn:unknown"}}}}, "unmet_authentication_requirements"),
        ({"id_token_hint": "garbage"}, "invalid_request"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "email"}, "invalid_scope"),
        ({"scope": {"openid": 1}}, "invalid_scope"),
        ({"registration": {}}, "registration_not_supported"),
    ],
    ids=str,
)
def test_what_stands_inside_is_checked_as_if_it_stood_in_the_query(op: Op, inside: dict[str, Any], error: str) -> None:
    answer = send(op, signed(**inside), login=None)

    assert answer.location.startswith(REDIRECT_URIS["keyed"])
    assert (answer.in_query["error"], answer.in_query["state"]) == (error, "state inside")


def test_a_parameter_without_a_value_inside_is_as_if_it_had_not_been_sent(op: Op) -> None:
    answer = send(op, signed(max_age="", prompt="", response_mode="", claims=""))

    assert answer.in_query["state"] == "state inside"


def test_claims_and_response_mode_inside_are_minded(op: Op) -> None:
    wish = {"id_token": {"name": None}}

    answer = send(op, signed(response_type="code id_token", response_mode="form_post", claims=wish), response_type="code id_token")

    assert answer.form.action == REDIRECT_URIS["keyed"]
    assert answer.form.fields["state"] == "state inside"
    assert op.claims(answer.form.fields["id_token"])["nonce"] == "nonce inside"


def test_a_code_challenge_inside_must_be_answered(op: Op) -> None:
    object_ = signed("HS256", key=jose.mac_key(SECRET, "HS256"), client_id="basic", code_challenge=CHALLENGE, code_challenge_method="S256")
    code = send(op, object_, "basic").in_query["code"]

    assert op.redeem(code).error == "invalid_grant"


def test_the_login_page_is_given_the_request_itself_and_no_object(op: Op) -> None:
    answer = send(op, signed(login_hint="alice"), login=None)

    assert answer.location.startswith("/login?")
    assert {"request", "iss", "aud"} & answer.in_query.keys() == set()
    assert (answer.in_query["state"], answer.in_query["login_hint"]) == ("state inside", "alice")


def test_an_op_with_the_hardening_alone_takes_objects_too(hardened: Op) -> None:
    browser = hardened.browser()
    browser.use_pyoidc_login("alice")

    assert browser.authorize("keyed", request=signed()).in_query["state"] == "state inside"


# -- what is refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OIDCC-6.1", "SEC-05")
@pytest.mark.parametrize(
    "object_",
    [
        pytest.param(lambda _: "garbage", id="no JWT"),
        pytest.param(lambda _: "", id="empty"),
        pytest.param(lambda _: "a.b.c.d.e", id="encrypted"),
        pytest.param(lambda _: signed()[:-4] + "AAAA", id="changed"),
        pytest.param(lambda _: unsigned(), id="unsigned"),
        pytest.param(lambda _: signed("ES256", key=STRANGERS_KEY), id="a stranger's"),
        pytest.param(lambda op: jose.sign(claims_of(), op.ext.op_keys.signing_key("RS256"), "RS256"), id="signed by the OP"),
        pytest.param(lambda op: op.id_token(aud="keyed", client_id="keyed"), id="an ID Token"),
        pytest.param(lambda _: signed("HS256", key=jose.mac_key(SECRET, "HS256")), id="another client's secret"),
        pytest.param(lambda _: signed(client_id="basic"), id="for another client"),
        pytest.param(lambda _: signed(iss="basic"), id="of another client"),
        pytest.param(lambda _: jose.sign({"aud": ISSUER}, CLIENT_EC_KEY, "ES256"), id="nobody's"),
        pytest.param(lambda _: signed(aud="https://other.example.com"), id="for another OP"),
        pytest.param(lambda _: signed(aud=["https://other.example.com"]), id="for other OPs"),
        pytest.param(lambda _: signed(aud={}), id="for nonsense"),
        pytest.param(lambda _: signed(response_type="id_token"), id="another response_type"),
        pytest.param(lambda _: signed(typ=RFC_9101, response_type="id_token"), id="another response_type, RFC 9101"),
        pytest.param(lambda op: signed(exp=op.clock()), id="expired"),
        pytest.param(lambda _: signed(exp="never"), id="exp is no number"),
        pytest.param(lambda _: signed(exp=True), id="exp is true"),
        pytest.param(lambda op: signed(nbf=op.clock() + 120), id="not yet"),
        pytest.param(lambda op: signed(iat=op.clock() + 120), id="from the future"),
        pytest.param(lambda _: signed(request="x.y.z"), id="an object inside"),
        pytest.param(lambda _: signed(request_uri=REQUEST_URI), id="a reference inside"),
        pytest.param(lambda _: signed(upm_answer="true"), id="the answer of pyoidc's login page"),
        pytest.param(lambda op: signed(sub="keyed", jti="1", exp=op.clock() + 60), id="a client assertion"),
        pytest.param(lambda _: signed(events={}), id="a security event"),
        pytest.param(lambda _: signed(typ="logout+jwt"), id="typ of a Logout Token"),
        pytest.param(lambda _: signed(typ="at+jwt"), id="typ of an access token"),
        pytest.param(lambda _: signed(typ="client-authentication+jwt"), id="typ of an assertion"),
        pytest.param(lambda _: signed(nonce="a\r\nb"), id="control characters"),
        pytest.param(lambda _: signed(**{f"x{number}": "y" for number in range(100)}), id="too many parameters"),
        pytest.param(lambda _: signed(x="&" * 6_000), id="too large for a query"),
        pytest.param(lambda _: signed(x="y" * 17_000), id="too large"),
        pytest.param(lambda _: jose.sign(claims_of() | {"nonce": None}, CLIENT_EC_KEY, "ES256"), id="null"),
    ],
)
def test_any_other_object_is_refused(op: Op, object_: Callable[..., Any]) -> None:
    answer = send(op, object_(op), state="state outside")

    assert answer.status == 303
    assert answer.location.startswith(REDIRECT_URIS["keyed"])
    assert (answer.in_query["error"], answer.in_query["state"]) == ("invalid_request_object", "state outside")


@pytest.mark.parametrize("typ", [None, RFC_9101])
def test_a_redirect_uri_inside_must_be_registered(op: Op, typ: str | None) -> None:
    answer = send(op, signed(redirect_uri="https://evil.example.com/", typ=typ))

    assert (answer.status, answer.location) == (400, "")
    assert "evil.example" not in answer.body


def test_a_bad_object_is_told_on_a_page_where_no_redirect_uri_is_known_to_be_good(op: Op) -> None:
    for redirect_uri in ("https://evil.example.com/", None):
        answer = send(op, unsigned(), redirect_uri=redirect_uri)

        assert (answer.status, answer.location) == (400, "")
        assert "invalid_request_object" in answer.body


@pytest.mark.spec("OIDCC-6.1")
@pytest.mark.parametrize("outside", [{"response_type": None}, {"scope": None}, {"scope": "email"}, {"request_uri": REQUEST_URI}], ids=str)
def test_what_must_stand_outside_and_what_must_not(op: Op, fetched: dict[str, Any], outside: dict[str, Any]) -> None:
    answer = send(op, signed(), **outside)

    assert answer.in_query["error"] == "invalid_request"
    assert fetched["times"] == 0


def test_a_request_without_its_client_outside_is_refused_whatever_is_inside(op: Op) -> None:
    answer = op.browser().authorize_raw(f"response_type=code&scope=openid&request={signed()}")

    assert (answer.status, answer.location) == (400, "")


@pytest.mark.spec("OIDCREG-2")
def test_objects_have_the_algorithm_that_the_client_registered(op: Op) -> None:
    op.clients["keyed"]["request_object_signing_alg"] = "ES256"

    assert "code" in send(op, signed("ES256")).in_query
    assert send(op, signed("RS256")).in_query["error"] == "invalid_request_object"


def test_a_secret_whose_time_is_over_proves_no_object(op: Op) -> None:
    op.clients["basic"]["client_secret_expires_at"] = op.clock()
    object_ = signed("HS256", key=jose.mac_key(SECRET, "HS256"), client_id="basic")

    assert send(op, object_, "basic").in_query["error"] == "invalid_request_object"


def test_the_public_key_of_a_client_is_no_secret(op: Op) -> None:
    modulus = CLIENT_JWKS["keys"][0]["n"]

    assert send(op, signed("HS256", key=jose.mac_key(modulus, "HS256"))).in_query["error"] == "invalid_request_object"


# -- unsigned objects --------------------------------------------------------------------------------------------------------


@pytest.fixture
def lenient(op: Op) -> Op:
    op.ext.policy.request_objects = RequestObjectSettings(unsigned=True)
    return op


@pytest.mark.spec("OIDCC-6.1")
@pytest.mark.parametrize("registered", [None, "none"])
def test_an_unsigned_object_counts_as_a_query_where_the_settings_allow_it(lenient: Op, registered: str | None) -> None:
    if registered:
        lenient.clients["keyed"]["request_object_signing_alg"] = registered

    assert send(lenient, unsigned(iss=None)).in_query["state"] == "state inside"
    assert send(lenient, unsigned(redirect_uri="https://evil.example.com/")).status == 400


def test_an_unsigned_object_of_a_client_that_registered_an_algorithm_is_refused(lenient: Op) -> None:
    lenient.clients["keyed"]["request_object_signing_alg"] = "RS256"

    assert send(lenient, unsigned()).in_query["error"] == "invalid_request_object"


@pytest.mark.parametrize("object_", [unsigned("AAAA"), unsigned(client_id="basic"), unsigned(sub="keyed"), unsigned(exp=1)], ids=range(4))
def test_an_unsigned_object_is_held_to_all_other_rules(lenient: Op, object_: str) -> None:
    assert send(lenient, object_).in_query["error"] == "invalid_request_object"


def test_a_client_that_registered_none_may_not_where_the_settings_do_not_allow_it(op: Op) -> None:
    op.clients["keyed"]["request_object_signing_alg"] = "none"

    assert send(op, unsigned()).in_query["error"] == "invalid_request_object"
    assert send(op, signed()).in_query["error"] == "invalid_request_object"


# -- by reference ------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OIDCC-6.2")
@pytest.mark.parametrize("fragment", ["", "#v2"])
def test_an_object_at_a_registered_address_is_fetched_each_time(op: Op, fetched: dict[str, Any], fragment: str) -> None:
    fetched[REQUEST_URI] = f"{signed()}\n"

    for _ in range(2):
        assert send_reference(op, REQUEST_URI + fragment).in_query["state"] == "state inside"
    assert fetched["times"] == 2


@pytest.mark.spec("OIDCC-6.2")
def test_an_object_that_its_address_names_by_its_hash_is_fetched_once(op: Op, fetched: dict[str, Any]) -> None:
    fetched[REQUEST_URI] = signed()
    digest = digest_of(fetched[REQUEST_URI])

    for _ in range(2):
        assert "code" in send_reference(op, f"{REQUEST_URI}#{digest}").in_query
    assert fetched["times"] == 1


def test_an_object_that_is_kept_expires_nevertheless(op: Op, fetched: dict[str, Any]) -> None:
    fetched[REQUEST_URI] = signed(exp=op.clock() + 60)
    digest = digest_of(fetched[REQUEST_URI])
    assert "code" in send_reference(op, f"{REQUEST_URI}#{digest}").in_query

    op.clock.advance(60)

    assert send_reference(op, f"{REQUEST_URI}#{digest}").in_query["error"] == "invalid_request_object"


@pytest.mark.spec("SEC-08")
@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/latest",
        "https://keyed.example.com/other.jwt",
        f"{REQUEST_URI}?a=1",
        "https://KEYED.example.com/request.jwt",
        "https://keyed.example.com:443/request.jwt",
        f"{REQUEST_URI}/",
        f"{REQUEST_URI}#{'x' * 512}",
        "",
        "urn:ietf:params:oauth:request_uri:x",
    ],
)
def test_an_address_that_is_not_registered_is_not_fetched(op: Op, fetched: dict[str, Any], uri: str) -> None:
    fetched[uri.partition("#")[0]] = signed()

    assert send_reference(op, uri).in_query["error"] == "invalid_request_uri"
    assert fetched["times"] == 0


def test_a_client_without_registered_addresses_has_nothing_fetched(op: Op, fetched: dict[str, Any]) -> None:
    del op.clients["keyed"]["request_uris"]

    assert send_reference(op).in_query["error"] == "invalid_request_uri"
    assert fetched["times"] == 0


@pytest.mark.spec("SEC-08")
def test_a_registered_address_inside_of_the_network_is_not_connected_to(op: Op) -> None:
    op.clients["keyed"]["request_uris"] = ["http://127.0.0.1:9/request.jwt", "https://10.0.0.1/request.jwt"]

    for uri in op.clients["keyed"]["request_uris"]:
        assert send_reference(op, uri).in_query["error"] == "invalid_request_uri"


def test_what_cannot_be_fetched_is_told_to_the_rp(op: Op, fetched: dict[str, Any]) -> None:
    assert send_reference(op).in_query["error"] == "invalid_request_uri"


@pytest.mark.parametrize("content", ["", "<html>", "x" * 20_000, unsigned(), signed(client_id="basic")], ids=range(5))
def test_a_bad_object_elsewhere_is_as_bad_as_one_in_the_request(op: Op, fetched: dict[str, Any], content: str) -> None:
    fetched[REQUEST_URI] = content

    assert send_reference(op).in_query["error"] in ("invalid_request_object", "invalid_request_uri")


# -- switches ----------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OIDCD-3")
@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"by_value": False}, {"request": "request_not_supported"}),
        ({"by_reference": False}, {"request_uri": "request_uri_not_supported"}),
        ({"by_value": False, "by_reference": False}, {"request": "request_not_supported", "request_uri": "request_uri_not_supported"}),
    ],
    ids=str,
)
def test_what_is_off_is_refused_and_not_offered(op: Op, fetched: dict[str, Any], settings: dict[str, bool], names: dict[str, str]) -> None:
    op.ext.policy.request_objects = RequestObjectSettings(**settings)
    metadata = Answer.of(op.provider.providerinfo_endpoint()).json

    for name, error in names.items():
        changes: dict[str, Any] = {name: signed() if name == "request" else REQUEST_URI}
        answer = op.browser().authorize("keyed", login="alice", **changes)
        assert answer.in_query["error"] == error
        assert metadata[f"{name}_parameter_supported"] is False
    assert ("require_request_uri_registration" in metadata) == ("request_uri" not in names)
    assert ("request_object_signing_alg_values_supported" in metadata) == (len(names) < 2)
    assert fetched["times"] == 0


@pytest.mark.spec("OIDCD-3")
def test_none_is_offered_only_where_it_is_taken(op: Op, lenient: Op) -> None:
    assert Answer.of(lenient.provider.providerinfo_endpoint()).json["request_object_signing_alg_values_supported"] == [
        *REQUEST_OBJECT_ALGS,
        "none",
    ]


# -- registration ------------------------------------------------------------------------------------------------------------


def register(op: Op, **given: Any) -> Answer:
    body = {"redirect_uris": ["https://new.example.com/cb"], "response_types": ["code"], **given}
    return Answer.of(op.provider.registration_endpoint(json.dumps(body)))


@pytest.mark.spec("OIDCREG-2")
def test_a_client_registers_its_objects_and_sends_one(hardened: Op) -> None:
    uri = "https://new.example.com/request.jwt?a=1#" + "x" * 43
    client = register(
        hardened, request_uris=[uri], request_object_signing_alg="HS256", token_endpoint_auth_method="client_secret_post"
    ).json
    assert (client["request_uris"], client["request_object_signing_alg"]) == ([uri], "HS256")

    browser = hardened.browser()
    browser.use_pyoidc_login("alice")
    key = jose.mac_key(client["client_secret"], "HS256")
    redirect_uri = client["redirect_uris"][0]
    object_ = signed("HS256", key=key, client_id=client["client_id"], redirect_uri=redirect_uri)
    answer = browser.authorize(client["client_id"], redirect_uri=redirect_uri, request=object_)

    assert answer.in_query["state"] == "state inside"


@pytest.mark.spec("OIDCREG-2", "SEC-08")
@pytest.mark.parametrize(
    "given",
    [
        {"request_uris": ["http://new.example.com/r"]},
        {"request_uris": ["https://10.0.0.1/r"]},
        {"request_uris": ["https://new.example.com/r#a#b"]},
        {"request_uris": ["https://new.example.com/r#<script>"]},
        {"request_uris": ["https://new.example.com/r#"]},
        {"request_uris": ["https://user@new.example.com/r"]},
        {"request_uris": ["https://new.example.com/" + "r" * 512]},
        {"request_uris": [f"https://new.example.com/{number}" for number in range(21)]},
        {"request_uris": ["javascript:alert(1)"]},
        {"request_uris": "https://new.example.com/r"},
        {"request_object_signing_alg": "none"},
        {"request_object_signing_alg": "RS1"},
        {"request_object_signing_alg": "RS256"},
        {"request_object_encryption_alg": "RSA-OAEP"},
        {"request_object_encryption_enc": "A128GCM"},
    ],
    ids=lambda given: str(given)[:80],
)
def test_what_a_client_may_not_register_of_its_objects(hardened: Op, given: dict[str, Any]) -> None:
    before = len(hardened.clients)

    assert register(hardened, **given).error == "invalid_client_metadata"
    assert len(hardened.clients) == before


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    inside=st.dictionaries(
        st.one_of(
            st.sampled_from(["claims", "max_age", "prompt", "scope", "acr_values", "ui_locales", "display", "state"]), st.text(max_size=9)
        ),
        st.one_of(ANY_VALUE, st.dictionaries(st.sampled_from(["userinfo", "id_token"]), st.dictionaries(st.text(max_size=5), ANY_VALUE))),
        max_size=4,
    )
)
def test_no_value_inside_is_a_fault_or_leads_elsewhere(op: Op, inside: dict[str, Any]) -> None:
    claims = claims_of() | inside | {"redirect_uri": REDIRECT_URIS["keyed"]}
    answer = send(op, jose.sign(claims, CLIENT_EC_KEY, "ES256"))

    assert answer.status in (200, 303, 400)
    assert answer.location.startswith((REDIRECT_URIS["keyed"], "/login?")) or answer.status != 303
